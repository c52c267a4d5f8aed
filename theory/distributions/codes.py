"""Uniform laws on MDS codes: nothing is known until d positions are, and then everything."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from theory.distributions.affine import AffineSubspace
from theory.distributions.law import SymmetricLaw, Tokens
from theory.distributions.ranks import LARGEST_FIELD, is_prime
from theory.tables import Floats


@dataclass(frozen=True, eq=False)
class Parity(SymmetricLaw):
    """Uniform on the strings that sum to 0 modulo q: no proper subset of positions tells anything.

    TC = log q, DTC = (n - 1) log q.

    Args:
        n: Number of positions, >= 1.
        q: Number of symbols, >= 2.

    Raises:
        ValueError: n or q is too small.

    Example:
        >>> Parity(3).conditional_entropy_curve().round(4)
        array([0.6931, 0.6931, 0.    ])
    """

    n: int
    q: int = 2

    def __post_init__(self) -> None:
        if self.n < 1 or self.q < 2:
            raise ValueError(f"parity: need n >= 1 and q >= 2, got n={self.n}, q={self.q}")

    def _tabulate(self) -> Floats:
        sums = sum(np.indices((self.q,) * self.n, sparse=True)) % self.q
        return np.where(sums == 0, float(self.q) ** (1 - self.n), 0.0)

    def _closed_form(self) -> Floats:
        return np.where(np.arange(self.n) < self.n - 1, np.log(self.q), 0.0)

    def _weights(self, tokens: Tokens) -> Floats:
        unknown = tokens == self.q
        missing = -np.where(unknown, 0, tokens).sum(axis=1) % self.q
        last = np.arange(self.q) == missing[:, None]  # (B, q)
        nothing, one = (unknown.sum(axis=1) == count for count in (0, 1))
        allowed = np.where(one[:, None], last, ~nothing[:, None] | (missing == 0)[:, None])
        return np.repeat(allowed[:, None].astype(np.float64), self.n, axis=1)

    def _numbers_per_row(self) -> int:
        return 2 * self.n * self.q


@dataclass(frozen=True, eq=False)
class ReedSolomon(SymmetricLaw):
    """Uniform on the values at 0..n-1 of the polynomials of degree < d over GF(q), q prime.

    Any d positions are independent and determine the others (the code is MDS), so the curve
    jumps once: TC = (n - d) log q, DTC = d log q for d < n.

    Args:
        n: Number of positions, <= q.
        q: Order of the field, a prime.
        dimension: d, 1..n.

    Raises:
        ValueError: q is not prime, or n or d is out of range.

    References:
        Chen, Cong, Li, COLT 2026, Theorem 5; theory, section 7.3.

    Example:
        >>> ReedSolomon(4, 5, dimension=2).conditional_entropy_curve().round(4)
        array([1.6094, 1.6094, 0.    , 0.    ])
    """

    n: int
    q: int
    dimension: int = field(kw_only=True)

    def __post_init__(self) -> None:
        if self.q > LARGEST_FIELD or not is_prime(self.q):
            raise ValueError(f"Reed-Solomon: need a prime q <= {LARGEST_FIELD}, got q={self.q}")
        if not 1 <= self.dimension <= self.n <= self.q:
            raise ValueError(
                f"Reed-Solomon: need 1 <= dimension <= n <= q, got dimension={self.dimension}, "
                f"n={self.n}, q={self.q}"
            )

    def _tabulate(self) -> Floats:
        powers = np.vander(np.arange(self.n), self.dimension, increasing=True)  # (n, d)
        polynomials = np.indices((self.q,) * self.dimension).reshape(self.dimension, -1)
        words = powers @ polynomials % self.q  # (n, q^d)
        table = np.zeros((self.q,) * self.n)
        table[tuple(words)] = float(self.q) ** -self.dimension
        return table

    def _closed_form(self) -> Floats:
        return np.where(np.arange(self.n) < self.dimension, np.log(self.q), 0.0)

    @cached_property
    def _code(self) -> AffineSubspace:
        generator = np.ones((self.dimension, self.n), dtype=np.int64)
        for power in range(1, self.dimension):
            generator[power] = generator[power - 1] * np.arange(self.n) % self.q
        return AffineSubspace(generator, self.q)

    def draw(self, count: int, rng: np.random.Generator) -> Tokens:
        """Independent samples of the law, shape (count, n)."""
        return self._code.draw(count, rng)

    def _weights(self, tokens: Tokens) -> Floats:
        return self._code._weights(tokens)

    def _numbers_per_row(self) -> int:
        return self._code._numbers_per_row()
