"""Policies: which masked positions of the active block are revealed next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from schedopt.errors import UsageError
from schedopt.samplers.active import ActiveBlocks, Bools, Floats, Integers
from schedopt.samplers.randomness import row_generator
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

    def chooser(self, rows: Sequence[int], blocks: int, seed: int) -> Chooser:
        """Prepare for a batch whose rows have these indices in the run and so many blocks each.

        Returns:
            Maps active blocks to the positions to reveal, shape (R, B): at least one masked
            position of each row, and nothing else.
        """
        ...


def surest(scores: Floats, counts: Integers) -> Bools:
    """The ``counts[r]`` positions of row r with the largest scores; ties go to the left.

    Args:
        scores: Shape (R, B), -inf where a position cannot be had.
        counts: Shape (R,), at most the number of positions that can be had.

    Returns:
        Shape (R, B).

    Example:
        >>> surest(np.array([[0.2, 0.5, 0.5]]), np.array([2]))
        array([[False,  True,  True]])
    """
    ranking = np.argsort(-scores, axis=1, kind="stable")
    chosen = np.zeros(scores.shape, dtype=np.bool_)
    np.put_along_axis(chosen, ranking, np.arange(scores.shape[1]) < counts[:, None], axis=1)
    return chosen


@dataclass(frozen=True)
class SchedulePolicy:
    """Follows an unmasking schedule.

    An order that is known in advance follows the stateless rule: reveal the first group that
    still has a masked position; known positions are skipped, and so are groups without a masked
    one. A random order is drawn for each row and block. A planner reveals the surest positions:
    with m positions of the block known and N_{t-1} <= m < N_t, it reveals N_t - m of them.

    Args:
        schedule: What to follow, in each block of a longer sequence.
        label: What tables call it; the name of the order where left empty.

    Raises:
        UsageError: The schedule wants more than one model.
    """

    schedule: UnmaskingSchedule
    label: str = ""

    def __post_init__(self) -> None:
        if self.schedule.models is not None and len(set(self.schedule.models)) > 1:
            raise UsageError(
                f"the schedule switches between models {sorted(set(self.schedule.models))}: "
                "sampling takes one model",
                hint="solve for one model, without a light sibling",
            )
        if not self.label:
            object.__setattr__(self, "label", self.schedule.order.name)

    @property
    def block_length(self) -> int:
        """Positions of one block."""
        return self.schedule.length

    def chooser(self, rows: Sequence[int], blocks: int, seed: int) -> Chooser:
        """Prepare for a batch."""
        if self.schedule.order.is_planner:
            return self._planned(blocks)
        return self._fixed(rows, blocks, seed)

    def _planned(self, blocks: int) -> Chooser:
        name, length = self.schedule.order.name, self.schedule.length
        sizes = [self.schedule.sizes_of_block(block) for block in range(blocks)]
        # [block, m]: how many to reveal when m positions of the block are known.
        quotas = np.stack([np.repeat(np.cumsum(s), s) - np.arange(length) for s in sizes])

        def choose(active: ActiveBlocks) -> Bools:
            known = length - active.masked.sum(axis=1)
            return surest(active.scores(name), quotas[active.blocks, known])

        return choose

    def _fixed(self, rows: Sequence[int], blocks: int, seed: int) -> Chooser:
        length = self.schedule.length
        random = self.schedule.order.name == "random"
        # [row, block, position]: the step that reveals it. An order without chance has one row.
        steps = np.empty((len(rows) if random else 1, blocks, length), dtype=np.int64)
        for block in range(blocks):
            sizes = self.schedule.sizes_of_block(block)
            step_of_rank = np.repeat(np.arange(len(sizes)), sizes)
            for row, own in zip(rows, steps[:, block], strict=False):
                rng = row_generator(seed, row, block) if random else None
                own[list(self.schedule.order.permutation_for(length, rng=rng))] = step_of_rank
        steps = np.broadcast_to(steps, (len(rows), blocks, length))

        def choose(active: ActiveBlocks) -> Bools:
            step = np.where(active.masked, steps[active.rows, active.blocks], length)
            return np.asarray(step == step.min(axis=1, keepdims=True))

        return choose


def as_policy(schedule: UnmaskingSchedule | Policy) -> Policy:
    """A schedule as a policy; a policy as it is."""
    return SchedulePolicy(schedule) if isinstance(schedule, UnmaskingSchedule) else schedule
