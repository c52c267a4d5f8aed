"""No decoder is best at every number of rounds: all of them by rounds and cost, on a model.

    python experiments/rounds.py --windows 48 --passes 1024
    python experiments/rounds.py --model build/models/base --device cuda --windows 700 --batch 512

128 bytes after 128 known ones. Sizes, and the dilated order's block length, are chosen on other
documents than those that all decoders are measured on. The cost is the sampler NLL of the 128
bytes less that of one position a step in the best sequential order (``best_sequential``; from left
to right), paired. ``excess``, of random orders alone, is the loss to parallel steps: less one
position a step in the same order. That is the sum of total correlations of Wen, Liang and Lu
(arXiv:2608.25505), which has no such estimate for the other decoders.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from common import parse_study, setting, study_parser, write_result
from permutations import profile_sizes
from profiles import GROWING, SpacedProfile

from schedopt.data import Windows, load_windows
from schedopt.estimators import estimate
from schedopt.evaluation import SamplerScore, evaluate, pareto_front, score_row, sequential_policy
from schedopt.models import load_model
from schedopt.samplers import SchedulePolicy, policy_for
from schedopt.samplers.policies import Policy
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.solvers import solve_blocks

LENGTH, CONTEXT = 128, 128
STEPS = (4, 8, 16, 32)
BLOCKS = (128, 64, 32)
RANDOM, DILATED, LEFT = Order("random"), Order("dilated", base=2), Order("left_to_right")
# Family: block length, spelling, and its points: passes of a block, or a parameter.
SIZED = {
    "random": (128, "random", STEPS),
    "confidence": (128, "confidence", STEPS),
    "entropy": (128, "entropy", STEPS),
    "margin": (128, "margin", STEPS),
    "confidence, spaced": (128, "confidence,spacing=32", (8,)),
}
FREE: dict[str, tuple[int, str, tuple[float, ...]]] = {
    "DUS": (128, "dus:{}", (128, 64, 32, 16)),
    "entropy bound": (32, "eb:{}", (0.1, 1.0, 4.0)),
    "entropy bound, spaced": (128, "eb:{},spacing=32", (8.0,)),
    "threshold": (32, "threshold:{}", (0.5, 0.9)),
    "KLASS": (32, "klass:{}", (0.3,)),
}


def ours(args: argparse.Namespace, model: Any, windows: Windows) -> dict[str, list[Policy]]:
    """Random and dilated order with sizes that are best on these windows."""

    def measure(order: Order, block: int) -> Any:
        found = estimate(
            model,
            windows,
            order=order,
            block_length=block,
            passes=args.passes,
            seed=args.seed,
            batch=args.batch,
        )
        return found.measure

    curve = measure(RANDOM, LENGTH)
    surfaces = {block: measure(DILATED, block) for block in BLOCKS}
    found: dict[str, list[Policy]] = {"random, best sizes": [], "spaced profile": []}
    for k in STEPS:
        best = solve_blocks(curve, 1, steps=k).schedule
        found["random, best sizes"].append(SchedulePolicy(best, f"random, best sizes:{k}"))
        growing = UnmaskingSchedule(LENGTH, RANDOM, profile_sizes(LENGTH, k, GROWING))
        found["spaced profile"].append(SpacedProfile(growing, f"spaced profile:{k}"))
        for block in BLOCKS:
            if k >= 4 * LENGTH // block:
                best = solve_blocks(surfaces[block], LENGTH // block, steps=k).schedule
                policy = SchedulePolicy(best, f"dilated, best sizes:{k},B={block}")
                found.setdefault("dilated, best sizes", []).append(policy)
    return found


def main() -> None:
    args = parse_study(study_parser(__doc__))
    started = time.monotonic()
    model = load_model(args.model, device=args.device)
    windows, about = load_windows(model, length=LENGTH, context=CONTEXT, limit=args.windows)
    chosen_on, measured_on = windows.split(0.5, seed=args.seed)

    families = {"sequential": [sequential_policy(order, LENGTH) for order in (LEFT, RANDOM)]}
    families |= ours(args, model, chosen_on)
    print(f"solved after {time.monotonic() - started:.0f} s", flush=True)
    for family, (block, spelling, steps) in SIZED.items():
        families[family] = [policy_for(spelling, block_length=block, steps=k) for k in steps]
    for family, (block, spelling, points) in FREE.items():
        families[family] = [
            policy_for(spelling.format(point), block_length=block) for point in points
        ]

    scores: dict[str, list[SamplerScore]] = {}
    for family, policies in families.items():
        for policy in policies:
            scores.setdefault(family, []).extend(
                evaluate(model, measured_on, [policy], seed=args.seed, batch_size=args.batch)
            )
            row = scores[family][-1]
            print(
                f"{time.monotonic() - started:6.0f} s {family:24s} {row.sampler:28s}"
                f"{row.nfe:7.1f} {row.nll.value:.4f} +- {row.nll.stderr:.4f}",
                flush=True,
            )
    best = min(scores["sequential"], key=lambda score: score.nll.value)
    random_order = scores["sequential"][1]
    standings = {
        id(s.score): s.as_row() for s in pareto_front([s for own in scores.values() for s in own])
    }
    rows = []
    for family, members in scores.items():
        own = random_order if family in ("random", "random, best sizes") else None
        for score in members:
            cost = score.minus(best)
            rows.append(
                {
                    "family": family,
                    **score_row(score, sequential=own),
                    "cost": LENGTH * cost.value,
                    "cost_stderr": LENGTH * cost.stderr,
                    **standings[id(score)],
                }
            )
    write_result(
        f"rounds_{args.name}",
        {
            "about": f"{LENGTH} bytes after {CONTEXT}; nll and excess in nats per byte, cost in "
            "nats a sequence; standard errors over documents, differences paired",
            **setting(args, model, about, chosen=chosen_on, measured=measured_on),
            "documents": len(np.unique(measured_on.documents)),
            "best_sequential": best.sampler,
            "rows": rows,
        },
        started,
    )


if __name__ == "__main__":
    main()
