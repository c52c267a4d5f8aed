r"""Draws of the falls of a curve, for laws whose curve takes too long.

.. math:: D_{j+1} = C(j) - C(j+1) = E\, I(X_i; X_k \mid X_S), \qquad |S| = j,

so along a random order of the positions, what the next value tells of the others is an unbiased
draw, and never negative: where nothing is left to be learned there is no noise either, and the
root of a mean of draws is not inflated by it.
"""

from __future__ import annotations

import numpy as np

from theory.distributions.affine import AffineSubspace
from theory.distributions.products import MixtureOfProducts
from theory.tables import Floats

HELD_NUMBERS = 2**22  # 32 MiB of float64: what a batch of draws may take at a time


def mixture_increments(law: MixtureOfProducts, count: int, rng: np.random.Generator) -> Floats:
    """Independent draws of D_1..D_{n-1} of a mixture, shape (count, n - 1), nats.

    Values are drawn as well as orders, in O(n^2 m q^2) a draw for m components.

    Args:
        law: The mixture, n >= 2.
        count: Number of draws.
        rng: Draws values and orders.

    Example:
        >>> copies = MixtureOfProducts([0.5, 0.5], np.eye(2)[:, None].repeat(3, axis=1))
        >>> mixture_increments(copies, 2, np.random.default_rng(0)).round(4)
        array([[0.6931, 0.    ],
               [0.6931, 0.    ]])
    """
    rows = max(1, HELD_NUMBERS // (law.q * (law.marginals[0].size + 2 * len(law.weights))))
    parts = [_mixture_batch(law, min(rows, count - start), rng) for start in range(0, count, rows)]
    return np.concatenate(parts) if parts else np.empty((0, law.n - 1))


def _mixture_batch(law: MixtureOfProducts, count: int, rng: np.random.Generator) -> Floats:
    n, q, m = law.n, law.q, len(law.weights)
    flat = law.marginals.reshape(m, n * q)
    by_position = np.ascontiguousarray(law.marginals.transpose(1, 2, 0))  # (n, q, m)
    values = law.draw(count, rng)
    orders = rng.permuted(np.tile(np.arange(n), (count, 1)), axis=1)
    row = np.arange(count)
    posterior = np.tile(law.weights, (count, 1))
    unknown = np.ones((count, n), dtype=bool)
    draws = np.empty((count, n - 1))
    for j in range(n - 1):
        following = orders[:, j]
        unknown[row, following] = False
        after = posterior[:, None] * by_position[following]  # (B, q, m), values of the next
        joint = (after.reshape(count * q, m) @ flat).reshape(count, q, n, q)
        apart = after.sum(axis=-1)[..., None, None] * joint.sum(axis=1, keepdims=True)
        told = joint * np.log(np.where(joint > 0.0, joint, 1.0) / np.where(apart > 0.0, apart, 1.0))
        every = np.maximum(told.sum(axis=(1, 3)), 0.0)  # (B, n)
        draws[:, j] = (every * unknown).sum(axis=1) / (n - 1 - j)
        posterior = after[row, values[row, following]]
        posterior /= posterior.sum(axis=1, keepdims=True)
    return draws


def code_increments(code: AffineSubspace, count: int, rng: np.random.Generator) -> Floats:
    """Independent draws of D_1..D_{n-1} of an affine subspace, shape (count, n - 1), nats.

    The next symbol tells log p of every other one that it decides, whatever the values; in
    O(n^2 k) a draw for dimension k.

    Args:
        code: The law, n >= 2.
        count: Number of draws.
        rng: Draws orders.

    Example:
        >>> parity = AffineSubspace([[1, 0, 1], [0, 1, 1]], 2)
        >>> code_increments(parity, 2, np.random.default_rng(0)).round(4)
        array([[0.    , 0.6931],
               [0.    , 0.6931]])
    """
    rows = max(1, HELD_NUMBERS // max(1, code.generator.size))
    parts = [_code_batch(code, min(rows, count - start), rng) for start in range(0, count, rows)]
    return np.concatenate(parts) if parts else np.empty((0, code.n - 1))


def _code_batch(code: AffineSubspace, count: int, rng: np.random.Generator) -> Floats:
    n, p, row = code.n, code.p, np.arange(count)
    if not code.dimension:
        return np.zeros((count, n - 1))
    # What the known positions leave open: a column is 0 once they decide its position.
    small = code.generator.astype(np.min_scalar_type(-p * p))  # holds a difference of products
    left = np.tile(small, (count, 1, 1))  # (B, k, n)
    orders = rng.permuted(np.tile(np.arange(n), (count, 1)), axis=1)
    open_before = left.any(axis=1)
    draws = np.empty((count, n - 1))
    for j in range(n - 1):
        column = left[row, :, orders[:, j]]  # (B, k)
        pivot = (column != 0).argmax(axis=1)
        inverse = [pow(int(x), -1, p) if x else 0 for x in column[row, pivot]]
        scaled = left[row, pivot] * np.array(inverse, dtype=small.dtype)[:, None] % p
        left = (left - column[:, :, None] * scaled[:, None]) % p
        open_now = left.any(axis=1)
        decided = (open_before & ~open_now).sum(axis=1) - column.any(axis=1)
        draws[:, j] = decided * np.log(p) / (n - 1 - j)
        open_before = open_now
    return draws
