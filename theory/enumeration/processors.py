"""The enumeration on all cores: equal shares of the work, added in a fixed order."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from theory.enumeration.margins import kept_positions, positions_within, slabs, with_margins
from theory.tables import Floats

COLUMNS = 1024  # subsets of the last positions that are held side by side
SHARES = 32  # at most; more than cores, so that a slow one delays little
PARALLEL_FROM = 2**16  # terms; below, starting threads takes longer


def cores() -> int:
    """How many threads to use: ``OMP_NUM_THREADS`` where it is set, else the cores we may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def sums_by_size(table: Floats, add_p_log_p: Callable[[Floats, int, Floats], None]) -> Floats:
    """Sum of p log p over all subsets of k positions and their outcomes, shape (n + 1,).

    Args:
        table: Joint table, shape (q,) * n.
        add_p_log_p: ``portable.add_p_log_p`` or its compiled equal.
    """
    n, q = table.ndim, table.shape[0]
    last = max(1, positions_within(COLUMNS, q, n))
    parallel = (q + 1) ** n >= PARALLEL_FROM
    shared = positions_within(SHARES, q, n - last) if parallel else 0

    def sums_of(share: tuple[Floats, int]) -> Floats:
        slab, _ = share
        columns = with_margins(slab, q, last, np.concatenate)
        sums = np.zeros((n - last - shared + 1, columns.shape[1]))
        add_p_log_p(columns, q, sums)
        return sums

    shares = list(slabs(table.reshape(-1), q, shared))
    with ThreadPoolExecutor(cores()) as pool:  # starts a thread only for what is submitted
        found = list(pool.map(sums_of, shares) if len(shares) > 1 else map(sums_of, shares))
    totals = np.zeros((n - last + 1, (q + 1) ** last))
    for (_, kept), sums in zip(shares, found, strict=True):
        totals[kept : kept + len(sums)] += sums
    return by_size(totals, q, last)


def by_size(totals: Floats, q: int, last: int) -> Floats:
    """Put together what the rows (number kept) and the columns (last positions) say of the size.

    Args:
        totals: Shape (m + 1, (q+1)^last).
        q: Alphabet size.
        last: How many positions the columns stand for.

    Returns:
        Shape (m + last + 1,).
    """
    sums = np.zeros(len(totals) + last)
    columns = kept_positions(q, last)
    for kept, row in enumerate(totals):
        sums[kept : kept + last + 1] += np.bincount(columns, weights=row, minlength=last + 1)
    return sums
