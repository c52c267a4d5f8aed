"""fit = estimate + solve: from a model and text to the schedule for a budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from schedopt.clusters import Measured
from schedopt.curve import InformationCurve, OrderSurface
from schedopt.data import DEFAULT_LENGTH, Windows, load_windows
from schedopt.errors import NoisyEstimateError, UsageError
from schedopt.estimators import DEFAULT_PASSES, Smoothing, estimate
from schedopt.estimators.estimate import check_effort
from schedopt.estimators.gaps import GapModel, estimate_gaps
from schedopt.estimators.probe import blocks_of
from schedopt.evaluation import SamplerScore, evaluate, sequential_policy
from schedopt.models import Denoiser, load_model
from schedopt.samplers import Policy
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.sizes import uniform_sizes
from schedopt.solution import Solution
from schedopt.solvers import check_steps, loss_of_blocks, solve_blocks
from schedopt.solvers.orders import (
    LEAST_BLOCK,
    family_surfaces,
    predicted_surface,
    rank_surfaces,
    search_orders,
)
from schedopt.solvers.robust import solve_uncertain
from schedopt.solvers.search import find_order
from theory.orders import pipelined_order

Progress = Callable[[int, int], None]
Measure = InformationCurve | OrderSurface

LEAST_WINDOWS: Final = 8
WORTH_A_LOOK: Final = (
    1.05  # predicted NLL over the least: a prediction excludes only what is far behind
)
SURE: Final = 2.0  # standard errors by which a plan must measure better than the plain one
PROMISING: Final = 4  # of a family of orders, by the gap model; each is measured
DILATED: Final = Order("dilated", base=2)


@dataclass(frozen=True, eq=False)
class Candidate:
    """The best schedule of one order and block length for the whole budget.

    Args:
        name: Order and blocks, for people.
        solution: Losses are nats for the whole sequence.
        measure: What its sizes were chosen by: the curve or surface of one block.
        score: Measured on the same windows for all candidates; None where there is but one.
    """

    name: str
    solution: Solution
    measure: InformationCurve | OrderSurface
    score: SamplerScore | None


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
        nll: Sampler NLL of the schedule on those documents, nats for the whole sequence.
        checked_documents: How many documents the loss, the NLL and the regret are from.
        candidates: Best of each order and block length that was measured; the one chosen first,
            the others by their measured NLL.
        length: Positions sampled.
        context: Known tokens before them.
        provenance: What a schedule file says of all this.
    """

    solution: Solution
    loss: Measured
    regret: float
    uniform_regret: float
    nll: Measured
    checked_documents: int
    candidates: tuple[Candidate, ...]
    length: int
    context: int
    provenance: Mapping[str, Any]

    @property
    def measure(self) -> InformationCurve | OrderSurface:
        """The curve or surface that the step sizes were chosen by."""
        return self.candidates[0].measure

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


def _equal_sizes(schedule: UnmaskingSchedule, blocks: int) -> UnmaskingSchedule:
    """The schedule with equal step sizes and as many steps in each block."""
    sizes = tuple(
        uniform_sizes(schedule.length, len(schedule.sizes_of_block(b))) for b in range(blocks)
    )
    return replace(schedule, step_sizes=sizes[0], blocks=sizes)


def block_lengths(length: int, block_length: int | Literal["auto"] | None, steps: int) -> list[int]:
    """Block lengths to try: the one given, or the divisors of the length that the steps allow."""
    if block_length is None:
        return [length]
    if block_length != "auto":
        return [block_length]
    return [
        b
        for b in range(length, 0, -1)
        if length % b == 0 and (b >= LEAST_BLOCK or b == length) and length // b <= steps
    ]


def _describe(order: Order, block: int, length: int) -> str:
    base = f", base {order.base}" if order.base is not None else ""
    blocks = "" if block == length else f", blocks of {block}"
    return f"{order.name}{base}{blocks}"


def _dilated_plans(gaps: GapModel, length: int, steps: int, least: float) -> list[int]:
    """Block lengths at which the dilated order is worth an estimate: the whole, and the best other.

    Not the other where the gap model expects much more than the least NLL of it.
    """
    blocks = [b for b in block_lengths(length, "auto", steps) if b < length]
    if not blocks:
        return [length]
    successive = {
        str(b): Order("explicit", permutation=pipelined_order(length, block=b, lag=1.0))
        for b in blocks
    }
    best = search_orders(gaps, steps=steps, family=successive)[0]
    return [length, int(best.name)] if best.nll <= WORTH_A_LOOK * least else [length]


def _ranked(candidates: list[Candidate], *, prefer_first: bool) -> list[Candidate]:
    """Least measured NLL first; or the first candidate where no other is surely better.

    The more plans are measured, the luckier is the best of them: without a difference of twice its
    standard error the plain one is kept.
    """
    plain = candidates[0]
    ranked = sorted(candidates, key=lambda c: 0.0 if c.score is None else c.score.nll.value)
    if prefer_first and plain.score is not None and ranked[0].score is not None:
        ahead = plain.score.minus(ranked[0].score)
        if ahead.value <= SURE * ahead.stderr:
            ranked.remove(plain)
            ranked.insert(0, plain)
    return ranked


def fit(
    model: str | Path | Denoiser = "tiny",
    data: str | Path | Windows | None = None,
    *,
    length: int | None = None,
    context: int | None = None,
    part: tuple[int, int] = (1, 1),
    block_length: int | Literal["auto"] | None = None,
    order: Order | None = None,
    steps: int | None = None,
    max_loss: float | None = None,
    passes: int = DEFAULT_PASSES,
    smoothing: Smoothing = "smooth",
    robust: float | None = None,
    max_stderr: float | None = None,
    seed: int = 0,
    device: str = "cpu",
    dtype: str = "float32",
    mask_id: int | None = None,
    progress: Progress | None = None,
) -> Fit:
    """Measure a model on half of the documents, solve, and check on the other half.

    Args:
        model: Alias, folder, or a denoiser.
        data: ``.txt`` or ``.jsonl`` file, windows, or None for the bundled text.
        length: Positions to be sampled; the block length where one is given, else 64.
        context: Known tokens before them; 64, or less where the model has no room.
        part: As ``load_windows``; every document by default.
        block_length: Positions of one block, or ``"auto"`` to try the divisors of the length and
            keep the best for the budget. Where neither it nor the order is given, and the budget
            is one of steps and not robust, order, blocks and boundaries are chosen together: a
            gap model picks a few plans, and one that measures better than the dilated order in
            one block, by twice the standard error of the difference, is kept.
        order: Where it is given alone, the block is the whole length; where the block length is
            given alone, the order is dilated with base 2.
        steps: Forward passes for the whole length; length / 8 where neither budget is given.
        max_loss: Nats for the whole length; the fewest steps that the fitted measure promises.
        passes: Forward passes of each part of the work, at most: the gap model, each estimate,
            each comparison, the check estimate, the verification.
        smoothing: As ``estimate``.
        robust: Confidence of a band around the estimate, by its standard errors: the sizes are
            chosen for the worst curve or surface in the band. None takes the estimate as it is.
        max_stderr: Refuse a result whose loss is known less well than this, nats.
        seed: Of all draws.
        device: As ``load_model``.
        dtype: As ``load_model``.
        mask_id: As ``load_model``.
        progress: Called with the number of passes done and their total.

    Raises:
        UsageError: A planner's order, or a budget that no schedule meets.
        InputError: Text that is too short, or a single document.
        NoisyEstimateError: The loss is known less well than ``max_stderr``.

    Example:
        >>> result = fit(length=16, context=16, steps=4, passes=64)
        >>> sum(result.schedule.step_sizes)
        16
    """
    denoiser = (
        load_model(model, device=device, dtype=dtype, mask_id=mask_id)
        if isinstance(model, str | Path)
        else model
    )
    if isinstance(data, Windows):
        windows = data
        about: dict[str, str | int] = {
            "name": "windows",
            "documents": len(np.unique(data.documents)),
        }
        if length not in (None, data.length) or context not in (None, data.context):
            raise UsageError(
                f"the windows have length {data.length} and context {data.context}: leave these "
                f"out, or give the same; got {length} and {context}"
            )
    else:
        block = block_length if isinstance(block_length, int) else DEFAULT_LENGTH
        windows, about = load_windows(
            denoiser,
            data,
            length=block if length is None else length,
            context=context,
            part=part,
        )
    length = windows.length
    if steps is None and max_loss is None:
        steps = max(1, length // 8)
    # What cannot be met is refused before the passes that it would take to find out.
    if steps is not None and max_loss is not None:
        raise UsageError(f"need one of steps and max_loss, got {steps=} and {max_loss=}")
    if robust is not None and steps is None:
        raise UsageError("a robust fit needs a budget of steps", hint="--steps, not --max-loss")
    if block_length == "auto" and steps is None:
        raise UsageError("block length auto needs a budget of steps", hint="give --steps")
    block = block_length if isinstance(block_length, int) else length
    if steps is not None:
        check_steps(steps, block, blocks_of(windows, block))
    check_effort(smoothing, passes, block)
    chosen_on, checked_on = windows.split(0.5, seed=seed)
    together = (
        order is None and block_length is None and steps is not None and robust is None
    )  # a gap model has no standard errors
    tried = block_lengths(length, block_length, steps or length)
    # Together: a gap model and two estimates, then these two, the promising and the searched plan.
    made = 3 if together else len(tried)
    compared = 3 + PROMISING if together else len(tried) if len(tried) > 1 else 0
    tally = _Tally(progress, passes, parts=made + compared + 2)

    def measure(on: Windows, order: Order, block: int, offset: int) -> Measure:
        return estimate(
            denoiser,
            on,
            order=order,
            block_length=block,
            passes=passes,
            seed=seed + offset,
            smoothing=smoothing,
            progress=tally.part(),
        ).measure

    def score(on: Windows, schedule: UnmaskingSchedule | Policy, share: float) -> SamplerScore:
        return evaluate(denoiser, on, [schedule], seed=seed, progress=tally.part(share))[0]

    def solved(order: Order, block: int) -> tuple[Solution, Measure]:
        found = measure(chosen_on, order, block, 0)
        blocks = length // block
        if robust is not None and steps is not None:
            cautious = solve_uncertain(found, steps=steps, blocks=blocks, confidence=robust)
            return cautious, found
        return solve_blocks(found, blocks, steps=steps, max_loss=max_loss), found

    plans: list[tuple[str, Solution, Measure]] = []
    if together and steps is not None:
        gaps = estimate_gaps(denoiser, chosen_on, passes=passes, seed=seed, progress=tally.part())
        surfaces = family_surfaces(gaps)
        ranked = rank_surfaces(surfaces, steps=steps)
        for block in _dilated_plans(gaps, length, steps, ranked[0].nll):
            plans.append((_describe(DILATED, block, length), *solved(DILATED, block)))
        others = [plan for plan in ranked[:PROMISING] if plan.solution.schedule.order != DILATED]
        searched = find_order(gaps, steps=steps, surfaces=surfaces)
        if searched.name not in surfaces:
            others.append(searched)
        for plan in others:
            surface = predicted_surface(gaps, plan.solution.schedule.order)
            plans.append((plan.name, plan.solution, surface))
    else:
        fixed = DILATED if order is None else order
        for block in tried:
            plans.append((_describe(fixed, block, length), *solved(fixed, block)))
    tally.finish(made)
    scores: list[SamplerScore | None] = [None]
    if len(plans) > 1:
        # Plans differ by less than texts do, so all are compared on the same text.
        cost = max(solution.schedule.total_steps(length) for _, solution, _ in plans)
        on = chosen_on.at_most(max(LEAST_WINDOWS, passes // cost))
        scores = [score(on, solution.schedule, 1.0) for _, solution, _ in plans]
    tally.finish(made + compared)
    candidates = [Candidate(*plan, score) for plan, score in zip(plans, scores, strict=True)]
    candidates = _ranked(candidates, prefer_first=together)
    best = candidates[0]
    schedule, blocks = best.solution.schedule, length // best.solution.schedule.length

    check = measure(checked_on, schedule.order, schedule.length, 1)
    total = schedule.total_steps(length)
    least = solve_blocks(check, blocks, steps=total).loss
    on = checked_on.at_most(max(LEAST_WINDOWS, passes // (length + total)))
    share = length / (length + total)
    sequential = score(on, sequential_policy(schedule.order, schedule.length), share)
    own = score(on, schedule, 1.0 - share)
    loss = own.minus(sequential)
    result = Fit(
        solution=best.solution,
        loss=Measured(loss.value * length, loss.stderr * length),
        regret=_relative(loss_of_blocks(check, schedule, blocks), least),
        uniform_regret=_relative(
            loss_of_blocks(check, _equal_sizes(schedule, blocks), blocks), least
        ),
        nll=Measured(own.nll.value * length, own.nll.stderr * length),
        checked_documents=len(np.unique(on.documents)),
        candidates=tuple(candidates),
        length=length,
        context=windows.context,
        provenance={
            "seed": seed,
            "model": dict(denoiser.provenance),
            "data": about,
            "estimate": {
                "documents": len(np.unique(chosen_on.documents)),
                "checked_documents": len(np.unique(on.documents)),
                "passes": passes,
                "length": length,
                "context": windows.context,
                "block_length": schedule.length,
                "fit": smoothing,
            },
        },
    )
    if max_stderr is not None and loss.stderr * length > max_stderr:
        raise NoisyEstimateError(
            f"the loss is {loss.value * length:.4g} nats with standard error "
            f"{loss.stderr * length:.4g}, more than {max_stderr:g}",
            estimate=result,
            hint=f"use more passes (--passes {2 * passes}) or more text",
        )
    return result


class _Tally:
    """One progress report of a job whose parts take about as many passes each."""

    def __init__(self, progress: Progress | None, passes: int, *, parts: int) -> None:
        self._progress, self._passes, self._parts, self._done = progress, passes, parts, 0.0

    def finish(self, parts: int) -> None:
        """So many parts are done, or turned out not to be needed."""
        self._done = float(parts)

    def part(self, share: float = 1.0) -> Progress:
        """Progress of what is such a share of the next part."""
        before, self._done = self._done, self._done + share

        def report(done: int, total: int) -> None:
            if self._progress is not None:
                parts = before + share * done / total
                self._progress(round(self._passes * parts), self._passes * self._parts)

        return report


def _relative(loss: float, least: float) -> float:
    """Regret as a share of the least loss; 0 where both vanish."""
    if least <= 1e-12:
        return 0.0 if loss <= 1e-12 else float("inf")
    return loss / least - 1.0
