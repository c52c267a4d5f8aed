"""The main job: predicted against measured loss, and all samplers at equal passes.

    python experiments/main_job.py --model tiny --name tiny
    python experiments/main_job.py --model build/models/base --name base --device cuda

128 bytes after 128 known ones, on the bundled held-out text. Documents are split in three:
on the first part curves and surfaces are estimated and schedules solved; on the second the
loss of each schedule is predicted; on the third everything is measured.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch
from common import write_result

from schedopt.data import Windows, load_windows
from schedopt.estimators import estimate
from schedopt.evaluation import SamplerScore, evaluate, match, score_row, sequential_policy
from schedopt.models import load_model
from schedopt.samplers import SchedulePolicy, policy_for
from schedopt.schedule import Order
from schedopt.solvers import solve_blocks

LENGTH, CONTEXT = 128, 128
BUDGETS = (4, 8, 16, 32, 64)
BLOCKS = (128, 64, 32, 16)
PLANNER_BLOCK = 32  # of EB and threshold; Fast-dLLM's
GAMMAS = (1.0, 0.3, 0.1, 0.02)
TAUS = (0.5, 0.7, 0.9)
DILATED, RANDOM, LEFT = Order("dilated", base=2), Order("random"), Order("left_to_right")


def our_schedules(args: argparse.Namespace, model: Any, windows: Windows) -> dict[str, list[Any]]:
    """Optimal schedules of every order, block length and budget, from the first part."""
    found: dict[str, list[Any]] = {}
    for order, block in [(RANDOM, LENGTH), *((DILATED, b) for b in BLOCKS)]:
        measure = estimate(
            model, windows, order=order, block_length=block, passes=args.passes, seed=args.seed
        ).measure
        name = f"{order.name} optimal, B={block}"
        for budget in BUDGETS:
            if budget >= LENGTH // block:
                solution = solve_blocks(measure, LENGTH // block, steps=budget)
                found.setdefault(name, []).append((budget, solution))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--name", default="tiny")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--passes", type=int, default=32768)
    parser.add_argument("--windows", type=int, help="use only so many windows of the text")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    started = time.monotonic()
    torch.set_float32_matmul_precision("high")
    model = load_model(args.model, device=args.device)
    windows, about = load_windows(model, length=LENGTH, context=CONTEXT, limit=args.windows)
    ours_on, measured_on = windows.split(0.5, seed=args.seed)
    chosen_on, predicted_on = ours_on.split(0.5, seed=args.seed)
    print([len(w) for w in (chosen_on, predicted_on, measured_on)], flush=True)

    found = our_schedules(args, model, chosen_on)
    print(f"solved after {time.monotonic() - started:.0f} s", flush=True)
    ours: list[SchedulePolicy] = [
        SchedulePolicy(solution.schedule, f"{name}:{budget}")
        for name, solutions in found.items()
        for budget, solution in solutions
    ]
    orders = [(RANDOM, LENGTH), *((DILATED, b) for b in BLOCKS), (LEFT, LENGTH)]
    sequential = [sequential_policy(order, block) for order, block in orders]

    def key(policy: Any) -> tuple[str, int]:
        return policy.schedule.order.name, policy.block_length

    predicted = evaluate(
        model, predicted_on, [*ours, *sequential], seed=args.seed, batch_size=args.batch
    )
    reference = {key(p): s for p, s in zip(sequential, predicted[len(ours) :], strict=True)}
    prediction = {
        policy.label: score.minus(reference[key(policy)])
        for policy, score in zip(ours, predicted, strict=False)
    }
    print(f"predicted after {time.monotonic() - started:.0f} s", flush=True)

    planners: list[Any] = []
    for budget in BUDGETS:
        for name in ("random", "cosine", "dilated", "confidence", "entropy"):
            planners.append(policy_for(name, block_length=LENGTH, steps=budget))
    planners += [policy_for(f"dus:{b}", block_length=LENGTH) for b in BLOCKS]
    planners += [policy_for(f"eb:{g}", block_length=PLANNER_BLOCK) for g in GAMMAS]
    planners += [policy_for(f"threshold:{t}", block_length=PLANNER_BLOCK) for t in TAUS]
    scores: list[SamplerScore] = []
    for policy in [*ours, *sequential, *planners]:
        scores += evaluate(model, measured_on, [policy], seed=args.seed, batch_size=args.batch)
        row = scores[-1]
        print(
            f"{time.monotonic() - started:6.0f} s {row.sampler:28s} B={row.block_length:<4d}"
            f"{row.nfe:7.1f} {row.nll.value:.4f} +- {row.nll.stderr:.4f}",
            flush=True,
        )
    measured = dict(zip([*ours, *sequential, *planners], scores, strict=True))
    rows = []
    random_score = dict(zip(BUDGETS, scores[: len(BUDGETS)], strict=True))
    for policy, score in measured.items():
        is_ours = policy in ours
        row = score_row(
            score,
            reference=random_score[BUDGETS[0]],
            sequential=measured[sequential[[key(p) for p in sequential].index(key(policy))]]
            if is_ours
            else None,
        )
        if is_ours:
            forecast = prediction[policy.label]
            difference = row["excess"] - forecast.value
            stderr = (forecast.stderr**2 + row["excess_stderr"] ** 2) ** 0.5
            row |= {
                "predicted_excess": forecast.value,
                "predicted_excess_stderr": forecast.stderr,
                "within_95": abs(difference) <= 1.96 * stderr,
                "blocks": [
                    list(policy.schedule.sizes_of_block(b))
                    for b in range(LENGTH // policy.block_length)
                ],
            }
        rows.append(row)

    best = {}
    for budget in BUDGETS:
        choices = [p for p in ours if p.label.endswith(f":{budget}")]
        best[budget] = min(choices, key=lambda p: measured[p].nll.value)
    families = {
        "random uniform": [measured[p] for p in planners if p.label == "random"],
        "random cosine": [measured[p] for p in planners if p.label == "cosine"],
        "random optimal": [s for p, s in measured.items() if p.label.startswith("random optimal")],
        "dilated uniform": [measured[p] for p in planners if p.label == "dilated"],
        "dilated optimal, B=128": [
            s for p, s in measured.items() if p.label.startswith("dilated optimal, B=128")
        ],
        "confidence": [measured[p] for p in planners if p.label == "confidence"],
        "entropy": [measured[p] for p in planners if p.label == "entropy"],
        "eb": [measured[p] for p in planners if p.label.startswith("eb")],
        "threshold": [measured[p] for p in planners if p.label.startswith("threshold")],
    }
    dus_matches = []
    for block in BLOCKS:
        score = next(measured[p] for p in planners if p.label == f"dus:{block}")
        name = "dilated optimal, B=128"
        dus_matches.append(
            {"dus_block": block, "by": name, **match(score, families[name]).as_row()}
        )
    matches = [
        {"budget": budget, "family": name, **match(measured[policy], family).as_row()}
        for budget, policy in best.items()
        for name, family in families.items()
    ]
    write_result(
        f"main_job_{args.name}",
        {
            "about": f"{LENGTH} bytes after {CONTEXT}; nats per byte, sampler NLL at temperature 1",
            "model": {**model.provenance, "name": args.name},
            "data": about,
            "windows": {
                "chosen": len(chosen_on),
                "predicted": len(predicted_on),
                "measured": len(measured_on),
            },
            "passes_per_estimate": args.passes,
            "seed": args.seed,
            "rows": rows,
            "best_by_budget": {str(b): p.label for b, p in best.items()},
            "matches": matches,
            "dus_matches": dus_matches,
        },
        started,
    )


if __name__ == "__main__":
    main()
