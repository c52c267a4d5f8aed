"""Prototypes that are refined level by level."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from theory.curves import without_rounding
from theory.distributions.chains import MarkovChain
from theory.distributions.law import Law, Tokens
from theory.distributions.messages import chain_posteriors, evidence
from theory.tables import Floats


@dataclass(frozen=True, eq=False)
class HierarchicalPrototypes(Law):
    r"""A path down a tree of prototypes, each level written on a block of its own.

    The root is a uniform symbol; a child is its parent's symbol with probability 1 - eps, else
    any other one. The law draws a path B_1 .. B_L, and block l repeats B_l on Delta_l positions.
    A block gives itself away once about n / Delta_l of the n positions are known, so that blocks
    of very different sizes make a curve that falls in as many separate stages.

    At eps = 1 - 1/q levels are independent and all stages have the same height. With q = 2 these
    are the source's 2^L prototypes of n = Delta_1 + .. + Delta_L bits, two of which differ at
    Delta_l positions for every level l where their paths do. (It says that they differ at Delta_l
    for the first such level alone: where sizes shrink fast, that is the same to leading order.)

    With V(a, b) the sum over a <= l < b of Delta_l H(B_l | B_{a-1}, B_b), and E(a, b, j) the
    probability that j random positions other than one of levels a .. b-1 miss these levels but
    hit both levels next to them (a level that does not exist counts as hit),

    .. math:: n C(j) = \sum_{a < b} V(a, b) E(a, b, j).

    Args:
        sizes: Delta_1 .. Delta_L, each >= 1.
        eps: Probability that a child's symbol is another one than its parent's, 0..1.
        symbols: Number of symbols q, >= 2.

    Raises:
        ValueError: A number is out of range.

    References:
        Wainwright (arXiv:2608.13520), Figure 3: sizes (32768, 8) and (32768, 2048, 128, 8).

    Example:
        >>> law = HierarchicalPrototypes((32768, 2048, 128, 8), eps=0.5)
        >>> law.n
        34952
        >>> (law.conditional_entropy_curve()[[0, 1, 10]] / np.log(2)).round(4)
        array([1.    , 0.1176, 0.0358])
    """

    sizes: tuple[int, ...]
    eps: float
    symbols: int = 2

    def __post_init__(self) -> None:
        if not self.sizes or min(self.sizes) < 1 or not 0.0 <= self.eps <= 1.0 or self.symbols < 2:
            raise ValueError(
                "prototypes: need sizes >= 1, eps in [0, 1] and symbols >= 2, "
                f"got sizes={list(self.sizes)}, eps={self.eps}, symbols={self.symbols}"
            )
        object.__setattr__(self, "n", sum(self.sizes))
        object.__setattr__(self, "q", self.symbols)

    @cached_property
    def _path(self) -> MarkovChain:
        """B_1 .. B_L."""
        same = np.eye(self.q, dtype=bool)
        step = np.where(same, 1.0 - self.eps, self.eps / (self.q - 1))
        return MarkovChain(len(self.sizes), step, np.full(self.q, 1.0 / self.q))

    @cached_property
    def _level(self) -> NDArray[np.intp]:
        """Level of each position, shape (n,)."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def _tabulate(self) -> Floats:
        paths = np.indices((self.q,) * len(self.sizes)).reshape(len(self.sizes), -1)
        table = np.zeros((self.q,) * self.n)
        table[tuple(paths[self._level])] = self._path.table().ravel()
        return table

    def entropy(self) -> float:
        """That of the path, nats."""
        return self._path.entropy()

    def conditional_entropies(self, given: Iterable[int]) -> Floats:
        """H(X_i | X_S) for every position i, shape (n,), nats; 0 in blocks that S hits."""
        return self._path.conditional_entropies(self._level[list(given)])[self._level]

    def conditional_entropy_curve(self) -> Floats:
        """C, shape (n,), nats, in O(n L^2)."""
        n, levels = self.n, len(self.sizes)
        ends = np.concatenate([[0], np.cumsum(self.sizes)])
        draws = np.arange(n - 1)

        def missed(a: int, b: int) -> Floats:
            """Probability that j positions miss levels a..b-1; 0 beyond the ends, always hit."""
            if a < 0 or b > levels:
                return np.zeros(n)
            others = ends[b] - ends[a] - 1
            return np.append(
                1.0, np.cumprod((n - 1 - others - draws).clip(min=0) / (n - 1 - draws))
            )

        curve = np.zeros(n)
        for a in range(levels):
            for b in range(a + 1, levels + 1):
                hit = [level for level in (a - 1, b) if 0 <= level < levels]
                inside = self._path.conditional_entropies(hit)[a:b] @ self.sizes[a:b]
                exactly = missed(a, b) - missed(a - 1, b) - missed(a, b + 1) + missed(a - 1, b + 1)
                curve += inside * exactly
        return without_rounding(curve / n)

    def draw(self, count: int, rng: np.random.Generator) -> Tokens:
        """Independent samples of the law, shape (count, n)."""
        return self._path.draw(count, rng)[:, self._level]

    def _weights(self, tokens: Tokens) -> Floats:
        starts = np.searchsorted(self._level, np.arange(len(self.sizes)))
        likelihood = np.multiply.reduceat(evidence(tokens, self.q), starts, axis=1)  # (B, L, q)
        return chain_posteriors(*self._path._parts(), likelihood)[:, self._level]

    def _numbers_per_row(self) -> int:
        return 3 * self.n * self.q
