r"""Greedy sizes: each step the longest that a bound allows, and the least bound for k steps.

A bound is a budget for each position, level * weight(j) + offset(j), that the overshoot
:math:`\lceil j \rceil - j` must not exceed. All budgets here are such that a step after a
positions is allowed if its first, largest overshoot is, so that the longest step is

.. math:: s = 1 + \lfloor budget(a + 1) \rfloor,

and a longer way never comes from starting a step later: greedy sizes are the fewest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import ceil, floor, log, log1p

from theory.guarantees.scalars import Number, Scalar, as_fraction, jump_weight


@dataclass(frozen=True)
class Walk:
    """Greedy sizes at one level, and the levels between which they stay as they are.

    Attributes:
        sizes: Sizes that sum to n, or None: more steps than allowed, or no budget somewhere.
        tightest: The least level with the same sizes.
        following: No level below this one does better.
    """

    sizes: tuple[int, ...] | None
    tightest: Fraction
    following: Fraction


@dataclass(frozen=True)
class Budgets:
    """Budgets of 1..n-1 that rise with a level.

    Attributes:
        n: Number of positions.
        weight: j -> factor of the level, > 0.
        offset: j -> what does not depend on the level.
    """

    n: int
    weight: Callable[[int], Fraction]
    offset: Callable[[int], Fraction] = lambda _: Fraction(0)

    def level(self, overshoot: int, j: int) -> Fraction:
        """The least level at which j may have this overshoot."""
        return (overshoot - self.offset(j)) / self.weight(j)

    @property
    def one_step(self) -> Fraction:
        """The least level at which one step reveals everything."""
        return self.level(self.n - 1, 1) if self.n > 1 else Fraction(0)

    def walk(self, level: Fraction, steps: int, *, below: bool = False) -> Walk:
        """Greedy sizes of at most so many steps, at a level or just ``below`` it."""
        a, sizes = 0, list[int]()
        tightest, following = Fraction(0), self.one_step
        while a < self.n and len(sizes) < steps:
            size, left = 1, self.n - a
            if left > 1:
                budget = level * self.weight(a + 1) + self.offset(a + 1)
                most = ceil(budget) - 1 if below else floor(budget)
                if most < 0:
                    return Walk(None, tightest, self.level(0, a + 1))
                size = min(1 + most, left)
                tightest = max(tightest, self.level(size - 1, a + 1))
                if size < left:
                    following = min(following, self.level(size, a + 1))
            sizes.append(size)
            a += size
        return Walk(tuple(sizes) if a == self.n else None, tightest, following)

    def least(self, steps: int) -> tuple[Fraction, tuple[int, ...]]:
        """The least level >= 0 that greedy sizes of at most so many steps reach, and the sizes.

        Exact: levels are halved only to choose where to look, and each look moves an end to
        one of the finitely many levels at which greedy sizes change.
        """
        low, high = Fraction(0), max(self.one_step, Fraction(0))
        sizes: tuple[int, ...] = (self.n,)
        while low < high:
            walk = self.walk((low + high) / 2, steps)
            if walk.sizes is None:
                low = walk.following
            else:
                high, sizes = walk.tightest, walk.sizes
        return high, sizes


def check_length(n: int, steps: int = 1) -> None:
    """Refuse what is no number of positions or of steps.

    Raises:
        ValueError: n or steps is below 1.
    """
    if n < 1 or steps < 1:
        raise ValueError(f"need n >= 1 and k >= 1, got n={n}, k={steps}")


def _budgets(scalar: Scalar, n: int, steps: int = 1) -> Budgets:
    check_length(n, steps)
    jump_weight(scalar, 1, n)  # refuses an unknown scalar even where n = 1 needs no weight
    return Budgets(n, partial(_weight, scalar, n))


def _weight(scalar: Scalar, n: int, j: int) -> Fraction:
    return jump_weight(scalar, j, n)


def greedy_sizes(scalar: Scalar, n: int, theta: Number) -> tuple[int, ...]:
    r"""The fewest steps that guarantee a loss of at most theta times a scalar.

    .. math:: s = 1 + \lfloor \theta\, u_{a+1} \rfloor

    after a positions: sizes fall for ``tc``, rise for ``dtc``, rise and fall for ``odds``, are
    equal for ``height``.

    Args:
        scalar: Which one.
        n: Number of positions.
        theta: >= 0; a float stands for the decimal that it prints as.

    Returns:
        Sizes that sum to n. One position a step for theta = 0.

    Raises:
        ValueError: There is no such scalar, n is below 1, or theta is negative or not finite.

    References:
        theory, sections 6.1-6.4; no other sizes with this guarantee have fewer steps (6.6).

    Example:
        >>> greedy_sizes("tc", 8, 0.3), greedy_sizes("dtc", 8, 0.6), greedy_sizes("odds", 8, 0.8)
        ((3, 2, 1, 1, 1), (1, 2, 3, 2), (1, 2, 2, 2, 1))
    """
    budgets = _budgets(scalar, n)
    sizes = budgets.walk(as_fraction("theta", theta), n).sizes
    return sizes if sizes is not None else (1,) * n  # n steps are always enough


def least_theta(scalar: Scalar, n: int, steps: int) -> Fraction:
    """The least constant of ``KL <= theta * scalar`` that sizes of at most k steps guarantee.

    ``greedy_sizes`` at this theta are minimax: on its worst curve, any schedule of at most k
    steps loses at least theta times the scalar.

    Args:
        scalar: Which one.
        n: Number of positions.
        steps: k >= 1.

    Returns:
        Exact. 0 for k >= n.

    Raises:
        ValueError: There is no such scalar, or n or k is below 1.

    References:
        theory, section 6.6.

    Example:
        >>> theta = least_theta("odds", 32, 8)
        >>> theta, greedy_sizes("odds", 32, theta)
        (Fraction(6, 7), (1, 2, 4, 6, 7, 7, 4, 1))
    """
    return _budgets(scalar, n, steps).least(steps)[0]


def sizes_within(scalar: Scalar, n: int, eps: Number, value: Number) -> tuple[int, ...]:
    """The fewest steps that lose at most eps on every curve whose scalar is at most ``value``.

    Args:
        scalar: Which one.
        n: Number of positions.
        eps: Loss allowed, nats.
        value: The scalar or an upper bound on it, nats.

    Returns:
        Sizes that sum to n. One step where eps covers the worst curve, or value is 0.

    Raises:
        ValueError: As ``greedy_sizes``.

    References:
        theory, section 6.5; to compare with Chen, Cong, Li, COLT 2026, Theorem 9.

    Example:
        >>> sizes_within("tc", 8, eps=0.5, value=1.0)
        (4, 2, 1, 1)
    """
    allowed, whole = as_fraction("eps", eps), as_fraction("value", value)
    if whole == 0:
        return (n,) if n > 0 else greedy_sizes(scalar, n, 0)
    return greedy_sizes(scalar, n, allowed / whole)


def step_bound(scalar: Scalar, n: int, theta: Number) -> int:
    r"""A bound in closed form on the number of steps of ``greedy_sizes``.

    Each step multiplies what the weight measures: n - N - 1 by less than 1 - theta for ``tc``,
    N + 1 by more than 1 + theta for ``dtc``, (N + 1) / (n - N - 1) by more than 1 + theta for
    ``odds``. Hence

    .. math:: 1 + \lceil \tfrac{\ln(n - 1)}{-\ln(1 - \theta)} \rceil, \quad
              \lceil \tfrac{\ln n}{\ln(1 + \theta)} \rceil, \quad
              1 + \lceil \tfrac{2 \ln(n - 1)}{\ln(1 + \theta)} \rceil, \quad
              \lceil \tfrac{n}{1 + \lfloor \theta \rfloor} \rceil,

    the last, for ``height``, with equality.

    Args:
        scalar: Which one.
        n: Number of positions.
        theta: >= 0.

    Returns:
        At most n; n for theta = 0.

    Raises:
        ValueError: As ``greedy_sizes``.

    References:
        theory, sections 6.1-6.4, each sharper by at most one step.

    Example:
        >>> step_bound("tc", 1000, 0.5), len(greedy_sizes("tc", 1000, 0.5))
        (11, 10)
    """
    _budgets(scalar, n)
    level = min(as_fraction("theta", theta), Fraction(n))  # one step, from there on
    rate = float(level)
    if n <= 2 or rate == 0.0:
        return n
    if scalar == "height":
        return -(-n // (1 + floor(level)))
    if scalar == "tc":
        bound = 1.0 + log(n - 1) / -log1p(-rate) if rate < 1.0 else 1.0
    elif scalar == "dtc":
        bound = log(n) / log1p(rate)
    else:
        bound = 1.0 + 2.0 * log(n - 1) / log1p(rate)
    return ceil(min(n, bound))
