"""What the experiments on permutations, walks and profiles compute, from the definitions."""

from __future__ import annotations

import sys
from functools import cache
from itertools import combinations
from math import factorial, log
from pathlib import Path

import numpy as np
import pytest

from schedopt.samplers.plan import foresee
from schedopt.schedule import Order, UnmaskingSchedule
from theory.distributions import BernoulliWalk
from theory.tables import Floats, marginal

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "experiments"))

import permutations
import profiles


def compositions(n: int, parts: int) -> list[tuple[int, ...]]:
    cuts = combinations(range(1, n), parts - 1)
    return [tuple(int(s) for s in np.diff([0, *inner, n])) for inner in cuts]


def loss(sizes: tuple[int, ...]) -> float:
    """Nats: each position of a step has as many values left as positions were masked before it."""
    masked, total = sum(sizes), 0.0
    for size in sizes:
        total += size * log(masked)
        masked -= size
    return total - log(factorial(sum(sizes)))


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_least_products_are_the_best_of_all_compositions(n: int) -> None:
    least = permutations.least_products(n)
    for rounds in range(1, n + 1):
        best = min(loss(sizes) for sizes in compositions(n, rounds))
        assert log(least[n][rounds] / factorial(n)) == pytest.approx(best, abs=1e-12)
        assert loss(permutations.best_sizes(least, n, rounds)) == pytest.approx(best, abs=1e-12)
        assert permutations.spread_bound(n, rounds) <= best + 1e-12
        assert permutations.recursion_bound(n, rounds) <= best


def test_signs_of_second_differences() -> None:
    # 9 x 2, 8 x 2 and 7 x 2 against 4 squared.
    for ends, sign in ((9, "positive"), (8, "zero"), (7, "negative")):
        found = permutations.second_differences([{}, {}, {}, {1: ends, 2: 4, 3: 2}])
        assert found[sign] == found["checked"] == 1
    assert permutations.second_differences(permutations.least_products(12))["positive"] == 55


def test_pairs_come_first_from_where_no_composition_is_better() -> None:
    for n in range(2, 10):
        least = permutations.least_products(n)
        first = permutations.pairs_threshold(least, n)
        for rounds in range((n + 1) // 2, n + 1):
            best = min(loss(sizes) for sizes in compositions(n, rounds))
            pairs = loss(permutations.pairs_first(n, rounds))
            if rounds >= first:
                assert pairs == pytest.approx(best, abs=1e-12)
            if rounds == first - 1:
                assert pairs > best + 1e-9


def depth_by_definition(table: Floats) -> float:
    """Fewest rounds on average, over all groups that are independent given the values so far."""
    n = table.ndim

    @cache
    def left(known: tuple[tuple[int, int], ...]) -> float:
        values = dict(known)
        masked = [i for i in range(n) if i not in values]
        if not masked:
            return 0.0
        given = tuple(
            slice(values[i], values[i] + 1) if i in values else slice(None) for i in range(n)
        )
        slab = table[given] / table[given].sum()
        best = float("inf")
        for size in range(1, len(masked) + 1):
            for group in combinations(masked, size):
                joint = marginal(slab, group).squeeze()
                independent = np.array(1.0)
                for i in group:
                    independent = np.multiply.outer(independent, marginal(slab, (i,)).squeeze())
                if np.abs(joint - independent).max() > 1e-12:
                    continue
                rounds = 1.0
                for drawn in np.argwhere(joint > 0.0):
                    more = zip(group, (int(v) for v in drawn), strict=True)
                    after = tuple(sorted({**values, **dict(more)}.items()))
                    rounds += float(joint[tuple(drawn)]) * left(after)
                best = min(best, rounds)
        return best

    return left(())


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_depth_of_walks_by_definition(n: int) -> None:
    assert permutations.walk_depth(n) == pytest.approx(
        depth_by_definition(BernoulliWalk(n).table()), abs=1e-12
    )


def test_profiles_grow_or_fall_as_a_power() -> None:
    for exponent in permutations.EXPONENTS.values():
        sizes = permutations.profile_sizes(512, 8, exponent)
        mirrored = permutations.profile_sizes(512, 8, -exponent)
        assert sum(sizes) == 512
        assert max(abs(a - b) for a, b in zip(sizes, mirrored[::-1], strict=True)) <= 1
    assert permutations.profile_sizes(64, 4, 0.0) == (16, 16, 16, 16)
    assert permutations.profile_sizes(64, 4, 1.0) == (4, 12, 20, 28)
    assert permutations.profile_sizes(64, 4, -1.0) == (28, 20, 12, 4)


def test_a_spaced_profile_keeps_its_sizes_and_while_it_can_its_distance() -> None:
    sizes = (4, 12, 20, 28)
    policy = profiles.SpacedProfile(UnmaskingSchedule(64, Order("random"), sizes), "spaced")
    steps = foresee(policy.chooser([3], 1, 0), 0, 0, np.ones((1, 64), dtype=bool), "spaced")
    assert [len(step.columns) for step in steps] == list(sizes)
    assert np.diff(steps[0].columns).min() >= profiles.FIRST_GAP
    assert sorted(c for step in steps for c in step.columns) == list(range(64))
