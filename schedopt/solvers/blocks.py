"""Blocks that share one budget of steps, and one measure or one each."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.errors import InfeasibleError, UsageError
from schedopt.schedule import UnmaskingSchedule
from schedopt.solution import Solution, Status
from schedopt.solvers.allocation import allocate
from schedopt.solvers.optimal import LOSS_TOLERANCE, loss_of, losses, solve
from schedopt.solvers.paths import Floats

Measure = InformationCurve | OrderSurface
Measures = Measure | Sequence[Measure]


def solve_blocks(
    measure: Measures,
    blocks: int,
    *,
    steps: int | None = None,
    max_loss: float | None = None,
) -> Solution:
    """Best schedule of several blocks that share one budget.

    The blocks' losses add, so that each block takes the best sizes for its share of the steps, and
    the shares are those with the least sum.

    Args:
        measure: Of one block, for all of them; or a sequence with one for each block.
        blocks: Number of blocks.
        steps: Forward passes for all blocks together.
        max_loss: Nats for all blocks together, to be met with the fewest steps.

    Returns:
        A solution whose losses are sums over the blocks.

    Raises:
        UsageError: Fewer steps than blocks or more than positions, not one measure for each
            block, or measures of different lengths or orders.
        InfeasibleError: No schedule loses as little as max_loss.

    References:
        theory, section 4.6.

    Example:
        >>> rich, poor = InformationCurve([2.0, 1.0, 0.0]), InformationCurve([2.0, 2.0, 2.0])
        >>> solution = solve_blocks([rich, poor], 2, steps=4)
        >>> solution.schedule.blocks, solution.loss
        (((1, 1, 1), (3,)), 0.0)
    """
    each = measures_of_blocks(measure, blocks)
    if blocks == 1 or (steps is not None and max_loss is not None):  # both are refused there
        return solve(each[0], steps=steps, max_loss=max_loss)
    if max_loss is not None:
        steps = _fewest_steps(each, max_loss)
    steps = check_steps(steps, each[0].length, blocks)
    shares = allocate(_frontiers(each, steps - blocks + 1), steps)
    chosen = list(zip(each, shares.steps, strict=True))
    solved = {(own, k): solve(own, steps=k) for own, k in set(chosen)}
    parts = [solved[choice] for choice in chosen]
    sizes = tuple(part.schedule.step_sizes for part in parts)
    return replace(
        parts[0],
        schedule=replace(parts[0].schedule, blocks=None if len(set(sizes)) == 1 else sizes),
        loss=float(shares.loss),
        sequential=math.fsum(part.sequential for part in parts),
        certificate=shares.certificate,
        status=Status.OPTIMAL
        if all(part.status is Status.OPTIMAL for part in parts)
        else Status.BOUNDED,
    )


def loss_of_blocks(measure: Measures, schedule: UnmaskingSchedule, blocks: int) -> float:
    """Predicted loss of a schedule over several blocks, nats.

    Args:
        measure: Of one block, for all of them; or a sequence with one for each block.
        schedule: Its sizes, or those that it lists for each block.
        blocks: Number of blocks.

    Raises:
        UsageError: Not one measure for each block, or the sizes do not suit them.

    Example:
        >>> from schedopt.schedule import Order
        >>> parity = InformationCurve([0.6931, 0.6931, 0.0])
        >>> loss_of_blocks(parity, UnmaskingSchedule(3, Order("random"), (3,)), blocks=2)
        1.3862
    """
    each = measures_of_blocks(measure, blocks)
    return float(sum(loss_of(own, schedule.sizes_of_block(b)) for b, own in enumerate(each)))


def measures_of_blocks(measure: Measures, blocks: int) -> tuple[Measure, ...]:
    """One measure for each block: the same for all, or those that are given.

    Raises:
        UsageError: There is not one for each block, or they differ in length or order.
    """
    if blocks < 1:
        raise UsageError(f"need at least one block, got {blocks}")
    if not isinstance(measure, Sequence):
        return (measure,) * blocks
    if len(measure) != blocks:
        raise UsageError(
            f"need one measure, or one for each of {blocks} blocks, got {len(measure)}"
        )
    kinds = {(own.length, own.order if isinstance(own, OrderSurface) else None) for own in measure}
    if len(kinds) > 1:
        raise UsageError(
            "the measures of the blocks must be of one length and one order, got lengths "
            f"{', '.join(str(own.length) for own in measure)}"
        )
    return tuple(measure)


def blocks_of(length: int, block_length: int) -> int:
    """How many blocks of this length the positions after the context are.

    Raises:
        UsageError: They are not a whole number of blocks.

    Example:
        >>> blocks_of(128, 32)
        4
    """
    if block_length < 1 or length % block_length:
        raise UsageError(
            f"block length {block_length}: need a divisor of the {length} positions "
            "after the context",
            hint="give another --block-length, or a --length that it divides",
        )
    return length // block_length


def check_steps(steps: int | None, block_length: int, blocks: int) -> int:
    """Refuse a number of steps that blocks of this length cannot share.

    Raises:
        UsageError: Fewer steps than blocks, more than positions, or none at all.
    """
    if steps is None or not blocks <= steps <= block_length * blocks:
        of = f"{blocks} blocks of " if blocks > 1 else ""
        raise UsageError(
            f"steps: {of}{block_length} positions need "
            f"{blocks} <= steps <= {block_length * blocks}, got {steps}"
        )
    return steps


def _frontiers(each: Sequence[Measure], most: int) -> list[Floats]:
    """Losses of each block with 1, 2, ... up to so many steps; found once for a shared measure."""
    found = {own: losses(own, min(own.length, most)) for own in set(each)}
    return [found[own] for own in each]


def _fewest_steps(each: Sequence[Measure], max_loss: float) -> int:
    """Fewest steps for all blocks together that lose at most this much together."""
    if not math.isfinite(max_loss):
        raise UsageError(f"need a finite max_loss in nats, got {max_loss!r}")
    # With at most, not exactly, so many steps no block loses more for having more: what is met
    # with K steps is met with all more, and the fewest are found by halving.
    frontiers = [np.minimum.accumulate(f) for f in _frontiers(each, each[0].length)]
    least = math.fsum(float(frontier[-1]) for frontier in frontiers)
    accepted = max_loss + LOSS_TOLERANCE * abs(max_loss)
    if least > accepted:
        raise InfeasibleError(
            f"need max_loss >= {least:.6g} nats, the least loss of {len(each)} blocks with any "
            f"number of steps, got {max_loss}"
        )
    budgets = range(len(each), len(each) * each[0].length + 1)
    index = bisect_left(budgets, True, key=lambda k: allocate(frontiers, k).loss <= accepted)
    return budgets[min(index, len(budgets) - 1)]
