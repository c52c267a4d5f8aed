"""Joint tables of small laws: validation, marginals, conditional marginals, samples.

A table has shape (q,) * n and holds the probability of every outcome; axis i is position i.
Functions other than ``as_table`` take a table that ``as_table`` has passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

ENTRY_LIMIT = 2**24  # 128 MiB of float64
SUM_TOLERANCE = 1e-9


def check_size(n: int, q: int) -> None:
    """Refuse a table of more than ``ENTRY_LIMIT`` entries before memory is taken for it.

    Raises:
        ValueError: q^n is over the limit, or n or q is below 1.
    """
    if n < 1 or q < 1:
        raise ValueError(f"need n >= 1 positions and q >= 1 symbols, got n={n}, q={q}")
    if n * np.log2(q) > np.log2(ENTRY_LIMIT) + 1e-9:
        raise ValueError(
            f"the joint table has q^n = {q}^{n} entries, over the limit of {ENTRY_LIMIT}: "
            "use fewer positions or symbols"
        )


def as_table(values: ArrayLike) -> Floats:
    """Check a joint table and return it in float64, divided by its exact sum.

    Args:
        values: Probabilities, shape (q,) * n, that sum to one within 1e-9.

    Returns:
        A new array of the same shape.

    Raises:
        ValueError: The entries are not numbers, the axes are unequal, the table is over the
            size limit, an entry is negative or not finite, or the sum is not one.

    Example:
        >>> as_table([[0.5, 0.0], [0.0, 0.5]]).shape
        (2, 2)
    """
    raw = np.asarray(values)
    if raw.dtype.kind not in "iuf":
        raise ValueError(f"need an array of real numbers, got dtype {raw.dtype}")
    if raw.ndim == 0 or len(set(raw.shape)) != 1:
        raise ValueError(f"need shape (q,) * n with equal axes, got {raw.shape}")
    check_size(raw.ndim, raw.shape[0])
    table: Floats = raw.astype(np.float64)
    bad = np.argwhere(~(np.isfinite(table) & (table >= 0.0)))
    if bad.size:
        where = tuple(int(i) for i in bad[0])
        raise ValueError(f"entry {list(where)}: need a probability, got {float(table[where])}")
    total = float(table.sum())
    if not abs(total - 1.0) <= SUM_TOLERANCE:
        raise ValueError(
            f"the table sums to {total!r}, need 1 within {SUM_TOLERANCE}: "
            "divide it by its sum in float64"
        )
    table /= total
    return table


def entropy(probabilities: Floats) -> float:
    """Entropy of a law given as an array of any shape, in nats, with 0 log 0 = 0.

    Example:
        >>> entropy(np.array([0.0, 1.0]))
        0.0
    """
    positive = probabilities[probabilities > 0.0]
    return 0.0 - float(np.dot(positive, np.log(positive)))


def marginal(table: Floats, positions: Iterable[int]) -> Floats:
    """Law of X_S, shape (q,) * |S|, axes in ascending order of position."""
    kept = set(positions)
    summed = tuple(i for i in range(table.ndim) if i not in kept)
    return np.asarray(table.sum(axis=summed))


def conditional_entropies(table: Floats, given: Iterable[int]) -> Floats:
    """H(X_i | X_S) for every position i, shape (n,), nats; 0 for i in S.

    Example:
        >>> parity = as_table([[0.5, 0.0], [0.0, 0.5]])
        >>> conditional_entropies(parity, []).round(4), conditional_entropies(parity, [0])
        (array([0.6931, 0.6931]), array([0., 0.]))
    """
    known = set(given)
    known_entropy = entropy(marginal(table, known))
    found = [
        0.0 if i in known else entropy(marginal(table, known | {i})) - known_entropy
        for i in range(table.ndim)
    ]
    return np.maximum(found, 0.0)  # a rounding error is no negative entropy


def conditional_marginals(table: Floats, known: Mapping[int, int]) -> Floats:
    """Law of each position given the values of some, the conditional marginal oracle.

    Evidence of probability 0 gets the uniform law: the sampler may reach it after an error, and
    the answer must not depend on how a quotient 0/0 is rounded.

    Args:
        table: Joint table, shape (q,) * n.
        known: Value of each known position.

    Returns:
        Shape (n, q). The row of a known position is the point mass on its value.

    Raises:
        ValueError: A position or a value is out of range.

    References:
        Chen, Cong, Li, COLT 2026: oracle answers off the support are uniform.

    Example:
        >>> parity = as_table([[0.5, 0.0], [0.0, 0.5]])
        >>> conditional_marginals(parity, {0: 1})
        array([[0., 1.],
               [0., 1.]])
    """
    n, q = table.ndim, table.shape[0]
    for position, value in known.items():
        if not (0 <= position < n and 0 <= value < q):
            raise ValueError(
                f"need positions 0..{n - 1} and values 0..{q - 1}, got {position}: {value}"
            )
    # Known axes keep length 1, so the axes of the slice are still the positions.
    index = tuple(slice(known[i], known[i] + 1) if i in known else slice(None) for i in range(n))
    consistent = table[index]
    evidence = float(consistent.sum())
    rows = np.full((n, q), 1.0 / q)
    for i in range(n):
        if i in known:
            rows[i] = np.eye(1, q, known[i])
        elif evidence > 0.0:
            rows[i] = marginal(consistent, [i]) / evidence
    return rows


def draw(table: Floats, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Independent samples of the law, shape (count, n), symbols 0..q-1."""
    outcomes = rng.choice(table.size, size=count, p=table.ravel())
    return np.stack(np.unravel_index(outcomes, table.shape), axis=1).astype(np.int64)
