"""Random walks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import log

import numpy as np

from theory.distributions.chains import MarkovChain
from theory.distributions.counting import counter_laws
from theory.distributions.gaps import curve_of_gaps, entropies_in_gaps
from theory.distributions.law import Law, Tokens
from theory.tables import Floats, entropy


@dataclass(frozen=True, eq=False)
class BernoulliWalk(Law):
    r"""How many of the first 1, 2, .., n fair coins fell on heads: a chain of order 1.

    Between known places a walk is hypergeometric, and with B(d) the entropy of the number of
    heads of d coins

    .. math:: H(X_i | X_l, X_r) = B(i - l) + B(r - i) - B(r - l), \qquad
              H(X_i | X_l) = B(i - l),

    where l = -1 with X_{-1} = 0 is always known. TC = \sum_d B(d) - n \log 2.

    Args:
        n: Number of positions, >= 1; the symbols are 0..n.

    Raises:
        ValueError: n is below 1.

    References:
        Wen, Liang, Lu (arXiv:2608.25505), Theorems 3 and 5: bisection samples it exactly in
        ceil(log2(n + 1)) rounds.

    Example:
        >>> BernoulliWalk(2).conditional_entropy_curve().round(4)
        array([0.8664, 0.5199])
    """

    n: int

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"walk: need n >= 1, got n={self.n}")
        object.__setattr__(self, "q", self.n + 1)

    def _tabulate(self) -> Floats:
        coins = np.indices((2,) * self.n).reshape(self.n, -1)
        table = np.zeros((self.q,) * self.n)
        table[tuple(coins.cumsum(axis=0))] = 0.5**self.n
        return table

    @cached_property
    def _head_entropies(self) -> Floats:
        """B(d), shape (n + 1,), nats."""
        return np.array([entropy(heads) for heads in counter_laws(self.n + 1, lambda _, __: 0.5)])

    def entropy(self) -> float:
        """The coins' n log 2, nats."""
        return self.n * log(2.0)

    def conditional_entropies(self, given: Iterable[int]) -> Floats:
        """H(X_i | X_S) for every position i, shape (n,), nats; 0 for i in S."""
        heads = self._head_entropies
        return entropies_in_gaps(given, heads[1:], lambda start, end: heads[end - start])

    def conditional_entropy_curve(self) -> Floats:
        """C, shape (n,), nats, in O(n^2)."""
        heads = self._head_entropies
        return curve_of_gaps(heads[1:], np.arange(self.n, 0, -1.0) * heads[:-1])

    @cached_property
    def _chain(self) -> MarkovChain:
        """The walk as a chain; from n, where it is at the end at most, it goes nowhere."""
        step = 0.5 * (np.eye(self.q) + np.eye(self.q, k=1))
        step[-1, -1] = 1.0
        return MarkovChain(self.n, step, step[0])

    def draw(self, count: int, rng: np.random.Generator) -> Tokens:
        """Independent samples of the law, shape (count, n): sums of coins."""
        return rng.integers(2, size=(count, self.n)).cumsum(axis=1)

    def _weights(self, tokens: Tokens) -> Floats:
        return self._chain._weights(tokens)

    def _numbers_per_row(self) -> int:
        return self._chain._numbers_per_row()
