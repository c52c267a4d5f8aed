r"""What step sizes lose at worst where the curve is known only up to a band.

References:
    theory, section 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory.compiled import compiled
from theory.divergences import boundaries, expected_kl
from theory.tables import Floats

Ints = NDArray[np.int64]

ROUNDING: Final = 1e-13  # of the largest entropy, a position


@dataclass(frozen=True, eq=False)
class Band:
    """All nonincreasing curves between two, each of which is made as tight as these allow.

    Args:
        lower: Shape (n,), nats, finite. Stored as its running maximum from the right.
        upper: Shape (n,), nats, finite. Stored as its running minimum from the left.

    Raises:
        ValueError: The bounds differ in shape, are empty or not finite, or cross: no falling
            curve lies between them.

    References:
        theory, section 10.1.

    Example:
        >>> Band([0.5, 0.7, 0.0], [2.0, 1.0, 1.5])
        Band(lower=array([0.7, 0.7, 0. ]), upper=array([2., 1., 1.]))
    """

    lower: Floats
    upper: Floats

    def __init__(self, lower: ArrayLike, upper: ArrayLike) -> None:
        low, high = (np.array(values, dtype=np.float64) for values in (lower, upper))
        if low.ndim != 1 or low.size == 0 or low.shape != high.shape:
            raise ValueError(
                f"need two bounds of the same shape (n,), got {low.shape} and {high.shape}"
            )
        for name, values in (("lower", low), ("upper", high)):
            if (bad := np.flatnonzero(~np.isfinite(values))).size:
                raise ValueError(f"{name}[{bad[0]}]: need a finite number, got {values[bad[0]]}")
        least, most = np.maximum.accumulate(low[::-1])[::-1].copy(), np.minimum.accumulate(high)
        if (crossed := np.flatnonzero(least > most)).size:
            j = int(crossed[0])
            later, earlier = j + int(np.argmax(low[j:])), int(np.argmin(high[: j + 1]))
            raise ValueError(
                f"the band crosses at index {j}: a falling curve is at least lower[{later}] = "
                f"{low[later]:g} there and at most upper[{earlier}] = {high[earlier]:g}; widen it"
            )
        for name, values in (("lower", least), ("upper", most)):
            values.flags.writeable = False
            object.__setattr__(self, name, values)

    @property
    def length(self) -> int:
        """Number of positions n."""
        return int(self.lower.size)

    @cached_property
    def _levels(self) -> tuple[Floats, Ints, Ints]:
        """Heights between the values of the bounds, from the highest; #{l > v}, #{u > v} there."""
        values = np.unique(np.concatenate([self.lower, self.upper]))
        first, last = (
            self.length - np.searchsorted(bound[::-1], values[-2::-1], side="right")
            for bound in (self.lower, self.upper)
        )
        return np.diff(values)[::-1], first, last

    def _highest(self, gains: Floats) -> Ints:
        """For each level the first p of its window that gains most, of gains of shape (n + 1,)."""
        _, first, last = self._levels
        places = np.empty(len(first), dtype=np.int64)
        _slide(gains, first, last, places)
        return places

    def _curve(self, places: Ints) -> Floats:
        """The curve with so many entries above each level."""
        ending = np.bincount(places, self._levels[0], minlength=self.length + 1)
        above = np.cumsum(ending[::-1])[-2::-1]  # entry j: heights of the levels with p > j
        curve: Floats = np.clip(self.lower[-1] + above, self.lower, self.upper)  # but for rounding
        return curve


@compiled
def _slide(values: Floats, first: Ints, last: Ints, places: Ints) -> None:
    """Set places[i] to the first maximum of values[first[i] : last[i] + 1]; both ends rise."""
    falling = np.empty(len(values), dtype=np.int64)  # candidates, the largest value first
    head, tail, seen = 0, 0, 0
    for i in range(len(first)):
        while seen <= last[i]:
            while tail > head and values[falling[tail - 1]] < values[seen]:
                tail -= 1
            falling[tail] = seen
            tail += 1
            seen += 1
        while falling[head] < first[i]:
            head += 1
        places[i] = falling[head]


def worst_case_kl(band: Band, sizes: Sequence[int], *, entropy: float | None = None) -> float:
    r"""Largest expected KL error of step sizes over the curves of a band, nats.

    .. math:: \sup_C KL = \int \max_{p_l(v) \le p \le p_u(v)} (\lceil p \rceil - p)\, dv,

    with ceil(p) the next boundary, :math:`p_l(v) = \#\{l > v\}`, :math:`p_u(v) = \#\{u > v\}`.
    The integrand is constant between the 2n values of the bounds, and its windows only move
    right as v falls, so that all maxima take O(n).

    Args:
        band: Of n positions.
        sizes: s_1..s_k, sums to n.
        entropy: Sum of C, nats, where it is known.

    Returns:
        Nats. 0 for one position a step; the expected KL where the bounds are one curve.

    Raises:
        ValueError: A size is below 1, the sizes do not sum to n, or no curve of the band has
            this entropy.

    References:
        theory, section 10.1.

    Example:
        >>> band = Band([1.0, 0.5, 0.0], [2.0, 1.5, 0.5])
        >>> worst_case_kl(band, [1, 2]), worst_case_kl(band, [1, 2], entropy=2.25)
        (1.5, 1.125)
    """
    if entropy is not None:
        return expected_kl(worst_curve(band, sizes, entropy=entropy), sizes)
    overshoot = _overshoot(band, sizes)
    return float(band._levels[0] @ overshoot[band._highest(overshoot)])


def worst_curve(band: Band, sizes: Sequence[int], *, entropy: float | None = None) -> Floats:
    r"""A curve of the band on which step sizes lose most, shape (n,), nats.

    The first maximisers of the levels rise as the level falls, so they are those of one falling
    curve. A known entropy :math:`\int p(v)\, dv` gets a multiplier: the maxima are of
    :math:`\lceil p \rceil - p + \mu p`, and the curve is a mixture of two that are worst at the
    one multiplier whose bound is least.

    Args:
        band: As ``worst_case_kl``.
        sizes: As ``worst_case_kl``.
        entropy: As ``worst_case_kl``.

    Raises:
        ValueError: As ``worst_case_kl``.

    References:
        theory, section 10.1.

    Example:
        >>> worst_curve(Band([1.0, 0.5, 0.0], [2.0, 1.5, 0.5]), [1, 2])
        array([1.5, 1.5, 0. ])
    """
    overshoot = _overshoot(band, sizes)
    if entropy is None:
        return band._curve(band._highest(overshoot))
    short, long = band.lower, band.upper  # worst at multipliers of -inf and inf
    slack = ROUNDING * band.length * max(abs(float(short[-1])), abs(float(long[0])))
    if not short.sum() - slack <= entropy <= long.sum() + slack:
        raise ValueError(
            f"need an entropy from {short.sum():.6g} to {long.sum():.6g} nats, the least and the "
            f"most of the band, got {entropy:g}"
        )
    while (span := float(long.sum() - short.sum())) > slack:
        # Where these two are worst alike, so is their mixture, unless a third curve is worse.
        price = (expected_kl(short, sizes) - expected_kl(long, sizes)) / span
        other = band._curve(band._highest(overshoot + price * np.arange(band.length + 1)))
        worse = expected_kl(other, sizes) - expected_kl(short, sizes)
        worse += price * float(other.sum() - short.sum())
        if worse <= slack or not short.sum() < other.sum() < long.sum():
            share = float(np.clip((entropy - short.sum()) / span, 0.0, 1.0))
            return short + share * (long - short)
        if other.sum() <= entropy:
            short = other
        else:
            long = other
    return short


def worst_case_lp(
    band: Band,
    sizes: Sequence[int],
    *,
    entropy: float | None = None,
    total_correlation: tuple[float, float] | None = None,
) -> float:
    """``worst_case_kl`` as a linear program, which carries what the closed form cannot.

    Args:
        band: As ``worst_case_kl``.
        sizes: As ``worst_case_kl``.
        entropy: As ``worst_case_kl``.
        total_correlation: Least and most of n C(0) - sum C, nats, where they are known; either
            may be infinite.

    Returns:
        Nats, to the tolerance of the solver (1e-7).

    Raises:
        ValueError: As ``worst_case_kl``, or no curve of the band has such a total correlation.

    References:
        theory, section 10.1 (extra linear knowledge).

    Example:
        >>> band = Band([1.0, 0.5, 0.0], [2.0, 1.5, 0.5])
        >>> round(worst_case_lp(band, [1, 2], total_correlation=(0.0, 1.0)), 6)
        1.0
    """
    cp: Any = import_module("cvxpy")  # seconds: not before it is needed
    n = band.length
    ends = boundaries(sizes, n)
    curve = cp.Variable(n)
    constraints = [curve >= band.lower, curve <= band.upper]
    if n > 1:
        constraints.append(cp.diff(curve) <= 0)
    known = []
    if entropy is not None:
        constraints.append(cp.sum(curve) == entropy)
        known.append(f"entropy {entropy:g}")
    if total_correlation is not None:
        least, most = total_correlation
        if not least <= most:
            raise ValueError(f"need total_correlation (least, most), got {total_correlation}")
        correlation = n * curve[0] - cp.sum(curve)
        constraints += [correlation >= least] if least > -np.inf else []
        constraints += [correlation <= most] if most < np.inf else []
        known.append(f"total correlation from {least:g} to {most:g}")
    loss = curve[np.repeat(ends[:-1], np.diff(ends))] - curve
    problem = cp.Problem(cp.Maximize(cp.sum(loss)), constraints)
    problem.solve(solver=cp.SCIPY, scipy_options={"method": "highs"})
    if problem.status != cp.OPTIMAL:
        raise ValueError(
            f"no curve of the band has {' and '.join(known)} nats: widen the band or check them"
        )
    return float(problem.value)


def worst_surface(lower: ArrayLike, upper: ArrayLike) -> Floats:
    r"""The surface whose loss is, for any step sizes, the worst over a band of surfaces.

    Each column j falls on its own, so that f(a, j) may stay at its upper bound until step a and
    then fall to the lower bound of f(j, j). The step that reveals [a, b) thus loses at worst
    :math:`\sum_{a < j < b} u(a, j) - l(j, j)`, which adds over steps.

    Args:
        lower: Shape (n, n), nats; entry (a, j) is used for a <= j.
        upper: Shape (n, n), nats.

    Returns:
        Shape (n, n): l(j, j) on the diagonal and u(a, j) above it, both tightened; 0 below.

    Raises:
        ValueError: The bounds are not square or not finite, or cross in a column.

    References:
        theory, sections 5 and 10: ``worst_case_kl`` has no such form, as one curve serves every
        position.

    Example:
        >>> worst_surface([[0.5, 0.2], [0.0, 0.1]], [[0.7, 0.9], [0.0, 0.4]])
        array([[0.5, 0.9], [0. , 0.1]])
    """
    low, high = (np.asarray(values, dtype=np.float64) for values in (lower, upper))
    if low.ndim != 2 or low.shape[0] != low.shape[1] or low.shape != high.shape:
        raise ValueError(f"need two bounds of shape (n, n), got {low.shape} and {high.shape}")
    worst = np.zeros(low.shape)
    for j in range(len(low)):
        try:
            band = Band(low[: j + 1, j], high[: j + 1, j])
        except ValueError as error:
            raise ValueError(f"column {j}: {error}") from None
        worst[: j + 1, j] = band.upper
        worst[j, j] = band.lower[-1]
    return worst


def _overshoot(band: Band, sizes: Sequence[int]) -> Floats:
    """Next boundary minus p for p = 0..n: what a fall of C by one nat after p entries costs."""
    ends = np.array(boundaries(sizes, band.length))
    ceil = np.repeat(ends, [1, *sizes])
    return (ceil - np.arange(band.length + 1)).astype(np.float64)
