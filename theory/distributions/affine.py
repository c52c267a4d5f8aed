"""Uniform laws on affine subspaces over GF(p): linear codes, and solutions of random checks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import comb, log

import numpy as np

from theory.distributions.law import Law, Tokens
from theory.distributions.ranks import (
    Integers,
    as_matrix,
    check_matrix_size,
    eliminate,
    null_space,
    rank_sums,
)
from theory.tables import Floats


@dataclass(frozen=True, eq=False)
class AffineSubspace(Law):
    r"""Uniform on the words u G + offset over GF(p): entropies are ranks.

    .. math:: H(X_S) = \operatorname{rank}(G_S) \log p.

    Entropies given any positions take polynomial time. The curve goes through the codes that
    subsets of positions leave of the others (``rank_sums``): any code of 17 positions, and longer
    ones where there are few, such as parities, repetitions and sparse checks. A ``ReedSolomon``
    code knows its curve at any length.

    Args:
        generator: G, shape (k, n), integers; its rows may depend on each other.
        p: Order of the field, a prime.
        offset: Shape (n,), integers; zeros where left out.

    Raises:
        ValueError: p is not prime, or a shape or type does not fit.

    References:
        Chen, Cong, Li, COLT 2026, examples: linear subspaces; theory, section 7.3.

    Example:
        >>> code = AffineSubspace([[1, 0, 1, 1], [0, 1, 1, 0]], 2)
        >>> code.conditional_entropies([0]).round(4)
        array([0.    , 0.6931, 0.6931, 0.    ])
        >>> code.conditional_entropy_curve().round(4)
        array([0.6931, 0.5776, 0.1155, 0.    ])
    """

    generator: Integers
    p: int
    offset: Integers | None = None

    def __post_init__(self) -> None:
        generator = as_matrix("generator", self.generator, self.p)
        n = generator.shape[1]
        offset = as_matrix(
            "offset", np.zeros((1, n), int) if self.offset is None else [self.offset], self.p
        )
        if offset.shape != (1, n):
            raise ValueError(f"offset: need shape ({n},), got ({offset.shape[1]},)")
        rows, pivots = eliminate(generator, self.p, range(n))
        object.__setattr__(self, "generator", rows[: len(pivots)])
        object.__setattr__(self, "offset", offset[0])
        object.__setattr__(self, "n", n)
        object.__setattr__(self, "q", self.p)

    @property
    def dimension(self) -> int:
        """Rank of the generator."""
        return len(self.generator)

    def _tabulate(self) -> Floats:
        words: int = self.p**self.dimension
        messages = np.indices((self.p,) * self.dimension).reshape(self.dimension, words)
        codewords = (self.generator.T @ messages + np.asarray(self.offset)[:, None]) % self.p
        table = np.zeros((self.p,) * self.n)
        table[tuple(codewords)] = 1.0 / words
        return table

    def entropy(self) -> float:
        """Dimension times log p, nats."""
        return self.dimension * log(self.p)

    def conditional_entropies(self, given: Iterable[int]) -> Floats:
        """log p for every position that S does not determine, shape (n,), nats; 0 for others."""
        rows, pivots = eliminate(self.generator, self.p, given)
        return np.where(rows[len(pivots) :].any(axis=0), log(self.p), 0.0)

    def conditional_entropy_curve(self) -> Floats:
        """C, shape (n,), nats; exact multiples of log p.

        Raises:
            ValueError: ``rank_sums`` refuses the code.
        """
        sums = rank_sums(self.generator, self.p)
        means = [Fraction(total, comb(self.n, k)) for k, total in enumerate(sums)]
        return log(self.p) * np.array([float(after - before) for before, after in pairwise(means)])

    def draw(self, count: int, rng: np.random.Generator) -> Tokens:
        """Independent samples of the law, shape (count, n): words of random messages."""
        words = np.tile(np.asarray(self.offset), (count, 1))
        for row in self.generator:  # one at a time, so that no sum overflows
            words = (words + rng.integers(self.p, size=(count, 1)) * row) % self.p
        return words

    def _weights(self, tokens: Tokens) -> Floats:
        weights = np.ones((*tokens.shape, self.p))
        shifted = (tokens - np.asarray(self.offset)) % self.p
        for row, word in enumerate(shifted):
            known = np.flatnonzero(tokens[row] < self.p)
            rows, pivots = eliminate(self.generator, self.p, known)
            decided = np.zeros(self.n, dtype=np.int64)
            for pivot, generated in zip(pivots, rows, strict=False):
                decided = (decided + word[pivot] * generated) % self.p
            if (decided != word)[known].any():
                weights[row] = 0.0
            sure = np.flatnonzero(~rows[len(pivots) :].any(axis=0))
            symbols = (decided + np.asarray(self.offset))[sure] % self.p
            weights[row, sure] *= np.arange(self.p) == symbols[:, None]
        return weights

    def _numbers_per_row(self) -> int:
        return 2 * self.n * self.p


def linear_code(n: int, p: int, dimension: int, *, seed: int = 0) -> AffineSubspace:
    """Words of a random generator matrix over GF(p), which may fall short of full rank.

    Args:
        n: Number of positions, >= 1.
        p: Order of the field, a prime.
        dimension: Rows of the generator, 0..n.
        seed: Of the entries.

    Raises:
        ValueError: p is not prime, or the dimension is out of range or too large.

    References:
        Wainwright (arXiv:2608.13520), Lemma 2 and Figure 6: the dense random XORSAT ensemble, with
        dimension alpha n of bits. ``ensembles.random_code_curve`` is its mean curve.

    Example:
        >>> linear_code(300, 2, 150).dimension
        150
    """
    if not 0 <= dimension <= n:
        raise ValueError(f"linear code: need 0 <= dimension <= n, got dimension={dimension}, n={n}")
    check_matrix_size("generator", dimension, n)
    generator = np.random.default_rng(seed).integers(p, size=(dimension, n))
    return AffineSubspace(generator, p)


def xorsat(n: int, clauses: int, *, width: int = 3, seed: int = 0) -> AffineSubspace:
    """Uniform on the solutions of random sparse parity checks of bits.

    Each clause fixes the parity of ``width`` positions that are drawn at random without
    replacement; the parities are those of a random word, so that there is a solution.

    Args:
        n: Number of positions, >= width.
        clauses: Number of checks, >= 0.
        width: Positions in a check, >= 1.
        seed: Of the checks and the word.

    Raises:
        ValueError: A number is out of range, or the checks are too many.

    Wainwright's XORSAT ensemble is not sparse but a ``linear_code``.

    Example:
        >>> xorsat(12, clauses=6).dimension
        6
    """
    if not (1 <= width <= n and clauses >= 0):
        raise ValueError(
            f"xorsat: need 1 <= width <= n and clauses >= 0, got width={width}, n={n}, "
            f"clauses={clauses}"
        )
    check_matrix_size("checks", max(clauses, n), n)
    rng = np.random.default_rng(seed)
    checks = np.zeros((clauses, n), dtype=np.int64)
    for check in checks:
        check[rng.choice(n, size=width, replace=False)] = 1
    return AffineSubspace(null_space(checks, 2), 2, rng.integers(2, size=n))
