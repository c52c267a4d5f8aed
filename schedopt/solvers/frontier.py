r"""The best loss of every number of steps where the frontier is convex, from prices alone.

The path that is cheapest at the slope of a chord of the hull lies below the chord, and splits it,
or shows that the chord is an edge of the hull. Every pass so finds a vertex or an edge; losses on
an edge lie on a line. Losses are sums over real paths, without the rounding of long recursions.

References:
    theory, section 4.4; Eisner, Severance 1976 (all breakpoints of a parametric optimum).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np

from schedopt.solvers.paths import COMPILED, Floats, StepCosts

Vertex = tuple[int, float]  # steps, loss
Chord = tuple[Vertex, Vertex]

# Compiled passes over this many positions take long enough for threads to pay.
LONG: Final = 2**15


def convex_frontier(costs: StepCosts, most: int) -> Floats:
    """Least losses of 1, 2, ..., ``most`` edges, for costs whose frontier is convex."""
    n = costs.length
    ends = (1, costs.path((0, n)).loss), (n, costs.path(np.arange(n + 1)).loss)
    if COMPILED and n >= LONG:
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # the passes let go of the GIL
            return _split_all(costs, ends, most, pool)
    return _split_all(costs, ends, most, None)


def _split_all(costs: StepCosts, ends: Chord, most: int, pool: ThreadPoolExecutor | None) -> Floats:
    def split(chord: Chord) -> Vertex | None:
        """A vertex below the chord, or None where it is an edge of the hull."""
        (few, above), (many, below) = chord
        price = (above - below) / (many - few)
        probe = costs.cheapest(price)
        # Strictly inside and below the chord, or rounding might split an edge for ever.
        if few < probe.steps < many and probe.loss + price * (probe.steps - few) < above:
            return probe.steps, probe.loss
        return None

    vertices = dict(ends)
    chords = [ends]
    while chords:
        chords = [(low, high) for low, high in chords if high[0] - low[0] > 1 and low[0] < most]
        found: Iterable[Vertex | None] = pool.map(split, chords) if pool else map(split, chords)
        halves = []
        for (low, high), vertex in zip(chords, found, strict=True):
            if vertex:
                vertices[vertex[0]] = vertex[1]
                halves += [(low, vertex), (vertex, high)]
        chords = halves
    steps = sorted(vertices)
    return np.interp(np.arange(1, most + 1), steps, [vertices[k] for k in steps])
