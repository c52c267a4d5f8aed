r"""Schedules of the Bernoulli sampler whose odds grow by another factor in each block.

A block from p to q has the length S = log psi(q) / psi(p) in log odds and the growth complexity
H(p, q); steps are shared between blocks in proportion to sqrt(S H).
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil, log1p, sqrt

import numpy as np
from numpy.typing import ArrayLike

from theory.bernoulli import geometric_odds
from theory.growth import as_times, growth_complexity, limit_complexity
from theory.tables import Floats


def _blocks(boundaries: ArrayLike, complexities: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Checked boundaries, lengths in log odds and complexities."""
    t, h = as_times(boundaries), np.asarray(complexities, dtype=np.float64)
    if not 0.0 < t[0] < t[-1] < 1.0:
        raise ValueError(f"need boundaries that rise inside (0, 1), got {t}")
    if h.shape != (len(t) - 1,) or not (np.all(h >= 0.0) and np.all(np.isfinite(h))):
        raise ValueError(f"need {len(t) - 1} complexities >= 0 for {len(t)} boundaries, got {h}")
    return t, np.diff(np.log(t / (1.0 - t))), h


def block_complexity(boundaries: ArrayLike, complexities: ArrayLike) -> float:
    r"""C(P) = (sum_k sqrt(S_k H_k))^2 of a division into blocks, nats.

    Args:
        boundaries: Inclusion probabilities inside (0, 1), shape (K + 1,).
        complexities: H_k of each block or upper bounds on them, shape (K,), nats.

    Returns:
        Nats; it never rises as blocks are divided, down to ``growth.limit_complexity``.

    Raises:
        ValueError: Boundaries fall or leave (0, 1), or complexities are negative or do not fit.

    References:
        Wainwright (arXiv:2608.13520), Proposition 1 and Theorem 3.

    Example:
        >>> round(block_complexity([0.2, 0.8], [2.0]), 4)  # S = log 16
        5.5452
    """
    _, lengths, h = _blocks(boundaries, complexities)
    return float(np.sqrt(lengths * h).sum()) ** 2


def complexity_ratio(curve: ArrayLike) -> float:
    """Wainwright's C_ugc / P_ugc, on odds from 1/(n-1) to n-1: what blocks can save; >= 1.

    Args:
        curve: C of a law, shape (n,), nats, nonincreasing, not constant, n >= 3.

    Raises:
        ValueError: The curve is too short, constant or rises.

    References:
        Wainwright (arXiv:2608.13520), Figures 1 and 2; C_ugc = 2 log(n-1) H.

    Example:
        >>> complexity_ratio([2.0, 1.5, 1.0]) >= 1.0
        True
    """
    n = len(np.asarray(curve))
    if n < 3:
        raise ValueError(f"need a curve of at least 3 positions, got {n}")
    window = (1.0 / n, 1.0 - 1.0 / n)
    limit = limit_complexity(curve, *window)
    if limit == 0.0:
        raise ValueError("the curve is constant: no schedule loses anything")
    return block_complexity(window, growth_complexity(curve, window)) / limit


def best_blocks(cells: ArrayLike, complexities: ArrayLike, blocks: int) -> tuple[int, ...]:
    """Join consecutive cells to at most so many blocks of the least ``block_complexity``.

    Args:
        cells: Inclusion probabilities inside (0, 1), shape (M + 1,).
        complexities: H of each cell or upper bounds on them, shape (M,), nats.
        blocks: K >= 1.

    Returns:
        Indices of the chosen boundaries, from 0 to M.

    Raises:
        ValueError: As ``block_complexity``, or fewer than one block.

    References:
        Wainwright (arXiv:2608.13520), dynamic program over block boundaries, edges sqrt(S H).

    Example:
        >>> best_blocks([0.1, 0.2, 0.5, 0.8], [0.0, 3.0, 0.0], 3)
        (0, 1, 2, 3)
    """
    t, lengths, h = _blocks(cells, complexities)
    if blocks < 1:
        raise ValueError(f"need at least one block, got {blocks}")
    s, total = np.append(0.0, np.cumsum(lengths)), np.append(0.0, np.cumsum(h))
    forward = np.triu(np.ones((len(t), len(t)), dtype=bool))  # an empty block is free
    areas = np.where(forward, (s - s[:, None]) * (total - total[:, None]), np.inf)
    edges = np.sqrt(areas)
    least = edges[0]
    before: list[list[int]] = [[0] * len(t)]
    for _ in range(min(blocks, len(h)) - 1):
        through = least[:, None] + edges
        before.append([int(a) for a in through.argmin(axis=0)])
        least = through.min(axis=0)
    path = [len(h)]
    for previous in reversed(before):
        path.append(previous[path[-1]])
    return tuple(sorted(set(path)))


def block_times(boundaries: ArrayLike, complexities: ArrayLike, steps: int) -> Floats:
    r"""Inclusion probabilities t_0..t_M, M <= N steps, that lose at most 4 C(P) / N inside.

    In block k the odds grow by at most 1 + rho_k a step,
    .. math:: \rho_k = \min\Bigl\{1,\; \frac{4 \sqrt{C(P)}}{N} \sqrt{S_k / H_k}\Bigr\}.

    Args:
        boundaries: Inclusion probabilities inside (0, 1), shape (K + 1,), strictly rising.
        complexities: H_k of each block or upper bounds on them, shape (K,), nats.
        steps: N, at least 2 (K + 2 sum S_k), so that rounding numbers of steps up costs half.

    Returns:
        Shape (M + 1,). The loss between the first and the last of them is at most 4 C(P) / N,
        whatever the law, if its complexities are at most those given.

    Raises:
        ValueError: As ``block_complexity``, a block is empty, or the steps are too few.

    References:
        Wainwright (arXiv:2608.13520), Proposition 1.

    Example:
        >>> len(block_times([0.2, 0.5, 0.8], [1.0, 0.0], 16)) - 1
        8
    """
    t, lengths, h = _blocks(boundaries, complexities)
    if np.any(lengths <= 0.0):
        raise ValueError(f"need boundaries that rise strictly, got {t}")
    least = ceil(2.0 * (len(h) + 2.0 * lengths.sum()))
    if steps < least:
        raise ValueError(f"need at least {least} steps for {len(h)} blocks, got {steps}")
    root = sqrt(block_complexity(t, h))
    times = [t[:1]]
    for (p, q), s, complexity in zip(pairwise(t), lengths, h, strict=True):
        # Compared without the quotient, which is infinite where the block is free.
        free = 4.0 * root * sqrt(s) >= steps * sqrt(complexity)
        rho = 1.0 if free else 4.0 * root / steps * sqrt(s / complexity)
        times.append(geometric_odds(p, q, ceil(s / log1p(rho)))[1:])
    return np.concatenate(times)
