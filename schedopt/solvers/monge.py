r"""Shortest paths on a monotone surface, by divide and conquer over its Monge costs.

Where f(a, j) never rises with a, :math:`W(a, c) + W(b, d) \le W(a, d) + W(b, c)` for
:math:`a \le b \le c \le d`, and the best start of a last step into b never moves back as b grows.
The positions halfway between those already solved are searched between the starts of their
neighbours: O(n) a level, O(n log n) for all. No lines are there to take: f depends on j.

References:
    theory, sections 4.2 and 5.2.
"""

from __future__ import annotations

from typing import Any

from theory.compiled import compiled


@compiled
def extend_monge(before: Any, costs: Any, after: Any, starts: Any, first: int) -> None:
    """Set after[b] = min over first <= a < b of before[a] + costs[a, b], for b > first.

    Args:
        before: Shape (n + 1,), finite from ``first`` on.
        costs: Shape (n, n + 1), Monge.
        after: Room (n + 1,).
        starts: Room (n + 1,): the minimising a.
        first: The least a.
    """
    ends = len(before) - 1 - first
    stride = 1
    while stride < ends:
        stride *= 2
    while stride > 0:
        # Every second multiple of the stride is solved, with first for multiple 0.
        for i in range(stride, ends + 1, 2 * stride):
            b = first + i
            low = starts[b - stride] if i > stride else first
            high = min(starts[b + stride], b - 1) if i + stride <= ends else b - 1
            best, start = before[low] + costs[low, b], low
            for a in range(low + 1, high + 1):
                cost = before[a] + costs[a, b]
                if cost < best:
                    best, start = cost, a
            after[b] = best
            starts[b] = start
        stride //= 2
