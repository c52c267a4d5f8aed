"""Laws whose symbols may be erased: all at once, or each on its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theory.curves import without_rounding
from theory.distributions.counting import counter_laws
from theory.distributions.law import Law, SymmetricLaw, Tokens, sums_to_one
from theory.tables import Floats, entropy


def _coin_entropy(rate: float) -> float:
    """h2, nats."""
    return entropy(np.array([rate, 1.0 - rate]))


def _symbols_and_erasures(tokens: Tokens, q: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether a row holds known symbols, and known erasures; shape (B, 1, 1) each."""
    there, gone = ((tokens < q).any(axis=1), (tokens == q).any(axis=1))
    return np.reshape(there, (-1, 1, 1)), np.reshape(gone, (-1, 1, 1))


def _with_erasures(symbols: Floats, erasure: Floats) -> Floats:
    """Weights of the symbols, shape (B, n, q), and after them that of an erasure."""
    last = np.broadcast_to(erasure, (*symbols.shape[:2], 1))
    return np.concatenate([symbols, last], axis=2)


@dataclass(frozen=True, eq=False)
class GloballySwitched(Law):
    r"""A law that is there with probability p; else every symbol is erased.

    One known position tells which it is, so

    .. math:: C(j) = p\, C_{law}(j) + h_2(p) 1[j = 0].

    For a uniform [n, k] MDS codeword over GF(q) this is
    Z_j = h_2(p) 1[j > 1] + p log q 1[j > k], j = 1..n: with p = w / log q and a large field,
    a single jump of any height w.

    Args:
        law: Of n positions with q symbols; the erased symbol is q.
        p: Probability that the law is there, 0..1.

    Raises:
        ValueError: p is no probability.

    References:
        theory, section 1.6; Chen, Cong, Li, COLT 2026, Lemma 29.

    Example:
        >>> from theory.distributions import ReedSolomon
        >>> law = GloballySwitched(ReedSolomon(4, 5, dimension=2), 0.5)
        >>> law.conditional_entropy_curve().round(4)
        array([1.4979, 0.8047, 0.    , 0.    ])
    """

    law: Law
    p: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.p <= 1.0:
            raise ValueError(f"switch: need p in [0, 1], got p={self.p}")
        object.__setattr__(self, "n", self.law.n)
        object.__setattr__(self, "q", self.law.q + 1)

    def _tabulate(self) -> Floats:
        table = np.pad(self.p * self.law.table(), (0, 1))
        table[(self.law.q,) * self.n] = 1.0 - self.p
        return table

    def entropy(self) -> float:
        """h2(p) + p H_law, nats."""
        return _coin_entropy(self.p) + self.p * self.law.entropy()

    def conditional_entropies(self, given: Iterable[int]) -> Floats:
        """p H_law(X_i | X_S), and h2(p) more where nothing is known; shape (n,), nats."""
        known = set(given)
        found = self.p * self.law.conditional_entropies(known)
        return found if known else found + _coin_entropy(self.p)

    def conditional_entropy_curve(self) -> Floats:
        """C, shape (n,), nats, from the curve of the law."""
        curve = self.p * self.law.conditional_entropy_curve()
        curve[0] += _coin_entropy(self.p)
        return curve

    def draw(self, count: int, rng: np.random.Generator) -> Tokens:
        """Independent samples of the law, shape (count, n)."""
        there = rng.random((count, 1)) < self.p
        return np.where(there, self.law.draw(count, rng), self.law.q)

    def _weights(self, tokens: Tokens) -> Floats:
        there, gone = _symbols_and_erasures(tokens, self.law.q)
        chances = sums_to_one(self.law._weights(np.minimum(tokens, self.law.q)))
        return _with_erasures(
            np.where(gone, 0.0, self.p * chances), np.where(there, 0.0, 1.0 - self.p)
        )

    def _numbers_per_row(self) -> int:
        return self.law._numbers_per_row() + 4 * self.n * self.q


@dataclass(frozen=True, eq=False)
class Erased(Law):
    r"""A law seen through a channel that erases each symbol on its own.

    The places of the erasures are independent of everything, and of j known positions a binomial
    number m is not erased. These are a uniform subset, so

    .. math:: C(j) = h_2(\epsilon) + (1 - \epsilon) \sum_m \binom{j}{m}
              (1 - \epsilon)^m \epsilon^{j - m} C_{law}(m).

    Args:
        law: Of n positions with q symbols; the erased symbol is q.
        eps: Probability of an erasure, 0..1.

    Raises:
        ValueError: eps is no probability.

    Example:
        >>> from theory.distributions import Parity
        >>> Erased(Parity(3), 0.5).conditional_entropy_curve().round(4)
        array([1.0397, 1.0397, 0.9531])
    """

    law: Law
    eps: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.eps <= 1.0:
            raise ValueError(f"erasure: need eps in [0, 1], got eps={self.eps}")
        object.__setattr__(self, "n", self.law.n)
        object.__setattr__(self, "q", self.law.q + 1)

    def _tabulate(self) -> Floats:
        channel = np.eye(self.law.q, self.q) * (1.0 - self.eps)
        channel[:, -1] = self.eps
        table = self.law.table()
        for _ in range(self.n):  # each pass takes the first axis and puts it last
            table = np.tensordot(table, channel, axes=(0, 0))
        return table

    def entropy(self) -> float:
        """Sum of the curve, nats."""
        return float(self.conditional_entropy_curve().sum())

    def conditional_entropies(self, given: Iterable[int]) -> Floats:
        """H(X_i | X_S), shape (n,), nats; from the curve for a symmetric law, else the table."""
        known = set(given)
        if not isinstance(self.law, SymmetricLaw):
            return super().conditional_entropies(known)
        found = np.full(self.n, np.append(self.conditional_entropy_curve(), 0.0)[len(known)])
        found[list(known)] = 0.0
        return found

    def conditional_entropy_curve(self) -> Floats:
        """C, shape (n,), nats, from the curve of the law in O(n^2)."""
        curve, kept = self.law.conditional_entropy_curve(), 1.0 - self.eps
        seen = [law @ curve[: len(law)] for law in counter_laws(self.n, lambda _, __: kept)]
        return without_rounding(_coin_entropy(self.eps) + kept * np.array(seen))

    def draw(self, count: int, rng: np.random.Generator) -> Tokens:
        """Independent samples of the law, shape (count, n)."""
        erased = rng.random((count, self.n)) < self.eps
        return np.where(erased, self.law.q, self.law.draw(count, rng))

    def _weights(self, tokens: Tokens) -> Floats:
        there, gone = _symbols_and_erasures(tokens, self.law.q)
        chances = sums_to_one(self.law._weights(np.minimum(tokens, self.law.q)))
        possible = chances.any(axis=2, keepdims=True)
        possible &= ~(gone & (self.eps == 0.0)) & ~(there & (self.eps == 1.0))
        return possible * _with_erasures((1.0 - self.eps) * chances, np.asarray([self.eps]))

    def _numbers_per_row(self) -> int:
        return self.law._numbers_per_row() + 4 * self.n * self.q
