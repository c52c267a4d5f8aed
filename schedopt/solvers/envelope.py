r"""Shortest paths on an information curve, by a lower envelope of lines.

Up to a term of b alone, the step from a to b costs :math:`(b - a) C(a)`, a line in b. The best
last step into b is therefore read from the lower envelope of one line for each a < b, for any
C. Where C falls, lines come sorted by slope and a pass takes O(n); where it does not, a line is
inserted by bisection.

References:
    theory, section 4.3.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import repeat

import numpy as np

from schedopt.curve import InformationCurve
from schedopt.schedule import Order
from schedopt.solvers.paths import Floats, Parents, Path, rounding_of, trace


class CurveCosts:
    """Edge costs W(a, b) = (b - a) C(a) - sum C[a:b] of the random order."""

    def __init__(self, curve: InformationCurve) -> None:
        self._values = curve.conditional_entropy
        self.length = curve.length
        self.order: Order = Order("random")
        self.sequential = curve.entropy
        self.pairs: Floats = -np.diff(self._values)
        centred = self._values - self._values[-1]  # W does not change, and sums keep their digits
        spread = float(np.ptp(self._values))
        self.rounding = rounding_of(self.length, spread)
        # A power of two, so that products of slopes and values neither overflow nor vanish.
        self._exponent = math.frexp(spread)[1]
        self._slopes: list[float] = np.ldexp(centred, -self._exponent).tolist()

    def path(self, boundaries: Sequence[int]) -> Path:
        """The path with these boundaries; on a falling curve every term of its loss is >= 0."""
        known = np.repeat(boundaries[:-1], np.diff(boundaries))
        loss = math.fsum((self._values[known] - self._values).tolist())
        return Path(tuple(boundaries), loss)

    def cheapest(self, price: float) -> Path:
        """A path least in loss + price * edges, O(n) on a falling curve."""
        costs = [0.0] * (self.length + 1)
        # Read and write the same list: the path to a is settled before an edge leaves a.
        parent = _sweep(self._slopes, costs, costs, price=math.ldexp(price, -self._exponent))
        return self.path(trace(repeat(parent), self.length))

    def layers(self) -> Iterator[Parents]:
        """Last edges of the best t-edge paths, a pass of the envelope for each t."""
        costs = [self._slopes[0] * b for b in range(self.length + 1)]
        yield np.zeros(self.length + 1, dtype=np.int32)
        for t in range(2, self.length + 1):
            shorter, costs = costs, [math.inf] * (self.length + 1)
            yield np.array(_sweep(self._slopes, shorter, costs, first=t - 1), dtype=np.int32)


def _sweep(
    slopes: list[float],
    before: list[float],
    after: list[float],
    *,
    first: int = 0,
    price: float = 0.0,
) -> list[int]:
    """Set after[b] = min over first <= a < b of before[a] + (b - a) slopes[a] + price.

    Returns:
        The minimising a of each b > first.
    """
    n = len(slopes)
    parent = [0] * (n + 1)
    intercepts = [0.0] * n
    hull: list[int] = []  # the a whose lines are lowest somewhere right of b, slopes falling
    head = 0  # hull[head] is the lowest at b

    def hidden(left: int, middle: int, right: int) -> bool:
        """Whether the middle one of three lines of falling slope is nowhere below the others."""
        rise = intercepts[middle] - intercepts[left]
        rise_right = intercepts[right] - intercepts[left]
        fall = slopes[left] - slopes[middle]
        fall_right = slopes[left] - slopes[right]
        return rise_right * fall <= rise * fall_right  # right meets left before middle does

    def insert(a: int) -> None:
        at = len(hull)
        if at and slopes[a] >= slopes[hull[-1]]:
            at = bisect_left(hull, -slopes[a], lo=head, key=lambda i: -slopes[i])
            rival = hull[at]  # no steeper than the line of a
            if slopes[rival] == slopes[a]:
                if intercepts[rival] <= intercepts[a]:
                    return
                del hull[at]
            elif at == head:
                if intercepts[rival] - intercepts[a] <= (slopes[a] - slopes[rival]) * (a + 1):
                    return
            elif hidden(hull[at - 1], a, rival):
                return
        while at - head >= 2 and hidden(hull[at - 2], hull[at - 1], a):
            at -= 1
            del hull[at]
        while len(hull) - at >= 2 and hidden(a, hull[at], hull[at + 1]):
            del hull[at]
        hull.insert(at, a)

    for b in range(first + 1, n + 1):
        a = b - 1
        intercepts[a] = before[a] - a * slopes[a]
        insert(a)
        best = hull[head]
        while head + 1 < len(hull):
            rival = hull[head + 1]
            if intercepts[rival] - intercepts[best] > (slopes[best] - slopes[rival]) * b:
                break
            head, best = head + 1, rival
        after[b] = before[best] + (b - best) * slopes[best] + price
        parent[b] = best
    return parent
