r"""Unmasking growth: what positions that are revealed independently tell of each other.

Each position is revealed with probability t. All that a schedule of such probabilities loses is
an integral of the slope of the growth function h(t), a polynomial with the information curve as
its Bernstein coefficients; so integrals against t^a (1-t)^b are sums over incomplete beta
functions, without cancellation, and n in the thousands is fine.
"""

from __future__ import annotations

from math import ceil, exp, sqrt

import numpy as np
from numpy.typing import ArrayLike

from theory.curves import increments, information_curve
from theory.tables import Floats

NODES = 16  # Gauss-Legendre nodes a panel
SMALLEST = 1e-290


def as_times(times: ArrayLike) -> Floats:
    """Check inclusion probabilities and return them in float64.

    Raises:
        ValueError: One is not in [0, 1], they fall, or there are fewer than two.
    """
    t = np.asarray(times, dtype=np.float64)
    if t.ndim != 1 or len(t) < 2:
        raise ValueError(f"need at least two inclusion probabilities, got shape {t.shape}")
    if not (np.all((t >= 0.0) & (t <= 1.0)) and np.all(np.diff(t) >= 0.0)):
        raise ValueError(f"need inclusion probabilities in [0, 1] that never fall, got {t}")
    return t


def _bernstein(coefficients: Floats, t: Floats) -> Floats:
    """The polynomial of these Bernstein coefficients, by binomial weights, of the shape of t."""
    from scipy.stats import binom

    if not np.all((t >= 0.0) & (t <= 1.0)):
        raise ValueError(f"need inclusion probabilities in [0, 1], got {t}")
    used = np.flatnonzero(coefficients)
    # scipy's binomial weights overflow where (n / t) does; there they are those of 0.
    probabilities = np.where(t < SMALLEST, 0.0, t)[..., None]
    weights = binom.pmf(used, len(coefficients) - 1, probabilities)  # (..., used)
    return np.asarray(weights @ coefficients[used])


def growth(curve: ArrayLike, t: ArrayLike) -> Floats:
    r"""The growth function, of the shape of t, nats.

    .. math:: h(t) = \sum_i E\, I(X_i; X_A) = \sum_j Bin(n-1, t)(j)\; n (C(0) - C(j)),

    where A holds each of the other positions with probability t.

    Args:
        curve: C, shape (n,), nats.
        t: Inclusion probabilities, in [0, 1].

    Returns:
        Nats; h(0) = 0, h(1) = TC + DTC, and h never falls for the curve of a law.

    Raises:
        ValueError: An inclusion probability is not in [0, 1].

    References:
        Wainwright (arXiv:2608.13520), section on UGC; theory, section 9.

    Example:
        >>> growth([2.0, 1.5, 0.0], [0.0, 0.5, 1.0])
        array([0.  , 2.25, 6.  ])
    """
    z = information_curve(curve)
    return _bernstein(len(z) * z, np.asarray(t, dtype=np.float64))


def growth_rate(curve: ArrayLike, t: ArrayLike) -> Floats:
    r"""Slope h'(t) = sum_j Bin(n-2, t)(j-1) n (n-1) D_j, of the shape of t, nats; >= 0 for a law.

    Args:
        curve: C, shape (n,), nats.
        t: Inclusion probabilities, in [0, 1].

    Raises:
        ValueError: An inclusion probability is not in [0, 1].

    Example:
        >>> growth_rate([2.0, 1.5, 0.0], [0.0, 0.5, 1.0])
        array([3., 6., 9.])
    """
    d = increments(curve)
    slopes = len(d) * (len(d) + 1) * d if len(d) else np.zeros(1)  # of one position: h = 0
    return _bernstein(slopes, np.asarray(t, dtype=np.float64))


def odds_density(curve: ArrayLike, log_odds: ArrayLike) -> Floats:
    r"""Wainwright's density of the growth complexity over log odds, of their shape, nats.

    .. math:: q(\lambda) = r^2 (1-r)^2 h'(r), \qquad \lambda = \log\frac{r}{1-r}.

    Its peaks are where the law must be revealed slowly.

    Args:
        curve: C, shape (n,), nats.
        log_odds: Any real numbers.

    References:
        Wainwright (arXiv:2608.13520), Figures 1 to 6.

    Example:
        >>> odds_density([2.0, 1.5, 0.0], [0.0])
        array([0.375])
    """
    r = 1.0 / (1.0 + np.exp(-np.asarray(log_odds, dtype=np.float64)))
    return np.asarray((r * (1.0 - r)) ** 2 * growth_rate(curve, r))


def growth_integrals(curve: ArrayLike, times: ArrayLike, *, known: int, masked: int) -> Floats:
    r"""Integral of t^a (1-t)^b h'(t) between consecutive times, in closed form, nats.

    .. math:: \int t^a (1-t)^b h'(t)\, dt = n \sum_j D_j
              \frac{j^{(a)} (n-j)^{(b)}}{n^{(a+b)}}\; P(Beta(j+a, n-j+b)),

    with rising factorials. From 0 to 1 it is DTC for (a, b) = (1, 0), TC for (0, 1).

    Args:
        curve: C, shape (n,), nats.
        times: Inclusion probabilities that never fall, shape (m + 1,).
        known: a >= 0.
        masked: b >= 0.

    Returns:
        Shape (m,), nats.

    Raises:
        ValueError: The times fall or leave [0, 1].

    References:
        theory, section 9.

    Example:
        >>> growth_integrals([2.0, 1.5, 0.0], [0.0, 1.0], known=0, masked=1)
        array([2.5])
    """
    from scipy.special import betainc, poch

    t, every = as_times(times), increments(curve)
    used = np.flatnonzero(every)
    n, j, d = len(every) + 1, used + 1.0, every[used]
    weights = n * d * poch(j, known) * poch(n - j, masked) / poch(n, known + masked)
    revealed = betainc(j + known, n - j + masked, t[:, None])  # (m + 1, used)
    return np.asarray(np.diff(revealed, axis=0) @ weights)


def growth_complexity(curve: ArrayLike, times: ArrayLike) -> Floats:
    r"""H(p, q), the integral of t (1-t) h'(t), between consecutive times, shape (m,), nats.

    Additive over intervals; H(0, 1) = 2/(n+1) TSE = n/(n+1) H^card.

    Args:
        curve: C, shape (n,), nats.
        times: Inclusion probabilities that never fall, shape (m + 1,).

    Raises:
        ValueError: The times fall or leave [0, 1].

    References:
        Wainwright (arXiv:2608.13520), Proposition 3; theory, section 9.

    Example:
        >>> growth_complexity([2.0, 1.5, 0.0], [0.0, 1.0])
        array([1.])
    """
    return growth_integrals(curve, times, known=1, masked=1)


def _quadrature(n: int, first: float, last: float) -> tuple[Floats, Floats]:
    """Nodes and weights of an integral over t, for functions of h'.

    In t = sin^2 a the binomial weights are equally wide everywhere, about 1 / sqrt(n), and the
    root of a power of t or 1-t is smooth.
    """
    edges = np.linspace(np.arcsin(sqrt(first)), np.arcsin(sqrt(last)), 8 + ceil(2 * sqrt(n)))
    x, w = np.polynomial.legendre.leggauss(NODES)
    half = 0.5 * np.diff(edges)[:, None]
    angles = (edges[:-1, None] + half * (1.0 + x)).ravel()
    return np.sin(angles) ** 2, (half * w).ravel() * np.sin(2.0 * angles)


def effective_total_correlation(curve: ArrayLike) -> float:
    r"""D_HW, the integral of t min(1, log 1/t) h'(t), nats; between H(0, 1) and e/(e-1) of it.

    Args:
        curve: C, shape (n,), nats.

    References:
        Dmitriev, Huang, Wei (arXiv:2602.15008); Wainwright (arXiv:2608.13520), Proposition 3.

    Example:
        >>> bool(1.0 <= effective_total_correlation([2.0, 1.5, 0.0]) <= 1.582)
        True
    """
    c, switch = np.asarray(curve, dtype=np.float64), exp(-1.0)
    early = growth_integrals(c, (0.0, switch), known=1, masked=0)
    t, weights = _quadrature(len(c), switch, 1.0)
    return float(early[0] - weights @ (t * np.log(t) * growth_rate(c, t)))


def limit_complexity(curve: ArrayLike, first: float = 0.0, last: float = 1.0) -> float:
    r"""P_ugc, what the best schedule of N steps pays to leading order is P / (2N), nats.

    .. math:: P = \Bigl(\int \sqrt{q(\lambda)}\, d\lambda\Bigr)^2
                = \Bigl(\int_{t_0}^{T} \sqrt{h'(t)}\, dt\Bigr)^2,

    the least complexity of any division into blocks (``odds_blocks.block_complexity``).

    Args:
        curve: C of a law, shape (n,), nats, nonincreasing.
        first: t_0.
        last: T.

    Raises:
        ValueError: The times fall or leave [0, 1], or the curve rises.

    References:
        Wainwright (arXiv:2608.13520), Theorem 3; theory, sections 8 and 9.

    Example:
        >>> round(limit_complexity([2.0, 1.5, 1.0]), 4)  # h' = 3
        3.0
    """
    c = np.asarray(curve, dtype=np.float64)
    as_times((first, last))
    if np.any(np.diff(c) > 0.0):
        raise ValueError("the curve rises: fit a nonincreasing one first")
    t, weights = _quadrature(len(c), first, last)
    return float(weights @ np.sqrt(growth_rate(c, t))) ** 2
