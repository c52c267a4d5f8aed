"""What a law must answer, and laws that are only a table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory import curves, tables
from theory.tables import Floats

Tokens = NDArray[np.int64]

HELD_NUMBERS = 2**22  # 32 MiB of float64: what a block of rows may take at a time
HELD_OUTCOMES = 2**16  # of a table, compared with a block of rows at a time


def draw_symbols(probabilities: Floats, rng: np.random.Generator) -> Tokens:
    """One symbol of each law along the last axis; never one of probability 0.

    Example:
        >>> draw_symbols(np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), np.random.default_rng(0))
        array([1, 2])
    """
    below = np.cumsum(probabilities, axis=-1)
    below /= below[..., -1:]  # the last possible symbol ends at 1, which no draw reaches
    return np.asarray((rng.random((*below.shape[:-1], 1)) >= below).sum(axis=-1))


def as_tokens(tokens: ArrayLike, n: int, q: int) -> Tokens:
    """Check a batch of n tokens each, 0..q-1 where known and q where not.

    Raises:
        ValueError: Another shape, a token out of range, or not integers.
    """
    array = np.asarray(tokens)
    if array.ndim != 2 or array.shape[1] != n or array.dtype.kind not in "iu":
        raise ValueError(
            f"need integer tokens of shape (B, {n}), got {array.dtype} of shape {array.shape}"
        )
    if array.size and not 0 <= array.min() <= array.max() <= q:
        bad = array.min() if array.min() < 0 else array.max()
        raise ValueError(f"need tokens 0..{q - 1}, or {q} where a position is unknown, got {bad}")
    return array.astype(np.int64)


def sums_to_one(weights: Floats) -> Floats:
    """The weights along the last axis divided by their sums; those that are all 0 stay so."""
    totals = weights.sum(axis=-1, keepdims=True)
    quotients = np.divide(weights, totals, out=np.zeros_like(weights), where=totals > 0.0)
    return np.asarray(quotients)


@dataclass(frozen=True, eq=False)
class Law(ABC):
    """A law of n positions with q symbols each.

    A subclass gives the table, and overrides what it knows in closed form; everything it does
    not override goes through the table, and so ends where the table no longer fits.

    Attributes:
        n: Number of positions.
        q: Number of symbols, 0..q-1.
    """

    n: int = field(init=False)
    q: int = field(init=False)

    @abstractmethod
    def _tabulate(self) -> Floats:
        """The joint table; called once, and only when its size is within the limit."""

    @cached_property
    def _table(self) -> Floats:
        table = self._tabulate()
        table.flags.writeable = False
        return table

    def table(self) -> Floats:
        """Joint table, shape (q,) * n, read-only.

        Raises:
            ValueError: It would be over the size limit.
        """
        tables.check_size(self.n, self.q)
        return self._table

    def entropy(self) -> float:
        """H(X), nats."""
        return tables.entropy(self.table())

    def conditional_entropies(self, given: Iterable[int]) -> Floats:
        """H(X_i | X_S) for every position i, shape (n,), nats; 0 for i in S.

        What one forward pass of a model would tell, on average over the values of S.
        """
        return tables.conditional_entropies(self.table(), given)

    def conditional_entropy_curve(self) -> Floats:
        """C, shape (n,), nats: mean conditional entropy of a fresh position given j random ones."""
        return curves.conditional_entropy_curve(self.table())

    def conditional_marginals(self, tokens: ArrayLike) -> Floats:
        """Law of each position given the values of some, the conditional marginal oracle.

        Evidence of probability 0 gets the uniform law: a sampler may reach it after an error, and
        the answer must not depend on how a quotient 0/0 is rounded.

        Args:
            tokens: Integers of shape (B, n): symbols 0..q-1, and q where a position is unknown.

        Returns:
            Shape (B, n, q). The law of a known position is the point mass on its value.

        Raises:
            ValueError: ``as_tokens`` refuses the tokens, or the answer takes the table and that
                would be over the size limit.

        References:
            Chen, Cong, Li, COLT 2026: oracle answers off the support are uniform.
        """
        batch = as_tokens(tokens, self.n, self.q)
        found = np.empty((*batch.shape, self.q))
        rows = max(1, HELD_NUMBERS // self._numbers_per_row()) if len(batch) else 1
        for start in range(0, len(batch), rows):
            chances = sums_to_one(self._weights(batch[start : start + rows]))
            possible = chances.any(axis=-1, keepdims=True)
            found[start : start + rows] = np.where(possible, chances, 1.0 / self.q)
        row, position = np.nonzero(batch < self.q)
        found[row, position] = 0.0
        found[row, position, batch[row, position]] = 1.0
        return found

    def draw(self, count: int, rng: np.random.Generator) -> Tokens:
        """Independent samples of the law, shape (count, n), symbols 0..q-1.

        From the table where it fits, else position by position.
        """
        if self.q**self.n <= tables.ENTRY_LIMIT:
            return tables.draw(self.table(), count, rng)
        found = np.full((count, self.n), self.q)
        for i in range(self.n):
            found[:, i] = draw_symbols(self.conditional_marginals(found)[:, i], rng)
        return found

    def _weights(self, tokens: Tokens) -> Floats:
        """What ``conditional_marginals`` says at unknown positions, but for a factor each.

        Shape (B, n, q), >= 0; all 0 in a row whose evidence has probability 0, and in another
        row nowhere all 0. Which symbols have them at known positions does not matter.
        """
        flat = self._table.ravel()
        sums = np.zeros((*tokens.shape, self.q))
        for start in range(0, len(self._support), HELD_OUTCOMES):
            picked = self._support[start : start + HELD_OUTCOMES]
            outcomes = np.unravel_index(picked, self._table.shape)
            consistent = np.ones((len(tokens), len(picked)), dtype=bool)
            for i, symbols in enumerate(outcomes):
                known = tokens[:, i, None]
                consistent &= (known == symbols) | (known == self.q)
            weights = consistent * flat[picked]
            for i, symbols in enumerate(outcomes):
                sums[:, i] += weights @ (symbols[:, None] == np.arange(self.q)).astype(np.float64)
        return sums

    @cached_property
    def _support(self) -> NDArray[np.intp]:
        """Flat indices of the possible outcomes."""
        return np.flatnonzero(self.table())

    def _numbers_per_row(self) -> int:
        """How many numbers ``_weights`` holds for one row of tokens."""
        return min(len(self._support), HELD_OUTCOMES) + 2 * self.n * self.q


@dataclass(frozen=True, eq=False)
class TableLaw(Law):
    """A law that is given as its table.

    Args:
        probabilities: Shape (q,) * n, sums to one within 1e-9.

    Raises:
        ValueError: ``tables.as_table`` refuses it.

    Example:
        >>> TableLaw([[0.5, 0.0], [0.0, 0.5]]).conditional_entropy_curve().round(4)
        array([0.6931, 0.    ])
    """

    probabilities: Floats

    def __post_init__(self) -> None:
        table = tables.as_table(self.probabilities)
        object.__setattr__(self, "probabilities", table)
        object.__setattr__(self, "n", table.ndim)
        object.__setattr__(self, "q", table.shape[0])

    def _tabulate(self) -> Floats:
        return self.probabilities


@dataclass(frozen=True, eq=False)
class SymmetricLaw(Law):
    """A law whose conditional entropies depend on how many positions are known, not on which.

    Its curve says everything that a schedule can ask: no order is better than another.
    """

    @abstractmethod
    def _closed_form(self) -> Floats:
        """C, shape (n,), nats, without the table."""

    @cached_property
    def _curve(self) -> Floats:
        curve = self._closed_form()
        curve.flags.writeable = False
        return curve

    def conditional_entropy_curve(self) -> Floats:
        """C, shape (n,), nats, in closed form, read-only."""
        return self._curve

    def entropy(self) -> float:
        """H(X), nats: the sum of the curve."""
        return float(self._curve.sum())

    def conditional_entropies(self, given: Iterable[int]) -> Floats:
        """C(|S|) for every position outside S, shape (n,), nats; 0 inside."""
        known = set(given)
        found = np.zeros(self.n)
        if len(known) < self.n:
            found[:] = self._curve[len(known)]
            found[list(known)] = 0.0
        return found
