"""Which numbers of known positions the passes of a curve have: sizes, and how often each.

A first share of the passes, the pilot, takes all sizes equally; the spread of its scores says
how the others are best shared out.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schedopt.estimators.curves import entropy_parts, model_variance

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_SIZES, MOST_SIZES = 4, 24
PASSES_PER_SIZE: Final = 8  # with a pilot of a quarter, two of these are in the pilot
# Spreads are rounded to eighths of a doubling, so that other last bits of the scores hardly ever
# make another allocation, which costs next to nothing.
ROUNDED_TO: Final = 8.0
LEAST_VARIANCE: Final = 1e-4  # of a size, as a share of the largest: few passes may not show it


def sizes_in_odds(n: int, passes: int) -> Ints:
    """Numbers of known positions, equally spaced in the log of their odds, shape (K,), rising.

    From none to all but one; where several round to the same number, it stands once.

    Args:
        n: Block length.
        passes: To be spent, which allow 4 to 24 sizes.

    Example:
        >>> sizes_in_odds(64, 128)
        array([ 0,  1,  2,  4,  7, 12, 19, 27, 36, 44, 51, 56, 59, 61, 62, 63])
    """
    count = int(np.clip(passes // PASSES_PER_SIZE, LEAST_SIZES, MOST_SIZES))
    if n <= count:
        return np.arange(n)
    odds = n ** np.linspace(-1.0, 1.0, count)  # of (j + 1) in n + 1
    return np.unique(np.rint((n + 1) * odds / (1.0 + odds) - 1.0).astype(np.int64))


def even_counts(sizes: int, passes: int) -> Ints:
    """Passes of each size where all get equally many, up to one; shape (sizes,)."""
    return _shared(np.ones(sizes), passes)


def allocated_counts(sizes: Ints, known: Ints, scores: Floats, passes: int, n: int) -> Ints:
    r"""How many further passes each size gets, shape (K,), so that the curve is known best.

    With sigma the spread of a pass at a size, and w the number of entries of the curve that the
    size stands for, the sum of :math:`w_k \sigma_k^2 / p_k` is least at
    :math:`p_k \propto \sqrt{w_k} \sigma_k`; what the pilot has given a size counts.

    Args:
        sizes: Shape (K,), rising.
        known: Shape (P,), sizes of the passes of the pilot.
        scores: Shape (P,), their mean scores, nats.
        passes: To be shared out.
        n: Block length.

    References:
        Neyman, J. R. Statist. Soc. 97 (1934) 558; Cochran, Sampling Techniques, 3rd ed.,
        section 5.5.
    """
    group = np.searchsorted(sizes, known)
    made = np.bincount(group, minlength=len(sizes))
    means = np.bincount(group, scores) / made
    squares = np.bincount(group, (scores - means[group]) ** 2).astype(np.float64, copy=False)
    variances = model_variance(entropy_parts(sizes, n), squares, made)
    floor = max(float(variances.max()), np.finfo(np.float64).tiny) * LEAST_VARIANCE
    halves = 0.5 * np.log2(np.maximum(variances, floor))
    spreads = 2.0 ** (np.rint(ROUNDED_TO * halves) / ROUNDED_TO)
    edges = np.concatenate([[0.0], (sizes[1:] + sizes[:-1] + 1) / 2, [float(n)]])
    wanted = np.sqrt(np.diff(edges)) * spreads
    total = wanted / wanted.sum() * (passes + made.sum())
    return _shared(np.maximum(total - made, 0.0), passes)


def _shared(shares: Floats, passes: int) -> Ints:
    """Whole numbers that sum to the passes, nearest to these shares of them."""
    exact = shares / shares.sum() * passes
    counts: Ints = np.floor(exact).astype(np.int64)
    largest = np.argsort(counts - exact, kind="stable")[: passes - counts.sum()]
    counts[largest] += 1
    return counts
