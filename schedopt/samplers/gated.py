"""DUS done right: positions that the model is unsure of wait for the next step, none is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schedopt.errors import UsageError
from schedopt.samplers.active import ActiveBlocks, Bools
from schedopt.samplers.policies import Chooser, steps_of_positions
from schedopt.samplers.rankings import filled
from schedopt.samplers.rules import need_probability
from schedopt.schedule import UnmaskingSchedule


@dataclass(frozen=True)
class GatedSchedule:
    """A schedule whose unsure positions are put off.

    Each pass is the turn of one group of the schedule. Of its positions, and of those put off
    before, the ones that the model gives at least the gate's confidence are revealed, or the
    surest of them where there is none; the others join the next group. With the last group comes
    the last pass, which reveals all. ``extra`` passes may follow before: then each of the last
    1 + extra reveals at least its equal share of what is left.

    So a block takes as many passes as it has groups with a masked position, as without a gate,
    and at most ``extra`` more.

    The reference of DUS masks unsure positions again after their turn and never comes back to
    them: its output keeps mask tokens.

    Args:
        schedule: Of an order that is known in advance.
        gate: Least confidence to be revealed before the last step, 0 < gate <= 1.
        extra: Passes after the last group's turn, >= 0.
        label: What tables call it; the name of the order where left empty.

    Raises:
        UsageError: The order is a planner's, the gate no probability, or extra negative.

    References:
        DUS (arXiv:2506.19037), whose reference has the gate ``confidence_threshold``.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> GatedSchedule(dus_schedule(32), gate=0.3).block_length
        32
    """

    schedule: UnmaskingSchedule
    gate: float
    extra: int = 0
    label: str = ""

    def __post_init__(self) -> None:
        if self.schedule.order.is_planner:
            raise UsageError(
                f"gate: the order {self.schedule.order.name!r} depends on values, so no group is "
                "known in advance",
                hint="take a random, dilated, left-to-right or explicit order",
            )
        need_probability("gate", self.gate)
        if self.extra < 0:
            raise UsageError(
                f"extra: need a whole number of passes >= 0, got {self.extra}", hint="0 is none"
            )
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
        """No: it looks at the confidence of each pass."""
        return False

    def chooser(self, rows: Sequence[int], blocks: int, seed: int) -> Chooser:
        """Prepare for a batch."""
        steps = steps_of_positions(self.schedule, rows, blocks, seed)
        models = self.schedule.models
        turn = np.full((len(rows), blocks), -1)  # step of the group whose turn was last
        left = np.full((len(rows), blocks), 1 + self.extra)  # passes from the last turn on

        def choose(active: ActiveBlocks) -> Bools:
            at = active.rows, active.blocks
            step = np.where(active.masked, steps[at], -1)
            to_come = step > turn[at][:, None]
            following = np.where(to_come, step, self.block_length).min(axis=1)
            now = np.where(to_come.any(axis=1), following, turn[at])
            if models is not None:
                active.use(np.asarray(models)[now])
            due = active.masked & (step <= now[:, None])
            last = ~np.any(step > now[:, None], axis=1)
            confidence = np.where(due, active.scores("confidence"), -np.inf)
            sure = due & (confidence >= self.gate)
            share = np.where(last, -(-due.sum(axis=1) // left[at]), 1)
            turn[at] = now
            left[at] -= last
            return filled(sure, confidence, np.maximum(sure.sum(axis=1), share))

        return choose
