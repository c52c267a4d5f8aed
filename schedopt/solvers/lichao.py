r"""Shortest paths on a curve that rises and falls, by a Li Chao tree of lines.

The step from a to b costs a line in b whatever C does. A node of the tree stands for an interval
of positions and keeps the line that is lowest at its middle; the other one goes on to the half
where it may still win. Each position then finds the lowest of all lines on its way down: O(log n)
for each line and each position.

References:
    theory, section 4.3.
"""

from __future__ import annotations

from typing import Any

from theory.compiled import compiled


def tree_size(positions: int) -> int:
    """Nodes of a tree over the boundaries 0..positions, the unused node 0 included."""
    return int(2 << positions.bit_length())


@compiled
def lowest_lines(
    values: Any, before: Any, after: Any, parents: Any, tree: Any, price: float, first: int
) -> None:
    """Set after[b] = min over first <= a < b of before[a] + (b - a) C(a) + price, b > first.

    ``before`` may be ``after``: the cost of a is settled before an edge leaves a.

    Args:
        values: Shape (n,), C; its last value is taken off all of them.
        before: Shape (n + 1,).
        after: Room (n + 1,).
        parents: Room (n + 1,): the minimising a.
        tree: Room of ``tree_size``, filled with -1.
        price: On an edge.
        first: The least a.
    """
    n = len(values)
    base = values[n - 1]
    width = len(tree) // 2
    for b in range(first + 1, n + 1):
        line = b - 1
        slope = values[line] - base
        cost = before[line]
        node, left, right = 1, 0, width
        while True:
            rival = tree[node]
            if rival < 0:
                tree[node] = line
                break
            middle = (left + right) // 2
            rival_slope = values[rival] - base
            rival_cost = before[rival]
            if cost + slope * (middle - line) < rival_cost + rival_slope * (middle - rival):
                tree[node] = line
                line, rival = rival, line
                slope, rival_slope = rival_slope, slope
                cost, rival_cost = rival_cost, cost
            # Now ``line`` lost at the middle: it can win only on the side that it falls to.
            if right - left == 1 or slope == rival_slope:
                break
            if slope > rival_slope:
                if middle <= b:
                    break  # positions that were asked before
                node, right = 2 * node, middle
            else:
                node, left = 2 * node + 1, middle
        node, left, right = 1, 0, width
        best, owner = 0.0, -1
        while True:
            line = tree[node]
            if line < 0:
                break
            cost = before[line] + (values[line] - base) * (b - line)
            if owner < 0 or cost < best:
                best, owner = cost, line
            if right - left == 1:
                break
            middle = (left + right) // 2
            if b < middle:
                node, right = 2 * node, middle
            else:
                node, left = 2 * node + 1, middle
        after[b] = best + price
        parents[b] = owner
