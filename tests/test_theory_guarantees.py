"""Guarantees from scalars: theory section 6, every bound on random curves and random laws."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, inf, log
from typing import Any

import bruteforce
import numpy as np
import pytest
import strategies
from golden_laws import CASES
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from theory import curves
from theory import guarantees as g
from theory.divergences import expected_kl
from theory.guarantees.affine import mean_jump
from theory.guarantees.greedy import Budgets
from theory.guarantees.scalars import as_fraction

Floats = strategies.Floats
Sizes = tuple[int, ...]
ROUNDING = 1e-9

few = settings(max_examples=30)

scalars = st.sampled_from(g.SCALARS)
thetas = st.fractions(0, 3, max_denominator=40)
every_scalar = pytest.mark.parametrize("scalar", g.SCALARS)

# Curves as laws have them: from tables with zeros, ties and point masses, and any others.
law_curves = strategies.tables(max_entries=64).map(curves.conditional_entropy_curve)
any_curves = st.integers(1, 24).flatmap(lambda n: strategies.falling_arrays((n,)))
falling = st.one_of(law_curves, any_curves)


@st.composite
def curves_with_sizes(draw: st.DrawFn) -> tuple[Floats, Sizes]:
    curve = draw(falling)
    return curve, draw(strategies.compositions(len(curve)))


@st.composite
def sizes_with_correlations(draw: st.DrawFn) -> tuple[Sizes, float, float]:
    """Sizes, and a TC and DTC that some law has."""
    n = draw(st.integers(2, 9))
    mean = draw(st.one_of(st.integers(1, n - 1), st.floats(1.0, n - 1.0)))
    scale = draw(st.floats(0.01, 10.0))
    return draw(strategies.compositions(n)), scale * (n - mean), scale * mean


def at_most(steps: int, n: int) -> list[Sizes]:
    return [sizes for k in range(1, steps + 1) for sizes in bruteforce.compositions(n, k)]


def overshoots(sizes: Sequence[int]) -> Floats:
    """r_j for j = 1..n-1, by walking."""
    found, end, steps = [], 0, iter(sizes)
    for j in range(1, sum(sizes)):
        while end < j:
            end += next(steps)
        found.append(float(end - j))
    return np.array(found)


def within(loss: float, bound: float) -> bool:
    return loss <= bound + ROUNDING * (1.0 + bound)


# The sharp constant of given sizes


@few
@given(falling)
def test_scalars_are_those_of_the_curve(curve: Floats) -> None:
    tc, dtc = curves.total_correlation(curve), curves.dual_total_correlation(curve)
    wanted = [tc, dtc, curves.unmasking_growth_complexity(curve), curve[0] - curve[-1]]
    assert_allclose([g.scalar_value(s, curve) for s in g.SCALARS], wanted, atol=1e-9)
    assert wanted[3] * len(curve) == pytest.approx(tc + dtc, abs=1e-9)
    assert within(wanted[2], g.growth_bound(tc, dtc))


@few
@given(curves_with_sizes(), scalars)
def test_loss_is_within_the_worst_ratio(drawn: tuple[Floats, Sizes], scalar: g.Scalar) -> None:
    curve, sizes = drawn
    bound = float(g.worst_ratio(scalar, sizes)) * g.scalar_value(scalar, curve)
    assert within(expected_kl(curve, sizes), bound)


@few
@given(st.integers(2, 24).flatmap(strategies.compositions), scalars)
def test_worst_ratio_is_reached_by_a_single_jump(sizes: Sizes, scalar: g.Scalar) -> None:
    # theory 6.6
    n = sum(sizes)
    by_jump = [
        Fraction(int(r)) / g.jump_weight(scalar, j, n)
        for j, r in enumerate(overshoots(sizes), start=1)
    ]
    ratio, jump = g.worst_jump(scalar, sizes)
    assert ratio == max(by_jump)
    if jump:
        curve = g.curve_of_jumps(n, {jump: 1.0})
        reached = expected_kl(curve, sizes) / g.scalar_value(scalar, curve)
        assert reached == pytest.approx(float(ratio), rel=1e-12)


def test_a_curve_of_jumps() -> None:
    curve = g.curve_of_jumps(6, {2: 1.0, 5: 0.5})
    assert curve.tolist() == [1.5, 1.5, 0.5, 0.5, 0.5, 0.0]
    assert_allclose(curves.increments(curve), [0.0, 1.0, 0.0, 0.0, 0.5])


# Greedy sizes


@pytest.mark.parametrize("name", CASES)
def test_golden_sizes(name: str) -> None:
    n, wanted = CASES[name]["n"], CASES[name].get("expected_KL_random_order", {})
    named: list[tuple[g.Scalar, float]] = [("tc", 0.3), ("dtc", 0.6), ("odds", 0.8)]
    for scalar, theta in named:
        if wanted:
            golden = wanted[f"{scalar}_theta{theta}"]["sizes"]
            assert list(g.greedy_sizes(scalar, n, theta)) == golden


@few
@given(falling, scalars, thetas)
def test_greedy_sizes_lose_at_most_theta(curve: Floats, scalar: g.Scalar, theta: Fraction) -> None:
    # theory 6.1-6.4
    sizes = g.greedy_sizes(scalar, len(curve), theta)
    assert g.worst_ratio(scalar, sizes) <= theta
    assert within(expected_kl(curve, sizes), float(theta) * g.scalar_value(scalar, curve))


@few
@given(falling, thetas)
def test_odds_sizes_need_no_knowledge_of_which_correlation_is_small(
    curve: Floats, theta: Fraction
) -> None:
    # theory 6.3 with 1.5
    loss = expected_kl(curve, g.greedy_sizes("odds", len(curve), theta))
    tc, dtc = curves.total_correlation(curve), curves.dual_total_correlation(curve)
    assert within(loss, float(theta) * g.growth_bound(tc, dtc))
    assert within(loss, float(theta) * min(tc, dtc))


@few
@given(st.integers(1, 3000), scalars, st.fractions(0, 2, max_denominator=1000))
def test_greedy_steps_are_bounded(n: int, scalar: g.Scalar, theta: Fraction) -> None:
    steps = len(g.greedy_sizes(scalar, n, theta))
    assert steps <= g.step_bound(scalar, n, theta) <= n
    rate = float(theta)
    if 0.0 < rate < 1.0 and n > 1:  # as theory 6.1-6.3 states them
        stated = {
            "tc": 2.0 + log(n - 1) / -log(1.0 - rate),
            "dtc": ceil(log(n + 1) / log(1.0 + rate)),
            "odds": ceil(2.0 * log(n - 1) / log(1.0 + rate)) + 2,
            "height": n,
        }
        assert g.step_bound(scalar, n, theta) <= stated[scalar] + ROUNDING


@every_scalar
def test_greedy_steps_are_bounded_for_few_positions(scalar: g.Scalar) -> None:
    tight = 0
    for n in range(1, 31):
        for theta in (Fraction(a, 12) for a in range(30)):
            steps, bound = len(g.greedy_sizes(scalar, n, theta)), g.step_bound(scalar, n, theta)
            assert steps <= bound
            tight += steps == bound and theta > 0
    assert tight > 0


def test_step_bound_of_the_least_numbers() -> None:
    assert g.step_bound("tc", 1000, 1e-310) == 1000
    assert g.step_bound("tc", 1000, 1.5) == 1
    assert g.step_bound("height", 10, 2.5) == 4 == len(g.greedy_sizes("height", 10, 2.5))


def test_sizes_fall_rise_and_do_both() -> None:
    tc, dtc = g.greedy_sizes("tc", 100, 0.25), g.greedy_sizes("dtc", 100, 0.25)
    odds = g.greedy_sizes("odds", 100, 0.5)
    assert list(tc) == sorted(tc, reverse=True)
    assert list(dtc[:-1]) == sorted(dtc[:-1])
    peak = odds.index(max(odds))
    assert list(odds) == sorted(odds[:peak]) + sorted(odds[peak:], reverse=True)


@every_scalar
def test_no_composition_guarantees_more_than_greedy_sizes(scalar: g.Scalar) -> None:
    # theory 6.6, every composition of n <= 9
    for n in range(1, 10):
        least = Fraction(n * n)
        for k in range(1, n + 1):
            ratios = [g.worst_ratio(scalar, sizes) for sizes in bruteforce.compositions(n, k)]
            least = min(least, *ratios)
            theta = g.least_theta(scalar, n, k)
            assert theta == least
            sizes = g.greedy_sizes(scalar, n, theta)
            assert len(sizes) <= k
            assert g.worst_ratio(scalar, sizes) == theta


@few
@given(st.integers(2, 300), st.integers(1, 40), scalars)
def test_least_theta_is_least(n: int, steps: int, scalar: g.Scalar) -> None:
    theta = g.least_theta(scalar, n, steps)
    sizes = g.greedy_sizes(scalar, n, theta)
    assert len(sizes) <= steps or steps > n
    assert g.worst_ratio(scalar, sizes) == theta
    if theta > 0:
        budgets = Budgets(n, lambda j: g.jump_weight(scalar, j, n))
        assert budgets.walk(theta, steps).sizes == sizes
        assert budgets.walk(theta, steps, below=True).sizes is None
        below = theta - Fraction(1, 10**30)  # far less than critical levels differ by
        assert len(g.greedy_sizes(scalar, n, below)) > steps


@few
@given(st.integers(1, 60), scalars, st.floats(0.01, 5.0), st.floats(0.0, 50.0))
def test_sizes_within_a_loss(n: int, scalar: g.Scalar, eps: float, value: float) -> None:
    sizes = g.sizes_within(scalar, n, eps, value)
    assert within(float(g.worst_ratio(scalar, sizes)) * value, eps)
    if 1 < len(sizes) <= n:
        fewer = g.least_theta(scalar, n, len(sizes) - 1)
        assert float(fewer) * value > eps * (1.0 - ROUNDING)


@every_scalar
def test_nothing_to_lose_takes_one_step(scalar: g.Scalar) -> None:
    assert g.sizes_within(scalar, 7, 0.1, 0.0) == (7,)
    assert g.sizes_within(scalar, 7, 0.0, 0.1) == (1,) * 7
    assert g.least_theta(scalar, 1, 1) == 0
    assert g.greedy_sizes(scalar, 1, 0.5) == (1,)


def test_a_float_stands_for_its_decimal() -> None:
    # 0.29 * 100 is 28.999999999999996 in floating point.
    assert g.greedy_sizes("height", 100, 28.0)[0] == 29
    assert g.greedy_sizes("tc", 101, 0.29)[0] == 30
    assert as_fraction("theta", np.float64(0.1)) == Fraction(1, 10)


# TC and DTC


@few
@given(sizes_with_correlations())
def test_sup_kl_is_the_value_of_the_linear_program(drawn: tuple[Sizes, float, float]) -> None:
    # theory 6.7
    from scipy.optimize import linprog

    sizes, tc, dtc = drawn
    n = sum(sizes)
    j = np.arange(1, n)
    found = linprog(-overshoots(sizes), A_eq=np.array([n - j, j]), b_eq=[tc, dtc])
    assert g.sup_kl(sizes, tc, dtc) == pytest.approx(-found.fun, rel=1e-7, abs=1e-9)


@few
@given(sizes_with_correlations())
def test_worst_curve_has_the_correlations_and_the_loss(
    drawn: tuple[Sizes, float, float],
) -> None:
    sizes, tc, dtc = drawn
    curve = g.worst_curve(sizes, tc, dtc)
    assert np.count_nonzero(curves.increments(curve) > 1e-12) <= 2
    assert curves.total_correlation(curve) == pytest.approx(tc, rel=1e-9, abs=1e-9)
    assert curves.dual_total_correlation(curve) == pytest.approx(dtc, rel=1e-9, abs=1e-9)
    assert expected_kl(curve, sizes) == pytest.approx(g.sup_kl(sizes, tc, dtc), abs=1e-9)


@few
@given(curves_with_sizes())
def test_loss_is_within_sup_kl(drawn: tuple[Floats, Sizes]) -> None:
    curve, sizes = drawn
    tc = max(0.0, curves.total_correlation(curve))
    dtc = max(0.0, curves.dual_total_correlation(curve))
    if tc + dtc < 1e-6:  # correlations that are all rounding need not be those of a law
        return
    bound = g.sup_kl(sizes, tc, dtc)
    assert within(expected_kl(curve, sizes), bound)
    for scalar, value in (("tc", tc), ("dtc", dtc), ("height", (tc + dtc) / len(curve))):
        assert within(bound, float(g.worst_ratio(scalar, sizes)) * value)


@pytest.mark.parametrize("n", range(2, 10))
def test_no_composition_does_better_than_the_minimax_sizes(n: int) -> None:
    # theory 6.7, every composition
    rng = np.random.default_rng(n)
    means = [1.0, n - 1.0, n / 2, *rng.uniform(1.0, n - 1.0, size=2)]
    for mean in means:
        tc, dtc, least = n - mean, mean, inf
        for k in range(1, n + 1):
            losses = [g.sup_kl(sizes, tc, dtc) for sizes in bruteforce.compositions(n, k)]
            least = min(least, *losses)
            sizes = g.minimax_sizes(n, k, tc, dtc)
            assert len(sizes) <= k
            assert g.sup_kl(sizes, tc, dtc) == pytest.approx(least, abs=1e-12)


@few
@given(st.integers(2, 40), st.integers(1, 10), st.floats(0.1, 10.0), scalars)
def test_both_correlations_promise_more_than_one_scalar(
    n: int, steps: int, odds: float, scalar: g.Scalar
) -> None:
    mean = 1.0 + (n - 2.0) * odds / (1.0 + odds)
    sizes = g.minimax_sizes(n, steps, n - mean, mean)
    assert len(sizes) <= max(steps, 1)
    other = g.greedy_sizes(scalar, n, g.least_theta(scalar, n, steps))
    assert within(g.sup_kl(sizes, n - mean, mean), g.sup_kl(other, n - mean, mean))


@few
@given(st.integers(2, 20), st.fractions(-1, 3, max_denominator=9), st.fractions(0, 4))
def test_affine_sizes_are_the_fewest_below_their_line(
    n: int, beta: Fraction, start: Fraction
) -> None:
    alpha = start + max(Fraction(0), -beta * (n - 1))  # not below 0 at n - 1, nor at 1
    alpha = max(alpha, -beta)
    sizes = g.affine_sizes(n, alpha, beta)
    line = [float(alpha + beta * j) for j in range(1, n)]
    assert np.all(overshoots(sizes) <= np.array(line) + ROUNDING)
    if n <= 8:
        fewer = at_most(len(sizes) - 1, n)
        assert not any(np.all(overshoots(s) <= np.array(line) + ROUNDING) for s in fewer)


def test_a_supporting_line_gives_as_few_steps() -> None:
    # theory 6.7: the worst curve's two jumps are where the best line touches.
    n, steps, tc, dtc = 64, 8, 1.0, 3.0
    sizes = g.minimax_sizes(n, steps, tc, dtc)
    (left, right) = (1 + int(j) for j in np.flatnonzero(np.diff(g.worst_curve(sizes, tc, dtc))))
    r = overshoots(sizes)
    beta = Fraction(int(r[right - 1] - r[left - 1]), right - left)
    alpha = int(r[left - 1]) - beta * left
    greedy = g.affine_sizes(n, alpha, beta)
    assert len(greedy) <= steps
    assert g.sup_kl(greedy, tc, dtc) == pytest.approx(g.sup_kl(sizes, tc, dtc))


def test_independent_positions_have_nothing_to_lose() -> None:
    assert g.sup_kl((3, 2), 0.0, 0.0) == 0.0 == g.sup_kl((1,), 0.0, 0.0)
    assert g.worst_curve((3, 2), 0.0, 0.0).tolist() == [0.0] * 5
    assert g.minimax_sizes(5, 2, 0.0, 0.0) == (5,)
    assert g.minimax_sizes(5, 9, 1.0, 1.0) == (1,) * 5


# Published sizes and bounds


@few
@given(st.integers(1, 400), st.floats(0.05, 5.0), st.floats(0.0, 60.0))
def test_chen_cong_li_keep_their_promise_and_take_longer(n: int, eps: float, value: float) -> None:
    named: list[tuple[g.Scalar, Any]] = [
        ("tc", g.chen_cong_li_tc_sizes),
        ("dtc", g.chen_cong_li_dtc_sizes),
    ]
    for scalar, published in named:
        sizes = published(n, eps, value)
        assert sum(sizes) == n
        assert min(sizes) >= 1
        assert len(sizes) <= g.chen_cong_li_step_bound(n, eps, value)
        assert within(float(g.worst_ratio(scalar, sizes)) * value, eps)
        assert len(g.sizes_within(scalar, n, eps, value)) <= len(sizes)  # theory 6.5


@few
@given(falling, st.floats(0.01, 2.0))
def test_chen_cong_li_on_curves(curve: Floats, eps: float) -> None:
    n = len(curve)
    tc = max(0.0, curves.total_correlation(curve))
    dtc = max(0.0, curves.dual_total_correlation(curve))
    assert within(expected_kl(curve, g.chen_cong_li_tc_sizes(n, eps, tc)), eps)
    assert within(expected_kl(curve, g.chen_cong_li_dtc_sizes(n, eps, dtc)), eps)


def test_chen_cong_li_by_hand() -> None:
    # zeta = 3: nodes 0, 3, 5, 6, 7, then no more by thirds, and one by one.
    assert g.chen_cong_li_tc_sizes(9, 1.0, 2.0) == (3, 2, 1, 1, 1, 1)
    # zeta = 3: 9, 6, 4, 3, 2, 2, ... and one by one.
    assert g.chen_cong_li_dtc_sizes(9, 1.0, 2.0) == (1, 1, 1, 1, 2, 3)
    assert g.chen_cong_li_tc_sizes(4, 1.0, 9.0) == (1,) * 4
    assert g.chen_cong_li_dtc_sizes(4, 1.0, 9.0) == (1,) * 4
    assert g.chen_cong_li_tc_sizes(9, 1.0, 0.0) == (9,) == g.chen_cong_li_dtc_sizes(9, 1.0, 0.0)


@few
@given(curves_with_sizes())
def test_li_cai(drawn: tuple[Floats, Sizes]) -> None:
    curve, sizes = drawn
    tc, dtc = curves.total_correlation(curve), curves.dual_total_correlation(curve)
    height = g.scalar_value("height", curve)
    sharp = float(g.worst_ratio("height", sizes)) * height
    assert max(sizes) - 1 == g.worst_ratio("height", sizes)
    assert within(expected_kl(curve, sizes), sharp)
    assert within(sharp, g.li_cai_bound(sizes, tc, dtc))


def test_li_cai_rounds_up_to_powers_of_two() -> None:
    steps = [g.li_cai_bound((s,), float(s), 0.0) for s in (1, 2, 3, 4, 5, 8, 9)]
    assert steps == [0.0, 1.0, 3.0, 3.0, 7.0, 7.0, 15.0]


@few
@given(falling, st.data())
def test_austin(curve: Floats, data: st.DataObject) -> None:
    # theory 6.8
    n = len(curve)
    k = data.draw(st.integers(1, n))
    sizes = g.austin_sizes(n, k)
    assert len(sizes) == k
    loss = expected_kl(curve, sizes)
    z = curves.information_curve(curve)
    between = (n - k + 1) * float(z[-1] - z[k - 1])
    assert within(loss, between)
    assert within(between, g.austin_bound(n, k, curves.dual_total_correlation(curve)))


@few
@given(curves_with_sizes())
def test_wainwright_bound(drawn: tuple[Floats, Sizes]) -> None:
    curve, sizes = drawn
    assert within(expected_kl(curve, sizes), g.wainwright_bound(curve, sizes))


@few
@given(falling, thetas)
def test_wainwright_sizes(curve: Floats, theta: Fraction) -> None:
    n = len(curve)
    sizes = g.wainwright_sizes(n, theta)
    assert sizes[-1] == 1
    assert within(g.wainwright_bound(curve, sizes), float(theta) * g.scalar_value("odds", curve))
    assert g.worst_ratio("odds", sizes) <= theta
    # The sharper constant of section 9 allows longer steps.
    assert len(g.greedy_sizes("odds", n, theta)) <= len(sizes)


def test_wainwright_cannot_bound_a_long_last_step() -> None:
    assert g.wainwright_bound([2.0, 1.0, 0.0], (1, 2)) == inf
    assert g.wainwright_bound([2.0, 1.0, 1.0], (1, 2)) == 0.0


# What is refused


@pytest.mark.parametrize("theta", [-0.1, float("nan"), inf])
def test_theta_must_be_a_number_of_at_least_zero(theta: float) -> None:
    with pytest.raises(ValueError, match="need a finite theta >= 0, got"):
        g.greedy_sizes("tc", 8, theta)
    with pytest.raises(ValueError, match="need a finite theta >= 0, got"):
        g.step_bound("tc", 8, theta)
    with pytest.raises(ValueError, match="need a finite theta >= 0, got"):
        g.wainwright_sizes(8, theta)


def test_unknown_scalars_are_refused() -> None:
    unknown: Any = "entropy"
    message = "need a scalar of tc, dtc, odds, height, got 'entropy'"
    with pytest.raises(ValueError, match=message):
        g.greedy_sizes(unknown, 1, 0.5)
    with pytest.raises(ValueError, match=message):
        g.least_theta(unknown, 8, 2)
    with pytest.raises(ValueError, match=message):
        g.scalar_value(unknown, [2.0, 1.0])


def test_lengths_and_steps_are_checked() -> None:
    for refused in (
        lambda: g.greedy_sizes("tc", 0, 0.5),
        lambda: g.sizes_within("tc", 0, 1.0, 0.0),
        lambda: g.step_bound("tc", 0, 0.5),
        lambda: g.least_theta("tc", 4, 0),
        lambda: g.minimax_sizes(4, 0, 1.0, 1.0),
        lambda: g.affine_sizes(0, Fraction(1), Fraction(1)),
        lambda: g.wainwright_sizes(0, 1.0),
        lambda: g.chen_cong_li_tc_sizes(0, 1.0, 1.0),
    ):
        with pytest.raises(ValueError, match="need n >= 1 and k >= 1, got n="):
            refused()
    for steps in (0, 5):
        with pytest.raises(ValueError, match=f"need 1 <= k <= n, got k={steps}, n=4"):
            g.austin_sizes(4, steps)


def test_eps_must_be_positive_for_chen_cong_li() -> None:
    for published in (g.chen_cong_li_tc_sizes, g.chen_cong_li_dtc_sizes):
        with pytest.raises(ValueError, match="need eps > 0, got 0"):
            published(4, 0.0, 1.0)
        with pytest.raises(ValueError, match="need a finite value >= 0"):
            published(4, 1.0, -1.0)


def test_correlations_that_no_law_has_are_refused() -> None:
    for tc, dtc in ((1.0, 0.1), (0.1, 1.0)):
        with pytest.raises(ValueError, match=r"need TC <= \(n - 1\) DTC .* n=8"):
            g.minimax_sizes(8, 2, tc, dtc)
        with pytest.raises(ValueError, match=r"need TC <= \(n - 1\) DTC"):
            g.sup_kl((4, 4), tc, dtc)
    with pytest.raises(ValueError, match="need a finite DTC >= 0"):
        g.sup_kl((4, 4), 1.0, -1.0)
    assert mean_jump(8, 7.0 + 1e-12, 1.0) == 1  # rounding of a sum is forgiven


def test_lines_that_allow_no_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="need a slope >= -1, got -2"):
        g.affine_sizes(5, Fraction(9), Fraction(-2))
    with pytest.raises(ValueError, match=r"need a line >= 0 on 1\.\.4, got 2 \+ -1 j"):
        g.affine_sizes(5, Fraction(2), Fraction(-1))


def test_jumps_are_checked() -> None:
    for jumps in ({0: 1.0}, {4: 1.0}, {2: -1.0}):
        with pytest.raises(ValueError, match=r"need jumps >= 0 at 1\.\.3"):
            g.curve_of_jumps(4, jumps)


def test_sizes_are_checked() -> None:
    for refused in (
        lambda: g.worst_ratio("tc", (2, 0)),
        lambda: g.sup_kl((2, 0), 1.0, 1.0),
        lambda: g.worst_curve((2, 0), 1.0, 1.0),
        lambda: g.li_cai_bound((2, 0), 1.0, 1.0),
        lambda: g.wainwright_bound([2.0, 1.0], (3,)),
    ):
        with pytest.raises(ValueError, match="need sizes >= 1 that sum to n="):
            refused()
