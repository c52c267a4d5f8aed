"""Two independent laws side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from theory.distributions.law import Law, Tokens
from theory.tables import Floats


@dataclass(frozen=True, eq=False)
class CoordinatewiseProduct(Law):
    """Two independent laws side by side: every position holds a symbol of each.

    Curves, entropies and losses add: with a Reed-Solomon code as the second law, the curve of the
    first gets a jump wherever one likes.

    Args:
        first: Of n positions with q_1 symbols.
        second: Of n positions with q_2 symbols; the pair (a, b) is the symbol q_2 a + b.

    Raises:
        ValueError: The numbers of positions differ.

    References:
        theory, section 1.6; Chen, Cong, Li, COLT 2026, Theorem 25.

    Example:
        >>> from theory.distributions import Parity, Product
        >>> law = CoordinatewiseProduct(Product([[0.5, 0.5]] * 3), Parity(3))
        >>> law.conditional_entropy_curve().round(4)
        array([1.3863, 1.3863, 0.6931])
    """

    first: Law
    second: Law

    def __post_init__(self) -> None:
        if self.first.n != self.second.n:
            raise ValueError(
                f"need as many positions in both laws, got {self.first.n} and {self.second.n}"
            )
        object.__setattr__(self, "n", self.first.n)
        object.__setattr__(self, "q", self.first.q * self.second.q)

    def _tabulate(self) -> Floats:
        joint = np.multiply.outer(self.first.table(), self.second.table())
        paired = np.arange(2 * self.n).reshape(2, self.n).T.ravel()  # a_0, b_0, a_1, b_1, ..
        return joint.transpose(paired).reshape((self.q,) * self.n)

    def entropy(self) -> float:
        """Sum of the entropies of the two, nats."""
        return self.first.entropy() + self.second.entropy()

    def conditional_entropies(self, given: Iterable[int]) -> Floats:
        """Sum of the conditional entropies of the two, shape (n,), nats."""
        known = set(given)
        return self.first.conditional_entropies(known) + self.second.conditional_entropies(known)

    def conditional_entropy_curve(self) -> Floats:
        """Sum of the two curves, shape (n,), nats."""
        return self.first.conditional_entropy_curve() + self.second.conditional_entropy_curve()

    def draw(self, count: int, rng: np.random.Generator) -> Tokens:
        """Independent samples of the law, shape (count, n)."""
        return self.second.q * self.first.draw(count, rng) + self.second.draw(count, rng)

    def _weights(self, tokens: Tokens) -> Floats:
        known = tokens < self.q
        first = self.first._weights(np.where(known, tokens // self.second.q, self.first.q))
        second = self.second._weights(np.where(known, tokens % self.second.q, self.second.q))
        return (first[..., None] * second[..., None, :]).reshape(*tokens.shape, self.q)

    def _numbers_per_row(self) -> int:
        parts = self.first._numbers_per_row() + self.second._numbers_per_row()
        return parts + 2 * self.n * self.q
