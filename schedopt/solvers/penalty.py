r"""A price on steps: the Lagrangian dual of a number of steps, and the splice that closes it.

For any price :math:`\lambda` the cheapest path gives, for every k at once, the bound
:math:`OPT_k \ge \min_{path} [loss + \lambda\, steps] - \lambda k`. The best of these bounds is the
lower convex hull of OPT at k. Two paths whose numbers of steps enclose k, and whose chord no path
lies below, span the edge of the hull over k. Where the costs are Monge (a falling curve, a
monotone surface) OPT is convex, and swapping tails of the two gives k steps on that edge.
Nothing here assumes it: the gap between loss and bound tells.

References:
    theory, section 4.4; Aggarwal, Schieber, Tokuyama 1994 (the path swap).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from schedopt.solvers.paths import Path, StepCosts

# On a smooth curve the first price is a step or two off, the second or third is right; where
# they are not, the curve is rough and chords are the surer way.
GUESSES = 3


@dataclass(frozen=True)
class HullEdge:
    """Two neighbours on the lower convex hull of OPT, and the price at which both are cheapest.

    Args:
        low: The one with fewer steps.
        high: The one with more steps; the same, where the hull was asked at a vertex.
        price: Minus the slope between them, nats a step.
        cheapest: A path least in loss + price * steps.
    """

    low: Path
    high: Path
    price: float
    cheapest: Path

    def bound(self, steps: int) -> float:
        """No path with these steps loses less, nats."""
        return self.cheapest.loss + self.price * (self.cheapest.steps - steps)

    def fewest_steps(self, loss: float) -> int:
        """Least number of steps whose bound is at most this loss, where low is above it."""
        fall = math.ceil((self.low.loss - loss) / self.price)
        return min(self.low.steps + max(fall, 1), self.high.steps)

    def splice(self, costs: StepCosts, steps: int) -> Path:
        """A path with these steps: a head of low, then a tail of high.

        They swap at the first edge of low that contains the matching edge of high, so that on
        Monge costs the two new paths together cost no more than low and high do.
        """
        for end in (self.low, self.high):
            if end.steps == steps:
                return end
        low, high = self.low.boundaries, self.high.boundaries
        ahead = self.high.steps - steps
        matching = high[1 + ahead : 1 + ahead + self.low.steps]
        swap = int(np.argmax(low[1 : 1 + len(matching)] >= matching))
        return costs.path(np.concatenate([low[: swap + 1], high[swap + 1 + ahead :]]))


def edge_over(costs: StepCosts, steps: int) -> HullEdge:
    """The edge of the hull over this number of steps, or the vertex there."""
    price = costs.price_of(steps)
    low, high = None, None
    for _ in range(GUESSES):
        probe = costs.cheapest(price)
        if probe.steps == steps:
            return HullEdge(probe, probe, price, probe)
        if probe.steps < steps:
            low = probe if low is None or low.steps < probe.steps else low
        else:
            high = probe if high is None or probe.steps < high.steps else high
        price *= (probe.steps / steps) ** 2
    low = low or costs.path((0, costs.length))
    high = high or costs.path(np.arange(costs.length + 1))
    return _narrow(costs, low, high, lambda path: path.steps - steps)


def edge_below(costs: StepCosts, low: Path, high: Path, loss: float) -> HullEdge:
    """The edge of the hull that comes down to this loss, between low above and high below it."""
    return _narrow(costs, low, high, lambda path: 1 if path.loss <= loss else -1)


def _narrow(costs: StepCosts, low: Path, high: Path, side: Callable[[Path], int]) -> HullEdge:
    """The edge of the hull between low (side < 0) and high (side > 0), or a vertex of side 0."""
    while True:
        price = (low.loss - high.loss) / (high.steps - low.steps)
        probe = costs.cheapest(price)
        if side(probe) == 0:
            return HullEdge(probe, probe, price, probe)
        below = low.loss - probe.loss - price * (probe.steps - low.steps)
        if below <= 0.0 or not low.steps < probe.steps < high.steps:
            return HullEdge(low, high, price, probe if below > 0.0 else low)
        if side(probe) > 0:
            high = probe
        else:
            low = probe
