"""DUS's speed and quality by block size, beside the same blocks with optimal steps.

    python experiments/dus_speed.py --model tiny
    python experiments/dus_speed.py --model build/models/base --device cuda --windows 700 \\
        --passes 16384 --batch 256

128 bytes after 128 known ones; sampler NLL, nats a byte. For each block size, in exactly the passes
that DUS takes:

- ``dus``: its own steps in each block, block after block;
- ``same order``: the same positions in the same order, cut into as many steps where it is best
  (a step may end one block and start the next);
- ``best``: the plan that ``schedopt.solvers.find_order`` finds for these passes;
- ``confidence``: as many positions a pass, the most confident ones of all 128.

Orders and steps are found on one half of the documents, from one gap model, and measured on the
other. Differences to ``dus`` are paired by window; errors are over documents. ``published_speedup``
is that of the reference implementation's README (B / passes).
"""

from __future__ import annotations

import time
from typing import Any

from common import parse_study, setting, study_parser, write_result

from schedopt.data import load_windows
from schedopt.estimators import estimate_gaps
from schedopt.evaluation import evaluate, score_row
from schedopt.models import load_model
from schedopt.samplers import Policy, SchedulePolicy, policy_for
from schedopt.schedule import Order
from schedopt.sizes import dus_schedule
from schedopt.solvers import family_surfaces, find_order, plan_order
from theory.orders import pipelined_order

LENGTH, CONTEXT = 128, 128
PUBLISHED = {8: 2.7, 16: 4.0, 32: 6.4, 64: 10.7}  # arXiv:2506.19037 and its README


def main() -> None:
    parser = study_parser(__doc__, windows=96, passes=3072)
    parser.add_argument("--blocks", type=int, nargs="+", default=[8, 16, 32, 64, 128])
    args = parse_study(parser)
    started = time.monotonic()
    model = load_model(args.model, device=args.device)
    windows, about = load_windows(model, length=LENGTH, context=CONTEXT, limit=args.windows)
    chosen_on, measured_on = windows.split(0.5, seed=args.seed)
    gaps = estimate_gaps(model, chosen_on, passes=args.passes, seed=args.seed, batch=args.batch)
    surfaces = family_surfaces(gaps)
    print(f"gap model after {time.monotonic() - started:.0f} s", flush=True)
    rows: list[dict[str, Any]] = []
    for block in args.blocks:
        dus = dus_schedule(block)
        steps = dus.total_steps(LENGTH)
        order = Order("explicit", permutation=pipelined_order(LENGTH, block=block, lag=1.0))
        same = plan_order(gaps, "same order", order, steps=steps)
        best = find_order(gaps, steps=steps, surfaces=surfaces)
        policies: dict[str, Policy] = {
            "dus": SchedulePolicy(dus, "dus"),
            "same order": SchedulePolicy(same.solution.schedule, "same order"),
            "best": SchedulePolicy(best.solution.schedule, best.name),
            "confidence": policy_for("confidence", block_length=LENGTH, steps=steps),
        }
        scores = evaluate(
            model, measured_on, list(policies.values()), seed=args.seed, batch_size=args.batch
        )
        for kind, score in zip(policies, scores, strict=True):
            row = {
                "block": block,
                "kind": kind,
                **score_row(score, reference=scores[0]),
                "speedup": LENGTH / score.nfe,
                "published_speedup": PUBLISHED.get(block) if kind == "dus" else None,
            }
            rows.append(row)
            print(
                f"{time.monotonic() - started:6.0f} s {block:4d} {kind:12}{row['nfe']:6.1f} passes"
                f" {row['nll']:.4f} difference {row['difference']:+.4f}"
                f" +- {row['difference_stderr']:.4f}  {score.sampler}",
                flush=True,
            )
    write_result(
        f"dus_speed_{args.name}",
        {
            "about": __doc__,
            **setting(args, model, about, chosen=chosen_on, measured=measured_on),
            "rows": rows,
        },
        started,
    )


if __name__ == "__main__":
    main()
