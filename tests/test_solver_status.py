"""The status is OPTIMAL where the certificate closes, and BOUNDED where nothing closed it."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.schedule import Order
from schedopt.solution import Status
from schedopt.solvers import loss_of, losses, optimal, solve

# Theory 4.4: not monotone, and OPT_k is not convex.
NOT_CONVEX = InformationCurve([0.054, 0.47, 0.487, 0.52, 0.984])
# Frontier 3, 3, 0, 0.
STEP = OrderSurface(
    [[0.0, 0.0, 3.0, 0.0], [0.0, 0.0, 3.0, 0.0], [0.0, 0.0, 0.0, 3.0], [0.0] * 4],
    Order("left_to_right"),
)


def least_loss(curve: InformationCurve, steps: int) -> float:
    n = curve.length
    cuts = combinations(range(1, n), steps - 1)
    sizes = (np.diff([0, *chosen, n]).tolist() for chosen in cuts)
    return min(loss_of(curve, each) for each in sizes)


def test_a_gap_that_is_too_large_a_search_to_close_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exact = {steps: solve(NOT_CONVEX, steps=steps) for steps in range(1, 6)}
    gaps = [k for k, solution in exact.items() if solution.certificate.method == "exhaustive DP"]
    assert gaps
    monkeypatch.setattr(optimal, "MOST_COMPARISONS", 0)
    for steps, solution in exact.items():
        unsearched = solve(NOT_CONVEX, steps=steps)
        assert unsearched.schedule.steps == steps
        assert unsearched.lower_bound <= solution.loss <= unsearched.loss
        assert unsearched.loss == loss_of(NOT_CONVEX, unsearched.schedule.step_sizes)
        if steps in gaps:
            assert unsearched.status is Status.BOUNDED
            assert unsearched.gap > 0.01
            assert unsearched.certificate.method == "Lagrangian dual"
            assert unsearched.certificate.detail.endswith(
                "; too many schedules to compare them all"
            )
        else:
            assert unsearched == solution


def test_a_number_of_steps_that_may_not_be_the_least_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert solve(STEP, max_loss=2.0).status is Status.OPTIMAL
    monkeypatch.setattr(optimal, "MOST_COMPARISONS", 0)
    found = solve(STEP, max_loss=2.0)
    assert found.loss <= 2.0
    assert found.schedule.steps >= 3
    assert found.status is Status.BOUNDED
    assert found.certificate.detail.endswith("; too many schedules to compare them all")


@given(strategies.information_curves(max_n=8), st.data())
def test_bounds_hold_whatever_the_status(curve: InformationCurve, data: st.DataObject) -> None:
    steps = data.draw(st.integers(1, curve.length))
    slack = 1e-13 * curve.length * float(np.ptp(curve.conditional_entropy))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimal, "MOST_COMPARISONS", 0)
        solution = solve(curve, steps=steps)
    best = least_loss(curve, steps)
    assert solution.lower_bound - slack <= best <= solution.loss + slack
    if solution.status is Status.OPTIMAL:
        assert solution.gap <= slack


def test_long_monotone_curves_are_certified_to_rounding() -> None:
    n = 200_000
    rng = np.random.default_rng(0)
    for values in (
        np.log(n - np.arange(n)),
        -np.sort(-rng.random(n)),
        -np.sort(-(rng.exponential(size=n) ** 4)),
        np.round(-np.sort(-rng.random(n)), 3),
    ):
        curve = InformationCurve(values)
        for steps in (10, 3_000):
            solution = solve(curve, steps=steps)
            assert solution.schedule.steps == steps
            assert solution.status is Status.OPTIMAL
            assert solution.certificate.method == "Lagrangian dual"
            assert solution.gap <= 2e-15 * n * values[0]


def test_a_long_curve_that_is_not_monotone() -> None:
    # Vertices of the hull are optimal whatever the curve does.
    n = 3000
    noisy = np.linspace(3.0, 1.0, n) + 0.01 * np.random.default_rng(0).random(n)
    curve = InformationCurve(noisy)
    frontier = losses(curve, 12)
    for steps in (2, 5, 12):
        solution = solve(curve, steps=steps)
        assert solution.status is Status.OPTIMAL
        assert math.isclose(solution.loss, frontier[steps - 1], rel_tol=1e-9)
