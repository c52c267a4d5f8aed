"""The best ordered partition of a small law: theory 5.4, against loops and golden files."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import bruteforce
import numpy as np
import pytest
import strategies
from golden_laws import CASES, GOLDEN, TABLES
from hypothesis import given, settings
from numpy.testing import assert_allclose

from theory import curves, divergences
from theory.distributions import Parity, RandomPermutation, TableLaw
from theory.partitions import best_partitions, subset_entropies

Floats = strategies.Floats
Groups = tuple[tuple[int, ...], ...]


def every_ordered_partition(left: frozenset[int]) -> Iterator[Groups]:
    if not left:
        yield ()
    for size in range(1, len(left) + 1):
        for group in combinations(sorted(left), size):
            for rest in every_ordered_partition(left - set(group)):
                yield (group, *rest)


@pytest.mark.parametrize("name", CASES)
def test_golden_values(name: str) -> None:
    law = TableLaw(TABLES[name])
    found = best_partitions(law)
    wanted = CASES[name]["best_ordered_partition"]["KL"]
    assert_allclose([best.kl for best in found], list(wanted.values()), atol=1e-10)
    for k, best in enumerate(found, start=1):
        assert len(best.groups) == k
        assert divergences.partition_kl(law, best.groups) == pytest.approx(best.kl, abs=1e-11)


def test_the_value_is_not_convex_in_the_number_of_groups() -> None:
    example = GOLDEN["extras"]["nonconvex_partition_example"]
    weights = np.zeros((2,) * 5)
    for word, weight in example["integer_weights"].items():
        weights[tuple(map(int, word))] = weight
    losses = [best.kl for best in best_partitions(TableLaw(weights / weights.sum()))]
    assert_allclose(losses, list(example["best_partition_KL"].values()), atol=1e-10)
    assert np.diff(losses, 2).min() < -0.01


@settings(max_examples=30)
@given(strategies.tables(max_n=4))
def test_no_ordered_partition_is_better(table: Floats) -> None:
    law, n = TableLaw(table), table.ndim
    losses = np.full(n + 1, np.inf)
    for groups in every_ordered_partition(frozenset(range(n))):
        found = divergences.partition_kl(law, groups)
        losses[len(groups)] = min(losses[len(groups)], found)
    assert_allclose([best.kl for best in best_partitions(law)], losses[1:], atol=1e-11)


@settings(max_examples=30)
@given(strategies.tables())
def test_from_total_correlation_to_nothing(table: Floats) -> None:
    law, n = TableLaw(table), table.ndim
    found = best_partitions(law)
    losses = [best.kl for best in found]
    tc, _ = curves.total_correlations(table)
    assert losses[0] == pytest.approx(tc, abs=1e-11)
    assert losses[-1] == pytest.approx(0.0, abs=1e-11)
    assert (np.diff(losses) <= 1e-11).all()
    # 2.5: no worse than a random order with its best sizes, k by k.
    curve = law.conditional_entropy_curve()
    for k, best in enumerate(found, start=1):
        sizes = bruteforce.compositions(n, k)
        assert best.kl <= min(divergences.expected_kl(curve, s) for s in sizes) + 1e-11
        assert len(best.groups) == k
        assert all(list(group) == sorted(group) for group in best.groups)
        assert divergences.partition_kl(law, best.groups) == pytest.approx(best.kl, abs=1e-11)


@settings(max_examples=30)
@given(strategies.tables(max_entries=64))
def test_subset_entropies(table: Floats) -> None:
    found = subset_entropies(table)
    for index in range(2**table.ndim):
        positions = [i for i in range(table.ndim) if index >> i & 1]
        wanted = bruteforce.entropy_on(table, positions)
        assert found[index] == pytest.approx(wanted, abs=1e-12)


def test_the_largest_number_of_groups() -> None:
    law = Parity(12)
    found = best_partitions(law, 2)
    assert [len(best.groups) for best in found] == [1, 2]
    assert [best.kl for best in found] == pytest.approx([np.log(2), 0.0], abs=1e-11)


def test_fourteen_positions_are_the_most() -> None:
    with pytest.raises(ValueError, match=r"n=15 positions compares 3\^15 = 1.4e\+07 .* n=14: use"):
        best_partitions(Parity(15))


def test_a_table_over_the_limit() -> None:
    with pytest.raises(ValueError, match=r"9\^9 entries, over the limit"):
        best_partitions(RandomPermutation(9))


@pytest.mark.parametrize("max_groups", [0, -1, 5])
def test_groups_that_do_not_fit(max_groups: int) -> None:
    with pytest.raises(ValueError, match=f"need 1 <= max_groups <= n, got max_groups={max_groups}"):
        best_partitions(Parity(4), max_groups)
