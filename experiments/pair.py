"""What the studies of a heavy and a light model share; no script: estimates, measures, errors."""

from __future__ import annotations

import argparse
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from common import study_parser

from schedopt.clusters import Measured
from schedopt.curve import InformationCurve
from schedopt.data import Windows
from schedopt.estimators import Estimate, estimate
from schedopt.evaluation import SamplerScore, evaluate, sequential_policy
from schedopt.evaluation.score import jackknife, leave_one_out
from schedopt.models import NetworkDenoiser, load_model
from schedopt.samplers import SchedulePolicy
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.sizes import uniform_sizes
from schedopt.solvers import solve
from schedopt.solvers.models import flops_of, loss_of_models, solve_models

RANDOM, DILATED = Order("random"), Order("dilated", base=2)
HEAVY, LIGHT = 0, 1
SHARES = (0.25, 0.5)  # of the segments that are light
HEAVY_ALONE = ("heavy, equal sizes", "heavy, optimal sizes")

Light = tuple[int, ...]  # the light segments


def pair_parser(about: str | None) -> argparse.ArgumentParser:
    """The arguments of a study of two models."""
    parser = study_parser(about)
    parser.add_argument("--light", default="tiny-light", help="bundled name or folder")
    parser.add_argument("--length", type=int, default=256, help="positions, all of them masked")
    return parser


def load_pair(args: argparse.Namespace) -> tuple[list[NetworkDenoiser], dict[str, Any]]:
    """The heavy and the light model, and what a result says of them."""
    paths = (args.model, args.light)
    models = [load_model(path, device=args.device) for path in paths]
    heavy, light = (
        {**model.provenance, "name": Path(path).name}
        for model, path in zip(models, paths, strict=True)
    )
    flops = [model.flops(args.length) for model in models]
    return models, {"model": heavy, "light": light, "flops_of_a_pass": flops}


def segmented(n: int, steps: int, count: int, light: Collection[int]) -> UnmaskingSchedule:
    """Equal steps in random order, in so many equal segments, of which some are light."""
    models = tuple(int(step * count // steps in light) for step in range(steps))
    return UnmaskingSchedule(n, RANDOM, uniform_sizes(n, steps), models=models)


def assignments(count: int, share: float) -> tuple[list[Light], dict[str, Light]]:
    """All choices of this share of the segments to be light, and those with a name."""
    light = round(share * count)
    early = light - light // 2
    names = {
        "sandwich": (*range(early), *range(count - light // 2, count)),
        "light first": tuple(range(light)),
        "light last": tuple(range(count - light, count)),
    }
    return list(combinations(range(count), light)), names


def prediction_stderr(estimates: Sequence[Estimate], schedule: UnmaskingSchedule) -> float:
    """Standard error of the excess that two estimates from passes of the same seed predict.

    Errors by document (of surfaces: by replicate of the bootstrap) are shared by both models; what
    smoothing a curve may hide is each model's own.
    """
    starts = np.repeat(schedule.boundaries[:-1], schedule.step_sizes)
    models = np.repeat(schedule.models or (HEAVY,) * schedule.steps, schedule.step_sizes)
    shared, variance = np.zeros(1), 0.0
    for model, found in enumerate(estimates):
        parts, rows = found.deviations, found.documents
        if parts is None:
            raise ValueError("need smooth estimates, which tell their deviations")
        if isinstance(found.measure, InformationCurve):
            steps, single = parts[:, starts], parts
        else:
            entries, rows = np.arange(schedule.length), len(parts)
            steps, single = parts[:, starts, entries], parts[:, entries, entries]
        error = steps[:, models == model].sum(axis=1) - (model == HEAVY) * single.sum(axis=1)
        shared = shared + error[:rows]
        variance += float((error[rows:] ** 2).sum())
    return float(np.sqrt((shared**2).sum() + variance))


class PairStudy:
    """Both models, estimates from one part of the text, and measures on another."""

    def __init__(
        self,
        models: Sequence[NetworkDenoiser],
        chosen_on: Windows,
        measured_on: Windows,
        args: argparse.Namespace,
    ) -> None:
        self.models, self.measured_on, self.args = models, measured_on, args
        self.n, self.started = chosen_on.length, time.monotonic()
        self.flops = [model.flops(self.n) for model in models]
        self.estimates: dict[Order, list[Estimate]] = {}
        self.sequential: dict[Order, SamplerScore] = {}
        effort = {"passes": args.passes, "seed": args.seed, "batch": args.batch}
        for order in (RANDOM, DILATED):
            self.estimates[order] = [
                estimate(model, chosen_on, order=order, **effort) for model in models
            ]
            self.sequential[order] = self.measure(sequential_policy(order, self.n))

    def measures(self, order: Order) -> list[Any]:
        """The curves or surfaces of both models."""
        return [found.measure for found in self.estimates[order]]

    def measure(self, policy: UnmaskingSchedule | SchedulePolicy) -> SamplerScore:
        """The sampler NLL on the part that is measured."""
        (score,) = evaluate(
            self.models[HEAVY],
            self.measured_on,
            [policy],
            siblings=self.models[1:],
            seed=self.args.seed,
            batch_size=self.args.batch,
        )
        print(f"{time.monotonic() - self.started:6.0f} s {score}", flush=True)
        return score

    def row(self, schedule: UnmaskingSchedule, score: SamplerScore) -> dict[str, Any]:
        """Predicted and measured excess, nats a position, and what the schedule is and spends."""
        order, models = schedule.order, schedule.models or (HEAVY,) * schedule.steps
        schedule = replace(schedule, models=models)
        predicted = loss_of_models(self.measures(order), self.flops, schedule)
        excess = score.minus(self.sequential[order])
        return {
            "predicted": predicted / self.n,
            "predicted_stderr": prediction_stderr(self.estimates[order], schedule) / self.n,
            "excess": excess.value,
            "excess_stderr": excess.stderr,
            "heavy_passes": flops_of(schedule, self.flops) / self.flops[HEAVY],
            "steps": schedule.steps,
            "light_steps": sum(models),
            "step_sizes": list(schedule.step_sizes),
            "models": "".join("HL"[model] for model in models),
        }

    def within(self, order: Order, budget: float) -> dict[str, UnmaskingSchedule]:
        """Schedules of an order that spend at most so many passes of the heavy model."""
        measures = self.measures(order)
        heavy, light = (int(budget * self.flops[HEAVY] / cost + 1e-9) for cost in self.flops)
        alone = solve(measures[LIGHT], steps=min(light, self.n)).schedule
        joint = solve_models(measures, self.flops, budget=budget * self.flops[HEAVY])
        print(f"{order.name} {budget:.4g}: {joint.status.name}", flush=True)
        return {
            HEAVY_ALONE[0]: UnmaskingSchedule(self.n, order, uniform_sizes(self.n, heavy)),
            HEAVY_ALONE[1]: solve(measures[HEAVY], steps=heavy).schedule,
            "light, optimal sizes": replace(alone, models=(LIGHT,) * alone.steps),
            "joint": joint.schedule,
        }


def saving(joint: SamplerScore, base: SamplerScore, sequential: SamplerScore) -> Measured:
    """The share of the base's excess that the joint schedule spares, with the jackknife's error."""
    scores = (joint, base, sequential)

    def share(means: Sequence[float] | np.ndarray) -> float:
        return float(1.0 - (means[0] - means[2]) / (means[1] - means[2]))

    replicates = [share(means) for _, means in leave_one_out(scores, "nfe")]
    return Measured(share([score.mean.value for score in scores]), jackknife(replicates) or 0.0)
