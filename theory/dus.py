"""What dilated unmasking (DUS) loses: its entropy bound, chains, and where distance says nothing.

References:
    DUS, arXiv:2506.19037; theory, section 11.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from theory.chain_partitions import OrderOneChain, check_order_one
from theory.distributions.chains import stationary_law
from theory.distributions.law import Law
from theory.distributions.products import as_probabilities
from theory.divergences import check_positions
from theory.partitions import Groups
from theory.tables import Floats

BALANCE_TOLERANCE = 1e-9


def round_entropies(law: Law, groups: Sequence[Sequence[int]]) -> Floats:
    r"""What each round pays: the entropies of its positions given all earlier rounds.

    .. math:: L_t = \sum_{i \in S_t} H(X_i | X_{T_t}), \qquad
              H(X) \le \sum_t L_t \le \sum_i H(X_i), \qquad \sum_t L_t - H(X) = KL.

    Args:
        law: Of n positions.
        groups: S_1..S_k, which partition 0..n-1; DUS's are ``dilated_groups(n)``.

    Returns:
        Shape (k,), nats. The sum is H(X) for one position a round, and sum H(X_i) for one round.

    Raises:
        ValueError: The groups do not partition the positions.

    References:
        DUS, Lemma 3.3 (the bound) and Corollary 3.4 (the gap); theory, section 11.1.

    Example:
        >>> from theory.distributions import Parity
        >>> from theory.orders import dilated_groups
        >>> round_entropies(Parity(4), dilated_groups(4)).round(4)
        array([1.3863, 1.3863])
    """
    _check_groups(groups, law.n)
    known: list[int] = []
    paid = []
    for group in groups:
        paid.append(float(law.conditional_entropies(known)[list(group)].sum()))
        known += group
    return np.array(paid)


def round_losses(law: Law, groups: Sequence[Sequence[int]]) -> Floats:
    r"""Total correlation of each round given all earlier ones; their sum is the KL.

    .. math:: TC(X_{S_t} | X_{T_t}) = L_t - H(X_{S_t} | X_{T_t}).

    Args:
        law: Of n positions.
        groups: S_1..S_k, which partition 0..n-1.

    Returns:
        Shape (k,), nats.

    Raises:
        ValueError: The groups do not partition the positions.

    References:
        theory, sections 2.1 and 11.2: of an order-1 chain, only DUS's first round loses anything.

    Example:
        >>> from theory.distributions import MarkovChain
        >>> from theory.orders import dilated_groups
        >>> chain = MarkovChain(8, np.array([[0.9, 0.1], [0.3, 0.7]]))
        >>> round_losses(chain, dilated_groups(8)).round(4)
        array([0.008, 0.   , 0.   ])
    """
    paid = round_entropies(law, groups)
    alone = round_entropies(law, [[i] for group in groups for i in group])
    starts = np.cumsum([0, *map(len, groups)])[:-1]
    return np.maximum(paid - np.add.reduceat(alone, starts), 0.0)


def pairwise_informations(law: Law) -> Floats:
    """I(X_i; X_j) for every two positions, shape (n, n), nats; H(X_i) on the diagonal.

    Where all are 0 the positions may still depend on each other: see parity.

    References:
        theory, section 11.5.

    Example:
        >>> from theory.distributions import Parity
        >>> pairwise_informations(Parity(3)).round(4)
        array([[0.6931, 0.    , 0.    ],
               [0.    , 0.6931, 0.    ],
               [0.    , 0.    , 0.6931]])
    """
    alone = law.conditional_entropies(())
    given = np.stack([law.conditional_entropies((i,)) for i in range(law.n)])
    return np.maximum(alone - given, 0.0)


def open_pairs(groups: Sequence[Sequence[int]]) -> Iterator[tuple[int, int]]:
    """Neighbours in a round with no position between them that an earlier round revealed.

    Example:
        >>> from theory.orders import dilated_groups
        >>> list(open_pairs(dilated_groups(9, base=3)))
        [(0, 3), (3, 6), (1, 2), (4, 5), (7, 8)]
    """
    known: set[int] = set()
    for group in groups:
        for left, right in pairwise(sorted(group)):
            if known.isdisjoint(range(left + 1, right)):
                yield left, right
        known.update(group)


def separation_bound(chain: OrderOneChain, groups: Sequence[Sequence[int]]) -> float:
    r"""Bound on the KL of groups by distances: mutual informations of neighbours left open.

    .. math:: KL \le \sum_t \sum_{(i, j)\ \mathrm{open\ in}\ t} I(X_i; X_j),

    since I(Y_1; Y_2 | L, R) <= I(Y_1; Y_2) for a chain L, Y_1, Y_2, R. A stationary chain under
    DUS with base a and n = a^R has a - 1 open pairs at distance n / a, then a^{t-1} (a - 2) at
    distance n / a^t.

    Args:
        chain: Order 1.
        groups: S_1..S_k, which partition 0..n-1.

    Returns:
        Nats. For DUS with base 2 and n = 2^R it is the KL itself, I(X_0; X_{n/2}).

    Raises:
        ValueError: The chain is of a higher order, or the groups do not partition the positions.

    References:
        theory, sections 11.2 and 11.3.

    Example:
        >>> from theory.distributions import MarkovChain
        >>> from theory.orders import dilated_groups
        >>> chain = MarkovChain(9, np.array([[0.9, 0.1], [0.3, 0.7]]))
        >>> groups = dilated_groups(9, base=3)
        >>> round(float(round_losses(chain, groups).sum()), 4)
        0.2873
        >>> round(separation_bound(chain, groups), 4)
        0.5411
    """
    check_order_one(chain)
    _check_groups(groups, chain.n)
    informations = pairwise_informations(chain)
    return float(sum(informations[left, right] for left, right in open_pairs(groups)))


def reversible_bound(transition: Floats, distance: int) -> float:
    r"""Bound on I(X_0; X_d) of a stationary reversible chain by its eigenvalues, nats.

    .. math:: I(X_0; X_d) \le \log\Big(1 + \sum_{l \ge 2} \lambda_l^{2d}\Big),

    the KL to the product of the marginals by the logarithm of one plus the chi-square.

    Args:
        transition: p(y | x), shape (q, q), in detailed balance with its stationary law.
        distance: d >= 0.

    Returns:
        Nats; log q for d = 0.

    Raises:
        ValueError: A row is no probability vector, the matrix is not square or has several
            stationary laws, the chain is not reversible, or d < 0.

    References:
        theory, section 11.2.

    Example:
        >>> round(reversible_bound(np.array([[0.9, 0.1], [0.3, 0.7]]), 4), 4)
        0.0167
    """
    if distance < 0:
        raise ValueError(f"need distance >= 0, got {distance}")
    rows = as_probabilities("transition", transition, 2)
    if rows.shape[0] != rows.shape[1]:
        raise ValueError(f"transition: need shape (q, q), got {rows.shape}")
    flow = stationary_law(rows)[:, None] * rows
    imbalance = float(np.abs(flow - flow.T).max())
    if imbalance > BALANCE_TOLERANCE:
        raise ValueError(
            f"the chain is not reversible: pi(x) p(y|x) and pi(y) p(x|y) differ by {imbalance:.2g}"
        )
    visited = flow.sum(axis=1) > 0.0  # transient states have no part in X_0
    root = np.sqrt(flow.sum(axis=1)[visited])
    symmetric = flow[np.ix_(visited, visited)] / np.outer(root, root)
    eigenvalues = np.sort(np.linalg.eigvalsh(symmetric))[:-1]  # without the 1 of the constants
    return float(np.log1p((np.abs(eigenvalues) ** (2 * distance)).sum()))


def lead_with_one(groups: Sequence[Sequence[int]]) -> Groups:
    """The same groups, but the first position of the first one is revealed alone.

    DUS with base 2 and n = 2^R then loses nothing on an order-1 chain or a pairwise ring.

    References:
        theory, section 11.2.

    Example:
        >>> from theory.orders import dilated_groups
        >>> lead_with_one(dilated_groups(8))
        ((0,), (4,), (2, 6), (1, 3, 5, 7))
    """
    first, *others = (tuple(group) for group in groups)
    return tuple(group for group in (first[:1], first[1:], *others) if group)


def block_bisection(n: int, order: int = 1) -> Groups:
    """Groups that lose nothing on a chain of order m: halve each gap by a block of m positions.

    A block is revealed one position a round, the blocks of all gaps at once. m known positions
    in a row cut the chain apart, so what is revealed together is independent given the rest.

    Args:
        n: Number of positions, >= 1.
        order: m >= 1.

    Returns:
        At most m (ceil(log2(n / m)) + 1) groups for n >= m, and n groups for n < m.

    Raises:
        ValueError: n or order is below 1.

    References:
        Wen, Liang, Lu (arXiv:2608.25505), Theorem 2; theory, section 11.4.

    Example:
        >>> block_bisection(7)
        ((3,), (1, 5), (0, 2, 4, 6))
        >>> block_bisection(8, order=2)
        ((3,), (4,), (0, 5), (1, 6), (2, 7))
    """
    if n < 1 or order < 1:
        raise ValueError(f"need n >= 1 and order >= 1, got n={n}, order={order}")
    groups: list[tuple[int, ...]] = []
    gaps = [range(n)]
    while gaps:
        margins = [max(0, len(gap) - order) for gap in gaps]
        blocks = [gap[m // 2 : m // 2 + order] for gap, m in zip(gaps, margins, strict=True)]
        for turn in range(order):
            group = tuple(block[turn] for block in blocks if turn < len(block))
            if group:
                groups.append(group)
        sides = [
            side
            for gap, block in zip(gaps, blocks, strict=True)
            for side in (range(gap.start, block.start), range(block.stop, gap.stop))
        ]
        gaps = [side for side in sides if side]
    return tuple(groups)


def _check_groups(groups: Sequence[Sequence[int]], n: int) -> None:
    if not all(groups):
        raise ValueError(f"need groups of at least one position, got {list(map(tuple, groups))}")
    check_positions([i for group in groups for i in group], n)
