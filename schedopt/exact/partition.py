"""The best ordered partition, by whatever is quick for a law."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Final

from schedopt.curve import InformationCurve
from theory.chain_partitions import OrderOneChain, best_chain_partitions, best_ring_partitions
from theory.distributions import Law, MarkovChain, SymmetricLaw
from theory.distributions.rings import Ring
from theory.divergences import expected_kl
from theory.partitions import OrderedPartition, best_partitions

# Each takes a fraction of a second there.
LONGEST_CHAIN: Final = 64
LONGEST_RING: Final = 32
LONGEST_TABLE: Final = 12
MOST_TERMS: Final = 2**24  # (q + 1)^n


def best_partition(law: Law, groups: int) -> OrderedPartition | None:
    """The ordered partition into so many groups that loses least, where it is found quickly.

    Args:
        law: Of n positions.
        groups: 1 <= k <= n.

    Returns:
        None unless the law is symmetric, an order-1 chain of n <= 64 positions, a ring of
        n <= 32, or any law of n <= 12 with (q + 1)^n <= 2^24.

    References:
        theory, sections 5.4 and 11.2.

    Example:
        >>> from theory.distributions import Parity
        >>> best_partition(Parity(4), 2)
        OrderedPartition(groups=((0, 1, 2), (3,)), kl=0.0)
    """
    n = law.n
    if isinstance(law, SymmetricLaw):  # its best sizes are as good in any order
        return _in_any_order(law, groups)
    if isinstance(law, OrderOneChain) and not _is_higher(law) and n <= LONGEST_CHAIN:
        return best_chain_partitions(law, groups)[-1]
    if isinstance(law, Ring) and n <= LONGEST_RING:
        return best_ring_partitions(law, groups)[-1]
    if n <= LONGEST_TABLE and (law.q + 1) ** n <= MOST_TERMS:
        return best_partitions(law, groups)[-1]
    return None


def _is_higher(law: OrderOneChain) -> bool:
    return isinstance(law, MarkovChain) and law.order > 1


def _in_any_order(law: SymmetricLaw, groups: int) -> OrderedPartition:
    from schedopt.solvers import solve

    curve = law.conditional_entropy_curve()
    sizes = solve(InformationCurve(curve), steps=groups).schedule.step_sizes
    ends = pairwise(accumulate(sizes, initial=0))
    return OrderedPartition(tuple(tuple(range(a, b)) for a, b in ends), expected_kl(curve, sizes))
