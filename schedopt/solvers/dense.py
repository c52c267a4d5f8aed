r"""Shortest paths on an order surface, from the matrix of all its step costs.

The best last step into b depends on f(a, j) for every j of the step, so there is no envelope of
lines; but the n^2 costs fit in memory wherever a surface does, and one layer is one vectorised
minimum.

References:
    theory, section 5.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import repeat

import numpy as np

from schedopt.curve import OrderSurface
from schedopt.solvers.paths import Floats, Parents, Path, rounding_of, trace


class SurfaceCosts:
    """Edge costs W(a, b) = sum over j in [a, b) of f(a, j) - f(j, j) of one order."""

    def __init__(self, surface: OrderSurface) -> None:
        n = self.length = surface.length
        values = surface.conditional_entropy
        self._excess: Floats = np.triu(values - np.diagonal(values))
        self.order = surface.order
        self.sequential = surface.sequential
        self.pairs: Floats = np.diagonal(self._excess, offset=1)
        self.rounding = rounding_of(n, float(np.abs(self._excess).max()))
        # Row b holds W(., b), so that the minimum over a reads memory in order.
        self._into: Floats = np.full((n + 1, n + 1), np.inf)
        self._into[1:, :n] = np.where(
            np.tri(n, dtype=bool), np.cumsum(self._excess, axis=1).T, np.inf
        )

    def path(self, boundaries: Sequence[int]) -> Path:
        """The path with these boundaries; on a monotone surface every term is >= 0."""
        known = np.repeat(boundaries[:-1], np.diff(boundaries))
        loss = math.fsum(self._excess[known, np.arange(self.length)].tolist())
        return Path(tuple(boundaries), loss)

    def cheapest(self, price: float) -> Path:
        """A path least in loss + price * edges, O(n^2)."""
        costs = np.zeros(self.length + 1)
        parent = [0] * (self.length + 1)
        for b in range(1, self.length + 1):
            through = costs[:b] + self._into[b, :b]
            parent[b] = int(through.argmin())
            costs[b] = through[parent[b]] + price
        return self.path(trace(repeat(parent), self.length))

    def layers(self) -> Iterator[Parents]:
        """Last edges of the best t-edge paths, a vectorised O(n^2) each."""
        costs = self._into[:, 0]
        yield np.zeros(self.length + 1, dtype=np.int32)
        for _ in range(2, self.length + 1):
            through = self._into + costs
            parent = through.argmin(axis=1)
            costs = through[np.arange(self.length + 1), parent]
            yield parent.astype(np.int32)
