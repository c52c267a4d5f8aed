"""Independent positions, and mixtures of such laws."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import ArrayLike

from theory.distributions.law import Law, Tokens, draw_symbols
from theory.tables import Floats, entropy


def as_probabilities(name: str, values: ArrayLike, ndim: int) -> Floats:
    """Check an array whose last axis holds probabilities that sum to one within 1e-9.

    Raises:
        ValueError: Another number of axes, an entry that is negative or not finite, or a sum
            that is not one.
    """
    array = np.array(values, dtype=np.float64)
    if array.ndim != ndim or array.size == 0:
        raise ValueError(f"{name}: need {ndim} axes, none empty, got shape {array.shape}")
    sums = array.sum(axis=-1, keepdims=True)
    if not (np.all(array >= 0.0) and np.all(np.abs(sums - 1.0) <= 1e-9)):
        worst = sums.flat[int(np.argmax(np.abs(sums - 1.0)))]
        raise ValueError(
            f"{name}: need probabilities >= 0 that sum to one along the last axis, "
            f"got smallest {array.min()} and a sum of {worst}"
        )
    return np.asarray(array / sums)


@dataclass(frozen=True, eq=False)
class Product(Law):
    """Independent positions: every schedule is exact, TC = DTC = 0.

    Args:
        marginals: Law of each position, shape (n, q).

    Raises:
        ValueError: A row is no probability vector.

    Example:
        >>> Product([[0.5, 0.5], [1.0, 0.0]]).conditional_entropy_curve().round(4)
        array([0.3466, 0.3466])
    """

    marginals: Floats

    def __post_init__(self) -> None:
        rows = as_probabilities("marginals", self.marginals, 2)
        object.__setattr__(self, "marginals", rows)
        object.__setattr__(self, "n", rows.shape[0])
        object.__setattr__(self, "q", rows.shape[1])

    def _tabulate(self) -> Floats:
        return np.asarray(reduce(np.multiply.outer, self.marginals))

    def conditional_entropies(self, given: Iterable[int]) -> Floats:
        """H(X_i) for every position outside S, shape (n,), nats; 0 inside."""
        found = np.array([entropy(row) for row in self.marginals])
        found[list(given)] = 0.0
        return found

    def entropy(self) -> float:
        """Sum of the entropies of the positions, nats."""
        return float(self.conditional_entropies(()).sum())

    def conditional_entropy_curve(self) -> Floats:
        """C is the mean entropy of a position, whatever is known; shape (n,), nats."""
        return np.full(self.n, self.entropy() / self.n)

    def draw(self, count: int, rng: np.random.Generator) -> Tokens:
        """Independent samples of the law, shape (count, n)."""
        return draw_symbols(np.broadcast_to(self.marginals, (count, self.n, self.q)), rng)

    def _weights(self, tokens: Tokens) -> Floats:
        known = tokens < self.q
        chances = self.marginals[np.arange(self.n), np.where(known, tokens, 0)]
        possible = np.asarray((~known | (chances > 0.0)).all(axis=1))
        return possible[:, None, None] * self.marginals

    def _numbers_per_row(self) -> int:
        return 2 * self.n * self.q


@dataclass(frozen=True, eq=False)
class MixtureOfProducts(Law):
    """A hidden component, and independent positions given it: DTC <= log of their number.

    Args:
        weights: Probability of each component, shape (m,).
        marginals: Law of each position in each component, shape (m, n, q).

    Raises:
        ValueError: The weights or a marginal are no probability vector, or their numbers differ.

    References:
        Chen, Cong, Li, COLT 2026, examples: DTC <= log m.

    Example:
        >>> copies = MixtureOfProducts([0.5, 0.5], np.eye(2)[:, None].repeat(3, axis=1))
        >>> copies.conditional_entropy_curve().round(4)
        array([0.6931, 0.    , 0.    ])
    """

    weights: Floats
    marginals: Floats

    def __post_init__(self) -> None:
        weights = as_probabilities("weights", self.weights, 1)
        marginals = as_probabilities("marginals", self.marginals, 3)
        if len(weights) != len(marginals):
            raise ValueError(
                f"need as many weights as components, got {len(weights)} and {len(marginals)}"
            )
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "marginals", marginals)
        object.__setattr__(self, "n", marginals.shape[1])
        object.__setattr__(self, "q", marginals.shape[2])

    def _tabulate(self) -> Floats:
        components = zip(self.weights, self.marginals, strict=True)
        return np.asarray(sum(w * reduce(np.multiply.outer, rows) for w, rows in components))

    def draw(self, count: int, rng: np.random.Generator) -> Tokens:
        """Independent samples of the law, shape (count, n): a component, then the positions."""
        components = rng.choice(len(self.weights), size=count, p=self.weights)
        return draw_symbols(self.marginals[components], rng)

    def _weights(self, tokens: Tokens) -> Floats:
        by_position = np.moveaxis(self.marginals, 0, -1)  # (n, q, m)
        likelihood = by_position[np.arange(self.n), np.where(tokens < self.q, tokens, 0)]
        likelihood[tokens == self.q] = 1.0  # (B, n, m)
        with np.errstate(divide="ignore"):
            logs = np.log(likelihood).sum(axis=1) + np.log(self.weights)
        # A product of n probabilities underflows; relative to the likeliest component none that
        # matters does.
        largest = logs.max(axis=1, keepdims=True)
        posterior = np.exp(logs - np.where(largest > -np.inf, largest, 0.0))
        return np.tensordot(posterior, self.marginals, axes=1)

    def _numbers_per_row(self) -> int:
        return self.n * (2 * len(self.weights) + self.q)
