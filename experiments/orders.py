"""Better orders than dilated: what a gap model promises, and what its winners measure.

    python experiments/orders.py --model tiny --name tiny
    python experiments/orders.py --model build/models/base --name base --device cuda

128 bytes after 128 known ones, on the bundled held-out text. Documents are split in two: on one
half the gap model is fitted to random-mask passes, orders are searched, and boundaries are
solved; on the other half all plans of a budget are measured, with the differences to the
dilated order of base 2 in one block. For each budget the plans are

- ``dilated``: base 2, one block, boundaries from an estimate for that order (the plan to beat);
- ``blocks``: the same order in blocks of 64, 32 and 16, steps by greedy allocation;
- ``family``: the best of the family (bases, parallel, overlapping, successive blocks) by the gap
  model, with the gap model's boundaries, and with boundaries from an estimate for that order;
- ``improved``: local search on the gap model from that plan; then again after passes with its own
  known sets have been added to the fit (``round 1``, ``round 2``, ..), since the search finds the
  errors of the model first.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from common import write_result

from schedopt.data import Windows, generator, load_windows
from schedopt.estimators import estimate
from schedopt.estimators.gaps import GapSums, probe_gaps, varied_orders
from schedopt.evaluation import evaluate
from schedopt.models import load_model
from schedopt.samplers import SchedulePolicy
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.solvers import solve_blocks
from schedopt.solvers.orders import Plan, improve_order, search_orders

LENGTH, CONTEXT = 128, 128
BUDGETS = (4, 8, 16, 32, 64)
BLOCKS = (64, 32, 16)
DILATED = Order("dilated", base=2)


class Study:
    """Passes on the first half of the documents, and the gap model they give so far."""

    def __init__(self, model: Any, windows: Windows, passes: int, batch: int) -> None:
        self.model, self.windows, self.batch, self.used = model, windows, batch, 0
        rng = generator(0, passes)
        known = rng.permutation(np.arange(passes) * LENGTH // passes)
        self.sums = self._probe(varied_orders(LENGTH, passes, rng), known)

    def _probe(self, orders: Any, known: Any) -> GapSums:
        self.used += len(known)
        return probe_gaps(
            self.model, self.windows, orders=orders, known=known, seed=self.used, batch=self.batch
        )

    def gap_model(self, sums: GapSums | None = None) -> Any:
        return (self.sums if sums is None else sums).solve(LENGTH, has_context=True)

    def passes_of(self, plan: Plan, passes: int) -> GapSums:
        """Sums of passes with the known sets of a plan's own steps."""
        schedule = plan.solution.schedule
        positions = np.asarray(schedule.order.permutation_for(LENGTH))
        known = np.resize(schedule.boundaries[:-1], passes)
        return self._probe(np.tile(positions, (passes, 1)), known)


def solved(study: Study, order: Order, budget: int, passes: int, block: int = LENGTH) -> Any:
    """Best schedule of an order, from an estimate for that order."""
    key = (order, block)
    if key not in CACHE:
        CACHE[key] = estimate(
            study.model,
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
    model = study.gap_model()
    best = search_orders(model, steps=budget)[0]
    add("family, gap model", best.name, best.solution)
    order = best.solution.schedule.order
    add("family, own estimate", best.name, solved(study, order, budget, args.passes))
    sums, plan = study.sums, best
    for number in range(args.rounds + 1):
        plan = improve_order(model, plan)
        add(f"improved, round {number}", plan.name, plan.solution)
        if number < args.rounds:
            sums = sums + study.passes_of(plan, args.passes // 4)
            model = study.gap_model(sums)
            plan = min(
                (again(model, p) for p in (plan, search_orders(model, steps=budget)[0])),
                key=lambda p: p.nll,
            )
    return found


def again(model: Any, plan: Plan) -> Plan:
    """The same order under another model."""
    order = plan.solution.schedule.order
    return search_orders(model, steps=plan.solution.schedule.steps, family={plan.name: order})[0]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--name", default="tiny")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--passes", type=int, default=16384)
    parser.add_argument("--rounds", type=int, default=3)
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
    study = Study(model, chosen_on, args.passes, args.batch)
    print(f"{study.used} passes after {time.monotonic() - started:.0f} s", flush=True)
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
            "rounds": args.rounds,
            "seed": args.seed,
            "rows": rows,
        },
        started,
    )


if __name__ == "__main__":
    main()
