"""The fit of a smooth curve: what it finds, and how well it says it is known."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from schedopt.estimators import curves
from schedopt.estimators.curves import (
    Means,
    entropy_parts,
    fit_curve,
    fit_gap,
    fit_process,
    gap_parts,
    level_of,
    mean_by_size,
    model_variance,
    smooth_terms,
)

Floats = NDArray[np.float64]


def test_terms_of_smooth_curves_fall() -> None:
    terms = smooth_terms(64)
    assert terms.shape == (64, 5)
    assert (np.diff(terms, axis=0) <= 0.0).all()
    assert (terms >= 0.0).all()


# What is found


@pytest.mark.parametrize("coefficients", [[1, 0, 0, 0, 0], [0.5, 1, 0, 2, 0], [0, 0, 1, 0, 3]])
def test_curves_of_these_terms_are_found(coefficients: list[float]) -> None:
    """Also between the sizes."""
    known = np.repeat(np.arange(0, 32, 2), 3)
    curve = smooth_terms(32) @ np.array(coefficients)
    found = fit_curve(known, curve[known], np.arange(48), 32)
    np.testing.assert_allclose(found.values, curve, atol=1e-3 * curve.max())


@settings(max_examples=50)
@given(st.integers(1, 24), st.integers(0, 99))
def test_what_is_known_exactly_is_told_exactly(n: int, seed: int) -> None:
    """Scores without spread at every size, such as those of a code."""
    curve = np.sort(np.random.default_rng(seed).random(n))[::-1]
    known = np.repeat(np.arange(n), 2)
    found = fit_curve(known, curve[known], np.arange(2 * n), n)
    error = np.abs(found.values - curve)
    # Up to the variance that a mean has at least, which is 1e-5 of the level.
    assert (error <= 4 * found.stderr + 1e-9).all()
    assert error.max() < 1e-3 * curve.mean()


def test_nothing_is_certain() -> None:
    found = fit_curve(np.repeat(np.arange(4), 4), np.zeros(16), np.arange(16), 4)
    assert (found.values == 0.0).all()
    assert level_of(np.zeros(3)) == 1.0


@pytest.mark.parametrize("gap", [0.3, -0.2])
def test_gaps_may_have_either_sign(gap: float) -> None:
    rng, known = np.random.default_rng(0), np.tile(np.arange(16), 20)
    gaps = gap + 0.1 * rng.standard_normal(320)
    found = fit_gap(known, gaps, np.arange(320), 16, 1.0)
    np.testing.assert_allclose(found.values, gap, atol=0.03)
    assert (np.abs(found.values - gap) < 4 * found.stderr).all()


def test_gaps_that_vary_are_followed() -> None:
    rng, known = np.random.default_rng(1), np.tile(np.arange(32), 40)
    truth = 0.5 * (np.arange(32) / 32) ** 2
    gaps = truth[known] + 0.1 * rng.standard_normal(1280)
    found = fit_gap(known, gaps, np.arange(1280), 32, 1.0)
    np.testing.assert_allclose(found.values, truth, atol=0.04)


def test_a_gap_that_is_seen_may_vary_and_one_that_is_not_does_not() -> None:
    """So a calibrated model's curve is its entropies', and another's error is not understated."""
    rng, known = np.random.default_rng(2), np.tile(np.arange(16), 8)
    noise = 0.1 * rng.standard_normal(128)
    noise -= noise.mean()
    none, some = (fit_gap(known, noise + gap, np.arange(128), 16, 1.0) for gap in (0.0, 0.1))
    assert np.ptp(none.values) < 0.002
    assert some.stderr[0] > 2 * none.stderr[0]


# The Gaussian process, from its definition


def by_conditioning(
    means: Means, centre: Floats, terms: Floats, level: float, tau: float
) -> tuple[Floats, Floats, float]:
    """Mean and covariance of the curve given the means, and their log-density.

    The covariance is without the noise of the means.
    """
    n = len(centre)
    prior = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            u, v = (np.log((k + 1) / (n - k)) for k in (i, j))
            r = abs(u - v) / curves.REACH
            root = 5.0**0.5 * r
            prior[i, j] = tau**2 * (1 + root + 5 * r**2 / 3) * np.exp(-root)
            prior[i, j] += level**2 * sum(terms[i, k] * terms[j, k] for k in range(terms.shape[1]))
    seen = prior[np.ix_(means.sizes, means.sizes)] + np.diag(means.variances)
    gain = prior[:, means.sizes] @ np.linalg.inv(seen)
    rest = means.values - centre[means.sizes]
    density = -0.5 * (np.linalg.slogdet(seen)[1] + rest @ np.linalg.inv(seen) @ rest)
    noise = gain @ np.diag(means.variances) @ gain.T
    return centre + gain @ rest, prior - gain @ prior[means.sizes] - noise, float(density)


@pytest.mark.parametrize(("likely", "trust"), [(0.0, 0.0), (0.0, 0.6), (0.1, 0.9)])
def test_the_fit_is_the_mean_over_taus(
    likely: float, trust: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curves, "TAUS", np.array([0.02, 0.3]))
    rng, n, level = np.random.default_rng(3), 12, 2.0
    known = np.repeat([0, 1, 4, 8, 11], 6)
    scores = 2.0 - np.sqrt(known) / 3 + 0.3 * rng.standard_normal(30)
    means = mean_by_size(known, scores, n, level, entropy_parts)
    centre, terms = np.linspace(2.0, 1.0, n), np.ones((n, 1))
    found = fit_process(
        means, scores, np.arange(30), centre, terms, level, likely=likely, trust=trust
    )
    parts = [by_conditioning(means, centre, terms, level, tau) for tau in (likely, 0.04, 0.6)]
    weights = np.exp([density for _, _, density in parts])
    weights *= [trust, (1 - trust) / 2, (1 - trust) / 2]
    weights /= weights.sum()
    mean = sum(w * values for w, (values, _, _) in zip(weights, parts, strict=True))
    np.testing.assert_allclose(found.values, mean, atol=1e-10)
    # The law of total covariance.
    smoothing = sum(
        w * (covariance + np.outer(values - mean, values - mean))
        for w, (values, covariance, _) in zip(weights, parts, strict=True)
    )
    np.testing.assert_allclose(found.smoothing, smoothing, atol=1e-10)


# How well it is known


def passes_of(seed: int, count: int, n: int = 16) -> tuple[NDArray[np.int64], Floats]:
    rng = np.random.default_rng(seed)
    known = rng.permutation(np.arange(count) % n)
    return known, np.abs(2.0 - known / n + 0.3 * rng.standard_normal(count))


def test_errors_are_sums_of_squares() -> None:
    known, scores = passes_of(0, 96)
    found = fit_curve(known, scores, np.arange(96) % 40, 16)
    total = found.by_document.T @ found.by_document + found.smoothing
    np.testing.assert_allclose(found.deviations.T @ found.deviations, total, atol=1e-12)
    np.testing.assert_allclose(found.stderr, np.sqrt(np.diag(total)), atol=1e-12)


def test_errors_of_documents_are_those_of_a_jackknife() -> None:
    """Leaving out each document in turn moves the curve by what it adds to the error.

    With the weights of all documents, since the fit is linear given these.
    """
    n, count, documents = 8, 400, 100
    known = np.arange(count) % n
    _, scores = passes_of(1, count, n)
    document = np.random.default_rng(2).permutation(np.arange(count) % documents)
    means = mean_by_size(known, scores, n, 1.0, gap_parts)
    fitted = fit_process(means, scores, document, np.zeros(n), np.ones((n, 1)), 1.0, trust=1.0)
    # One constant: its value is the mean of the size means, weighted by their variances.
    weights = 1.0 / means.variances
    weights /= weights.sum()

    def constant(kept: NDArray[np.bool_]) -> float:
        by_size = [scores[kept & (known == j)].mean() for j in range(n)]
        return float(weights @ by_size)

    left_out = np.array([constant(document != d) for d in range(documents)])
    jackknife = np.sqrt((documents - 1) / documents * ((left_out - left_out.mean()) ** 2).sum())
    told = np.sqrt((fitted.by_document[:, 0] ** 2).sum())
    assert told == pytest.approx(jackknife, rel=0.03)
    assert (fitted.by_document.std(axis=1) < 1e-9).all()


def test_copies_of_documents_tell_no_more() -> None:
    known, scores = passes_of(3, 200)
    nine = np.tile(np.arange(200), 9)

    def constant(rows: NDArray[np.int64], document: NDArray[np.int64]) -> float:
        means = mean_by_size(known[rows], scores[rows], 16, 1.0, gap_parts)
        one = np.ones((16, 1))
        fitted = fit_process(means, scores[rows], document, np.zeros(16), one, 1.0, trust=1.0)
        return float(fitted.stderr[0])

    told = constant(np.arange(200), np.arange(200))
    assert constant(nine, nine) == pytest.approx(told, rel=0.01)
    assert constant(nine, np.arange(1800)) == pytest.approx(told / 3, rel=0.01)


def test_sums_add_errors_of_the_same_documents() -> None:
    known, scores = passes_of(4, 64)
    one = fit_curve(known, scores, np.arange(64), 16)
    two = one + one
    np.testing.assert_allclose(two.values, 2 * one.values)
    np.testing.assert_allclose(two.by_document, 2 * one.by_document)


# Variances


@given(st.integers(4, 60), st.lists(st.floats(0.0, 4.0), min_size=3, max_size=3))
def test_variances_of_the_model_are_found(n: int, factors: list[float]) -> None:
    sizes = np.unique(np.linspace(0, n - 1, 12).astype(np.int64))
    truth = entropy_parts(sizes, n) @ np.array(factors)
    counts = np.full(len(sizes), 5)
    found = model_variance(entropy_parts(sizes, n), 4 * truth, counts)
    np.testing.assert_allclose(found, truth, rtol=1e-6, atol=1e-9 * max(truth.max(), 1e-9))


def test_a_size_that_saw_no_spread_is_not_taken_at_its_word() -> None:
    """Single losses are skew: where the last position is hardly ever hard, few passes see none."""
    sizes, counts = np.array([0, 8, 14, 15]), np.array([20, 20, 20, 20])
    truth = gap_parts(sizes, 16)[:, 0]
    squares = 19 * truth * np.array([1.0, 1.0, 1.0, 0.01])
    found = model_variance(gap_parts(sizes, 16), squares, counts)
    assert found[-1] > truth[-1] / 2


def test_sizes_of_one_pass_say_nothing_of_the_variance() -> None:
    parts = entropy_parts(np.arange(4), 4)
    assert (model_variance(parts, np.zeros(4), np.ones(4, dtype=np.int64)) == 0.0).all()
    some = model_variance(parts, np.array([0.0, 2.0, 2.0, 2.0]), np.array([1, 3, 3, 3]))
    np.testing.assert_allclose(some, 1.0, atol=1e-6)
