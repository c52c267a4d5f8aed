r"""The square-root rule: how densely to place steps where a curve is smooth.

With a share rho_j of positions that are boundaries near j, steps are 1 / rho_j long and a jump
at j meets on average half a step: the loss is

.. math:: KL \approx \sum_{j=1}^{n-1} D_j \, \tfrac12 \Bigl( \frac{1}{\rho_j} - 1 \Bigr),

least for rho proportional to the square root of D where that is below 1, and 1 elsewhere.

References:
    theory, section 8; Lavenant and Zanella (arXiv:2510.25544) and Wainwright (arXiv:2608.13520)
    have the rule in the limit of long steps.
"""

from __future__ import annotations

from math import inf

import numpy as np
from numpy.typing import ArrayLike

from theory import curves
from theory.tables import Floats


def _falls(curve: ArrayLike, steps: int) -> tuple[Floats, Floats]:
    """D_j >= 0 for j = 1..n-1, and how many of the n positions are nearest to each."""
    d = curves.increments(curve)
    n = len(d) + 1
    if not 1 <= steps <= n:
        raise ValueError(f"need 1 <= k <= n, got k={steps}, n={n}")
    if not np.all(d >= 0.0):
        at = int(np.argmin(d))
        raise ValueError(
            f"need a curve that never rises, got {-float(d[at])} more at {at + 1} than at {at}: "
            "make it isotonic first"
        )
    nearest = np.ones(n - 1)
    nearest[:1] += 0.5
    nearest[-1:] += 0.5
    return d, nearest


def step_density(curve: ArrayLike, steps: int) -> Floats:
    r"""Share of positions to make a boundary near each of j = 1..n-1.

    .. math:: \rho_j = \min(1, c \sqrt{D_j}), \qquad \sum_j w_j \rho_j = k,

    with w_j positions nearest to j (three halves at either end). What is left when rho is 1
    wherever the curve falls goes to the rest evenly.

    Args:
        curve: C, shape (n,), nats, that never rises.
        steps: Number of steps k, 1 <= k <= n.

    Returns:
        Shape (n - 1,), 0..1.

    Raises:
        ValueError: Not 1 <= k <= n, or the curve rises.

    References:
        theory, section 8.1.

    Example:
        >>> step_density([4.0, 3.0, 2.0, 1.0, 0.0], 2)
        array([0.4, 0.4, 0.4, 0.4])
        >>> step_density([9.0, 9.0, 0.0, 0.0, 0.0], 3).round(4)
        array([0.5, 1. , 0.5, 0.5])
    """
    d, nearest = _falls(curve, steps)
    density, left = np.zeros(len(d)), float(steps)
    for tier in (np.sqrt(d), np.ones(len(d))):
        free = (density < 1.0) & (tier > 0.0)
        while np.any(free):
            density[free] = tier[free] * (left / float(nearest[free] @ tier[free]))
            full = free & (density > 1.0)
            if not np.any(full):
                return density
            density[full] = 1.0
            left -= float(nearest[full].sum())
            free &= ~full
    return density


def square_root_sizes(curve: ArrayLike, steps: int) -> tuple[int, ...]:
    """Step sizes whose boundaries have the density of the square-root rule.

    Where the density is 1, positions are revealed one by one; k steps for each k.

    Args:
        curve: C, shape (n,), nats, that never rises.
        steps: Number of steps k, 1 <= k <= n.

    Returns:
        k sizes >= 1 that sum to n.

    Raises:
        ValueError: As ``step_density``.

    References:
        theory, section 8.1.

    Example:
        >>> square_root_sizes([4.0, 3.0, 2.0, 1.0, 0.0], 2)
        (3, 2)
        >>> square_root_sizes([9.0, 9.0, 0.0, 0.0, 0.0], 3)
        (2, 1, 2)
    """
    density = step_density(curve, steps)
    n = len(density) + 1
    # The density at j holds from j - 1/2 to j + 1/2, the first and last to the ends.
    edges = np.append(np.append(0.0, np.arange(1.5, n - 0.5)), float(n))
    _, nearest = _falls(curve, steps)
    passed = np.append(0.0, np.cumsum(nearest * density)) if n > 1 else np.zeros(2)
    ends = np.floor(np.interp(np.arange(1.0, steps), passed, edges) + 0.5)
    # Real boundaries are 1 apart at least; rounding of sums may still tie two of them.
    t = np.arange(1, steps)
    ends = np.maximum.accumulate(np.maximum(ends, t) - t) + t
    ends = np.minimum(ends, n - steps + t)
    return tuple(int(size) for size in np.diff(ends, prepend=0, append=n))


def continuum_kl(curve: ArrayLike, density: ArrayLike) -> float:
    r"""Approximate loss of a density of steps, :math:`\sum_j D_j (1 / \rho_j - 1) / 2` nats.

    Exact on average over the phase of equally spaced steps where rho does not change.

    Args:
        curve: C, shape (n,), nats, that never rises.
        density: Shape (n - 1,), 0..1; a scalar k / n is that of k equal steps.

    Returns:
        Nats; infinite where the curve falls and the density is 0.

    Raises:
        ValueError: The curve rises, or a density is not in [0, 1].

    References:
        theory, section 8.1.

    Example:
        >>> continuum_kl([4.0, 3.0, 2.0, 1.0, 0.0], 0.5)
        2.0
    """
    d, _ = _falls(curve, 1)
    rho = np.broadcast_to(np.asarray(density, dtype=np.float64), d.shape)
    if not np.all((rho >= 0.0) & (rho <= 1.0)):
        raise ValueError(f"need densities in [0, 1], got {rho.min()} to {rho.max()}")
    falls = d > 0.0
    if np.any(rho[falls] == 0.0):
        return inf
    return float(0.5 * (d[falls] @ (1.0 / rho[falls] - 1.0)))


def square_root_kl(curve: ArrayLike, steps: int) -> float:
    r"""Approximate least loss of k steps, nats.

    Where no step is cut off at one position this is, with w_j of ``step_density``,

    .. math:: \frac{\sum_j \sqrt{D_j} \sum_j w_j \sqrt{D_j}}{2 k} - \frac{C(0) - C(n-1)}{2}
              \approx \frac{n}{2 k} \Bigl( \int_0^1 \sqrt{z'} \Bigr)^2 - \frac{Z_n - Z_1}{2}.

    Args:
        curve: C, shape (n,), nats, that never rises.
        steps: Number of steps k, 1 <= k <= n.

    Raises:
        ValueError: As ``step_density``.

    References:
        theory, section 8.1.

    Example:
        >>> square_root_kl([4.0, 3.0, 2.0, 1.0, 0.0], 1)
        8.0
    """
    return continuum_kl(curve, step_density(curve, steps))


def square_root_gain(curve: ArrayLike) -> float:
    r"""How many times fewer long steps the square-root rule needs than equal ones.

    .. math:: \frac{(n - 1) \sum_j D_j}{(\sum_j \sqrt{D_j})^2}
              \approx \frac{\int z'}{(\int \sqrt{z'})^2} \ge 1

    Returns:
        1 for a straight curve, n - 1 for a single jump; 1 for a flat one, where none is needed.

    Raises:
        ValueError: The curve rises.

    References:
        theory, section 8.1.

    Example:
        >>> square_root_gain([4.0, 3.0, 2.0, 1.0, 0.0])
        1.0
    """
    d, _ = _falls(curve, 1)
    roots = float(np.sqrt(d).sum())
    return len(d) * float(d.sum()) / roots**2 if roots > 0.0 else 1.0


def logarithmic_curve(n: int) -> Floats:
    r"""The curve of TC = 1 that costs logarithmically many steps, shape (n,), nats.

    .. math:: D_j = \frac{1}{(n - j)^2 H_{n-1}}, \qquad H_{n-1} = \sum_{m=1}^{n-1} \frac1m

    Raises:
        ValueError: n is below 2.

    References:
        theory, section 7.1; Chen, Cong, Li, COLT 2026, Theorem 30, has such a law.

    Example:
        >>> logarithmic_curve(3).round(4)
        array([0.8333, 0.6667, 0.    ])
    """
    if n < 2:
        raise ValueError(f"need n >= 2, got {n}")
    m = np.arange(1.0, n)  # n - j, from the last jump to the first
    return np.append(np.cumsum(m**-2.0)[::-1], 0.0) / float((1.0 / m).sum())


def logarithmic_limit(kappa: float) -> float:
    r"""The least loss of kappa ln(n) steps on ``logarithmic_curve`` as n grows, nats.

    .. math:: 1 - \kappa (1 - e^{-1/\kappa}) \approx \frac{1}{2 \kappa}

    Raises:
        ValueError: kappa is not positive.

    References:
        theory, section 7.1.

    Example:
        >>> round(logarithmic_limit(1.0), 4)
        0.3679
    """
    if not kappa > 0.0:
        raise ValueError(f"need kappa > 0, got {kappa}")
    return float(1.0 + kappa * np.expm1(-1.0 / kappa))
