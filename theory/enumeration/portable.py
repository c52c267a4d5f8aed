"""Sums of p log p in numpy, which leaves the interpreter's lock while it computes."""

from __future__ import annotations

import numpy as np

from theory.enumeration.margins import decisions, summed_out
from theory.tables import Floats

CACHED_TERMS = 2**15  # p and log p of a slab stay in the second-level cache
SMALLEST = float(np.finfo(np.float64).tiny)


def p_log_p(block: Floats) -> Floats:
    """Column sums of p log p, shape (columns,); 0 log 0 = 0."""
    rows = max(1, CACHED_TERMS // block.shape[1])
    buffer = np.empty((min(rows, len(block)), block.shape[1]))
    total = np.zeros(block.shape[1])
    for start in range(0, len(block), rows):
        p = block[start : start + rows]
        log_p = np.maximum(p, SMALLEST, out=buffer[: len(p)])  # 0 log tiny = 0
        total += np.einsum("rc,rc->c", p, np.log(log_p, out=log_p))
    return total


def entropies_without(law: Floats, q: int, positions: int) -> Floats:
    """Entropy of the law with one of its first positions summed out, shape (positions,), nats.

    Args:
        law: Shape (q^n,).
        q: Alphabet size.
        positions: How many.
    """
    entropies = np.zeros(positions)
    buffer = np.empty(min(CACHED_TERMS, law.size))
    for position in range(positions):
        margin = summed_out(law.reshape(q**position, q, -1)).reshape(-1)
        for start in range(0, len(margin), CACHED_TERMS):
            p = margin[start : start + CACHED_TERMS]
            log_p = np.maximum(p, SMALLEST, out=buffer[: len(p)])
            # not p @ log_p: BLAS would start threads, and wait for them where cores are busy
            entropies[position] -= np.einsum("i,i->", p, np.log(log_p, out=log_p))
    return 0.0 + entropies  # no -0.0


def add_p_log_p(columns: Floats, q: int, sums: Floats) -> None:
    """Add p log p of all margins over the positions of the rows.

    Args:
        columns: Shape (q^m, width), a law over m positions side by side with other columns.
        q: Alphabet size.
        sums: Shape (m + 1, width), by number of positions kept; changed in place.
    """
    rows, width = sums.shape
    for block, kept in decisions(columns, q, rows - 1, width):
        sums[kept] += p_log_p(block)
