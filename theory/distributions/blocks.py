"""Independent blocks, each with the same law."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np

from theory.curves import without_rounding
from theory.distributions.counting import counter_laws
from theory.distributions.exchangeable import ExchangeableBits
from theory.distributions.law import Law, Tokens
from theory.tables import Floats


@dataclass(frozen=True, eq=False)
class IndependentCopies(Law):
    r"""Copies of a law one after the other, independent of each other.

    Of j random positions known, a number that is hypergeometric is in the block of a fresh one,
    and these are a uniform subset of the others there. With b positions in each of the blocks

    .. math:: C(j) = \sum_m \frac{\binom{b-1}{m} \binom{n-b}{j-m}}{\binom{n-1}{j}} C_{block}(m).

    Args:
        block: Law of one block.
        copies: How many, >= 1.

    Raises:
        ValueError: There is no copy.

    Example:
        >>> from theory.distributions import Parity
        >>> IndependentCopies(Parity(2), 2).conditional_entropy_curve().round(4)
        array([0.6931, 0.4621, 0.231 , 0.    ])
    """

    block: Law
    copies: int

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise ValueError(f"blocks: need at least one copy, got copies={self.copies}")
        object.__setattr__(self, "n", self.block.n * self.copies)
        object.__setattr__(self, "q", self.block.q)

    def _tabulate(self) -> Floats:
        return np.asarray(reduce(np.multiply.outer, [self.block.table()] * self.copies))

    def entropy(self) -> float:
        """As many times the entropy of a block, nats."""
        return self.copies * self.block.entropy()

    def conditional_entropies(self, given: Iterable[int]) -> Floats:
        """H(X_i | X_S) for every position i, shape (n,), nats; other blocks tell nothing."""
        known = np.zeros(self.n, dtype=bool)
        known[list(given)] = True
        rows = known.reshape(self.copies, -1)
        return np.concatenate([self.block.conditional_entropies(np.flatnonzero(r)) for r in rows])

    def conditional_entropy_curve(self) -> Floats:
        """C, shape (n,), nats, from the curve of the block in O(n b)."""
        others, curve = self.block.n - 1, self.block.conditional_entropy_curve()

        def in_block(j: int, count: Floats) -> Floats:
            return np.clip((others - count) / (self.n - 1 - j), 0.0, 1.0)

        laws = counter_laws(self.n, in_block, most=others)
        return without_rounding(np.array([law @ curve[: len(law)] for law in laws]))

    def draw(self, count: int, rng: np.random.Generator) -> Tokens:
        """Independent samples of the law, shape (count, n)."""
        return self.block.draw(count * self.copies, rng).reshape(count, self.n)

    def _weights(self, tokens: Tokens) -> Floats:
        by_block = self.block._weights(tokens.reshape(-1, self.block.n))
        weights = by_block.reshape(len(tokens), self.copies, -1)
        possible = np.all(weights.any(axis=2), axis=1)
        weights *= possible[:, None, None]
        return weights.reshape(len(tokens), self.n, self.q)

    def _numbers_per_row(self) -> int:
        return self.copies * self.block._numbers_per_row()


def one_hot_blocks(size: int, copies: int) -> IndependentCopies:
    """Blocks of bits, each with a single one at a uniform place.

    Args:
        size: Positions in a block, >= 1.
        copies: Number of blocks, >= 1.

    Raises:
        ValueError: A number is below 1.

    References:
        Wen, Liang, Lu (arXiv:2608.25505), Theorem 12: adaptive depth of order sqrt(n) for
        blocks of size sqrt(n).

    Example:
        >>> one_hot_blocks(3, 2).conditional_entropy_curve().round(4)
        array([0.6365, 0.5667, 0.4682, 0.3409, 0.1848, 0.    ])
    """
    if size < 1:
        raise ValueError(f"one-hot blocks: need size >= 1, got size={size}")
    return IndependentCopies(ExchangeableBits(np.eye(1, size + 1, 1)[0]), copies)
