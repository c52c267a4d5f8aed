"""Non-negative least squares from sums, so that data need not be held at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def nonnegative(gram: Floats, moment: Floats) -> Floats:
    """Least x >= 0 of x G x / 2 - m x, shape (K,).

    Args:
        gram: Shape (K, K), sums of products of features.
        moment: Shape (K,), sums of features times what they explain.
    """
    from scipy.optimize import nnls

    ridge = 1e-8 * np.trace(gram) / len(gram) + 1e-12
    root = np.linalg.cholesky(gram + ridge * np.eye(len(gram)))
    coefficients: Floats = nnls(root.T, np.linalg.solve(root, moment))[0]
    return coefficients
