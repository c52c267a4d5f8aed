"""Markov chains of any order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from theory.curves import without_rounding
from theory.distributions.law import Law
from theory.distributions.products import as_probabilities
from theory.tables import Floats, entropy

Positions = NDArray[np.intp]


def _row_entropies(rows: Floats) -> Floats:
    """Entropies along the last axis, nats."""
    log_rows = np.log(rows, out=np.zeros_like(rows), where=rows > 0.0)
    return np.asarray(0.0 - (rows * log_rows).sum(axis=-1))


def stationary_law(transition: Floats) -> Floats:
    """The law of m successive symbols that a chain of order m leaves as it is, shape (q,) * m.

    Raises:
        ValueError: The chain has several.

    Example:
        >>> stationary_law(np.array([[0.9, 0.1], [0.3, 0.7]])).round(4)
        array([0.75, 0.25])
    """
    shape = transition.shape[:-1]
    states, q = int(np.prod(shape)), transition.shape[-1]
    # From (x_1, .., x_m) to (x_2, .., x_m, x_{m+1}).
    step = np.zeros((states, states))
    source = np.repeat(np.arange(states), q)
    step[source, (source * q) % states + np.tile(np.arange(q), states)] = transition.ravel()
    balance = np.vstack([step.T - np.eye(states), np.ones(states)])
    law, _, rank, _ = np.linalg.lstsq(balance, np.eye(1, states + 1, states)[0], rcond=None)
    if rank < states:
        raise ValueError("the chain has several stationary laws: give the initial one")
    law = np.maximum(law, 0.0)  # transient states come out as -1e-17
    return np.asarray(law / law.sum()).reshape(shape)


@dataclass(frozen=True, eq=False)
class MarkovChain(Law):
    r"""A homogeneous Markov chain of order m, stationary or started from any law.

    For order 1 the curve, the entropies and so the loss of any order take polynomial time:
    subsets enter only through their gaps, since H(X_S) is the sum of H(X_r | X_l) over
    neighbours l < r in S. Higher orders go through the table.

    Args:
        n: Number of positions, >= m.
        transition: p(x_{t+m} | x_t .. x_{t+m-1}), shape (q,) * (m + 1).
        initial: Law of the first m positions, shape (q,) * m; stationary where left out.

    Raises:
        ValueError: A row is no probability vector, the shapes do not fit, n < m, or there is
            no initial law and several are stationary.

    Example:
        >>> chain = MarkovChain(4096, np.array([[0.9, 0.1], [0.3, 0.7]]))
        >>> chain.conditional_entropy_curve()[[0, 1024, 4095]].round(4)
        array([0.5623, 0.4557, 0.2903])
    """

    n: int
    transition: Floats
    initial: Floats | None = None

    def __post_init__(self) -> None:
        axes = np.ndim(self.transition)
        transition = as_probabilities("transition", self.transition, axes)
        if axes < 2 or len(set(transition.shape)) != 1:
            raise ValueError(
                f"transition: need shape (q,) * (m + 1) with m >= 1, got {transition.shape}"
            )
        if self.n < axes - 1:
            raise ValueError(f"a chain of order {axes - 1} needs as many positions, got n={self.n}")
        if self.initial is None:
            initial = stationary_law(transition)
        else:
            flat = as_probabilities("initial", np.ravel(self.initial), 1)
            if np.shape(self.initial) != transition.shape[:-1]:
                raise ValueError(
                    f"initial: need shape {transition.shape[:-1]}, got {np.shape(self.initial)}"
                )
            initial = flat.reshape(transition.shape[:-1])
        object.__setattr__(self, "transition", transition)
        object.__setattr__(self, "initial", initial)
        object.__setattr__(self, "q", transition.shape[-1])

    @property
    def order(self) -> int:
        """How many positions back the next symbol depends on."""
        return self.transition.ndim - 1

    def _tabulate(self) -> Floats:
        table = np.asarray(self.initial)
        while table.ndim < self.n:
            table = table[..., None] * self.transition
        return table

    @cached_property
    def _marginals(self) -> Floats:
        """Law of each position, shape (n, q)."""
        rows = [np.asarray(self.initial)]
        for _ in range(1, self.n):
            rows.append(rows[-1] @ self.transition)
        return np.stack(rows)

    @cached_property
    def _position_entropies(self) -> Floats:
        """H(X_i), shape (n,), nats."""
        return _row_entropies(self._marginals)

    @cached_property
    def _gap_entropies(self) -> Floats:
        """H(X_{t+d} | X_t = x) by gap d and value x, shape (n, q), nats; 0 for d = 0."""
        power = np.eye(self.q)
        rows = [np.zeros(self.q)]
        for _ in range(1, self.n):
            power = power @ self.transition
            rows.append(_row_entropies(power))
        return np.stack(rows)

    def entropy(self) -> float:
        """H(X), nats."""
        if self.order > 1:
            return super().entropy()
        steps = self._marginals[:-1] @ _row_entropies(self.transition)
        return entropy(self._marginals[0]) + float(steps.sum())

    def conditional_entropies(self, given: Iterable[int]) -> Floats:
        r"""H(X_i | X_S) for every position i, shape (n,), nats; 0 for i in S.

        With l and r the known neighbours of i,
        .. math:: H(X_i | X_l, X_r) = H(X_i | X_l) + H(X_r | X_i) - H(X_r | X_l).
        """
        if self.order > 1:
            return super().conditional_entropies(given)
        n, at = self.n, np.arange(self.n)
        known = np.zeros(n, dtype=bool)
        known[list(given)] = True
        left = np.maximum.accumulate(np.where(known, at, -1))
        right = np.minimum.accumulate(np.where(known, at, n)[::-1])[::-1]

        def forward(start: Positions, end: Positions) -> Floats:
            """H(X_end | X_start); nothing is known at -1, and there is nothing at n."""
            law = self._marginals[start.clip(min=0)]
            found = (law * self._gap_entropies[end.clip(max=n - 1) - start.clip(min=0)]).sum(axis=1)
            found = np.where(start < 0, self._position_entropies[end.clip(max=n - 1)], found)
            return np.where(end == n, 0.0, found)

        found = forward(left, at) + forward(at, right) - forward(left, right)
        return np.where(known, 0.0, np.maximum(found, 0.0))

    def conditional_entropy_curve(self) -> Floats:
        r"""C, shape (n,), nats; for order 1 in O(n^2), and not as a difference of entropies.

        A uniform j-subset S of the n - 1 positions other than i avoids d of them with probability
        R(d) = binom(n-1-d, j) / binom(n-1, j), avoids d - 1 and holds one more with
        P(d) = binom(n-1-d, j-1) / binom(n-1, j), avoids d - 2 and holds two more with
        Q(d) = binom(n-1-d, j-2) / binom(n-1, j). A gap l, l + d of the formula of
        ``conditional_entropies`` is met when S avoids its inside and i is its right end, or its
        left end, or one of the d - 1 inside; the gap before the first position likewise. So, with
        A_d the sum of H(X_{l+d} | X_l) over l,

        .. math:: n C(j) = \sum_{d=0}^{n-1} H(X_d) R(d) + (2 A_d - d H(X_d)) P(d)
                  - (d-1) A_d Q(d), \qquad A_0 = 0.
        """
        if self.order > 1:
            return super().conditional_entropy_curve()
        n, d = self.n, np.arange(self.n, dtype=np.float64)
        starts = np.cumsum(self._marginals, axis=0)[::-1]  # row d: sum of the laws of l < n - d
        pairs = (starts * self._gap_entropies).sum(axis=1)  # A_d
        one_weight = 2.0 * pairs - d * self._position_entropies
        two_weight = (d - 1.0) * pairs
        none, one, two = np.ones(n), np.zeros(n), np.zeros(n)  # R, P, Q: how many S holds
        curve = np.empty(n)
        for j in range(n):
            curve[j] = self._position_entropies @ none + one_weight @ one - two_weight @ two
            others = max(n - 1 - j, 1)  # binom(n-1, j+1) / binom(n-1, j) = others / (j + 1)
            two = one * ((j + 1) / others)
            one = none * ((j + 1) / others)
            none *= np.maximum(n - 1 - j - d, 0.0) / others
        return without_rounding(curve / n)
