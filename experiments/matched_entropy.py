"""Below temperature 1: a judge's NLL of what samplers write, at equal token entropy.

    python experiments/matched_entropy.py --prompts 24 --temperatures 1 0.75 --passes 1024   # CPU
    python experiments/matched_entropy.py --model build/models/base --judge build/models/judge \
        --prompts 512 --batch 512 --device cuda

A lower temperature pleases the judge and dulls the text, and it does so more with some samplers
than with others. So each sampler writes at several temperatures, from the same prompts and random
numbers, and its judge's NLL and its passes are interpolated between them at one token entropy: the
middle of those that all samplers reach. Then the passes that each planner needs for the NLL of our
schedules are compared as at temperature 1, with the jackknife's errors over documents. Schedules
are solved on other documents.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from common import parse_study, setting, study_parser, write_result
from fronts import CONTEXT, DILATED, LENGTH, Floats, load_study, solve_budgets, streams

from schedopt.evaluation import TextScore, evaluate_texts, load_judge, nfe_to_match
from schedopt.evaluation.diversity import token_entropy
from schedopt.evaluation.score import jackknife, leave_one_out
from schedopt.samplers import SchedulePolicy, policy_for
from schedopt.samplers.policies import Policy
from schedopt.schedule import UnmaskingSchedule

BUDGETS = (4, 8, 16, 32)
STREAMS = (64, 32, 16, 8)
PLANNERS: dict[str, tuple[int, tuple[str, ...]]] = {
    "DUS": (LENGTH, ("dus:16", "dus:32", "dus:128")),
    "EB": (32, ("eb:1", "eb:0.1")),
    "threshold": (32, ("threshold:0.7",)),
}
SIZED = {"random": (8, 32, 64), "confidence": (8, 32, 64)}


Tables = tuple[Floats, Floats, Floats]  # passes, judge's NLL, token entropy: (temperature, sampler)
Written = Sequence[Sequence[TextScore]]  # of each temperature, of each sampler


def tables_of(written: Written) -> Tables:
    """Means over all texts."""
    found = [[(s.nfe, s.mean.value, s.by_entropy.mean.value) for s in row] for row in written]
    passes, nll, entropy = np.moveaxis(np.array(found), -1, 0)
    return passes, nll, entropy


def without_each(written: Written) -> Iterator[Tables]:
    """The tables without one document, for each in turn."""
    flat = [score for row in written for score in row]
    shape = (len(written), -1)
    nlls = leave_one_out(flat, "nfe")
    entropies = leave_one_out([score.by_entropy for score in flat], "nfe")
    for (passes, nll), (_, entropy) in zip(nlls, entropies, strict=True):
        yield passes.reshape(shape), nll.reshape(shape), entropy.reshape(shape)


def at_entropy(target: float, entropy: Floats, values: Floats) -> float:
    """A value between temperatures, where the token entropy is the target.

    >>> at_entropy(2.5, np.array([3.0, 2.0]), np.array([4.0, 1.0]))
    2.5
    """
    ranked = np.argsort(entropy)
    return float(np.interp(target, entropy[ranked], values[ranked]))


def common_entropy(entropy: Floats) -> float:
    """The middle of the token entropies that every sampler reaches."""
    return float((entropy.min(axis=0).max() + entropy.max(axis=0).min()) / 2.0)


def matched(target: float, tables: Tables) -> tuple[Floats, Floats]:
    """Passes and judge's NLL of each sampler at the target."""
    passes, nll, entropy = tables
    columns = range(entropy.shape[1])
    return (
        np.array([at_entropy(target, entropy[:, i], passes[:, i]) for i in columns]),
        np.array([at_entropy(target, entropy[:, i], nll[:, i]) for i in columns]),
    )


def ratio(found: tuple[Floats, Floats], ours: int, theirs: Sequence[int]) -> float | None:
    """Times our passes that a planner needs for our NLL; None where it does not get there."""
    passes, nll = found
    needed = nfe_to_match([(passes[i], nll[i]) for i in theirs], nll[ours])
    return None if needed is None else needed / float(passes[ours])


def policies(model: Any, windows: Any, args: Any) -> dict[str, list[Policy]]:
    """Families of samplers, ours first."""
    solved = solve_budgets(model, windows, DILATED, LENGTH, BUDGETS, args)
    families: dict[str, list[Policy]] = {
        "dilated": [SchedulePolicy(s.schedule, f"dilated:{k}") for k, s in solved.items()],
        "streams": [
            SchedulePolicy(
                UnmaskingSchedule(LENGTH, streams(block), (LENGTH // block,) * block),
                f"streams of {block}",
            )
            for block in STREAMS
        ],
    }
    for name, (block, spellings) in PLANNERS.items():
        families[name] = [policy_for(s, block_length=block) for s in spellings]
    for name, steps in SIZED.items():
        families[name] = [policy_for(name, block_length=LENGTH, steps=k) for k in steps]
    return families


def main() -> None:
    parser = study_parser(__doc__)
    parser.add_argument("--judge", default="tiny-judge", help="bundled name or folder")
    parser.add_argument("--prompts", type=int, default=512)
    parser.add_argument("--temperatures", type=float, nargs="+", default=[1.0, 0.85, 0.7])
    args = parse_study(parser)
    started = time.monotonic()
    model, windows, about = load_study(args)
    judge = load_judge(args.judge, device=args.device)
    chosen_on, rest = windows.split(0.4, seed=args.seed)
    prompted = rest.at_most(args.prompts)
    families = policies(model, chosen_on, args)
    names = [name for name, members in families.items() for _ in members]
    written = []
    for temperature in sorted(args.temperatures, reverse=True):
        row = []
        for policy in (policy for members in families.values() for policy in members):
            row += evaluate_texts(
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
            score = row[-1]
            print(
                f"{time.monotonic() - started:5.0f} s T={temperature} {score.sampler:16s} "
                f"{score.nfe:6.1f} judge {score.mean.value:.3f} +- {score.mean.stderr:.3f} "
                f"entropy {score.by_entropy.mean.value:.3f}",
                flush=True,
            )
        written.append(row)
    tables = tables_of(written)
    target = common_entropy(tables[2])
    found = matched(target, tables)
    replicates = [matched(target, without) for without in without_each(written)]
    ours = [i for i, name in enumerate(names) if name in ("dilated", "streams")]
    ratios = []
    for name in families:
        theirs = [i for i, family in enumerate(names) if family == name]
        for i in () if set(theirs) <= set(ours) else ours:
            value = ratio(found, i, theirs)
            ratios.append(
                {
                    "plan": written[0][i].sampler,
                    "passes": found[0][i],
                    "family": name,
                    "ratio": value,
                    "ratio_stderr": None
                    if value is None
                    else jackknife([ratio(each, i, theirs) for each in replicates]),
                    "measured_to": max(found[0][j] for j in theirs),
                }
            )
    text = prompted.tokens[:, CONTEXT:].tolist()
    write_result(
        f"matched_entropy_{args.name}",
        {
            "about": f"{LENGTH} tokens sampled after {CONTEXT}; judge: nats per token of its own",
            **setting(args, model, about, chosen=chosen_on, prompts=prompted),
            "judge": {**judge.provenance, "name": args.judge},
            "entropy_of_text": float(token_entropy(text).mean()),
            "entropy": target,
            "temperatures": sorted(args.temperatures, reverse=True),
            "rows": [
                {
                    "family": name,
                    "sampler": written[0][i].sampler,
                    "nfe": found[0][i],
                    "judge_nll": found[1][i],
                    "stderr": jackknife([each[1][i] for each in replicates]),
                    "nfe_by_temperature": tables[0][:, i].tolist(),
                    "judge_nll_by_temperature": tables[1][:, i].tolist(),
                    "entropy_by_temperature": tables[2][:, i].tolist(),
                }
                for i, name in enumerate(names)
            ],
            "ratios": ratios,
        },
        started,
    )


if __name__ == "__main__":
    main()
