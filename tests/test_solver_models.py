"""Models and boundaries chosen together are the best within their FLOPs, and bounds are bounds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations, pairwise, product
from typing import Any

import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.errors import InfeasibleError, InputError, UsageError
from schedopt.files import Prediction, ScheduleFile, dumps, loads
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.solution import Solution, Status
from schedopt.solvers import losses, models, parallel, solve
from schedopt.solvers.models import (
    Measures,
    assign_models,
    loss_of_models,
    losses_of_models,
    price_models,
    solve_models,
)
from schedopt.solvers.parallel import CurveEdges, fill_dense, fill_lines

HEAVY = InformationCurve([2.0, 1.2, 0.9, 0.7, 0.6, 0.5])
LIGHT = InformationCurve([2.1, 1.6, 1.3, 1.2, 1.1, 0.7])
LEFT_TO_RIGHT = Order("left_to_right")


@dataclass(frozen=True)
class Family:
    """Measures of models of one length and order, and what a pass of each costs."""

    measures: Any
    flops: tuple[float, ...]

    @property
    def length(self) -> int:
        return int(self.measures[0].length)

    @property
    def slack(self) -> float:
        values = [measure.conditional_entropy for measure in self.measures]
        return 1e-13 * self.length * float(np.ptp(values))


@st.composite
def families(draw: st.DrawFn, *, max_n: int = 5) -> Family:
    """Curves or surfaces of one to three models, monotone or not, and their FLOPs."""
    count, n = draw(st.integers(1, 3)), draw(st.integers(1, max_n))
    of_one = st.sampled_from([strategies.nats, strategies.falling_arrays])
    values = [draw(draw(of_one)((n,))) for _ in range(count)]
    measures: list[Any] = [InformationCurve(value) for value in values]
    if draw(st.booleans()):
        order = draw(strategies.orders(n, names=("left_to_right", "explicit")))
        measures = [OrderSurface(draw(draw(of_one)((n, n))), order) for _ in range(count)]
    flops = draw(
        st.lists(
            st.integers(1, 6) | st.sampled_from([0.25, 0.31, 1.5, math.sqrt(2.0), 1e-3]),
            min_size=count,
            max_size=count,
        )
    )
    return Family(measures, tuple(flops))


def loss_by_definition(
    measures: Measures, reference: int, boundaries: Sequence[int], chosen: Sequence[int]
) -> float:
    total = 0.0
    for (a, b), m in zip(pairwise(boundaries), chosen, strict=True):
        for j in range(a, b):
            values, least = measures[m].conditional_entropy, measures[reference].conditional_entropy
            single = isinstance(measures[m], OrderSurface)
            total += float(values[a, j] - least[j, j]) if single else float(values[a] - least[j])
    return total


def every_choice(family: Family) -> Iterator[tuple[Fraction, float]]:
    """FLOPs and loss of every composition with every assignment of models."""
    flops = [Fraction(str(value)) for value in family.flops]
    reference = flops.index(max(flops))
    n = family.length
    for cuts in range(n):
        for inner in combinations(range(1, n), cuts):
            boundaries = (0, *inner, n)
            for chosen in product(range(len(flops)), repeat=cuts + 1):
                spent = sum((flops[m] for m in chosen), Fraction(0))
                yield spent, loss_by_definition(family.measures, reference, boundaries, chosen)


def spent_by(solution: Solution, flops: Sequence[float]) -> Fraction:
    assert solution.schedule.models is not None
    return sum((Fraction(str(flops[m])) for m in solution.schedule.models), Fraction(0))


def check(family: Family, solution: Solution, best: float) -> None:
    assert solution.loss == pytest.approx(best, abs=family.slack)
    again = loss_of_models(family.measures, family.flops, solution.schedule)
    assert again == solution.loss
    assert solution.schedule.models is not None
    heaviest = family.flops.index(max(family.flops))
    defined = loss_by_definition(
        family.measures, heaviest, solution.schedule.boundaries, solution.schedule.models
    )
    assert solution.loss == pytest.approx(defined, abs=family.slack)
    reference = family.measures[heaviest]
    single = reference.entropy if hasattr(reference, "entropy") else reference.sequential
    assert solution.sequential == single


@settings(max_examples=30)
@given(families(), st.data())
def test_no_boundaries_and_models_within_the_budget_lose_less(
    family: Family, data: st.DataObject
) -> None:
    choices = list(every_choice(family))
    budgets = sorted({spent for spent, _ in choices})
    for budget in data.draw(st.lists(st.sampled_from(budgets), min_size=1, max_size=3)):
        more = data.draw(st.sampled_from([Fraction(0), Fraction(1, 7)]))
        best = min(loss for spent, loss in choices if spent <= budget + more)
        solution = solve_models(family.measures, family.flops, budget=float(budget + more))
        check(family, solution, best)
        assert solution.status is Status.OPTIMAL
        assert 0.0 <= solution.gap <= family.slack
        assert spent_by(solution, family.flops) <= (budget + more) * (1 + Fraction(1, 10**9))


@settings(max_examples=30)
@given(families())
def test_the_frontier_is_the_best_of_every_budget(family: Family) -> None:
    choices = sorted(every_choice(family))
    frontier = losses_of_models(family.measures, family.flops, budget=float(choices[-1][0]))
    assert np.all(np.diff(frontier.flops) > 0)
    assert np.all(np.diff(frontier.losses) < 0)
    for spent, _ in choices:
        best = min(loss for other, loss in choices if other <= spent)
        at = int(np.searchsorted(frontier.flops, float(spent) * (1 + 1e-12), side="right")) - 1
        # A stair lower than rounding can tell apart may be left out.
        assert frontier.losses[at] == pytest.approx(best, abs=2 * family.slack)


@settings(max_examples=30)
@given(families(), st.floats(0.0, 20.0, allow_subnormal=False))
def test_a_price_finds_the_least_of_loss_and_flops(family: Family, price: float) -> None:
    solution = price_models(family.measures, family.flops, price=price)
    choices = list(every_choice(family))
    slack = family.slack + 1e-13 * family.length * price * max(family.flops)
    best = min(loss + price * float(spent) for spent, loss in choices)
    own = spent_by(solution, family.flops)
    assert solution.loss + price * float(own) == pytest.approx(best, abs=slack)
    within = min(loss for spent, loss in choices if spent <= own)
    check(family, solution, solution.loss)
    assert solution.loss <= within + slack
    assert solution.status is Status.OPTIMAL


@settings(max_examples=30)
@given(families(), st.data())
def test_without_the_exact_search_the_bound_holds_and_says_so(
    family: Family, data: st.DataObject
) -> None:
    choices = list(every_choice(family))
    budget = data.draw(st.sampled_from(sorted({spent for spent, _ in choices})))
    best = min(loss for spent, loss in choices if spent <= budget)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(models, "TABLE_LIMIT", 0)
        solution = solve_models(family.measures, family.flops, budget=float(budget))
    assert solution.lower_bound <= best + 4 * family.slack
    assert best <= solution.loss + family.slack
    assert spent_by(solution, family.flops) <= budget * (1 + Fraction(1, 10**9))
    assert solution.certificate.method == "Lagrangian dual"
    if solution.status is Status.BOUNDED:
        assert "too many to search" in solution.certificate.detail
        assert solution.gap > 0.0
    else:
        check(family, solution, best)


def test_seven_positions_and_two_models() -> None:
    rng = np.random.default_rng(7)
    for order in (None, LEFT_TO_RIGHT):
        values = [rng.random((7, 7)) for _ in range(2)]
        measures: list[Any] = [
            InformationCurve(value[0]) if order is None else OrderSurface(value, order)
            for value in values
        ]
        family = Family(measures, (1.0, 0.31))
        choices = list(every_choice(family))
        for budget in (0.31, 1.0, 1.24, 2.3, 3.0, 5.5):
            best = min(loss for spent, loss in choices if spent <= Fraction(str(budget)))
            check(family, solve_models(measures, (1.0, 0.31), budget=budget), best)


def test_loss_is_not_convex_in_the_budget_and_the_gap_is_reported() -> None:
    # The light model is useless but for the first position, the heavy one knows all after it:
    # 1 + 4 FLOPs lose nothing, 4 lose as much as one.
    heavy = InformationCurve([2.0, 0.0, 0.0, 0.0, 0.0])
    light = InformationCurve([2.0, 2.0, 2.0, 2.0, 2.0])
    frontier = losses_of_models([heavy, light], [4, 1], budget=20)
    assert frontier.flops.tolist() == [1.0, 5.0]
    assert frontier.losses.tolist() == [8.0, 0.0]
    solution = solve_models([heavy, light], [4, 1], budget=4)
    assert (solution.loss, solution.lower_bound) == (8.0, 8.0)
    assert solution.status is Status.OPTIMAL
    assert solution.certificate.method == "exhaustive DP"
    assert "at 2 nats a FLOP no schedule is below 2 nats, a duality gap of 6" in (
        solution.certificate.detail
    )


def test_a_vertex_of_the_hull_needs_no_search() -> None:
    at_vertex = price_models([HEAVY, LIGHT], [1, 0.3], price=1.0)
    budget = float(spent_by(at_vertex, [1, 0.3]))
    solution = solve_models([HEAVY, LIGHT], [1, 0.3], budget=budget)
    assert solution.certificate.method == "Lagrangian dual"
    assert solution.loss == at_vertex.loss


@settings(max_examples=40)
@given(strategies.information_curves(max_n=8))
def test_one_model_is_a_number_of_steps(curve: InformationCurve) -> None:
    frontier = losses(curve)
    for steps in range(1, curve.length + 1):
        solution = solve_models([curve], [0.7], budget=0.7 * steps)
        slack = 1e-13 * curve.length * float(np.ptp(curve.conditional_entropy))
        assert solution.loss == pytest.approx(float(frontier[:steps].min()), abs=slack)
        assert set(solution.schedule.models or ()) == {0}


def test_a_light_model_that_is_as_good_does_it_all() -> None:
    solution = solve_models([HEAVY, HEAVY], [5, 1], budget=5)
    assert solution.schedule.models == (1,) * 5
    assert solution.loss == pytest.approx(solve(HEAVY, steps=5).loss)


def test_more_than_enough_flops_take_the_better_model_for_each_position() -> None:
    other = InformationCurve([1.5, 1.3, 1.0, 0.5, 0.5, 0.5])
    solution = solve_models([HEAVY, other], [1, 0.5], budget=100)
    expected = np.minimum(HEAVY.conditional_entropy, other.conditional_entropy).sum()
    assert solution.loss == pytest.approx(expected - HEAVY.entropy)
    assert solution.loss < 0.0


@pytest.mark.parametrize(
    ("flops", "budget", "steps"),
    [
        ([1 / 3, 1.0], 2.0, 6),  # 0.3333333333333333 three times is within 1
        ([1 / 6, 1.0], 1.0, 6),  # 0.16666666666666666 six times, too
        ([0.1, 1.0], 0.3, 3),
        ([2 / 3, 1.0], 2.0, 3),  # 0.6666666666666666
        ([np.float32(0.1), np.int64(1)], 0.5, 5),
        ([Fraction(1, 3), Fraction(1)], Fraction(5, 3), 5),
        ([math.pi, 4.0], 9.424777961, 3),  # ten digits of 3 pi, rounded up in the last
        ([1e-30, 2e30], 5e-30, 5),
    ],
)
def test_flops_need_no_common_measure(flops: Any, budget: Any, steps: int) -> None:
    single = InformationCurve(np.arange(6, 0, -1.0))
    useless = InformationCurve(np.full(6, 10.0))
    solution = solve_models([single, useless], flops, budget=budget)
    assert solution.schedule.steps == steps
    assert solution.status is Status.OPTIMAL


def test_curves_as_surfaces_take_another_way_to_the_same_losses() -> None:
    rng = np.random.default_rng(1)
    for n in (17, 40):
        curves = [InformationCurve(rng.random(n)) for _ in range(2)]
        surfaces = [
            OrderSurface(np.repeat(c.conditional_entropy[:, None], n, axis=1), LEFT_TO_RIGHT)
            for c in curves
        ]
        for flops, budget in (([1, 0.31], 5.0), ([3, 2], 24)):
            a = losses_of_models(curves, flops, budget=budget)
            b = losses_of_models(surfaces, flops, budget=budget)
            # The sequential reference differs: C(j) against f(j, j), which is C(j) here, too.
            np.testing.assert_allclose(a.losses, b.losses, rtol=0, atol=1e-12)
            np.testing.assert_allclose(a.flops, b.flops)
            found = solve_models(surfaces, flops, budget=budget)
            assert found.loss == pytest.approx(a.losses[-1], abs=1e-12)


@settings(max_examples=30)
@given(families(max_n=9), st.integers(0, 3))
def test_trees_python_and_matrices_fill_the_same_table(family: Family, seed: int) -> None:
    curves = [m for m in family.measures if isinstance(m, InformationCurve)] or [HEAVY, LIGHT]
    edges = CurveEdges(curves, 0)
    rng = np.random.default_rng(seed)
    rows, prices = 4, rng.random(len(curves))
    sources = np.array([rng.integers(-1, u + 1, len(curves)) for u in range(rows)])
    start = np.full((rows + 1, edges.length + 1), np.inf)
    start[:-1, 0] = 0.0
    slopes = edges.into(edges.length).T / np.arange(edges.length, 0, -1)[:, None]
    tables = [start.copy() for _ in range(3)]
    edges.fill(tables[0], sources, prices)
    fill_dense(edges, tables[1], sources, prices)
    fill_lines.python(tables[2], sources, np.tile(prices, (edges.length, 1)), slopes)
    slack = 1e-13 * edges.length * (1.0 + float(np.ptp(edges.into(edges.length))))
    np.testing.assert_allclose(tables[0], tables[1], rtol=1e-12, atol=slack)
    np.testing.assert_allclose(tables[2], tables[1], rtol=1e-12, atol=slack)


def test_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = solve_models([HEAVY, LIGHT], [1, 0.31], budget=2.3)
    monkeypatch.setattr(parallel, "numba_is_installed", lambda: False)
    monkeypatch.setattr(parallel, "fill_lines", None)
    assert solve_models([HEAVY, LIGHT], [1, 0.31], budget=2.3).loss == pytest.approx(compiled.loss)


def test_a_long_sequence() -> None:
    n = 300
    heavy = InformationCurve(np.log(1.0 + n - np.arange(n)))
    light = InformationCurve(1.2 * heavy.conditional_entropy + 0.1 * np.arange(n) / n)
    mixed = solve_models([heavy, light], [1, 0.25], budget=16)
    alone = solve(heavy, steps=16)
    assert mixed.loss < alone.loss
    assert set(mixed.schedule.models or ()) == {0, 1}
    assert mixed.status is Status.OPTIMAL


# ---- given boundaries, some light steps (theory 12.4)


@st.composite
def assignments(draw: st.DrawFn) -> tuple[Any, UnmaskingSchedule]:
    """A heavy and a light measure, and boundaries for them."""
    n = draw(st.integers(1, 7))
    sizes = draw(strategies.compositions(n))
    if draw(st.booleans()):
        order = draw(strategies.orders(n, names=("left_to_right", "dilated", "explicit")))
        surfaces = [OrderSurface(draw(strategies.nats((n, n))), order) for _ in range(2)]
        return surfaces, UnmaskingSchedule(n, order, sizes)
    curves = [InformationCurve(draw(strategies.nats((n,)))) for _ in range(2)]
    return curves, UnmaskingSchedule(n, Order("random"), sizes)


@settings(max_examples=40)
@given(assignments())
def test_no_other_steps_for_the_light_model_lose_less(
    case: tuple[Any, UnmaskingSchedule],
) -> None:
    measures, schedule = case
    slack = Family(measures, (1.0, 0.5)).slack
    for light_steps in range(schedule.steps + 1):
        solution = assign_models(measures, schedule, light_steps=light_steps)
        assert solution.schedule.models is not None
        assert sum(solution.schedule.models) == light_steps
        assert solution.schedule.step_sizes == schedule.step_sizes
        best = min(
            loss_by_definition(
                measures, 0, schedule.boundaries, [int(t in light) for t in range(schedule.steps)]
            )
            for light in combinations(range(schedule.steps), light_steps)
        )
        assert solution.loss == pytest.approx(best, abs=slack)
        assert solution.loss == loss_of_models(measures, (1.0, 0.5), solution.schedule)
        assert solution.status is Status.OPTIMAL


def is_unimodal(values: Sequence[float]) -> bool:
    """Rises, then falls: nothing is lower than something on either side of it."""
    return not any(b < min(a, c) for a, b, c in combinations(values, 3))


@settings(max_examples=100)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=7), st.data())
def test_a_sandwich_is_optimal_for_every_number_just_where_the_extra_loss_is_unimodal(
    extra: list[int], data: st.DataObject
) -> None:
    if data.draw(st.booleans()):
        cut = data.draw(st.integers(0, len(extra)))
        extra = sorted(extra[:cut]) + sorted(extra[cut:], reverse=True)
    n = len(extra)
    heavy = InformationCurve(np.linspace(2.0, 1.0, n))
    light = InformationCurve(heavy.conditional_entropy + extra)
    singles = UnmaskingSchedule(n, Order("random"), (1,) * n)
    sandwiches_do = []
    for r in range(n + 1):
        best = assign_models([heavy, light], singles, light_steps=r).loss
        sandwiches = [
            replace(singles, models=(1,) * i + (0,) * (n - r) + (1,) * (r - i))
            for i in range(r + 1)
        ]
        least = min(loss_of_models([heavy, light], [2, 1], sandwich) for sandwich in sandwiches)
        assert least >= best - 1e-12
        sandwiches_do.append(least <= best + 1e-12)
    assert all(sandwiches_do) == is_unimodal(extra)


def test_a_peak_in_the_middle_makes_both_slices() -> None:
    heavy = InformationCurve([2.0] * 5)
    light = InformationCurve([2.1, 2.3, 2.9, 2.4, 2.2])
    singles = UnmaskingSchedule(5, Order("random"), (1,) * 5)
    found = assign_models([heavy, light], singles, light_steps=2)
    assert found.schedule.models == (1, 0, 0, 0, 1)
    assert found.loss == pytest.approx(0.3)
    # A long step weighs by its size, and may move the slices.
    sizes = UnmaskingSchedule(5, Order("random"), (4, 1))
    found = assign_models([heavy, light], sizes, light_steps=1)
    assert found.schedule.models == (0, 1)


# ---- files


@settings(max_examples=20)
@given(families())
def test_schedules_with_models_are_written_and_read(family: Family) -> None:
    solution = solve_models(family.measures, family.flops, budget=sum(family.flops))
    written = dumps(ScheduleFile(solution.schedule, Prediction(solution.loss)))
    file = loads(written.encode(), [ScheduleFile])
    assert file.schedule == solution.schedule
    assert file.prediction is not None
    assert loss_of_models(family.measures, family.flops, file.schedule) == file.prediction.loss


# ---- what is refused


SURFACE = OrderSurface(np.eye(6), LEFT_TO_RIGHT)


@pytest.mark.parametrize(
    ("measures", "flops", "message"),
    [
        ([], [], "need curves only or surfaces only, one a model, got none"),
        ([HEAVY, [1.0]], [1, 2], "one a model, got InformationCurve, list"),
        ([HEAVY, SURFACE], [1, 2], "one a model, got InformationCurve, OrderSurface"),
        ([HEAVY, LIGHT], [1], r"flops: need a number for each of the 2 measures, got 1"),
        ([HEAVY, LIGHT], [1, 0], r"flops\[1\]: need a finite number > 0, got 0"),
        ([HEAVY, LIGHT], [1, -2.0], r"flops\[1\]: need a finite number > 0, got -2.0"),
        ([HEAVY, LIGHT], [math.nan, 1], r"flops\[0\]: need a finite number > 0, got nan"),
        ([HEAVY, LIGHT], [True, 1], r"flops\[0\]: need a finite number > 0, got True"),
        ([HEAVY, LIGHT], ["1", 1], r"flops\[0\]: need a finite number > 0, got '1'"),
        ([HEAVY, InformationCurve([1.0])], [1, 2], r"need the same length, got \[6, 1\]"),
        (
            [SURFACE, OrderSurface(np.eye(6), Order("dilated"))],
            [1, 2],
            r"measures\[1\]: need the order of the first surface",
        ),
    ],
)
def test_measures_and_flops_that_do_not_match(measures: Any, flops: Any, message: str) -> None:
    for call in (
        lambda: solve_models(measures, flops, budget=3),
        lambda: losses_of_models(measures, flops, budget=3),
        lambda: price_models(measures, flops, price=0.1),
    ):
        with pytest.raises(UsageError, match=message):
            call()


def test_orders_that_are_the_same_under_another_name() -> None:
    spelt = Order("explicit", permutation=tuple(range(6)))
    solution = solve_models([SURFACE, OrderSurface(np.eye(6), spelt)], [2, 1], budget=4)
    assert solution.schedule.order == LEFT_TO_RIGHT


def test_a_budget_that_pays_no_step() -> None:
    message = r"need a budget >= 0.31 FLOPs, one step of model 1, got 0.3$"
    with pytest.raises(InfeasibleError, match=message):
        solve_models([HEAVY, LIGHT], [1, 0.31], budget=0.3)
    with pytest.raises(InfeasibleError, match=message):
        losses_of_models([HEAVY, LIGHT], [1, 0.31], budget=0.3)


@pytest.mark.parametrize("budget", [0, -1.0, math.inf, math.nan, True, "8"])
def test_a_budget_that_is_no_number(budget: Any) -> None:
    with pytest.raises(UsageError, match="budget: need a finite number > 0, got "):
        solve_models([HEAVY, LIGHT], [1, 0.31], budget=budget)


@pytest.mark.parametrize("price", [-0.1, math.inf, math.nan, True])
def test_a_price_that_is_none(price: Any) -> None:
    with pytest.raises(UsageError, match="need a finite price >= 0 in nats a FLOP, got "):
        price_models([HEAVY, LIGHT], [1, 0.31], price=price)


def test_a_frontier_of_too_many_totals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "TABLE_LIMIT", 70)
    with pytest.raises(UsageError, match=r"10 totals of FLOPs and more are within") as caught:
        losses_of_models([HEAVY, LIGHT], [1, 0.31], budget=6)
    assert caught.value.hint is not None
    assert "common unit" in caught.value.hint
    assert losses_of_models([HEAVY, LIGHT], [1, 0.5], budget=3).losses.size > 1


def test_entropies_too_large_to_add() -> None:
    huge = [InformationCurve([1e300, 0.0]), InformationCurve([0.0, 0.0])]
    with pytest.raises(InputError, match="overflow"):
        solve_models(huge, [2, 1], budget=3)


SINGLES = UnmaskingSchedule(6, Order("random"), (1,) * 6)


@pytest.mark.parametrize(
    ("measures", "schedule", "light_steps", "message"),
    [
        ([HEAVY], SINGLES, 1, "need the measures of a heavy and a light model, got 1"),
        ([HEAVY, LIGHT], SINGLES, 7, "need a whole number 0 <= light_steps <= 6, got 7"),
        ([HEAVY, LIGHT], SINGLES, -1, "need a whole number 0 <= light_steps <= 6, got -1"),
        ([HEAVY, LIGHT], SINGLES, 1.0, "need a whole number 0 <= light_steps <= 6, got 1.0"),
        (
            [HEAVY, LIGHT],
            UnmaskingSchedule(2, Order("random"), (1, 1)),
            1,
            "need one block of the measures' 6 positions, got 1 of 2",
        ),
        (
            [HEAVY, LIGHT],
            replace(SINGLES, blocks=((6,), (3, 3))),
            1,
            "need one block of the measures' 6 positions, got 2 of 6",
        ),
        (
            [HEAVY, LIGHT],
            replace(SINGLES, order=LEFT_TO_RIGHT),
            1,
            "schedule: need the order of the measures",
        ),
        ([SURFACE, SURFACE], SINGLES, 1, "schedule: need the order of the measures"),
    ],
)
def test_assignments_that_are_refused(
    measures: Any, schedule: UnmaskingSchedule, light_steps: Any, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        assign_models(measures, schedule, light_steps=light_steps)


@pytest.mark.parametrize("chosen", [None, (0, 1, 2, 0, 0, 0)])
def test_models_without_a_measure(chosen: Any) -> None:
    with pytest.raises(UsageError, match=r"models: need one of 0\.\.1 for each step, got "):
        loss_of_models([HEAVY, LIGHT], [1, 0.5], replace(SINGLES, models=chosen))
