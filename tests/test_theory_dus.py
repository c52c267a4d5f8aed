"""What DUS loses: theory section 11, against loops, golden files and the sampler's loss."""

from __future__ import annotations

from collections import Counter
from math import ceil, log, log2

import bruteforce
import numpy as np
import pytest
import strategies
from golden_laws import CASES, TABLES
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from theory import divergences, dus
from theory.distributions import IsingRing, Law, MarkovChain, Parity, TableLaw
from theory.distributions.registry import noisy_sum_chain
from theory.distributions.rings import RingField
from theory.orders import dilated_groups

Floats = strategies.Floats
Groups = tuple[tuple[int, ...], ...]

EXAMPLE = np.array([[0.9, 0.1], [0.3, 0.7]])


@settings(max_examples=50)
@given(strategies.tables_with(strategies.ordered_partitions, max_entries=64))
def test_round_entropies_bound_the_entropy(drawn: tuple[Floats, Groups]) -> None:
    # 11.1: H <= sum L_t <= sum H(X_i), and sum L_t - H = KL.
    table, groups = drawn
    law, known, wanted = TableLaw(table), list[int](), []
    for group in groups:
        wanted.append(sum(bruteforce.conditional_entropy(table, i, known) for i in group))
        known += group
    found = dus.round_entropies(law, groups)
    assert_allclose(found, wanted, atol=1e-12)
    entropy = bruteforce.entropy_on(table, range(table.ndim))
    alone = sum(bruteforce.entropy_on(table, [i]) for i in range(table.ndim))
    assert entropy - 1e-11 <= found.sum() <= alone + 1e-11
    kl = divergences.partition_kl(law, groups)
    assert found.sum() - entropy == pytest.approx(kl, abs=1e-11)


@settings(max_examples=50)
@given(strategies.tables_with(strategies.ordered_partitions, max_entries=64))
def test_round_losses_are_total_correlations(drawn: tuple[Floats, Groups]) -> None:
    table, groups = drawn
    known, wanted = list[int](), []
    for group in groups:
        together = bruteforce.entropy_on(table, [*known, *group])
        together -= bruteforce.entropy_on(table, known)
        alone = sum(bruteforce.conditional_entropy(table, i, known) for i in group)
        wanted.append(alone - together)
        known += group
    found = dus.round_losses(TableLaw(table), groups)
    assert_allclose(found, wanted, atol=1e-11)
    kl = divergences.partition_kl(TableLaw(table), groups)
    assert found.sum() == pytest.approx(kl, abs=1e-11)


@pytest.mark.parametrize("name", CASES)
def test_golden_losses_of_rounds(name: str) -> None:
    law = TableLaw(TABLES[name])
    found = dus.round_losses(law, dilated_groups(law.n))
    assert_allclose(found, CASES[name]["DUS_base2"]["per_round_gap"], atol=1e-10)


def check_half_information(law: Law) -> None:
    """11.2: only the pair (0, n/2) loses anything, and nothing does once 0 is known alone."""
    groups = dilated_groups(law.n)
    losses = dus.round_losses(law, groups)
    information = dus.pairwise_informations(law)[0, law.n // 2]
    assert_allclose(losses, [information, *[0.0] * (len(groups) - 1)], atol=1e-11)
    exact = dus.lead_with_one(groups)
    assert len(exact) == int(log2(law.n)) + 1
    assert divergences.partition_kl(law, exact) == pytest.approx(0.0, abs=1e-11)


@settings(max_examples=30)
@given(st.data(), st.sampled_from([2, 4, 8, 16, 32]), st.integers(2, 3))
def test_on_chains_dus_loses_one_information(data: st.DataObject, n: int, q: int) -> None:
    transition = data.draw(strategies.stochastic_matrices((q, q)))
    check_half_information(MarkovChain(n, transition, data.draw(strategies.probabilities((q,)))))


@pytest.mark.parametrize("n", [2, 4, 8, 16])
def test_on_rings_dus_loses_one_information(n: int) -> None:
    check_half_information(IsingRing(n, coupling=0.8, field=0.1))
    check_half_information(IsingRing(n, coupling=-0.8))
    check_half_information(RingField(n, np.random.default_rng(n).normal(size=(n, 2, 2))))


def test_pairwise_informations() -> None:
    table = strategies.random_table(3, 4, seed=1)
    found = dus.pairwise_informations(TableLaw(table))
    for i in range(4):
        for j in range(4):
            pair = bruteforce.entropy_on(table, [i, j] if i != j else [i])
            wanted = bruteforce.entropy_on(table, [i]) + bruteforce.entropy_on(table, [j]) - pair
            assert found[i, j] == pytest.approx(wanted, abs=1e-12)


@settings(max_examples=50)
@given(st.data(), st.integers(1, 12))
def test_open_neighbours_bound_the_loss(data: st.DataObject, n: int) -> None:
    # 11.3, for DUS of any base and for any groups.
    transition = data.draw(strategies.stochastic_matrices((2, 2)))
    chain = MarkovChain(n, transition, data.draw(strategies.probabilities((2,))))
    dilated = st.integers(2, 5).map(lambda base: dilated_groups(n, base=base))
    groups = data.draw(st.one_of(dilated, strategies.ordered_partitions(n)))
    bound = dus.separation_bound(chain, groups)
    assert divergences.partition_kl(chain, groups) <= bound + 1e-11


@pytest.mark.parametrize(("base", "rounds"), [(2, 1), (2, 6), (3, 1), (3, 4), (4, 3), (7, 2)])
def test_open_pairs_of_a_power(base: int, rounds: int) -> None:
    n = base**rounds
    found = Counter(j - i for i, j in dus.open_pairs(dilated_groups(n, base=base)))
    wanted = {n // base**t: base ** (t - 1) * (base - 2) for t in range(2, rounds + 1)}
    assert found == {n // base: base - 1} | {d: count for d, count in wanted.items() if count}


@settings(max_examples=50)
@given(strategies.nats((3, 3)), st.integers(0, 6))
def test_eigenvalues_bound_the_information(weights: Floats, distance: int) -> None:
    # 11.2: p(y | x) = w(x, y) / w(x) with w symmetric is reversible.
    flow = weights + weights.T + 0.1
    transition = flow / flow.sum(axis=1, keepdims=True)
    bound = dus.reversible_bound(transition, distance)
    pair = MarkovChain(distance + 1, transition)
    assert dus.pairwise_informations(pair)[0, distance] <= bound + 1e-11
    if distance == 0:
        assert bound == pytest.approx(log(3))


def test_eigenvalues_of_a_symmetric_bit() -> None:
    # One eigenvalue 1 - 2 eps; a flip every time has -1 and forgets nothing.
    assert dus.reversible_bound(np.array([[0.9, 0.1], [0.1, 0.9]]), 3) == pytest.approx(
        log(1 + 0.8**6)
    )
    assert dus.reversible_bound(np.eye(2)[::-1], 5) == pytest.approx(log(2))
    # A state that is left for ever has no part.
    leaving = np.array([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.2, 0.2, 0.6]])
    assert dus.reversible_bound(leaving, 3) == pytest.approx(log(1 + 0.8**6), abs=0.05)


@settings(max_examples=20)
@given(st.data(), st.integers(1, 3))
def test_bisection_by_blocks_is_exact(data: st.DataObject, order: int) -> None:
    # 11.4
    n = data.draw(st.integers(order, 9))
    transition = data.draw(strategies.stochastic_matrices((2,) * (order + 1)))
    initial = data.draw(strategies.probabilities((2,) * order))
    chain = MarkovChain(n, transition, initial)
    groups = dus.block_bisection(n, order)
    assert divergences.partition_kl(chain, groups) == pytest.approx(0.0, abs=1e-11)


@given(st.integers(1, 400), st.integers(1, 9))
def test_rounds_of_bisection(n: int, order: int) -> None:
    groups = dus.block_bisection(n, order)
    assert sorted(i for group in groups for i in group) == list(range(n))
    assert all(groups)
    if n >= order:
        assert len(groups) <= order * (ceil(log2(n / order)) + 1)
    else:
        assert len(groups) == n


def test_dus_is_not_exact_at_order_2() -> None:
    # 11.4: not even with a position alone first, where bisection by pairs takes one round more.
    for chain, least in (
        (noisy_sum_chain(8, order=2), 0.25),
        (MarkovChain(8, np.stack([EXAMPLE, EXAMPLE[:, ::-1]])), 0.05),
    ):
        exact_at_order_1 = dus.lead_with_one(dilated_groups(8))
        assert divergences.dus_kl(chain) > least
        assert divergences.partition_kl(chain, exact_at_order_1) > least
        groups = dus.block_bisection(8, 2)
        assert len(groups) == len(exact_at_order_1) + 1
        assert divergences.partition_kl(chain, groups) == pytest.approx(0.0, abs=1e-11)


def test_pairs_say_nothing_of_parity() -> None:
    # 11.5
    parity = Parity(8)
    informations = dus.pairwise_informations(parity)
    assert_allclose(informations, np.diag(np.diag(informations)), atol=1e-12)
    losses = dus.round_losses(parity, dilated_groups(8))
    assert_allclose(losses, [0.0, 0.0, log(2)], atol=1e-11)


def test_earlier_rounds_create_dependence() -> None:
    # 11.5: X_3 = X_1 xor X_5; 1 and 5 are independent until DUS has revealed 3.
    table = np.zeros((2,) * 6)
    for first, second in np.ndindex(2, 2):
        table[0, first, 0, first ^ second, 0, second] = 0.25
    law = TableLaw(table)
    assert dus.pairwise_informations(law)[1, 5] == pytest.approx(0.0, abs=1e-12)
    assert dilated_groups(6) == ((0, 3), (1, 2, 4, 5))
    assert_allclose(dus.round_losses(law, dilated_groups(6)), [0.0, log(2)], atol=1e-11)


def test_bounds_of_another_kind_of_chain_are_refused() -> None:
    with pytest.raises(ValueError, match="need a chain of order 1, got order 2"):
        dus.separation_bound(noisy_sum_chain(8, order=2), dilated_groups(8))
    drift = 0.8 * np.roll(np.eye(3), 1, axis=1) + 0.2 / 3
    with pytest.raises(ValueError, match=r"not reversible: .* differ by 0.27"):
        dus.reversible_bound(drift, 2)
    with pytest.raises(ValueError, match=r"need shape \(q, q\), got \(1, 2\)"):
        dus.reversible_bound(np.array([[0.5, 0.5]]), 2)
    with pytest.raises(ValueError, match="several stationary laws"):
        dus.reversible_bound(np.eye(2), 2)
    with pytest.raises(ValueError, match="need distance >= 0, got -1"):
        dus.reversible_bound(EXAMPLE, -1)


@pytest.mark.parametrize("groups", [((0, 1),), ((0, 1), (1, 2)), ((0, 1), (2, 3))])
def test_groups_that_are_no_partition_are_refused(groups: Groups) -> None:
    chain = MarkovChain(3, EXAMPLE)
    for refuse in (dus.round_entropies, dus.round_losses, dus.separation_bound):
        with pytest.raises(ValueError, match=r"need each of the positions 0\.\.2 once"):
            refuse(chain, groups)


def test_an_empty_group_is_refused() -> None:
    with pytest.raises(ValueError, match="need groups of at least one position"):
        dus.round_losses(MarkovChain(2, EXAMPLE), ((0, 1), ()))


@pytest.mark.parametrize(("n", "order"), [(0, 1), (4, 0), (-1, 2)])
def test_bisection_needs_a_length_and_an_order(n: int, order: int) -> None:
    with pytest.raises(ValueError, match=f"need n >= 1 and order >= 1, got n={n}, order={order}"):
        dus.block_bisection(n, order)
