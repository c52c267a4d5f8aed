r"""Shortest paths on an order surface, from the matrix of all its step costs.

The best last step into b depends on f(a, j) for every j of the step, so there is no envelope of
lines; but the n^2 costs fit in memory wherever a surface does, and one pass over them, row by row,
finds the cheapest path. A layer of the exhaustive search is such a pass too, unless the surface
is monotone: then ``monge`` finds it in O(n log n).

References:
    theory, section 5.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from schedopt.curve import OrderSurface
from schedopt.solvers.monge import extend_monge
from schedopt.solvers.paths import Floats, Loops, Path, rounding_of

ROWS: Final = 64  # of a surface of some 1000 positions fit the cache


class SurfaceCosts:
    """Edge costs W(a, b) = sum over j in [a, b) of f(a, j) - f(j, j) of one order."""

    def __init__(self, surface: OrderSurface) -> None:
        n = self.length = surface.length
        values = surface.conditional_entropy
        excess = np.triu(values - np.diagonal(values))
        self.order = surface.order
        self.sequential = surface.sequential
        self.falls = surface.is_monotone
        self.rounding = rounding_of(n, float(np.abs(excess).max()))
        self.comparisons = n * n // 2
        self._costs: Floats = np.zeros((n, n + 1))
        np.cumsum(excess, axis=1, out=self._costs[:, 1:])
        self._costs[np.tri(n, n + 1, dtype=bool)] = np.inf  # no edge leads back

    def path(self, boundaries: ArrayLike) -> Path:
        """The path with these boundaries; on a monotone surface every term is >= 0."""
        nodes = np.asarray(boundaries, dtype=np.int64)
        return Path(nodes, float(self._costs[nodes[:-1], nodes[1:]].sum()))

    def price_of(self, steps: int) -> float:
        """The square-root rule OPT_k ~ (sum sqrt W(a, a + 2))^2 / 2k (theory 8.1)."""
        roots = np.sqrt(np.maximum(np.diagonal(self._costs, offset=2), 0.0))
        return float(roots.sum() / steps) ** 2 / 2.0

    def cheapest(self, price: float) -> Path:
        """A path least in loss + price * edges, O(n^2)."""
        costs = np.full(self.length + 1, np.inf)
        costs[0] = 0.0
        # Read and write the same array: the path to a is settled before an edge leaves a.
        for a in range(self.length):
            through = self._costs[a, a + 1 :] + (costs[a] + price)
            np.minimum(costs[a + 1 :], through, out=costs[a + 1 :])
        boundaries = [self.length]
        while boundaries[-1] > 0:
            boundaries.append(self.last_edge(costs, boundaries[-1]))
        return self.path(boundaries[::-1])

    def extend(self, before: Floats, edges: int) -> Floats:
        """Least costs of paths of so many edges, O(n log n) on a monotone surface, else O(n^2)."""
        if not self.falls:
            return extend_dense(before, self._costs, edges - 1)
        loops = Loops.over(self.length)
        after = loops.read(np.full(self.length + 1, np.inf))
        starts = loops.room(self.length + 1, np.int32)
        loops.run(extend_monge, loops.read(before), self._costs, after, starts, edges - 1)
        return np.asarray(after)

    def last_edge(self, before: Floats, end: int) -> int:
        """Where the last edge of the best path to ``end`` starts, O(n)."""
        return int(np.argmin(before[:end] + self._costs[:end, end]))

    def loss_at_end(self, costs: Floats) -> float:
        """Loss of the path to the last position, nats."""
        return float(costs[-1])


def extend_dense(before: Floats, costs: Floats, first: int) -> Floats:
    """The least before[a] + costs[a, b] with first <= a < b for every b; infinite where none is."""
    n = len(costs)
    after = np.full(n + 1, np.inf)
    for start in range(first, n, ROWS):
        rows = slice(start, min(start + ROWS, n))
        through = costs[rows, start + 1 :] + before[rows, None]
        np.minimum(after[start + 1 :], through.min(axis=0), out=after[start + 1 :])
    return after
