r"""The best ordered partition where known neighbours cut a law apart: chains and rings.

What is inside a gap between two known positions l < r of a Markov chain depends on nothing else
that is known, so rounds may be planned gap by gap. Let V_k(l, r) be the least sum of conditional
entropies that k rounds pay for the inside of a gap. A round reveals positions of it, which are a
path from l to r, pays for each of them, and leaves the gaps between them:

.. math:: V_k(l, r) = \min_{l = p_0 < p_1 < \dots < p_{m+1} = r}
          \sum_{i=1}^m H(X_{p_i} | X_l, X_r) + \sum_{i=0}^m V_{k-1}(p_i, p_{i+1}),

with V_0 = 0 where nothing is inside, else infinite. Every ordered partition is such a plan, so
the minimum is that of ``best_partitions``; but one gap is a shortest path in O(n^2), and one
round of all gaps O(n^4) of vectorised work: milliseconds for n = 64.

References:
    theory, sections 2.1, 5.4 and 11.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from theory.distributions.chains import InhomogeneousChain, MarkovChain
from theory.distributions.rings import Ring
from theory.distributions.walks import BernoulliWalk
from theory.partitions import Groups, OrderedPartition, check_groups
from theory.tables import Floats

NODE_LIMIT = 258  # its cube is the number of floats in each of a few arrays: 0.14 GB

OrderOneChain = MarkovChain | InhomogeneousChain | BernoulliWalk


def check_order_one(chain: OrderOneChain) -> None:
    """Refuse a chain of a higher order, whose gaps depend on more than their ends.

    Raises:
        ValueError: The chain is of a higher order.
    """
    if isinstance(chain, MarkovChain) and chain.order != 1:
        raise ValueError(
            f"need a chain of order 1, got order {chain.order}: for n <= 14 use best_partitions"
        )


def best_chain_partitions(
    chain: OrderOneChain, max_groups: int | None = None
) -> tuple[OrderedPartition, ...]:
    """The ordered partitions of an order-1 chain into 1, 2, ... groups that lose least.

    Exact, as ``best_partitions`` is, in polynomial time. The chain need be neither stationary
    nor homogeneous nor reversible.

    Args:
        chain: Order 1, n <= 256 positions.
        max_groups: Largest number of groups, 1..n; n when None.

    Returns:
        Entry k - 1 has k groups. The loss is TC for one group, and 0 from ceil(log2(n + 1)) on.

    Raises:
        ValueError: The chain is of a higher order or too long, or not 1 <= max_groups <= n.

    References:
        theory, sections 5.4 and 11.2; Wen, Liang, Lu (arXiv:2608.25505), Theorem 2 (halving).

    Example:
        >>> chain = MarkovChain(8, np.array([[0.9, 0.1], [0.3, 0.7]]))
        >>> [round(best.kl, 4) for best in best_chain_partitions(chain, 4)]
        [1.1606, 0.15, 0.008, 0.0]
    """
    check_order_one(chain)
    n = chain.n
    _check_nodes(n + 2, n)
    most = check_groups(max_groups, n)
    # Node p + 1 is position p. Nothing is known at node 0, and nothing is to know at node n + 1.
    forward = np.zeros((n + 2, n + 2))  # H(X_r | X_l)
    for node in range(n + 1):
        forward[node, 1:-1] = chain.conditional_entropies([node - 1] if node else [])
    inside = forward[:, :, None] + forward[None, :, :] - forward[:, None, :]  # by l, p, r
    inside = np.maximum(inside, 0.0)
    # ceil(log2(n + 1)) rounds of halving lose nothing.
    plans = best_gap_plans(inside, most, rounds=n.bit_length())
    entropy = chain.entropy()
    return tuple(OrderedPartition(groups, max(0.0, paid - entropy)) for groups, paid in plans)


def best_gap_plans(
    inside: Floats, max_groups: int, *, rounds: int | None = None
) -> tuple[tuple[Groups, float], ...]:
    """The plans that pay least where what a position costs depends on the ends of its gap alone.

    Args:
        inside: Shape (n + 2, n + 2, n + 2), nats: entry (l, p, r) is what position p - 1 costs in
            the gap between l - 1 and r - 1, for l < p < r; 0 and n + 1 stand for no known
            position on that side.
        max_groups: Largest number of groups, 1..n.
        rounds: Plan at most so many rounds, as more would pay no less; ``max_groups`` when None.

    Returns:
        Entry k - 1 has k groups and what they pay, nats.

    References:
        theory, sections 5.4 and 11.2.

    Example:
        >>> inside = np.ones((5, 5, 5))
        >>> inside[:, :, :4] = 0.5  # what is known on the right tells half of it
        >>> best_gap_plans(inside, 2)[1]
        (((2,), (0, 1)), 2.0)
    """
    last = len(inside) - 1
    costs = _gap_costs(inside, max_groups if rounds is None else min(max_groups, rounds))
    found = []
    for k in range(1, max_groups + 1):
        plan = costs[: k + 1]
        groups: list[list[int]] = [[] for _ in range(k)]
        _reveal(inside, plan, 0, last, groups)
        positions = [[node - 1 for node in group] for group in groups]
        found.append((_exactly(positions), float(plan[-1][0, last])))
    return tuple(found)


def best_ring_partitions(ring: Ring, max_groups: int | None = None) -> tuple[OrderedPartition, ...]:
    """The ordered partitions of a ring's positions into 1, 2, ... groups that lose least.

    The first round pays the entropies of its positions and leaves arcs between them, and an arc
    is a gap.

    Args:
        ring: n <= 129 positions.
        max_groups: Largest number of groups, 1..n; n when None.

    Returns:
        Entry k - 1 has k groups. The loss is TC for one group.

    Raises:
        ValueError: The ring is too long, or not 1 <= max_groups <= n.

    References:
        theory, section 11.2.

    Example:
        >>> from theory.distributions import IsingRing
        >>> ring = IsingRing(8, coupling=0.5)
        >>> [round(best.kl, 4) for best in best_ring_partitions(ring, 4)]
        [0.8996, 0.0979, 0.0041, 0.0]
    """
    n = ring.n
    _check_nodes(2 * n, n)
    most = check_groups(max_groups, n)
    # The ring is laid down twice: node p is position p % n, and an arc has l < r <= l + n.
    node = np.arange(2 * n) % n
    between = np.array([[ring.conditional_entropies({a, b}) for b in range(n)] for a in range(n)])
    inside = between[node[:, None, None], node[None, None, :], node[None, :, None]]  # by l, p, r
    alone = ring.conditional_entropies(())[node]
    exact = (n - 1).bit_length()  # rounds after one that reveals a position alone
    rounds = _gap_costs(inside, min(most - 1, exact))
    entropy = ring.entropy()
    found = []
    for k in range(1, most + 1):
        plan = rounds[:k]
        circles = [_cheapest_path(plan[-1], alone, first, first + n) for first in range(n)]
        paid = [alone[first] + cost for first, (cost, _) in enumerate(circles)]
        first = int(np.argmin(paid))
        path = circles[first][1]
        groups: list[list[int]] = [path[:-1], *([] for _ in range(k - 1))]
        for left, right in pairwise(path):
            _reveal(inside, plan, left, right, groups[1:])
        positions = [[p % n for p in group] for group in groups]
        loss = max(0.0, float(paid[first]) - entropy)
        found.append(OrderedPartition(_exactly(positions), loss))
    return tuple(found)


def _gap_costs(inside: Floats, rounds: int) -> list[Floats]:
    """V_0 .. V_k by l, r; infinite where the inside of a gap takes more rounds, or l >= r."""
    nodes = len(inside)
    costs = np.full((nodes, nodes), np.inf)
    costs[range(nodes - 1), range(1, nodes)] = 0.0
    found = [costs]
    for _ in range(rounds):
        later = np.full((nodes, nodes), np.inf)
        reach = np.full((nodes, nodes, nodes), np.inf)  # of paths from l to p, by p, l, r
        reach[range(nodes), range(nodes)] = 0.0
        for p in range(1, nodes):
            least = (reach[:p, :p, p:] + costs[:p, p, None, None]).min(axis=0)
            later[:p, p] = least[:, 0]  # r = p, where the path ends
            reach[p, :p, p + 1 :] = least[:, 1:] + inside[:p, p, p + 1 :]
        costs = later
        found.append(costs)
    return found


def _cheapest_path(
    costs: Floats, weights: Floats, left: int, right: int
) -> tuple[float, list[int]]:
    """Least sum of edge costs and of weights of the nodes strictly between, and its nodes."""
    reach = np.zeros(right - left + 1)
    before = [left]
    for p in range(left + 1, right + 1):
        through = reach[: p - left] + costs[left:p, p]
        best = int(through.argmin())
        before.append(left + best)
        reach[p - left] = through[best] + (weights[p] if p < right else 0.0)
    path = [right]
    while path[-1] > left:
        path.append(before[path[-1] - left])
    return float(reach[-1]), path[::-1]


def _reveal(
    inside: Floats, plan: Sequence[Floats], left: int, right: int, groups: Sequence[list[int]]
) -> None:
    """Put the inside of a gap into the groups of the rounds, as V_k = ``plan[k]`` has it."""
    if right - left < 2:
        return
    *earlier, _ = plan
    _, path = _cheapest_path(earlier[-1], inside[left, :, right], left, right)
    groups[0].extend(path[1:-1])
    for start, end in pairwise(path):
        _reveal(inside, earlier, start, end, groups[1:])


def _exactly(groups: Sequence[Sequence[int]]) -> Groups:
    """As many groups, but none empty: single positions leave larger groups and go before them.

    A group in two rounds never loses more than in one.
    """
    spare = sum(not group for group in groups)
    found: list[tuple[int, ...]] = []
    for group in groups:
        members = sorted(group)
        while spare and len(members) > 1:
            found.append((members.pop(0),))
            spare -= 1
        if members:
            found.append(tuple(members))
    return tuple(found)


def _check_nodes(nodes: int, n: int) -> None:
    if nodes > NODE_LIMIT:
        raise ValueError(
            f"n={n} positions take {nodes}^3 numbers at once, over the limit of {NODE_LIMIT}^3: "
            "use fewer positions"
        )
