"""Policies: which masked positions of the active block are revealed next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from schedopt.samplers.active import ActiveBlocks, Bools, Integers
from schedopt.samplers.rankings import places, surest
from schedopt.schedule import UnmaskingSchedule

Chooser = Callable[[ActiveBlocks], Bools]


class Policy(Protocol):
    """A rule for revealing a block whose choices depend only on what is already revealed."""

    @property
    def label(self) -> str:
        """What tables call it."""
        ...

    @property
    def block_length(self) -> int:
        """Positions of one block."""
        ...

    @property
    def models(self) -> int:
        """How many models it calls: one more than the largest index it names."""
        ...

    @property
    def foreseen(self) -> bool:
        """Whether it asks for no scores, so that all its passes are known before the first."""
        ...

    def chooser(self, rows: Sequence[int], blocks: int, seed: int) -> Chooser:
        """Prepare for a batch whose rows have these indices in the run and so many blocks each.

        Returns:
            Maps active blocks to the positions to reveal, shape (R, B): at least one masked
            position of each row, and nothing else.
        """
        ...


@dataclass(frozen=True)
class SchedulePolicy:
    """Follows an unmasking schedule.

    An order that is known in advance follows the stateless rule: reveal the first group that
    still has a masked position; known positions are skipped, and so are groups without a masked
    one. A random order is drawn for each row and block. A planner reveals the surest positions:
    with m positions of the block known and N_{t-1} <= m < N_t, it reveals N_t - m of them. The
    pass of step t is made by the model that the schedule names for it.

    Args:
        schedule: What to follow, in each block of a longer sequence.
        label: What tables call it; the name of the order where left empty.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> policy = SchedulePolicy(dus_schedule(32))
        >>> policy.label, policy.block_length, policy.foreseen
        ('dilated', 32, True)
    """

    schedule: UnmaskingSchedule
    label: str = ""

    def __post_init__(self) -> None:
        if not self.label:
            object.__setattr__(self, "label", self.schedule.order.name)

    @property
    def block_length(self) -> int:
        """Positions of one block."""
        return self.schedule.length

    @property
    def models(self) -> int:
        """How many models it calls."""
        return self.schedule.models_called

    @property
    def foreseen(self) -> bool:
        """Whether the order is no planner's."""
        return not self.schedule.order.is_planner

    def chooser(self, rows: Sequence[int], blocks: int, seed: int) -> Chooser:
        """Prepare for a batch."""
        if self.schedule.order.is_planner:
            return self._planned(blocks)
        return self._fixed(rows, blocks, seed)

    def _planned(self, blocks: int) -> Chooser:
        name, length = self.schedule.order.name, self.schedule.length
        quota = quotas(self.schedule, blocks)
        models = self._models()
        if models is not None:
            models = np.repeat(models, self.schedule.step_sizes)  # [m]

        def choose(active: ActiveBlocks) -> Bools:
            known = length - active.masked.sum(axis=1)
            if models is not None:
                active.use(models[known])
            return surest(active.scores(name), quota[active.blocks, known])

        return choose

    def _fixed(self, rows: Sequence[int], blocks: int, seed: int) -> Chooser:
        length = self.schedule.length
        steps = steps_of_positions(self.schedule, rows, blocks, seed)
        models = self._models()

        def choose(active: ActiveBlocks) -> Bools:
            step = np.where(active.masked, steps[active.rows, active.blocks], length)
            first = step.min(axis=1)
            if models is not None:
                active.use(models[first])
            chosen: Bools = step == first[:, None]
            return chosen

        return choose

    def _models(self) -> Integers | None:
        """The model of each step, or None where there is one for all."""
        return None if self.schedule.models is None else np.asarray(self.schedule.models)


def quotas(schedule: UnmaskingSchedule, blocks: int) -> Integers:
    """How many positions a schedule reveals when m of a block are known.

    Args:
        schedule: Its sizes.
        blocks: Blocks of each row.

    Returns:
        Shape (blocks, length): N_t - m at m, where N_{t-1} <= m < N_t.

    Example:
        >>> from schedopt.schedule import Order
        >>> quotas(UnmaskingSchedule(4, Order("random"), (1, 3)), 1)
        array([[1, 3, 2, 1]])
    """
    sizes = [schedule.sizes_of_block(block) for block in range(blocks)]
    return np.stack([np.repeat(np.cumsum(s), s) - np.arange(schedule.length) for s in sizes])


def steps_of_positions(
    schedule: UnmaskingSchedule, rows: Sequence[int], blocks: int, seed: int
) -> Integers:
    """The step that reveals each position, where the order is known in advance.

    Args:
        schedule: Of a random or a fixed order.
        rows: Index of each row in the whole run, by which random orders are seeded.
        blocks: Blocks of each row.
        seed: Of random orders.

    Returns:
        Shape (rows, blocks, length), 0 for the first step.

    Example:
        >>> from schedopt.schedule import Order
        >>> steps_of_positions(UnmaskingSchedule(4, Order("dilated"), (1, 3)), [0], 1, seed=0)
        array([[[0, 1, 1, 1]]])
    """
    place = places(schedule.order, schedule.length, rows, blocks, seed)
    sizes = [schedule.sizes_of_block(block) for block in range(blocks)]
    step_of_place = np.stack([np.repeat(np.arange(len(s)), s) for s in sizes])  # [block, place]
    return step_of_place[np.arange(blocks)[:, None], place]


def as_policy(schedule: UnmaskingSchedule | Policy) -> Policy:
    """A schedule as a policy; a policy as it is.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> as_policy(dus_schedule(4)) == as_policy(as_policy(dus_schedule(4)))
        True
    """
    return SchedulePolicy(schedule) if isinstance(schedule, UnmaskingSchedule) else schedule
