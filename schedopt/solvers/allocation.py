"""A step budget shared among blocks whose losses add."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from schedopt.errors import InputError
from schedopt.solution import Certificate
from schedopt.solvers.paths import Floats, checked_steps, rounding_of


@dataclass(frozen=True)
class Allocation:
    """How many steps each block gets.

    Args:
        steps: Steps of each block, each >= 1, that sum to the budget.
        loss: Sum of the blocks' losses, nats.
        certificate: Why no other split of the budget loses less.
    """

    steps: tuple[int, ...]
    loss: float
    certificate: Certificate


def allocate(frontiers: Sequence[ArrayLike], steps: int) -> Allocation:
    r"""Split a budget of steps among blocks so that their losses sum to the least.

    .. math:: \min_{k_1 + \dots + k_B = K,\; k_i \ge 1} \sum_i L_i(k_i)

    Each next step goes where it gains most, which is optimal where the frontiers are convex. The
    dual bound at the last gain tells whether it was; where it leaves a gap, every split is
    compared by dynamic programming.

    Args:
        frontiers: For each block the loss with 1, 2, ... steps, nats, as ``losses`` gives it.
        steps: The budget K, from one step a block to all that the frontiers list.

    Returns:
        The steps of each block, their loss in nats, and the certificate: ``Lagrangian dual``
        for the first way, ``exhaustive DP`` for the second.

    Raises:
        InputError: There is no block, or a frontier is empty, not a vector or not finite.
        UsageError: The budget is not a whole number in its range.

    References:
        theory, section 4.6.

    Example:
        >>> allocate([[4.0, 1.0, 0.0], [3.0, 2.5, 2.2]], steps=4)
        Allocation(steps=(3, 1), loss=3.0, certificate=Certificate(method='Lagrangian dual', ...))
    """
    curves = [_frontier(i, values) for i, values in enumerate(frontiers)]
    if not curves:
        raise InputError("frontiers: need at least one block, got none")
    budget = checked_steps("steps", steps, len(curves), sum(curve.size for curve in curves))
    counts, price = _largest_gains(curves, budget)
    loss = _total(curves, counts)
    # Each block alone, free to take any number of steps at this price, bounds them together.
    bound = math.fsum(
        float(np.min(curve + price * (np.arange(1, curve.size + 1) - count)))
        for curve, count in zip(curves, counts, strict=True)
    )
    spread = max(float(np.abs(curve).max()) for curve in curves)
    if loss - bound <= rounding_of(len(curves), spread):
        detail = f"no block gains by its steps changing at {price:.9g} nats a step"
        certificate = Certificate("Lagrangian dual", min(bound, loss), detail)
        return Allocation(counts, loss, certificate)
    counts = _best_split(curves, budget)
    loss = _total(curves, counts)
    detail = f"all splits of {budget} steps among {len(curves)} blocks compared"
    return Allocation(counts, loss, Certificate("exhaustive DP", loss, detail))


def _frontier(index: int, values: ArrayLike) -> Floats:
    curve = np.asarray(values, dtype=np.float64)
    if curve.ndim != 1 or curve.size == 0 or not np.all(np.isfinite(curve)):
        raise InputError(
            f"frontiers[{index}]: need finite losses for 1, 2, ... steps, got {values!r}"
        )
    return curve


def _total(curves: Sequence[Floats], counts: Sequence[int]) -> float:
    return math.fsum(float(curve[count - 1]) for curve, count in zip(curves, counts, strict=True))


def _largest_gains(curves: Sequence[Floats], steps: int) -> tuple[tuple[int, ...], float]:
    """One step a block, the rest by the largest gains; and the last of these gains."""
    gains = np.concatenate([-np.diff(curve) for curve in curves])
    owner = np.repeat(np.arange(len(curves)), [curve.size - 1 for curve in curves])
    taken = np.argsort(-gains, kind="stable")[: steps - len(curves)]
    counts = 1 + np.bincount(owner[taken], minlength=len(curves))
    price = gains[taken[-1]] if taken.size else gains.max(initial=0.0)
    return tuple(int(count) for count in counts), float(price)


def _best_split(curves: Sequence[Floats], steps: int) -> tuple[int, ...]:
    """Min-plus convolution of the frontiers, O(K) for each entry of them."""
    best = np.full(steps + 1, np.inf)
    best[0] = 0.0
    choices = []
    for curve in curves:
        before, best = best, np.full(steps + 1, np.inf)
        choice = np.zeros(steps + 1, dtype=np.int64)
        for count, loss in enumerate(curve[:steps], start=1):
            through = before[: steps + 1 - count] + loss
            better = through < best[count:]
            best[count:][better] = through[better]
            choice[count:][better] = count
        choices.append(choice)
    counts = []
    left = steps
    for choice in reversed(choices):
        counts.append(int(choice[left]))
        left -= counts[-1]
    return tuple(reversed(counts))
