"""The Bernoulli sampler: each position waits for its own uniform time to be revealed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from theory.growth import as_times, growth_complexity, growth_integrals
from theory.tables import Floats


def geometric_odds(first: float, last: float, steps: int) -> Floats:
    """Inclusion probabilities whose odds t / (1-t) grow by one factor a step, shape (steps + 1,).

    Args:
        first: t_0, above 0.
        last: t_N, at least the first and below 1.
        steps: N >= 1.

    Raises:
        ValueError: An argument is out of range.

    References:
        Wainwright (arXiv:2608.13520), Corollary 1.

    Example:
        >>> geometric_odds(0.2, 0.8, 2)
        array([0.2, 0.5, 0.8])
    """
    if not 0.0 < first <= last < 1.0 or steps < 1:
        raise ValueError(f"need 0 < first <= last < 1, steps >= 1, got {first}, {last}, {steps}")
    log_odds = np.linspace(np.log(first / (1.0 - first)), np.log(last / (1.0 - last)), steps + 1)
    times = 1.0 / (1.0 + np.exp(-log_odds))
    times[[0, -1]] = first, last
    return np.asarray(times)


def step_losses(curve: ArrayLike, times: ArrayLike) -> Floats:
    r"""Expected KL error of revealing at once what arrives between consecutive times.

    .. math:: E\, TC(X_S | X_A) = \int_p^q (h(u) - h(p))\, du = \int_p^q (q - u) h'(u)\, du,

    where A holds the positions of time below p and S those of time in (p, q].

    Args:
        curve: C, shape (n,), nats.
        times: Inclusion probabilities that never fall, shape (m + 1,).

    Returns:
        Shape (m,), nats; >= 0 for the curve of a law.

    Raises:
        ValueError: The times fall or leave [0, 1].

    References:
        Wainwright (arXiv:2608.13520), before Theorem 1; theory, section 9.

    Example:
        >>> step_losses([2.0, 1.5, 0.0], [0.0, 1.0])  # TC
        array([2.5])
    """
    t = as_times(times)
    slope = growth_integrals(curve, t, known=0, masked=0)
    return np.asarray(t[1:] * slope - growth_integrals(curve, t, known=1, masked=0))


def bernoulli_kl(curve: ArrayLike, times: Sequence[float]) -> float:
    r"""Expected KL error of the Bernoulli sampler given everybody's times, nats.

    Positions of time below t_0 are revealed at once (initialisation), then those between
    consecutive t_j, and those above t_N at once (completion):
    .. math:: \int_0^{t_0} (t_0 - u) h' + \sum_j \int_{t_j}^{t_{j+1}} (t_{j+1} - u) h'
              + \int_{t_N}^1 (1 - u) h'.

    Args:
        curve: C, shape (n,), nats. Of a model's cross-entropies, the result is the excess over
            its sequential sampler.
        times: t_0 <= ... <= t_N, in [0, 1].

    Returns:
        Nats. TC where no time lies inside (0, 1).

    Raises:
        ValueError: The times fall or leave [0, 1].

    References:
        Wainwright (arXiv:2608.13520), Theorem 1, with every term exact; theory, section 9.

    Example:
        >>> bernoulli_kl([2.0, 1.5, 0.0], [0.5]) < bernoulli_kl([2.0, 1.5, 0.0], [])
        True
    """
    return float(step_losses(curve, (0.0, *times, 1.0)).sum())


def odds_bounds(curve: ArrayLike, times: ArrayLike, *, sharp: bool = False) -> Floats:
    r"""Wainwright's bound on each of the ``step_losses``, through the growth complexity.

    .. math:: \Bigl(\frac{\psi(q)}{\psi(p)} - 1\Bigr) H(p, q)
              = \frac{q - p}{p (1-q)} H(p, q), \qquad \psi(t) = \frac{t}{1-t};

    the sharp constant is (q-p) / (p (1-p)), the largest (q-u) / (u (1-u)) on the step.

    Args:
        curve: C of a law, shape (n,), nats.
        times: Inclusion probabilities that never fall, shape (m + 1,).
        sharp: Whether to use the sharp constant.

    Returns:
        Shape (m,), nats; infinite for a step from 0, and to 1 unless sharp, that loses anything.

    Raises:
        ValueError: The times fall or leave [0, 1].

    References:
        Wainwright (arXiv:2608.13520), Theorem 1; theory, section 9.

    Example:
        >>> odds_bounds([2.0, 1.5, 0.0], [0.25, 0.5, 0.75]).round(4)
        array([0.6055, 0.7695])
        >>> odds_bounds([2.0, 1.5, 0.0], [0.25, 0.5, 0.75], sharp=True).round(4)
        array([0.4036, 0.3848])
    """
    t = as_times(times)
    p, q = t[:-1], t[1:]
    complexity = growth_complexity(curve, t)
    scale = p * (1.0 - p) if sharp else p * (1.0 - q)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        bounds = (q - p) / scale * complexity
    return np.where(complexity > 0.0, bounds, 0.0)


def least_losses(curve: ArrayLike, times: ArrayLike, most: int) -> Floats:
    """Least loss between the first and the last of some times, in 1..most steps between them.

    By dynamic programming, O(most m^2). As times grow dense, N steps lose
    ``growth.limit_complexity`` / (2 N) to leading order.

    Args:
        curve: C, shape (n,), nats.
        times: Inclusion probabilities that never fall and may be chosen, shape (m + 1,).
        most: Largest number of steps, >= 1.

    Returns:
        Shape (most,), nats, never rising; that of N steps is at N - 1.

    Raises:
        ValueError: The times fall or leave [0, 1], or most is below 1.

    References:
        Wainwright (arXiv:2608.13520), Theorem 3.

    Example:
        >>> least_losses([2.0, 1.5, 0.0], [0.0, 0.25, 0.5, 1.0], 3).round(4)
        array([2.5   , 1.375 , 1.1406])
    """
    t = as_times(times)
    if most < 1:
        raise ValueError(f"need at least one step, got {most}")
    slope = np.append(0.0, np.cumsum(growth_integrals(curve, t, known=0, masked=0)))
    moment = np.append(0.0, np.cumsum(growth_integrals(curve, t, known=1, masked=0)))
    # No step backward; one that goes nowhere is free, so that fewer steps are allowed too.
    edges = np.where(
        t >= t[:, None], t * (slope - slope[:, None]) - (moment - moment[:, None]), np.inf
    )
    least, found = edges[0], np.empty(most)
    found[0] = least[-1]
    for step in range(1, most):
        least = (least[:, None] + edges).min(axis=0)
        found[step] = least[-1]
    return np.maximum(found, 0.0)
