"""What a chosen schedule loses on documents that it was not chosen by."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schedopt.clusters import Measured
from schedopt.data import Windows
from schedopt.evaluation import SamplerScore, sequential_policy
from schedopt.fitting.request import LEAST_WINDOWS, Request
from schedopt.fitting.work import Work
from schedopt.samplers.policies import SchedulePolicy
from schedopt.schedule import UnmaskingSchedule
from schedopt.sizes import uniform_sizes
from schedopt.solvers import loss_of_blocks, solve_blocks

# Windows before a standard error is trusted to stop by: that of 32 is itself known to 13 %.
LEAST_TO_STOP: Final = 32
GOLDEN: Final = (math.sqrt(5.0) - 1.0) / 2.0


@dataclass(frozen=True)
class Verified:
    """A schedule as it was measured; nats for the whole sequence.

    Args:
        loss: Excess over one position a step in the same order.
        nll: Sampler NLL.
        documents: How many documents they are from.
        windows: How many windows they are from.
        exhausted: Whether there is no more text to measure it on.
        passes_per_window: What one more window takes.
    """

    loss: Measured
    nll: Measured
    documents: int
    windows: int
    exhausted: bool
    passes_per_window: int

    def windows_for(self, stderr: float) -> int:
        """How many windows should do for a standard error, as it falls with their root."""
        ratio = self.loss.stderr / stderr
        return math.ceil(min(self.windows * ratio**2, 1e12)) if math.isfinite(ratio) else 10**12


def verify(
    work: Work,
    windows: Windows,
    schedule: UnmaskingSchedule,
    *,
    target_stderr: float | None = None,
    max_passes: int | None = None,
) -> Verified:
    """Measure a schedule and its sequential reference on the same windows.

    The schedule stays as it is while windows are added, and they are added by a rule that looks
    at the standard error alone: what has been measured is kept, and more of it only sharpens it.

    Args:
        work: Makes the passes.
        windows: Text that played no part in choosing the schedule.
        schedule: What was chosen.
        target_stderr: Add windows until the loss is known that well, nats; None for as many as
            ``work.passes`` allow, at least 8.
        max_passes: Add none that would take ``work.tally`` past this.
    """
    own = SchedulePolicy(schedule)
    reference = sequential_policy(schedule.order, schedule.length)
    steps = schedule.total_steps(windows.length)
    each = windows.length + steps
    spread = windows.take(evenly(len(windows)))
    most = len(spread)
    if max_passes is not None:
        most = min(most, max(LEAST_WINDOWS, (max_passes - work.tally.made) // each))
    wanted = max(LEAST_WINDOWS, work.passes // each)
    if target_stderr is not None:
        wanted = max(wanted, LEAST_TO_STOP)
    ours: list[SamplerScore] = []
    theirs: list[SamplerScore] = []
    done, expected = 0, 0
    while (count := _stop(spread.documents, done, wanted, most)) > done:
        new = spread.take(np.arange(done, count))
        work.tally.expect((max(count, min(expected, most)) - done) * each)
        # Windows that are added later draw random orders of their own.
        theirs.append(work.score(new, reference, stream=done))
        ours.append(work.score(new, own, stream=done))
        done = count
        score = ours[0].joined(*ours[1:])
        loss = score.minus(theirs[0].joined(*theirs[1:]))
        found = Verified(
            loss=Measured(loss.value * windows.length, loss.stderr * windows.length),
            nll=Measured(score.nll.value * windows.length, score.nll.stderr * windows.length),
            documents=len(np.unique(spread.documents[:done])),
            windows=done,
            exhausted=_stop(spread.documents, done, done + 1, len(spread)) == done,
            passes_per_window=each,
        )
        work.tally.stderr = found.loss.stderr
        if target_stderr is None or found.loss.stderr <= target_stderr:
            break
        # What the standard error asks for; but it is noisy itself, so an eighth more at least,
        # and at most as many again.
        expected = found.windows_for(target_stderr)
        wanted = min(2 * done, max(expected, done + done // 8 + 1))
    return found


def regrets(
    work: Work, request: Request, windows: Windows, schedule: UnmaskingSchedule
) -> tuple[float, float, float]:
    """Loss over the least possible one in its order, minus 1: of the schedule, and of equal sizes.

    And that least one, nats for the whole sequence.

    Args:
        work: Makes the passes.
        request: What was asked for.
        windows: Text that played no part in choosing the schedule.
        schedule: What was chosen.
    """
    block, blocks = schedule.length, request.length // schedule.length
    count = request.measures_of(block)
    found = work.measures(windows, schedule.order, block, count=count, stream=1)
    check = found if count > 1 else found[0]
    least = solve_blocks(check, blocks, steps=schedule.total_steps(request.length)).loss
    sizes = tuple(uniform_sizes(block, len(schedule.sizes_of_block(b))) for b in range(blocks))
    equal = replace(schedule, step_sizes=sizes[0], blocks=sizes)
    own, uniform = (loss_of_blocks(check, each, blocks) for each in (schedule, equal))
    return _relative(own, least), _relative(uniform, least), least


def evenly(count: int) -> NDArray[np.int64]:
    """0..count-1 in an order of which every beginning is spread evenly over the range.

    Each next one falls where the golden ratio puts it, into one of the widest gaps.

    Example:
        >>> evenly(8)
        array([0, 5, 2, 7, 4, 1, 6, 3])
    """
    places = np.arange(count) * GOLDEN % 1.0
    return np.argsort(np.argsort(places))


def _stop(documents: NDArray[np.int64], done: int, wanted: int, most: int) -> int:
    """Where windows from ``done`` on end that are of two documents, as each scoring needs.

    So many as are wanted, or the fewest more; ``done`` where no more do.
    """
    for count in range(min(wanted, most), most + 1):
        if len(np.unique(documents[done:count])) > 1:
            return count
    return done if done else most  # the first are refused where they are scored


def _relative(loss: float, least: float) -> float:
    """Regret as a share of the least loss; 0 where both vanish."""
    if least <= 1e-12:
        return 0.0 if loss <= 1e-12 else float("inf")
    return loss / least - 1.0
