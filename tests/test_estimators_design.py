"""How many positions the passes of a curve know, and how often."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from schedopt.estimators.design import allocated_counts, even_counts, sizes_in_odds

Ints = NDArray[np.int64]


@given(st.integers(1, 600), st.integers(16, 5000))
def test_sizes_run_from_none_to_all_but_one(n: int, passes: int) -> None:
    sizes = sizes_in_odds(n, passes)
    assert sizes[0] == 0
    assert sizes[-1] == n - 1
    assert (np.diff(sizes) > 0).all()
    assert len(sizes) <= min(n, 24)
    assert 2 * len(sizes) <= max(passes // 4, 8)  # two passes of each in the pilot
    assert np.abs(sizes + sizes[::-1] - (n - 1)).max() <= 1  # as fine at both ends


def test_sizes_are_spaced_in_odds() -> None:
    """Equally in the log of (j + 1) / (n - j), where they are so far apart that none is rounded."""
    n = 10**6
    steps = np.diff(np.log((sizes_in_odds(n, 4096) + 1.0) / (n - sizes_in_odds(n, 4096))))
    assert len(steps) == 23
    np.testing.assert_allclose(steps[4:-4], 2 * np.log(n) / 23, rtol=0.01)
    assert sizes_in_odds(24, 10**4).tolist() == list(range(24))


@given(st.integers(1, 50), st.integers(0, 500))
def test_even_counts_differ_by_one_at_most(sizes: int, passes: int) -> None:
    counts = even_counts(sizes, passes)
    assert counts.sum() == passes
    assert counts.max() - counts.min() <= 1


def pilot(sizes: Ints, spreads: list[float], each: int) -> tuple[Ints, NDArray[np.float64]]:
    """Passes whose scores spread by exactly this much at each size."""
    known = np.repeat(sizes, each)
    swing = np.tile(np.where(np.arange(each) % 2, 1.0, -1.0), len(sizes))
    return known, 5.0 + swing * np.repeat(spreads, each) * np.sqrt((each - 1) / each)


def test_allocation_is_neymans() -> None:
    """No other sharing of the same passes makes the sum of w sigma^2 / p smaller by much."""
    n, passes = 64, 960
    sizes = np.array([0, 7, 31, 63])
    weights = np.array([4.0, 15.5, 28.0, 16.5])  # entries nearer to one size than to the others
    spreads = np.sqrt(0.5 / (n - sizes) + 0.01)
    known, scores = pilot(sizes, spreads.tolist(), 40)
    counts = 40 + allocated_counts(sizes, known, scores, passes, n)
    assert counts.sum() == passes + 160

    def error(p: NDArray[np.float64]) -> float:
        return float((weights * spreads**2 / p).sum())

    ideal = np.sqrt(weights) * spreads
    ideal *= counts.sum() / ideal.sum()
    assert ideal.min() > 40
    # Spreads are rounded by up to 2^(1/16), which changes the error in second order.
    assert error(ideal) <= error(counts.astype(np.float64)) < 1.002 * error(ideal)
    assert error(np.full(4, counts.sum() / 4)) > 1.1 * error(ideal)


@given(st.lists(st.floats(0.01, 9.0), min_size=4, max_size=4), st.integers(0, 10**6))
def test_last_bits_of_scores_do_not_count(spreads: list[float], seed: int) -> None:
    sizes = np.array([0, 3, 9, 15])
    known, scores = pilot(sizes, spreads, 6)
    counts = allocated_counts(sizes, known, scores, 100, 16)
    assert counts.sum() == 100
    assert counts.min() >= 0
    noisy = scores * (1 + 1e-9 * np.random.default_rng(seed).standard_normal(len(scores)))
    assert (allocated_counts(sizes, known, noisy, 100, 16) == counts).all()


@pytest.mark.parametrize("scores", [np.zeros(8), np.full(8, 0.7), np.linspace(1, 0, 8)])
def test_passes_without_spread_are_shared_by_entries(scores: NDArray[np.float64]) -> None:
    """A pilot of one pass a size, or of equal scores, tells nothing of the spread."""
    sizes = np.arange(8)
    counts = allocated_counts(sizes, sizes, scores, 80, 8)
    assert (counts == 10).all()
