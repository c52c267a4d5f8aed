"""Light steps belong where the light model lags least: coarse segments, and the joint schedule.

    python experiments/model_scheduling.py --length 128 --windows 64 --passes 4096 \\
        --budgets 4 8 16 32                                                  # tiny, tiny-light
    python experiments/model_scheduling.py --model build/models/base --light build/models/light \\
        --name base --device cuda --batch 128

Whole windows of held-out text without a context, as in arXiv:2604.02340. On one half of the
documents curves (random order) and surfaces (dilated order) of both models are estimated and all
schedules are chosen; on ``--windows`` of the other half they are measured.

*Segments*: equal steps in random order, cut into equal segments, each all heavy or all light.
Every assignment with so many light segments is measured: with the same orders its loss is that of
the heavy model plus what each of its light segments alone adds (theory, section 12), so that one
run a segment measures them all. Beside them, at the FLOPs of an assignment: any steps light, at
these boundaries; either model alone; boundaries and models chosen together.

*Budgets*: for the FLOPs of K passes of the heavy model, either model alone and both together.

Excess is over one position a step of the heavy model in the same order. Standard errors are over
documents, those of differences and ratios in pairs; those of predictions too, as the estimates
tell them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from common import parse_study, setting, write_result
from pair import (
    DILATED,
    HEAVY,
    HEAVY_ALONE,
    RANDOM,
    SHARES,
    Light,
    PairStudy,
    assignments,
    load_pair,
    pair_parser,
    saving,
    segmented,
)

from schedopt.data import load_windows
from schedopt.evaluation import SamplerScore
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.solvers.models import assign_models


class Segments:
    """Equal steps in equal segments, and what the light model adds in each."""

    def __init__(self, study: PairStudy, steps: int, count: int) -> None:
        self.study, self.count, self.steps = study, count, steps
        self.heavy = study.measure(self.schedule(()))
        self.single = [study.measure(self.schedule((s,))) for s in range(count)]
        self.added = np.stack([score.values - self.heavy.values for score in self.single])

    def schedule(self, light: Light) -> UnmaskingSchedule:
        return segmented(self.study.n, self.steps, self.count, light)

    def weighted(self, weights: Sequence[float]) -> SamplerScore:
        """The score with each segment light in so large a share of runs."""
        return replace(self.heavy, values=self.heavy.values + np.array(weights) @ self.added)

    def score(self, light: Light) -> SamplerScore:
        return self.weighted([float(s in light) for s in range(self.count)])

    def row(self, light: Light) -> dict[str, Any]:
        return self.study.row(self.schedule(light), self.score(light))

    def importance(self) -> list[dict[str, Any]]:
        """What a light segment adds, predicted and measured, nats a position of all."""
        predicted = self.row(())["predicted"]
        rows = []
        for s, score in enumerate(self.single):
            added = score.minus(self.heavy)
            rows.append(
                {
                    "segment": s,
                    "predicted_added": self.row((s,))["predicted"] - predicted,
                    "added": added.value,
                    "added_stderr": added.stderr,
                }
            )
        return rows

    @staticmethod
    def over(score: SamplerScore, sandwich: SamplerScore) -> dict[str, float]:
        more = score.minus(sandwich)
        return {"over_sandwich": more.value, "over_sandwich_stderr": more.stderr}

    def share(self, share: float) -> dict[str, Any]:
        """All assignments with this share of light segments, and what else has their FLOPs."""
        study, (every, named_ones) = self.study, assignments(self.count, share)
        rows = {key: self.row(key) for key in every}
        names = {
            "best predicted": min(rows, key=lambda key: rows[key]["predicted"]),
            "worst predicted": max(rows, key=lambda key: rows[key]["predicted"]),
            "best in hindsight": min(rows, key=lambda key: rows[key]["excess"]),
            **named_ones,
        }
        sandwich = self.score(names["sandwich"])
        run = study.measure(self.schedule(names["sandwich"]))
        light_steps = rows[names["sandwich"]]["light_steps"]
        equal = self.schedule(())
        free = assign_models(study.measures(RANDOM), equal, light_steps=light_steps).schedule
        budget = rows[names["sandwich"]]["heavy_passes"]
        others = {"any steps": free, **study.within(RANDOM, budget)}
        found = {name: (self.schedule(key), self.score(key)) for name, key in names.items()}
        found |= {name: (schedule, study.measure(schedule)) for name, schedule in others.items()}
        named = []
        for name, (schedule, score) in found.items():
            row = {"name": name, "segments": names.get(name), **study.row(schedule, score)}
            named.append(row | self.over(score, sandwich))
        mean = self.weighted([len(every[0]) / self.count] * self.count)
        predicted = [row["predicted"] for row in rows.values()]
        baked = rows[names["sandwich"]]["predicted"] - 1e-12  # ties are no better
        return {
            "share": share,
            "heavy_passes": budget,
            "named": named,
            "mean_of_all": {
                "predicted": float(np.mean(predicted)),
                "excess": mean.minus(study.sequential[RANDOM]).value,
                "excess_stderr": mean.minus(study.sequential[RANDOM]).stderr,
                **self.over(mean, sandwich),
            },
            "predicted_better_than_sandwich": sum(p < baked for p in predicted),
            "assignments": [
                {"segments": "".join("HL"[s in key] for s in range(self.count))}
                | {name: row[name] for name in ("predicted", "excess", "excess_stderr")}
                for key, row in rows.items()
            ],
            "sum_against_run": float(np.abs(run.values - sandwich.values).max()),
        }


def segments_study(study: PairStudy, steps: int, count: int) -> dict[str, Any]:
    """What each segment adds, and all assignments of each share of light segments."""
    segments = Segments(study, steps, count)
    return {
        "steps": steps,
        "segments": count,
        "heavy": segments.row(()),
        "importance": segments.importance(),
        "shares": [segments.share(share) for share in SHARES],
    }


def budgets_study(study: PairStudy, order: Order, budgets: Sequence[int]) -> list[dict[str, Any]]:
    """Either model alone and both together, for the FLOPs of so many passes of the heavy model."""
    found = []
    for budget in budgets:
        schedules = study.within(order, budget)
        scores = {name: study.measure(schedule) for name, schedule in schedules.items()}
        rows = {name: study.row(schedules[name], score) for name, score in scores.items()}
        against = {}
        for base in HEAVY_ALONE:
            predicted = 1.0 - rows["joint"]["predicted"] / rows[base]["predicted"]
            measured = saving(scores["joint"], scores[base], study.sequential[order])
            against[base] = {
                "predicted_saving": predicted,
                "saving": measured.value,
                "saving_stderr": measured.stderr,
            }
            print(f"{order.name} {budget} against {base}: {against[base]}", flush=True)
        found.append({"order": order.name, "budget": budget, "rows": rows, "against": against})
    return found


def main() -> None:
    parser = pair_parser(__doc__)
    parser.add_argument("--budgets", type=int, nargs="+", default=(4, 8, 16, 32, 64))
    parser.add_argument(
        "--steps", type=int, nargs="+", default=(16,), help="of all segments; a study for each"
    )
    parser.add_argument("--segments", type=int, default=8)
    args = parse_study(parser)
    started = time.monotonic()
    models, about_models = load_pair(args)
    windows, about = load_windows(models[HEAVY], length=args.length, context=0)
    chosen_on, others = windows.split(0.5, seed=args.seed)
    measured_on = others.at_most(args.windows or len(others))
    study = PairStudy(models, chosen_on, measured_on, args)
    write_result(
        f"model_scheduling_{args.name}",
        {
            "about": f"{args.length} bytes without a context; nats per byte; FLOPs in passes of "
            "the heavy model",
            **setting(args, models[HEAVY], about, chosen=chosen_on, measured=measured_on),
            **about_models,
            "documents_measured": len(np.unique(measured_on.documents)),
            "sequential": {
                order.name: {"nll": score.nll.value, "stderr": score.nll.stderr}
                for order, score in study.sequential.items()
            },
            "segments": [segments_study(study, steps, args.segments) for steps in args.steps],
            "budgets": [
                row
                for order in (RANDOM, DILATED)
                for row in budgets_study(study, order, args.budgets)
            ],
        },
        started,
    )


if __name__ == "__main__":
    main()
