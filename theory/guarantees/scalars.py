r"""Scalars of a curve, and the most that step sizes can lose per unit of one.

Each scalar is a sum of the increments D_j >= 0 with positive weights u_j, and so is the loss:

.. math:: KL = \sum_{j=1}^{n-1} (\lceil j \rceil - j) D_j,

where :math:`\lceil j \rceil` is the first boundary at or after j. The most that can be lost per
unit is therefore lost on a curve with a single jump.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from math import inf
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike

from theory import curves
from theory.divergences import boundaries
from theory.tables import Floats

Scalar = Literal["tc", "dtc", "odds", "height"]
SCALARS: Final[tuple[Scalar, ...]] = get_args(Scalar)

Number: TypeAlias = float | Fraction


def as_fraction(name: str, value: Number) -> Fraction:
    """A number >= 0 without rounding; a float stands for the decimal that it prints as.

    Raises:
        ValueError: The value is negative or not finite.

    Example:
        >>> as_fraction("theta", 0.3)
        Fraction(3, 10)
    """
    if not 0 <= value < inf:
        raise ValueError(f"need a finite {name} >= 0, got {value}")
    return value if isinstance(value, Fraction) else Fraction(str(float(value)))


def jump_weight(scalar: Scalar, j: int, n: int) -> Fraction:
    """u_j, what an increment D_j adds to a scalar, j = 1..n-1.

    ``tc``: n - j. ``dtc``: j. ``odds``: j (n - j) / n, of Wainwright's growth complexity H^card.
    ``height``: 1, of C(0) - C(n-1) = (TC + DTC) / n, the mean information of a position and
    all others.

    Raises:
        ValueError: There is no such scalar.

    References:
        theory, section 1.4.

    Example:
        >>> [str(jump_weight(scalar, 1, 4)) for scalar in SCALARS]
        ['3', '1', '3/4', '1']
    """
    match scalar:
        case "tc":
            return Fraction(n - j)
        case "dtc":
            return Fraction(j)
        case "odds":
            return Fraction(j * (n - j), n)
        case "height":
            return Fraction(1)
    raise ValueError(f"need a scalar of {', '.join(SCALARS)}, got {scalar!r}")


def scalar_value(scalar: Scalar, curve: ArrayLike) -> float:
    """The scalar of a curve, nats.

    Raises:
        ValueError: There is no such scalar.

    Example:
        >>> [scalar_value(scalar, [2.0, 1.5, 0.0]) for scalar in SCALARS]
        [2.5, 3.5, 1.3333333333333333, 2.0]
    """
    d = curves.increments(curve)
    n = len(d) + 1
    return float(d @ np.array([float(jump_weight(scalar, j, n)) for j in range(1, n)]))


def growth_bound(tc: float, dtc: float) -> float:
    """TC DTC / (TC + DTC), nats, at least the growth complexity H^card of any such law.

    References:
        theory, section 1.5; Wainwright (arXiv:2608.13520) has min(TC, DTC).

    Example:
        >>> growth_bound(2.5, 3.5) >= scalar_value("odds", [2.0, 1.5, 0.0])
        True
    """
    return tc * dtc / (tc + dtc) if tc + dtc > 0.0 else 0.0


def worst_jump(scalar: Scalar, sizes: Sequence[int]) -> tuple[Fraction, int]:
    r"""The most that sizes lose per unit of a scalar, and the jump that makes them lose it.

    .. math:: \sup_{curves} \frac{KL}{\sum_j u_j D_j} = \max_j \frac{\lceil j \rceil - j}{u_j},

    which is (s - 1) / u_{a+1} for the worst step of size s after a positions: the first jump
    inside a step is the worst of that step, for each of the weights.

    Args:
        scalar: Which one.
        sizes: s_1..s_k >= 1; their sum is n.

    Returns:
        The ratio, and j, where all of the worst curve's increments are; (0, 0) for one position
        a step.

    Raises:
        ValueError: There is no such scalar, or a size is below 1.

    References:
        theory, section 6.6.

    Example:
        >>> worst_jump("tc", (2, 4, 1))
        (Fraction(3, 4), 3)
    """
    n = sum(sizes)
    worst = (Fraction(0), 0)
    for a, b in pairwise(boundaries(sizes, n)):
        if b - a > 1:
            worst = max(worst, ((b - a - 1) / jump_weight(scalar, a + 1, n), a + 1))
    return worst


def worst_ratio(scalar: Scalar, sizes: Sequence[int]) -> Fraction:
    """The sharp constant of ``KL <= constant * scalar`` for these sizes, as ``worst_jump``.

    Example:
        >>> worst_ratio("height", (4, 2, 1)), worst_ratio("dtc", (1, 1, 1))
        (Fraction(3, 1), Fraction(0, 1))
    """
    return worst_jump(scalar, sizes)[0]


def curve_of_jumps(n: int, jumps: Mapping[int, float]) -> Floats:
    """The curve C with C(n-1) = 0 and the increments D_j that are given, 0 elsewhere.

    Args:
        n: Number of positions.
        jumps: D_j >= 0 in nats, for some of j = 1..n-1.

    Returns:
        Shape (n,), nats.

    Raises:
        ValueError: A jump is out of range or negative.

    Example:
        >>> curve_of_jumps(4, {2: 1.5})
        array([1.5, 1.5, 0. , 0. ])
    """
    d = np.zeros(n)
    for j, height in jumps.items():
        if not (1 <= j < n and height >= 0.0):
            raise ValueError(f"need jumps >= 0 at 1..{n - 1}, got {height} at {j}")
        d[j] = height
    return np.append(np.cumsum(d[:0:-1])[::-1], 0.0)
