"""The best ordered partition of a small law's positions, for every number of groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theory.distributions.law import Law
from theory.tables import Floats, entropy

POSITION_LIMIT = 14  # 3^14 pairs of subsets for each number of groups: seconds and 10 MB

Groups = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class OrderedPartition:
    """Groups of positions in order of revelation, and what revealing them so loses.

    Attributes:
        groups: S_1..S_k, each ascending, a partition of 0..n-1.
        kl: KL(law || sampler), nats.
    """

    groups: Groups
    kl: float


def check_groups(max_groups: int | None, n: int) -> int:
    """The largest number of groups that is asked for: n where nothing is.

    Raises:
        ValueError: Not 1 <= max_groups <= n.
    """
    if max_groups is None:
        return n
    if not 1 <= max_groups <= n:
        raise ValueError(f"need 1 <= max_groups <= n, got max_groups={max_groups}, n={n}")
    return max_groups


def subset_entropies(table: Floats) -> Floats:
    """Entropy of X_S for every set S of positions; position i is in S if bit i of its index is set.

    Positions are kept or summed out one after the other, and all sets that agree so far share
    the marginal: (q+1)^n terms in all.

    Args:
        table: Joint table, shape (q,) * n.

    Returns:
        Shape (2^n,), nats.

    Example:
        >>> subset_entropies(np.array([[0.5, 0.0], [0.0, 0.5]])).round(4)
        array([0.    , 0.6931, 0.6931, 0.6931])
    """
    n, q = table.ndim, table.shape[0]
    found = np.zeros(2**n)
    # (marginal of shape (q^kept, q^undecided), position to decide, positions kept)
    stack = [(table.reshape(1, -1), 0, 0)]
    while stack:
        block, position, kept = stack.pop()
        if position == n:
            found[kept] = entropy(block) if kept else 0.0
            continue
        by_symbol = block.reshape(len(block), q, -1)
        stack.append((by_symbol.sum(axis=1), position + 1, kept))
        bit = 1 << position
        stack.append((by_symbol.reshape(len(block) * q, -1), position + 1, kept | bit))
    return found


def best_partitions(law: Law, max_groups: int | None = None) -> tuple[OrderedPartition, ...]:
    r"""The ordered partitions into 1, 2, ... groups that lose least, over all of them.

    With P_k(U) the least sum of entropies paid when k groups reveal U,
    .. math:: P_k(U) = \min_{T \subset U} P_{k-1}(T) + \sum_{i \in U \setminus T} H(X_i | X_T),
              \qquad KL = P_k(\{0 \dots n-1\}) - H(X).

    The loss never rises with k, but unlike that of one order it need not be convex in k.

    Args:
        law: Of n <= 14 positions.
        max_groups: Largest number of groups, 1..n; n when None.

    Returns:
        Entry k - 1 has k groups. The loss is TC for one group and 0 for n.

    Raises:
        ValueError: More than 14 positions, a table over the size limit, or not
            1 <= max_groups <= n.

    References:
        theory, sections 2.1 and 5.4.

    Example:
        >>> from theory.distributions import Parity
        >>> [round(best.kl, 4) for best in best_partitions(Parity(3))]
        [0.6931, 0.0, 0.0]
        >>> best_partitions(Parity(3))[1].groups
        ((0, 1), (2,))
    """
    n = law.n
    if n > POSITION_LIMIT:
        raise ValueError(
            f"the best of all ordered partitions of n={n} positions compares 3^{n} = {3**n:.1e} "
            f"pairs of sets for each number of groups, over the limit of n={POSITION_LIMIT}: use "
            "fewer positions, or for a Markov chain best_chain_partitions"
        )
    most = check_groups(max_groups, n)
    sets = np.arange(2**n)
    entropies = subset_entropies(law.table())
    added = np.stack([entropies[sets | 1 << i] - entropies for i in range(n)], axis=1)
    added = np.maximum(added, 0.0)  # H(X_i | X_T), shape (2^n, n)
    paid = np.full((2**n, most + 1), np.inf)  # P_k(U)
    paid[0, 0] = 0.0
    for known in range(2**n - 1):  # what is known before a step is a smaller number than after it
        fresh = [i for i in range(n) if not known >> i & 1]
        reached, cost = _unions(known, fresh, added[known, fresh])
        reached, cost = reached[1:], cost[1:]  # a group is not empty
        options = paid[known, :-1] + cost[:, None]
        paid[reached, 1:] = np.minimum(paid[reached, 1:], options)
    return tuple(
        OrderedPartition(
            _recover(paid, added, k), max(0.0, float(paid[-1, k]) - float(entropies[-1]))
        )
        for k in range(1, most + 1)
    )


def _unions(
    base: int, positions: Sequence[int], weights: Floats
) -> tuple[NDArray[np.intp], Floats]:
    """``base`` with each set of the positions, and the sum of the weights of that set."""
    unions, sums = np.array([base]), np.zeros(1)
    for position, weight in zip(positions, weights, strict=True):
        unions = np.concatenate([unions, unions | 1 << position])
        sums = np.concatenate([sums, sums + weight])
    return unions, sums


def _recover(paid: Floats, added: Floats, k: int) -> Groups:
    """The k groups that pay ``paid[-1, k]``, from the last to the first."""
    n = added.shape[1]
    groups: list[tuple[int, ...]] = []
    revealed = 2**n - 1
    for left in range(k - 1, -1, -1):
        members = [i for i in range(n) if revealed >> i & 1]
        known, _ = _unions(0, members, np.zeros(len(members)))
        known = known[:-1]
        fresh = (revealed ^ known)[:, None] >> np.arange(n) & 1
        best = int(np.argmin(paid[known, left] + (added[known] * fresh).sum(axis=1)))
        before = int(known[best])
        groups.append(tuple(i for i in members if not before >> i & 1))
        revealed = before
    return tuple(reversed(groups))
