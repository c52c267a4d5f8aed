"""Plans for one budget: orders and blocks, each with its best sizes, and the one that is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from schedopt.data import Windows
from schedopt.estimators.gaps import GapModel
from schedopt.fitting.request import LEAST_WINDOWS, PROMISING, Request, block_lengths
from schedopt.fitting.result import Candidate
from schedopt.fitting.work import Work
from schedopt.samplers.policies import SchedulePolicy
from schedopt.schedule import Order
from schedopt.solvers import solve_blocks
from schedopt.solvers.orders import (
    family_surfaces,
    predicted_surface,
    rank_surfaces,
    search_orders,
)
from schedopt.solvers.robust import solve_uncertain
from schedopt.solvers.search import find_order
from theory.orders import pipelined_order

# Predicted NLL over the least: a prediction excludes only what is far behind.
WORTH_A_LOOK: Final = 1.05
SURE: Final = 2.0  # standard errors by which a plan must measure better than the plain one
DILATED: Final = Order("dilated", base=2)


def propose(work: Work, request: Request, windows: Windows) -> list[Candidate]:
    """The plans that are worth a measurement; the plain one first.

    Args:
        work: Makes the passes.
        request: What is asked for.
        windows: Text to estimate on.
    """
    if request.together and request.steps is not None:
        return _together(work, request, windows, request.steps)
    order = DILATED if request.order is None else request.order
    return [_solved(work, request, windows, order, block) for block in request.block_lengths]


def compare(
    work: Work, request: Request, windows: Windows, plans: Sequence[Candidate]
) -> list[Candidate]:
    """The plans with their scores on the same text; the one to be kept first.

    Args:
        work: Makes the passes.
        request: What is asked for.
        windows: Text to score on; plans differ by less than texts do.
        plans: What ``propose`` found.
    """
    if len(plans) == 1:
        return list(plans)
    most = max(plan.solution.schedule.total_steps(windows.length) for plan in plans)
    on = windows.at_most(max(LEAST_WINDOWS, work.passes // most))
    scored = [
        replace(plan, score=work.score(on, SchedulePolicy(plan.solution.schedule)))
        for plan in plans
    ]
    return _ranked(scored, prefer_first=request.together)


def _solved(work: Work, request: Request, windows: Windows, order: Order, block: int) -> Candidate:
    """The best sizes of one order and block length."""
    measures = work.measures(windows, order, block, count=request.measures_of(block))
    blocks = request.length // block
    if request.robust is not None and request.steps is not None:
        solution = solve_uncertain(
            measures[0], steps=request.steps, blocks=blocks, confidence=request.robust
        )
    else:
        solution = solve_blocks(
            measures if len(measures) > 1 else measures[0],
            blocks,
            steps=request.steps,
            max_loss=request.max_loss,
        )
    return Candidate(_described(order, block, request.length), solution, measures)


def _together(work: Work, request: Request, windows: Windows, steps: int) -> list[Candidate]:
    """The dilated order, and what a gap model picks of the others."""
    gaps = work.gaps(windows)
    surfaces = family_surfaces(gaps)
    ranked = rank_surfaces(surfaces, steps=steps)
    others = [plan for plan in ranked[:PROMISING] if plan.solution.schedule.order != DILATED]
    searched = find_order(gaps, steps=steps, surfaces=surfaces)
    if searched.name not in surfaces:
        others.append(searched)
    return [
        *(
            _solved(work, request, windows, DILATED, block)
            for block in _dilated_blocks(gaps, request.length, steps, ranked[0].nll)
        ),
        *(
            Candidate(
                plan.name,
                plan.solution,
                (predicted_surface(gaps, plan.solution.schedule.order),),
            )
            for plan in others
        ),
    ]


def _dilated_blocks(gaps: GapModel, length: int, steps: int, least: float) -> list[int]:
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


def _described(order: Order, block: int, length: int) -> str:
    base = f", base {order.base}" if order.base is not None else ""
    blocks = "" if block == length else f", blocks of {block}"
    return f"{order.name}{base}{blocks}"


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
