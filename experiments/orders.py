"""Better orders than dilated: what a gap model promises, and what its winners measure.

    python experiments/orders.py --model tiny --name tiny
    python experiments/orders.py --model build/models/base --name base --device cuda

128 bytes after 128 known ones, on the bundled held-out text. Documents are split in two: on one
half the gap model is fitted to random-mask passes, orders are searched, and boundaries are
solved; on the other half all plans of a budget are measured, with the differences to the
dilated order of base 2 in one block. For each budget the plans are

- ``dilated``: base 2, one block, boundaries from an estimate for that order (the plan to beat);
- ``blocks``: the same order in blocks of 64, 32 and 16, steps by greedy allocation;
- ``family``: the best of the family (bases, parallel, overlapping, successive blocks, bisections)
  by the gap model;
- ``family, measured``: of the eight best by the gap model, the one that measures best on the half
  that plans are chosen on; and the same with boundaries from an estimate for its order;
- ``searched``: the best of the family, of a plan gap by gap, and of local search from the best
  three, by the gap model alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from common import write_result

from schedopt.data import Windows, load_windows
from schedopt.estimators import estimate, estimate_gaps
from schedopt.evaluation import evaluate
from schedopt.models import load_model
from schedopt.samplers import SchedulePolicy
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.solvers import Plan, family_surfaces, find_order, rank_surfaces, solve_blocks

LENGTH, CONTEXT = 128, 128
BUDGETS = (4, 8, 16, 32, 64)
BLOCKS = (64, 32, 16)
SHORTLIST = 8
DILATED = Order("dilated", base=2)


class Study:
    """The half of the documents that plans are chosen on, and the gap model fitted to it."""

    def __init__(self, denoiser: Any, windows: Windows, args: argparse.Namespace) -> None:
        self.denoiser, self.windows, self.batch = denoiser, windows, args.batch
        self.model = estimate_gaps(denoiser, windows, passes=args.passes, batch=args.batch)
        self.surfaces = family_surfaces(self.model)

    def best(self, plans: Sequence[Plan]) -> Plan:
        """The plan of least measured NLL."""
        schedules = [plan.solution.schedule for plan in plans]
        scores = evaluate(self.denoiser, self.windows, schedules, batch_size=self.batch)
        return plans[int(np.argmin([score.nll.value for score in scores]))]


def solved(study: Study, order: Order, budget: int, passes: int, block: int = LENGTH) -> Any:
    """Best schedule of an order, from an estimate for that order."""
    key = (order, block)
    if key not in CACHE:
        CACHE[key] = estimate(
            study.denoiser,
            study.windows,
            order=order,
            block_length=block,
            passes=passes,
            batch=study.batch,
        ).measure
    return solve_blocks(CACHE[key], LENGTH // block, steps=budget)


CACHE: dict[Any, Any] = {}


def plans_for(study: Study, budget: int, args: argparse.Namespace) -> list[tuple[str, str, Any]]:
    """Name, description and (schedule, predicted NLL in nats) of every plan of a budget."""
    found: list[tuple[str, str, UnmaskingSchedule, float]] = []

    def add(name: str, about: str, solution: Any) -> None:
        found.append((name, about, solution.schedule, solution.sequential + solution.loss))

    add("dilated", "dilated, base 2", solved(study, DILATED, budget, args.passes))
    for block in BLOCKS:
        if budget >= LENGTH // block:
            add(
                f"blocks of {block}",
                "dilated, base 2",
                solved(study, DILATED, budget, args.passes, block),
            )
    ranked = rank_surfaces(study.surfaces, steps=budget)
    add("family", ranked[0].name, ranked[0].solution)
    best = study.best(ranked[:SHORTLIST])
    add("family, measured", best.name, best.solution)
    own = solved(study, best.solution.schedule.order, budget, args.passes)
    add("family, own estimate", best.name, own)
    searched = find_order(study.model, steps=budget, surfaces=study.surfaces)
    add("searched", searched.name, searched.solution)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--name", default="tiny")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--passes", type=int, default=16384)
    parser.add_argument("--budgets", type=int, nargs="+", default=BUDGETS)
    parser.add_argument("--windows", type=int, help="use only so many windows of the text")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    started = time.monotonic()
    torch.set_float32_matmul_precision("high")
    model = load_model(args.model, device=args.device)
    windows, about = load_windows(model, length=LENGTH, context=CONTEXT, limit=args.windows)
    chosen_on, measured_on = windows.split(0.5, seed=args.seed)
    study = Study(model, chosen_on, args)
    print(f"gap model after {time.monotonic() - started:.0f} s", flush=True)
    rows = []
    for budget in args.budgets:
        plans = plans_for(study, budget, args)
        policies = [SchedulePolicy(schedule, name) for name, _, schedule, _ in plans]
        scores = evaluate(model, measured_on, policies, seed=args.seed, batch_size=args.batch)
        for (name, order, schedule, predicted), score in zip(plans, scores, strict=True):
            difference = score.minus(scores[0])
            row = {
                "budget": budget,
                "plan": name,
                "order": order,
                "block": schedule.length,
                "predicted": predicted / LENGTH,
                "nll": score.nll.value,
                "stderr": score.nll.stderr,
                "difference": difference.value,
                "difference_stderr": difference.stderr,
                "nfe": score.nfe,
                "step_sizes": [
                    list(schedule.sizes_of_block(b)) for b in range(LENGTH // schedule.length)
                ],
                "permutation": schedule.order.permutation,
            }
            rows.append(row)
            print(
                f"{time.monotonic() - started:6.0f} s {budget:3d} {name:22s} {order:40s}"
                f" predicted {row['predicted']:.4f} measured {row['nll']:.4f}"
                f" difference {row['difference']:+.4f} +- {row['difference_stderr']:.4f}",
                flush=True,
            )
    write_result(
        f"orders_{args.name}",
        {
            "about": f"{LENGTH} bytes after {CONTEXT}; nats per byte, sampler NLL at temperature 1",
            "model": {**model.provenance, "name": args.name},
            "data": about,
            "windows": {"chosen": len(chosen_on), "measured": len(measured_on)},
            "passes": args.passes,
            "seed": args.seed,
            "rows": rows,
        },
        started,
    )


if __name__ == "__main__":
    main()
