"""Value-adaptive policies: theory sections 2.5 and 11.6 against the sampler, outcome by outcome."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import combinations, product
from math import log, sqrt

import bruteforce
import numpy as np
import pytest
import strategies
from golden_laws import CASES, TABLES
from hypothesis import given, settings
from hypothesis import strategies as st

from theory import adaptive, curves, divergences
from theory.distributions import TableLaw
from theory.tables import conditional_marginals

Floats = strategies.Floats

small = {"max_n": 4, "max_entries": 27}


def hashed_policy(n: int, seed: int) -> adaptive.Policy:
    """An arbitrary policy: the same group whenever the same values are known."""

    @cache
    def group_after(known: frozenset[tuple[int, int]]) -> tuple[int, ...]:
        fresh = sorted(set(range(n)).difference(i for i, _ in known))
        rng = np.random.default_rng([seed, *(1 + i * 7 + v for i, v in sorted(known))])
        size = int(rng.integers(1, len(fresh) + 1))
        return tuple(int(i) for i in rng.permutation(fresh)[:size])

    return lambda known: group_after(frozenset(known.items()))


def sampler_probability(table: Floats, policy: adaptive.Policy, x: tuple[int, ...]) -> float:
    """Probability that the sampler outputs x; its groups along x are the only ones it can take."""
    known: dict[int, int] = {}
    probability = 1.0
    while len(known) < table.ndim:
        rows = conditional_marginals(table, known)
        group = policy(dict(known))
        probability *= float(np.prod([rows[i, x[i]] for i in group]))
        known |= {i: x[i] for i in group}
    return probability


def rounds_along(table: Floats, policy: adaptive.Policy, x: tuple[int, ...]) -> int:
    known: dict[int, int] = {}
    rounds = 0
    while len(known) < table.ndim:
        known |= {i: x[i] for i in policy(dict(known))}
        rounds += 1
    return rounds


def best_partition(table: Floats, rounds: int) -> float:
    """Least loss of an ordered partition into at most so many groups, by trying all."""
    law, n = TableLaw(table), table.ndim
    sizes = [s for k in range(1, min(rounds, n) + 1) for s in bruteforce.compositions(n, k)]
    return min(
        divergences.partition_kl(law, groups)
        for s in sizes
        for groups in bruteforce.ordered_partitions(n, s)
    )


def best_policy_by_recursion(table: Floats, rounds: int) -> float:
    """The hard-cap optimum on conditioned tables, without weights or bit masks."""
    n = table.ndim
    if n == 0 or rounds == 0:
        return 0.0 if n == 0 else float("inf")
    best = float("inf")
    for size in range(1, n + 1):
        for group in combinations(range(n), size):
            alone = sum(bruteforce.entropy_on(table, [i]) for i in group)
            loss = alone - bruteforce.entropy_on(table, group)
            for x, p in bruteforce.law_on(table, group).items():
                value = dict(zip(group, x, strict=True))
                index = tuple(value.get(i, slice(None)) for i in range(n))
                loss += p * best_policy_by_recursion(table[index] / p, rounds - 1)
            best = min(best, loss)
    return best


@settings(max_examples=40)
@given(strategies.tables(**small), st.integers(0, 2**16))
def test_adaptive_kl_is_the_kl_of_the_sampler(table: Floats, seed: int) -> None:
    # theory 2.5; the sampler outputs each x by one path, so its law sums to one.
    policy = hashed_policy(table.ndim, seed)
    output = {
        x: sampler_probability(table, policy, x)
        for x in product(range(table.shape[0]), repeat=table.ndim)
    }
    divergence = sum(p * log(p / output[x]) for x, p in bruteforce.outcomes(table))
    assert sum(output.values()) == pytest.approx(1.0)
    assert adaptive.adaptive_kl(table, policy) == pytest.approx(divergence, abs=1e-11)
    variation = 0.5 * sum(abs(table[x] - q) for x, q in output.items())
    assert variation <= sqrt(max(divergence, 0.0) / 2) + 1e-7


@settings(max_examples=40)
@given(strategies.tables(max_entries=64), st.integers(0, 2**16))
def test_rounds_are_counted_along_each_outcome(table: Floats, seed: int) -> None:
    policy = hashed_policy(table.ndim, seed)
    mean = sum(p * rounds_along(table, policy, x) for x, p in bruteforce.outcomes(table))
    assert adaptive.expected_rounds(table, policy) == pytest.approx(mean)
    starts = [r for r in adaptive.policy_rounds(table, policy) if not r.known]
    assert [r.probability for r in starts] == [pytest.approx(1.0)]


@settings(max_examples=40)
@given(strategies.tables_with(strategies.ordered_partitions, max_entries=64))
def test_a_partition_is_a_policy_that_ignores_values(
    drawn: tuple[Floats, tuple[tuple[int, ...], ...]],
) -> None:
    table, groups = drawn
    ends = np.cumsum([len(group) for group in groups])

    def policy(known: Mapping[int, int]) -> tuple[int, ...]:
        return groups[int(np.searchsorted(ends, len(known), side="right"))]

    wanted = divergences.partition_kl(TableLaw(table), groups)
    assert adaptive.adaptive_kl(table, policy) == pytest.approx(wanted, abs=1e-11)
    assert adaptive.expected_rounds(table, policy) == pytest.approx(len(groups))


@settings(max_examples=25)
@given(strategies.tables(max_n=3, max_entries=27), st.integers(1, 3))
def test_best_policy_by_definition(table: Floats, rounds: int) -> None:
    found = adaptive.best_adaptive_kl(table, rounds)
    assert found[-1] == pytest.approx(best_policy_by_recursion(table, rounds), abs=1e-11)


@settings(max_examples=40)
@given(strategies.tables(**small), st.data())
def test_adapting_to_values_then_to_positions_then_not_at_all(
    table: Floats, data: st.DataObject
) -> None:
    # theory 2.5: values <= partition <= best order, random order; equal for k <= 2.
    n, law = table.ndim, TableLaw(table)
    k = data.draw(st.integers(1, n))
    order = data.draw(strategies.permutations(n))
    by_values, by_positions = adaptive.best_adaptive_kl(table, k)[-1], best_partition(table, k)
    assert by_values <= by_positions + 1e-11
    assert k > 2 or by_values == pytest.approx(by_positions, abs=1e-11)
    surface, curve = divergences.order_surface(law, order), law.conditional_entropy_curve()
    for sizes in bruteforce.compositions(n, k):
        assert by_positions <= divergences.surface_kl(surface, sizes) + 1e-11
        assert by_positions <= divergences.expected_kl(curve, sizes) + 1e-11


@settings(max_examples=40)
@given(strategies.tables(max_entries=64))
def test_best_policy_never_rises_with_rounds(table: Floats) -> None:
    losses = adaptive.best_adaptive_kl(table, table.ndim + 1)
    tc, _ = curves.total_correlations(table)
    assert losses[0] == pytest.approx(tc, abs=1e-11)
    assert losses[-2:] == pytest.approx(0.0, abs=1e-11)
    assert np.all(np.diff(losses) <= 0.0)


@settings(max_examples=40)
@given(strategies.tables(max_n=5), st.integers(0, 2**16))
def test_no_policy_beats_the_best_of_as_many_rounds(table: Floats, seed: int) -> None:
    policy = hashed_policy(table.ndim, seed)
    cap = max(rounds_along(table, policy, x) for x, _ in bruteforce.outcomes(table))
    best = adaptive.best_adaptive_kl(table, cap)
    assert best[-1] <= adaptive.adaptive_kl(table, policy) + 1e-11


@pytest.mark.parametrize("name", ["tiny_2^3", "parity_n6", "product_copy_n6"])
def test_golden_hard_cap(name: str) -> None:
    wanted = CASES[name]["value_adaptive_hard_cap_KL"]
    found = adaptive.best_adaptive_kl(TABLES[name], len(wanted))
    assert list(wanted) == [str(k) for k in range(1, len(wanted) + 1)]
    assert found == pytest.approx(list(wanted.values()), abs=1e-10)


def test_values_help_strictly_from_three_rounds() -> None:
    # X_0 says how the other four bits are paired; the two of a pair are copies.
    pairings = [((1, 2), (3, 4)), ((1, 3), (2, 4)), ((1, 4), (2, 3))]
    table = np.zeros((3,) * 5)
    for switch, pairs in enumerate(pairings):
        for x in product(range(2), repeat=4):
            bits = (switch, *x)
            table[bits] = all(bits[i] == bits[j] for i, j in pairs) / 12

    def policy(known: Mapping[int, int]) -> tuple[int, ...]:
        (_, partner), other = pairings[known[0]] if known else ((0, 1), (2, 3))
        if not known:
            return (0, 1)
        return (partner, other[0]) if len(known) == 2 else other[1:]

    assert adaptive.expected_rounds(table, policy) == pytest.approx(3.0)
    assert adaptive.adaptive_kl(table, policy) == pytest.approx(0.0, abs=1e-12)
    losses = adaptive.best_adaptive_kl(table, 3)
    assert losses[2] == pytest.approx(0.0, abs=1e-12)
    # No three fixed groups part the copies of every pairing.
    assert losses[1] == pytest.approx(best_partition(table, 2))
    assert best_partition(table, 3) > 0.03


@settings(max_examples=60)
@given(strategies.tables(max_entries=64), st.floats(0.0, 3.0))
def test_entropy_bound_rule(table: Floats, gamma: float) -> None:
    # theory 11.6
    policy = adaptive.entropy_bound_policy(table, gamma)
    steps = list(adaptive.policy_rounds(table, policy))
    for step in steps:
        rows = conditional_marginals(table, step.known)
        entropies = {i: -sum(p * log(p) for p in row if p > 0.0) for i, row in enumerate(rows)}
        chosen = [entropies[i] for i in step.group]
        left = [entropies[i] for i in entropies if i not in step.known and i not in step.group]
        assert sum(chosen) - max(chosen) <= gamma + 1e-9
        assert step.total_correlation <= sum(chosen) - max(chosen) + 1e-9
        assert not left or max(chosen) <= min(left) + 1e-9
        assert not left or sum(chosen) > gamma - 1e-9  # no more would fit
    rounds = adaptive.expected_rounds(table, policy)
    assert adaptive.adaptive_kl(table, policy) <= gamma * rounds + 1e-9


@pytest.mark.parametrize("group", [[], [0, 0], [0, 3], [-1]])
def test_policies_that_reveal_no_masked_position_are_refused(group: list[int]) -> None:
    with pytest.raises(ValueError, match=r"need a group of masked positions.*\[0, 1, 2\], got"):
        adaptive.adaptive_kl(np.full((2, 2, 2), 0.125), lambda known: group)


def test_policies_that_reveal_a_position_again_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got \[0\] where \{0: 0\} is known"):
        adaptive.expected_rounds(np.full((2, 2), 0.25), lambda known: [0])


@pytest.mark.parametrize("gamma", [-0.1, float("nan")])
def test_budgets_that_are_no_budget_are_refused(gamma: float) -> None:
    with pytest.raises(ValueError, match="need a budget gamma >= 0"):
        adaptive.entropy_bound_policy(np.full((2, 2), 0.25), gamma)


def test_caps_and_tables_without_an_optimum_are_refused() -> None:
    with pytest.raises(ValueError, match="need at least one round, got 0"):
        adaptive.best_adaptive_kl(np.full((2, 2), 0.25), 0)
    with pytest.raises(ValueError, match=r"n=12 positions with q=2 symbols sum 4.9e\+08 terms"):
        adaptive.best_adaptive_kl(np.broadcast_to(2.0**-12, (2,) * 12), 2)
