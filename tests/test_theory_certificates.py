"""Certified schedules from draws: Wainwright's Proposition 2 and Theorem 2 on oracle laws."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import product
from math import exp, log

import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from theory import bernoulli, certificates, curves, growth, learned, outputs, tables
from theory.distributions import NoisyRepeatedBit
from theory.learned import Model

Floats = strategies.Floats


def cached(table: Floats) -> Model:
    """The law's conditional marginals, each computed once."""

    @cache
    def answer(known: frozenset[tuple[int, int]]) -> Floats:
        return tables.conditional_marginals(table, dict(known))

    return lambda known: answer(frozenset(known.items()))


def growth_between(table: Floats, p: float, q: float) -> float:
    """D(p, q), nats."""
    curve = curves.conditional_entropy_curve(table)
    return (q - p) * float(growth.growth(curve, q) - growth.growth(curve, p))


def exact_moments(table: Floats, p: float, q: float, powers: list[float]) -> list[float]:
    """The s-th root of E (Q / (q-p))^s for each power s, over all values and times."""
    n, model = table.ndim, cached(table)
    moments = np.zeros(len(powers))
    for x in product(range(table.shape[0]), repeat=n):
        for code in product(range(3), repeat=n):  # time below p, below q, or later
            sizes = [code.count(part) for part in range(3)]
            weight = table[x] * p ** sizes[0] * (q - p) ** sizes[1] * (1.0 - q) ** sizes[2]
            if weight == 0.0:
                continue
            total = 0.0
            for i in range(n):
                later = {k: x[k] for k in range(n) if k != i and code[k] < 2}
                sooner = {k: x[k] for k in range(n) if k != i and code[k] < 1}
                total += outputs.kl_divergence(model(later)[i], model(sooner)[i])
            moments += weight * total ** np.array(powers)
    return [float(m ** (1.0 / s)) for m, s in zip(moments, powers, strict=True)]


@settings(max_examples=12)
@given(strategies.tables(max_n=3, max_entries=27), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_mean_and_moments_of_the_draws(table: Floats, first: float, second: float) -> None:
    # Lemma 1: the divergences have mean h(q) - h(p); and the bound that knows nothing of the law.
    p, q = sorted((first, second))
    mean, *moments = exact_moments(table, p, q, [1.0, 2.0, 3.5])
    assert (q - p) * mean == pytest.approx(growth_between(table, p, q), abs=1e-10)
    n, symbols = table.ndim, table.shape[0]
    for moment, exponent in zip(moments, (4.0, 7.0), strict=True):
        assert moment <= certificates.moment_bound(n, symbols, exponent) + 1e-10


def test_draws_have_that_mean() -> None:
    # False alarms: 4 standard errors, 6e-5 each, for fresh seeds; the seed is fixed.
    table, rng = strategies.random_table(2, 4, seed=3), np.random.default_rng(5)
    model = cached(table)
    for p, q in ((0.0, 0.3), (0.3, 0.6), (0.6, 1.0)):
        draws = certificates.growth_draws(model, tables.draw(table, 2000, rng), p, q, rng)
        assert np.all(draws >= 0.0)
        error = draws.std(ddof=1) / np.sqrt(len(draws))
        assert abs(draws.mean() - growth_between(table, p, q)) <= 4.0 * error


def test_a_model_that_rules_out_the_future_draws_infinity() -> None:
    def model(known: Mapping[int, int]) -> Floats:
        sure = np.array([[1.0, 0.0], [1.0, 0.0]])
        return sure if not known else sure[:, ::-1]

    rng = np.random.default_rng(0)
    draws = certificates.growth_draws(model, np.zeros((3, 2), dtype=np.int64), 0.0, 1.0, rng)
    assert np.all(np.isinf(draws))
    # The truncated mean is finite all the same.
    estimate = certificates.estimate_growth(draws, 0.0, 1.0, moment=1.0, eta=0.1)
    assert np.isfinite(estimate.value)


@settings(max_examples=40)
@given(
    st.integers(2, 400),
    st.floats(0.0, 0.9),
    st.floats(0.1, 10.0),
    st.floats(0.001, 0.5),
    st.floats(2.1, 12.0),
)
def test_estimate_by_its_formula(
    m: int, p: float, moment: float, eta: float, exponent: float
) -> None:
    q = p + 0.1
    draws = np.random.default_rng(m).pareto(2.5, size=m)
    found = certificates.estimate_growth(draws, p, q, moment=moment, eta=eta, exponent=exponent)
    bernstein = 3 * (m - 1) / (7 * log(4 / eta))
    tau = (q - p) * moment * bernstein ** (2 / exponent)
    kept = [2 * min(draw, tau) for draw in draws]
    variance = sum((x - sum(kept) / m) ** 2 for x in kept) / (m - 1)
    radius = (2 * variance * log(4 / eta) / m) ** 0.5
    radius += 4 * (q - p) * moment * (1 / bernstein) ** (1 - 2 / exponent)
    assert found.value == pytest.approx(sum(kept) / m)
    assert found.radius == pytest.approx(radius)
    assert found.upper == pytest.approx(found.value + found.radius)


def test_estimate_covers_heavy_tails() -> None:
    # Pareto draws with a finite second moment only; a = 4. A radius that failed with probability
    # 0.2 would fail more than 110 of 400 times with probability 1e-4.
    rng, shape, eta, replicates = np.random.default_rng(1), 2.2, 0.2, 400
    mean, moment = 1.0 / (shape - 1), (2.0 / ((shape - 1) * (shape - 2))) ** 0.5
    failures = 0
    for _ in range(replicates):
        draws = 0.5 * rng.pareto(shape, size=300)
        found = certificates.estimate_growth(draws, 0.25, 0.75, moment=moment, eta=eta)
        failures += abs(found.value - mean) > found.radius
    assert failures <= 110


def test_certificate_covers_an_oracle_law() -> None:
    # The bound may fail with probability 0.2: more than 22 of 40 times with probability 1e-6.
    table, rng = strategies.random_table(2, 3, seed=7), np.random.default_rng(2)
    model, curve = cached(table), curves.conditional_entropy_curve(table)
    moment = certificates.moment_bound(3, 2, 4.0)
    failures = 0
    for _ in range(40):
        found = certificates.certified_schedule(
            model,
            tables.draw(table, 60, rng),
            first=1 / 3,
            cells=2,
            blocks=2,
            steps=16,
            moment=moment,
            eta=0.2,
            rng=rng,
        )
        assert len(found.times) - 1 <= 16
        assert found.bound == found.inside + found.ends
        times = found.times.tolist()
        ends = bernoulli.step_losses(curve, (0.0, times[0]))[0]
        ends += bernoulli.step_losses(curve, (times[-1], 1.0))[0]
        inside = bernoulli.step_losses(curve, times).sum()
        failures += inside > found.inside or ends > found.ends
        assert inside + ends == pytest.approx(bernoulli.bernoulli_kl(curve, times), abs=1e-12)
    assert failures <= 22


def test_certificate_tightens_with_more_samples_and_steps() -> None:
    law = NoisyRepeatedBit(4, 0.1)
    table = law.table()
    model, moment = cached(table), certificates.moment_bound(4, 2, 4.0)
    bounds = []
    for count, steps in ((50, 40), (800, 40), (800, 160)):
        rng = np.random.default_rng(0)
        found = certificates.certified_schedule(
            model,
            tables.draw(table, count, rng),
            first=0.2,
            cells=4,
            blocks=3,
            steps=steps,
            moment=moment,
            eta=0.05,
            rng=rng,
        )
        bounds.append(found.inside)
        assert (
            bernoulli.step_losses(law.conditional_entropy_curve(), found.times).sum() <= bounds[-1]
        )
    assert bounds[1] < 0.5 * bounds[0]
    assert bounds[2] == pytest.approx(bounds[1] / 4)


@given(st.floats(0.001, 0.9), st.integers(1, 20))
def test_odds_double(first: float, cells: int) -> None:
    times = certificates.dyadic_odds(first, cells)
    assert len(times) == cells + 1
    assert times[0] == pytest.approx(first)
    assert times / (1 - times) == pytest.approx(first / (1 - first) * 2.0 ** np.arange(cells + 1))


def test_exact_model_is_a_model_for_draws() -> None:
    table, rng = strategies.random_table(3, 2, seed=1), np.random.default_rng(0)
    samples = tables.draw(table, 20, rng)
    exact, again = learned.exact_model(table), cached(table)
    first = certificates.growth_draws(exact, samples, 0.1, 0.9, np.random.default_rng(3))
    second = certificates.growth_draws(again, samples, 0.1, 0.9, np.random.default_rng(3))
    assert first.tolist() == second.tolist()


@pytest.mark.parametrize("exponent", [2.0, 1.0, float("nan")])
def test_exponents_without_a_variance_are_refused(exponent: float) -> None:
    with pytest.raises(ValueError, match="need an exponent above 2"):
        certificates.moment_bound(4, 2, exponent)
    with pytest.raises(ValueError, match="need an exponent above 2"):
        certificates.estimate_growth([0.1, 0.2], 0.2, 0.4, moment=1.0, eta=0.1, exponent=exponent)


@pytest.mark.parametrize(
    ("draws", "moment", "eta", "words"),
    [
        ([0.1], 1.0, 0.1, r"need at least two draws >= 0, got shape \(1,\)"),
        ([[0.1, 0.2]], 1.0, 0.1, "need at least two draws"),
        ([0.1, -0.2], 1.0, 0.1, "need at least two draws >= 0"),
        ([0.1, float("nan")], 1.0, 0.1, "need at least two draws >= 0"),
        ([0.1, 0.2], -1.0, 0.1, "need moment >= 0 and eta inside"),
        ([0.1, 0.2], float("inf"), 0.1, "need moment >= 0 and eta inside"),
        ([0.1, 0.2], 1.0, 0.0, r"eta inside \(0, 1\), got 1.0 and 0.0"),
        ([0.1, 0.2], 1.0, 1.0, r"eta inside \(0, 1\)"),
    ],
)
def test_estimates_of_nothing_are_refused(
    draws: list[float], moment: float, eta: float, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        certificates.estimate_growth(draws, 0.2, 0.4, moment=moment, eta=eta)


def test_cells_and_times_that_are_none_are_refused() -> None:
    for first, cells in ((0.0, 3), (1.0, 3), (0.5, 0)):
        with pytest.raises(ValueError, match=r"need first inside \(0, 1\) and cells >= 1"):
            certificates.dyadic_odds(first, cells)
    samples = np.zeros((2, 2), dtype=np.int64)
    model = learned.exact_model(np.full((2, 2), 0.25))
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="inclusion probabilities"):
        certificates.growth_draws(model, samples, 0.5, 0.4, rng)
    with pytest.raises(ValueError, match="inclusion probabilities"):
        certificates.estimate_growth([0.1, 0.2], 0.5, 0.4, moment=1.0, eta=0.1)
    with pytest.raises(ValueError, match="need at least 8 steps for 1 blocks, got 3"):
        certificates.certified_schedule(
            model, samples, first=0.25, cells=2, blocks=1, steps=3, moment=1.0, eta=0.1, rng=rng
        )


def test_moment_bound_is_log_of_symbols_at_least() -> None:
    assert certificates.moment_bound(5, 2, 4.0) == pytest.approx(5 * log(2 + exp(1)))
