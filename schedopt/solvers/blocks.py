"""Blocks that share one measure and one budget of steps."""

from __future__ import annotations

from dataclasses import replace

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.errors import InfeasibleError, UsageError
from schedopt.schedule import UnmaskingSchedule
from schedopt.solution import Solution, Status
from schedopt.solvers.allocation import allocate
from schedopt.solvers.optimal import loss_of, losses, solve


def solve_blocks(
    measure: InformationCurve | OrderSurface,
    blocks: int,
    *,
    steps: int | None = None,
    max_loss: float | None = None,
) -> Solution:
    """Best schedule of several blocks that share one measure and one budget.

    Args:
        measure: Of one block.
        blocks: Number of blocks.
        steps: Forward passes for all blocks together.
        max_loss: Nats for all blocks together, to be met with the fewest steps.

    Returns:
        A solution whose losses are sums over the blocks.

    Raises:
        UsageError: Fewer steps than blocks or more than positions.
        InfeasibleError: No schedule loses as little as max_loss.
    """
    if blocks == 1 or (steps is not None and max_loss is not None):  # both are refused there
        return solve(measure, steps=steps, max_loss=max_loss)
    if max_loss is not None:
        steps = _fewest_steps(measure, blocks, max_loss)
    steps = check_steps(steps, measure.length, blocks)
    frontier = losses(measure, min(measure.length, steps - blocks + 1))
    shares = allocate([frontier] * blocks, steps)
    found = {k: solve(measure, steps=k) for k in set(shares.steps)}
    sizes = tuple(found[k].schedule.step_sizes for k in shares.steps)
    first = found[shares.steps[0]]
    return replace(
        first,
        schedule=replace(
            first.schedule, step_sizes=sizes[0], blocks=None if len(found) == 1 else sizes
        ),
        loss=float(shares.loss),
        sequential=first.sequential * blocks,
        certificate=shares.certificate,
        status=Status.OPTIMAL
        if all(part.status is Status.OPTIMAL for part in found.values())
        else Status.BOUNDED,
    )


def _fewest_steps(measure: InformationCurve | OrderSurface, blocks: int, max_loss: float) -> int:
    """Fewest steps for all blocks together that lose at most this much together."""
    try:
        each = solve(measure, max_loss=max_loss / blocks).schedule.steps
    except InfeasibleError as error:
        raise InfeasibleError(
            f"max_loss {max_loss} for {blocks} blocks, of each: {error}"
        ) from None
    # Equal shares are met with so many steps; unequal ones may need fewer.
    enough = each * blocks
    frontier = losses(measure, min(measure.length, enough - blocks + 1))
    fewer = (k for k in range(blocks, enough) if allocate([frontier] * blocks, k).loss <= max_loss)
    return next(fewer, enough)


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


def loss_of_blocks(
    measure: InformationCurve | OrderSurface, schedule: UnmaskingSchedule, blocks: int
) -> float:
    """Predicted loss of a schedule over several blocks that share one measure, nats.

    Example:
        >>> from schedopt.schedule import Order
        >>> parity = InformationCurve([0.6931, 0.6931, 0.0])
        >>> loss_of_blocks(parity, UnmaskingSchedule(3, Order("random"), (3,)), blocks=2)
        1.3862
    """
    return float(sum(loss_of(measure, schedule.sizes_of_block(b)) for b in range(blocks)))
