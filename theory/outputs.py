"""The law that a parallel sampler outputs, by enumeration: what every loss formula predicts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb, prod

import numpy as np

from theory.divergences import boundaries, check_positions
from theory.tables import Floats

WORK_LIMIT = 2**30  # table entries touched by output_law


def kl_divergence(p: Floats, q: Floats) -> float:
    """KL(p || q) of two laws on the same outcomes, nats; infinite where q misses an outcome.

    Example:
        >>> kl_divergence(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
        inf
    """
    support = p > 0.0
    if np.any(q[support] == 0.0):
        return float("inf")
    return max(0.0, float(np.dot(p[support], np.log(p[support] / q[support]))))


def _margin(table: Floats, positions: Sequence[int]) -> Floats:
    """Law of X_S with the other axes kept at length 1, so that margins multiply by broadcast."""
    others = tuple(i for i in range(table.ndim) if i not in positions)
    return np.asarray(table.sum(axis=others, keepdims=True))


def _conditional(table: Floats, position: int, known: Sequence[int]) -> Floats:
    """p(x_i | x_S) by broadcast; uniform where x_S has probability 0."""
    evidence = _margin(table, known)
    joint = _margin(table, (*known, position))
    possible = np.broadcast_to(evidence > 0.0, joint.shape)
    uniform = np.full(joint.shape, 1.0 / len(table))
    return np.asarray(np.divide(joint, evidence, out=uniform, where=possible))


def partition_law(table: Floats, groups: Sequence[Sequence[int]]) -> Floats:
    r"""Law of the sampler that reveals an ordered partition group by group.

    .. math:: \nu_S(x) = \prod_t \prod_{i \in S_t} \mu(x_i | x_{T_t}).

    Args:
        table: Joint table, shape (q,) * n.
        groups: S_1..S_k, which partition 0..n-1.

    Returns:
        Shape (q,) * n.

    Raises:
        ValueError: The groups do not partition the positions.

    References:
        theory, section 2.
    """
    check_positions([i for group in groups for i in group], table.ndim)
    law = np.ones((1,) * table.ndim)
    known: tuple[int, ...] = ()
    for group in groups:
        for i in group:
            law = law * _conditional(table, i, known)
        known += tuple(group)
    return law


def output_law(table: Floats, sizes: Sequence[int]) -> Floats:
    r"""Law of the sampler that redraws a random order for every sample, E_S nu_S.

    With G_t(T) the law on the values of T = T_{t+1} after t steps,
    .. math:: G_t(T) = E_{S \subset T, |S| = s_t}\; G_{t-1}(T \setminus S)
              \prod_{i \in S} \mu(x_i | x_{T \setminus S}).

    Args:
        table: Joint table, shape (q,) * n.
        sizes: s_1..s_k, sums to n.

    Returns:
        Shape (q,) * n.

    Raises:
        ValueError: A size is below 1, the sizes do not sum to n, or the sum over subsets
            is over the limit of work.

    References:
        theory, section 2.4.
    """
    n = table.ndim
    ends = boundaries(sizes, n)
    work = sum(
        comb(n, a) * comb(n - a, size) * len(table) ** (a + size)
        for a, size in zip(ends, sizes, strict=False)
    )
    if work > WORK_LIMIT:
        raise ValueError(
            f"the output law of sizes {list(sizes)} sums {work:.1e} terms, over the limit of "
            f"{WORK_LIMIT:.1e}: use fewer positions or symbols"
        )
    laws: dict[tuple[int, ...], Floats] = {(): np.ones((1,) * n)}
    for end, size in zip(ends[1:], sizes, strict=True):
        later: dict[tuple[int, ...], Floats] = {}
        for known, law in laws.items():
            fresh = [i for i in range(n) if i not in known]
            conditionals = {i: _conditional(table, i, known) for i in fresh}
            for group in combinations(fresh, size):
                reached = tuple(sorted(known + group))
                step = law * prod((conditionals[i] for i in group), start=np.ones((1,) * n))
                later[reached] = later[reached] + step if reached in later else step
        laws = {reached: total / comb(end, size) for reached, total in later.items()}
    return laws[tuple(range(n))]


def output_law_kl(table: Floats, sizes: Sequence[int]) -> float:
    """KL(law || output law) with the order redrawn per sample, nats; at most the expected KL.

    References:
        theory, section 2.4; Chen, Cong, Li, COLT 2026, after Theorem 4.
    """
    return kl_divergence(table, output_law(table, sizes))
