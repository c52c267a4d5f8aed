r"""Shortest paths with a choice of models for every step: parallel edges from a to b.

On a curve the edge of model m from a to b costs :math:`(b - a)\, C_m(a)`, a line in b, so that the
best last edge into b is read from the lower envelope of one line for each (a, m) with a < b. The
envelope is kept in a Li Chao tree, which takes lines in any order of their slopes. On a surface
costs are no lines, and all of them are compared.

References:
    theory, section 12.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.schedule import Order
from schedopt.solvers.paths import Boundaries, Floats, rounding_of
from theory.compiled import compiled, numba_is_installed

Ints = NDArray[np.int64]


@compiled
def fill_lines(table: Floats, sources: Ints, prices: Floats, slopes: Floats) -> None:
    """Set table[u, b] = min of table[sources[u, m], a] + prices[a, m] + (b - a) slopes[a, m].

    The minimum is over all m and all a < b; rows are filled in order, each column after the other,
    so that a source may be an earlier row, the same one, or one that is there already.

    Args:
        table: Shape (R, n + 1); column 0 is given, and all of the rows from U on.
        sources: Shape (U, M), the row from which model m comes to row u.
        prices: Shape (n, M), what an edge from a of model m costs besides its line.
        slopes: Shape (n, M), what it costs a position.
    """
    n, models = slopes.shape
    size = 1
    while size < n:
        size *= 2
    # Node 1 stands for the cells 0..size-1, of which cell c is column c + 1; its halves are 2, 3.
    slope_at = np.zeros(2 * size)
    intercept_at = np.empty(2 * size)
    for u in range(len(sources)):
        intercept_at[:] = np.inf
        for a in range(n):
            for m in range(models):
                slope = slopes[a, m]
                intercept = table[sources[u, m], a] + prices[a, m] - slope * a
                if intercept == np.inf:
                    continue
                node, first, width = 1, 0, size
                while True:
                    middle = first + width // 2 + 1  # a column
                    if intercept + slope * middle < intercept_at[node] + slope_at[node] * middle:
                        slope, slope_at[node] = slope_at[node], slope
                        intercept, intercept_at[node] = intercept_at[node], intercept
                    # What lost in the middle may still be lowest on the side that it falls to.
                    width //= 2
                    if width == 0 or slope == slope_at[node] or intercept == np.inf:
                        break
                    node *= 2
                    if slope < slope_at[node // 2]:
                        node += 1
                        first += width
                    elif first + width <= a:
                        break  # columns that were asked for before
            best = np.inf
            node = size + a
            while node > 0:
                best = min(best, intercept_at[node] + slope_at[node] * (a + 1))
                node //= 2
            table[u, a + 1] = best


class ParallelEdges(Protocol):
    """Edge costs of several models, and what every solver of them is made of."""

    @property
    def length(self) -> int:
        """Number of positions n."""

    @property
    def models(self) -> int:
        """Number of models M."""

    @property
    def order(self) -> Order:
        """The order in which the steps reveal positions."""

    @property
    def sequential(self) -> float:
        """Cross-entropy of one position a step by the model of reference, nats."""

    @property
    def rounding(self) -> float:
        """What floating point can add to the loss of the path it takes for the best, nats."""

    def loss(self, boundaries: Sequence[int], models: Sequence[int]) -> float:
        """Excess of these steps over the reference, nats, summed from differences."""

    def into(self, b: int) -> Floats:
        """Costs of all edges that end at b, shape (M, b), up to a constant of b."""

    def fill(self, table: Floats, sources: Ints, prices: Floats) -> None:
        """As ``fill_lines``, with prices of shape (M,) and the costs of ``into``."""


class CurveEdges:
    """Edges of curves: model m reveals [a, b) at (b - a) C_m(a)."""

    def __init__(self, curves: Sequence[InformationCurve], reference: int) -> None:
        self._values = np.stack([curve.conditional_entropy for curve in curves])  # (M, n)
        self._sequential = self._values[reference]
        self.models, self.length = self._values.shape
        self.order: Order = Order("random")
        self.sequential = curves[reference].entropy
        self._centred: Floats = self._values - self._sequential[-1]  # sums keep their digits
        self.rounding = rounding_of(self.length, float(np.ptp(self._values)))

    def loss(self, boundaries: Sequence[int], models: Sequence[int]) -> float:
        """Sum over steps and positions of C_m(a) - C_reference(j)."""
        sizes = np.diff(boundaries)
        costs = self._values[np.repeat(models, sizes), np.repeat(boundaries[:-1], sizes)]
        return math.fsum((costs - self._sequential).tolist())

    def into(self, b: int) -> Floats:
        """Lines at b."""
        costs: Floats = self._centred[:, :b] * np.arange(b, 0, -1)
        return costs

    def fill(self, table: Floats, sources: Ints, prices: Floats) -> None:
        """A Li Chao tree for each row, O(n M log n); without numba its loops would be slower."""
        if numba_is_installed():
            fill_lines(table, sources, np.tile(prices, (self.length, 1)), self._centred.T.copy())
        else:
            fill_dense(self, table, sources, prices)


class SurfaceEdges:
    """Edges of surfaces of one order: model m reveals [a, b) at sum of f_m(a, j)."""

    def __init__(self, surfaces: Sequence[OrderSurface], reference: int) -> None:
        values = np.stack([surface.conditional_entropy for surface in surfaces])  # (M, n, n)
        self._excess: Floats = np.triu(values - np.diagonal(values[reference]))
        self.models, self.length, _ = values.shape
        self.order = surfaces[reference].order
        self.sequential = surfaces[reference].sequential
        self.rounding = rounding_of(self.length, float(np.abs(self._excess).max()))
        self._into = np.cumsum(self._excess, axis=2).transpose(0, 2, 1).copy()  # [m, b - 1, a]

    def loss(self, boundaries: Sequence[int], models: Sequence[int]) -> float:
        """Sum over steps and positions of f_m(a, j) - f_reference(j, j)."""
        sizes = np.diff(boundaries)
        known = np.repeat(boundaries[:-1], sizes)
        costs = self._excess[np.repeat(models, sizes), known, np.arange(self.length)]
        return math.fsum(costs.tolist())

    def into(self, b: int) -> Floats:
        """Row b of the matrices of all step costs."""
        costs: Floats = self._into[:, b - 1, :b]
        return costs

    def fill(self, table: Floats, sources: Ints, prices: Floats) -> None:
        """All edges compared: O(n^2 M) a row."""
        fill_dense(self, table, sources, prices)


def fill_dense(edges: ParallelEdges, table: Floats, sources: Ints, prices: Floats) -> None:
    """As ``fill_lines``, for any costs: all edges compared, for all rows at once."""
    for b in range(1, edges.length + 1):
        through = [
            (table[source, :b] + costs).min(axis=1)
            for source, costs in zip(sources.T, edges.into(b) + prices[:, None], strict=True)
        ]
        table[: len(sources), b] = np.minimum.reduce(through)


def trace(
    edges: ParallelEdges, table: Floats, sources: Ints, prices: Floats, row: int
) -> tuple[Boundaries, tuple[int, ...]]:
    """Boundaries and models of the path that ``fill`` found to the last column of a row.

    Last edges are found again rather than remembered: the table alone is large enough.
    """
    boundaries, models = [edges.length], list[int]()
    while (b := boundaries[-1]) > 0:
        through = table[sources[row], :b] + edges.into(b) + prices[:, None]
        model, a = divmod(int(through.argmin()), b)
        boundaries.append(a)
        models.append(model)
        row = int(sources[row, model])
    return tuple(reversed(boundaries)), tuple(reversed(models))
