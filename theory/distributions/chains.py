"""Markov chains: of any order, or of order 1 with transitions that change on the way."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from theory.distributions.gaps import Positions, curve_of_gaps, entropies_in_gaps
from theory.distributions.law import Law, Tokens
from theory.distributions.messages import chain_posteriors, draw_chain, evidence
from theory.distributions.products import as_probabilities
from theory.tables import ENTRY_LIMIT, Floats, entropy


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
class Chain(Law):
    """A law where each symbol depends on the m before it.

    Its entropy, its conditional marginals and its draws take O(n q^(m+1)).
    """

    @abstractmethod
    def _parts(self) -> tuple[Floats, Sequence[Floats]]:
        """Law of the first m symbols, shape (q,) * m, and of each later one given m before."""

    def _tabulate(self) -> Floats:
        table, steps = self._parts()
        for step in steps:
            table = table[..., None] * step
        return table

    @cached_property
    def _windows(self) -> Floats:
        """Law of each m successive symbols, shape (n - m + 1,) + (q,) * m."""
        first, steps = self._parts()
        windows = [first]
        for step in steps:
            windows.append((windows[-1][..., None] * step).sum(axis=0))
        return np.stack(windows)

    def entropy(self) -> float:
        """H(X), nats."""
        first, steps = self._parts()
        later = zip(self._windows, steps, strict=False)  # nothing follows the last window
        return entropy(first) + sum(float((w * _row_entropies(s)).sum()) for w, s in later)

    def draw(self, count: int, rng: np.random.Generator) -> Tokens:
        """Independent samples of the law, shape (count, n), symbol by symbol."""
        return draw_chain(*self._parts(), count, rng)

    def _weights(self, tokens: Tokens) -> Floats:
        return chain_posteriors(*self._parts(), evidence(tokens, self.q))

    def _numbers_per_row(self) -> int:
        return int(self.n * (self._parts()[0].size + 2 * self.q))


@dataclass(frozen=True, eq=False)
class MarkovChain(Chain):
    r"""A homogeneous Markov chain of order m, stationary or started from any law.

    For order 1 the curve, the entropies and so the loss of any order take polynomial time. For
    higher orders they go through the table: every second symbol of a chain of order 2 is a hidden
    Markov model, for whose entropy no closed form is known.

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

    def _parts(self) -> tuple[Floats, Sequence[Floats]]:
        return np.asarray(self.initial), [self.transition] * (self.n - self.order)

    @cached_property
    def _gap_entropies(self) -> Floats:
        """H(X_{t+d} | X_t = x) by gap d and value x, shape (n, q), nats; 0 for d = 0."""
        power = np.eye(self.q)
        rows = [np.zeros(self.q)]
        for _ in range(1, self.n):
            power = power @ self.transition
            rows.append(_row_entropies(power))
        return np.stack(rows)

    def _forward(self, start: Positions, end: Positions) -> Floats:
        """H(X_end | X_start), nats."""
        return np.asarray((self._windows[start] * self._gap_entropies[end - start]).sum(axis=1))

    def conditional_entropies(self, given: Iterable[int]) -> Floats:
        """H(X_i | X_S) for every position i, shape (n,), nats; for order 1 from the gaps of S."""
        if self.order > 1:
            return super().conditional_entropies(given)
        return entropies_in_gaps(given, _row_entropies(self._windows), self._forward)

    def conditional_entropy_curve(self) -> Floats:
        """C, shape (n,), nats; for order 1 in O(n^2)."""
        if self.order > 1:
            return super().conditional_entropy_curve()
        starts = np.cumsum(self._windows, axis=0)[::-1]  # row d: sum of the laws of l < n - d
        pairs = (starts * self._gap_entropies).sum(axis=1)
        return curve_of_gaps(_row_entropies(self._windows), pairs)


@dataclass(frozen=True, eq=False)
class InhomogeneousChain(Chain):
    r"""A Markov chain of order 1 with a transition of its own for every step.

    .. math:: \mu(x) = \pi(x_0) \prod_{t=0}^{n-2} T_t(x_t, x_{t+1}).

    The entropies between all pairs of positions take O(n^2 q^3) once, and n^2 numbers; the curve
    and any conditional entropies follow from them in O(n^2) and O(n).

    Args:
        initial: Law of the first position, shape (q,).
        transitions: Shape (n - 1, q, q), n >= 2.

    Raises:
        ValueError: A row is no probability vector, or the shapes do not fit; what takes pairs
            of positions, if there are more than 2^24.

    Example:
        >>> copy, forget = np.eye(2), np.full((2, 2), 0.5)
        >>> chain = InhomogeneousChain([0.5, 0.5], [copy, forget, copy])
        >>> (chain.conditional_entropies([0]) / np.log(2)).round(4)
        array([0., 0., 1., 1.])
    """

    initial: Floats
    transitions: Floats

    def __post_init__(self) -> None:
        initial = as_probabilities("initial", self.initial, 1)
        transitions = as_probabilities("transitions", self.transitions, 3)
        q = len(initial)
        if transitions.shape[1:] != (q, q):
            raise ValueError(f"transitions: need shape (n - 1, {q}, {q}), got {transitions.shape}")
        object.__setattr__(self, "initial", initial)
        object.__setattr__(self, "transitions", transitions)
        object.__setattr__(self, "n", len(transitions) + 1)
        object.__setattr__(self, "q", q)

    def _parts(self) -> tuple[Floats, Sequence[Floats]]:
        return self.initial, list(self.transitions)

    @cached_property
    def _pair_entropies(self) -> Floats:
        """H(X_r | X_l) for l <= r, shape (n, n), nats; 0 elsewhere."""
        if self.n**2 > ENTRY_LIMIT:
            raise ValueError(
                f"the entropies between n={self.n} positions are over the limit of {ENTRY_LIMIT} "
                "pairs: use fewer positions"
            )
        found = np.zeros((self.n, self.n))
        steps = np.broadcast_to(np.eye(self.q), (self.n, self.q, self.q))
        for gap in range(1, self.n):
            steps = steps[:-1] @ self.transitions[gap - 1 :]  # row l: from l to l + gap
            start = np.arange(self.n - gap)
            found[start, start + gap] = (self._windows[start] * _row_entropies(steps)).sum(axis=1)
        return found

    def conditional_entropies(self, given: Iterable[int]) -> Floats:
        """H(X_i | X_S) for every position i, shape (n,), nats; from the gaps of S."""

        def forward(start: Positions, end: Positions) -> Floats:
            return self._pair_entropies[start, end]

        return entropies_in_gaps(given, _row_entropies(self._windows), forward)

    def conditional_entropy_curve(self) -> Floats:
        """C, shape (n,), nats."""
        pairs = np.array([self._pair_entropies.trace(gap) for gap in range(self.n)])
        return curve_of_gaps(_row_entropies(self._windows), pairs)
