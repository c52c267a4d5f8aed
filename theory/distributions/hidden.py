"""Hidden Markov models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from theory.distributions.chains import stationary_law
from theory.distributions.law import Law, Tokens, draw_symbols
from theory.distributions.messages import chain_posteriors, draw_chain, evidence
from theory.distributions.products import as_probabilities
from theory.tables import Floats


@dataclass(frozen=True, eq=False)
class HiddenMarkov(Law):
    r"""A Markov chain of order 1 whose states are seen only through noise.

    .. math:: \mu(x) = \sum_z \pi(z_0) \prod_t T(z_t, z_{t+1}) \prod_t E(z_t, x_t).

    Conditional marginals and draws take O(n s^2). Entropies, and so the curve, go through the
    table, since no closed form is known even for the entropy of all positions. Where it exists
    there are other laws to say it: if each state has a symbol of its own, X is a ``MarkovChain``;
    if all rows of T are equal, it is a ``Product``; if T is the identity, it is a
    ``MixtureOfProducts``.

    Args:
        n: Number of positions, >= 1.
        transition: T, shape (s, s).
        emission: E, shape (s, q).
        initial: Law of the first state, shape (s,); stationary where left out.

    Raises:
        ValueError: A row is no probability vector, the shapes do not fit, n < 1, or there is
            no initial law and several are stationary.

    Example:
        >>> noise = np.array([[0.9, 0.1], [0.1, 0.9]])
        >>> law = HiddenMarkov(256, noise, noise)
        >>> law.conditional_marginals(np.array([[0] * 100 + [2] * 156]))[0, [100, 255]].round(4)
        array([[0.8112, 0.1888],
               [0.5   , 0.5   ]])
    """

    n: int
    transition: Floats
    emission: Floats
    initial: Floats | None = None

    def __post_init__(self) -> None:
        transition = as_probabilities("transition", self.transition, 2)
        emission = as_probabilities("emission", self.emission, 2)
        states = len(transition)
        if transition.shape != (states, states) or len(emission) != states:
            raise ValueError(
                "need a transition of shape (s, s) and an emission of shape (s, q), "
                f"got {transition.shape} and {emission.shape}"
            )
        if self.n < 1:
            raise ValueError(f"hidden Markov model: need n >= 1, got n={self.n}")
        if self.initial is None:
            initial = stationary_law(transition)
        else:
            initial = as_probabilities("initial", self.initial, 1)
        if initial.shape != (states,):
            raise ValueError(f"initial: need shape ({states},), got {initial.shape}")
        object.__setattr__(self, "transition", transition)
        object.__setattr__(self, "emission", emission)
        object.__setattr__(self, "initial", initial)
        object.__setattr__(self, "q", emission.shape[1])

    def _states(self) -> tuple[Floats, list[Floats]]:
        return np.asarray(self.initial), [self.transition] * (self.n - 1)

    def _tabulate(self) -> Floats:
        states, steps = self._states()
        joint = states[None]  # of the symbols so far and of the next state
        for step in steps:
            seen = joint[:, None] * self.emission.T  # (q^t, q, s)
            joint = seen.reshape(-1, len(step)) @ step
        return np.asarray(joint @ self.emission).reshape((self.q,) * self.n)

    def draw(self, count: int, rng: np.random.Generator) -> Tokens:
        """Independent samples of the law, shape (count, n), state by state."""
        return draw_symbols(self.emission[draw_chain(*self._states(), count, rng)], rng)

    def _weights(self, tokens: Tokens) -> Floats:
        likelihood = evidence(tokens, self.q) @ self.emission.T  # of the states, (B, n, s)
        return chain_posteriors(*self._states(), likelihood) @ self.emission

    def _numbers_per_row(self) -> int:
        return self.n * (4 * len(self.transition) + 2 * self.q)
