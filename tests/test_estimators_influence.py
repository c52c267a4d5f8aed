"""The influence model: its features are those of its definition, and it finds what it can say."""

from __future__ import annotations

import math

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray
from strategies import permutations

from schedopt.curve import OrderSurface
from schedopt.data import Windows
from schedopt.estimators import estimate
from schedopt.estimators.influence import (
    NestedDifferences,
    assemble,
    collect_differences,
    cumulative_features,
    fit_differences,
    power_laws,
)
from schedopt.models import LawDenoiser
from schedopt.schedule import FIXED_ORDERS, Order
from schedopt.solvers import loss_of, losses, solve
from theory.distributions import Law, MarkovChain, build_law
from theory.divergences import order_surface

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CHAIN = np.array([[0.9, 0.1], [0.3, 0.7]])


def features_by_loops(order: tuple[int, ...]) -> Floats:
    """Every pair of order indices i < j from the definition, then the sum over i < a."""
    n = len(order)
    knots = max(1, math.ceil(math.log2(n))) + 1
    pairs = np.zeros((n, n, 3, 2, knots, 2))
    for i in range(n):
        for j in range(i + 1, n):
            low, high = sorted((order[i], order[j]))
            between = sum(low < p < high for p in order[:i])  # known before i is revealed
            for knot in range(knots):
                hat = max(0.0, 1.0 - abs(math.log2(high - low) - knot))
                for late, weight in ((0, 1.0 - i / n), (1, i / n)):
                    pairs[i, j, min(between, 2), int(order[j] > order[i]), knot, late] = (
                        hat * weight
                    )
    flat = pairs.reshape(n, n, -1)
    summed = np.array([flat[:a].sum(axis=0) for a in range(n + 1)])
    return np.asarray(summed[:, :, flat.any(axis=(0, 1))])


@given(st.integers(2, 12).flatmap(permutations))
def test_features_are_those_of_the_definition(order: tuple[int, ...]) -> None:
    features = cumulative_features(order)
    np.testing.assert_allclose(features, features_by_loops(order), atol=1e-12)


@given(st.integers(2, 40).flatmap(permutations))
def test_every_pair_counts_once(order: tuple[int, ...]) -> None:
    """The hats, screens, sides and times of a pair share out one unit of influence."""
    n = len(order)
    a, j = np.meshgrid(np.arange(n + 1), np.arange(n), indexing="ij")
    np.testing.assert_allclose(cumulative_features(order).sum(axis=2), np.minimum(a, j))


def nested_passes(surface: Floats, units: int) -> tuple[Floats, Ints, Ints]:
    """Scores without noise of every prefix of so many windows, their prefixes and units."""
    n = len(surface)
    scores = np.where(np.tri(n, k=-1, dtype=bool), np.nan, surface)
    return np.tile(scores, (units, 1)), np.tile(np.arange(n), units), np.repeat(range(units), n)


@settings(max_examples=50)
@given(st.integers(2, 12).flatmap(permutations), st.data())
def test_surfaces_fall_and_steps_cost(order: tuple[int, ...], data: st.DataObject) -> None:
    """For any coefficients >= 0 and any scores, the surface is one that a law could have."""
    n, passes = len(order), 6
    features = cumulative_features(order)
    numbers = st.floats(0.0, 5.0, allow_subnormal=False)
    coefficients = data.draw(hnp.arrays(np.float64, features.shape[2], elements=numbers))
    known = data.draw(hnp.arrays(np.int64, passes, elements=st.integers(0, n - 1)))
    scores = data.draw(hnp.arrays(np.float64, (passes, n), elements=numbers))
    scores[np.arange(n) < known[:, None]] = np.nan
    weights = data.draw(hnp.arrays(np.float64, passes, elements=st.floats(0.1, 2.0)))
    surface = assemble(features, coefficients, scores, known, weights)
    assert surface.min() >= 0.0
    assert np.triu(np.diff(surface, axis=0), k=1).max() <= 1e-9
    assert (np.tril(surface, k=-1) == 0.0).all()
    measure = OrderSurface(surface, Order("explicit", permutation=order))
    for k in range(1, n + 1):
        assert solve(measure, steps=k).loss >= -1e-9


@given(st.integers(2, 10).flatmap(permutations), st.integers(0, 99))
def test_levels_are_the_means_of_what_is_left(order: tuple[int, ...], seed: int) -> None:
    """Each position's scores lie over and under its column by as much, in every mask together."""
    rng, n, passes = np.random.default_rng(seed), len(order), 30
    features = cumulative_features(order)
    known = rng.integers(0, n, passes)
    known[0] = 0  # every position is masked once at least
    scores = 50.0 + rng.random((passes, n))  # so high that no level is cut off at 0
    weights = rng.random(passes) + 0.1
    coefficients = rng.random((features.shape[2],)) / n
    surface = assemble(features, coefficients, scores, known, weights)
    for j in range(n):
        rows = np.flatnonzero(known <= j)
        left = scores[rows, j] - surface[known[rows], j]
        assert weights[rows] @ left == pytest.approx(0.0, abs=1e-9)


@settings(max_examples=30)
@given(st.integers(2, 10).flatmap(permutations), st.integers(0, 99))
def test_surfaces_of_the_model_are_found(order: tuple[int, ...], seed: int) -> None:
    rng, n = np.random.default_rng(seed), len(order)
    features = cumulative_features(order)
    truth = features @ (rng.random(features.shape[2]) * (rng.random(features.shape[2]) < 0.5))
    index = np.arange(n)
    surface = np.triu(rng.random(n) + truth[index, index] - truth[:n])
    scores, known, unit = nested_passes(surface, 2)
    statistics = fit_differences(features, scores, known, unit, unit)
    coefficients = statistics.solve(np.ones(2))
    found = assemble(features, coefficients, scores, known, np.ones(len(known)))
    np.testing.assert_allclose(found, surface, atol=1e-4)


def test_documents_counted_twice_are_documents_given_twice() -> None:
    order, rng = Order("dilated").permutation_for(8), np.random.default_rng(0)
    features = cumulative_features(order)
    scores, known, unit = nested_passes(np.zeros((8, 8)), 3)
    scores += rng.random(scores.shape)
    twice = np.concatenate([np.arange(24), np.arange(8, 16)])
    given_twice = collect_differences(
        features, scores[twice], known[twice], np.repeat(range(4), 8), np.repeat(range(4), 8), None
    )
    once = collect_differences(features, scores, known, unit, unit, None)
    np.testing.assert_allclose(
        once.solve(np.array([1.0, 2.0, 1.0])), given_twice.solve(np.ones(4)), atol=1e-6
    )


# The prior: power laws of distance, that weigh less the more passes there are.


def noisy_statistics(order: tuple[int, ...]) -> NestedDifferences:
    rng = np.random.default_rng(1)
    scores, known, unit = nested_passes(np.zeros((len(order), len(order))), 3)
    scores += rng.random(scores.shape)
    return collect_differences(cumulative_features(order), scores, known, unit, unit, None)


@pytest.mark.parametrize("name", ["dilated", "left_to_right"])
def test_power_laws_are_those_of_the_distance(name: str) -> None:
    """At distances that are powers of 2, where one hat alone counts."""
    order = Order(name).permutation_for(16)
    laws, features = power_laws(order), np.diff(cumulative_features(order), axis=0)
    for i in range(15):
        for j in range(i + 1, 16):
            distance = abs(order[i] - order[j])
            if distance & (distance - 1):
                continue
            found = features[i, j] @ laws
            early, late = 1 - i / 16, i / 16
            shares = [share * distance**-p for p in (0.5, 1.0, 2.0) for share in (early, late)]
            assert sorted(found[found > 0]) == pytest.approx(sorted(x for x in shares if x > 0))


def test_the_prior_gives_way_to_the_passes() -> None:
    order = Order("dilated").permutation_for(8)
    statistics, laws = noisy_statistics(order), power_laws(order)
    gram, moment = statistics.gram.sum(axis=0), statistics.moment.sum(axis=0)

    def misfit(coefficients: Floats) -> float:
        return float(coefficients @ gram @ coefficients / 2 - moment @ coefficients)

    # Coefficients that the passes do not tell apart stay the prior's.
    alone, one = misfit(statistics.solve(np.ones(3))), misfit(statistics.solve(np.ones(3), laws))
    many = misfit(statistics.solve(np.full(3, 1e7), laws))
    assert alone <= many + 1e-6
    assert many == pytest.approx(alone, abs=1e-4)
    assert one > many + 1e-3


def test_few_passes_leave_the_prior() -> None:
    order = Order("dilated").permutation_for(8)
    statistics, laws = noisy_statistics(order), power_laws(order)
    few = statistics.solve(np.full(3, 1e-7), laws)
    combination = np.linalg.lstsq(laws, few, rcond=None)[0]
    np.testing.assert_allclose(laws @ combination, few, atol=1e-3 * few.max())


# Without noise, what the model cannot say of a law is what it errs by.


@pytest.mark.parametrize("name", FIXED_ORDERS)
@pytest.mark.parametrize(
    ("law", "error"),
    [
        (MarkovChain(32, CHAIN), 0.05),
        (MarkovChain(32, np.array([[0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])), 0.05),
        (build_law("product", n=32, eps=0.2), 1e-12),
        (build_law("repeated-bit", n=32, eps=0.1), 0.5),  # its influence knows no distance
    ],
    ids=["markov", "three-states", "product", "repeated-bit"],
)
def test_surfaces_of_laws(law: Law, error: float, name: str) -> None:
    permutation = tuple(np.random.default_rng(0).permutation(32)) if name == "explicit" else None
    order = Order(name, permutation=permutation)
    exact = order_surface(law, order.permutation_for(32))
    features = cumulative_features(order.permutation_for(32))
    scores, known, unit = nested_passes(exact, 2)
    statistics = fit_differences(features, scores, known, unit, unit)
    coefficients = statistics.solve(np.ones(2))
    found = assemble(features, coefficients, scores, known, np.ones(len(known)))
    assert np.abs(found - exact).max() < error


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", ["dilated", "left_to_right"])
def test_schedules_of_a_chain_are_nearly_the_best(name: str, seed: int) -> None:
    """From 2048 passes over draws of it; the chain's entropy is 2.6 nats."""
    law, order = MarkovChain(8, CHAIN), Order(name)
    denoiser = LawDenoiser(law.table())
    windows = Windows(denoiser.draw(2048, np.random.default_rng(seed)), np.arange(2048), 0)
    found = estimate(denoiser, windows, order=order, passes=2048, seed=seed).measure
    exact = OrderSurface(order_surface(law, order.permutation_for(8)), order)
    assert np.abs(found.conditional_entropy - exact.conditional_entropy).max() < 0.1
    for k, least in enumerate(losses(exact), start=1):
        chosen = solve(found, steps=k).schedule.step_sizes
        assert loss_of(exact, chosen) <= least + 0.04
