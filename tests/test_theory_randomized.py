"""Random step sizes: theory section 7.2, by averaging over the phase."""

from __future__ import annotations

from math import inf, log
from typing import cast

import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from schedopt.curve import InformationCurve
from schedopt.solvers import solve
from theory import guarantees, randomized
from theory.continuum import logarithmic_curve, logarithmic_limit
from theory.curves import conditional_entropy_curve
from theory.divergences import expected_kl
from theory.guarantees import SCALARS, Scalar
from theory.randomized import RandomPhase

Floats = strategies.Floats

few = settings(max_examples=30)
every_scalar = pytest.mark.parametrize("scalar", SCALARS)
phases = st.builds(RandomPhase, st.sampled_from(SCALARS), st.integers(1, 24), st.floats(0.05, 4.0))
law_curves = strategies.tables(max_entries=64).map(conditional_entropy_curve)
any_curves = st.integers(1, 20).flatmap(lambda n: strategies.falling_arrays((n,)))


def position(scalar: Scalar, n: int, phi: float) -> float:
    """The inverse of the coordinate."""
    return {
        "tc": lambda: n - np.exp(-phi),
        "dtc": lambda: np.exp(phi),
        "odds": lambda: n / (1.0 + np.exp(-phi)),
        "height": lambda: phi,
    }[scalar]()


@few
@given(phases, st.floats(0.001, 0.999))
def test_boundaries_are_whole_parts_of_an_even_grid(phase: RandomPhase, u: float) -> None:
    n, ends = phase.n, {phase.n}
    for i in range(-400, 400):
        point = phase.spacing * (i + u)
        if abs(point) < 700.0:
            at = position(phase.scalar, n, point)
            if abs(at - round(at)) < 1e-9 * n:  # its whole part hangs on the last bit
                continue
            ends.add(int(np.floor(at)))
    found = set(np.cumsum(phase.sizes(u)).tolist())
    assert {end for end in ends if 0 < end <= n} <= found
    assert sum(phase.sizes(u)) == n


@few
@given(phases)
def test_law_of_the_sizes_has_the_mean_overshoots(phase: RandomPhase) -> None:
    law = phase.law()
    assert sum(p for p, _ in law) == pytest.approx(1.0)
    assert all(p > 0.0 for p, _ in law)
    assert len({sizes for _, sizes in law}) == len(law) <= max(phase.n, 1)
    mean = sum(p * randomized.overshoots(sizes) for p, sizes in law)
    assert_allclose(phase.overshoots(), mean, atol=1e-9)


@few
@given(st.one_of(law_curves, any_curves), st.sampled_from(SCALARS), st.floats(0.1, 3.0))
def test_mean_loss_and_its_bound(curve: Floats, scalar: Scalar, spacing: float) -> None:
    phase = RandomPhase(scalar, len(curve), spacing)
    mean = randomized.mean_kl(curve, phase.overshoots())
    by_outcome = sum(p * expected_kl(curve, sizes) for p, sizes in phase.law())
    assert mean == pytest.approx(by_outcome, abs=1e-8)
    value = guarantees.scalar_value(scalar, curve)
    assert mean <= phase.worst_ratio() * value + 1e-9
    assert phase.worst_ratio() <= phase.ratio_bound() + 1e-12


@few
@given(st.integers(1, 20).flatmap(strategies.compositions))
def test_overshoots_of_fixed_sizes(sizes: tuple[int, ...]) -> None:
    n = sum(sizes)
    curve = np.random.default_rng(n).uniform(size=n).cumsum()[::-1]
    loss = randomized.mean_kl(curve, randomized.overshoots(sizes))
    assert loss == pytest.approx(expected_kl(curve, sizes))


@every_scalar
@pytest.mark.parametrize(("n", "steps"), [(4, 3), (30, 4), (64, 10), (64, 40)])
def test_no_draw_has_more_steps(scalar: Scalar, n: int, steps: int) -> None:
    phase = RandomPhase.within_steps(scalar, n, steps)
    assert max(len(sizes) for _, sizes in phase.law()) <= steps
    longer = RandomPhase(scalar, n, phase.spacing * 1.3)
    assert longer.worst_ratio() >= phase.worst_ratio()


@every_scalar
def test_draws_follow_the_law(scalar: Scalar) -> None:
    phase, draws = RandomPhase(scalar, 8, 1.3), 2000
    rng = np.random.default_rng(0)
    drawn = [phase.draw(rng) for _ in range(draws)]
    law = {sizes: p for p, sizes in phase.law()}
    assert set(drawn) <= set(law)
    # By Hoeffding's inequality, a frequency is off by 0.06 once in 10^6 times.
    for sizes, p in law.items():
        assert abs(drawn.count(sizes) / draws - p) < 0.06


def test_a_random_phase_halves_the_worst_case() -> None:
    # theory 7.2: 1 - (1 - e^-L) / L against 1 - e^-L, 2 in the limit of short steps.
    for kappa, ratio in ((1, 1.71), (4, 1.91), (16, 1.97)):
        phase = RandomPhase("tc", 10, 1.0 / kappa)
        fixed = -np.expm1(-1.0 / kappa)
        assert fixed / phase.ratio_bound() == pytest.approx(ratio, abs=0.02)
        assert phase.ratio_bound() == pytest.approx(logarithmic_limit(kappa))
    for scalar in ("dtc", "odds"):
        assert RandomPhase(scalar, 10, 0.01).ratio_bound() == pytest.approx(0.005, rel=0.01)


@pytest.mark.parametrize(("n", "steps"), [(100, 9), (1000, 14), (20_000, 19)])
def test_worst_cases_in_order(n: int, steps: int) -> None:
    # What one curve costs any sizes, random ones, and the best fixed ones.
    phase = RandomPhase.within_steps("tc", n, steps)
    least = solve(InformationCurve(logarithmic_curve(n)), steps=steps).loss
    assert least <= phase.worst_ratio() <= float(guarantees.least_theta("tc", n, steps)) / 1.5


def test_overshoots_of_a_million_positions_keep_their_digits() -> None:
    n, length = 10**6, 0.25
    found = RandomPhase("tc", n, length).overshoots()
    for left in (1, 2, 10, 1000, 10**6 - 1):  # positions left at the jump
        least = left * np.exp(-length)
        wanted = sum(max(0.0, 1.0 - log(left / m) / length) for m in range(int(least) + 1, left))
        assert found[n - left - 1] == pytest.approx(wanted, rel=1e-6, abs=1e-6)


def test_one_position_has_nothing_to_draw() -> None:
    for scalar in SCALARS:
        phase = RandomPhase(scalar, 1, 1.0)
        assert phase.law() == [(1.0, (1,))]
        assert phase.overshoots().shape == (0,)
        assert phase.worst_ratio() == 0.0


def test_what_is_refused() -> None:
    for spacing in (0.0, -1.0, inf, float("nan")):
        with pytest.raises(ValueError, match="need a finite spacing > 0, got"):
            RandomPhase("tc", 8, spacing)
    with pytest.raises(ValueError, match="need n >= 1"):
        RandomPhase("tc", 0, 1.0)
    with pytest.raises(ValueError, match="need a scalar of"):
        RandomPhase(cast(Scalar, "entropy"), 8, 1.0)
    for steps in (2, 8):
        with pytest.raises(ValueError, match=f"need 3 <= k < n, got k={steps}, n=8"):
            RandomPhase.within_steps("tc", 8, steps)
    for u in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match="need 0 <= phase < 1, got"):
            RandomPhase("tc", 8, 1.0).sizes(u)
    with pytest.raises(ValueError, match="need 2 overshoots for a curve of n=3"):
        randomized.mean_kl([2.0, 1.0, 0.0], [1.0])
