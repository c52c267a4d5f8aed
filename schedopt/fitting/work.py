"""The forward passes of a fit, and one report of how far they are."""

from __future__ import annotations

from dataclasses import dataclass

from schedopt.data import Windows
from schedopt.estimators import Smoothing, estimate
from schedopt.estimators.gaps import GapModel, estimate_gaps
from schedopt.evaluation import SamplerScore, evaluate
from schedopt.models import Denoiser
from schedopt.running import Progress, Runner
from schedopt.samplers.policies import SchedulePolicy
from schedopt.schedule import Order
from schedopt.solvers.blocks import Measure


class Tally:
    """One report of a job whose parts take about as many passes as was expected of them.

    Args:
        progress: Told the passes done, those expected in all, and the standard error so far.
        ahead: Passes that are expected.

    Attributes:
        stderr: Of the loss, nats for the whole sequence, once it has been measured.
    """

    def __init__(self, progress: Progress | None, ahead: int) -> None:
        self._progress, self._ahead = progress, ahead
        self._before = self._now = 0
        self.stderr: float | None = None

    @property
    def made(self) -> int:
        """Passes that the parts have reported."""
        return self._before + self._now

    def expect(self, ahead: int) -> None:
        """So many passes are still to come after those reported."""
        self._ahead = ahead

    def part(self, expected: int, *, unit: int = 1) -> Progress:
        """The report of the next part.

        Args:
            expected: Passes that were expected of it.
            unit: Passes of each thing that the part counts.
        """
        self._before, self._now = self.made, 0
        self._ahead = max(0, self._ahead - expected)

        def report(done: int, total: int, stderr: float | None = None, /) -> None:
            self._now = done * unit
            if self._progress is not None:
                expected = self._before + total * unit + self._ahead
                self._progress(self.made, expected, stderr if self.stderr is None else self.stderr)

        return report


@dataclass(frozen=True, eq=False)
class Work:
    """A model, and how each part of a fit is to be measured on it.

    Args:
        denoiser: The model.
        passes: Of each estimate, at most; each comparison takes about as many.
        seed: Of all draws.
        smoothing: Of the estimates.
        runner: Shares and journals the passes.
        tally: Counts them.
    """

    denoiser: Denoiser
    passes: int
    seed: int
    smoothing: Smoothing
    runner: Runner
    tally: Tally

    def gaps(self, windows: Windows) -> GapModel:
        """The gap model of one block of the whole length."""
        return estimate_gaps(
            self.denoiser,
            windows,
            passes=self.passes,
            seed=self.seed,
            progress=self.tally.part(self.passes),
            runner=self.runner,
        )

    def measures(
        self, windows: Windows, order: Order, block_length: int, *, count: int, stream: int = 0
    ) -> tuple[Measure, ...]:
        """The curve or surface of a block: one that is averaged over the blocks, or one of each.

        Args:
            windows: The text.
            order: The order within a block.
            block_length: Positions of a block.
            count: 1, or the number of blocks.
            stream: Sets the draws apart from those of another estimate.
        """
        return tuple(
            estimate(
                self.denoiser,
                windows,
                order=order,
                block_length=block_length,
                block=block,
                passes=self.passes,
                seed=self.seed + stream,
                smoothing=self.smoothing,
                progress=self.tally.part(self.passes),
                runner=self.runner,
            ).measure
            for block in (range(count) if count > 1 else [None])
        )

    def score(self, windows: Windows, policy: SchedulePolicy, *, stream: int = 0) -> SamplerScore:
        """The sampler NLL of a schedule."""
        steps = policy.schedule.total_steps(windows.length)
        (score,) = evaluate(
            self.denoiser,
            windows,
            [policy],
            seed=self.seed + stream,
            progress=self.tally.part(steps * len(windows), unit=steps),
            runner=self.runner,
        )
        return score
