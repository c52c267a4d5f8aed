"""What a law must answer, and laws that are only a table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from theory import curves, tables
from theory.tables import Floats


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
