"""What a schedule loses: KL(law || sampler) in nats, for random and for fixed orders."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from theory.distributions.law import Law
from theory.orders import dilated_groups
from theory.tables import Floats


def boundaries(sizes: Sequence[int], n: int) -> tuple[int, ...]:
    """0 = N_0 < N_1 < ... < N_k = n, how many positions are known before each step and at the end.

    Raises:
        ValueError: A size is below 1, or the sizes do not sum to n.

    Example:
        >>> boundaries([2, 1, 3], 6)
        (0, 2, 3, 6)
    """
    if any(size < 1 for size in sizes) or sum(sizes) != n:
        raise ValueError(f"need sizes >= 1 that sum to n={n}, got {list(sizes)}")
    return (0, *(int(end) for end in np.cumsum(sizes)))


def check_positions(positions: Sequence[int], n: int) -> None:
    """Refuse what is not a permutation of 0..n-1.

    Raises:
        ValueError: A position is missing, twice there, or none of 0..n-1.
    """
    if sorted(positions) != list(range(n)):
        raise ValueError(f"need each of the positions 0..{n - 1} once, got {list(positions)}")


def expected_kl(curve: ArrayLike, sizes: Sequence[int]) -> float:
    r"""Expected KL error of step sizes under a uniformly random order, nats.

    .. math:: E_S KL(\mu \| \nu_S) = \sum_t \sum_{j=N_{t-1}}^{N_t - 1} (C(N_{t-1}) - C(j)).

    Args:
        curve: C, shape (n,), nats.
        sizes: s_1..s_k, sums to n.

    Returns:
        Nats. 0 for one position a step, TC for one step.

    Raises:
        ValueError: A size is below 1, or the sizes do not sum to n.

    References:
        Chen, Cong, Li, COLT 2026, Theorem 4; theory, section 2.2.

    Example:
        >>> expected_kl([2.0, 1.5, 0.0], [2, 1]), expected_kl([2.0, 1.5, 0.0], [3])
        (0.5, 2.5)
    """
    c = np.asarray(curve, dtype=np.float64)
    return float(sum((c[a] - c[a:b]).sum() for a, b in pairwise(boundaries(sizes, len(c)))))


def order_surface(law: Law, order: Sequence[int]) -> Floats:
    r"""Conditional entropy of each later position of one order, for each revealed prefix.

    .. math:: f(a, j) = H(X_{\pi(j)} | X_{\pi(0)} \dots X_{\pi(a-1)}), \qquad a \le j < n.

    Args:
        law: Of n positions.
        order: A permutation of 0..n-1.

    Returns:
        Shape (n, n), nats, 0 below the diagonal. Columns never rise with a.

    Raises:
        ValueError: The order is no permutation of the positions.

    References:
        theory, section 5.1.
    """
    check_positions(order, law.n)
    surface = np.zeros((law.n, law.n))
    for a in range(law.n):
        surface[a, a:] = law.conditional_entropies(order[:a])[list(order[a:])]
    return surface


def surface_kl(surface: Floats, sizes: Sequence[int]) -> float:
    """KL error of step sizes in the order of a surface: sum of f(N_{t-1}, j) - f(j, j), nats.

    Raises:
        ValueError: A size is below 1, or the sizes do not sum to n.

    References:
        theory, section 5.1.
    """
    sequential = np.diagonal(surface)
    steps = pairwise(boundaries(sizes, len(surface)))
    return float(sum((surface[a, a:b] - sequential[a:b]).sum() for a, b in steps))


def partition_kl(law: Law, groups: Sequence[Sequence[int]]) -> float:
    r"""KL error of an ordered partition of the positions, nats.

    .. math:: KL(\mu \| \nu_S) = \sum_t TC(X_{S_t} | X_{T_t})
              = \sum_t \sum_{i \in S_t} H(X_i | X_{T_t}) - H(X), \qquad T_t = \bigcup_{u<t} S_u,

    by the chain rule: one query of the law a step, as one forward pass of a model.

    Args:
        law: Of n positions.
        groups: S_1..S_k, which partition 0..n-1.

    Returns:
        Nats. 0 for one position a step, TC for one step.

    Raises:
        ValueError: The groups do not partition the positions.

    References:
        theory, section 2.1; the sum of DUS (arXiv:2506.19037), Lemma 3.3.
    """
    revealed = [i for group in groups for i in group]
    check_positions(revealed, law.n)
    paid, known = 0.0, 0
    for group in groups:
        paid += float(law.conditional_entropies(revealed[:known])[list(group)].sum())
        known += len(group)
    return max(0.0, paid - law.entropy())


def dus_kl(law: Law, *, base: int = 2, skip: int = 1) -> float:
    """KL error of DUS's own groups, without the reference's merge of a smaller last group, nats.

    References:
        DUS, arXiv:2506.19037; theory, section 11.1.
    """
    return partition_kl(law, dilated_groups(law.n, base=base, skip=skip))
