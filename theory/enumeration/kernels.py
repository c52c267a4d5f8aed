"""Sums of p log p in one compiled pass: margins and logarithms in cache, nothing stored."""

from __future__ import annotations

import numpy as np

from theory.compiled import compiled
from theory.enumeration import logarithm
from theory.enumeration.margins import slabs
from theory.tables import Floats

CACHED_VALUES = 2**17  # of a slab: with its margins it stays in the second-level cache
CACHED_RUN = 1024

LOG_2, LOG_SCALE, A = logarithm.LOG_2, logarithm.LOG_SCALE, logarithm.SERIES
SPLIT, SCALE = logarithm.SPLIT, logarithm.SCALE
MANTISSA_BITS, MANTISSA, ONE = logarithm.MANTISSA_BITS, logarithm.MANTISSA, logarithm.ONE
SHIFTED, SHIFTED_BIAS = logarithm.SHIFTED, logarithm.SHIFTED_BIAS


@compiled(fastmath={"contract"}, error_model="numpy", inline="always")  # fused multiply-add
def p_log_p(p: float) -> float:
    """p log p of one number, 0 for 0; see ``logarithm``."""
    bits = np.float64(p).view(np.int64)
    shifted = np.int64((bits >> MANTISSA_BITS) | SHIFTED)
    exponent = shifted.view(np.float64) - SHIFTED_BIAS
    mantissa = np.int64((bits & MANTISSA) | ONE).view(np.float64)
    over = mantissa >= SPLIT
    t = mantissa * (SCALE if over else 1.0) - 1.0
    log_p = exponent * LOG_2 - (LOG_SCALE if over else 0.0)
    series = (A[12] * t + A[11]) * t + A[10]
    series = (series * t + A[9]) * t + A[8]
    series = (series * t + A[7]) * t + A[6]
    series = (series * t + A[5]) * t + A[4]
    series = (series * t + A[3]) * t + A[2]
    series = (series * t + A[1]) * t + A[0]
    return float(p * (log_p + t * series))


@compiled(fastmath={"contract"}, error_model="numpy")
def entropies_without(law: Floats, q: int, positions: int) -> Floats:
    """The compiled equal of ``portable.entropies_without``; nothing is stored."""
    entropies = np.zeros(positions)
    sums, margins = np.empty(CACHED_RUN), np.empty(CACHED_RUN)
    for position in range(positions):
        rows = q**position
        run = law.size // (rows * q)
        sums[:] = 0.0
        for row in range(rows):
            for first in range(row * q * run, (row * q + 1) * run, CACHED_RUN):
                width = min(CACHED_RUN, (row * q + 1) * run - first)
                margin = law[first : first + width]
                for symbol in range(1, q - 1):
                    values = law[first + symbol * run : first + symbol * run + width]
                    for i in range(width):
                        margins[i] = margin[i] + values[i]
                    margin = margins[:width]
                if q == 1:
                    for i in range(width):
                        sums[i] += p_log_p(margin[i])
                else:  # the last symbol, in the same pass as the logarithm
                    values = law[first + (q - 1) * run : first + (q - 1) * run + width]
                    for i in range(width):
                        sums[i] += p_log_p(margin[i] + values[i])
        entropies[position] = 0.0 - sums.sum()
    return entropies


@compiled(fastmath={"contract"}, error_model="numpy")
def add_slab(slab: Floats, arena: Floats, q: int, positions: int, sums: Floats) -> None:
    """Add p log p of all margins over the positions of one slab's rows.

    Args:
        slab: Shape (q^positions * width,).
        arena: Working memory, ``slab.size * (positions + 1)`` values.
        q: Alphabet size.
        positions: How many positions the rows stand for.
        sums: Shape (positions + 1, width), by number of positions kept; changed in place.
    """
    width = sums.shape[1]
    arena[: slab.size] = slab
    margins = np.empty((2, width))
    # A block has shape (rows, q^undecided, width); what lies behind the last one is free.
    pending = [(0, 1, positions, 0)]
    while len(pending) > 0:
        start, rows, undecided, kept = pending.pop()
        end = start + rows * q**undecided * width
        if undecided > 1:
            run = q ** (undecided - 1) * width
            for row in range(rows):
                summed = arena[end + row * run : end + (row + 1) * run]
                summed[:] = arena[start + row * q * run : start + (row * q + 1) * run]
                for symbol in range(1, q):
                    part = start + (row * q + symbol) * run
                    values = arena[part : part + run]
                    for i in range(run):
                        summed[i] += values[i]
            pending.append((start, rows * q, undecided - 1, kept + 1))
            pending.append((end, rows, undecided - 1, kept))
            continue
        # The last position: its margin gathers while the logarithms of its symbols are taken,
        # and comes last itself (then the second row of margins takes what is of no use).
        symbols = q**undecided
        for row in range(rows):
            margins[0] = 0.0
            for symbol in range(symbols + undecided):
                if symbol < symbols:
                    part = start + (row * symbols + symbol) * width
                    values, margin = arena[part : part + width], margins[0]
                    total = sums[kept + undecided]
                else:
                    values, margin, total = margins[0], margins[1], sums[kept]
                for i in range(width):
                    p = values[i]
                    margin[i] += p
                    total[i] += p_log_p(p)


def add_p_log_p(columns: Floats, q: int, sums: Floats) -> None:
    """The compiled equal of ``portable.add_p_log_p``."""
    positions, width = len(sums) - 1, sums.shape[1]
    cached = max((m for m in range(1, positions + 1) if q**m * width <= CACHED_VALUES), default=0)
    arena = np.empty(q**cached * width * (cached + 1))
    for slab, kept in slabs(columns.reshape(-1), q, positions - cached):
        add_slab(slab, arena, q, cached, sums[kept : kept + cached + 1])
