"""The dial from fixed to adaptive: where schedules, planners and what lies between them end up.

    python experiments/dial.py --model tiny --name tiny --device cuda
    python experiments/dial.py --model build/models/base --name base --device cuda

128 bytes after 128 known ones, on the bundled held-out text. On some documents the surface of the
dilated order is estimated and schedules are solved; on others all are measured: the schedules as
they are, an entropy bound along their order with them as floor or cap or without, and planners
that sort by confidence. The fixed front is the lower hull of the schedules of all block lengths
over the logarithm of the passes, and ``against_fixed`` the difference to it at as many passes.
"""

from __future__ import annotations

import argparse
import time
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from common import write_result

from schedopt.clusters import Measured, mean_over_documents
from schedopt.data import Windows, load_windows
from schedopt.estimators import estimate
from schedopt.evaluation import SamplerScore, evaluate, match, score_row
from schedopt.models import load_model
from schedopt.samplers import EntropyBound, GatedSchedule, Planner, SchedulePolicy, policy_for
from schedopt.samplers.policies import Policy
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.solvers import solve_blocks

LENGTH, CONTEXT = 128, 128
DILATED = Order("dilated", base=2)
BUDGETS = {128: (4, 6, 8, 12, 16, 24, 32, 64), 64: (16, 32, 64), 32: (32, 48, 64), 16: (64, 96)}
GAMMAS = (0.0, 0.3, 1.0, 2.0, 4.0, 8.0)  # nats; the dial
FLOORS, CAPS, GATED = (16, 32), (8, 16), (8, 16)  # passes of the schedule that holds the bound
GATE = 0.3  # of the DUS reference's README

# Family: block length, and the spellings of its points. ``{}`` is the point.
FREE: dict[str, tuple[int, str, tuple[float, ...]]] = {
    "walk, B=128": (128, "eb:{},rank=dilated", GAMMAS[1:]),
    "walk, B=32": (32, "eb:{},rank=dilated", GAMMAS[1:]),
    "walk, B=16": (16, "eb:{},rank=dilated", GAMMAS[1:]),
    "left to right": (128, "eb:{},rank=left_to_right", (0.3, 1.0, 2.0, 4.0)),
    "EB, B=128": (128, "eb:{}", (0.1, 1.0, 2.0, 4.0)),
    "EB, B=32": (32, "eb:{}", (0.02, 0.1, 0.3, 1.0, 2.0, 4.0)),
    "EB, B=16": (16, "eb:{}", (0.1, 1.0, 4.0)),
    "EB, spaced, B=128": (128, "eb:{},spacing=32", (1.0, 4.0, 8.0)),
    "EB, spaced, B=32": (32, "eb:{},spacing=8", (1.0, 2.0, 4.0, 8.0)),
    "threshold, B=32": (32, "threshold:{}", (0.3, 0.5, 0.7, 0.9)),
    "threshold, spaced, B=32": (32, "threshold:{},spacing=8", (0.1, 0.3, 0.5)),
    "factor, B=32": (32, "factor:{}", (0.5, 1.0, 2.0, 4.0)),
    "entropy sum, B=32": (32, "entropy_sum:{}", (0.5, 1.0, 2.0, 4.0)),
    "KLASS, B=32": (32, "klass:{}", (0.3, 0.6, 0.9)),
    "DUS": (128, "dus:{}", (128, 64, 32, 16, 8)),
    "DUS, gated": (128, f"dus:{{}},gate={GATE}", (128, 64, 32, 16, 8)),
}
# Family: block length, the spelling, and passes of a block.
SIZED = {
    "random": (128, "random", (8, 16, 32, 64)),
    "ancestral": (128, "ancestral", (8, 16, 32)),
    "confidence, B=128": (128, "confidence", (8, 16, 32, 64)),
    "confidence, B=32": (32, "confidence", (4, 8, 16)),
    "confidence, spaced, B=128": (128, "confidence,spacing=32", (8, 16, 32)),
}


def schedules(args: argparse.Namespace, model: Any, windows: Windows) -> dict[tuple[int, int], Any]:
    """The best schedule of the dilated order for each block length and number of passes."""
    found = {}
    for block, budgets in BUDGETS.items():
        measure = estimate(
            model,
            windows,
            order=DILATED,
            block_length=block,
            passes=args.passes,
            seed=args.seed,
            batch=args.batch,
        ).measure
        for budget in budgets:
            solution = solve_blocks(measure, LENGTH // block, steps=budget)
            found[block, budget] = solution.schedule
    return found


def dial(found: dict[tuple[int, int], UnmaskingSchedule]) -> dict[str, list[Policy]]:
    """All families of policies, the fixed schedules first."""
    families: dict[str, list[Policy]] = {"fixed": []}
    for (block, budget), schedule in found.items():
        families["fixed"].append(SchedulePolicy(schedule, f"fixed:{budget},B={block}"))
    for name, bounds in (("floor", FLOORS), ("cap", CAPS)):
        for k in bounds:
            families[f"{name} {k}, B=128"] = [
                Planner(
                    LENGTH,
                    EntropyBound(gamma),
                    DILATED,
                    label=f"eb:{gamma:g},rank=dilated,{name}=optimal-{k}",
                    **{name: found[128, k]},
                )
                for gamma in GAMMAS[1:]
            ]
    families["floor 32, B=32"] = [
        Planner(
            32,
            EntropyBound(gamma),
            DILATED,
            floor=found[32, 32],
            label=f"eb:{gamma:g},rank=dilated,floor=optimal-32",
        )
        for gamma in GAMMAS[1:]
    ]
    families["fixed, gated"] = [
        GatedSchedule(found[128, k], GATE, label=f"fixed:{k},gate={GATE}") for k in GATED
    ]
    for family, (block, spelling, points) in FREE.items():
        families[family] = [
            policy_for(spelling.format(point), block_length=block) for point in points
        ]
    for family, (block, spelling, steps) in SIZED.items():
        families[family] = [policy_for(spelling, block_length=block, steps=k) for k in steps]
    return families


def front(scores: list[SamplerScore]) -> list[SamplerScore]:
    """The fixed schedules on the lower hull of NLL over the logarithm of passes."""
    hull: list[SamplerScore] = []
    for score in sorted(scores, key=lambda s: (s.nfe, s.nll.value)):
        while len(hull) > 1 and _above(hull[-2], hull[-1], score):
            hull.pop()
        if not hull or (score.nfe > hull[-1].nfe and score.nll.value < hull[-1].nll.value):
            hull.append(score)
    return hull


def _above(a: SamplerScore, b: SamplerScore, c: SamplerScore) -> bool:
    share = np.log(b.nfe / a.nfe) / np.log(c.nfe / a.nfe)
    return b.nll.value >= a.nll.value + share * (c.nll.value - a.nll.value)


def against(score: SamplerScore, hull: list[SamplerScore]) -> Measured | None:
    """NLL less that of the fixed front at as many passes, paired; None below its passes."""
    if score.nfe < hull[0].nfe:
        return None
    fixed = hull[-1].values  # with more passes than were measured, the last point stands
    for a, b in pairwise(hull):
        if a.nfe <= score.nfe <= b.nfe:
            share = np.log(score.nfe / a.nfe) / np.log(b.nfe / a.nfe)
            fixed = (1 - share) * a.values + share * b.values
    return mean_over_documents(score.values - fixed, score.documents)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--name", default="tiny")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--passes", type=int, default=8192, help="of each surface")
    parser.add_argument("--windows", type=int, help="use only so many windows of the text")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="measure no longer")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    started = time.monotonic()
    torch.set_float32_matmul_precision("high")
    model = load_model(args.model, device=args.device)
    windows, about = load_windows(model, length=LENGTH, context=CONTEXT, limit=args.windows)
    chosen_on, measured_on = windows.split(0.5, seed=args.seed)
    print(len(chosen_on), len(measured_on), flush=True)
    found = schedules(args, model, chosen_on)
    print(f"solved after {time.monotonic() - started:.0f} s", flush=True)

    scores: dict[str, list[SamplerScore]] = {}
    for family, policies in dial(found).items():
        for policy in policies:
            if time.monotonic() - started > args.seconds:
                continue
            scores.setdefault(family, []).extend(
                evaluate(model, measured_on, [policy], seed=args.seed, batch_size=args.batch)
            )
            row = scores[family][-1]
            print(
                f"{time.monotonic() - started:6.0f} s {family:26s} {row.sampler:36s}"
                f"{row.nfe:7.1f} {row.nll.value:.4f} +- {row.nll.stderr:.4f}",
                flush=True,
            )
    hull = front(scores["fixed"])
    reference = next(s for s in hull if s.nfe >= 16)
    rows = []
    for family, members in scores.items():
        for score in members:
            row = {"family": family, **score_row(score, reference=reference)}
            beyond = against(score, hull)
            if beyond is not None:
                row |= {"against_fixed": beyond.value, "against_fixed_stderr": beyond.stderr}
            row["passes_of"] = {
                "least": int(score.passes.sum(axis=1).min()),
                "most": int(score.passes.sum(axis=1).max()),
            }
            rows.append(row | {"fixed_needs": match(score, hull).as_row()["baseline_nfe"]})
    write_result(
        f"dial_{args.name}",
        {
            "about": f"{LENGTH} bytes after {CONTEXT}; nats per byte, sampler NLL at temperature 1",
            "model": {**model.provenance, "name": args.name},
            "data": about,
            "windows": {"chosen": len(chosen_on), "measured": len(measured_on)},
            "passes_per_estimate": args.passes,
            "seed": args.seed,
            "reference": reference.sampler,
            "front": [score.sampler for score in hull],
            "rows": rows,
        },
        started,
    )


if __name__ == "__main__":
    main()
