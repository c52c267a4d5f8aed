"""What the experiment on data geometry adds to ``theory``: sums over blocks, grids, jackknife."""

from __future__ import annotations

import sys
from math import log
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from theory.distributions import HierarchicalPrototypes, NoisyRepeatedBit
from theory.growth import odds_density
from theory.odds_blocks import complexity_ratio

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

from geometry import (
    FINE,
    REPEATED,
    complexities,
    falling,
    growths,
    jackknife,
    log_odds,
    of_increments,
    prototypes,
)


@pytest.mark.parametrize(("flips", "published"), REPEATED.items())
def test_the_published_ratios_of_repeated_bits(flips: float, published: float) -> None:
    curve = NoisyRepeatedBit(128, flips).conditional_entropy_curve()
    found = complexities(128, growths([curve]))
    assert found["ratio"] == pytest.approx(complexity_ratio(curve), rel=1e-4)
    assert abs(found["ratio"] - published) <= 0.005 + 1e-3  # as printed
    assert found["limit"] < found["three_blocks"] < found["coarse"]


def test_the_density_of_copies_in_closed_form() -> None:
    d = 64
    q, _ = growths([NoisyRepeatedBit(d, 0.0).conditional_entropy_curve()])
    r = 1.0 / (1.0 + np.exp(-log_odds(d, FINE)))
    assert_allclose(q, d * (d - 1) * log(2) * r**2 * (1.0 - r) ** d, atol=1e-12)


def test_independent_levels_add_up() -> None:
    sizes = (24, 6)
    q, h = growths([NoisyRepeatedBit(size, 0.0).conditional_entropy_curve() for size in sizes])
    whole = HierarchicalPrototypes(sizes, eps=0.5).conditional_entropy_curve()
    wanted_q, wanted_h = growths([whole])
    assert_allclose(q, wanted_q, atol=1e-10)
    assert_allclose(h, wanted_h, atol=1e-10)


def test_growths_are_linear_in_the_increments() -> None:
    increments = np.random.default_rng(0).gamma(0.5, size=11)
    q, h = of_increments(increments)
    wanted_q, wanted_h = growths([falling(increments)])
    assert_allclose(q, wanted_q, atol=1e-12)
    assert_allclose(h, wanted_h, atol=1e-12)
    assert_allclose(q, odds_density(falling(increments), log_odds(12, FINE)), atol=1e-12)


def test_the_jackknife_of_what_is_linear_is_the_standard_error() -> None:
    draws = np.random.default_rng(1).gamma(2.0, size=(20, 11))
    coarse = [complexities(12, of_increments(draw))["coarse"] for draw in draws]
    wanted = np.std(coarse, ddof=1) / np.sqrt(len(coarse))
    assert jackknife(draws)["coarse"] == pytest.approx(wanted, rel=1e-9)


def test_prototypes_are_those_of_their_seed() -> None:
    law = prototypes(12, seed=3)
    assert law.marginals.shape == (8, 12, 2)
    assert set(np.unique(law.marginals).round(2)) == {0.02, 0.98}
    assert np.array_equal(law.marginals, prototypes(12, seed=3).marginals)
    assert not np.array_equal(law.marginals, prototypes(12, seed=4).marginals)
