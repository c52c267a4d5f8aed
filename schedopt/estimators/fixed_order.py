"""Passes of a fixed order, in nested prefixes, and the order surface that they give."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schedopt.clusters import mean_by_group, mean_over_documents
from schedopt.curve import InformationCurve, OrderSurface
from schedopt.estimators import influence
from schedopt.estimators.places import Ask, Places
from schedopt.estimators.probe import Probes
from schedopt.estimators.result import Found, Smoothing
from schedopt.running import Progress
from schedopt.schedule import Order

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BOOTSTRAPS: Final = 100


def passes_per_window(passes: int, n: int, smoothing: Smoothing) -> int:
    """How many nested prefixes of one window are measured: sqrt(passes / 2), 4 to 32, or all n.

    All of them unless the surface is to be smoothed.
    """
    if smoothing != "smooth":
        return n
    return min(n, int(np.clip(np.sqrt(passes / 2), 4, 32)))


def measure_surface(
    ask: Ask,
    places: Places,
    order: Order,
    n: int,
    nested: int,
    smoothing: Smoothing,
    rng: np.random.Generator,
    progress: Progress | None,
) -> Found:
    """Make passes with nested prefixes of the order, and fit the surface.

    Args:
        ask: Makes passes.
        places: Where they fall.
        order: Of the positions.
        n: Block length.
        nested: How many prefixes there are of each place, one in each of as many equal parts of
            the order; all of them where this is n.
        smoothing: As ``estimate``.
        rng: Of the prefixes and of the bootstrap.
        progress: As ``estimate``.
    """
    positions = order.permutation_for(n)
    count = len(places.window)
    starts = (np.arange(nested) + rng.random((count, nested))) * n / nested
    known = np.minimum(starts.astype(np.int64), n - 1).ravel()  # rounding may put one at n
    unit = np.repeat(np.arange(count), nested)
    orders = np.broadcast_to(np.array(positions), (len(unit), n))
    scores = ask(Probes(places.window[unit], places.block[unit], orders, known), progress)
    document = places.document[unit]
    gaps = mean_over_documents(np.nanmean(scores.nll - scores.entropy, axis=1), document)
    # A single position tells no other one anything, and its one schedule loses nothing.
    if smoothing != "smooth" or n == 1:
        plain, entropies = (
            _plain(values, known, document, order, smoothing)
            for values in (scores.nll, scores.entropy)
        )
        return Found(plain, entropies, gaps, np.zeros((1, 1, 1)) if smoothing == "smooth" else None)
    features, laws = influence.cumulative_features(positions), influence.power_laws(positions)

    def fitted(values: Floats) -> tuple[OrderSurface, Floats]:
        return _influences(values, known, unit, document, order, features, laws, rng)

    surface, deviations = fitted(scores.nll)
    entropies, _ = fitted(scores.entropy)
    return Found(surface, entropies, gaps, deviations)


def _influences(
    values: Floats,
    known: Ints,
    unit: Ints,
    document: Ints,
    order: Order,
    features: Floats,
    laws: Floats,
    rng: np.random.Generator,
) -> tuple[OrderSurface, Floats]:
    """A smooth surface, and how replicates of a Bayesian bootstrap of documents deviate."""
    statistics = influence.fit_differences(features, values, known, unit, document, laws)

    def surface(counts: Floats) -> Floats:
        coefficients = statistics.solve(counts, laws)
        return influence.assemble(features, coefficients, values, known, counts[document])

    everyone = np.ones(int(document.max()) + 1)
    resampled = rng.exponential(size=(BOOTSTRAPS, len(everyone)))
    replicates = np.stack([surface(counts) for counts in resampled])
    deviations = (replicates - replicates.mean(axis=0)) / np.sqrt(BOOTSTRAPS - 1)
    stderr = np.sqrt((deviations**2).sum(axis=0))
    return OrderSurface(surface(everyone), order, stderr), deviations


def _plain(
    values: Floats, known: Ints, document: Ints, order: Order, smoothing: Smoothing
) -> OrderSurface:
    n = values.shape[1]
    mean, error = np.zeros((n, n)), np.zeros((n, n))
    for j in range(n):
        rows = known <= j
        mean[: j + 1, j], error[: j + 1, j] = mean_by_group(
            values[rows, j], known[rows], j + 1, document[rows]
        )
    if smoothing != "raw":
        for j in range(n):
            mean[: j + 1, j] = InformationCurve(mean[: j + 1, j]).isotonic().conditional_entropy
    return OrderSurface(mean, order, error if np.isfinite(error).all() else None)
