"""Mean curves of random laws, and draws of what a curve loses, against tables."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, pairwise, product
from math import log

import bruteforce
import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from theory import bernoulli, curves, ensembles, increment_draws
from theory.distributions import AffineSubspace, MixtureOfProducts, Parity, linear_code
from theory.growth import odds_density

Floats = strategies.Floats


def within_errors(draws: Floats, wanted: Floats, most: float = 5.0) -> None:
    """Means of columns; false alarms: 5 standard errors, 6e-7 a column. The seeds are fixed."""
    errors = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    assert np.all(draws >= 0.0)
    assert np.all(np.abs(draws.mean(axis=0) - wanted) <= most * errors + 1e-12)


def mixture(n: int, components: int, q: int, seed: int) -> MixtureOfProducts:
    rng = np.random.default_rng(seed)
    marginals = rng.dirichlet(np.full(q, 0.5), size=(components, n))
    return MixtureOfProducts(rng.dirichlet(np.ones(components)), marginals)


def prototypes(words: tuple[tuple[int, ...], ...], eps: float) -> MixtureOfProducts:
    noise = np.array([[1.0 - eps, eps], [eps, 1.0 - eps]])
    return MixtureOfProducts(np.full(len(words), 1.0 / len(words)), noise[np.array(words)])


@pytest.mark.parametrize(("n", "dimension", "p"), [(3, 2, 2), (4, 2, 2), (2, 2, 3), (3, 1, 3)])
def test_mean_curve_of_random_codes(n: int, dimension: int, p: int) -> None:
    every = [
        AffineSubspace(np.reshape(entries, (dimension, n)), p).conditional_entropy_curve()
        for entries in product(range(p), repeat=dimension * n)
    ]
    assert_allclose(
        ensembles.random_code_curve(n, dimension, p), np.mean(every, axis=0), atol=1e-12
    )


@given(st.integers(1, 80), st.data(), st.sampled_from([2, 3, 7]))
def test_random_codes_at_any_length(n: int, data: st.DataObject, p: int) -> None:
    dimension = data.draw(st.integers(0, n))
    curve = ensembles.random_code_curve(n, dimension, p)
    assert np.all(np.diff(curve) <= 0.0)
    assert np.all(curve >= 0.0)
    # H is the mean rank, between that of a full rank and less what a random matrix misses.
    assert dimension * log(p) - 2.0 <= curve.sum() <= dimension * log(p) + 1e-9


def test_random_codes_of_dual_dimensions_are_mirror_images() -> None:
    # Up to rank deficiencies, which are rare: q of rate alpha is that of 1 - alpha at -lambda.
    grid = np.linspace(-3.0, 3.0, 13)
    low, high = (odds_density(ensembles.random_code_curve(60, k), grid) for k in (12, 48))
    assert_allclose(low, high[::-1], atol=1e-3)


@pytest.mark.parametrize(("n", "components", "eps"), [(3, 2, 0.1), (4, 2, 0.02), (3, 3, 0.3)])
def test_mean_increments_of_random_mixtures(n: int, components: int, eps: float) -> None:
    words = list(product(range(2), repeat=n))
    every = [
        curves.increments(prototypes(chosen, eps).conditional_entropy_curve())
        for chosen in product(words, repeat=components)
    ]
    rng = np.random.default_rng(2)
    draws = ensembles.random_mixture_increments(n, components, eps, 4000, rng)
    within_errors(draws, np.mean(every, axis=0))


@settings(max_examples=25)
@given(st.integers(2, 4), st.integers(1, 3), st.integers(2, 3), st.integers(0, 2**16))
def test_draws_of_a_mixture_are_conditional_informations(
    n: int, components: int, q: int, seed: int
) -> None:
    # The first draw is of S empty: the mean of I(X_i; X_k) over i, for one of the n positions k.
    law = mixture(n, components, q, seed)
    draws = increment_draws.mixture_increments(law, 6, np.random.default_rng(seed))
    assert draws.shape == (6, n - 1)
    informations = np.zeros((n, n))
    for i, k in combinations(range(n), 2):
        alone = bruteforce.entropy_on(law.table(), [i]) + bruteforce.entropy_on(law.table(), [k])
        informations[i, k] = alone - bruteforce.entropy_on(law.table(), [i, k])
    means = (informations + informations.T).sum(axis=0) / (n - 1)
    assert all(np.abs(means - draw).min() < 1e-12 for draw in draws[:, 0])


@pytest.mark.parametrize(("n", "components", "q"), [(4, 3, 2), (3, 2, 3), (6, 4, 2)])
def test_draws_of_a_mixture_have_the_mean_wanted(n: int, components: int, q: int) -> None:
    law = mixture(n, components, q, seed=1)
    draws = increment_draws.mixture_increments(law, 4000, np.random.default_rng(3))
    within_errors(draws, curves.increments(law.conditional_entropy_curve()))


def test_draws_are_the_same_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    law, code = mixture(4, 3, 2, seed=0), linear_code(6, 2, 3, seed=1)
    sizes: list[int] = []
    whole = increment_draws._mixture_batch

    def counted(law: MixtureOfProducts, count: int, rng: np.random.Generator) -> Floats:
        sizes.append(count)
        return whole(law, count, rng)

    monkeypatch.setattr(increment_draws, "HELD_NUMBERS", 100)
    monkeypatch.setattr(increment_draws, "_mixture_batch", counted)
    draws = increment_draws.mixture_increments(law, 7, np.random.default_rng(3))
    assert draws.shape == (7, 3)
    assert sizes == [3, 3, 1]
    assert increment_draws.code_increments(code, 12, np.random.default_rng(0)).shape == (12, 5)


@pytest.mark.parametrize(
    ("n", "dimension", "p"), [(8, 4, 2), (8, 7, 2), (6, 3, 5), (9, 5, 3), (3, 1, 2**31 - 1)]
)
def test_draws_of_a_code_have_the_mean_wanted(n: int, dimension: int, p: int) -> None:
    code = linear_code(n, p, dimension, seed=4)
    draws = increment_draws.code_increments(code, 1500, np.random.default_rng(5))
    within_errors(draws, curves.increments(code.conditional_entropy_curve()))


@settings(max_examples=40)
@given(st.integers(2, 7), st.data(), st.sampled_from([2, 3, 5]), st.integers(0, 2**16))
def test_draws_of_a_code_count_what_a_symbol_decides(
    n: int, data: st.DataObject, p: int, seed: int
) -> None:
    code = linear_code(n, p, data.draw(st.integers(0, n)), seed=seed)
    (draw,) = increment_draws.code_increments(code, 1, np.random.default_rng(seed))
    order = np.random.default_rng(seed).permuted([np.arange(code.n)], axis=1)[0]
    for j in range(code.n - 1):
        rest = order[j + 1 :]
        before = code.conditional_entropies(order[:j])[rest].sum()
        after = code.conditional_entropies(order[: j + 1])[rest].sum()
        assert draw[j] == pytest.approx((before - after) / len(rest), abs=1e-12)


def test_there_may_be_nothing_to_draw() -> None:
    rng, law = np.random.default_rng(0), mixture(3, 2, 2, seed=0)
    assert increment_draws.mixture_increments(law, 0, rng).shape == (0, 2)
    assert increment_draws.code_increments(linear_code(3, 2, 1), 0, rng).shape == (0, 2)
    assert_array_equal(
        increment_draws.code_increments(linear_code(3, 2, 0), 2, rng), np.zeros((2, 2))
    )
    assert ensembles.random_mixture_increments(3, 2, 0.1, 0, rng).shape == (0, 2)


@settings(max_examples=20)
@given(
    strategies.falling_curves().map(lambda curve: np.asarray(curve.conditional_entropy)),
    st.lists(st.floats(0.0, 1.0, allow_subnormal=False), min_size=2, max_size=6).map(sorted),
)
def test_least_losses_are_those_of_all_choices(curve: Floats, times: list[float]) -> None:
    most = len(times)
    found = bernoulli.least_losses(curve, times, most)
    inner = range(1, len(times) - 1)
    for steps in range(1, most + 1):
        wanted = min(
            float(
                bernoulli.step_losses(curve, [times[0], *(times[i] for i in some), times[-1]]).sum()
            )
            for size in range(min(steps - 1, len(inner)) + 1)
            for some in combinations(inner, size)
        )
        assert found[steps - 1] == pytest.approx(wanted, abs=1e-9)
    assert all(more <= less + 1e-12 for less, more in pairwise(found))


def test_least_losses_approach_the_limit() -> None:
    # h is linear: P / (2 N) exactly, at equal steps.
    curve, n = Parity(2).conditional_entropy_curve(), 256
    found = bernoulli.least_losses(curve, np.linspace(0.0, 1.0, n + 1), 64)
    for steps in (1, 4, 64):
        assert found[steps - 1] == pytest.approx(2.0 * log(2) / (2 * steps), rel=1e-9)


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (lambda: ensembles.random_code_curve(3, 4), "dimension=4, n=3"),
        (lambda: ensembles.random_code_curve(0, 0), "n=0"),
        (
            lambda: ensembles.random_mixture_increments(1, 2, 0.1, 3, np.random.default_rng(0)),
            "n=1, components=2, eps=0.1, count=3",
        ),
        (
            lambda: ensembles.random_mixture_increments(4, 2, 0.0, 3, np.random.default_rng(0)),
            "eps=0.0",
        ),
        (lambda: bernoulli.least_losses([1.0, 0.0], [0.0, 1.0], 0), "at least one step, got 0"),
        (lambda: bernoulli.least_losses([1.0, 0.0], [1.0, 0.0], 1), "never fall"),
    ],
)
def test_numbers_out_of_range_are_refused(refused: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        refused()
