"""Blocks that share a measure and a budget: the best split, against every split there is."""

from __future__ import annotations

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


def least_losses(measure: Measure, blocks: int) -> dict[int, float]:
    """Least loss of each number of steps, over all sizes of all blocks."""
    n = measure.length
    single = [(k, loss_of(measure, sizes)) for k in range(1, n + 1) for sizes in compositions(n, k)]
    least: dict[int, float] = {}
    for choice in product(single, repeat=blocks):
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
    for steps, least in least_losses(measure, blocks).items():
        solution = solve_blocks(measure, blocks, steps=steps)
        assert check(measure, blocks, solution) == steps
        assert solution.loss == pytest.approx(least, abs=100 * rounding(measure))


@settings(max_examples=60)
@given(measures, st.integers(1, 3), st.floats(0.0, 1.0))
def test_no_fewer_steps_keep_within_a_loss(measure: Measure, blocks: int, share: float) -> None:
    least = least_losses(measure, blocks)
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


def test_loss_of_blocks_takes_each_blocks_own_sizes() -> None:
    schedule = UnmaskingSchedule(4, Order("random"), (4,), blocks=((1, 3), (2, 2)))
    expected = loss_of(CURVE, (1, 3)) + loss_of(CURVE, (2, 2)) + loss_of(CURVE, (4,))
    assert loss_of_blocks(CURVE, schedule, 3) == pytest.approx(expected)
