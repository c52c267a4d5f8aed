"""Accuracy of samplers on generated tasks, against forward passes.

    python experiments/train_tasks.py --out build/models/tasks --minutes 5
    python experiments/tasks.py --models build/models/tasks --device cuda --workers 9

Every sampler solves the same test instances, greedily and at temperature 1. Optimal schedules are
those of ``schedopt.fit`` on training instances: in random order, in dilated order, and in the
order that it chooses itself. A third part draws many answers to one prompt, and counts how many
differ.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import write_result

from schedopt import UnmaskingSchedule, fit, load_model, sample
from schedopt.data import Windows
from schedopt.evaluation import (
    TaskScore,
    aup_of,
    evaluate_task,
    match,
    pareto_front,
    score_row,
)
from schedopt.models import NetworkDenoiser
from schedopt.samplers import Policy, SchedulePolicy, policy_for, takes_steps
from schedopt.schedule import Order
from schedopt.sizes import uniform_sizes
from schedopt.tasks import TASKS, Task, make_task

BUDGETS = (1, 2, 4, 8, 16)
SIZED = (
    *("random", "cosine", "left_to_right", "dilated"),
    *("confidence", "entropy", "margin", "confidence,spacing=4"),
)
ADAPTIVE = {
    "eb:{}": (0.01, 0.1, 0.3, 0.6, 1.0, 2.0),
    "eb:{},rank=dilated": (0.01, 0.1, 0.3, 0.6, 1.0, 2.0),
    "threshold:{}": (0.99, 0.9, 0.8, 0.6, 0.4, 0.2),
    "factor:{}": (0.1, 0.5, 1.0, 1.5, 2.0),
    "klass:{}": (0.9, 0.6, 0.3),
    "entropy_sum:{}": (0.1, 0.5, 1.0, 2.0, 4.0),
    "dus:{}": (2, 4, 8, 16),
    "dus:{},gate=0.9": (2, 4, 8, 16),
}
OPTIMAL = {
    "optimal, random": Order("random"),
    "optimal, dilated": Order("dilated"),
    "optimal, own order": None,
}
FIT_INSTANCES = 2048
GOOD = 0.9  # share solved that samplers are compared at, where one of them gets there
ONE_BY_ONE = "confidence:16"
CHOICE = ("shuffle", "latin", "sudoku", "walk")  # tasks with several answers to a prompt
VARIED = ("shuffle", "latin")  # of these, those with at least hundreds to each
VARIED_SAMPLERS = (
    *(f"{name}:{steps}" for name in ("random", "confidence") for steps in (4, 8, 16)),
    "optimal, own order:8",
    "eb:0.1",
    "eb:0.6",
    "threshold:0.9",
)


def fitted(
    model: NetworkDenoiser, task: Task, order: Order | None, steps: int, passes: int
) -> UnmaskingSchedule:
    """What ``fit`` makes of training instances; with one pass there is nothing to choose."""
    length = task.response_length
    if steps in (1, length):
        return UnmaskingSchedule(length, order or Order("dilated"), uniform_sizes(length, steps))
    given = task.instances(FIT_INSTANCES, seed=1, held_out=False)
    tokens = torch.from_numpy(np.hstack([given.prompts, given.answers]))
    windows = Windows(tokens, np.arange(len(given)), task.prompt_length)
    return fit(model, windows, order=order, steps=steps, passes=passes).schedule


def samplers(model: NetworkDenoiser, task: Task, passes: int) -> Iterator[Policy]:
    """Every sampler at every budget, labelled FAMILY:NUMBER."""
    length = task.response_length
    for name, order in OPTIMAL.items():
        for steps in BUDGETS:
            yield SchedulePolicy(fitted(model, task, order, steps, passes), f"{name}:{steps}")
    for name in SIZED:
        for steps in BUDGETS:
            policy: Any = policy_for(name, block_length=length, steps=steps)
            yield replace(policy, label=f"{name}:{steps}")
    for spelling, numbers in ADAPTIVE.items():
        assert not takes_steps(spelling)
        for number in numbers:
            yield policy_for(spelling.format(number), block_length=length)


def greedy_rows(policies: list[Policy], scores: list[TaskScore]) -> list[dict[str, Any]]:
    one_by_one = scores[[p.label for p in policies].index(ONE_BY_ONE)]
    rows = []
    for policy, score, standing in zip(policies, scores, pareto_front(scores), strict=True):
        row = score_row(score, reference=one_by_one)
        keys = ("sampler", "nfe", "accuracy", "stderr", "difference", "difference_stderr")
        found = {key: row[key] for key in keys} | {"pareto": standing.on_front}
        if policy.label.startswith("optimal"):
            assert isinstance(policy, SchedulePolicy)
            found["order"] = policy.schedule.order.name
            found["block_length"] = policy.block_length
            if policy.schedule.order.is_fixed:
                found["groups"] = json.dumps(policy.schedule.groups())
            found["sizes"] = json.dumps(policy.schedule.blocks or policy.schedule.step_sizes)
        rows.append(found)
    return rows


def drawn_row(score: TaskScore) -> dict[str, Any]:
    row = score_row(score)
    return {key: row[key] for key in ("sampler", "nfe", "accuracy", "stderr")}


def families(scores: list[TaskScore]) -> dict[str, list[TaskScore]]:
    return {name: list(members) for name, members in groupby(scores, key=lambda s: s.family)}


def summary(scores: list[TaskScore]) -> dict[str, Any]:
    """AUP of each family, and the passes that each needs for the accuracy of the cheapest one."""
    best = 100.0 * max(score.mean.value for score in scores)
    good = [score for score in scores if score.mean.value >= GOOD]
    cheapest = min(good, key=lambda score: (score.nfe, -score.mean.value), default=None)
    found: dict[str, Any] = {}
    for name, members in families(scores).items():
        area = aup_of(members, best=best)
        found[name] = {"aup": area.value, "aup_stderr": area.stderr}
        if cheapest is not None:
            row = match(cheapest, members).as_row()
            keys = ("baseline_nfe", "baseline_nfe_stderr", "nfe_ratio", "nfe_ratio_stderr")
            found[name] |= {key: row[key] for key in keys}
    return {"cheapest": None if cheapest is None else cheapest.sampler, "families": found}


def variety(
    model: NetworkDenoiser, task: Task, policies: list[Policy], draws: int
) -> list[dict[str, Any]]:
    """Answers to one test prompt at temperature 1: how many are right, and differ."""
    prompt = task.instances(1, seed=0).prompts[0]
    given = np.broadcast_to(prompt, (draws, len(prompt)))
    rows = []
    for policy in policies:
        if policy.label not in VARIED_SAMPLERS:
            continue
        drawn = sample(
            model,
            policy,
            prompt=[int(token) for token in prompt],
            length=task.response_length,
            count=draws,
            batch_size=draws,
        )
        responses = np.array(drawn.tokens)[:, len(prompt) :]
        right = responses[task.correct(given, responses)]
        rows.append(
            {
                "sampler": policy.label,
                "nfe": float(np.mean(drawn.nfe)),
                "right": len(right),
                "distinct": len(np.unique(right, axis=0)),
            }
        )
    return rows


def run_task(name: str, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(1)
    started = time.monotonic()
    model = load_model(folder / name, device=args.device)
    task = make_task(name)
    policies = list(samplers(model, task, args.passes))
    print(f"{name}: {len(policies)} samplers after {time.monotonic() - started:.0f} s", flush=True)

    def scores(temperature: float) -> list[TaskScore]:
        count = args.count
        return list(
            evaluate_task(
                model, task, policies, count=count, temperature=temperature, batch_size=count
            )
        )

    greedy = scores(0.0)
    training = json.loads((folder / name / "training.json").read_text())
    document = {
        "task": task.name,
        "prompt_length": task.prompt_length,
        "response_length": task.response_length,
        "model": {
            "weights_sha256": model.provenance["weights_sha256"],
            **{
                key: training[key]
                for key in ("parameters", "steps", "seconds", "machine", "solved_one_by_one")
            },
        },
        "rows": greedy_rows(policies, greedy),
        "summary": summary(greedy),
        "temperature_1": [drawn_row(score) for score in scores(1.0)] if name in CHOICE else None,
        "variety": variety(model, task, policies, args.count) if name in VARIED else None,
    }
    print(f"{name}: done after {time.monotonic() - started:.0f} s", flush=True)
    return document


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--only", help="names of the tasks, with commas")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--passes", type=int, default=2048, help="of each part of a fit")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--name", default="tasks")
    args = parser.parse_args()
    started = time.monotonic()
    names = args.only.split(",") if args.only else list(TASKS)
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as processes:
        jobs = {name: processes.submit(run_task, name, args.models, args) for name in names}
        tasks = {name: job.result() for name, job in jobs.items()}
    write_result(
        args.name,
        {
            "about": f"share of {args.count} test instances solved; greedy unless it says else",
            "instances": args.count,
            "fit_passes": args.passes,
            "tasks": tasks,
        },
        started,
    )


if __name__ == "__main__":
    main()
