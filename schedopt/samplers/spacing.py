"""Dilated spacing: of the positions a planner chose, those far enough apart."""

from __future__ import annotations

import numpy as np

from schedopt.samplers.active import Bools, Floats, Integers
from schedopt.samplers.rankings import by_score

# No two neighbours are revealed together, however few positions of a block are left.
LEAST_GAP = 2


def gaps(masked: Bools, first_gap: int) -> Integers:
    r"""Least distance between positions revealed together.

    .. math:: g = \max(2, \lfloor m g_0 / B \rfloor)

    with m of the block's B positions still masked.

    Args:
        masked: Shape (R, B).
        first_gap: g_0 >= 1, the gap when all are masked.

    Returns:
        Shape (R,).

    References:
        DUS (arXiv:2506.19037), section 4.4: hybrid post-filter.

    Example:
        >>> gaps(np.array([[True] * 8, [True] * 6 + [False] * 2, [True] + [False] * 7]), 4)
        array([4, 3, 2])
    """
    length = masked.shape[1]
    wide = min(first_gap, length**2)  # wider than a block until the end: all the same
    shrunk: Integers = masked.sum(axis=1) * wide // length
    return np.maximum(shrunk, LEAST_GAP, dtype=np.int64)


def spaced(chosen: Bools, scores: Floats, gap: Integers) -> Bools:
    """Of the chosen positions, in the order of the ranking, those that no kept one is close to.

    Args:
        chosen: Shape (R, B).
        scores: Shape (R, B), larger is earlier.
        gap: Shape (R,), least distance between two kept positions.

    Returns:
        Shape (R, B): the first chosen position of each row, and every other one that is at
        least ``gap`` away from all that are kept before it.

    Example:
        >>> spaced(np.array([[True, True, True]]), np.array([[0.5, 0.9, 0.7]]), np.array([2]))
        array([[False,  True, False]])
    """
    rows, length = np.arange(len(chosen)), chosen.shape[1]
    positions = by_score(np.where(chosen, scores, -np.inf))  # chosen ones come first
    kept = np.zeros_like(chosen)
    free = chosen.copy()
    for position in positions.T[: chosen.sum(axis=1).max(initial=0)]:
        keep = free[rows, position]
        kept[rows, position] |= keep
        close = np.abs(np.arange(length) - position[:, None]) < gap[:, None]
        free &= ~(close & keep[:, None])
    return kept
