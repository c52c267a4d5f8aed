r"""Certified schedules of the Bernoulli sampler, from draws rather than from the exact curve.

The growth of h between p and q is a mean divergence between two answers of a model: with few
and with more positions known. So it is estimated by querying both, with a radius that holds with
a chosen probability, and it bounds what any schedule between p and q loses.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import exp, inf, log, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory.growth import as_times
from theory.learned import Model
from theory.odds_blocks import best_blocks, block_complexity, block_times
from theory.outputs import kl_divergence
from theory.tables import Floats


@dataclass(frozen=True)
class GrowthEstimate:
    """An estimate of 2 D(p, q), D = (q-p) (h(q) - h(p)), and how far off it may be.

    D bounds what revealing everything between p and q at once loses; 2 D bounds the growth
    complexity H(p, q) where the odds double from p to q.

    Attributes:
        value: Nats.
        radius: |value - 2 D| is at most this, with the probability asked for; nats.
    """

    value: float
    radius: float

    @property
    def upper(self) -> float:
        """Upper confidence bound on 2 D, nats."""
        return self.value + self.radius


@dataclass(frozen=True, eq=False)
class CertifiedSchedule:
    """A schedule of inclusion probabilities with bounds on what it loses.

    Attributes:
        times: t_0..t_M.
        inside: Bound on the loss between t_0 and t_M, 4 C / N, nats.
        ends: Bound on initialisation and completion together, nats.
    """

    times: Floats
    inside: float
    ends: float

    @property
    def bound(self) -> float:
        """Bound on the KL error of the whole sampler, nats."""
        return self.inside + self.ends


def dyadic_odds(first: float, cells: int) -> Floats:
    """Inclusion probabilities whose odds double from each to the next, shape (cells + 1,).

    Args:
        first: Inside (0, 1).
        cells: >= 1; 2 log2(n-1) of them lead from odds 1/(n-1) to n-1.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> dyadic_odds(0.2, 4)
        array([0.2       , 0.33333333, 0.5       , 0.66666667, 0.8       ])
    """
    if not 0.0 < first < 1.0 or cells < 1:
        raise ValueError(f"need first inside (0, 1) and cells >= 1, got {first} and {cells}")
    odds = first / (1.0 - first) * 2.0 ** np.arange(cells + 1)
    return np.asarray(odds / (1.0 + odds))


def moment_bound(n: int, q: int, exponent: float) -> float:
    r"""A bound on the moments of the divergences of a law that needs to know nothing of it.

    .. math:: \Bigl(E \bigl[\sum_i KL(\pi_{i,q} \| \pi_{i,p})\bigr]^s\Bigr)^{1/s}
              \le n \log(q + e^{s-1}), \qquad s = a / 2,

    as KL <= E[log 1/pi_p(X_i)] given what is known later, whose s-th moment is at most that of
    the surprise of X_i: Jensen for log^s, which is concave above e^{s-1}.

    Args:
        n: Number of positions.
        q: Number of symbols.
        exponent: a > 2.

    Returns:
        B_a for ``estimate_growth``, nats.

    Raises:
        ValueError: The exponent is 2 or less.

    Example:
        >>> round(moment_bound(1, 2, 4.0), 4)
        1.5514
    """
    _check_exponent(exponent)
    return n * log(q + exp(exponent / 2.0 - 1.0))


def growth_draws(
    model: Model, samples: NDArray[np.int64], p: float, q: float, rng: np.random.Generator
) -> Floats:
    r"""Independent draws whose mean is D(p, q) = (q-p) (h(q) - h(p)).

    .. math:: Q = (q-p) \sum_i KL(\pi_{i,q} \| \pi_{i,p}),

    with pi_{i,t} the model's law of X_i given the other positions of time below t, and the
    times uniform: 2 n queries a sample.

    Args:
        model: Answers for every known set and its values; D is that of the law that drew the
            samples only where these are its own conditional marginals.
        samples: Independent samples of the law, shape (m, n), symbols 0..q-1.
        p: Smaller inclusion probability.
        q: Larger one.
        rng: Draws the times.

    Returns:
        Shape (m,), nats.

    Raises:
        ValueError: The inclusion probabilities fall or leave [0, 1].

    References:
        Wainwright (arXiv:2608.13520), Lemma 1.
    """
    as_times((p, q))
    draws = np.zeros(len(samples))
    for row, x in enumerate(samples):
        times = rng.random(len(x))
        for i in range(len(x)):
            later = {int(k): int(x[k]) for k in np.flatnonzero(times < q) if k != i}
            sooner = {k: value for k, value in later.items() if times[k] < p}
            if len(sooner) < len(later):
                draws[row] += kl_divergence(model(later)[i], model(sooner)[i])
    return (q - p) * draws


def estimate_growth(
    draws: ArrayLike, p: float, q: float, *, moment: float, eta: float, exponent: float = 4.0
) -> GrowthEstimate:
    r"""Estimate 2 D(p, q) from draws by a truncated mean, with an empirical Bernstein radius.

    With L = log(4 / eta), R = 3 (m-1) / (7 L), V the sample variance of the terms of the sum,
    .. math:: \hat H = \frac{2}{m} \sum \min(Q, \tau), \qquad \tau = (q-p) B_a R^{2/a}, \qquad
              |\hat H - 2 D| \le \sqrt{2 V L / m} + 4 (q-p) B_a R^{-(1 - 2/a)}.

    Args:
        draws: Independent draws of Q, shape (m,), nats, >= 0, as of ``growth_draws``.
        p: Smaller inclusion probability.
        q: Larger one.
        moment: B_a >= 0 with E[(Q / (q-p))^{a/2}] <= B_a^{a/2}, nats.
        eta: Probability, inside (0, 1), that the radius may fail.
        exponent: a > 2.

    Returns:
        The estimate; with probability 1 - eta its radius holds.

    Raises:
        ValueError: An argument is out of range.

    References:
        Wainwright (arXiv:2608.13520), Proposition 2; the bias of the truncation is at most
        half of the last term by Markov's inequality, the rest is Maurer and Pontil's.

    Example:
        >>> estimate = estimate_growth(np.full(1001, 0.1), 0.2, 0.4, moment=1.0, eta=0.1)
        >>> round(estimate.value, 4), round(estimate.radius, 4)
        (0.2, 0.0742)
    """
    terms = np.asarray(draws, dtype=np.float64)
    as_times((p, q))
    _check_exponent(exponent)
    if terms.ndim != 1 or len(terms) < 2 or not np.all(terms >= 0.0):
        raise ValueError(f"need at least two draws >= 0, got shape {terms.shape}")
    if not (0.0 <= moment < inf and 0.0 < eta < 1.0):
        raise ValueError(f"need moment >= 0 and eta inside (0, 1), got {moment} and {eta}")
    m, confidence = len(terms), log(4.0 / eta)
    ratio = 3.0 * (m - 1) / (7.0 * confidence)
    scale = (q - p) * moment
    twice = 2.0 * np.minimum(terms, scale * ratio ** (2.0 / exponent))
    deviation = sqrt(2.0 * float(twice.var(ddof=1)) * confidence / m)
    tail = 4.0 * scale * ratio ** -(1.0 - 2.0 / exponent)
    return GrowthEstimate(float(twice.mean()), deviation + tail)


def certified_schedule(
    model: Model,
    samples: NDArray[np.int64],
    *,
    first: float,
    cells: int,
    blocks: int,
    steps: int,
    moment: float,
    eta: float,
    rng: np.random.Generator,
    exponent: float = 4.0,
) -> CertifiedSchedule:
    r"""A schedule of at most N steps and a bound on its loss that holds with probability 1 - eta.

    Every cell, and both ends, get an upper bound on their growth; blocks of cells are chosen
    for these bounds, and
    .. math:: KL \le \frac{4 \hat C}{N} + D(0, t_0) + D(T, 1), \qquad
              \hat C = \Bigl(\sum_k \sqrt{S_k (\hat H_k + r_k)}\Bigr)^2.

    Args:
        model: The law's conditional marginals.
        samples: Independent samples of the law, shape (m, n).
        first: t_0, inside (0, 1).
        cells: How often the odds double from t_0 to T.
        blocks: Largest number K of blocks.
        steps: N, at least 2 (K + 2 cells log 2).
        moment: B_a, nats, as of ``moment_bound``.
        eta: Probability, inside (0, 1), that the bound may fail.
        rng: Draws the times at which positions are known.
        exponent: a > 2.

    Returns:
        The schedule; its ``bound`` is on ``bernoulli.bernoulli_kl`` of its ``times``.

    Raises:
        ValueError: An argument is out of range, or the steps are too few.

    References:
        Wainwright (arXiv:2608.13520), Theorem 2; the bound on the ends is ours.
    """
    t = dyadic_odds(first, cells)
    edges = (0.0, *t.tolist(), 1.0)
    estimates = [
        estimate_growth(
            growth_draws(model, samples, p, q, rng),
            p,
            q,
            moment=moment,
            eta=eta / (len(edges) - 1),  # all bounds hold together
            exponent=exponent,
        )
        for p, q in pairwise(edges)
    ]
    start, *inner, end = (estimate.upper for estimate in estimates)
    chosen = best_blocks(t, inner, blocks)
    boundaries = t[list(chosen)]
    complexities = np.add.reduceat(inner, chosen[:-1])
    return CertifiedSchedule(
        times=block_times(boundaries, complexities, steps),
        inside=4.0 * block_complexity(boundaries, complexities) / steps,
        ends=0.5 * (start + end),
    )


def _check_exponent(exponent: float) -> None:
    if not exponent > 2.0:
        raise ValueError(f"need an exponent above 2, for a variance to exist, got {exponent}")
