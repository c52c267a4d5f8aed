"""The square-root rule and the curves of sections 7.1 and 4.5, against exact optima."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isqrt, log

import bruteforce
import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from schedopt.curve import InformationCurve
from schedopt.sizes import uniform_sizes
from schedopt.solvers import losses, solve
from theory import continuum, curves
from theory.distributions import RandomPermutation
from theory.divergences import expected_kl

Floats = strategies.Floats

few = settings(max_examples=50)
falling = st.one_of(
    strategies.tables(max_entries=64).map(curves.conditional_entropy_curve),
    st.integers(1, 24).flatmap(lambda n: strategies.falling_arrays((n,))),
)

SMOOTH: dict[str, Callable[[Floats], Floats]] = {
    "square root": lambda x: np.sqrt(1.0 - x),
    "exponential": lambda x: np.exp(-5.0 * x),
    "cubic": lambda x: (1.0 - x) ** 3,
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(12.0 * (x - 0.6))),
}
every_curve = pytest.mark.parametrize("name", SMOOTH)


@st.composite
def curves_with_steps(draw: st.DrawFn) -> tuple[Floats, int]:
    curve = draw(falling)
    return curve, draw(st.integers(1, len(curve)))


# The density


@few
@given(curves_with_steps())
def test_density_spends_the_steps_and_is_water_filling(drawn: tuple[Floats, int]) -> None:
    curve, k = drawn
    n, d = len(curve), curves.increments(curve)
    density = continuum.step_density(curve, k)
    assert np.all((density >= 0.0) & (density <= 1.0))
    if n == 1:
        return
    nearest = np.ones(n - 1)
    nearest[0] += 0.5
    nearest[-1] += 0.5
    assert nearest @ density == pytest.approx(k)
    falls = d > 0.0
    if np.all(density[falls] == 1.0):
        assert len(np.unique(density[~falls].round(9))) <= 1
        return
    # One level c: rho = c sqrt(D) where it is below 1, and c sqrt(D) >= 1 where it is cut off.
    free = falls & (density < 1.0)
    levels = density[free] / np.sqrt(d[free])
    assert_allclose(levels, levels[0], rtol=1e-9)
    assert np.all(levels[0] * np.sqrt(d[density == 1.0]) >= 1.0 - 1e-9)
    assert np.all(density[~falls] == 0.0)


@few
@given(curves_with_steps(), st.integers(0, 2**32 - 1))
def test_no_density_does_better(drawn: tuple[Floats, int], seed: int) -> None:
    curve, k = drawn
    n = len(curve)
    if n < 5:  # two interior jumps at least
        return
    # Moving density between interior jumps keeps the steps and cannot gain.
    density = continuum.step_density(curve, k)
    least = continuum.continuum_kl(curve, density)
    rng = np.random.default_rng(seed)
    for _ in range(20):
        a, b = rng.choice(np.arange(1, n - 2), size=2, replace=False)
        moved = density.copy()
        step = min(moved[a], 1.0 - moved[b]) * rng.uniform()
        moved[[a, b]] += [-step, step]
        assert continuum.continuum_kl(curve, np.clip(moved, 0.0, 1.0)) >= least - 1e-9


def test_equal_steps_of_random_phase_lose_what_the_continuum_says() -> None:
    curve = np.random.default_rng(0).uniform(size=24).cumsum()[::-1]
    shifted = []
    for first in range(1, 5):
        sizes = [first, *[4] * ((24 - first) // 4)]
        sizes += [24 - sum(sizes)] * (sum(sizes) < 24)
        ends = np.cumsum(sizes)
        j = np.arange(1, 21)  # away from the end, which cuts the last step
        shifted.append(ends[np.searchsorted(ends, j)] - j)
    assert_allclose(np.mean(shifted, axis=0), np.full(20, 1.5))
    assert continuum.continuum_kl(curve, 1 / 4) == pytest.approx(1.5 * (curve[0] - curve[-1]))


def test_density_where_the_curve_falls_is_needed() -> None:
    assert continuum.continuum_kl([2.0, 1.0, 1.0], [0.0, 1.0]) == inf
    assert continuum.continuum_kl([2.0, 1.0, 1.0], [1.0, 0.0]) == 0.0


# Sizes


@few
@given(curves_with_steps())
def test_sizes_are_k_and_no_better_than_the_best(drawn: tuple[Floats, int]) -> None:
    curve, k = drawn
    sizes = continuum.square_root_sizes(curve, k)
    assert len(sizes) == k
    loss = expected_kl(curve, sizes)
    scale = 1e-12 * len(curve) ** 2 * (1.0 + float(curve[0]))
    assert loss >= solve(InformationCurve(curve), steps=k).loss - scale


@few
@given(st.integers(1, 60), st.data())
def test_sizes_of_a_straight_curve_are_equal(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, n))
    sizes = continuum.square_root_sizes(np.arange(n, 0, -1.0), k)
    assert max(sizes) - min(sizes) <= 1


@few
@given(st.integers(2, 30), st.data())
def test_every_jump_is_a_boundary_when_there_are_steps_enough(n: int, data: st.DataObject) -> None:
    jumps = data.draw(st.sets(st.integers(1, n - 1), min_size=1))
    drops = np.zeros(n)
    drops[list(jumps)] = 1.0
    curve = n - np.cumsum(drops)
    ends = {*jumps, n}
    needed = len(ends) + (1 in jumps) + (n - 1 in jumps)  # the rule counts halves at the ends
    if needed <= n:
        sizes = continuum.square_root_sizes(curve, needed)
        assert expected_kl(curve, sizes) == pytest.approx(0.0, abs=1e-9)


@every_curve
def test_sizes_near_the_optimum_as_n_grows(name: str) -> None:
    # theory 8.1; asymptotic and exact values meet, and so do the losses of the rule's sizes.
    by_rule, by_integral, gains = [], [], []
    for n in (64, 256, 1024, 4096):
        curve, k = SMOOTH[name](np.arange(n) / n), isqrt(n)
        least = solve(InformationCurve(curve), steps=k).loss
        by_rule.append(expected_kl(curve, continuum.square_root_sizes(curve, k)) / least - 1.0)
        by_integral.append(abs(continuum.square_root_kl(curve, k) / least - 1.0))
        gains.append(expected_kl(curve, uniform_sizes(n, k)) / least)
    assert min(by_rule) >= -1e-9
    assert by_rule[-1] < 0.007
    assert by_integral[-1] < 0.021
    assert by_integral[-1] < by_integral[1]
    assert gains[-1] == pytest.approx(continuum.square_root_gain(curve), rel=0.03)


@every_curve
def test_value_is_the_integral(name: str) -> None:
    n, k = 2**14, 64
    x = (np.arange(10**5) + 0.5) / 10**5
    width = 1.0 / 10**5
    falls = -np.diff(SMOOTH[name](np.append(x - width / 2, 1.0)))  # z' dx
    root = float(np.sqrt(falls * width).sum())
    height = float(falls.sum())
    wanted = n * root**2 / (2 * k) - height / 2
    curve = SMOOTH[name](np.arange(n) / n)
    assert continuum.square_root_kl(curve, k) == pytest.approx(wanted, rel=0.01)
    uniform = continuum.continuum_kl(curve, k / n)
    assert uniform == pytest.approx((n / (2 * k) - 0.5) * height, rel=0.01)
    assert continuum.square_root_gain(curve) == pytest.approx(height / root**2, rel=0.01)


@few
@given(falling)
def test_gain_is_at_least_one(curve: Floats) -> None:
    assert continuum.square_root_gain(curve) >= 1.0 - 1e-9


def test_gain_of_the_extremes() -> None:
    assert continuum.square_root_gain([3.0, 2.0, 1.0, 0.0]) == pytest.approx(1.0)
    assert continuum.square_root_gain([1.0, 1.0, 0.0, 0.0]) == pytest.approx(3.0)
    assert continuum.square_root_gain([1.0, 1.0]) == 1.0
    assert continuum.square_root_gain([1.0]) == 1.0


# The curve that costs log n, theory 7.1


@pytest.mark.parametrize("n", [2, 3, 50, 1000])
def test_logarithmic_curve(n: int) -> None:
    curve = continuum.logarithmic_curve(n)
    assert curves.total_correlation(curve) == pytest.approx(1.0)
    d = curves.increments(curve) * np.arange(n - 1, 0, -1.0) ** 2
    assert_allclose(d, d[0])


@pytest.mark.parametrize("kappa", [1.0, 2.0])
def test_logarithmic_curve_nears_its_limit_from_below(kappa: float) -> None:
    gaps = []
    for n in (100, 10_000, 100_000):
        k = round(kappa * log(n))
        least = solve(InformationCurve(continuum.logarithmic_curve(n)), steps=k).loss
        gaps.append(continuum.logarithmic_limit(k / log(n)) - least)
    assert gaps[0] > gaps[-1] > 0.0
    assert gaps[-1] < 0.4 / kappa / log(100_000) + 0.02


# Random permutations, theory 4.5

PROFILES = [(3, 2, 2, 1), (6, 5, 3, 2), (12, 9, 7, 4)]


@pytest.mark.parametrize("sizes", PROFILES)
def test_best_profiles_of_permutations(sizes: tuple[int, ...]) -> None:
    # Wen, Liang, Lu: the optimal four rounds of 8, 16 and 32 positions
    n = sum(sizes)
    curve = RandomPermutation(n).conditional_entropy_curve()
    best = {s: expected_kl(curve, s) for s in bruteforce.compositions(n, 4)}
    least = min(best.values())
    assert best[sizes] == pytest.approx(least, abs=1e-9)
    assert solve(InformationCurve(curve), steps=4).loss == pytest.approx(least, abs=1e-9)


@pytest.mark.parametrize("n", [2, 9, 40, 150])
def test_permutation_losses_are_convex_in_the_rounds(n: int) -> None:
    curve = RandomPermutation(n).conditional_entropy_curve()
    gains = -np.diff(losses(InformationCurve(curve)))
    assert np.all(np.diff(gains) <= 1e-9)
    assert np.all(gains >= 0.0)


# What is refused


def test_what_is_refused() -> None:
    for k in (0, 4):
        for refused in (
            continuum.step_density,
            continuum.square_root_sizes,
            continuum.square_root_kl,
        ):
            with pytest.raises(ValueError, match=f"need 1 <= k <= n, got k={k}, n=3"):
                refused([2.0, 1.0, 0.0], k)
    with pytest.raises(ValueError, match=r"never rises, got 0\.5 more at 2 than at 1"):
        continuum.square_root_gain([2.0, 1.0, 1.5])
    with pytest.raises(ValueError, match=r"need densities in \[0, 1\], got 0\.5 to 1\.5"):
        continuum.continuum_kl([2.0, 1.0, 0.0], [0.5, 1.5])
    with pytest.raises(ValueError, match="need n >= 2, got 1"):
        continuum.logarithmic_curve(1)
    with pytest.raises(ValueError, match="need kappa > 0, got 0"):
        continuum.logarithmic_limit(0.0)
