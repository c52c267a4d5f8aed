r"""Shortest paths on an information curve, by a lower envelope of lines.

Up to a term of b alone, the step from a to b costs :math:`(b - a) C(a)`, a line in b. The best
last step into b is therefore read from the lower envelope of one line for each a < b. Where C
falls, lines come sorted by slope, and a queue holds the envelope: a pass takes O(n). Where C does
not, ``lichao`` takes over.

References:
    theory, section 4.3.
"""

from __future__ import annotations

import math
from functools import cached_property
from threading import local
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from schedopt.curve import InformationCurve
from schedopt.schedule import Order
from schedopt.solvers.lichao import lowest_lines, tree_size
from schedopt.solvers.paths import Floats, Loops, Path, rounding_of
from schedopt.solvers.penalty import edge_over
from theory.compiled import compiled

# A curve read at so many positions a step tells the price of its steps to a part in 10^3, and
# 1% decides between 100 steps and 101.
POSITIONS_A_STEP: Final = 128
WORTH_IT: Final = 16  # reading fewer than one position in 16 pays for the detour
MODERATE: Final = 400  # 2^400 and 2^-400 nats can be squared


class CurveCosts:
    """Edge costs W(a, b) = (b - a) C(a) - sum C[a:b] of the random order."""

    def __init__(self, curve: InformationCurve) -> None:
        values = self._values = curve.conditional_entropy
        self.length = curve.length
        self.order: Order = Order("random")
        self.falls = bool((values[1:] <= values[:-1]).all())
        spread = float(values[0] - values[-1] if self.falls else np.ptp(values))
        self.rounding = rounding_of(self.length, spread)
        self.comparisons = self.length * self.length.bit_length()
        # A power of two, so that products of slopes and values neither overflow nor vanish.
        exponent = math.frexp(spread)[1]
        self._exponent = 0 if abs(exponent) < MODERATE else exponent
        scaled = np.ldexp(values, -self._exponent) if self._exponent else values
        self._loops = Loops.over(self.length)
        self._scaled = self._loops.read(scaled)
        self._raw = self._loops.read(values) if self._exponent else self._scaled
        self._rooms = local()

    @property
    def sequential(self) -> float:
        """Sum of C, nats."""
        return float(self._values.sum())

    def path(self, boundaries: ArrayLike) -> Path:
        """The path with these boundaries; on a falling curve every term of its loss is >= 0."""
        nodes = np.asarray(boundaries, dtype=np.int64)
        loss = self._loops.run(_sum_of_falls, self._raw, self._loops.read(nodes))
        return Path(nodes, float(loss))

    def price_of(self, steps: int) -> float:
        """The square-root rule, on a long curve the solution for some of its positions."""
        stride = self.length // (POSITIONS_A_STEP * steps)
        if stride >= WORTH_IT and steps > 1:
            coarse = CurveCosts(InformationCurve(self._values[::stride]))
            fewer, more = (edge_over(coarse, k).bound(k) for k in (steps - 1, steps + 1))
            return stride * (fewer - more) / 2.0
        # OPT_k ~ (sum sqrt W(a, a + 2))^2 / 2k for a smooth curve (theory 8.1).
        roots = np.sqrt(np.maximum(-np.diff(self._values), 0.0))
        return float(roots.sum() / steps) ** 2 / 2.0

    def cheapest(self, price: float) -> Path:
        """A path least in loss + price * edges, O(n) on a falling curve."""
        price = math.ldexp(price, -self._exponent)
        if self.falls:
            owners, slopes, heights, parents = self._room()
            self._loops.run(settle_falling, self._scaled, price, owners, slopes, heights, parents)
        else:
            costs = self._loops.read(np.zeros(self.length + 1))
            parents = self._lowest_lines(costs, costs, price, 0)
        return self.path(self._loops.trace(parents))

    def extend(self, before: Floats, edges: int) -> Floats:
        """Least costs of paths of so many edges, O(n log n)."""
        after = self._loops.read(np.full(self.length + 1, np.inf))
        self._lowest_lines(self._loops.read(before), after, 0.0, edges - 1)
        return np.asarray(after)

    def last_edge(self, before: Floats, end: int) -> int:
        """Where the last edge of the best path to ``end`` starts, O(n)."""
        slopes = np.asarray(self._scaled[:end]) - self._scaled[-1]
        return int(np.argmin(before[:end] + slopes * np.arange(end, 0, -1)))

    def loss_at_end(self, costs: Floats) -> float:
        """Loss of the path to the last position, nats."""
        return math.ldexp(float(costs[-1]), self._exponent) - self._above_the_last

    def _room(self) -> tuple[Any, Any, Any, Any]:
        """Space for a pass, one for each thread: to ask for fresh memory costs a third more."""
        if not hasattr(self._rooms, "queue_and_parents"):
            n = self.length
            kinds = (n, np.int32), (n, np.float64), (n, np.float64), (n + 1, np.int32)
            self._rooms.queue_and_parents = tuple(self._loops.room(*kind) for kind in kinds)
        room: tuple[Any, Any, Any, Any] = self._rooms.queue_and_parents
        return room

    @cached_property
    def _above_the_last(self) -> float:
        return math.fsum((self._values - self._values[-1]).tolist())

    def _lowest_lines(self, before: Any, after: Any, price: float, first: int) -> Any:
        """Fill ``after``, and tell the parents."""
        tree = self._loops.read(np.full(tree_size(self.length), -1, dtype=np.int32))
        parents = self._loops.room(self.length + 1, np.int32)
        self._loops.run(lowest_lines, self._scaled, before, after, parents, tree, price, first)
        return parents


@compiled
def settle_falling(
    values: Any, price: float, owners: Any, slopes: Any, heights: Any, parents: Any
) -> None:
    """For a falling curve, write the parents of the paths least in cost + price * edges.

    A step may start only where the curve falls (theory 2.3: earlier on its plateau is no worse),
    so a plateau costs no more than being read.

    Args:
        values: Shape (n,), C; never rising.
        price: On an edge.
        owners: Room (n,): where the edges of the queue's lines start.
        slopes: Room (n,): of the queue's lines.
        heights: Room (n,): of the queue's lines at 0.
        parents: Room (n + 1,); where no step starts it is not written.
    """
    n = len(values)
    base = values[n - 1]  # W does not change, and sums keep their digits
    head, end = 0, 1  # of the queue, slopes falling; its head is the lowest line at b
    owners[0], slopes[0], heights[0] = 0, values[0] - base, 0.0
    low_slope, low_height = slopes[0], 0.0  # the head
    top_slope, top_height = low_slope, 0.0  # the last line
    next_slope, next_height = 0.0, 0.0  # the last but one
    parent = 0
    level = values[0]
    x = 0.0
    for b in range(1, n + 1):
        x += 1.0
        if head < 0 or end < 1:
            break  # never: it tells the compiler that no index counts from the back, a seventh less
        if b < n:
            if values[b] >= level:
                continue
            level = values[b]
        while head + 1 < end:
            slope, height = slopes[head + 1], heights[head + 1]
            if height + slope * x > low_height + low_slope * x:
                break
            head += 1
            low_slope, low_height = slope, height
            parent = owners[head]
        parents[b] = parent
        slope = level - base
        height = low_height + low_slope * x + price - slope * x
        # The last line is nowhere the lowest if the new one meets the one before it earlier.
        while end - head >= 2 and (height - next_height) * (next_slope - top_slope) <= (
            top_height - next_height
        ) * (next_slope - slope):
            end -= 1
            top_slope, top_height = next_slope, next_height
            if end >= 2:
                next_slope, next_height = slopes[end - 2], heights[end - 2]
        if b < n:
            owners[end], slopes[end], heights[end] = b, slope, height
            next_slope, next_height = top_slope, top_height
            top_slope, top_height = slope, height
            end += 1


@compiled(fastmath={"reassoc", "nsz"})
def _sum_of_falls(values: Any, boundaries: Any) -> float:
    """Loss of a path: for each position how far C fell to it since its step began."""
    total = 0.0
    for t in range(len(boundaries) - 1):
        known = values[boundaries[t]]
        loss = 0.0
        for j in range(boundaries[t] + 1, boundaries[t + 1]):
            loss += known - values[j]
        total += loss
    return total
