"""What samplers write: an autoregressive judge's NLL, beside how varied the texts are.

    python experiments/judged.py --prompts 64 --batch 64        # tiny, half an hour on a CPU
    python experiments/judged.py --model build/models/base --judge build/models/judge --device cuda

128 tokens are sampled after 128 held-out ones; all samplers get the same prompts and the same
random numbers. Schedules are solved on other documents. The held-out text that follows the
prompts is judged, too.
"""

from __future__ import annotations

import time
from typing import Any

from common import parse_study, setting, study_parser, write_result
from fronts import CONTEXT, DILATED, LENGTH, load_study, solve_budgets

from schedopt.evaluation import evaluate_texts, load_judge, pareto_front
from schedopt.evaluation.diversity import distinct_n, token_entropy
from schedopt.samplers import SchedulePolicy, policy_for

BUDGETS = (4, 8, 16, 32, 64)
PLANNER_BLOCK = 32
SIZED = ("random", "dilated", "confidence", "entropy")
OTHERS = {
    LENGTH: ("dus:128", "dus:64", "dus:32", "dus:16"),
    PLANNER_BLOCK: ("eb:1", "eb:0.3", "eb:0.1", "threshold:0.5", "threshold:0.7", "threshold:0.9"),
}


def main() -> None:
    parser = study_parser(__doc__, passes=16384, batch=256)
    parser.add_argument("--judge", default="tiny-judge")
    parser.add_argument("--prompts", type=int, default=512)
    parser.add_argument("--temperatures", type=float, nargs="+", default=[1.0, 0.7])
    args = parse_study(parser)
    started = time.monotonic()
    model, windows, about = load_study(args)
    judge = load_judge(args.judge, device=args.device)
    chosen_on, rest = windows.split(0.4, seed=args.seed)
    prompted = rest.at_most(args.prompts)
    solved = solve_budgets(model, chosen_on, DILATED, LENGTH, BUDGETS, args)
    ours = [SchedulePolicy(found.schedule, f"schedopt:{k}") for k, found in solved.items()]
    planners = [policy_for(n, block_length=LENGTH, steps=k) for n in SIZED for k in BUDGETS]
    planners += [policy_for(n, block_length=b) for b, names in OTHERS.items() for n in names]
    read = model.tokenizer
    contexts = [read.decode(row) for row in prompted.tokens[:, :CONTEXT].tolist()]
    true_rows = prompted.tokens[:, CONTEXT:].tolist()
    truth = judge.nll([read.decode(row) for row in true_rows], contexts)
    document: dict[str, Any] = {
        "about": f"{LENGTH} tokens sampled after {CONTEXT}; judge: nats per token of its own",
        **setting(args, model, about, chosen=chosen_on, prompts=prompted),
        "judge": {**judge.provenance, "name": args.judge},
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
