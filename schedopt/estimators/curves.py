r"""From pass means at a few numbers of known positions to a smooth falling curve.

The curve is a non-negative combination of smooth falling terms, plus a Gaussian process for what
these leave over:

.. math:: C(j) = \sum_k w_k \phi_k(j) + \tau g(u_j), \qquad u_j = \log\frac{j + 1}{n - j},

with g of unit variance and smooth in the log-odds u. How much the terms leave over, tau, is not
picked but averaged over by its likelihood. So few passes give the terms, whose schedules are good
because they cannot wiggle, and many give the curve; and the spread of g given the passes is the
error that smoothing may make, which no resampling of documents sees.

References:
    Rasmussen, Williams, Gaussian Processes for Machine Learning, sections 2.7 (a mean of explicit
    terms) and 5.4 (the likelihood of tau); Nychka, JASA 83 (1988) 1134 (such intervals cover the
    truth on average over the entries).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# What the process leaves at distance 0 to 10 (the width of the log-odds for n = 128) is told
# apart from noise by 12 to 24 sizes if it varies over about 3.
REACH: Final = 3.0
# tau as a share of the level of the curve: from what no estimate notices to all of it.
TAUS: Final = np.geomspace(1e-3, 1.0, 16)
# How probable it is beforehand that the gap varies as much as it is large, which is not at all for
# a calibrated model. Otherwise, as for the terms, all taus are as probable.
GAP_LIKE_ITSELF: Final = 0.98
SEEN: Final = 2.5  # standard errors from 0 up to which a mean gap may be chance
REWEIGHTINGS: Final = 3
SHARED: Final = 16.0  # masked positions beyond which more of them in a pass tell little more
ROUNDING: Final = 1e-10  # smallest variance of a mean, as a share of the squared level


@dataclass(frozen=True, eq=False)
class Means:
    """Means of the passes at each size, a size being a number of known positions.

    Args:
        sizes: Shape (K,), rising.
        group: Shape (P,), which of them each pass has.
        counts: Shape (K,), passes of each.
        values: Shape (K,), mean of each, nats.
        variances: Shape (K,), of each mean, nats squared, by a model of a pass's variance.
    """

    sizes: Ints
    group: Ints
    counts: Ints
    values: Floats
    variances: Floats


@dataclass(frozen=True, eq=False)
class Fitted:
    """A linear fit to the means of sizes, and where its error comes from.

    Args:
        values: Shape (n,), nats.
        by_document: Shape (D, n), what each document adds to the error (infinitesimal jackknife).
        smoothing: Shape (n, n), covariance of what the fit may smooth away.
    """

    values: Floats
    by_document: Floats
    smoothing: Floats

    def __add__(self, other: Fitted) -> Fitted:
        """The sum of two fits to the same documents."""
        return Fitted(
            self.values + other.values,
            self.by_document + other.by_document,
            self.smoothing + other.smoothing,
        )

    @cached_property
    def deviations(self) -> Floats:
        """Shape (D + n, n), independent parts of the error: their squares sum to its variance."""
        scales, parts = np.linalg.eigh(self.smoothing)
        hidden = np.sqrt(np.maximum(scales, 0.0))[:, None] * parts.T
        return np.concatenate([self.by_document, hidden])

    @property
    def stderr(self) -> Floats:
        """Shape (n,), nats."""
        return np.asarray(np.sqrt((self.deviations**2).sum(axis=0)))


def smooth_terms(n: int) -> Floats:
    """The nonincreasing terms a smooth curve is a non-negative combination of, shape (n, 5).

    A floor, a straight line, a late and an early bend, and the steep start that the first
    revealed positions make. With t = j / n: 1, 1 - t, 1 - t^3, (1 - t)^3, 1 / (1 + 16 t).
    """
    t = np.arange(n) / n
    return np.stack([np.ones(n), 1 - t, 1 - t**3, (1 - t) ** 3, 1 / (1 + 16 * t)], axis=1)


def fit_terms(means: Means, n: int) -> tuple[Floats, Floats]:
    """Non-negative least squares on the smooth terms: the curve (n,), and the terms in use."""
    from scipy.optimize import nnls

    terms, root = smooth_terms(n), means.variances**-0.5
    coefficients, _ = nnls(terms[means.sizes] * root[:, None], means.values * root)
    return terms @ coefficients, terms[:, coefficients > 0.0]


def entropy_parts(sizes: Ints, n: int) -> Floats:
    """What makes up the variance of a pass's mean entropy, shape (K, 3).

    What differs between positions, between texts, and between what is known of a text:
    1 / (n - j), 1 and 16 j / (n + 16 j).
    """
    told = 16.0 * sizes / (n + 16.0 * sizes)
    return np.stack([1.0 / (n - sizes), np.ones(len(sizes)), told], axis=1)


def gap_parts(sizes: Ints, n: int) -> Floats:
    """The variance of a pass's mean of NLL minus entropy but for a factor, shape (K, 1).

    With one factor for all sizes, as single losses are so skew that those of one size may all be
    below their mean, and alike.
    """
    return 1.0 / (n - sizes[:, None]) + 1.0 / SHARED


def model_variance(parts: Floats, squares: Floats, counts: Ints) -> Floats:
    """Variance of a pass at each size, shape (K,), nats squared: parts with factors >= 0.

    The spread at a size itself is no good weight: where scores are skew, it is small where their
    mean is.

    Args:
        parts: Shape (K, q), as ``entropy_parts`` or ``gap_parts``.
        squares: Shape (K,), nats squared, sums of squared distances from the mean of each size.
        counts: Shape (K,), passes of each size, two or more for some.
    """
    from scipy.optimize import nnls

    spare = counts - 1.0
    found = squares / np.maximum(spare, 1.0)
    floor = 1e-3 * float(found.max())
    model = np.zeros(len(counts))
    if floor < np.finfo(np.float64).tiny:
        return model
    model += floor
    for _ in range(REWEIGHTINGS):  # squares are as noisy as they are large
        root = np.sqrt(spare) / np.maximum(model, floor)
        factors, _ = nnls(parts * root[:, None], found * root)
        model = parts @ factors
    return model


def mean_by_size(
    known: Ints, scores: Floats, n: int, level: float, parts: Callable[[Ints, int], Floats]
) -> Means:
    """Group passes by how many positions are known; some sizes need two passes or more.

    Args:
        known: Shape (P,), positions known in each pass.
        scores: Shape (P,), mean score of the masked positions of each pass, nats.
        n: Block length.
        level: Size of the curve, nats, above 0: no mean is better known than rounding allows.
        parts: Of the variance of a pass.
    """
    sizes, group, counts = np.unique(known, return_inverse=True, return_counts=True)
    values = np.bincount(group, scores) / counts
    squares = np.bincount(group, (scores - values[group]) ** 2).astype(np.float64, copy=False)
    variances = model_variance(parts(sizes, n), squares, counts) / counts + ROUNDING * level**2
    return Means(sizes, group, counts, values, variances)


def fit_process(
    means: Means,
    scores: Floats,
    document: Ints,
    centre: Floats,
    terms: Floats,
    level: float,
    *,
    likely: float = 0.0,
    trust: float = 0.0,
) -> Fitted:
    """The centre plus a free combination of the terms and a Gaussian process.

    Args:
        means: Of the scores.
        scores: Shape (P,), nats.
        document: Shape (P,), 0..D-1, of each pass.
        centre: Shape (n,), nats, what is expected.
        terms: Shape (n, p), what the centre may be off by, each by about the level.
        level: Size of the curve, nats, above 0.
        likely: A value of tau that is more probable than others, nats.
        trust: Its probability; the rest is shared equally by the others.
    """
    n, sizes = len(centre), means.sizes
    log_odds = np.log((np.arange(n) + 1.0) / (n - np.arange(n)))
    distance = np.sqrt(5.0) * np.abs(log_odds[:, None] - log_odds) / REACH
    matern = (1.0 + distance + distance**2 / 3.0) * np.exp(-distance)
    wide = level**2 * terms @ terms.T
    rest = means.values - centre[sizes]
    beforehand = np.array([trust, *np.full(len(TAUS), (1.0 - trust) / len(TAUS))])
    used = np.flatnonzero(beforehand)
    smoothers, spreads, likelihoods = [], [], []
    for tau in np.array([likely, *(level * TAUS)])[used]:
        prior = wide + tau**2 * matern
        inner = prior[np.ix_(sizes, sizes)]
        total = inner + np.diag(means.variances)
        smoother = np.linalg.solve(total, prior[sizes]).T  # (n, K)
        crossed = smoother @ prior[sizes]
        smoothers.append(smoother)
        spreads.append(prior - crossed - crossed.T + smoother @ inner @ smoother.T)
        misfit = rest @ np.linalg.solve(total, rest)
        likelihoods.append(-0.5 * (np.linalg.slogdet(total)[1] + misfit))
    weights = beforehand[used] * np.exp(np.asarray(likelihoods) - max(likelihoods))
    weights /= weights.sum()
    smoother = np.einsum("t,tjk->jk", weights, smoothers)
    values = centre + smoother @ rest
    aside = np.stack([centre + s @ rest - values for s in smoothers])  # how the taus disagree
    smoothing = np.einsum("t,tij->ij", weights, spreads) + (weights[:, None] * aside).T @ aside
    parts = _by_document(means, scores - values[sizes[means.group]], document, smoother)
    return Fitted(values, parts, smoothing)


def _by_document(means: Means, residuals: Floats, document: Ints, smoother: Floats) -> Floats:
    """What each document adds to the error, shape (D, n), as if no residual had been fitted to."""
    documents, passes = int(document.max()) + 1, len(residuals)
    parts = np.zeros((documents, len(means.sizes)))
    np.add.at(parts, (document, means.group), residuals / means.counts[means.group])
    spare = max(passes - float(np.trace(smoother[means.sizes])), 1.0)
    scale = np.sqrt(documents / (documents - 1.0) * passes / spare)
    return np.asarray(scale * parts @ smoother.T)


def fit_curve(known: Ints, scores: Floats, document: Ints, n: int) -> Fitted:
    """A smooth curve; it may still rise a little, where the process has it so.

    Args:
        known: Shape (P,), positions known in each pass; two or more passes share most sizes.
        scores: Shape (P,), nats >= 0, mean score of the masked positions of each pass.
        document: Shape (P,), 0..D-1, D >= 2.
        n: Block length.
    """
    level = level_of(scores)
    means = mean_by_size(known, scores, n, level, entropy_parts)
    centre, terms = fit_terms(means, n)
    return fit_process(means, scores, document, centre, terms, level)


def level_of(scores: Floats) -> float:
    """The size of a curve with these scores, nats: their mean, or 1 where all are 0."""
    return float(scores.mean()) or 1.0


def fit_gap(known: Ints, gaps: Floats, document: Ints, n: int, level: float) -> Fitted:
    """NLL minus entropy as it depends on what is known: a constant, plus a Gaussian process.

    Where the constant is too small to be seen, the model is most probably calibrated and there is
    nothing to vary; otherwise the gap most probably varies by as much as it is.

    Args:
        known: As ``fit_curve``.
        gaps: Shape (P,), nats, of each pass.
        document: As ``fit_curve``.
        n: Block length.
        level: Size of the curves that it is between, nats, above 0.
    """
    means = mean_by_size(known, gaps, n, level, gap_parts)
    fit = partial(fit_process, means, gaps, document, np.zeros(n), np.ones((n, 1)), level)
    constant = fit(likely=0.0, trust=1.0)
    seen = abs(constant.values[0]) > SEEN * constant.stderr[0]
    return fit(likely=abs(constant.values[0]) if seen else 0.0, trust=GAP_LIKE_ITSELF)
