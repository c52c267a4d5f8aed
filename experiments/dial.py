"""The dial from fixed to adaptive: where schedules, planners and what lies between them end up.

    python experiments/dial.py --windows 240 --batch 256 --device cuda             # tiny
    python experiments/dial.py --model build/models/base --batch 256 --device cuda

128 tokens after 128 known ones, on the bundled held-out text. On some documents surfaces are
estimated and schedules are solved; on others all are measured: the schedules as they are, an
entropy bound along the dilated order with them as floor or cap or without, and planners that sort
by confidence. The fixed front is the lower hull over the logarithm of the passes of the schedules
of ``FIXED``, and ``against_fixed`` the difference to it at as many passes, with the jackknife's
error over documents.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from common import parse_study, setting, study_parser, write_result
from fronts import (
    ABOUT,
    DILATED,
    LEFT,
    LENGTH,
    Floats,
    front_at,
    hull,
    jackknifed,
    load_study,
    measure,
    solve_budgets,
    streams,
)

from schedopt.evaluation import SamplerScore, match, score_row
from schedopt.samplers import EntropyBound, GatedSchedule, Planner, SchedulePolicy, policy_for
from schedopt.samplers.policies import Policy
from schedopt.schedule import UnmaskingSchedule

# Fixed schedules: order, block length, and passes, by name.
FIXED = {
    "B=128": (DILATED, 128, (4, 6, 8, 12, 16, 24, 32, 64)),
    "B=64": (DILATED, 64, (16, 32, 64)),
    "B=32": (DILATED, 32, (32, 48, 64)),
    "B=16": (DILATED, 16, (64, 96)),
    "B=8": (DILATED, 8, (64, 96)),
    "B=4": (DILATED, 4, (96,)),
    "left to right": (LEFT, LENGTH, (96, 128)),
    **{
        f"streams of {block}": (streams(block), LENGTH, budgets)
        for block, budgets in ((64, (64, 96)), (32, (32, 48)), (16, (16, 24)), (8, (8, 12)))
    },
}
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


def dial(found: dict[tuple[str, int], UnmaskingSchedule]) -> dict[str, list[Policy]]:
    """All families of policies, the fixed schedules first."""
    families: dict[str, list[Policy]] = {
        "fixed": [
            SchedulePolicy(schedule, f"fixed:{budget},{name}")
            for (name, budget), schedule in found.items()
        ]
    }
    for name, bounds in (("floor", FLOORS), ("cap", CAPS)):
        for k in bounds:
            families[f"{name} {k}, B=128"] = [
                Planner(
                    LENGTH,
                    EntropyBound(gamma),
                    DILATED,
                    label=f"eb:{gamma:g},rank=dilated,{name}=optimal-{k}",
                    **{name: found["B=128", k]},
                )
                for gamma in GAMMAS[1:]
            ]
    families["floor 32, B=32"] = [
        Planner(
            32,
            EntropyBound(gamma),
            DILATED,
            floor=found["B=32", 32],
            label=f"eb:{gamma:g},rank=dilated,floor=optimal-32",
        )
        for gamma in GAMMAS[1:]
    ]
    families["fixed, gated"] = [
        GatedSchedule(found["B=128", k], GATE, label=f"fixed:{k},gate={GATE}") for k in GATED
    ]
    for family, (block, spelling, points) in FREE.items():
        families[family] = [
            policy_for(spelling.format(point), block_length=block) for point in points
        ]
    for family, (block, spelling, steps) in SIZED.items():
        families[family] = [policy_for(spelling, block_length=block, steps=k) for k in steps]
    return families


def against(score: SamplerScore, fixed: list[SamplerScore]) -> dict[str, float | None]:
    """NLL less that of the fixed front at as many passes; nothing below its passes."""

    def beyond(costs: Floats, losses: Floats) -> float | None:
        found = float(losses[0] - front_at(costs[0], costs[1:], losses[1:]))
        return found if np.isfinite(found) else None

    value, stderr = jackknifed(beyond, [score, *fixed])
    return {} if value is None else {"against_fixed": value, "against_fixed_stderr": stderr}


def main() -> None:
    parser = study_parser(__doc__, batch=128)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="measure no longer")
    args = parse_study(parser)
    started = time.monotonic()
    model, windows, about = load_study(args)
    chosen_on, measured_on = windows.split(0.5, seed=args.seed)
    found: dict[tuple[str, int], Any] = {}
    for name, (order, block, budgets) in FIXED.items():
        solved = solve_budgets(model, chosen_on, order, block, budgets, args)
        found |= {(name, k): solution.schedule for k, solution in solved.items()}
    print(f"solved after {time.monotonic() - started:.0f} s", flush=True)

    scores: dict[str, list[SamplerScore]] = {}
    for family, policies in dial(found).items():
        if time.monotonic() - started <= args.seconds:
            scores[family] = measure(model, measured_on, policies, args)
    fixed = scores["fixed"]
    passes, losses = np.array([(s.nfe, s.nll.value) for s in fixed]).T
    corners = set(zip(*hull(passes, losses), strict=True))
    on_front = sorted(
        (s for s in fixed if (s.nfe, s.nll.value) in corners), key=lambda score: score.nfe
    )
    reference = next(s for s in on_front if s.nfe >= 16)
    rows = []
    for family, members in scores.items():
        for score in members:
            total = score.passes.sum(axis=1)
            rows.append(
                {"family": family, **score_row(score, reference=reference)}
                | against(score, fixed)
                | {"passes_of": {"least": int(total.min()), "most": int(total.max())}}
                | {"fixed_needs": match(score, on_front).as_row()["baseline_nfe"]}
            )
    write_result(
        f"dial_{args.name}",
        {
            "about": ABOUT,
            **setting(args, model, about, chosen=chosen_on, measured=measured_on),
            "reference": reference.sampler,
            "front": [score.sampler for score in on_front],
            "rows": rows,
        },
        started,
    )


if __name__ == "__main__":
    main()
