"""How the subsets of positions share their margins, for numpy arrays and torch tensors alike.

A law over n positions is a flat block of q^n values, the last position fastest. Deciding a
position means to keep it or to sum it out; subsets that agree on the decided positions share the
sums. So (q+1)^n values are formed in all, never more than a part of them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from operator import add
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Block: TypeAlias = Any  # a numpy array or a torch tensor

FEW_SYMBOLS = 16


def positions_within(limit: int, q: int, at_most: int) -> int:
    """The largest m <= ``at_most`` with (q+1)^m <= ``limit``.

    Example:
        >>> positions_within(1024, 2, 16)
        6
    """
    return max((m for m in range(1, at_most + 1) if (q + 1) ** m <= limit), default=0)


def with_margins(
    block: Block, q: int, axes: int, join: Callable[[list[Block], int], Block]
) -> Block:
    """Extend the last positions by all their margins.

    Args:
        block: Shape (rows * q^axes,).
        q: Alphabet size.
        axes: How many of the last positions.
        join: ``numpy.concatenate`` or ``torch.cat``.

    Returns:
        Shape (rows, (q+1)^axes); the digits of a column in base q+1 are the symbols, or q where
        the position is summed out.

    Example:
        >>> with_margins(np.array([1, 2, 4, 8]), 2, 1, np.concatenate)
        array([[ 1,  2,  3],
               [ 4,  8, 12]])
    """
    by_row = block.reshape(-1, q**axes)
    rows = len(by_row)
    block, run = by_row.T, rows  # rows side by side: what is added is never scattered
    for _ in range(axes):
        by_symbol = block.reshape(-1, q, run)
        block = join([by_symbol, summed_out(by_symbol)[:, None]], 1)
        run *= q + 1
    return block.reshape(-1, rows).T.reshape(rows, -1)


def kept_positions(q: int, axes: int) -> NDArray[np.intp]:
    """How many positions each column of ``with_margins`` keeps, shape ((q+1)^axes,).

    Example:
        >>> kept_positions(2, 2)
        array([2, 2, 1, 2, 2, 1, 1, 1, 0])
    """
    kept, keeps = np.zeros(1, dtype=np.intp), np.append(np.ones(q, dtype=np.intp), 0)
    for _ in range(axes):
        kept = (kept[:, None] + keeps).ravel()
    return kept


def slabs(block: Block, q: int, positions: int, kept: int = 0) -> Iterator[tuple[Block, int]]:
    """Each choice of a symbol or the sum for the first positions: equal shares of the work.

    Yields:
        The (q+1)^positions slabs, flat, and how many positions each keeps.
    """
    if positions == 0:
        yield block, kept
        return
    by_symbol = block.reshape(q, -1)
    for symbol in range(q):
        yield from slabs(by_symbol[symbol], q, positions - 1, kept + 1)
    yield from slabs(by_symbol.sum(0), q, positions - 1, kept)


def decisions(block: Block, q: int, positions: int, run: int) -> Iterator[tuple[Block, int]]:
    """Each way to keep or sum out the first positions, for all symbols at once.

    Yields:
        The 2^positions blocks, shape (q^kept, run), and how many positions each keeps.
    """
    pending = [(block, positions, 0)]
    while pending:
        block, undecided, kept = pending.pop()
        if undecided == 0:
            yield block.reshape(-1, run), kept
            continue
        by_symbol = block.reshape(q**kept, q, -1)
        summed = summed_out(by_symbol)
        pending += [(summed, undecided - 1, kept), (by_symbol, undecided - 1, kept + 1)]


def summed_out(by_symbol: Block) -> Block:
    """The sum over axis 1; a few additions of long runs are faster than a sum."""
    q = by_symbol.shape[1]
    if q > FEW_SYMBOLS:
        return by_symbol.sum(1)
    return reduce(add, (by_symbol[:, symbol] for symbol in range(q)))
