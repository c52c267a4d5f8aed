"""Blocks that share a budget, and a measure or not: the best split, against every split."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import hypothesis.strategies as st
import pytest
from bruteforce import compositions
from hypothesis import assume, given, settings
from strategies import falling_curves, falling_surfaces, information_curves, order_surfaces

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.errors import InfeasibleError, UsageError
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.solution import Solution
from schedopt.solvers import loss_of, loss_of_blocks, solve_blocks

Measure = InformationCurve | OrderSurface

CURVE = InformationCurve([2.0, 1.0, 0.5, 0.25])
measures = st.one_of(
    falling_curves(max_n=4),
    falling_surfaces(max_n=4),
    information_curves(max_n=4),
    order_surfaces(max_n=4),
)


def least_losses(each: Sequence[Measure]) -> dict[int, float]:
    """Least loss of each number of steps, over all sizes of all blocks."""
    n = each[0].length
    every = [
        [(k, loss_of(measure, sizes)) for k in range(1, n + 1) for sizes in compositions(n, k)]
        for measure in each
    ]
    least: dict[int, float] = {}
    for choice in product(*every):
        steps, loss = sum(k for k, _ in choice), sum(loss for _, loss in choice)
        least[steps] = min(least.get(steps, loss), loss)
    return least


def rounding(measure: Measure) -> float:
    return 1e-12 * (1.0 + float(measure.conditional_entropy.max()))


def check(measure: Measure, blocks: int, solution: Solution) -> int:
    """The solution is one schedule whose blocks lose what it says; its steps."""
    schedule = solution.schedule
    assert schedule.length == measure.length
    own = loss_of_blocks(measure, schedule, blocks)
    assert own == pytest.approx(solution.loss, abs=100 * rounding(measure))
    assert own == sum(loss_of(measure, schedule.sizes_of_block(b)) for b in range(blocks))
    assert solution.lower_bound <= solution.loss
    assert solution.lower_bound == pytest.approx(solution.loss, abs=1000 * rounding(measure))
    return schedule.total_steps(blocks * measure.length)


@settings(max_examples=60)
@given(measures, st.integers(1, 3))
def test_no_split_loses_less(measure: Measure, blocks: int) -> None:
    for steps, least in least_losses([measure] * blocks).items():
        solution = solve_blocks(measure, blocks, steps=steps)
        assert check(measure, blocks, solution) == steps
        assert solution.loss == pytest.approx(least, abs=100 * rounding(measure))


@settings(max_examples=60)
@given(measures, st.integers(1, 3), st.floats(0.0, 1.0))
def test_no_fewer_steps_keep_within_a_loss(measure: Measure, blocks: int, share: float) -> None:
    least = least_losses([measure] * blocks)
    low, high = min(least.values()), max(least.values())
    max_loss = low + share * (high - low)
    # A loss that is met or missed by rounding alone may count either way.
    assume(all(abs(loss - max_loss) > 1e-6 * (1.0 + high) for loss in least.values()))
    solution = solve_blocks(measure, blocks, max_loss=max_loss)
    steps = check(measure, blocks, solution)
    assert steps == min(k for k, loss in least.items() if loss <= max_loss)
    assert solution.loss <= max_loss


def test_a_loss_is_not_shared_out_equally() -> None:
    """A block loses 1.25 with two steps, 0.25 with three: 1.5 for two takes five, not six."""
    solution = solve_blocks(CURVE, 2, max_loss=1.5)
    assert solution.schedule.total_steps(8) == 5
    assert solution.loss == 1.5
    assert solution.schedule.blocks is not None


def test_blocks_with_the_same_sizes_are_told_once() -> None:
    solution = solve_blocks(CURVE, 3, steps=6)
    assert solution.schedule.blocks is None
    assert solution.schedule.total_steps(12) == 6
    assert solution.sequential == 3 * CURVE.entropy


@pytest.mark.parametrize("steps", [2, 13, 0, None])
def test_steps_that_blocks_cannot_share(steps: int | None) -> None:
    message = f"3 blocks of 4 positions need 3 <= steps <= 12, got {steps}"
    with pytest.raises(UsageError, match=message):
        solve_blocks(CURVE, 3, steps=steps)


@pytest.mark.parametrize("blocks", [1, 2])
def test_one_budget(blocks: int) -> None:
    with pytest.raises(UsageError, match="need one of steps and max_loss"):
        solve_blocks(CURVE, blocks, steps=4, max_loss=1.0)
    with pytest.raises(InfeasibleError, match="need max_loss >= 0"):
        solve_blocks(CURVE, blocks, max_loss=-1.0)


# A measure for each block


@st.composite
def measures_of_several_blocks(draw: st.DrawFn) -> tuple[Measure, ...]:
    """Two or three curves, or surfaces of one order, of one length."""
    first = draw(measures)
    if isinstance(first, OrderSurface):
        scales = draw(st.lists(st.floats(0.0, 4.0), min_size=1, max_size=2))
        others: list[Measure] = [
            OrderSurface(first.conditional_entropy * scale, first.order) for scale in scales
        ]
        return (first, *others)
    n = first.length
    entries = st.lists(st.floats(0.0, 4.0), min_size=n, max_size=n)
    curves = draw(st.lists(entries, min_size=1, max_size=2))
    return (first, *map(InformationCurve, curves))


@settings(max_examples=60)
@given(measures_of_several_blocks())
def test_no_split_among_blocks_that_differ_loses_less(each: tuple[Measure, ...]) -> None:
    for steps, least in least_losses(each).items():
        solution = solve_blocks(each, len(each), steps=steps)
        slack = 100 * max(map(rounding, each))
        assert solution.schedule.total_steps(len(each) * each[0].length) == steps
        assert solution.loss == pytest.approx(least, abs=slack)
        assert solution.lower_bound <= solution.loss
        own = loss_of_blocks(each, solution.schedule, len(each))
        assert own == pytest.approx(solution.loss, abs=slack)


@settings(max_examples=60)
@given(measures_of_several_blocks(), st.floats(0.0, 1.0))
def test_no_fewer_steps_of_blocks_that_differ(each: tuple[Measure, ...], share: float) -> None:
    least = least_losses(each)
    low, high = min(least.values()), max(least.values())
    max_loss = low + share * (high - low)
    assume(all(abs(loss - max_loss) > 1e-6 * (1.0 + high) for loss in least.values()))
    solution = solve_blocks(each, len(each), max_loss=max_loss)
    steps = solution.schedule.total_steps(len(each) * each[0].length)
    assert steps == min(k for k, loss in least.items() if loss <= max_loss)
    assert solution.loss <= max_loss


def test_steps_go_where_they_gain() -> None:
    flat = InformationCurve([2.0, 2.0, 2.0, 2.0])
    solution = solve_blocks([flat, CURVE, flat], 3, steps=6)
    assert solution.schedule.blocks == ((4,), (1, 1, 1, 1), (4,))
    assert (solution.loss, solution.sequential) == (0.0, 2 * flat.entropy + CURVE.entropy)


def test_a_measure_for_each_block_that_is_the_same_is_one_for_all() -> None:
    for steps in range(3, 13):
        alike = solve_blocks([CURVE] * 3, 3, steps=steps)
        assert alike == solve_blocks(CURVE, 3, steps=steps)
    assert loss_of_blocks([CURVE] * 2, UnmaskingSchedule(4, Order("random"), (4,)), 2) == 8.5


SURFACE = OrderSurface([[1.0, 1.0], [0.0, 1.0]], Order("left_to_right"))


@pytest.mark.parametrize(
    ("each", "blocks", "message"),
    [
        ([CURVE], 2, "one for each of 2 blocks, got 1"),
        ([], 1, "one for each of 1 blocks, got 0"),
        ([CURVE, InformationCurve([1.0])], 2, "of one length and one order, got lengths 4, 1"),
        ([SURFACE, InformationCurve([1.0, 1.0])], 2, "of one length and one order"),
        (CURVE, 0, "need at least one block, got 0"),
    ],
)
def test_measures_that_do_not_suit_the_blocks(
    each: Sequence[Measure] | Measure, blocks: int, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        solve_blocks(each, blocks, steps=4)


@pytest.mark.parametrize("max_loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number(max_loss: float) -> None:
    for blocks in (1, 2):
        with pytest.raises(UsageError, match="need a finite max_loss"):
            solve_blocks(CURVE, blocks, max_loss=max_loss)


def test_loss_of_blocks_takes_each_blocks_own_sizes() -> None:
    schedule = UnmaskingSchedule(4, Order("random"), (4,), blocks=((1, 3), (2, 2)))
    expected = loss_of(CURVE, (1, 3)) + loss_of(CURVE, (2, 2)) + loss_of(CURVE, (4,))
    assert loss_of_blocks(CURVE, schedule, 3) == pytest.approx(expected)
