"""Laws that do not change when positions are permuted."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from theory.curves import without_rounding
from theory.distributions.law import SymmetricLaw
from theory.tables import Floats


@dataclass(frozen=True, eq=False)
class NoisyRepeatedBit(SymmetricLaw):
    """One fair bit, seen n times, each time flipped with probability eps.

    A mixture of two products, so DTC <= log 2; eps = 0 gives copies, eps = 1/2 independent bits.

    Args:
        n: Number of positions, >= 1.
        eps: Probability of a flip, 0..1.

    Raises:
        ValueError: n or eps is out of range.

    References:
        Wainwright (arXiv:2608.13520), Figure 1.

    Example:
        >>> NoisyRepeatedBit(3, 0.0).conditional_entropy_curve().round(4)
        array([0.6931, 0.    , 0.    ])
    """

    n: int
    eps: float

    def __post_init__(self) -> None:
        if self.n < 1 or not 0.0 <= self.eps <= 1.0:
            raise ValueError(
                f"repeated bit: need n >= 1 and eps in [0, 1], got n={self.n}, eps={self.eps}"
            )
        object.__setattr__(self, "q", 2)

    def _tabulate(self) -> Floats:
        ones = np.indices((2,) * self.n).sum(axis=0)
        keep, flip = 1.0 - self.eps, self.eps
        if_one = keep**ones * flip ** (self.n - ones)
        if_zero = flip**ones * keep ** (self.n - ones)
        return np.asarray(0.5 * (if_one + if_zero))

    def _closed_form(self) -> Floats:
        curve = np.empty(self.n)
        ones = np.ones(1)  # law of the number of ones among j positions when the bit is 1
        for j in range(self.n):
            # One more flip of the noise moves a count up or leaves it: no term is negative.
            next_one, next_zero = ones * (1.0 - self.eps), ones * self.eps
            joint = 0.5 * np.stack([next_one + next_zero[::-1], next_zero + next_one[::-1]])
            counts = joint.sum(axis=0)
            given_count = np.divide(joint, counts, out=np.ones_like(joint), where=joint > 0.0)
            curve[j] = 0.0 - float((joint * np.log(given_count)).sum())
            ones = np.append(next_zero, 0.0) + np.append(0.0, next_one)
        return without_rounding(curve)


@dataclass(frozen=True, eq=False)
class RandomPermutation(SymmetricLaw):
    """A uniformly random permutation of 0..n-1: each value once, C(j) = log(n - j).

    Args:
        n: Number of positions and of symbols, >= 1.

    Raises:
        ValueError: n is below 1.

    References:
        Wen, Liang, Lu (arXiv:2608.25505), Theorems 6-9; theory, section 4.5.

    Example:
        >>> RandomPermutation(3).conditional_entropy_curve().round(4)
        array([1.0986, 0.6931, 0.    ])
    """

    n: int

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"permutation: need n >= 1, got n={self.n}")
        object.__setattr__(self, "q", self.n)

    def _tabulate(self) -> Floats:
        table = np.zeros((self.n,) * self.n)
        table[tuple(np.array(list(permutations(range(self.n)))).T)] = 1.0
        return np.asarray(table / table.sum())

    def _closed_form(self) -> Floats:
        return np.asarray(np.log(np.arange(self.n, 0, -1.0)))
