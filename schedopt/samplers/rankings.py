"""Which masked positions come first: those an order names, or those a score is surest of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from schedopt.samplers.active import ActiveBlocks, Bools, Floats, Integers
from schedopt.samplers.randomness import row_generator
from schedopt.schedule import Order

# Active blocks to how early each position comes, shape (R, B): larger is earlier, -inf at known
# ones.
Ranking = Callable[[ActiveBlocks], Floats]


def places(order: Order, length: int, rows: Sequence[int], blocks: int, seed: int) -> Integers:
    """Place of each position in an order that is known in advance.

    Args:
        order: ``random``, drawn anew for each row and block, or a fixed one.
        length: Positions of one block.
        rows: Index of each row in the whole run, by which random orders are seeded.
        blocks: Blocks of each row.
        seed: Of random orders.

    Returns:
        Shape (rows, blocks, length), 0 for the first position.

    Raises:
        UsageError: The order depends on values, or is of another length.

    Example:
        >>> places(Order("dilated"), 4, [0], 1, seed=0)
        array([[[0, 2, 1, 3]]])
    """
    shape = len(rows), blocks, length
    if order.name != "random":
        return np.broadcast_to(np.argsort(order.permutation_for(length)), shape)
    found = np.empty(shape, dtype=np.int64)
    for row, own in zip(rows, found, strict=True):
        for block in range(blocks):
            rng = row_generator(seed, row, block)
            own[block, list(order.permutation_for(length, rng=rng))] = np.arange(length)
    return found


def ranking(order: Order, length: int, rows: Sequence[int], blocks: int, seed: int) -> Ranking:
    """How early positions come, by the order's places or by the scores that name it.

    Args:
        order: Any; a planner's is the score of that name.
        length: Positions of one block.
        rows: As for ``places``.
        blocks: As for ``places``.
        seed: As for ``places``.

    Raises:
        UsageError: An explicit order of another length.
    """
    if order.is_planner:
        return lambda active: active.scores(order.name)
    place = places(order, length, rows, blocks, seed)

    def rank(active: ActiveBlocks) -> Floats:
        own = place[active.rows, active.blocks]
        return np.where(active.masked, -own.astype(np.float64), -np.inf)

    return rank


def surest(scores: Floats, counts: Integers) -> Bools:
    """The ``counts[r]`` positions of row r with the largest scores; ties go to the left.

    Args:
        scores: Shape (R, B), -inf where a position cannot be had.
        counts: Shape (R,), at most the number of positions that can be had.

    Returns:
        Shape (R, B).

    Example:
        >>> surest(np.array([[0.2, 0.5, 0.5]]), np.array([2]))
        array([[False,  True,  True]])
    """
    return first(by_score(scores), counts)


def by_score(scores: Floats) -> Integers:
    """Positions of each row, the largest score first; ties go to the left, shape (R, B)."""
    return np.argsort(-scores, axis=1, kind="stable")


def first(positions: Integers, counts: Integers) -> Bools:
    """Mask of the first ``counts[r]`` of the positions of row r, shape (R, B)."""
    chosen = np.zeros(positions.shape, dtype=np.bool_)
    inside = np.arange(positions.shape[1]) < counts[:, None]
    np.put_along_axis(chosen, positions, inside, axis=1)
    return chosen


def filled(ready: Bools, scores: Floats, counts: Integers) -> Bools:
    """So many positions of each row: those that are ready, and then the next of the ranking.

    Args:
        ready: Shape (R, B).
        scores: Shape (R, B), larger is earlier.
        counts: Shape (R,).

    Returns:
        Shape (R, B).

    Example:
        >>> ready, scores = np.array([[False, True, False]]), np.array([[0.2, 0.1, 0.3]])
        >>> filled(ready, scores, np.array([2]))
        array([[False,  True,  True]])
    """
    return first(np.lexsort((-scores, ~ready), axis=1), counts)
