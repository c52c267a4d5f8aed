"""Non-negative least squares from sums, so that data need not be held at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def nonnegative(gram: Floats, moment: Floats) -> Floats:
    r"""Least x >= 0 of :math:`x^T G x / 2 - m^T x`, shape (K,).

    A ridge of 1e-8 of the mean diagonal settles what features in common leave open.

    Args:
        gram: G, shape (K, K), sums of products of features.
        moment: m, shape (K,), sums of features times what they explain.

    Example:
        >>> nonnegative(np.eye(2), np.array([2.0, -1.0])).round(6)
        array([2., 0.])
    """
    from scipy.optimize import nnls

    ridge = 1e-8 * np.trace(gram) / len(gram) + 1e-12
    root = np.linalg.cholesky(gram + ridge * np.eye(len(gram)))
    # Features that are nearly alike come and go for longer than scipy's 3 K rounds.
    found = nnls(root.T, np.linalg.solve(root, moment), maxiter=30 * len(gram))
    coefficients: Floats = found[0]
    return coefficients
