r"""Both correlations known: what sizes can lose, and the sizes that can lose least.

TC and DTC fix the mass of a curve's increments, (TC + DTC) / n, and their mean position
:math:`\bar j = n\,DTC / (TC + DTC)`. The loss is the mean overshoot
:math:`r_j = \lceil j \rceil - j` over that mass, so the most that can be lost is

.. math:: \sup KL = \frac{TC + DTC}{n}\, conc(r)(\bar j),

where conc is the least concave function over 1..n-1 that is nowhere below r. A line that
touches it at :math:`\bar j` is a budget for each overshoot, and the greedy sizes of that line
do no worse: the best sizes are greedy for a line.

References:
    theory, section 6.7.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from theory.divergences import boundaries
from theory.guarantees.greedy import Budgets, check_length
from theory.guarantees.scalars import Number, as_fraction, curve_of_jumps
from theory.tables import Floats

ROUNDING = 1e-9  # by which sums over a curve may miss what no law can exceed

Point = tuple[int, int]


def mean_jump(n: int, tc: Number, dtc: Number) -> Fraction:
    """The mean position n DTC / (TC + DTC) of a curve's increments, 1..n-1.

    Args:
        n: Number of positions, >= 2.
        tc: Total correlation, nats.
        dtc: Dual total correlation, nats; not both are 0.

    Raises:
        ValueError: No law has these correlations: one is more than n - 1 times the other.

    Example:
        >>> mean_jump(8, 1.0, 3.0)
        Fraction(6, 1)
    """
    total, dual = as_fraction("TC", tc), as_fraction("DTC", dtc)
    mean = n * dual / (total + dual)
    nearest = min(max(mean, Fraction(1)), Fraction(n - 1))
    if abs(mean - nearest) > ROUNDING * n:
        raise ValueError(
            f"need TC <= (n - 1) DTC and DTC <= (n - 1) TC, as every law has them, "
            f"got TC={tc}, DTC={dtc}, n={n}"
        )
    return nearest


def _is_independent(n: int, tc: Number, dtc: Number) -> bool:
    """Whether there is nothing to lose."""
    return as_fraction("TC", tc) + as_fraction("DTC", dtc) == 0 or n == 1


def _corners(sizes: Sequence[int]) -> list[Point]:
    """Corners (j, conc(r)(j)) of the concave envelope of the overshoots, from j = 1 to n - 1."""
    n = sum(sizes)
    # Within a step r falls by one a position: only its first position can be a corner.
    peaks = [(a + 1, b - a - 1) for a, b in pairwise(boundaries(sizes, n)) if a + 1 < n]
    if peaks[-1][0] < n - 1:
        peaks.append((n - 1, int(sizes[-1] > 1)))
    corners: list[Point] = []
    for x, y in peaks:
        while len(corners) > 1:
            (x0, y0), (x1, y1) = corners[-2:]
            if (y1 - y0) * (x - x0) > (y - y0) * (x1 - x0):
                break
            corners.pop()
        corners.append((x, y))
    return corners


def _segment(sizes: Sequence[int], at: Fraction) -> tuple[Point, Point]:
    """The corners on either side, the same one twice where ``at`` is a corner."""
    corners = _corners(sizes)
    left = max(corner for corner in corners if corner[0] <= at)
    right = min(corner for corner in corners if corner[0] >= at)
    return left, right


def _envelope(sizes: Sequence[int], at: Fraction) -> Fraction:
    (x0, y0), (x1, y1) = _segment(sizes, at)
    return y0 + (at - x0) * Fraction(y1 - y0, x1 - x0) if x1 > x0 else Fraction(y0)


def sup_kl(sizes: Sequence[int], tc: Number, dtc: Number) -> float:
    """The most that sizes can lose on a curve with these TC and DTC, nats.

    Args:
        sizes: s_1..s_k >= 1; their sum is n.
        tc: Total correlation, nats.
        dtc: Dual total correlation, nats.

    Returns:
        Nats. 0 for one position a step, TC for one step.

    Raises:
        ValueError: A size is below 1, or no law has these correlations.

    References:
        theory, section 6.7.

    Example:
        >>> sup_kl((3, 2, 1), 1.0, 1.0), sup_kl((6,), 1.0, 1.0)
        (0.4444444444444444, 1.0)
    """
    n = boundaries(sizes, sum(sizes))[-1]
    if _is_independent(n, tc, dtc):
        return 0.0
    mass = (as_fraction("TC", tc) + as_fraction("DTC", dtc)) / n
    return float(mass * _envelope(sizes, mean_jump(n, tc, dtc)))


def worst_curve(sizes: Sequence[int], tc: Number, dtc: Number) -> Floats:
    """A curve of at most two jumps with these TC and DTC on which sizes lose ``sup_kl``.

    Returns:
        C with C(n-1) = 0, shape (n,), nats.

    Raises:
        ValueError: As ``sup_kl``.

    Example:
        >>> worst_curve((3, 2, 1), 1.0, 1.0)
        array([0.33333333, 0.22222222, 0.22222222, 0.22222222, 0.        ,
               0.        ])
    """
    n = boundaries(sizes, sum(sizes))[-1]
    if _is_independent(n, tc, dtc):
        return curve_of_jumps(n, {})
    mean = mean_jump(n, tc, dtc)
    mass = (as_fraction("TC", tc) + as_fraction("DTC", dtc)) / n
    (left, _), (right, _) = _segment(sizes, mean)
    if left == right:
        return curve_of_jumps(n, {left: float(mass)})
    share = (mean - left) / (right - left)
    return curve_of_jumps(n, {left: float(mass * (1 - share)), right: float(mass * share)})


def affine_sizes(n: int, alpha: Fraction, beta: Fraction) -> tuple[int, ...]:
    r"""Greedy sizes of a line: the fewest steps with overshoots :math:`r_j \le \alpha + \beta j`.

    .. math:: s = 1 + \lfloor \alpha + \beta (N + 1) \rfloor

    Args:
        n: Number of positions.
        alpha: The line at 0.
        beta: Its slope, >= -1, as the envelopes' slopes are.

    Returns:
        Sizes that sum to n.

    Raises:
        ValueError: n is below 1, beta is below -1, or the line is below 0 at some j = 1..n-1.

    Example:
        >>> affine_sizes(8, Fraction(0), Fraction(1, 2))
        (1, 2, 3, 2)
    """
    check_length(n)
    if beta < -1:
        raise ValueError(f"need a slope >= -1, got {beta}")
    line = Budgets(n, lambda _: Fraction(1), lambda j: beta * j)
    sizes = line.walk(Fraction(alpha), n).sizes
    if sizes is None:
        raise ValueError(f"need a line >= 0 on 1..{n - 1}, got {alpha} + {beta} j")
    return sizes


def minimax_sizes(n: int, steps: int, tc: Number, dtc: Number) -> tuple[int, ...]:
    r"""Sizes of at most k steps that lose least on the worst curve with these TC and DTC.

    The best sizes are greedy for a line whose slope is a fraction of two differences on
    1..n-1, or -1. Slopes are searched in the Stern-Brocot tree: all lines with slopes between
    two neighbours lie below a bent line through the same value at :math:`\bar j`, and where
    its greedy sizes need too many steps the whole subtree is left out. The result is exact.

    Args:
        n: Number of positions.
        steps: k >= 1.
        tc: Total correlation, nats.
        dtc: Dual total correlation, nats.

    Returns:
        Sizes that sum to n. ``sup_kl`` tells what they guarantee.

    Raises:
        ValueError: n or k is below 1, or no law has these correlations.

    References:
        theory, section 6.7.

    Example:
        >>> sizes = minimax_sizes(32, 6, 2.0, 1.0)
        >>> sizes, sup_kl(sizes, 2.0, 1.0)
        ((5, 5, 5, 5, 6, 6), 0.4203125)
    """
    check_length(n, steps)
    if steps >= n:
        return (1,) * n
    if _is_independent(n, tc, dtc):
        return (n,)
    mean = mean_jump(n, tc, dtc)

    def bent(left: Fraction, right: Fraction) -> Budgets:
        """Lines through a level at the mean jump, of one slope left of it and of one right."""
        return Budgets(
            n, lambda _: Fraction(1), lambda j: (j - mean) * (right if j > mean else left)
        )

    best: tuple[int, ...] = (n,)
    least = _envelope(best, mean)

    def can_improve(lines: Budgets) -> bool:
        return lines.walk(least, steps, below=True).sizes is not None

    def look(slope: Fraction) -> None:
        nonlocal best, least
        lines = bent(slope, slope)
        if can_improve(lines):
            sizes = lines.least(steps)[1]
            best, least = min((best, least), (sizes, _envelope(sizes, mean)), key=lambda s: s[1])

    look(Fraction(-1))
    intervals = [((-1, 1), (1, 0))]  # p / q in lowest terms; slopes end before n
    while intervals:
        (p0, q0), (p1, q1) = low, high = intervals.pop()
        middle = (p0 + p1, q0 + q1)  # of all fractions between, the one with the least q
        below = Fraction(p1, q1) if q1 else Fraction(n)
        if middle[1] < n and middle[0] < n and can_improve(bent(Fraction(p0, q0), below)):
            look(Fraction(*middle))
            intervals += [(low, middle), (middle, high)]
    return best
