"""Laws that do not change when positions are permuted."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from math import comb

import numpy as np
from numpy.typing import NDArray

from theory.curves import without_rounding
from theory.distributions.counting import counter_laws
from theory.distributions.law import SymmetricLaw, Tokens
from theory.distributions.products import as_probabilities
from theory.tables import Floats


def _counts(tokens: Tokens, q: int) -> NDArray[np.int64]:
    """How often each symbol is known, shape (B, q)."""
    return np.asarray((tokens[..., None] == np.arange(q)).sum(axis=1))


@dataclass(frozen=True, eq=False)
class CountedBits(SymmetricLaw):
    """Bits of which only the number of ones matters; a subclass says how it is distributed."""

    @abstractmethod
    def _count_law(self) -> Floats:
        """Law of the number of ones, shape (n + 1,)."""

    def _tabulate(self) -> Floats:
        ones = np.asarray(sum(np.indices((2,) * self.n, sparse=True)))
        return np.asarray((self._count_law() / [comb(self.n, k) for k in range(self.n + 1)])[ones])

    def _next_bits(self) -> Iterator[tuple[int, Floats]]:
        """For j = n-1..0, the law of a bit and of the ones among j others, shape (2, j + 1)."""
        counts = self._count_law()
        for j in reversed(range(self.n)):
            # One of j + 1 exchangeable bits is left out: no term is negative.
            ones = np.arange(j + 1.0)
            joint = np.stack([counts[:-1] * (j + 1.0 - ones), counts[1:] * (ones + 1.0)]) / (j + 1)
            counts = joint.sum(axis=0)
            yield j, joint

    def _closed_form(self) -> Floats:
        curve = np.empty(self.n)
        for j, joint in self._next_bits():
            counts = joint.sum(axis=0)
            given_count = np.divide(joint, counts, out=np.ones_like(joint), where=joint > 0.0)
            curve[j] = 0.0 - float((joint * np.log(given_count)).sum())
        return without_rounding(curve)

    def draw(self, count: int, rng: np.random.Generator) -> Tokens:
        """Independent samples of the law, shape (count, n): ones at random places."""
        ones = rng.choice(self.n + 1, size=count, p=self._count_law())
        return rng.permuted((np.arange(self.n) < ones[:, None]).astype(np.int64), axis=1)

    def _weights(self, tokens: Tokens) -> Floats:
        known, ones = (tokens < 2).sum(axis=1), (tokens == 1).sum(axis=1)
        chances = np.repeat(self._count_law()[ones, None], 2, axis=1)  # where all is known
        for j, joint in self._next_bits():
            chances[known == j] = joint[:, ones[known == j]].T
        return np.repeat(chances[:, None], self.n, axis=1)

    def _numbers_per_row(self) -> int:
        return 8 * self.n


@dataclass(frozen=True, eq=False)
class ExchangeableBits(CountedBits):
    """Exchangeable bits: given the number of ones, all strings are alike.

    Every exchangeable law of n bits is one of these.

    Args:
        count_law: Probability of each number of ones, shape (n + 1,).

    Raises:
        ValueError: It is no probability vector, or there is no position.

    References:
        de Finetti's finite form; the closed form takes O(n^2).

    Example:
        >>> ExchangeableBits([0.5, 0.0, 0.0, 0.5]).conditional_entropy_curve().round(4)
        array([0.6931, 0.    , 0.    ])
    """

    count_law: Floats

    def __post_init__(self) -> None:
        counts = as_probabilities("count_law", self.count_law, 1)
        if len(counts) < 2:
            raise ValueError(f"count_law: need shape (n + 1,) with n >= 1, got {counts.shape}")
        object.__setattr__(self, "count_law", counts)
        object.__setattr__(self, "n", len(counts) - 1)
        object.__setattr__(self, "q", 2)

    def _count_law(self) -> Floats:
        return self.count_law


@dataclass(frozen=True, eq=False)
class NoisyRepeatedBit(CountedBits):
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

    def _count_law(self) -> Floats:
        *_, flips = counter_laws(self.n + 1, lambda _, __: self.eps)
        return np.asarray(0.5 * (flips + flips[::-1]))


@dataclass(frozen=True, eq=False)
class BalancedStrings(CountedBits):
    """Uniform on the strings of n bits of which half are ones.

    Args:
        n: Number of positions, even.

    Raises:
        ValueError: n is odd or below 2.

    References:
        Wen, Liang, Lu (arXiv:2608.25505), Theorem 11: adaptive depth of order log^2 n.

    Example:
        >>> BalancedStrings(4).conditional_entropy_curve().round(4)
        array([0.6931, 0.6365, 0.4621, 0.    ])
    """

    n: int

    def __post_init__(self) -> None:
        if self.n < 2 or self.n % 2:
            raise ValueError(f"balanced strings: need an even n >= 2, got n={self.n}")
        object.__setattr__(self, "q", 2)

    def _count_law(self) -> Floats:
        return np.asarray(np.eye(1, self.n + 1, self.n // 2)[0])


@dataclass(frozen=True, eq=False)
class PolyaUrn(SymmetricLaw):
    r"""Symbols drawn from an urn, where each draw adds a unit of mass of the symbol drawn.

    .. math:: P(X_{j+1} = c \mid x_1 \dots x_j) = \frac{m_c + \#\{i \le j : x_i = c\}}{m + j},
              \qquad m = \sum_c m_c.

    A mixture of products with a Dirichlet prior: much mass gives independent positions, little
    mass gives copies.

    Args:
        n: Number of positions, >= 1.
        masses: m_c of each symbol at the start, shape (q,), > 0.

    Raises:
        ValueError: n is below 1, or a mass is not positive and finite.

    Example:
        >>> PolyaUrn(3, [1.0, 1.0]).conditional_entropy_curve().round(4)
        array([0.6931, 0.6365, 0.6059])
    """

    n: int
    masses: Floats

    def __post_init__(self) -> None:
        masses = np.array(self.masses, dtype=np.float64)
        if masses.ndim != 1 or masses.size == 0 or not np.all((masses > 0.0) & (masses < np.inf)):
            raise ValueError(f"urn: need one positive, finite mass a symbol, got {masses.tolist()}")
        if self.n < 1:
            raise ValueError(f"urn: need n >= 1, got n={self.n}")
        object.__setattr__(self, "masses", masses)
        object.__setattr__(self, "q", len(masses))

    def _tabulate(self) -> Floats:
        symbols = np.indices((self.q,) * self.n, sparse=True)
        draws = np.arange(self.n)
        table = np.ones((self.q,) * self.n)
        for symbol, mass in enumerate(self.masses):
            count = np.asarray(sum((axis == symbol).astype(np.intp) for axis in symbols))
            table *= np.append(1.0, np.cumprod(mass + draws))[count]
        table /= np.prod(self.masses.sum() + draws)
        return table

    def _closed_form(self) -> Floats:
        curve, total = np.zeros(self.n), float(self.masses.sum())
        for mass, symbols in zip(*np.unique(self.masses, return_counts=True), strict=True):

            def chance(j: int, count: Floats, mass: float = mass) -> Floats:
                return np.asarray(np.minimum((mass + count) / (total + j), 1.0))

            for j, counts in enumerate(counter_laws(self.n, chance)):
                p = chance(j, np.arange(j + 1.0))
                curve[j] -= symbols * float(counts @ (p * np.log(p)))
        return without_rounding(curve)

    def _weights(self, tokens: Tokens) -> Floats:
        masses = self.masses + _counts(tokens, self.q)
        return np.repeat(masses[:, None], self.n, axis=1)

    def _numbers_per_row(self) -> int:
        return 3 * self.n * self.q


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

    def draw(self, count: int, rng: np.random.Generator) -> Tokens:
        """Independent samples of the law, shape (count, n)."""
        return rng.permuted(np.tile(np.arange(self.n), (count, 1)), axis=1)

    def _weights(self, tokens: Tokens) -> Floats:
        counts = _counts(tokens, self.q)
        possible = np.reshape((counts <= 1).all(axis=1), (-1, 1, 1))
        unused = np.where((tokens < self.q)[..., None], 1.0, counts[:, None] == 0)
        return np.asarray(possible * unused)

    def _numbers_per_row(self) -> int:
        return 3 * self.n * self.q
