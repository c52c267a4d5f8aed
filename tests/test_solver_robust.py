"""Robust schedules lose least in the worst case, or within the bound that they come with."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.errors import InputError, UsageError
from schedopt.schedule import Order
from schedopt.solution import Status
from schedopt.solvers import loss_of, robust, solve
from schedopt.solvers.robust import band_of, solve_robust, solve_uncertain, worst_surface_of
from theory.bands import Band, worst_case_kl

GOLDEN = json.loads((Path(__file__).parent / "golden" / "theory.json").read_text())["extras"][
    "band"
]
LEFT_TO_RIGHT = Order("left_to_right")


def compositions(n: int, steps: int) -> Iterator[tuple[int, ...]]:
    for inner in combinations(range(1, n), steps - 1):
        yield tuple(b - a for a, b in pairwise((0, *inner, n)))


def minimax(band: Band, steps: int) -> float:
    return min(worst_case_kl(band, sizes) for sizes in compositions(band.length, steps))


def tolerance(band: Band) -> float:
    return 1e-12 * band.length * (1.0 + float(band.upper[0] - band.lower[-1]))


@pytest.fixture
def searching(monkeypatch: pytest.MonkeyPatch) -> None:
    """No schedules are few enough to be compared."""
    monkeypatch.setattr(robust, "FEW_SCHEDULES", 0)


@pytest.mark.parametrize("steps", range(1, 9))
def test_golden(steps: int) -> None:
    solution = solve_robust(Band(GOLDEN["lower"], GOLDEN["upper"]), steps=steps)
    loss, sizes = GOLDEN["minimax_bruteforce"][str(steps)]
    assert solution.loss == pytest.approx(loss, abs=1e-12)
    assert solution.lower_bound == solution.loss
    assert solution.schedule.step_sizes == tuple(sizes)
    assert solution.status is Status.OPTIMAL


@pytest.mark.usefixtures("searching")
@pytest.mark.parametrize("steps", range(1, 9))
def test_the_search_finds_the_golden_schedules(steps: int) -> None:
    solution = solve_robust(Band(GOLDEN["lower"], GOLDEN["upper"]), steps=steps)
    loss, _ = GOLDEN["minimax_bruteforce"][str(steps)]
    assert solution.loss == pytest.approx(loss, abs=1e-12)
    assert 0.45 * loss <= solution.lower_bound <= loss + 1e-12
    assert (solution.status is Status.OPTIMAL) == (steps in (1, 8))


@settings(max_examples=30)
@given(strategies.bands(max_n=8))
def test_no_schedule_has_a_better_worst_case(bounds: Any) -> None:
    band = Band(*bounds)
    for steps in range(1, band.length + 1):
        solution = solve_robust(band, steps=steps)
        assert solution.loss == pytest.approx(minimax(band, steps), abs=tolerance(band))
        sizes = solution.schedule.step_sizes
        assert solution.loss == pytest.approx(worst_case_kl(band, sizes), abs=tolerance(band))
        assert solution.schedule.order == Order("random")
        assert (solution.status, solution.gap) == (Status.OPTIMAL, 0.0)


@settings(max_examples=15)
@given(strategies.bands(max_n=7))
def test_a_search_bounds_what_it_does_not_prove(bounds: Any) -> None:
    band = Band(*bounds)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(robust, "FEW_SCHEDULES", 0)
        for steps in range(1, band.length + 1):
            solution = solve_robust(band, steps=steps)
            best = minimax(band, steps)
            assert solution.lower_bound <= best + tolerance(band)
            assert best <= solution.loss + tolerance(band)
            worst = worst_case_kl(band, solution.schedule.step_sizes)
            assert solution.loss == pytest.approx(worst, abs=tolerance(band))
            assert (solution.gap > 0.0) or solution.status is Status.OPTIMAL


@pytest.mark.usefixtures("searching")
def test_searches_come_close_to_the_best() -> None:
    # Theory 10.2 has 1.03 on average and 1.7 at most for a search from the surrogate alone.
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(12):
        middle, width = -np.sort(-rng.exponential(size=9)), 0.3 * rng.random(9)
        band = Band(middle - width, middle + width)
        for steps in (3, 5):
            ratios.append(solve_robust(band, steps=steps).loss / minimax(band, steps))
    assert max(ratios) == pytest.approx(1.0)


@pytest.mark.usefixtures("searching")
@given(strategies.falling_arrays((6,)), st.integers(1, 6))
@settings(max_examples=15)
def test_a_curve_that_is_known_is_solved(values: Any, steps: int) -> None:
    solution = solve_robust(Band(values, values), steps=steps)
    best = solve(InformationCurve(values), steps=steps)
    slack = tolerance(Band(values, values))
    assert solution.loss == pytest.approx(best.loss, abs=slack)
    assert solution.status is Status.OPTIMAL


@pytest.mark.usefixtures("searching")
@pytest.mark.parametrize("limit", ["MOST_POSITIONS", "SURROGATE_LENGTH", "ROUNDS"])
def test_a_search_that_is_cut_short_is_still_one(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    band = Band(GOLDEN["lower"], GOLDEN["upper"])
    monkeypatch.setattr(robust, limit, 0)
    for steps in (2, 4, 6):
        solution = solve_robust(band, steps=steps)
        worst = worst_case_kl(band, solution.schedule.step_sizes)
        assert minimax(band, steps) <= solution.loss + 1e-12
        assert solution.loss == pytest.approx(worst)
        assert solution.lower_bound <= minimax(band, steps) + 1e-12


def test_a_long_band() -> None:
    n = 120
    curve = InformationCurve(np.log(n - np.arange(n) + 1.0), np.full(n, 0.02))
    solution = solve_uncertain(curve, steps=10)
    plain = solve(curve, steps=10)
    worst_of_plain = worst_case_kl(band_of(curve), plain.schedule.step_sizes)
    assert plain.loss <= solution.lower_bound + 1e-9
    assert solution.lower_bound <= solution.loss <= worst_of_plain
    assert solution.certificate.method == "worst curve"
    assert solution.status is Status.BOUNDED
    assert solution.sequential == curve.entropy


# ---- bands of standard errors


def test_the_band_is_that_of_bonferroni() -> None:
    curve = InformationCurve([3.0, 2.0, 0.01], [0.1, 0.2, 0.1])
    band = band_of(curve, confidence=0.94)
    z = 2.3263478740408408  # the normal quantile of 0.99 = 1 - 0.06 / (2 * 3)
    np.testing.assert_allclose(band.upper, [3.0 + 0.1 * z, 2.0 + 0.2 * z, 0.01 + 0.1 * z])
    np.testing.assert_allclose(band.lower, [3.0 - 0.1 * z, 2.0 - 0.2 * z, 0.0])


def test_the_band_holds_the_curve_as_often_as_it_says() -> None:
    # 1 - (1 - 0.2 / 16)^16 = 0.182 of 2000 independent draws miss on average; five standard
    # deviations (86) above 0.2 happen by chance less than once in 10^9 runs.
    truth, stderr = np.linspace(4.0, 1.0, 16), np.full(16, 0.3)
    rng = np.random.default_rng(3)
    missed = 0
    for noise in rng.standard_normal((2000, 16)) * stderr:
        try:
            band = band_of(InformationCurve(np.maximum(truth + noise, 0.0), stderr), confidence=0.8)
        except InputError:  # the band holds no falling curve, so not this one either
            missed += 1
            continue
        missed += bool(np.any((truth < band.lower) | (truth > band.upper)))
    assert 0 < missed < 400 + 86


def test_without_errors_nothing_is_uncertain() -> None:
    curve = InformationCurve([2.0, 1.0, 0.5, 0.25], np.zeros(4))
    for steps in range(1, 5):
        robustly = solve_uncertain(curve, steps=steps)
        assert robustly.loss == pytest.approx(solve(curve, steps=steps).loss)
        assert robustly.sequential == curve.entropy


def test_more_confidence_costs_more() -> None:
    curve = InformationCurve(np.linspace(2.0, 0.5, 9), np.full(9, 0.05))
    worst = [solve_uncertain(curve, steps=3, confidence=c).loss for c in (0.5, 0.9, 0.99)]
    assert loss_of(curve, (3, 3, 3)) < worst[0] < worst[1] < worst[2]


@settings(max_examples=30)
@given(st.data())
def test_surfaces_are_solved_exactly(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 5))
    order = data.draw(strategies.orders(n, names=("left_to_right", "dilated", "explicit")))
    values = data.draw(strategies.falling_arrays((n, n)))
    errors = 0.1 * data.draw(strategies.nats((n, n)))
    surface = OrderSurface(values, order, errors)
    steps = data.draw(st.integers(1, n))
    solution = solve_uncertain(surface, steps=steps)
    assert solution.status is Status.OPTIMAL
    assert solution.sequential == surface.sequential
    assert solution.schedule.order == order
    worst = worst_surface_of(surface)
    best = min(loss_of(worst, sizes) for sizes in compositions(n, steps))
    slack = 1e-12 * n * (1.0 + float(worst.conditional_entropy.max()))
    assert solution.loss == pytest.approx(best, abs=slack)
    assert loss_of(surface, solution.schedule.step_sizes) <= solution.loss + slack


def test_the_worst_surface_counts_its_entries() -> None:
    surface = OrderSurface([[2.0, 2.0], [0.0, 1.0]], LEFT_TO_RIGHT, [[0.1, 0.1], [0.0, 0.2]])
    z = 2.3263478740408408  # of 1 - 0.06 / (2 * 3) for the three entries of two positions
    worst = worst_surface_of(surface, confidence=0.94)
    expected = [[2.0 - 0.1 * z, 2.0 + 0.1 * z], [0.0, 1.0 - 0.2 * z]]
    np.testing.assert_allclose(worst.conditional_entropy, expected)


def test_blocks_share_a_budget_by_their_worst_cases() -> None:
    curve = InformationCurve([2.0, 1.1, 0.8, 0.2], [0.1, 0.05, 0.2, 0.1])
    band = band_of(curve)
    for blocks, steps in ((2, 2), (2, 5), (3, 7), (2, 8)):
        solution = solve_uncertain(curve, steps=steps, blocks=blocks)
        each = [minimax(band, k) for k in range(1, 5)]
        splits = [k for k in np.ndindex(*(4,) * blocks) if sum(k) + blocks == steps]
        best = min(sum(each[k] for k in split) for split in splits)
        assert solution.loss == pytest.approx(best)
        assert solution.lower_bound == pytest.approx(best)
        assert solution.status is Status.OPTIMAL
        assert solution.schedule.total_steps(4 * blocks) == steps
        assert solution.sequential == pytest.approx(blocks * curve.entropy)
        sizes = [solution.schedule.sizes_of_block(b) for b in range(blocks)]
        assert solution.loss == pytest.approx(sum(worst_case_kl(band, s) for s in sizes))


def test_blocks_of_a_surface() -> None:
    surface = OrderSurface(np.triu(np.full((3, 3), 0.5)), LEFT_TO_RIGHT, np.full((3, 3), 0.1))
    solution = solve_uncertain(surface, steps=4, blocks=2)
    worst = worst_surface_of(surface)
    assert solution.loss == pytest.approx(2 * solve(worst, steps=2).loss)
    assert solution.sequential == pytest.approx(2 * surface.sequential)


# ---- what is refused


CURVE = InformationCurve([2.0, 1.0, 0.5], [0.1, 0.1, 0.1])


@pytest.mark.parametrize("steps", [0, 4, 1.5, True])
def test_steps_outside_the_length(steps: Any) -> None:
    with pytest.raises(UsageError, match=r"need a whole number 1 <= steps <= 3, got "):
        solve_robust(Band([1.0, 0.5, 0.0], [1.0, 0.5, 0.0]), steps=steps)


@pytest.mark.parametrize(("steps", "blocks"), [(0, 1), (4, 1), (1, 2), (7, 2)])
def test_steps_that_the_blocks_cannot_share(steps: int, blocks: int) -> None:
    with pytest.raises(UsageError, match="steps: "):
        solve_uncertain(CURVE, steps=steps, blocks=blocks)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1.0, 2.0, math.nan])
def test_a_confidence_that_is_none(confidence: float) -> None:
    with pytest.raises(UsageError, match="need 0 < confidence < 1, got "):
        solve_uncertain(CURVE, steps=2, confidence=confidence)


def test_a_measure_without_errors() -> None:
    for measure in (InformationCurve([1.0, 0.5]), OrderSurface(np.eye(2), LEFT_TO_RIGHT)):
        with pytest.raises(UsageError, match="has no standard errors") as caught:
            solve_uncertain(measure, steps=1)
        assert "schedopt estimate" in str(caught.value.hint)


def test_bands_that_cross() -> None:
    rising = InformationCurve([1.0, 2.0, 0.5], [0.1, 0.1, 0.1])
    message = r"0.95 confidence: the band crosses at index 0: .* lower\[1\] = 1.76\d+ there"
    with pytest.raises(InputError, match=message) as caught:
        solve_uncertain(rising, steps=2)
    assert "smooth" in str(caught.value.hint)
    surface = OrderSurface([[1.0, 1.0], [0.0, 2.0]], LEFT_TO_RIGHT, np.full((2, 2), 0.1))
    with pytest.raises(InputError, match="column 1: the band crosses at index 0"):
        solve_uncertain(surface, steps=1)
    # A band that is wide enough holds a falling curve after all.
    assert solve_uncertain(rising, steps=2, confidence=1.0 - 1e-8).loss > 0.0


def test_entropies_too_large_to_add() -> None:
    with pytest.raises(InputError, match="overflow"):
        solve_robust(Band([0.0, 0.0], [1e300, 1e300]), steps=1)
