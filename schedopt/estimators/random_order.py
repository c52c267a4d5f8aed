"""Passes of the random order, and the information curve that they give.

The curve of cross-entropies is that of predictive entropies plus a slowly varying gap. Both come
from the same passes, and for a calibrated model the gap is 0: entropies have the mean of the NLL
without the luck of which token came, so that they are known many times better, while the little
that the gap can vary is known well by all passes together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schedopt.clusters import Measured, mean_by_group, mean_over_documents
from schedopt.curve import InformationCurve
from schedopt.estimators.curves import Fitted, fit_curve, fit_gap, level_of
from schedopt.estimators.design import allocated_counts, even_counts, sizes_in_odds
from schedopt.estimators.places import Ask, Places
from schedopt.estimators.probe import Probes, Scores
from schedopt.estimators.result import Found, Smoothing
from schedopt.running import Progress

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PILOT_SHARE: Final = 0.25


def measure_curve(
    ask: Ask,
    places: Places,
    n: int,
    smoothing: Smoothing,
    rng: np.random.Generator,
    progress: Progress | None,
) -> Found:
    """Make passes with random masks, and fit the curve.

    Args:
        ask: Makes passes.
        places: Where they fall, one pass each.
        n: Block length.
        smoothing: As ``estimate``.
        rng: Of the masks.
        progress: As ``estimate``.
    """
    documents, passes = places.document, len(places.window)
    orders = rng.permuted(np.tile(np.arange(n), (passes, 1)), axis=1)
    probes = Probes(places.window, places.block, orders, np.zeros(passes, dtype=np.int64))
    if smoothing == "smooth":
        known, nll, entropy = _two_phases(ask, probes, rng, progress)
        return _smooth(known, nll, entropy, documents, n)
    known = rng.permutation(np.repeat(np.arange(n), even_counts(n, passes)))
    nll, entropy = _pass_means(ask(replace(probes, known=known), progress))
    curves = []
    for means in (nll, entropy):
        values, errors = mean_by_group(means, known, n, documents)
        curve = InformationCurve(values, errors if np.isfinite(errors).all() else None)
        curves.append(curve if smoothing == "raw" else curve.isotonic())
    return Found(curves[0], curves[1], mean_over_documents(nll - entropy, documents), None)


def _two_phases(
    ask: Ask,
    probes: Probes,
    rng: np.random.Generator,
    progress: Progress | None,
) -> tuple[Ints, Floats, Floats]:
    """A pilot with all sizes, and the rest as its spread says: known, mean NLL and entropy."""
    passes, n = probes.order.shape
    sizes = sizes_in_odds(n, passes)
    first = round(PILOT_SHARE * passes)
    known = np.empty(passes, dtype=np.int64)
    nll, entropy = np.empty(passes), np.empty(passes)

    def make(start: int, stop: int, counts: Ints) -> None:
        rows = slice(start, stop)
        known[rows] = rng.permutation(np.repeat(sizes, counts))
        part = Probes(probes.window[rows], probes.block[rows], probes.order[rows], known[rows])
        nll[rows], entropy[rows] = _pass_means(ask(part, _shifted(progress, start, passes)))

    make(0, first, even_counts(len(sizes), first))
    rest = allocated_counts(sizes, known[:first], entropy[:first], passes - first, n)
    make(first, passes, rest)
    return known, nll, entropy


def _shifted(progress: Progress | None, before: int, total: int) -> Progress | None:
    """Progress of a part of the passes, told as that of all."""
    if progress is None:
        return None

    def told(done: int, _: int, stderr: float | None = None, /) -> None:
        progress(before + done, total, stderr)

    return told


def _pass_means(scores: Scores) -> tuple[Floats, Floats]:
    """Mean NLL and entropy of the masked positions of each pass, nats."""
    return np.nanmean(scores.nll, axis=1), np.nanmean(scores.entropy, axis=1)


def _smooth(known: Ints, nll: Floats, entropy: Floats, document: Ints, n: int) -> Found:
    own = fit_curve(known, entropy, document, n)
    gap = fit_gap(known, nll - entropy, document, n, level_of(entropy))
    both = own + gap
    deviations = gap.deviations.mean(axis=1)
    mean_gap = Measured(float(gap.values.mean()), float(np.sqrt((deviations**2).sum())))
    return Found(_falling(both), _falling(own), mean_gap, both.deviations)


def _falling(fitted: Fitted) -> InformationCurve:
    return InformationCurve(np.maximum(fitted.values, 0.0), fitted.stderr).isotonic()
