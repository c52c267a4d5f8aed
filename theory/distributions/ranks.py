"""Linear algebra over GF(p), and the ranks of all subsets of the columns of a matrix."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Integers = NDArray[np.int64]
Rows = tuple[tuple[int, ...], ...]

LARGEST_FIELD = 2**31  # trial division up to the root
MATRIX_LIMIT = 2**20  # entries: seconds to eliminate
ORDER_LIMIT = 2**26  # k n^2: seconds to put the columns in order
SYMBOL_LIMIT = 2**23  # of all codes in hand at once: seconds a column


def is_prime(number: int) -> bool:
    """Whether the integers modulo ``number`` are a field.

    Example:
        >>> [p for p in range(12) if is_prime(p)]
        [2, 3, 5, 7, 11]
    """
    return number > 1 and all(number % d for d in range(2, int(number**0.5) + 1))


def check_matrix_size(name: str, rows: int, columns: int) -> None:
    """Refuse a matrix that would take minutes to eliminate, before memory is taken for it.

    Raises:
        ValueError: It has more than 2^20 entries.
    """
    if rows * columns > MATRIX_LIMIT:
        raise ValueError(
            f"{name}: need at most {MATRIX_LIMIT} entries, got shape ({rows}, {columns}): "
            "use fewer positions"
        )


def as_matrix(name: str, values: ArrayLike, p: int) -> Integers:
    """Check a matrix over GF(p) and return it reduced modulo p."""
    if not 2 <= p <= LARGEST_FIELD or not is_prime(p):
        raise ValueError(f"{name}: need a prime p <= {LARGEST_FIELD}, got p={p}")
    matrix = np.asarray(values)
    if matrix.ndim != 2 or matrix.shape[1] == 0 or matrix.dtype.kind not in "iu":
        raise ValueError(
            f"{name}: need a matrix of integers with a column for each position, "
            f"got shape {matrix.shape} of {matrix.dtype}"
        )
    check_matrix_size(name, *matrix.shape)
    return np.asarray(matrix % p, dtype=np.int64)


def _pivot(rows: Integers, row: int, column: int, p: int) -> None:
    """Scale this row to 1 in this column, and clear the column elsewhere, in place."""
    rows[row] = rows[row] * pow(int(rows[row, column]), -1, p) % p
    factors = rows[:, column].copy()
    factors[row] = 0
    rows -= np.outer(factors, rows[row])
    rows %= p


def eliminate(matrix: Integers, p: int, columns: Iterable[int]) -> tuple[Integers, list[int]]:
    """Row-reduce a matrix over GF(p), with pivots in these columns only.

    Returns:
        The matrix with pivot rows first, and the column of each pivot. Below the pivot rows these
        columns are 0, so that what is left there is what the columns do not determine.

    Example:
        >>> eliminate(np.array([[1, 1, 0], [1, 0, 1]]), 2, [0, 1])
        (array([[1, 0, 1],
               [0, 1, 1]]), [0, 1])
    """
    rows, pivots = matrix % p, list[int]()
    for column in columns:
        top = len(pivots)
        candidates = np.flatnonzero(rows[top:, column])
        if candidates.size:
            rows[[top, top + candidates[0]]] = rows[[top + candidates[0], top]]
            _pivot(rows, top, column, p)
            pivots.append(column)
    return rows, pivots


def null_space(checks: ArrayLike, p: int) -> Integers:
    """Generators of the words that satisfy every check, shape (n - rank, n).

    Args:
        checks: One check a row, shape (m, n): its sum of symbols is 0 modulo p.
        p: A prime.

    Raises:
        ValueError: p is not prime, or the checks are no matrix of integers or too large.

    Example:
        >>> null_space([[1, 1, 1]], 2)
        array([[1, 1, 0],
               [1, 0, 1]])
    """
    matrix = as_matrix("checks", checks, p)
    check_matrix_size("words that satisfy the checks", matrix.shape[1], matrix.shape[1])
    rows, pivots = eliminate(matrix, p, range(matrix.shape[1]))
    free = np.setdiff1d(np.arange(matrix.shape[1]), pivots)
    words = np.zeros((len(free), matrix.shape[1]), dtype=np.int64)
    words[np.arange(len(free)), free] = 1
    words[:, pivots] = -rows[: len(pivots), free].T % p
    return words


def narrow_order(generator: Integers, p: int) -> list[int]:
    """An order of the columns in which little connects those before to those after, greedily.

    With A the columns so far and B the others, the connection is
    rank(A) + rank(B) - rank(A + B). The next column is one that adds least to it, and of these
    one that is nearest to being the last of a word of the dual code on B.

    Returns:
        Each column once; O(n^2 k) for shape (k, n).

    Example:
        >>> pairs = np.array([[1, 0, 1, 0], [0, 1, 0, 1]])
        >>> narrow_order(pairs, 2)
        [0, 2, 1, 3]
    """
    open_rows = generator  # of A nothing is left in it
    rows, pivots = eliminate(generator, p, range(generator.shape[1]))
    rows = rows[: len(pivots)]  # generate the code on B, one pivot in each
    rest, order = list(range(generator.shape[1])), list[int]()
    while rest:
        support = rows[:, rest] != 0
        sizes = np.where(support, support.sum(axis=1, keepdims=True), len(rest) + 1)
        nearest = sizes.min(axis=0, initial=len(rest) + 1)
        added = open_rows[:, rest].any(axis=0).astype(int) - (nearest == 1)
        column = rest.pop(int(np.lexsort((nearest, added))[0]))
        order.append(column)
        contracted, found = eliminate(open_rows, p, [column])
        open_rows = contracted[len(found) :]
        if column in pivots:
            row = pivots.index(column)
            other = next((c for c in rest if rows[row, c]), None)
            if other is None:
                rows, pivots = np.delete(rows, row, axis=0), pivots[:row] + pivots[row + 1 :]
            else:
                _pivot(rows, row, other, p)
                pivots[row] = other
    return order


def _delete_first(rows: Rows, p: int) -> Rows:
    """Reduced echelon form without the first column, in which the first row has its pivot."""
    first, rest = rows[0][1:], [row[1:] for row in rows[1:]]
    pivot = next((i for i, entry in enumerate(first) if entry), None)
    if pivot is None:
        return tuple(rest)
    inverse = pow(first[pivot], -1, p)
    first = tuple(entry * inverse % p for entry in first)
    cleared = [
        tuple((x - row[pivot] * y) % p for x, y in zip(row, first, strict=True))
        if row[pivot]
        else row
        for row in rest
    ]
    return tuple(sorted([*cleared, first], reverse=True))  # by pivot


def rank_sums(generator: Integers, p: int) -> list[int]:
    """Sum of the ranks of all k-subsets of the columns, for k = 0..n, exactly.

    Columns are decided one after the other, taken into the subset or deleted. What the columns
    so far leave open of the others is a code on these, and all subsets that leave the same code
    go on together. Few do not for n up to 20, nor for any n where an order of the columns
    exists in which little connects those before to those after.

    Args:
        generator: Shape (k, n).
        p: A prime.

    Raises:
        ValueError: The matrix is too large, or more codes at once than memory and time allow.

    Example:
        >>> rank_sums(np.array([[1, 0, 1], [0, 1, 1]]), 2)
        [0, 3, 6, 2]
    """
    n = generator.shape[1]
    if generator.size * n > ORDER_LIMIT:
        raise ValueError(
            f"the curve of a code takes k n^2 <= {ORDER_LIMIT}, got shape {generator.shape}: "
            "use fewer positions"
        )
    rows, pivots = eliminate(generator[:, narrow_order(generator, p)], p, range(n))
    # Numbers by size of the subset, as the digits of one integer: n 2^n fits in 2 n bits.
    digit = 2 * n
    codes: dict[Rows, tuple[int, int]] = {tuple(map(tuple, rows[: len(pivots)].tolist())): (1, 0)}
    for decided_columns in range(n):
        if len(codes) * len(next(iter(codes))) * (n - decided_columns) > SYMBOL_LIMIT:
            raise ValueError(
                f"the curve of this code of {n} positions needs more than {len(codes)} smaller "
                "codes at once: use at most 20 positions, or checks of fewer positions"
            )
        decided: dict[Rows, tuple[int, int]] = {}
        for code, (counts, ranks) in codes.items():
            new = bool(code) and code[0][0] != 0  # not determined by what was taken
            taken = tuple(row[1:] for row in code[new:])
            left = _delete_first(code, p) if new else taken
            for key, more_counts, more_ranks in (
                (left, counts, ranks),
                (taken, counts << digit, (ranks + new * counts) << digit),
            ):
                old_counts, old_ranks = decided.get(key, (0, 0))
                decided[key] = old_counts + more_counts, old_ranks + more_ranks
        codes = decided
    total = sum(ranks for _, ranks in codes.values())
    return [total >> (digit * k) & ((1 << digit) - 1) for k in range(n + 1)]
