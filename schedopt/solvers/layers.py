"""Exhaustive dynamic programming: the best path of each number of edges, for any costs.

References:
    theory, sections 4.3 and 5.3.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from schedopt.solvers.paths import Floats, Path, StepCosts


def least_losses(costs: StepCosts) -> Iterator[float]:
    """The least loss of 1, 2, ..., n edges, each found when it is asked for.

    A layer takes O(n log n) on a curve, and on a surface O(n^2), O(n log n) where it falls.
    """
    layer = _no_edges(costs)
    for edges in range(1, costs.length + 1):
        layer = costs.extend(layer, edges)
        yield costs.loss_at_end(layer)


def best_path(costs: StepCosts, steps: int) -> Path:
    """The best path of this many edges.

    Of the k layers every sqrt(k)-th is kept, and those between are made once more on the way back:
    2 sqrt(k) n numbers in memory instead of k n.
    """
    stride = math.isqrt(steps - 1) + 1
    kept = [_no_edges(costs)]
    layer = kept[0]
    for edges in range(1, steps):
        layer = costs.extend(layer, edges)
        if edges % stride == 0:
            kept.append(layer)
    boundaries = [costs.length]
    for start in range((len(kept) - 1) * stride, -1, -stride):
        between = [kept[start // stride]]
        for edges in range(start + 1, min(start + stride, steps)):
            between.append(costs.extend(between[-1], edges))
        for layer in reversed(between):
            boundaries.append(costs.last_edge(layer, boundaries[-1]))
    return costs.path(boundaries[::-1])


def _no_edges(costs: StepCosts) -> Floats:
    layer = np.full(costs.length + 1, np.inf)
    layer[0] = 0.0
    return layer
