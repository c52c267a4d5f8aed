r"""Step sizes with a random phase: up to half the worst case of the best fixed ones.

The loss is linear in the overshoots :math:`r_j = \lceil j \rceil - j`, and so its mean over
random sizes is linear in their means. A coordinate phi makes the steps of a scalar's greedy
schedule equally long,

.. math:: \phi(y) = -\ln(n - y) \ (TC), \qquad \ln y \ (DTC), \qquad
          \ln \frac{y}{n - y} \ (odds), \qquad y \ (height),

and boundaries are the whole parts of the points where phi is L (i + U) for whole i, with U
uniform on [0, 1]: wherever a jump is, the next boundary is at a uniform distance of at most L.

For kappa ln n steps and a known TC, the worst case tends to 1 - kappa (1 - e^(-1/kappa)), which
one curve alone costs any sizes (``continuum.logarithmic_curve``), and that of the best fixed
sizes to 1 - e^(-1/kappa): the gain is 1.72 at kappa = 1, tends to 2, and no law of sizes has more.

References:
    theory, section 7.2; after the abstract of Zhao and Cai (arXiv:2602.20126), whose own law of
    sizes may differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import expm1, isfinite

import numpy as np
from numpy.typing import ArrayLike

from theory import curves
from theory.divergences import boundaries
from theory.guarantees.greedy import check_length
from theory.guarantees.scalars import Scalar, jump_weight
from theory.tables import Floats


def coordinate(scalar: Scalar, n: int) -> Floats:
    """phi at the boundaries 0..n, shape (n + 1,), rising; infinite where its logarithm is.

    Raises:
        ValueError: There is no such scalar, or n is below 1.

    Example:
        >>> coordinate("dtc", 3).round(4)
        array([  -inf, 0.    , 0.6931, 1.0986])
    """
    check_length(n)
    jump_weight(scalar, 1, n)  # refuses an unknown scalar
    y = np.arange(n + 1.0)
    with np.errstate(divide="ignore"):
        from_start, from_end = np.log(y), -np.log(y[::-1])
    match scalar:
        case "tc":
            return np.asarray(from_end)
        case "dtc":
            return np.asarray(from_start)
        case "odds":
            return np.asarray(from_start + from_end)
        case "height":
            return y


@dataclass(frozen=True)
class RandomPhase:
    """Random step sizes for a scalar.

    Args:
        scalar: Whose coordinate.
        n: Number of positions.
        spacing: L > 0, the length of a step in the coordinate.

    Raises:
        ValueError: There is no such scalar, n is below 1, or L is not positive and finite.

    Example:
        >>> phase = RandomPhase("height", 4, 2.0)
        >>> [(round(p, 4), sizes) for p, sizes in phase.law()]
        [(0.5, (1, 2, 1)), (0.5, (2, 2))]
        >>> phase.overshoots()
        array([0.5, 0.5, 0.5])
    """

    scalar: Scalar
    n: int
    spacing: float

    def __post_init__(self) -> None:
        coordinate(self.scalar, self.n)
        if not (isfinite(self.spacing) and self.spacing > 0.0):
            raise ValueError(f"need a finite spacing > 0, got {self.spacing}")

    @classmethod
    def within_steps(cls, scalar: Scalar, n: int, steps: int) -> RandomPhase:
        """The longest spacing of which no draw has more than k steps.

        Between 1 and n - 1 there are then k - 2 points, besides a boundary at n - 1 and one
        at n; a coordinate that is finite at n has k - 1 points before it.

        Raises:
            ValueError: Not 3 <= k < n, or as the class.

        Example:
            >>> round(RandomPhase.within_steps("dtc", 64, 7).spacing, 6)  # log 64 / 6
            0.693147
        """
        if not 3 <= steps < n:
            raise ValueError(f"need 3 <= k < n, got k={steps}, n={n}")
        phi = coordinate(scalar, n)
        if isfinite(phi[n]):
            return cls(scalar, n, float(phi[n] - phi[1]) / (steps - 1))
        return cls(scalar, n, float(phi[n - 1] - phi[1]) / (steps - 2))

    def sizes(self, phase: float) -> tuple[int, ...]:
        """The sizes at U = phase, 0 <= phase < 1.

        Raises:
            ValueError: The phase is out of range.

        Example:
            >>> RandomPhase("dtc", 8, 0.7).sizes(0.5)
            (1, 1, 3, 3)
        """
        if not 0.0 <= phase < 1.0:
            raise ValueError(f"need 0 <= phase < 1, got {phase}")
        # A boundary is at c if a point of the grid is in [phi(c), phi(c + 1)).
        points = np.ceil(coordinate(self.scalar, self.n) / self.spacing - phase)
        inner = 1 + np.flatnonzero(points[1:-1] < points[2:])
        return tuple(int(size) for size in np.diff(inner, prepend=0, append=self.n))

    def draw(self, rng: np.random.Generator) -> tuple[int, ...]:
        """Sizes at a random phase.

        Example:
            >>> RandomPhase("odds", 8, 1.0).draw(np.random.default_rng(0))
            (1, 2, 2, 1, 1, 1)
        """
        return self.sizes(rng.uniform())

    def law(self) -> list[tuple[float, tuple[int, ...]]]:
        """Every outcome, with its probability; at most n of them.

        Sizes change where a boundary's coordinate meets the grid.
        """
        phi = coordinate(self.scalar, self.n)
        cuts = np.unique(np.append(phi[np.isfinite(phi)] / self.spacing % 1.0, [0.0, 1.0]))
        probabilities: dict[tuple[int, ...], float] = {}
        for low, high in pairwise(cuts):
            sizes = self.sizes(float(low + high) / 2.0)
            probabilities[sizes] = probabilities.get(sizes, 0.0) + float(high - low)
        return [(p, sizes) for sizes, p in sorted(probabilities.items())]

    def overshoots(self) -> Floats:
        r"""Mean overshoots, shape (n - 1,), for a jump at j = 1..n-1.

        .. math:: E r_j = \sum_{c=j+1}^n \Bigl( 1 - \frac{\phi(c) - \phi(j)}{L} \Bigr)_+ ,

        as the first boundary at or after j is c or a later one when no point of the grid is
        in [phi(j), phi(c)).
        """
        phi = coordinate(self.scalar, self.n)[1:]  # of 1..n
        inner = phi[:-1]
        count = np.searchsorted(phi, inner + self.spacing) - np.arange(1, self.n)
        # An infinite phi(n) is never counted.
        sums = np.cumsum(np.append(inner, phi[-1] if isfinite(phi[-1]) else 0.0))
        ends = np.arange(self.n - 1) + count
        distances = sums[ends] - sums[:-1] - count * inner
        return np.asarray(np.maximum(count - distances / self.spacing, 0.0))

    def worst_ratio(self) -> float:
        """The most that is lost on average per unit of the scalar, over all curves."""
        weights = [float(jump_weight(self.scalar, j, self.n)) for j in range(1, self.n)]
        return float(np.max(self.overshoots() / weights, initial=0.0))

    def ratio_bound(self) -> float:
        r"""A bound on ``worst_ratio`` that ignores rounding to whole positions.

        .. math:: 1 - \frac{1 - e^{-L}}{L} \ (TC), \qquad \frac{e^L - 1}{L} - 1 \ (DTC, odds),
                  \qquad \frac{L}{2} \ (height),

        each about half of what a fixed step of length L guarantees.
        """
        length = self.spacing
        if self.scalar == "tc":
            return 1.0 + expm1(-length) / length
        if self.scalar == "height":
            return length / 2.0
        return expm1(length) / length - 1.0


def overshoots(sizes: Sequence[int]) -> Floats:
    r"""Overshoots :math:`\lceil j \rceil - j` of fixed sizes for j = 1..n-1, shape (n - 1,).

    Raises:
        ValueError: A size is below 1.

    Example:
        >>> overshoots((3, 1, 2))
        array([2., 1., 0., 0., 1.])
    """
    ends = np.array(boundaries(sizes, sum(sizes)))
    j = np.arange(1, ends[-1])
    return np.asarray(ends[np.searchsorted(ends, j)] - j, dtype=np.float64)


def mean_kl(curve: ArrayLike, mean_overshoots: ArrayLike) -> float:
    """Expected KL error of random sizes, nats: their mean overshoots against the increments.

    Args:
        curve: C, shape (n,), nats.
        mean_overshoots: Shape (n - 1,), of ``RandomPhase.overshoots`` or any mixture of sizes.

    Raises:
        ValueError: The shapes do not fit.

    References:
        theory, sections 2.3 and 7.2.

    Example:
        >>> mean_kl([2.0, 1.5, 0.0], overshoots((2, 1)))
        0.5
    """
    d, r = curves.increments(curve), np.asarray(mean_overshoots, dtype=np.float64)
    if r.shape != d.shape:
        raise ValueError(f"need {len(d)} overshoots for a curve of n={len(d) + 1}, got {r.shape}")
    return float(d @ r)
