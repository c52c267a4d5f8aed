"""Information and samplers from their definitions, one outcome at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations, product
from math import comb, log

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Outcome = tuple[int, ...]


def outcomes(table: Floats) -> Iterable[tuple[Outcome, float]]:
    """Every outcome of positive probability, with it."""
    for x in product(range(len(table)), repeat=table.ndim):
        if table[x] > 0.0:
            yield x, float(table[x])


def law_on(table: Floats, positions: Sequence[int]) -> dict[Outcome, float]:
    """Law of X_S, by summing outcomes."""
    law: dict[Outcome, float] = defaultdict(float)
    for x, p in outcomes(table):
        law[tuple(x[i] for i in positions)] += p
    return law


def entropy_on(table: Floats, positions: Sequence[int]) -> float:
    return -sum(p * log(p) for p in law_on(table, positions).values())


def conditional_entropy(table: Floats, i: int, given: Sequence[int]) -> float:
    """Mean entropy of the conditional law of X_i, not a difference of entropies."""
    evidence, joint = law_on(table, given), law_on(table, (*given, i))
    return -sum(p * log(p / evidence[x[:-1]]) for x, p in joint.items())


def conditional_entropy_curve(table: Floats) -> Floats:
    n = table.ndim
    curve = np.zeros(n)
    for j in range(n):
        for given in combinations(range(n), j):
            fresh = [i for i in range(n) if i not in given]
            curve[j] += sum(conditional_entropy(table, i, given) for i in fresh)
        curve[j] /= comb(n, j) * (n - j)
    return curve


def sampler_probability(table: Floats, groups: Sequence[Sequence[int]], x: Outcome) -> float:
    """Probability that the sampler outputs x, group by group; uniform off the support."""
    probability = 1.0
    known: Outcome = ()
    for group in groups:
        evidence = law_on(table, known)[tuple(x[i] for i in known)]
        for i in group:
            joint = law_on(table, (*known, i))[tuple(x[p] for p in (*known, i))]
            probability *= joint / evidence if evidence > 0.0 else 1.0 / table.shape[0]
        known += tuple(group)
    return probability


def compositions(n: int, k: int) -> Iterable[tuple[int, ...]]:
    """All step sizes of k steps."""
    for cuts in combinations(range(1, n), k - 1):
        yield tuple(int(s) for s in np.diff([0, *cuts, n]))


def ordered_partitions(n: int, sizes: Sequence[int]) -> Iterable[tuple[Outcome, ...]]:
    """All ways to reveal groups of these sizes."""
    if not sizes:
        yield ()
        return

    def split(left: frozenset[int], depth: int) -> Iterable[tuple[Outcome, ...]]:
        if depth == len(sizes):
            yield ()
            return
        for group in combinations(sorted(left), sizes[depth]):
            for rest in split(left - set(group), depth + 1):
                yield (group, *rest)

    yield from split(frozenset(range(n)), 0)
