"""Chains as graphs: the law of every variable given evidence on each, and draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from theory.distributions.law import Tokens, draw_symbols
from theory.tables import Floats


def evidence(tokens: Tokens, q: int) -> Floats:
    """Likelihood of every symbol, shape (B, n, q): of the known one only, or 1 where unknown."""
    known = tokens[..., None]
    return np.asarray((known == np.arange(q)) | (known == q), dtype=np.float64)


def _scaled(message: Floats) -> Floats:
    """Each row of shape (s, r, B) divided by its largest entry; an impossible row stays 0."""
    largest = message.max(axis=(0, 1))
    return np.asarray(message / np.where(largest > 0.0, largest, 1.0))


def chain_posteriors(initial: Floats, steps: Sequence[Floats], likelihood: Floats) -> Floats:
    r"""Weights of the values of each variable of a chain of order m, given evidence on each.

    .. math:: w_i(a) \propto \sum_{z: z_i = a} \pi(z_0 .. z_{m-1})
              \prod_t T_t(z_t .. z_{t+m}) \prod_j L_j(z_j)

    Forward and backward messages on m successive variables, in O(n s^(m+1)) a row; each message
    is scaled, so that long chains do not underflow.

    Args:
        initial: Law of the first m variables, shape (s,) * m.
        steps: Transitions of the n - m others, each of shape (s,) * (m + 1).
        likelihood: L, shape (B, n, s), >= 0.

    Returns:
        Shape (B, n, s), >= 0, the factor of each row free; 0 where the evidence is impossible.

    Example:
        >>> flip = np.array([[0.0, 1.0], [1.0, 0.0]])
        >>> seen = np.array([[[1.0, 1.0], [0.0, 1.0], [1.0, 1.0]]])
        >>> chain_posteriors(np.array([0.5, 0.5]), [flip, flip], seen)[0]
        array([[1., 0.],
               [0., 1.],
               [1., 0.]])
    """
    rows, n, s = likelihood.shape
    m = initial.ndim
    rest = s ** (m - 1)  # of a window z_t .. z_{t+m-1}: values of all but its first variable
    seen = np.ascontiguousarray(likelihood.transpose(1, 2, 0))  # (n, s, B): rows last are fastest
    first = initial[..., None]
    for i in range(m):
        first = first * seen[i].reshape(*np.where(np.arange(m) == i, s, 1), rows)
    # The variable that a step drops, those that it keeps, the one that it adds.
    split = [step.reshape(s, rest, s) for step in steps]
    forward = [_scaled(first.reshape(s, rest, rows))]
    for step, added in zip(split, seen[m:], strict=True):
        moved = step.transpose(1, 2, 0) @ forward[-1].swapaxes(0, 1)  # (rest, s, B)
        forward.append(_scaled((moved * added).reshape(s, rest, rows)))
    weights = np.empty_like(seen)
    backward = np.ones((s, rest, rows))
    for t in range(n - m, 0, -1):
        last = t + m - 1
        weights[last] = (forward[t] * backward).reshape(rest, s, rows).sum(axis=0)
        ahead = seen[last] * backward.reshape(rest, s, rows)
        backward = _scaled((split[t - 1].swapaxes(0, 1) @ ahead).swapaxes(0, 1))
    window = (forward[0] * backward).reshape(*initial.shape, rows)
    for i in range(m):
        weights[i] = window.sum(axis=tuple(a for a in range(m) if a != i))
    return weights.transpose(2, 0, 1)


def draw_chain(
    initial: Floats, steps: Sequence[Floats], count: int, rng: np.random.Generator
) -> Tokens:
    """Independent samples of a chain as above, shape (count, n)."""
    m = initial.ndim
    found = np.empty((count, m + len(steps)), dtype=np.int64)
    start = draw_symbols(np.broadcast_to(initial.ravel(), (count, initial.size)), rng)
    found[:, :m] = np.stack(np.unravel_index(start, initial.shape), axis=1)
    for t, step in enumerate(steps):
        found[:, t + m] = draw_symbols(step[tuple(found[:, t : t + m].T)], rng)
    return found
