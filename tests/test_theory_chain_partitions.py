"""The best ordered partition of chains and rings in polynomial time is that of all partitions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import bruteforce
import numpy as np
import pytest
import strategies
from golden_laws import CASES
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from theory import divergences
from theory.chain_partitions import best_chain_partitions, best_gap_plans, best_ring_partitions
from theory.distributions import IsingRing, Law, MarkovChain
from theory.distributions.chains import InhomogeneousChain
from theory.distributions.registry import noisy_sum_chain
from theory.distributions.rings import RingField
from theory.distributions.walks import BernoulliWalk
from theory.partitions import OrderedPartition, best_partitions

EXAMPLE = np.array([[0.9, 0.1], [0.3, 0.7]])
FLIP = np.eye(2)[::-1]
CYCLE = np.roll(np.eye(3), 1, axis=1)
DRIFT = 0.8 * CYCLE + 0.2 / 3  # stationary, not reversible
ABSORBING = np.array([[0.5, 0.3, 0.2], [0.0, 0.6, 0.4], [0.0, 0.0, 1.0]])
FAIR = np.full(3, 1 / 3)

CHAINS = {
    "reversible, n = 10": MarkovChain(10, EXAMPLE),
    "not stationary": MarkovChain(10, EXAMPLE, np.array([0.1, 0.9])),
    "period 2": MarkovChain(9, FLIP, np.array([0.3, 0.7])),
    "period 3": MarkovChain(7, CYCLE, FAIR),
    "drift": MarkovChain(7, DRIFT),
    "absorbing": MarkovChain(7, ABSORBING, FAIR),
    "independent": MarkovChain(8, np.full((2, 2), 0.5)),
    "copies": MarkovChain(8, np.eye(2), np.array([0.5, 0.5])),
    "certain": MarkovChain(6, np.eye(2), np.array([0.0, 1.0])),
    "changing": InhomogeneousChain(
        np.array([0.2, 0.8]), np.random.default_rng(5).dirichlet([0.4, 0.4], size=(8, 2))
    ),
    "walk": BernoulliWalk(6),
}
RINGS = {
    "Ising": IsingRing(9, coupling=0.7, field=0.2),
    "frustrated": IsingRing(7, coupling=-1.5),
    "field": RingField(6, np.random.default_rng(3).normal(size=(6, 3, 3))),
    "two positions": IsingRing(2, coupling=0.5),
    "one position": IsingRing(1, coupling=0.5),
}


def check_same(law: Law, found: Sequence[OrderedPartition]) -> None:
    """As good as the subset dynamic programme, with groups that lose what is said."""
    wanted = best_partitions(law)
    assert_allclose([best.kl for best in found], [best.kl for best in wanted], atol=1e-11)
    for k, best in enumerate(found, start=1):
        assert len(best.groups) == k
        assert all(list(group) == sorted(group) for group in best.groups)
        assert divergences.partition_kl(law, best.groups) == pytest.approx(best.kl, abs=1e-11)


@pytest.mark.parametrize("name", CHAINS)
def test_chains_by_both_methods(name: str) -> None:
    check_same(CHAINS[name], best_chain_partitions(CHAINS[name]))


@pytest.mark.parametrize("name", RINGS)
def test_rings_by_both_methods(name: str) -> None:
    check_same(RINGS[name], best_ring_partitions(RINGS[name]))


@settings(max_examples=40)
@given(st.data(), st.sampled_from([(2, 8), (3, 5)]))
def test_any_chain_by_both_methods(data: st.DataObject, limits: tuple[int, int]) -> None:
    q, longest = limits
    n = data.draw(st.integers(1, longest))
    transition = data.draw(strategies.stochastic_matrices((q, q)))
    chain = MarkovChain(n, transition, data.draw(strategies.probabilities((q,))))
    check_same(chain, best_chain_partitions(chain))


def test_golden_values() -> None:
    found = best_chain_partitions(MarkovChain(8, EXAMPLE))
    wanted = CASES["markov_2_n8"]["best_ordered_partition"]["KL"]
    assert_allclose([best.kl for best in found], list(wanted.values()), atol=1e-10)


@pytest.mark.parametrize("n", [*range(1, 18), 63, 64])
def test_halving_is_exact_and_fewer_rounds_are_not(n: int) -> None:
    rounds = n.bit_length()  # ceil(log2(n + 1))
    found = best_chain_partitions(noisy_sum_chain(n, eps=0.01), min(n, rounds + 1))
    assert all(best.kl == pytest.approx(0.0, abs=1e-11) for best in found[rounds - 1 :])
    assert all(best.kl > 1e-4 for best in found[: rounds - 1])


def test_time_may_run_backwards() -> None:
    forwards = MarkovChain(24, DRIFT)
    backwards = MarkovChain(24, DRIFT.T)  # its stationary law is uniform
    found = [[best.kl for best in best_chain_partitions(c, 5)] for c in (forwards, backwards)]
    assert_allclose(*found, atol=1e-11)


@pytest.mark.parametrize("n", [32, 64])
def test_dus_is_never_better(n: int) -> None:
    for chain in (MarkovChain(n, EXAMPLE), MarkovChain(n, DRIFT), noisy_sum_chain(n, q=4)):
        steps = n.bit_length() - 1
        best = best_chain_partitions(chain, steps)[-1]
        assert best.kl <= divergences.dus_kl(chain) + 1e-11
        assert divergences.partition_kl(chain, best.groups) == pytest.approx(best.kl, abs=1e-11)
    walk = BernoulliWalk(n)  # positions matter: its entropies grow on the way
    best = best_chain_partitions(walk, 4)[-1]
    assert divergences.partition_kl(walk, best.groups) == pytest.approx(best.kl, abs=1e-11)


def test_no_one_order_is_best_for_every_number_of_groups() -> None:
    # Each optimum is an order with cuts, but not always of one order: here from n = 6 on.
    for n in (5, 6):
        chain = MarkovChain(n, EXAMPLE)
        optimum = [best.kl for best in best_chain_partitions(chain, 3)]
        excess = np.inf
        for order in permutations(range(n)):
            surface = divergences.order_surface(chain, order)
            losses = [
                min(divergences.surface_kl(surface, s) for s in bruteforce.compositions(n, k))
                for k in range(1, len(optimum) + 1)
            ]
            excess = min(excess, float(np.max(np.subtract(losses, optimum))))
        assert excess > 0.01 if n == 6 else excess < 1e-11


def test_what_is_no_chain_of_order_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"got order 2: .* use best_partitions"):
        best_chain_partitions(noisy_sum_chain(8, order=2))


def test_too_many_positions_are_refused() -> None:
    with pytest.raises(ValueError, match=r"n=257 positions take 259\^3 numbers .* use fewer"):
        best_chain_partitions(MarkovChain(257, EXAMPLE))
    with pytest.raises(ValueError, match=r"n=130 positions take 260\^3 numbers .* use fewer"):
        best_ring_partitions(IsingRing(130, coupling=0.5))


@pytest.mark.parametrize("max_groups", [0, 5])
def test_groups_that_do_not_fit(max_groups: int) -> None:
    with pytest.raises(ValueError, match="need 1 <= max_groups <= n, got"):
        best_chain_partitions(MarkovChain(4, EXAMPLE), max_groups)
    with pytest.raises(ValueError, match="need 1 <= max_groups <= n, got"):
        best_ring_partitions(IsingRing(4, coupling=0.5), max_groups)


@settings(max_examples=25)
@given(st.integers(1, 4), st.integers(0, 999))
def test_gap_plans_by_enumeration(n: int, seed: int) -> None:
    """Costs need not be those of a law; those of larger gaps are larger, as for any law."""
    rng = np.random.default_rng(seed)
    inside = rng.random((n + 2,) * 3)
    inside = np.maximum.accumulate(inside[::-1], axis=0)[::-1]  # less is known further left
    inside = np.maximum.accumulate(inside, axis=2)

    def paid(groups: tuple[tuple[int, ...], ...]) -> float:
        total, known = 0.0, [0, n + 1]
        for group in groups:
            for node in (p + 1 for p in group):
                left = max(p for p in known if p < node)
                right = min(p for p in known if p > node)
                total += inside[left, node, right]
            known += [p + 1 for p in group]
        return total

    plans = best_gap_plans(inside, n)
    for k, (groups, least) in enumerate(plans, start=1):
        assert paid(groups) <= least + 1e-12
        every = (
            paid(partition)
            for sizes in bruteforce.compositions(n, k)
            for partition in bruteforce.ordered_partitions(n, sizes)
        )
        assert least == pytest.approx(min(every))
