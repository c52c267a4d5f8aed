"""The rows of an evaluation: where each sampler stands, and what others need to match it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from schedopt.cli.plan import Plan
from schedopt.evaluation import (
    Score,
    TaskScore,
    TextScore,
    aup_of,
    match,
    pareto_front,
    score_row,
)
from schedopt.evaluation.score import Cost
from schedopt.files import ScheduleFile
from schedopt.samplers import Policy


def rows_of(
    plan: Plan,
    scores: Mapping[Policy, Score],
    cost: Cost,
    sequential: Mapping[Policy, Policy] | None = None,
) -> dict[Policy, dict[str, Any]]:
    """A row for each policy, by policy.

    Args:
        plan: What is compared; differences are to its first schedule.
        scores: Of each of its policies.
        cost: What is spent.
        sequential: By policy, the one that reveals one position a step in the same order.
    """
    reference = next((scores[policy] for policy in plan.ours), None)
    standings = pareto_front(list(scores.values()), cost=cost)
    rows = {}
    for (policy, score), standing in zip(scores.items(), standings, strict=True):
        base = (sequential or {}).get(policy)
        row = score_row(
            score, reference=reference, sequential=None if base is None else scores[base]
        )
        rows[policy] = row | standing.as_row()
    return rows


def judged_rows(
    plan: Plan, judged: Mapping[Policy, TextScore], cost: Cost
) -> dict[Policy, dict[str, Any]]:
    """What a judge says of the samples of each policy, as a row, by policy."""
    reference = next((judged[policy] for policy in plan.ours if policy in judged), None)
    standings = pareto_front(list(judged.values()), cost=cost)
    return {
        policy: score.as_row(reference=reference) | standing.as_row()
        for (policy, score), standing in zip(judged.items(), standings, strict=True)
    }


def matches_of(plan: Plan, scores: Mapping[Policy, Score], cost: Cost) -> list[dict[str, Any]]:
    """What each family of planners has to spend for the quality of each schedule."""
    if not scores:
        return []
    rows = []
    for policy in plan.ours:
        for family in _families([scores[policy] for policy in plan.planners]):
            row = match(scores[policy], family, cost=cost).as_row()
            rows.append(row | _variety(scores[policy], family))
    return rows


def _variety(ours: Score, family: Sequence[Score]) -> dict[str, Any]:
    """Token entropies beside a judge's NLL: no match of one is a match of both."""
    if not isinstance(ours, TextScore):
        return {}
    theirs = [s.by_entropy.mean.value for s in family if isinstance(s, TextScore)]
    return {
        "token_entropy": ours.by_entropy.mean.value,
        "baseline_token_entropy_range": [min(theirs), max(theirs)],
    }


def _families(scores: Sequence[Score]) -> list[list[Score]]:
    families: dict[str, list[Score]] = {}
    for score in scores:
        families.setdefault(score.family, []).append(score)
    return list(families.values())


def areas_of(scores: Sequence[TaskScore], best: float | None) -> list[dict[str, Any]]:
    """AUP of each family; none where nothing is solved at all, and so no accuracy is the best.

    Args:
        scores: Of all samplers.
        best: The best accuracy of any method, per cent; the best one here where left out.
    """
    if best is None:
        best = 100.0 * max(score.mean.value for score in scores)
        if best == 0.0:
            return []
    areas = []
    for family in _families(scores):
        area = aup_of(family, best=best)
        areas.append(
            {
                "sampler": family[0].family,
                "points": len(family),
                "best": best,
                "aup": area.value,
                "stderr": area.stderr,
            }
        )
    return areas


def predicted(file: ScheduleFile) -> dict[str, float]:
    """The predicted excess, nats per token."""
    if file.prediction is None:
        return {}
    blocks = len(file.schedule.blocks or [0]) if file.prediction.per == "sequence" else 1
    tokens = blocks * file.schedule.length
    row = {"predicted_excess": file.prediction.loss / tokens}
    if file.prediction.stderr is not None:
        row["predicted_excess_stderr"] = file.prediction.stderr / tokens
    return row
