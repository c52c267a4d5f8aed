"""Samplers that choose the next group from the values they have revealed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from theory.tables import Floats, conditional_marginals, entropy, marginal

Policy = Callable[[Mapping[int, int]], Collection[int]]
"""From the value of each known position to the positions revealed next."""

WORK_LIMIT = 2**27  # table entries touched by best_adaptive_kl: n = 10 binary, all caps


@dataclass(frozen=True)
class Round:
    """One round of a policy, from one partial assignment that it reaches.

    Attributes:
        known: Value of each known position.
        probability: Of reaching it, under the law.
        group: Positions revealed.
        total_correlation: TC(X_S | x_C) of the group S, nats.
    """

    known: Mapping[int, int]
    probability: float
    group: tuple[int, ...]
    total_correlation: float


def policy_rounds(table: Floats, policy: Policy) -> Iterator[Round]:
    """Every round that a policy takes on outcomes of the law.

    Args:
        table: Joint table, shape (q,) * n.
        policy: Called once for each partial assignment that it reaches.

    Yields:
        The rounds; those of one outcome x have the x_C on its path as ``known``.

    Raises:
        ValueError: The policy reveals nothing, a position twice, or one that is known or no
            position of the law.

    Example:
        >>> parity = np.array([[0.5, 0.0], [0.0, 0.5]])
        >>> [(dict(r.known), r.group) for r in policy_rounds(parity, lambda x: [len(x)])]
        [({}, (0,)), ({0: 0}, (1,)), ({0: 1}, (1,))]
    """
    n, q = table.ndim, table.shape[0]
    stack: list[dict[int, int]] = [{}]
    while stack:
        known = stack.pop()
        # Known axes keep length 1, so the axes of the slice are still the positions.
        values = [slice(known[i], known[i] + 1) if i in known else slice(None) for i in range(n)]
        consistent = table[tuple(values)]
        probability = float(consistent.sum())
        group = tuple(sorted(policy(known)))
        fresh = set(range(n)).difference(known)
        if not group or len(set(group)) < len(group) or not fresh.issuperset(group):
            raise ValueError(
                f"need a group of masked positions, each once, of {sorted(fresh)}, got "
                f"{list(group)} where {known} is known"
            )
        joint = marginal(consistent, group).reshape((q,) * len(group)) / probability
        alone = sum(entropy(marginal(joint, [axis])) for axis in range(len(group)))
        yield Round(known, probability, group, max(0.0, alone - entropy(joint)))
        if len(group) < len(fresh):
            reached = [x for x in product(range(q), repeat=len(group)) if joint[x] > 0.0]
            stack += [known | dict(zip(group, x, strict=True)) for x in reversed(reached)]


def adaptive_kl(table: Floats, policy: Policy) -> float:
    r"""KL error of the sampler that a deterministic policy drives, nats.

    .. math:: KL(\mu \| q_\pi) = E_\mu \sum_t TC(X_{S_t} | x_{C_t}),

    where both the groups and the number of rounds may depend on the revealed values.

    Args:
        table: Joint table, shape (q,) * n.
        policy: Chooses S_t from x_{C_t}.

    Returns:
        Nats. 0 for one position a round, TC for one round.

    Raises:
        ValueError: As ``policy_rounds``.

    References:
        Wen, Liang, Lu (arXiv:2608.25505), Theorem 1; theory, section 2.5.

    Example:
        >>> parity = np.array([[0.5, 0.0], [0.0, 0.5]])
        >>> adaptive_kl(parity, lambda known: [len(known)])
        0.0
        >>> round(adaptive_kl(parity, lambda known: [0, 1]), 4)
        0.6931
    """
    return sum(r.probability * r.total_correlation for r in policy_rounds(table, policy))


def expected_rounds(table: Floats, policy: Policy) -> float:
    """Mean number of rounds that a policy takes on outcomes of the law.

    Args:
        table: Joint table, shape (q,) * n.
        policy: Chooses the next group.

    Returns:
        Between 1 and n.

    Raises:
        ValueError: As ``policy_rounds``.

    Example:
        >>> expected_rounds(np.array([[0.5, 0.0], [0.0, 0.5]]), lambda known: [len(known)])
        2.0
    """
    return sum(r.probability for r in policy_rounds(table, policy))


def entropy_bound_policy(table: Floats, gamma: float) -> Policy:
    r"""The entropy-bound rule: reveal as many of the surest positions as a budget allows.

    The group S is the largest set of lowest conditional entropies with
    .. math:: \sum_{i \in S} H(X_i | x_C) - \max_{i \in S} H(X_i | x_C) \le \gamma.

    The left side bounds TC(X_S | x_C), so the loss is at most gamma times the mean number of
    rounds.

    Args:
        table: Joint table, shape (q,) * n.
        gamma: Budget a round, nats, >= 0. 0 reveals what is determined, and one more position.

    Raises:
        ValueError: gamma is negative or not a number.

    References:
        Ben-Hamu et al. (arXiv:2505.24857), EB-Sampler; theory, section 11.6.

    Example:
        >>> table = np.full((2, 2), 0.25)
        >>> entropy_bound_policy(table, 0.0)({}), entropy_bound_policy(table, 0.7)({})
        ((0,), (0, 1))
    """
    if not gamma >= 0.0:
        raise ValueError(f"need a budget gamma >= 0 in nats, got {gamma}")

    def reveal(known: Mapping[int, int]) -> tuple[int, ...]:
        rows = conditional_marginals(table, known)
        fresh = np.array([i for i in range(table.ndim) if i not in known])
        entropies = np.array([entropy(rows[i]) for i in fresh])
        ascending = np.argsort(entropies, kind="stable")
        # Of a prefix in ascending order the last is the largest: the others are the sum less it.
        others = np.cumsum(entropies[ascending]) - entropies[ascending]
        count = int((others <= gamma).sum())
        return tuple(int(i) for i in fresh[ascending[: max(1, count)]])

    return reveal


def best_adaptive_kl(table: Floats, rounds: int) -> Floats:
    r"""Least KL error of any policy that takes at most 1, 2, ... rounds whatever the values, nats.

    With V_r(x_C) the least loss from x_C in r rounds,
    .. math:: V_r(x_C) = \min_S\; TC(X_S | x_C) + E[V_{r-1}(x_C, X_S) | x_C],

    by dynamic programming over all partial assignments: (2q+1)^n terms for each cap.

    Args:
        table: Joint table, shape (q,) * n.
        rounds: The largest hard cap, >= 1.

    Returns:
        Shape (rounds,), nats. TC for one round, 0 from n; never more than the best ordered
        partition loses, the same as it for two rounds, and less for some laws from three.

    Raises:
        ValueError: The cap is below 1, or there are too many terms.

    References:
        Wen, Liang, Lu (arXiv:2608.25505), value-adaptive hard cap; theory, section 2.5.

    Example:
        >>> best_adaptive_kl(np.array([[0.5, 0.0], [0.0, 0.5]]), 2).round(4)
        array([0.6931, 0.    ])
    """
    n, q = table.ndim, table.shape[0]
    if rounds < 1:
        raise ValueError(f"need at least one round, got {rounds}")
    if (work := rounds * (2 * q + 1) ** n) > WORK_LIMIT:
        raise ValueError(
            f"the best policies of up to {rounds} rounds on n={n} positions with q={q} symbols "
            f"sum {work:.1e} terms, over the limit of {WORK_LIMIT:.1e}: use fewer positions, "
            "symbols or rounds"
        )
    everything = 2**n - 1
    axes = [tuple(i for i in range(n) if code >> i & 1) for code in range(2**n)]
    margins = [table.sum(axis=axes[everything & ~code], keepdims=True) for code in range(2**n)]
    # All below is weighted by p(x_C), so that conditional entropies are differences of -p log p.
    surprise = [-p * np.log(p, out=np.zeros_like(p), where=p > 0.0) for p in margins]

    def weighted_tc(known: int, group: int) -> Floats:
        """p(x_C) TC(X_S | x_C), with the axes of C of length q and the others of length 1."""
        base = surprise[known]
        correlation = base - surprise[known | group].sum(axis=axes[group], keepdims=True)
        for i in axes[group]:
            correlation += surprise[known | 1 << i].sum(axis=i, keepdims=True) - base
        return np.asarray(np.maximum(correlation, 0.0))

    # values[C][r - 1] holds p(x_C) V_r(x_C); more known positions come first.
    values = {everything: np.zeros((rounds, *table.shape))}
    for known in reversed(range(everything)):
        fresh = everything & ~known
        least = np.repeat(weighted_tc(known, fresh)[None], rounds, axis=0)
        group = fresh
        while group := (group - 1) & fresh:  # every nonempty proper subset of fresh
            later = values[known | group][:-1].sum(
                axis=tuple(i + 1 for i in axes[group]), keepdims=True
            )
            np.minimum(least[1:], weighted_tc(known, group) + later, out=least[1:])
        values[known] = least
    return values[0].reshape(rounds)
