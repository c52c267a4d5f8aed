"""The truth of a law that has conditionals but no curve: from exact entropies of its draws.

Chains of order 2 and more, hidden chains and mixtures are such laws where no table fits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.data import Windows
from schedopt.estimators.probe import Probes, probe
from schedopt.models import LawDenoiser
from schedopt.schedule import Order
from theory.distributions import Law

Floats = NDArray[np.float64]

POWER = 1e-6  # changes what is sure by as much, and what a planner chooses only in a tie


def nested_entropies(law: Law, order: Order, count: int, seed: int) -> Floats:
    """Exact entropies of draws of the law, each with all prefixes of one order.

    Returns:
        Of a fixed order shape (count, n, n), entry (a, j) of its position j when the first a are
        known, 0 where a > j; of the random order shape (count, n), means over what is not known.
        Nats. Their means over the draws are the true surface and the true curve.
    """
    n, oracle, rng = law.n, LawDenoiser(law), np.random.default_rng([seed, 2])
    windows = Windows.independent(oracle.draw(count, rng))
    if order.is_fixed:
        orders = np.tile(order.permutation_for(n), (count, 1))
    else:
        orders = rng.permuted(np.tile(np.arange(n), (count, 1)), axis=1)
    window, known = np.repeat(np.arange(count), n), np.tile(np.arange(n), count)
    probes = Probes(window, np.zeros_like(window), np.repeat(orders, n, axis=0), known)
    entropies = probe(oracle, windows, probes).entropy.reshape(count, n, n)
    return np.nan_to_num(entropies) if order.is_fixed else np.nanmean(entropies, axis=2)


def measure_of(entropies: Floats, order: Order) -> InformationCurve | OrderSurface:
    """The curve or the surface that is the mean over the draws."""
    means = entropies.mean(axis=0)
    return OrderSurface(means, order) if order.is_fixed else InformationCurve(means)


def losses_of(entropies: Floats, sizes: Sequence[int]) -> Floats:
    """Loss of a schedule by the entropies of each draw, shape (count,), nats."""
    starts = np.repeat(np.cumsum([0, *sizes[:-1]]), sizes)
    if entropies.ndim == 2:
        return np.asarray((entropies[:, starts] - entropies).sum(axis=1))
    own = np.arange(len(starts))
    return np.asarray((entropies[:, starts, own] - entropies[:, own, own]).sum(axis=1))


class UntiedLaw(LawDenoiser):
    """The true conditionals, each position's to a power near 1 of its own: nothing ties."""

    def __init__(self, law: Law) -> None:
        super().__init__(law)
        generator = torch.Generator().manual_seed(law.n)
        noise = torch.rand(law.n, generator=generator, dtype=torch.float64)
        self._powers = 1.0 + POWER * noise[:, None]

    def logits(self, tokens: Tensor) -> Tensor:
        return torch.log_softmax(self._powers * super().logits(tokens), dim=-1)
