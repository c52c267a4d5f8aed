"""What samplers write: an autoregressive judge's NLL, beside how varied the texts are.

    python experiments/judged.py --model tiny --judge tiny-judge --name tiny --prompts 64
    python experiments/judged.py --model build/models/base --judge build/models/judge --name base \
        --device cuda

128 bytes are sampled after 128 held-out ones; all samplers get the same prompts and the same
random numbers. Schedules are solved on other documents. The held-out text that follows the
prompts is judged, too.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from common import write_result

from schedopt.data import load_windows
from schedopt.estimators import estimate
from schedopt.evaluation import evaluate_texts, load_judge, pareto_front
from schedopt.evaluation.diversity import distinct_n, token_entropy
from schedopt.models import load_model
from schedopt.samplers import SchedulePolicy, policy_for
from schedopt.schedule import Order
from schedopt.solvers import solve_blocks

LENGTH, CONTEXT = 128, 128
BUDGETS = (4, 8, 16, 32, 64)
PLANNER_BLOCK = 32
SIZED = ("random", "dilated", "confidence", "entropy")
OTHERS = {
    LENGTH: ("dus:128", "dus:64", "dus:32", "dus:16"),
    PLANNER_BLOCK: ("eb:1", "eb:0.3", "eb:0.1", "threshold:0.5", "threshold:0.7", "threshold:0.9"),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--judge", default="tiny-judge")
    parser.add_argument("--name", default="tiny")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--passes", type=int, default=16384)
    parser.add_argument("--prompts", type=int, default=512)
    parser.add_argument("--temperatures", type=float, nargs="+", default=[1.0, 0.7])
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    started = time.monotonic()
    model = load_model(args.model, device=args.device)
    judge = load_judge(args.judge, device=args.device)
    windows, about = load_windows(model, length=LENGTH, context=CONTEXT)
    chosen_on, rest = windows.split(0.4, seed=args.seed)
    prompted = rest.at_most(args.prompts)
    measure = estimate(
        model, chosen_on, order=Order("dilated"), passes=args.passes, seed=args.seed
    ).measure
    ours = [
        SchedulePolicy(solve_blocks(measure, 1, steps=budget).schedule, f"schedopt:{budget}")
        for budget in BUDGETS
    ]
    planners = [policy_for(n, block_length=LENGTH, steps=k) for n in SIZED for k in BUDGETS]
    planners += [policy_for(n, block_length=b) for b, names in OTHERS.items() for n in names]
    read = model.tokenizer
    assert read is not None  # a byte-level model has one
    contexts = [read.decode(row) for row in prompted.tokens[:, :CONTEXT].tolist()]
    true_rows = prompted.tokens[:, CONTEXT:].tolist()
    truth = judge.nll([read.decode(row) for row in true_rows], contexts)
    document: dict[str, Any] = {
        "about": f"{LENGTH} bytes sampled after {CONTEXT}; judge: nats per byte",
        "model": {**model.provenance, "name": args.name},
        "judge": {**judge.provenance, "name": args.judge},
        "data": about,
        "prompts": len(prompted),
        "held_out_text": {
            "judge_nll": float(truth.nats.sum() / truth.tokens.sum()),
            "token_entropy": float(token_entropy(true_rows).mean()),
            **{f"distinct_{n}": float(distinct_n(true_rows, n).mean()) for n in (1, 2, 3)},
        },
        "temperatures": {},
    }
    print("held-out", document["held_out_text"], flush=True)
    for temperature in args.temperatures:
        scores = []
        for policy in [*ours, *planners]:
            scores += evaluate_texts(
                model,
                judge,
                [policy],
                length=LENGTH,
                prompts=prompted.tokens[:, :CONTEXT],
                documents=prompted.documents,
                temperature=temperature,
                seed=args.seed,
                batch_size=args.batch,
            )
            row = scores[-1].as_row()
            print(
                f"{time.monotonic() - started:5.0f} s T={temperature} {row['sampler']:16s} "
                f"{row['nfe']:6.1f} judge {row['judge_nll']:.3f} +- {row['stderr']:.3f} "
                f"entropy {row['token_entropy']:.3f} distinct-2 {row['distinct_2']:.3f}",
                flush=True,
            )
        standings = pareto_front(scores)
        document["temperatures"][f"{temperature:g}"] = [
            standing.score.as_row() | standing.as_row() for standing in standings
        ]
    write_result(f"judged_{args.name}", document, started)


if __name__ == "__main__":
    main()
