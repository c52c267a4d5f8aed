"""Sizes and bounds of other papers, as they state them, to compare with the sharp ones."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor, inf, log

import numpy as np
from numpy.typing import ArrayLike

from theory import curves
from theory.divergences import boundaries
from theory.guarantees.greedy import check_length
from theory.guarantees.scalars import Number, as_fraction, jump_weight


def _zeta(n: int, eps: Number, value: Number) -> int:
    check_length(n)
    allowed = as_fraction("eps", eps)
    if allowed == 0:
        raise ValueError("need eps > 0, got 0: no number of parallel steps is free of loss")
    return 1 + ceil(as_fraction("value", value) / allowed)


def _rounds(n: int, zeta: int) -> int:
    """How many steps shrink by a factor before Chen, Cong, Li go on one position at a time."""
    return floor(log(n - zeta + 1) / log(zeta / (zeta - 1))) + 2 if zeta > 1 else 2


def chen_cong_li_tc_sizes(n: int, eps: Number, value: Number) -> tuple[int, ...]:
    r"""Their sizes for a loss of at most eps when TC is at most ``value``.

    .. math:: N_i = \lfloor N_{i-1} + (n - N_{i-1}) / \zeta \rfloor, \qquad
              \zeta = 1 + \lceil TC / \epsilon \rceil,

    for a fixed number of rounds, then one position a step. Empty steps are left out.

    Args:
        n: Number of positions.
        eps: Loss allowed, nats, > 0.
        value: TC or an upper bound on it, nats.

    Returns:
        Sizes that sum to n.

    Raises:
        ValueError: n is below 1, eps is not positive, or value is negative.

    References:
        Chen, Cong, Li, COLT 2026, Theorem 9 and Appendix D.

    Example:
        >>> chen_cong_li_tc_sizes(8, eps=0.5, value=1.0)
        (2, 2, 1, 1, 1, 1)
    """
    zeta = _zeta(n, eps, value)
    if zeta >= n + 1:
        return (1,) * n
    nodes = [0]
    for _ in range(_rounds(n, zeta)):
        nodes.append(nodes[-1] + (n - nodes[-1]) // zeta)
    nodes += range(nodes[-1] + 1, n + 1)
    return tuple(b - a for a, b in pairwise(nodes) if b > a)


def chen_cong_li_dtc_sizes(n: int, eps: Number, value: Number) -> tuple[int, ...]:
    r"""Their sizes for a loss of at most eps when DTC is at most ``value``.

    .. math:: N'_i = \lceil N'_{i-1} (1 - 1 / \zeta) \rceil, \qquad N'_0 = n, \qquad
              \zeta = 1 + \lceil DTC / \epsilon \rceil,

    for a fixed number of rounds, then down one position a step; the boundaries are the N',
    upwards. Empty steps are left out.

    Args:
        n: Number of positions.
        eps: Loss allowed, nats, > 0.
        value: DTC or an upper bound on it, nats.

    Returns:
        Sizes that sum to n.

    Raises:
        ValueError: As ``chen_cong_li_tc_sizes``.

    References:
        Chen, Cong, Li, COLT 2026, Theorem 9 and Appendix D.

    Example:
        >>> chen_cong_li_dtc_sizes(8, eps=0.5, value=1.0)
        (1, 1, 1, 1, 2, 2)
    """
    zeta = _zeta(n, eps, value)
    if zeta >= n + 1:
        return (1,) * n
    nodes = [n]
    for _ in range(_rounds(n, zeta)):
        nodes.append(-(-nodes[-1] * (zeta - 1) // zeta))
    nodes += range(nodes[-1] - 1, -1, -1)
    return tuple(a - b for a, b in pairwise(nodes) if a > b)[::-1]


def chen_cong_li_step_bound(n: int, eps: Number, value: Number) -> float:
    r"""Their bound :math:`2 + (1 + \ln n)(1 + \lceil TC / \epsilon \rceil)` on the steps.

    The same for DTC.

    Raises:
        ValueError: As ``chen_cong_li_tc_sizes``.

    References:
        Chen, Cong, Li, COLT 2026, Theorem 9.
    """
    return 2.0 + (1.0 + log(n)) * _zeta(n, eps, value)


def li_cai_bound(sizes: Sequence[int], tc: float, dtc: float) -> float:
    r"""Their bound on the loss by the longest step, nats.

    .. math:: KL \le \frac{2^{\lceil \log_2 s_{max} \rceil} - 1}{n} (TC + DTC),

    where (s_max - 1) in place of the numerator is sharp: ``worst_ratio("height", sizes)``.

    Raises:
        ValueError: A size is below 1.

    References:
        Li and Cai (arXiv:2505.21400) in the form of Chen, Cong, Li, COLT 2026, Theorem 31.

    Example:
        >>> li_cai_bound((5, 1, 2), 1.0, 3.0)
        3.5
    """
    n = boundaries(sizes, sum(sizes))[-1]
    power = 1 << (max(sizes) - 1).bit_length()
    return (power - 1) * (tc + dtc) / n


def austin_sizes(n: int, steps: int) -> tuple[int, ...]:
    """k - 1 positions one by one, and then all the rest at once.

    Raises:
        ValueError: Not 1 <= k <= n.

    References:
        Austin, as Chen, Cong, Li, COLT 2026, Theorem 10 and Corollary 34.

    Example:
        >>> austin_sizes(8, 3)
        (1, 1, 6)
    """
    if not 1 <= steps <= n:
        raise ValueError(f"need 1 <= k <= n, got k={steps}, n={n}")
    return (*[1] * (steps - 1), n - steps + 1)


def austin_bound(n: int, steps: int, dtc: float) -> float:
    r"""What ``austin_sizes`` lose at most, :math:`(n - k + 1)\, DTC / k` nats.

    Raises:
        ValueError: Not 1 <= k <= n.

    References:
        theory, section 6.8.

    Example:
        >>> austin_bound(8, 3, 1.0)
        2.0
    """
    return austin_sizes(n, steps)[-1] * dtc / steps


def wainwright_sizes(n: int, theta: Number) -> tuple[int, ...]:
    r"""Sizes geometric in the odds: the longest steps from a to b with

    .. math:: \frac{\psi(b / n)}{\psi((a + 1) / n)} \le 1 + \theta, \qquad
              \psi(t) = \frac{t}{1 - t}.

    The last position is always alone, as its odds are infinite. By ``wainwright_bound`` these
    sizes lose at most theta times the growth complexity H^card.

    Args:
        n: Number of positions.
        theta: >= 0.

    Returns:
        Sizes that sum to n.

    Raises:
        ValueError: n is below 1, or theta is negative or not finite.

    References:
        Wainwright (arXiv:2608.13520), Theorem 1 and Corollary 1, whose Bernoulli sampler reveals
        a random number of positions a step; this is its fixed-cardinality form.

    Example:
        >>> wainwright_sizes(16, 1.0)
        (1, 2, 3, 3, 3, 2, 1, 1)
    """
    check_length(n)
    factor = 1 + as_fraction("theta", theta)
    sizes, a = list[int](), 0
    while a < n:
        # b / (n - b) <= factor (a + 1) / (n - a - 1), solved for b
        b = n if a + 1 == n else floor(n * factor * (a + 1) / (n - a - 1 + factor * (a + 1)))
        sizes.append(b - a)
        a = b
    return tuple(sizes)


def wainwright_bound(curve: ArrayLike, sizes: Sequence[int]) -> float:
    r"""His bound on the loss in its fixed-cardinality form, nats.

    .. math:: \sum_{steps\ a \to b} \Bigl( \frac{\psi(b/n)}{\psi((a+1)/n)} - 1 \Bigr)
              \sum_{j=a+1}^{b-1} \frac{j (n - j)}{n} D_j.

    Args:
        curve: C, shape (n,), nats.
        sizes: s_1..s_k, sums to n.

    Returns:
        Infinite where the last step is longer than one position and its increments are not 0.

    Raises:
        ValueError: A size is below 1, or the sizes do not sum to n.

    References:
        Wainwright (arXiv:2608.13520), Theorem 1. With (b - a - 1) / u_{a+1} in place of the
        ratio less one, u of ``jump_weight("odds", ...)``, it is sharp for each step.

    Example:
        >>> wainwright_bound([2.0, 1.5, 0.5, 0.0], (1, 2, 1))
        2.0
    """
    d = curves.increments(curve)
    n = len(d) + 1
    total = 0.0
    for a, b in pairwise(boundaries(sizes, n)):
        weights = [float(jump_weight("odds", j, n)) for j in range(a + 1, b)]
        growth = float(np.dot(weights, d[a : b - 1]))
        if growth > 0.0:
            ratio = float(Fraction(b * (n - a - 1), (n - b) * (a + 1))) if b < n else inf
            total += (ratio - 1.0) * growth
    return total
