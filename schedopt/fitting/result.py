"""What a fit comes to: a schedule, what it loses, and what else was tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schedopt.clusters import Measured
from schedopt.errors import UsageError
from schedopt.evaluation import SamplerScore
from schedopt.schedule import UnmaskingSchedule
from schedopt.solution import Solution
from schedopt.solvers.blocks import Measure


@dataclass(frozen=True, eq=False)
class Candidate:
    """The best schedule of one order and block length for the whole budget.

    Args:
        name: Order and blocks, for people.
        solution: Losses are nats for the whole sequence.
        measures: What its sizes were chosen by: the curve or surface of one block that stands for
            all, or that of each block.
        score: Measured on the same windows for all candidates; None where there is but one.
    """

    name: str
    solution: Solution
    measures: tuple[Measure, ...]
    score: SamplerScore | None = None


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted schedule with what speaks for it.

    Args:
        solution: What the solver found for the fitted curve or surface, nats for the whole
            sequence of ``length`` positions. Its loss is optimistic: the solver picks what
            looks best in an estimate.
        loss: Excess over one position a step in the same order, nats for the whole sequence,
            measured on documents that were not used to choose the schedule.
        regret: Loss of the schedule over the least possible one in its order, minus 1, both on an
            estimate from documents that were not used to choose it.
        uniform_regret: The same for equal step sizes.
        least_loss: That least possible one, nats for the whole sequence. Where it is within the
            standard error of the loss, a share of it says little.
        nll: Sampler NLL of the schedule on those documents, nats for the whole sequence.
        checked_documents: How many documents the loss, the NLL and the regret are from.
        candidates: Best of each order and block length that was measured; the one chosen first,
            the others by their measured NLL.
        passes: Forward passes of one sequence each that all of this took.
        length: Positions sampled.
        context: Known tokens before them, or at most so many where ``ragged``.
        ragged: Whether contexts differ in length.
        provenance: What a schedule file says of all this.
    """

    solution: Solution
    loss: Measured
    regret: float
    uniform_regret: float
    least_loss: float
    nll: Measured
    checked_documents: int
    candidates: tuple[Candidate, ...]
    passes: int
    length: int
    context: int
    ragged: bool
    provenance: Mapping[str, Any]

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What the step sizes were chosen by: one curve or surface for all blocks, or one each."""
        return self.candidates[0].measures

    @property
    def measure(self) -> Measure:
        """The curve or surface that the step sizes of all blocks were chosen by.

        Raises:
            UsageError: Each block has one of its own.
        """
        if len(self.measures) > 1:
            raise UsageError(
                f"each of the {len(self.measures)} blocks has a measure of its own",
                hint="see `measures`",
            )
        return self.measures[0]

    def behind(self, candidate: Candidate) -> Measured:
        """How much more NLL a candidate had than the one chosen, nats for the whole sequence.

        On the windows among which it was chosen; below 0 where it measured better, but not surely
        so, and 0 where there was nothing to compare.
        """
        best = self.candidates[0].score
        if candidate.score is None or best is None:
            return Measured(0.0, 0.0)
        difference = candidate.score.minus(best)
        return Measured(difference.value * self.length, difference.stderr * self.length)

    @property
    def schedule(self) -> UnmaskingSchedule:
        """The schedule found."""
        return self.solution.schedule
