"""From scores under random orders to an information curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def smooth_terms(n: int) -> Floats:
    """The nonincreasing terms a smooth curve is a non-negative combination of, shape (n, 5).

    A floor, a straight line, a late and an early bend, and the steep start that the first
    revealed positions make. With t = j / n: 1, 1 - t, 1 - t^3, (1 - t)^3, 1 / (1 + 16 t).
    """
    t = np.arange(n) / n
    return np.stack([np.ones(n), 1 - t, 1 - t**3, (1 - t) ** 3, 1 / (1 + 16 * t)], axis=1)


def fit_smooth(known: Ints, means: Floats, weights: Floats, n: int) -> Floats:
    """Non-negative least squares of pass means on the smooth terms; shape (n,), nats.

    Args:
        known: Shape (P,), positions known in each pass.
        means: Shape (P,), mean score of the masked positions of each pass.
        weights: Shape (P,), weight of each pass.
        n: Block length.
    """
    from scipy.optimize import nnls

    terms, root = smooth_terms(n), np.sqrt(weights)
    coefficients, _ = nnls(terms[known] * root[:, None], means * root)
    curve: Floats = terms @ coefficients
    return curve


def pass_weights(known: Ints, n: int, *, shared: float = 8.0) -> Floats:
    """Inverse variance of a pass mean, up to scale: m masked scores that share a document.

    The variance of the mean of m scores is v (1/m + 1/shared): beyond about ``shared`` of
    them, what differs between documents is most of it.
    """
    masked = (n - known).astype(np.float64)
    weights: Floats = masked * shared / (masked + shared)
    return weights
