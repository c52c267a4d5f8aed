"""The gap model: features that grow with what is known, and chains that it says exactly."""

from __future__ import annotations

import math

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from numpy.typing import NDArray
from strategies import stochastic_matrices

from schedopt.data import Windows
from schedopt.errors import InputError, UsageError
from schedopt.estimators import GapModel, estimate_gaps, gaps
from schedopt.estimators.gap_features import features, known_shares, nearest_known
from schedopt.estimators.gaps import GapSums, collect, probe_gaps, varied_orders
from schedopt.estimators.nonnegative import nonnegative
from schedopt.models import LawDenoiser
from theory.distributions import Law, MarkovChain, Product
from theory.orders import dilated_order, pipelined_order

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

CHAIN = np.array([[0.9, 0.1], [0.3, 0.7]])
STICKY = np.array([[0.99, 0.01], [0.01, 0.99]])
DRIFT = 0.9 * np.roll(np.eye(4), 1, axis=1) + 0.1 * np.eye(4)  # not reversible


@st.composite
def known_sets(draw: st.DrawFn, *, max_n: int = 12, rows: int = 3) -> Bools:
    """Rows of known positions, of all lengths from 1."""
    n = draw(st.integers(1, max_n))
    return draw(hnp.arrays(np.bool_, (draw(st.integers(1, rows)), n)))


# Features by their definitions


def neighbours(known: list[bool], i: int, context: bool) -> list[tuple[float, float]]:
    """Distances to the nearest and the second known position, left and right of i."""
    left = [i - p for p in range(i) if known[p]] + ([i + 1, i + 2] if context else [])
    right = [p - i for p in range(i + 1, len(known)) if known[p]]
    sides = []
    for side in (sorted(left), sorted(right)):
        first, second, *_ = [*side, math.inf, math.inf]
        sides.append((first, second))
    return sides


@settings(max_examples=40)
@given(known_sets(), st.booleans())
def test_distances_by_loops(known: Bools, context: bool) -> None:
    n = known.shape[1]
    found = nearest_known(known, np.full(len(known), context))
    for row, near, second in zip(known.tolist(), *found, strict=True):
        for i in range(n):
            wanted = neighbours(row, i, context)[0]
            for have, want in zip((near[i], second[i]), wanted, strict=True):
                assert have == want if want < math.inf else have >= 2 * n


@settings(max_examples=40)
@given(known_sets(), st.booleans())
def test_shells_by_loops(known: Bools, context: bool) -> None:
    n = known.shape[1]
    asked = ~known
    found = known_shares(known, asked, np.full(len(known), context))
    ends = [min(2**k, n) for k in range((n - 1).bit_length() + 1)]
    assert found.shape == (asked.sum(), 2 * len(ends))
    for values, (row, i) in zip(found, np.argwhere(asked), strict=True):
        low = 1
        for k, high in enumerate(ends):
            shell = range(low, high + 1)
            left = sum(known[row, i - d] if i >= d else context for d in shell)
            right = sum(known[row, i + d] if i + d < n else False for d in shell)
            assert values[2 * k] == pytest.approx(left / len(shell))
            assert values[2 * k + 1] == pytest.approx(right / len(shell))
            low = high + 1


def ramps(distance: float, n: int) -> list[float]:
    knots = max(1, (n - 1).bit_length())
    if distance == math.inf:
        return [0.0] * knots
    return [min(1.0, max(0.0, 1.0 + k - math.log2(distance))) for k in range(knots)]


def chain_features(left: float, right: float, n: int) -> list[float]:
    def hinge(m: int, distance: float) -> float:
        return max(0.0, 1.0 - distance / m)

    told = [hinge(m, left) + hinge(m, right) - hinge(m, left + right) for m in range(2, n + 1)]
    return [*told, float(min(left, right) < math.inf)]


@settings(max_examples=40)
@given(known_sets(), st.booleans())
def test_features_by_loops(known: Bools, context: bool) -> None:
    n = known.shape[1]
    found = features(known, ~known, has_context=context)
    shells = known_shares(known, ~known, np.full(len(known), context))
    for values, share, (row, i) in zip(found, shells, np.argwhere(~known), strict=True):
        (near, far), (next_, later) = neighbours(known[row].tolist(), i, context)
        left, right = ramps(near, n), ramps(next_, n)
        wanted = [
            *share,
            *(x * y for x in left for y in ramps(far, n)),
            *(x * y for x in right for y in ramps(later, n)),
            *left,
            *right,
            *(x * y for x in left for y in right),
            *(x + y - x * y for x in left for y in right),
            *chain_features(near, next_, n),
        ]
        np.testing.assert_allclose(values, wanted, atol=1e-12)


@settings(max_examples=30)
@given(known_sets(max_n=40, rows=1), st.booleans(), st.data())
def test_features_grow_with_the_known_set(known: Bools, context: bool, data: st.DataObject) -> None:
    more = known | data.draw(hnp.arrays(np.bool_, known.shape))
    fewer_told = features(known, ~more, has_context=context)
    told = features(more, ~more, has_context=context)
    assert (told >= fewer_told - 1e-12).all()
    assert fewer_told.min(initial=0.0) >= -1e-12
    assert told.max(initial=0.0) <= 1.0 + 1e-12
    # The positions before the block are known as well.
    assert (
        features(known, ~known, has_context=True)
        >= features(known, ~known, has_context=False) - 1e-12
    ).all()


@settings(max_examples=40)
@given(known_sets(), st.data())
def test_contexts_by_row(known: Bools, data: st.DataObject) -> None:
    context = data.draw(hnp.arrays(np.bool_, len(known)))
    apart = [
        features(r[None], ~r[None], has_context=bool(c))
        for r, c in zip(known, context, strict=True)
    ]
    np.testing.assert_array_equal(
        features(known, ~known, has_context=context), np.concatenate(apart)
    )


# Chains of order 1


def informations(transition: Floats, n: int) -> Floats:
    """I(X_0; X_d) of the stationary chain for d = 0..n, nats."""
    chain = MarkovChain(n + 1, transition)
    alone = chain.conditional_entropies([])
    return alone[0] - np.append(0.0, chain.conditional_entropies([0])[1:])


def exact(law: Law, known: Bools) -> Floats:
    return np.array([law.conditional_entropies(np.flatnonzero(row)) for row in known])


def random_sets(n: int, count: int, seed: int) -> Bools:
    """Prefixes of varied orders, of every length below n as often."""
    orders = varied_orders(n, count, np.random.default_rng(seed))
    known = np.zeros((count, n), dtype=bool)
    for row, order, size in zip(known, orders, np.arange(count) * n // count, strict=True):
        row[order[:size]] = True
    return known


@settings(max_examples=25)
@given(st.data(), st.integers(2, 4), st.integers(2, 32))
def test_every_stationary_chain_is_a_gap_model(data: st.DataObject, q: int, n: int) -> None:
    """J is convex, and its second differences are the weights."""
    rows = data.draw(stochastic_matrices((q, q)))
    chain = MarkovChain(n, 0.98 * rows + 0.02 / q)
    j = informations(chain.transition, n)
    bends = j[3:] - 2 * j[2:-1] + j[1:-2] if n > 2 else np.zeros(0)  # at distances 2..n-1
    assert bends.min(initial=0.0) >= -1e-9
    hinges = np.maximum(0.0, np.append(bends, j[n - 1] - j[n])) * np.arange(2, n + 1)
    count = features(np.zeros((1, n), bool), np.ones((1, n), bool), has_context=False).shape[1]
    weights = np.concatenate([np.zeros(count - n), hinges, [max(0.0, j[n])]])
    model = GapModel(n, False, float(chain.conditional_entropies([])[0]), weights)
    known = random_sets(n, 32, 0)
    np.testing.assert_allclose(model.conditional_entropies(known), exact(chain, known), atol=1e-9)


@pytest.mark.parametrize("n", [16, 32, 64])
@pytest.mark.parametrize("transition", [CHAIN, STICKY, DRIFT], ids=["plain", "sticky", "drift"])
def test_chains_are_found_where_nothing_is_left_to_chance(transition: Floats, n: int) -> None:
    law = MarkovChain(n, transition)
    known, fresh = random_sets(n, 512, 0), random_sets(n, 128, 1)
    sums = collect(known, exact(law, known), np.arange(512) % 64, has_context=False)
    found = sums.solve(n, has_context=False).conditional_entropies(fresh)
    assert np.abs(found - exact(law, fresh)).max() < 1e-3
    alone = np.eye(n, dtype=bool)  # one known position, at distances that are powers of 2 and not
    found = sums.solve(n, has_context=False).conditional_entropies(alone)
    assert np.abs(found - exact(law, alone)).max() < 1e-3


@pytest.mark.parametrize("transition", [CHAIN, STICKY, DRIFT], ids=["plain", "sticky", "drift"])
def test_errors_fall_with_passes(transition: Floats) -> None:
    law = MarkovChain(16, transition)
    denoiser, fresh = LawDenoiser(law), random_sets(16, 128, 1)

    def error(passes: int) -> float:
        squares = []
        for seed in range(3):
            windows = Windows.independent(denoiser.draw(passes, np.random.default_rng(seed)))
            model = estimate_gaps(denoiser, windows, passes=passes, seed=seed)
            off = (model.conditional_entropies(fresh) - exact(law, fresh))[~fresh]
            squares.append((off**2).mean())
        return float(np.sqrt(np.mean(squares)))

    few, many = error(256), error(2048)
    assert many < 0.6 * few
    assert many < 0.04


@pytest.mark.parametrize(("context", "block_length"), [(8, None), (0, 8)])
def test_what_stands_before_the_block(context: int, block_length: int | None) -> None:
    """After a context, and for blocks of which only the first has none before it."""
    law = MarkovChain(16, CHAIN)
    denoiser = LawDenoiser(law)
    tokens = denoiser.draw(4096, np.random.default_rng(3))
    windows = Windows(tokens, np.arange(4096), context)
    model = estimate_gaps(denoiser, windows, block_length=block_length, passes=4096)
    assert (model.length, model.has_context) == (8, True)
    known = random_sets(8, 64, 1)
    wanted = exact(law, np.concatenate([np.ones((64, 8), bool), known], axis=1))[:, 8:]
    assert np.abs(model.conditional_entropies(known) - wanted).max() < 0.08


def test_nothing_to_learn_of_fair_coins() -> None:
    denoiser = LawDenoiser(Product(np.full((6, 2), 0.5)))
    windows = Windows.independent(denoiser.draw(64, np.random.default_rng(0)))
    model = estimate_gaps(denoiser, windows, passes=64)
    known = random_sets(6, 12, 0)
    np.testing.assert_allclose(model.conditional_entropies(known), np.log(2) * ~known, atol=1e-9)


def test_one_position() -> None:
    denoiser = LawDenoiser(Product(np.array([[0.5, 0.5]])))
    windows = Windows.independent(denoiser.draw(16, np.random.default_rng(0)))
    model = estimate_gaps(denoiser, windows, passes=16)
    assert model.conditional_entropies(np.array([[False], [True]])).tolist() == [
        [pytest.approx(np.log(2))],
        [0.0],
    ]


# The model


def random_model(n: int, *, has_context: bool = False, seed: int = 0) -> GapModel:
    rng = np.random.default_rng(seed)
    nothing = np.zeros((1, n), dtype=bool)
    weights = rng.gamma(0.2, size=features(nothing, ~nothing, has_context=False).shape[1])
    return GapModel(n, has_context, 3.0, weights / weights.sum() * 3.5)


@settings(max_examples=30)
@given(st.integers(1, 12), st.booleans(), st.data())
def test_predictions_fall_and_answer_what_is_asked(
    n: int, context: bool, data: st.DataObject
) -> None:
    model = random_model(n, has_context=context)
    known = data.draw(hnp.arrays(np.bool_, (2, n)))
    more, asked = (
        known | data.draw(hnp.arrays(np.bool_, (2, n))),
        data.draw(hnp.arrays(np.bool_, (2, n))),
    )
    predicted = model.conditional_entropies(known)
    told = features(known, ~known, has_context=context) @ model.weights
    np.testing.assert_allclose(predicted[~known], np.maximum(3.0 - told, 0.0), atol=1e-9)
    assert (predicted[known] == 0.0).all()
    assert predicted.min() >= 0.0
    assert predicted.max() <= 3.0
    assert (model.conditional_entropies(more) <= predicted + 1e-12).all()
    np.testing.assert_allclose(model.conditional_entropies(known, asked), predicted * asked)


def test_many_sets_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, known = random_model(8), random_sets(8, 50, 0)
    whole = model.conditional_entropies(known)
    monkeypatch.setattr(gaps, "LOOKUPS", 24)
    np.testing.assert_allclose(model.conditional_entropies(known), whole, atol=1e-12)


# Sums


def random_passes(n: int, passes: int, seed: int = 0) -> tuple[Bools, Floats, Ints]:
    rng = np.random.default_rng(seed)
    known = random_sets(n, passes, seed)
    scores = np.where(known, np.nan, rng.random((passes, n)))
    return known, scores, rng.permutation(np.arange(passes) // 4)


def parts(sums: GapSums) -> tuple[Floats, ...]:
    scalars = np.array([sums.score, sums.scores])
    return sums.gram, sums.moment, sums.told, scalars


def test_sums_by_loops() -> None:
    known, scores, unit = random_passes(5, 24)
    found = collect(known, scores, unit, has_context=False)
    size = len(found.moment)
    gram, moment = np.zeros((size, size)), np.zeros(size)
    rows = {
        (p, i): features(known[p : p + 1], np.eye(5, dtype=bool)[i : i + 1], has_context=False)[0]
        for p, i in np.argwhere(~known)
    }
    for u in set(unit.tolist()):
        for i in range(5):
            members = [p for p in range(24) if unit[p] == u and not known[p, i]]
            if members:
                x = np.array([rows[p, i] for p in members])
                y = np.array([scores[p, i] for p in members])
                gram += (x - x.mean(axis=0)).T @ (x - x.mean(axis=0))
                moment -= (x - x.mean(axis=0)).T @ (y - y.mean())
    np.testing.assert_allclose(found.gram, gram, atol=1e-9)
    np.testing.assert_allclose(found.moment, moment, atol=1e-9)
    np.testing.assert_allclose(found.told, sum(rows.values()), atol=1e-9)
    assert found.score == pytest.approx(np.nansum(scores))
    assert found.scores == np.count_nonzero(~known)


def test_sums_add_where_passes_do(monkeypatch: pytest.MonkeyPatch) -> None:
    known, scores, unit = random_passes(6, 40)
    whole = collect(known, scores, unit, has_context=True)
    first = unit < 3
    halves = [collect(known[p], scores[p], unit[p], has_context=True) for p in (first, ~first)]
    monkeypatch.setattr(gaps, "CHUNK", 30)  # units of 4 passes do not fit 5 to a chunk
    chunked = collect(known, scores, unit, has_context=True)
    for other in (halves[0] + halves[1], chunked):
        for found, wanted in zip(parts(other), parts(whole), strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_the_level_is_that_of_the_scores() -> None:
    known, scores, unit = random_passes(6, 40)
    scores += 100.0  # so high that nothing is cut off at 0
    model = collect(known, scores, unit, has_context=False).solve(6, has_context=False)
    assert (scores - model.conditional_entropies(known))[~known].sum() == pytest.approx(
        0.0, abs=1e-6
    )


def test_least_squares_without_negative_weights() -> None:
    """Slopes are 0 where a weight is positive, and not negative where it is 0."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 8)), rng.normal(size=50)
    weights = nonnegative(x.T @ x, x.T @ y)
    slope = x.T @ (x @ weights - y)
    assert (weights >= 0.0).all()
    np.testing.assert_allclose(slope[weights > 0], 0.0, atol=1e-5)
    assert (slope[weights == 0] > 0).all()


# Passes


@given(st.integers(1, 40), st.integers(0, 99))
def test_varied_orders_are_orders(n: int, seed: int) -> None:
    orders = varied_orders(n, 4, np.random.default_rng(seed))
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(n), (4, 1)))


def test_some_varied_orders_are_regular() -> None:
    orders = varied_orders(64, 200, np.random.default_rng(0)).tolist()
    regular = {
        pipelined_order(64, block=64, lag=1.0, base=base) for base in (2, 3, 4)
    }  # in one block
    assert 2 < sum(tuple(order) in regular for order in orders) < 50


def drawn(count: int = 40, n: int = 8) -> tuple[LawDenoiser, Windows]:
    denoiser = LawDenoiser(MarkovChain(n, CHAIN))
    return denoiser, Windows.independent(denoiser.draw(count, np.random.default_rng(0)))


def test_passes_of_one_text_differ() -> None:
    """Though a schedule's few boundaries come round again and again in one order."""
    denoiser, windows = drawn()
    known = np.resize([0, 2, 4, 6], 256)
    orders = np.tile(dilated_order(8), (256, 1))
    sums = probe_gaps(denoiser, windows, orders=orders, known=known)
    assert np.trace(sums.gram) > 1.0
    assert sums.scores == (8 - known).sum()


def test_the_same_seed_gives_the_same_model() -> None:
    denoiser, windows = drawn()
    calls: list[tuple[int, int]] = []
    first = estimate_gaps(
        denoiser, windows, passes=100, batch=32, progress=lambda *c: calls.append(c[:2])
    )
    again = estimate_gaps(denoiser, windows, passes=100)
    other = estimate_gaps(denoiser, windows, passes=100, seed=1)
    np.testing.assert_allclose(first.weights, again.weights, atol=1e-9)
    assert first.level == pytest.approx(again.level)
    assert other.level != first.level
    assert calls == [(32, 100), (64, 100), (96, 100), (100, 100)]


# What is refused

NOTHING = np.zeros((1, 4), dtype=bool)


@pytest.mark.parametrize(
    ("known", "asked", "message"),
    [
        (NOTHING, NOTHING[:, :3], r"one shape \(M, n\), got \(1, 4\) and \(1, 3\)"),
        (NOTHING[0], NOTHING[0], "one shape"),
        (NOTHING[:, :0], NOTHING[:, :0], "one shape"),
        (~NOTHING, ~NOTHING, "row 0 asks for position 0, which is known"),
    ],
)
def test_features_refuse(known: Bools, asked: Bools, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        features(known, asked, has_context=False)


@pytest.mark.parametrize(
    ("length", "level", "weights", "message"),
    [
        (0, 1.0, np.zeros(12), "length: need a whole number >= 1, got 0"),
        (2, 1.0, np.zeros(11), r"weights: need shape \(12,\) for 2 positions, got \(11,\)"),
        (2, 1.0, np.full(12, -0.5), "weights >= 0, got 1.0 and weights of -0.5 to -0.5"),
        (2, 1.0, np.full(12, np.nan), "weights >= 0"),
        (2, math.inf, np.zeros(12), "a finite level"),
    ],
)
def test_models_refuse(length: int, level: float, weights: Floats, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        GapModel(length, False, level, weights)


def test_questions_refused() -> None:
    model = random_model(4)
    with pytest.raises(UsageError, match=r"known: need shape \(M, 4\), got \(1, 3\)"):
        model.conditional_entropies(NOTHING[:, :3])
    with pytest.raises(UsageError, match=r"queried: need shape \(1, 4\), got \(2, 4\)"):
        model.conditional_entropies(NOTHING, np.zeros((2, 4), dtype=bool))


UNITS = np.zeros(1, dtype=np.int64)


@pytest.mark.parametrize(
    ("known", "scores", "unit", "message"),
    [
        (NOTHING, np.zeros((1, 3)), UNITS, "one shape"),
        (NOTHING, np.zeros((1, 4)), np.zeros(2, dtype=np.int64), "P units"),
        (NOTHING[:0], np.zeros((0, 4)), UNITS[:0], "needs passes, got none"),
        (~NOTHING, np.zeros((1, 4)), UNITS, "pass 0 knew all positions"),
        (NOTHING, np.full((1, 4), np.nan), UNITS, "need finite nats"),
    ],
)
def test_sums_refuse(known: Bools, scores: Floats, unit: Ints, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        collect(known, scores, unit, has_context=False)


def test_sums_of_another_length() -> None:
    sums = collect(*random_passes(5, 24), has_context=False)
    with pytest.raises(UsageError, match="for 6 positions"):
        sums.solve(6, has_context=False)


@pytest.mark.parametrize(
    ("orders", "known", "message"),
    [
        (np.zeros((0, 8), int), np.zeros(0, int), r"at least one, got shapes \(0, 8\) and \(0,\)"),
        (np.tile(np.arange(7), (2, 1)), np.zeros(2, int), "an order of 8 positions"),
        (np.tile(np.arange(8), (2, 1)), np.zeros(3, int), "for each pass"),
        (np.zeros((2, 8), int), np.zeros(2, int), r"permutation of 0\.\.7"),
        (np.tile(np.arange(8), (2, 1)), np.array([0, 8]), r"known: need 0\.\.7, got 0\.\.8"),
        (np.tile(np.arange(8), (2, 1)), np.array([-1, 2]), r"known: need 0\.\.7, got -1\.\.2"),
    ],
)
def test_passes_refused(orders: Ints, known: Ints, message: str) -> None:
    denoiser, windows = drawn()
    with pytest.raises(UsageError, match=message):
        probe_gaps(denoiser, windows, orders=orders, known=known)


def test_estimates_refused() -> None:
    denoiser, windows = drawn()
    with pytest.raises(UsageError, match="passes: a gap model needs at least 16, got 15"):
        estimate_gaps(denoiser, windows, passes=15)
    with pytest.raises(UsageError, match="block length 3: need a divisor of the 8 positions"):
        estimate_gaps(denoiser, windows, block_length=3, passes=16)
    with pytest.raises(UsageError, match="seed: need a whole number >= 0, got -1"):
        estimate_gaps(denoiser, windows, passes=16, seed=-1)
    with pytest.raises(InputError, match=r"need tokens 0\.\.2, got 5"):
        estimate_gaps(denoiser, Windows.independent(torch.full((4, 8), 5)), passes=16)
