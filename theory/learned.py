"""Samplers driven by an imperfect model of the law, whose answers need not be consistent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import ArrayLike

from theory.distributions.products import as_probabilities
from theory.divergences import boundaries, check_positions
from theory.tables import Floats, conditional_marginals, entropy, marginal

Model = Callable[[Mapping[int, int]], Floats]
"""From the value of each known position to a law of every position, shape (n, q)."""


def exact_model(table: Floats) -> Model:
    """The model that answers with the law's own conditional marginals.

    Example:
        >>> exact_model(np.array([[0.5, 0.0], [0.0, 0.5]]))({0: 1})
        array([[0., 1.],
               [0., 1.]])
    """
    return partial(conditional_marginals, table)


def tabled_model(answers: ArrayLike) -> Model:
    """A model given by all its answers; they may contradict each other, as a network's do.

    Args:
        answers: Shape (q+1,) * n + (n, q): one axis for the token at each position, where q is
            the mask, then the law of each position.

    Raises:
        ValueError: Another shape, or answers that are no laws.

    Example:
        >>> model = tabled_model([[[0.9, 0.1]], [[0.9, 0.1]], [[0.3, 0.7]]])  # n = 1, q = 2
        >>> model({})
        array([[0.3, 0.7]])
    """
    array = as_probabilities("answers", answers, np.ndim(answers))
    n, q = array.shape[-2:] if array.ndim >= 2 else (0, 0)
    if array.shape[:-2] != (q + 1,) * n or n < 1:
        raise ValueError(f"need answers of shape (q+1,) * n + (n, q), got {array.shape}")

    def answer(known: Mapping[int, int]) -> Floats:
        return np.asarray(array[tuple(known.get(i, q) for i in range(n))])

    return answer


def _cross_entropies(table: Floats, model: Model, given: Sequence[int]) -> Floats:
    """E_mu[-log m(X_i | X_S)] for every position i, shape (n,), nats; 0 for i in S."""
    n, q = table.ndim, table.shape[0]
    paid = np.zeros(n)
    for x, probability in np.ndenumerate(marginal(table, given)):
        if probability == 0.0:
            continue
        known = dict(zip(sorted(given), x, strict=True))
        rows, truth = model(known), conditional_marginals(table, known)
        if rows.shape != (n, q):
            raise ValueError(f"need a law of every position, shape {(n, q)}, got {rows.shape}")
        with np.errstate(divide="ignore"):  # what the model rules out costs infinity
            surprise = -np.log(rows, out=np.zeros((n, q)), where=truth > 0.0)
        paid += probability * (truth * surprise).sum(axis=1)
    paid[list(given)] = 0.0
    return paid


def cross_entropy_curve(table: Floats, model: Model) -> Floats:
    r"""Mean cross-entropy of a model at a fresh position, given j random ones.

    .. math:: C_m(j) = E_\mu\, E_{|S| = j,\, i \notin S} [-\log m(X_i | X_S)],

    by one query of the model for each of the values that S can take, over all S: up to (q+1)^n.

    Args:
        table: Joint table of the data, shape (q,) * n.
        model: Answers for every known set and its values.

    Returns:
        Shape (n,), nats, at least the law's own curve at every j; it need not fall with j.
        Infinite where the model rules out what the data holds.

    Raises:
        ValueError: An answer has another shape.

    References:
        theory, section 3.

    Example:
        >>> parity = np.array([[0.5, 0.0], [0.0, 0.5]])
        >>> cross_entropy_curve(parity, exact_model(parity)).round(4)
        array([0.6931, 0.    ])
        >>> cross_entropy_curve(parity, lambda known: np.full((2, 2), 0.5)).round(4)
        array([0.6931, 0.6931])
    """
    n = table.ndim
    curve = np.zeros(n)
    for j in range(n):
        subsets = combinations(range(n), j)
        curve[j] = sum(float(_cross_entropies(table, model, given).sum()) for given in subsets)
        curve[j] /= comb(n, j) * (n - j)
    return curve


def sampler_kl(cross_entropies: ArrayLike, sizes: Sequence[int], data_entropy: float) -> float:
    r"""Expected KL(data || sampler) of a model under a uniformly random order, nats.

    .. math:: E_S KL = \sum_t s_t C_m(N_{t-1}) - H(data).

    It is the factorisation error of the schedule, ``divergences.expected_kl`` of the law's own
    curve, plus the ``learning_error``. ``divergences.expected_kl`` of the model's curve is the
    excess over the same model's sequential sampler: H(data) cancels there, and it is negative
    where a rising curve makes early answers the better ones.

    Args:
        cross_entropies: C_m, shape (n,), nats.
        sizes: s_1..s_k, sums to n.
        data_entropy: H(data), nats.

    Raises:
        ValueError: A size is below 1, or the sizes do not sum to n.

    References:
        theory, sections 3.1 to 3.3.

    Example:
        >>> sampler_kl([2.0, 1.5, 0.5], [2, 1], 3.0)
        1.5
    """
    c = np.asarray(cross_entropies, dtype=np.float64)
    starts = boundaries(sizes, len(c))[:-1]
    return float(np.dot(sizes, c[list(starts)])) - data_entropy


def learning_error(cross_entropies: ArrayLike, curve: ArrayLike, sizes: Sequence[int]) -> float:
    """What the model adds to the factorisation error: sum s_t (C_m - C)(N_{t-1}) >= 0, nats.

    Args:
        cross_entropies: C_m, shape (n,), nats.
        curve: The data's C, shape (n,), nats.
        sizes: s_1..s_k, sums to n.

    Raises:
        ValueError: A size is below 1, the sizes do not sum to n, or the curves differ in length.

    References:
        theory, section 3.2. Chen, Cong, Li, Lemma 35, print the sum on the other side; the
        sampler of the model is the worse one.

    Example:
        >>> learning_error([2.0, 1.5, 0.5], [1.5, 1.5, 0.0], [2, 1])
        1.5
    """
    learned, c = np.asarray(cross_entropies, np.float64), np.asarray(curve, np.float64)
    if learned.shape != c.shape:
        raise ValueError(f"need curves of one length, got {learned.shape} and {c.shape}")
    return sampler_kl(learned - c, sizes, 0.0)


def model_partition_kl(table: Floats, model: Model, groups: Sequence[Sequence[int]]) -> float:
    r"""KL(data || sampler) of a model that reveals an ordered partition, nats.

    .. math:: KL(\mu \| \hat\nu_S) = \sum_t \sum_{i \in S_t} E_\mu[-\log m(X_i | X_{T_t})] - H.

    Args:
        table: Joint table of the data, shape (q,) * n.
        model: Answers for every known set and its values.
        groups: S_1..S_k, which partition 0..n-1.

    Returns:
        Nats; infinite where the model rules out what the data holds.

    Raises:
        ValueError: The groups do not partition the positions, or an answer has another shape.

    References:
        theory, section 3.1, before the mean over orders.

    Example:
        >>> parity = np.array([[0.5, 0.0], [0.0, 0.5]])
        >>> round(model_partition_kl(parity, exact_model(parity), [[0, 1]]), 4)
        0.6931
    """
    revealed = [i for group in groups for i in group]
    check_positions(revealed, table.ndim)
    paid, known = 0.0, 0
    for group in groups:
        paid += float(_cross_entropies(table, model, revealed[:known])[list(group)].sum())
        known += len(group)
    return max(0.0, paid - entropy(table))
