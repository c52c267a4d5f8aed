"""Every schedule the solver returns is the best one, and its certificate says so truly."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import combinations, islice
from pathlib import Path

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.schedule import Order
from schedopt.solution import Solution, Status
from schedopt.solvers import loss_of, losses, solve
from schedopt.solvers.dense import SurfaceCosts
from schedopt.solvers.envelope import CurveCosts
from schedopt.solvers.layers import best_path, least_losses
from schedopt.solvers.paths import StepCosts
from schedopt.solvers.penalty import edge_over

Measure = InformationCurve | OrderSurface

CASES = json.loads((Path(__file__).parent / "golden" / "theory.json").read_text())["cases"]
# Theory 4.4: not monotone, and OPT_k is not convex.
NOT_CONVEX = InformationCurve([0.054, 0.47, 0.487, 0.52, 0.984])

falling = strategies.falling_curves() | strategies.falling_surfaces()
anything = strategies.information_curves(max_n=9) | strategies.order_surfaces(max_n=7) | falling


def compositions(n: int) -> Iterator[tuple[int, ...]]:
    for cuts in range(n):
        for chosen in combinations(range(1, n), cuts):
            bounds = (0, *chosen, n)
            yield tuple(bounds[i + 1] - bounds[i] for i in range(len(bounds) - 1))


def loss_by_definition(measure: Measure, sizes: tuple[int, ...]) -> float:
    values = measure.conditional_entropy.tolist()
    total, known = 0.0, 0
    for size in sizes:
        for j in range(known, known + size):
            if isinstance(measure, OrderSurface):
                total += values[known][j] - values[j][j]
            else:
                total += values[known] - values[j]
        known += size
    return total


def best_by_definition(measure: Measure) -> list[float]:
    best = [math.inf] * measure.length
    for sizes in compositions(measure.length):
        best[len(sizes) - 1] = min(best[len(sizes) - 1], loss_by_definition(measure, sizes))
    return best


def tolerance(measure: Measure) -> float:
    return 1e-13 * measure.length * float(np.ptp(measure.conditional_entropy))


def costs_of(measure: Measure) -> StepCosts:
    return SurfaceCosts(measure) if isinstance(measure, OrderSurface) else CurveCosts(measure)


def check(measure: Measure, solution: Solution, best: float) -> None:
    slack = tolerance(measure)
    assert abs(solution.loss - best) <= slack
    assert abs(loss_by_definition(measure, solution.schedule.step_sizes) - best) <= slack
    assert 0.0 <= solution.gap <= slack
    assert solution.status is Status.OPTIMAL


@given(anything)
def test_no_composition_loses_less(measure: Measure) -> None:
    best = best_by_definition(measure)
    for steps in range(1, measure.length + 1):
        solution = solve(measure, steps=steps)
        assert solution.schedule.steps == steps
        check(measure, solution, best[steps - 1])
    np.testing.assert_allclose(losses(measure), best, rtol=0, atol=tolerance(measure))


@given(anything)
def test_the_exhaustive_search_alone_finds_every_optimum(measure: Measure) -> None:
    # ``solve`` turns to it only where the price leaves a gap.
    best = best_by_definition(measure)
    costs = costs_of(measure)
    np.testing.assert_allclose(list(least_losses(costs)), best, rtol=0, atol=tolerance(measure))
    for steps in range(1, measure.length + 1):
        path = best_path(costs, steps)
        assert path.steps == steps
        assert abs(path.loss - best[steps - 1]) <= tolerance(measure)


@given(anything, st.data())
def test_no_fewer_steps_stay_within_a_loss(measure: Measure, data: st.DataObject) -> None:
    best = best_by_definition(measure)
    reachable = data.draw(st.sampled_from(best) | st.floats(min(best), max(best)))
    max_loss = reachable + tolerance(measure)
    solution = solve(measure, max_loss=max_loss)
    steps = solution.schedule.steps
    check(measure, solution, best[steps - 1])
    assert solution.loss <= max_loss * (1 + math.copysign(1e-9, max_loss)) + tolerance(measure)
    assert all(loss > max_loss - tolerance(measure) for loss in best[: steps - 1])


@given(falling)
def test_monotone_measures_close_the_dual_and_have_a_convex_frontier(measure: Measure) -> None:
    frontier = losses(measure)
    assert np.all(frontier >= 0.0)
    assert frontier[-1] == 0.0
    assert np.all(np.diff(frontier) <= tolerance(measure))
    assert np.all(np.diff(frontier, 2) >= -tolerance(measure))
    for steps in range(1, measure.length + 1):
        solution = solve(measure, steps=steps)
        assert solution.certificate.method == "Lagrangian dual"
        assert solution.loss >= 0.0


@given(anything, st.integers(1, 9))
def test_the_dual_bounds_every_schedule(measure: Measure, steps: int) -> None:
    edge = edge_over(costs_of(measure), min(steps, measure.length))
    for sizes in compositions(measure.length):
        bound = edge.bound(len(sizes))
        # A steep price (it may be anything at an end of the hull) costs digits of its own.
        slack = tolerance(measure) + 1e-15 * measure.length * abs(edge.price)
        assert bound <= loss_by_definition(measure, sizes) + slack


@given(strategies.falling_arrays((8,)), st.sampled_from([1e-290, 1e-30, 1e30, 1e190]))
def test_schedules_do_not_depend_on_the_unit(values: np.ndarray, unit: float) -> None:
    values = np.round(values, 9)  # nothing that the smallest unit turns subnormal
    curve = InformationCurve(values)
    for steps in range(1, 9):
        scaled = solve(InformationCurve(values * unit), steps=steps)
        best = solve(curve, steps=steps).loss
        assert loss_of(curve, scaled.schedule.step_sizes) <= best + tolerance(curve)
        assert scaled.loss == pytest.approx(best * unit, rel=1e-9, abs=tolerance(curve) * unit)


@given(strategies.falling_arrays((8,)))
def test_a_constant_added_to_a_curve_changes_nothing(values: np.ndarray) -> None:
    values = np.round(values, 6)
    curve, lifted = InformationCurve(values), InformationCurve(values + 1024.0)
    np.testing.assert_allclose(losses(lifted), losses(curve), rtol=0, atol=1e-10)
    for steps in range(1, 9):
        sizes = solve(lifted, steps=steps).schedule.step_sizes
        assert loss_of(curve, sizes) == pytest.approx(losses(curve)[steps - 1], abs=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_golden_random_order(name: str) -> None:
    curve = InformationCurve(CASES[name]["C"])
    frontier = losses(curve)
    for steps, known in CASES[name]["optimal_random_order"].items():
        solution = solve(curve, steps=int(steps))
        assert solution.loss == pytest.approx(known["KL"], abs=1e-10)
        assert solution.lower_bound == pytest.approx(known["KL"], abs=1e-10)
        assert frontier[int(steps) - 1] == pytest.approx(known["KL"], abs=1e-10)
        assert solution.schedule.order == Order("random")
        assert solution.sequential == pytest.approx(CASES[name]["H"], abs=1e-10)
        for sizes in known["all_optimal_sizes"]:
            assert loss_of(curve, sizes) == pytest.approx(solution.loss, abs=1e-10)
        if len(known["all_optimal_sizes"]) == known["num_optimal"]:
            assert list(solution.schedule.step_sizes) in known["all_optimal_sizes"]
    for known in CASES[name]["expected_KL_random_order"].values():
        assert loss_of(curve, known["sizes"]) == pytest.approx(known["KL"], abs=1e-10)


@pytest.mark.parametrize("order", ["left_to_right", "dus_order"])
@pytest.mark.parametrize("name", CASES)
def test_golden_fixed_order(name: str, order: str) -> None:
    known = CASES[name][f"fixed_order_{order}"]
    n = CASES[name]["n"]
    values = np.zeros((n, n))
    for a, row in enumerate(known["surface_rows"]):
        values[a, a:] = row
    surface = OrderSurface(values, Order("explicit", permutation=tuple(known["order"])))
    for steps, loss in known["opt_KL"].items():
        solution = solve(surface, steps=int(steps))
        assert solution.loss == pytest.approx(loss, abs=1e-10)
        assert solution.lower_bound == pytest.approx(loss, abs=1e-10)
        assert solution.schedule.order == surface.order
        assert loss_of(surface, known["opt_sizes"][steps]) == pytest.approx(loss, abs=1e-10)


def test_a_rising_curve_leaves_a_gap_that_the_exhaustive_search_closes() -> None:
    best = best_by_definition(NOT_CONVEX)
    assert np.any(np.diff(best, 2) < -0.01)
    methods = set()
    for steps in range(1, 6):
        solution = solve(NOT_CONVEX, steps=steps)
        check(NOT_CONVEX, solution, best[steps - 1])
        methods.add(solution.certificate.method)
        assert solve(NOT_CONVEX, max_loss=best[steps - 1]).loss == pytest.approx(best[0])
    assert methods == {"Lagrangian dual", "exhaustive DP"}


def test_a_loss_between_hull_and_frontier_takes_the_exhaustive_search() -> None:
    # Frontier 3, 3, 0, 0: two steps are on the hull's edge at 1.5, yet no two steps lose that.
    surface = OrderSurface(
        [[0.0, 0.0, 3.0, 0.0], [0.0, 0.0, 3.0, 0.0], [0.0, 0.0, 0.0, 3.0], [0.0] * 4],
        Order("left_to_right"),
    )
    best = best_by_definition(surface)
    assert best == [3.0, 3.0, 0.0, 0.0]
    solution = solve(surface, max_loss=2.0)
    assert solution.schedule.steps == 3
    assert solution.certificate.method == "exhaustive DP"
    check(surface, solution, best[2])


@pytest.mark.parametrize("n", [1, 2, 7, 64])
def test_independent_positions_lose_nothing(n: int) -> None:
    flat = InformationCurve(np.full(n, 0.3))
    for steps in range(1, n + 1):
        solution = solve(flat, steps=steps)
        assert (solution.schedule.steps, solution.loss, solution.lower_bound) == (steps, 0.0, 0.0)
    assert solve(flat, max_loss=0.0).schedule.steps == 1


@pytest.mark.parametrize("jump", [1, 5, 62, 63])
def test_one_jump_needs_one_boundary(jump: int) -> None:
    curve = InformationCurve(np.where(np.arange(64) < jump, 1.6, 0.0))
    assert solve(curve, steps=1).loss == pytest.approx(1.6 * (64 - jump))
    for steps in range(2, 65):
        solution = solve(curve, steps=steps)
        assert solution.loss == 0.0
        assert jump in solution.schedule.boundaries
    assert solve(curve, max_loss=0.0).schedule.step_sizes == (jump, 64 - jump)


@pytest.mark.parametrize("n", [12, 100, 257])
def test_steps_of_a_straight_curve_are_even(n: int) -> None:
    # Each pair inside a step costs one: sizes that differ by at most one, and every k is a tie.
    curve = InformationCurve(np.arange(n, 0, -1.0))
    for steps in range(1, n + 1):
        solution = solve(curve, steps=steps)
        small, larger = divmod(n, steps)
        pairs = (steps - larger) * math.comb(small, 2) + larger * math.comb(small + 1, 2)
        assert solution.loss == solution.lower_bound == pairs
        assert set(solution.schedule.step_sizes) <= {small, small + 1}


@pytest.mark.parametrize("n", [64, 150, 270])
@pytest.mark.parametrize("falls", [True, False])
def test_price_layers_and_matrix_agree(n: int, falls: bool) -> None:
    rng = np.random.default_rng(n)
    for values in (rng.random(n), np.round(rng.random(n), 1), rng.exponential(size=n) ** 4):
        curve = InformationCurve(-np.sort(-values) if falls else values)
        # As a surface, f(a, j) = C(a): another algorithm, the same costs.
        rows = np.repeat(curve.conditional_entropy[:, None], n, axis=1)
        surface = OrderSurface(rows, Order("left_to_right"))
        frontier = losses(curve)
        slack = tolerance(curve)
        np.testing.assert_allclose(losses(surface), frontier, rtol=0, atol=slack)
        for steps in (1, 2, 3, n // 10, n // 2, n - 1, n):
            for measure in (curve, surface):
                solution = solve(measure, steps=steps)
                assert abs(solution.loss - frontier[steps - 1]) <= slack
                assert solution.gap <= slack
                if falls:
                    assert solution.certificate.method == "Lagrangian dual"


def test_a_curve_that_rises_by_rounding_alone_needs_no_exhaustive_search() -> None:
    n = 1000
    noise = 1e-15 * np.random.default_rng(0).random(n)
    curve = InformationCurve(np.repeat(np.linspace(3.0, 1.0, n // 10), 10) + noise)
    assert not curve.is_monotone
    for steps in (7, 100, 500):
        assert solve(curve, steps=steps).certificate.method == "Lagrangian dual"


def test_a_long_curve() -> None:
    n = 10_000
    permutation = InformationCurve(np.log(n - np.arange(n)))
    solution = solve(permutation, steps=128)
    frontier = losses(permutation, 16)
    assert solution.gap <= 1e-9
    assert solve(permutation, steps=16).loss == pytest.approx(frontier[-1], rel=1e-12)
    shorter = solve(permutation, max_loss=solution.loss)
    assert shorter.schedule.steps == 128
    assert shorter.loss == pytest.approx(solution.loss, rel=1e-12)
    assert "127 steps lose at least" in shorter.certificate.detail


def test_square_root_rule_in_the_limit() -> None:
    # Theory 8.1 for z(t) = t^2: OPT_k ~ n (int sqrt z')^2 / 2k - z(1)/2, the integral
    # being sqrt(8) / 3.
    n, steps = 32768, 256
    curve = InformationCurve(1.0 - (np.arange(n) / n) ** 2)
    expected = n * (8.0 / 9.0) / (2 * steps) - 0.5
    assert solve(curve, steps=steps).loss == pytest.approx(expected, rel=0.01)


@given(anything)
def test_one_step_loses_the_total_correlation_and_single_positions_nothing(
    measure: Measure,
) -> None:
    n = measure.length
    assert loss_of(measure, (1,) * n) == 0.0
    if isinstance(measure, InformationCurve):
        slack = tolerance(measure)
        assert loss_of(measure, (n,)) == pytest.approx(measure.total_correlation, abs=slack)


def test_layers_are_found_as_they_are_asked_for() -> None:
    costs = CurveCosts(InformationCurve(np.log(50_000 - np.arange(50_000))))
    found = list(islice(least_losses(costs), 2))
    np.testing.assert_allclose(found, losses(InformationCurve(costs._values), 2))
