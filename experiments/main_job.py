"""The main job: predicted against measured loss, and all samplers at equal passes.

    python experiments/main_job.py --passes 16384 --batch 512 --device cuda        # tiny
    python experiments/main_job.py --model build/models/base --windows 700 --passes 32768 \
        --batch 512 --device cuda

128 tokens after 128 known ones, on the bundled held-out text. Documents are split in three:
on the first part curves and surfaces are estimated and schedules solved; on the second the
loss of each schedule is measured, which predicts it for other documents; on the third everything
is measured.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from common import parse_study, setting, study_parser, write_result
from fronts import ABOUT, DILATED, LEFT, LENGTH, RANDOM, load_study, measure, solve_budgets

from schedopt.clusters import Measured
from schedopt.data import Windows
from schedopt.evaluation import SamplerScore, match, score_row, sequential_policy
from schedopt.samplers import SchedulePolicy, policy_for
from schedopt.samplers.policies import Policy

BUDGETS = (4, 8, 16, 32, 64)
BLOCKS = (128, 64, 32, 16)
ORDERS = ((RANDOM, LENGTH), *((DILATED, block) for block in BLOCKS))
SIZED = ("random", "cosine", "dilated", "confidence", "entropy")
PLANNER_BLOCK = 32  # of EB and threshold; Fast-dLLM's
GAMMAS = (1.0, 0.3, 0.1, 0.02)
TAUS = (0.5, 0.7, 0.9)
# Families by name, each the beginning of its labels.
FAMILIES = {
    "random uniform": "random:",
    "random cosine": "cosine:",
    "random optimal": "random optimal",
    "dilated uniform": "dilated:",
    "dilated optimal, B=128": "dilated optimal, B=128",
    "confidence": "confidence:",
    "entropy": "entropy:",
    "eb": "eb:",
    "threshold": "threshold:",
}


def our_schedules(
    args: argparse.Namespace, model: Any, windows: Windows
) -> dict[str, SchedulePolicy]:
    """Optimal schedules of every order, block length and budget, from the first part."""
    found = {}
    for order, block in ORDERS:
        for k, solution in solve_budgets(model, windows, order, block, BUDGETS, args).items():
            name = f"{order.name} optimal, B={block}:{k}"
            found[name] = SchedulePolicy(solution.schedule, name)
    return found


def planners() -> dict[str, Policy]:
    """What ours are compared to, by spelling and number of passes."""
    found = {
        f"{name}:{k}": policy_for(name, block_length=LENGTH, steps=k)
        for k in BUDGETS
        for name in SIZED
    }
    spellings = {f"dus:{block}": LENGTH for block in BLOCKS}
    spellings |= {f"eb:{gamma}": PLANNER_BLOCK for gamma in GAMMAS}
    spellings |= {f"threshold:{tau}": PLANNER_BLOCK for tau in TAUS}
    return found | {s: policy_for(s, block_length=block) for s, block in spellings.items()}


def sequential_of(policy: SchedulePolicy) -> str:
    return f"sequential {policy.schedule.order.name}, B={policy.block_length}"


def own_row(policy: SchedulePolicy, row: dict[str, Any], predicted: Measured) -> dict[str, Any]:
    """What the row of one of our schedules says beside the score."""
    stderr = (predicted.stderr**2 + row["excess_stderr"] ** 2) ** 0.5
    return row | {
        "predicted_excess": predicted.value,
        "predicted_excess_stderr": predicted.stderr,
        "within_95": abs(row["excess"] - predicted.value) <= 1.96 * stderr,
        "blocks": [
            list(policy.schedule.sizes_of_block(b)) for b in range(LENGTH // policy.block_length)
        ],
    }


def main() -> None:
    args = parse_study(study_parser(__doc__, passes=32768))
    started = time.monotonic()
    model, windows, about = load_study(args)
    ours_on, measured_on = windows.split(0.5, seed=args.seed)
    chosen_on, predicted_on = ours_on.split(0.5, seed=args.seed)
    parts = {"chosen": chosen_on, "predicted": predicted_on, "measured": measured_on}
    print({name: len(part) for name, part in parts.items()}, flush=True)

    ours = our_schedules(args, model, chosen_on)
    print(f"solved after {time.monotonic() - started:.0f} s", flush=True)
    sequential: dict[str, Policy] = {}
    for order, block in (*ORDERS, (LEFT, LENGTH)):
        policy = sequential_policy(order, block)
        sequential[sequential_of(policy)] = policy

    def measured(policies: dict[str, Policy], on: Windows) -> dict[str, SamplerScore]:
        return dict(zip(policies, measure(model, on, list(policies.values()), args), strict=True))

    before = measured({**ours, **sequential}, predicted_on)
    scores = measured({**ours, **sequential, **planners()}, measured_on)
    reference = scores[f"random optimal, B={LENGTH}:{BUDGETS[0]}"]
    rows = []
    for name, score in scores.items():
        if name not in ours:
            rows.append(score_row(score, reference=reference))
            continue
        beside = sequential_of(ours[name])
        row = score_row(score, reference=reference, sequential=scores[beside])
        rows.append(own_row(ours[name], row, before[name].minus(before[beside])))

    families = {
        family: [score for name, score in scores.items() if name.startswith(prefix)]
        for family, prefix in FAMILIES.items()
    }
    best = {
        k: min(
            (name for name in ours if name.endswith(f":{k}")),
            key=lambda name: scores[name].nll.value,
        )
        for k in BUDGETS
    }
    one_block = "dilated optimal, B=128"
    write_result(
        f"main_job_{args.name}",
        {
            "about": ABOUT,
            **setting(args, model, about, **parts),
            "rows": rows,
            "best_by_budget": {str(k): name for k, name in best.items()},
            "matches": [
                {"budget": k, "family": family, **match(scores[name], members).as_row()}
                for k, name in best.items()
                for family, members in families.items()
            ],
            "dus_matches": [
                {
                    "dus_block": block,
                    "by": one_block,
                    **match(scores[f"dus:{block}"], families[one_block]).as_row(),
                }
                for block in BLOCKS
            ],
        },
        started,
    )


if __name__ == "__main__":
    main()
