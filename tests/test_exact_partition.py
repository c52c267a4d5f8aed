"""The best ordered partition beside DUS: the same by every way that finds it."""

from __future__ import annotations

from collections.abc import Sequence

import bruteforce
import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from schedopt.exact import named_law
from schedopt.exact.partition import best_partition
from theory.distributions import LAWS, Law, TableLaw, build_law
from theory.divergences import dus_kl, partition_kl
from theory.orders import dilated_groups


@settings(max_examples=25)
@given(strategies.tables(max_n=4, max_entries=27), st.data())
def test_no_partition_loses_less(table: strategies.Floats, data: st.DataObject) -> None:
    law, n = TableLaw(table), table.ndim
    k = data.draw(st.integers(1, n))
    every = (
        groups
        for sizes in bruteforce.compositions(n, k)
        for groups in bruteforce.ordered_partitions(n, sizes)
    )
    found = best_partition(law, k)
    assert found is not None
    assert len(found.groups) == k
    least = min(partition_kl(law, groups) for groups in every)
    assert found.kl == pytest.approx(least, abs=1e-11)


@pytest.mark.parametrize("name", LAWS)
def test_structure_leads_to_what_all_partitions_have(name: str) -> None:
    law = named_law(name, n=6)
    for k in (1, 3):
        found, wanted = best_partition(law, k), best_partition(TableLaw(law.table()), k)
        assert found is not None
        assert wanted is not None
        assert found.kl == pytest.approx(wanted.kl, abs=1e-11)
        assert partition_kl(law, found.groups) == pytest.approx(found.kl, abs=1e-11)
        assert len(found.groups) == k


LARGEST: list[tuple[str, dict[str, float], int | None]] = [
    ("markov", {}, 64),
    ("drifting-chain", {"q": 3}, 64),
    ("bernoulli-walk", {}, 64),
    ("ising-ring", {"coupling": 2.0}, 32),
    ("permutation", {}, None),
    ("repeated-bit", {}, None),
    ("markov", {"order": 2}, 12),
    ("hidden-markov", {"q": 3}, 12),
    ("hidden-markov", {"q": 4}, 10),
]


@pytest.mark.parametrize(("name", "parameters", "most"), LARGEST)
def test_how_far_it_goes(name: str, parameters: dict[str, float], most: int | None) -> None:
    def found(n: int) -> tuple[Law, Sequence[Sequence[int]], float] | None:
        law = build_law(name, n=n, **parameters)
        best = best_partition(law, len(dilated_groups(n)))
        return None if best is None else (law, best.groups, best.kl)

    longest = found(200 if most is None else most)
    assert longest is not None
    law, groups, kl = longest
    assert sorted(i for group in groups for i in group) == list(range(law.n))
    if law.n > 12 or law.q == 2:
        assert kl == pytest.approx(partition_kl(law, groups), abs=1e-9)
        assert kl <= dus_kl(law) + 1e-12
    if most is not None:
        assert found(most + 1) is None


def test_dus_is_not_always_the_best() -> None:
    # theory 11.5: DUS ends parity with a pair that it splits badly; all but one at once is exact.
    law = named_law("parity", n=32)
    best = best_partition(law, 5)
    assert best is not None
    assert best.kl == 0.0
    assert dus_kl(law) == pytest.approx(np.log(2))
