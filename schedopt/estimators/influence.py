r"""A smooth model of an order surface: how much each revelation tells each later position.

.. math:: f(a, j) = g(j) + \sum_{a \le i < j} \delta(i, j), \qquad \delta \ge 0

where delta(i, j) is what revealing the i-th position of the order takes off the j-th one's
conditional entropy. It is a non-negative combination of hat functions of log2 of their
distance, times how many known positions stand between them (0, 1, more), on which side it
is, and how far the order has come: information decays with distance and is screened by what
is known. For a first-order chain only pairs with nothing known between them count.

The coefficients come from *differences* of two passes over the same window with nested
prefixes, in which most of what differs between texts cancels, and from a prior: power laws of
distance, fitted to the same differences, which weigh less the more passes there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schedopt.estimators.nonnegative import nonnegative

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SCREENS: Final = 3  # 0, 1, 2 or more known positions in between
DECAYS: Final = (0.5, 1.0, 2.0)  # exponents of the power laws of distance
# As how many passes the power laws count: enough to carry 128 passes, little against thousands
# (experiments/fit_regret.py).
PRIOR_PASSES: Final = 512
# The variance of a difference grows with its mean; the floor keeps weights finite.
VARIANCE_FLOOR: Final = 0.02
REWEIGHTINGS: Final = 2


def _hats(distance: Ints, n: int) -> Floats:
    """Hat functions of log2(distance) at 0, 1, ..., ceil(log2 n), shape (..., knots)."""
    knots = max(1, int(np.ceil(np.log2(n)))) + 1
    x = np.log2(distance)[..., None]
    hats: Floats = np.clip(1.0 - np.abs(x - np.arange(knots)), 0.0, 1.0)
    return hats


def _features(order: tuple[int, ...]) -> Floats:
    """Features of delta(i, j) at entry (i + 1, j): shape (n + 1, n, screens, sides, knots, times).

    Row 0 is empty, so that the sum of the first a + 1 rows is over i < a.
    """
    n = len(order)
    positions = np.asarray(order)
    knots = _hats(np.array([1]), n).shape[-1]
    features = np.zeros((n + 1, n, SCREENS, 2, knots, 2))
    known = np.zeros(n, dtype=bool)
    for i in range(n - 1):
        later = positions[i + 1 :]
        low, high = np.minimum(later, positions[i]), np.maximum(later, positions[i])
        counts = np.concatenate([[0], np.cumsum(known)])
        between = np.minimum(counts[high] - counts[low + 1], SCREENS - 1)
        hats = _hats(high - low, n)  # (n - i - 1, knots)
        time = np.array([1.0 - i / n, i / n])
        features[i + 1, np.arange(i + 1, n), between, (later > positions[i]).astype(int)] = (
            hats[:, :, None] * time
        )
        known[positions[i]] = True
    return features


def cumulative_features(order: tuple[int, ...]) -> Floats:
    """Features of delta, summed over the prefix: shape (n + 1, n, K).

    Entry (a, j) is the sum over i < min(a, j) of the features of (i, j), so that a
    difference of two rows holds the features of what happened in between.
    """
    features = _features(order).reshape(len(order) + 1, len(order), -1)
    summed: Floats = np.cumsum(features[:, :, features.any(axis=(0, 1))], axis=0)
    return summed


def power_laws(order: tuple[int, ...]) -> Floats:
    """Coefficients of decays distance^-p for each screen, early and late: shape (K, G).

    A plain guess at how information decays, with G = 18 numbers; ``NestedDifferences.solve``
    fits them first and lets the K coefficients depart from them as the passes allow.
    """
    features = _features(order)
    _, _, screens, sides, knots, times = features.shape
    laws = np.einsum(
        "ms,kp,tu->mktspu",
        np.eye(screens),
        2.0 ** (-np.outer(np.arange(knots), DECAYS)),
        np.eye(times),
    )  # (screens, knots, times, one column for each screen, decay and time)
    laws = np.broadcast_to(laws[:, None], (screens, sides, *laws.shape[1:]))
    used = features.any(axis=(0, 1)).reshape(-1)
    columns: Floats = laws.reshape(used.size, -1)[used]
    return columns


@dataclass(frozen=True, eq=False)
class NestedDifferences:
    """Sufficient statistics of nested passes, kept a document so that it can be resampled.

    Args:
        gram: Shape (D, K, K), of the weighted features of each document.
        moment: Shape (D, K), of features and differences.
        passes: Shape (D,), how many passes each document has.
    """

    gram: Floats
    moment: Floats
    passes: Ints

    def solve(self, resampling: Floats, laws: Floats | None = None) -> Floats:
        """Non-negative coefficients of the features, shape (K,).

        Args:
            resampling: Shape (D,), how often each document counts.
            laws: Shape (K, G), non-negative: the coefficients are drawn towards the best
                combination of these columns with the weight of ``PRIOR_PASSES`` passes.
        """
        gram = np.einsum("d,dkl->kl", resampling, self.gram)
        moment = resampling @ self.moment
        if laws is None:
            return nonnegative(gram, moment)
        prior = laws @ nonnegative(laws.T @ gram @ laws, laws.T @ moment)
        weight = PRIOR_PASSES / (resampling @ self.passes) * np.diag(gram)
        return nonnegative(gram + np.diag(weight), moment + weight * prior)


def collect_differences(
    features: Floats, scores: Floats, known: Ints, unit: Ints, document: Ints, guess: Floats | None
) -> NestedDifferences:
    """Pair consecutive passes of each unit and gather their statistics.

    Args:
        features: From ``cumulative_features``.
        scores: Shape (P, n), nats, NaN where known.
        known: Shape (P,).
        unit: Shape (P,); passes of one unit share window, block and order.
        document: Shape (P,), 0..D-1.
        guess: Coefficients that set the weights, or None for equal weights.
    """
    size, n = features.shape[2], features.shape[1]
    documents = int(document.max()) + 1
    gram = np.zeros((documents, size, size))
    moment = np.zeros((documents, size))
    ranked = np.lexsort((known, unit))
    for first, second in pairwise(ranked):
        a, b = known[first], known[second]
        if unit[first] != unit[second] or a == b:
            continue
        x = features[b, b:n] - features[a, b:n]  # (n - b, K)
        y = scores[first, b:] - scores[second, b:]
        weighted = x if guess is None else x / (VARIANCE_FLOOR + x @ guess)[:, None]
        gram[document[first]] += weighted.T @ x
        moment[document[first]] += weighted.T @ y
    return NestedDifferences(gram, moment, np.bincount(document, minlength=documents))


def fit_differences(
    features: Floats,
    scores: Floats,
    known: Ints,
    unit: Ints,
    document: Ints,
    laws: Floats | None = None,
) -> NestedDifferences:
    """Statistics with weights from a first unweighted solution."""
    guess: Floats | None = None
    for _ in range(REWEIGHTINGS):
        statistics = collect_differences(features, scores, known, unit, document, guess)
        guess = statistics.solve(np.ones(len(statistics.gram)), laws)
    return statistics


def assemble(
    features: Floats, coefficients: Floats, scores: Floats, known: Ints, weights: Floats
) -> Floats:
    """The surface of a set of coefficients, levelled on the scores; shape (n, n), nats.

    The level g(j) of each position is the weighted mean of what its scores leave after the
    model's delta, so that every pass in which it was masked counts.
    """
    n = features.shape[1]
    told = features @ coefficients  # (n + 1, n): what the first a tell j
    index = np.arange(n)
    rest = told[index, index][None, :] - told[:n]  # what lies between a and j
    masked = index[None, :] >= known[:, None]
    residual = np.where(masked, scores - rest[known], 0.0)
    level = weights @ residual / np.maximum(weights @ masked, 1e-12)
    surface: Floats = np.triu(np.maximum(level[None, :] + rest, 0.0))
    return surface
