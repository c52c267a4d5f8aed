"""Exhaustive dynamic programming: the best path of each number of edges, for any costs.

References:
    theory, sections 4.3 and 5.3.
"""

from __future__ import annotations

from collections.abc import Iterator

from schedopt.solvers.paths import Parents, Path, StepCosts, trace


def best_paths(costs: StepCosts) -> Iterator[Path]:
    """The best path of 1, 2, ..., n edges, each found when it is asked for.

    A layer takes O(n log n) on a curve (O(n) where it falls) and O(n^2) on a surface.
    """
    parents: list[Parents] = []
    for layer in costs.layers():
        parents.append(layer)
        yield costs.path(trace(reversed(parents), costs.length))
