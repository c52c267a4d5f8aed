"""The adaptive planner: a ranking, a rule, and schedules that hold it on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schedopt.errors import UsageError
from schedopt.samplers.active import ActiveBlocks, Bools
from schedopt.samplers.policies import Chooser, quotas
from schedopt.samplers.rankings import filled, ranking, surest
from schedopt.samplers.rules import Rule, leading, need_probability
from schedopt.samplers.spacing import gaps, spaced
from schedopt.schedule import Order, UnmaskingSchedule


@dataclass(frozen=True)
class Planner:
    """Reveals what a rule finds good enough, in the order of a ranking, within bounds.

    Of the masked positions of a block, in each pass:

    1. the rule says which may be revealed together; along an order that is known in advance, the
       walk stops at the first that may not;
    2. of those the ``cap`` leaves as many as its schedule would reveal, the first of the ranking;
    3. the ``gate`` leaves the confident ones, and ``spacing`` those far enough apart;
    4. the ``floor`` adds the next of the ranking until there are as many as its schedule would
       reveal; without one there is at least one.

    What a schedule would reveal depends on how many positions are known: with
    N_{t-1} <= m < N_t it is N_t - m. So a pass with a cap never crosses a boundary of its
    schedule, and a block takes as many passes as that has or more; a pass with a floor reaches
    the next boundary, and a block takes as many passes as its schedule has or fewer. Along one
    order, an entropy bound with the cap alone refines a schedule where the text is hard; with
    the floor alone it takes several steps at once where it is easy.

    Args:
        block_length: Positions of one block.
        rule: Says what is good enough.
        order: Ranks positions; the rule's own ranking where left out.
        cap: Its sizes are the most to reveal, or None.
        floor: Its sizes are the least to reveal, or None; it has the last word.
        spacing: g_0 of dilated spacing, >= 1, or None for none.
        gate: Least confidence of what the rule may reveal, 0 < gate <= 1, or None.
        label: What tables call it.

    Raises:
        UsageError: An argument out of range, or an order or a schedule for another block length,
            or a schedule for several models.

    References:
        DUS (arXiv:2506.19037), section 4.4, for spacing as a filter; theory, section 11.6.

    Example:
        >>> from schedopt.samplers.rules import EntropyBound
        >>> planner = Planner(32, EntropyBound(0.5), Order("dilated"), spacing=8)
        >>> planner.label, planner.foreseen
        ('EntropyBound', False)
    """

    block_length: int
    rule: Rule
    order: Order | None = None
    cap: UnmaskingSchedule | None = None
    floor: UnmaskingSchedule | None = None
    spacing: int | None = None
    gate: float | None = None
    label: str = ""

    def __post_init__(self) -> None:
        if self.block_length < 1:
            raise UsageError(
                f"block length: need a whole number >= 1, got {self.block_length}",
                hint="such as 32",
            )
        for name, schedule in (("cap", self.cap), ("floor", self.floor)):
            if schedule is None:
                continue
            if schedule.length != self.block_length:
                raise UsageError(
                    f"{name}: the schedule is for blocks of {schedule.length}, "
                    f"need {self.block_length}",
                    hint=f"give a block length of {schedule.length}",
                )
            if schedule.models_called > 1:
                raise UsageError(
                    f"{name}: the schedule names models {list(schedule.models or ())}, but a "
                    "planner calls one",
                    hint="solve for one model, or follow the schedule itself",
                )
        if self.order is not None and self.order.permutation is not None:
            self.order.permutation_for(self.block_length)
        if self.spacing is not None and self.spacing < 1:
            raise UsageError(
                f"spacing: need a whole number >= 1, got {self.spacing}", hint="such as 4"
            )
        if self.gate is not None:
            need_probability("gate", self.gate)
        if not self.label:
            object.__setattr__(self, "label", type(self.rule).__name__)

    @property
    def models(self) -> int:
        """How many models it calls: one."""
        return 1

    @property
    def foreseen(self) -> bool:
        """No: it looks at the scores of each pass."""
        return False

    def chooser(self, rows: Sequence[int], blocks: int, seed: int) -> Chooser:
        """Prepare for a batch."""
        order = self.order or Order(self.rule.ranking)
        length = self.block_length
        rank = ranking(order, length, rows, blocks, seed)
        may = self.rule.start(len(rows))
        cap = None if self.cap is None else quotas(self.cap, blocks)
        floor = None if self.floor is None else quotas(self.floor, blocks)

        def choose(active: ActiveBlocks) -> Bools:
            scores = rank(active)
            known = length - active.masked.sum(axis=1)
            ready = may(active, scores) & active.masked
            if not order.is_planner:
                ready = leading(ready, scores)
            if cap is not None:
                counts = np.minimum(ready.sum(axis=1), cap[active.blocks, known])
                ready = surest(np.where(ready, scores, -np.inf), counts)
            if self.gate is not None:
                ready &= active.scores("confidence") >= self.gate
            if self.spacing is not None:
                ready = spaced(ready, scores, gaps(active.masked, self.spacing))
            least = 1 if floor is None else floor[active.blocks, known]
            return filled(ready, scores, np.maximum(ready.sum(axis=1), least))

        return choose
