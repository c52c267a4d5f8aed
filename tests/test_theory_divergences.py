"""What a schedule loses: theory sections 2, 5 and 11 against the sampler's law by enumeration."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product
from math import log, sqrt

import bruteforce
import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from theory import curves, divergences, outputs, tables
from theory.distributions import TableLaw

Floats = strategies.Floats
Groups = Sequence[Sequence[int]]

small = {"max_n": 4, "max_entries": 27}


def overshoot_kl(curve: Floats, sizes: Sequence[int]) -> float:
    """theory 2.3: each increment D_j is paid until the next boundary."""
    ends = np.cumsum(sizes)
    overshoots = [ends[np.searchsorted(ends, j)] - j for j in range(1, len(curve))]
    return float(np.dot(overshoots, -np.diff(curve)))


def layer_cake_kl(curve: Floats, sizes: Sequence[int]) -> float:
    """theory 2.3: the overshoot of p(v) = #{j: C(j) > v}, integrated over levels v."""
    ends = np.append(0, np.cumsum(sizes))
    levels = np.unique(np.append(curve, 0.0))
    total = 0.0
    for low, high in pairwise(levels):
        p = int((curve > low).sum())
        total += (high - low) * (ends[np.searchsorted(ends, p)] - p)
    return total


@settings(max_examples=50)
@given(strategies.tables_with(strategies.ordered_partitions, **small))
def test_partition_kl_is_the_kl_of_the_sampler(drawn: tuple[Floats, Groups]) -> None:
    # theory 2.1, both sides by loops.
    table, groups = drawn
    divergence = sum(
        p * log(p / bruteforce.sampler_probability(table, groups, x))
        for x, p in bruteforce.outcomes(table)
    )
    known: list[int] = []
    correlation = 0.0
    for group in groups:
        correlation += sum(bruteforce.conditional_entropy(table, i, known) for i in group)
        correlation -= bruteforce.entropy_on(table, [*known, *group])
        correlation += bruteforce.entropy_on(table, known)
        known += group
    found = divergences.partition_kl(TableLaw(table), groups)
    assert found == pytest.approx(divergence, abs=1e-11)
    assert found == pytest.approx(correlation, abs=1e-11)


@settings(max_examples=50)
@given(strategies.tables_with(strategies.ordered_partitions, **small))
def test_partition_law_is_the_law_of_the_sampler(drawn: tuple[Floats, Groups]) -> None:
    table, groups = drawn
    found = outputs.partition_law(table, groups)
    assert found.sum() == pytest.approx(1.0)
    for x in product(range(table.shape[0]), repeat=table.ndim):
        wanted = bruteforce.sampler_probability(table, groups, x)
        assert found[x] == pytest.approx(wanted, abs=1e-12)


@settings(max_examples=50)
@given(strategies.tables_with(strategies.compositions, **small))
def test_expected_kl_is_the_mean_over_orders(drawn: tuple[Floats, tuple[int, ...]]) -> None:
    # theory 2.2
    table, sizes = drawn
    law = TableLaw(table)
    orders = bruteforce.ordered_partitions(table.ndim, sizes)
    mean = np.mean([divergences.partition_kl(law, groups) for groups in orders])
    assert divergences.expected_kl(law.conditional_entropy_curve(), sizes) == pytest.approx(
        mean, abs=1e-11
    )


@settings(max_examples=50)
@given(strategies.tables_with(strategies.compositions, **small))
def test_output_law_is_the_mean_sampler(drawn: tuple[Floats, tuple[int, ...]]) -> None:
    # theory 2.4
    table, sizes = drawn
    orders = bruteforce.ordered_partitions(table.ndim, sizes)
    mean = np.mean([outputs.partition_law(table, groups) for groups in orders], axis=0)
    assert_allclose(outputs.output_law(table, sizes), mean, atol=1e-12)


@settings(max_examples=50)
@given(strategies.tables_with(strategies.compositions, **small))
def test_redrawing_the_order_never_hurts(drawn: tuple[Floats, tuple[int, ...]]) -> None:
    # theory 2.4 and, with Pinsker, 2.6
    table, sizes = drawn
    law = outputs.output_law(table, sizes)
    found = outputs.output_law_kl(table, sizes)
    expected = divergences.expected_kl(curves.conditional_entropy_curve(table), sizes)
    assert found <= expected + 1e-12
    assert 0.5 * float(np.abs(table - law).sum()) <= sqrt(found / 2) + 1e-12


@given(strategies.tables_with(strategies.compositions))
def test_forms_of_the_expected_kl(drawn: tuple[Floats, tuple[int, ...]]) -> None:
    # theory 2.2 and 2.3
    table, sizes = drawn
    curve = curves.conditional_entropy_curve(table)
    starts = np.cumsum(sizes) - sizes
    found = divergences.expected_kl(curve, sizes)
    assert found >= 0.0
    assert found == pytest.approx(np.dot(sizes, curve[starts]) - tables.entropy(table), abs=1e-11)
    assert found == pytest.approx(overshoot_kl(curve, sizes), abs=1e-12)
    assert found == pytest.approx(layer_cake_kl(curve, sizes), abs=1e-12)


@given(strategies.tables())
def test_one_step_loses_tc_and_single_steps_nothing(table: Floats) -> None:
    n, law = table.ndim, TableLaw(table)
    tc, _ = curves.total_correlations(table)
    curve = law.conditional_entropy_curve()
    assert divergences.expected_kl(curve, [n]) == pytest.approx(tc, abs=1e-11)
    assert divergences.expected_kl(curve, [1] * n) == 0.0
    assert divergences.partition_kl(law, [range(n)]) == pytest.approx(tc, abs=1e-11)
    assert divergences.partition_kl(law, [[i] for i in range(n)]) == pytest.approx(0.0, abs=1e-11)


@given(strategies.tables_with(strategies.compositions), st.data())
def test_splitting_a_step_never_loses(
    drawn: tuple[Floats, tuple[int, ...]], data: st.DataObject
) -> None:
    table, sizes = drawn
    curve = curves.conditional_entropy_curve(table)
    step = data.draw(st.integers(0, len(sizes) - 1))
    halves = data.draw(strategies.compositions(sizes[step]))
    finer = (*sizes[:step], *halves, *sizes[step + 1 :])
    coarse = divergences.expected_kl(curve, sizes)
    assert divergences.expected_kl(curve, finer) <= coarse + 1e-12


@given(strategies.tables_with(strategies.permutations), st.data())
def test_order_surface(drawn: tuple[Floats, tuple[int, ...]], data: st.DataObject) -> None:
    # theory 5.1, and 5.2's condition that columns never rise
    table, order = drawn
    n, law = table.ndim, TableLaw(table)
    surface = divergences.order_surface(law, order)
    for a in range(n):
        assert not surface[a, :a].any()
        for j in range(a, n):
            wanted = bruteforce.conditional_entropy(table, order[j], order[:a])
            assert surface[a, j] == pytest.approx(wanted, abs=1e-12)
            assert a == 0 or surface[a, j] <= surface[a - 1, j] + 1e-12
    sizes = data.draw(strategies.compositions(n))
    ends = np.cumsum(sizes)
    groups = [order[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    assert divergences.surface_kl(surface, sizes) == pytest.approx(
        divergences.partition_kl(law, groups), abs=1e-11
    )
    assert np.trace(surface) == pytest.approx(tables.entropy(table), abs=1e-11)


def test_no_output_where_the_law_has_some_costs_everything() -> None:
    p, q = np.array([0.5, 0.5]), np.array([1.0, 0.0])
    assert outputs.kl_divergence(p, q) == float("inf")
    assert outputs.kl_divergence(q, p) == pytest.approx(log(2))
    assert outputs.kl_divergence(p, p) == 0.0


@pytest.mark.parametrize("sizes", [(2, 2), (4,), (3, 0), (4, -1), ()])
def test_sizes_that_are_no_composition_are_refused(sizes: tuple[int, ...]) -> None:
    table = np.full((2, 2, 2), 0.125)
    for refused in (
        lambda: divergences.expected_kl([1.0, 0.5, 0.0], sizes),
        lambda: divergences.surface_kl(np.zeros((3, 3)), sizes),
        lambda: outputs.output_law(table, sizes),
    ):
        with pytest.raises(ValueError, match="need sizes >= 1 that sum to n=3, got"):
            refused()


@pytest.mark.parametrize("positions", [(0, 1), (0, 1, 1), (0, 1, 3), (0, 1, 2, 2)])
def test_positions_that_are_no_permutation_are_refused(positions: tuple[int, ...]) -> None:
    law = TableLaw(np.full((2, 2, 2), 0.125))
    for refused in (
        lambda: divergences.order_surface(law, positions),
        lambda: divergences.partition_kl(law, [positions[:1], positions[1:]]),
        lambda: outputs.partition_law(law.table(), [positions]),
    ):
        with pytest.raises(ValueError, match=r"need each of the positions 0\.\.2 once, got"):
            refused()


def test_an_output_law_of_too_many_terms_is_refused() -> None:
    table = np.broadcast_to(2.0**-20, (2,) * 20)
    with pytest.raises(ValueError, match=r"sums .* terms, over the limit of 1.1e\+09"):
        outputs.output_law(table, [10, 10])
