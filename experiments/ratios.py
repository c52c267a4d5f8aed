"""Forward passes at equal NLL: plans chosen on other documents, against every planner.

    python experiments/ratios.py --windows 36 --passes 768 --choose 10     # tiny, on a CPU
    python experiments/ratios.py --model build/models/base --windows 700 --passes 16384 \
        --batch 256 --device cuda

On half of the documents sizes are solved for every order and block length of ``ORDERS``; the two
plans that promise most for a budget, the two dilated ones, and the streams that take about one
position each a pass are measured there, and the best is kept. On the other half these plans and all
planners are measured. A ratio says how many times our passes a planner needs for the NLL of ours
(for DUS: how many times ours are in its passes, at its NLL), with the jackknife's standard error
over documents. The crossover is where the front of all adaptive planners falls below the front of
the plans, in passes: once for the dilated order in blocks alone, once for all orders, with left to
right one position a pass as their end. Fronts are lower hulls over the logarithm of the passes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from common import parse_study, setting, study_parser, write_result
from fronts import (
    ABOUT,
    DILATED,
    LEFT,
    LENGTH,
    Floats,
    difference_at,
    front_at,
    jackknifed,
    load_study,
    measure,
    solve_budgets,
    streams,
)

from schedopt.data import Windows
from schedopt.evaluation import SamplerScore, match, score_row, sequential_policy
from schedopt.samplers import SchedulePolicy, policy_for
from schedopt.samplers.policies import Policy
from schedopt.schedule import Order
from theory.orders import pipelined_order

BUDGETS = (4, 8, 12, 16, 24, 32, 48, 64, 96)
SHORTLIST = 2
STREAMS = (64, 32, 16, 8, 4)  # positions of each
# Order and block length by name; streams run from left to right, all blocks at a time.
ORDERS: dict[str, tuple[Order, int]] = {
    **{f"dilated, B={b}": (DILATED, b) for b in (128, 64, 32, 16, 8)},
    **{f"streams of {b}": (streams(b), LENGTH) for b in STREAMS},
    "blocks of 8, lag 0.5, base 3": (
        Order("explicit", permutation=pipelined_order(LENGTH, block=8, lag=0.5, base=3)),
        LENGTH,
    ),
    "left to right": (LEFT, LENGTH),
}
# Planner families: block length, spellings.
ADAPTIVE = {
    "EB": (32, ("eb:4", "eb:1", "eb:0.3", "eb:0.1", "eb:0.02")),
    "threshold": (32, ("threshold:0.3", "threshold:0.5", "threshold:0.7", "threshold:0.9")),
    "EB, spaced": (LENGTH, ("eb:8,spacing=32", "eb:4,spacing=32")),
    "EB, left to right": (LENGTH, ("eb:0.3,rank=left_to_right",)),
}
SIZED = {"confidence": (8, 32, 64, 96), "entropy": (8, 32, 64, 96), "random": (8, 16, 32, 64)}
SPACED = (4, 8)  # of confidence, spaced; passes asked for, which its spacing exceeds
DUS = (16, 32, 64, 128)
# Least ratio that was aimed for, and up to how many of our passes.
TARGETS = {
    "random": (2.0, 8, LENGTH // 8),
    **dict.fromkeys(("EB", "threshold", "confidence", "entropy"), (4.0, 1, LENGTH // 4)),
}
DUS_TARGET = {16: 3.0, 32: 3.0}
GRID = np.exp(np.linspace(np.log(8.0), np.log(LENGTH), 57))


def choose(model: Any, windows: Windows, args: argparse.Namespace) -> dict[str, dict[int, Policy]]:
    """The best measured plan of each budget: of the dilated order in blocks, and of all orders."""
    solved = {
        name: solve_budgets(model, windows, order, block, BUDGETS, args)
        for name, (order, block) in ORDERS.items()
    }
    few = windows.at_most(args.choose)
    kept: dict[str, dict[int, Policy]] = {"dilated": {}, "all": {}}
    for budget in BUDGETS:
        feasible = {name: found[budget] for name, found in solved.items() if budget in found}
        ranked = sorted(feasible, key=lambda n: feasible[n].sequential + feasible[n].loss)
        dilated = [name for name in ranked if name.startswith("dilated")][:SHORTLIST]
        longest = max(b for b in STREAMS if b <= budget)
        names = list(dict.fromkeys([*dilated, *ranked[:SHORTLIST], f"streams of {longest}"]))
        plans = [SchedulePolicy(feasible[n].schedule, f"{n}:{budget}") for n in names]
        scores = measure(model, few, plans, args)
        by_nll = sorted(
            zip(scores, names, plans, strict=True), key=lambda found: found[0].nll.value
        )
        kept["all"][budget] = by_nll[0][2]
        kept["dilated"][budget] = next(plan for _, name, plan in by_nll if name in dilated)
    return kept


def planners() -> dict[str, list[Policy]]:
    families = {
        name: [policy_for(spelling, block_length=block) for spelling in spellings]
        for name, (block, spellings) in ADAPTIVE.items()
    }
    for name, steps in SIZED.items():
        families[name] = [policy_for(name, block_length=LENGTH, steps=k) for k in steps]
    families["confidence, spaced"] = [
        policy_for("confidence,spacing=32", block_length=LENGTH, steps=k) for k in SPACED
    ]
    families["DUS"] = [policy_for(f"dus:{b}", block_length=LENGTH) for b in DUS]
    return families


def verdict(row: dict[str, Any], target: float) -> str:
    """Whether a target is met, with 95 % confidence or but for it; open where a bound leaves it."""
    ratio, stderr = row["ratio"], row["ratio_stderr"]
    if (row["at_least"] and ratio < target) or (row.get("at_most") and ratio >= target):
        return "open"
    if stderr is not None and ratio - 1.96 * stderr >= target:
        return "met"
    return "met, within error" if ratio >= target else "missed"


def against(ours: SamplerScore, family: str, scores: Sequence[SamplerScore]) -> dict[str, Any]:
    """What a family needs for our NLL.

    ``at_least`` where no member gets there, ``at_most`` where the one of fewest passes does.
    """
    found = match(ours, scores)
    ratio, stderr = found.ratio, found.ratio_stderr
    row = {"plan": ours.sampler, "passes": ours.nfe, "family": family, "nll": ours.nll.value}
    row |= {"at_least": ratio is None, "at_most": found.needed == found.measured[0]}
    row |= {"needs": found.needed, "needs_stderr": found.needed_stderr}
    if ratio is None:
        ratio, stderr = found.measured[1] / found.spent, 0.0
    row |= {"ratio": ratio, "ratio_stderr": stderr}
    target, low, high = TARGETS.get(family, (None, 0, 0))
    if target is not None and low <= round(ours.nfe) <= high:
        row |= {"target": target, "verdict": verdict(row, target)}
    return row


def against_dus(dus: SamplerScore, block: int, ours: Sequence[SamplerScore]) -> dict[str, Any]:
    """What our plans need for the NLL of DUS; ``at_least`` where the least number is enough."""
    found = match(dus, ours)
    assert found.ratio is not None  # it loses more than our plan of most passes
    ratio = 1.0 / found.ratio
    stderr = None if found.ratio_stderr is None else found.ratio_stderr * ratio**2
    row = {"block": block, "passes": dus.nfe, "nll": dus.nll.value, "ours_need": found.needed}
    row |= {"at_least": found.needed == found.measured[0], "ratio": ratio, "ratio_stderr": stderr}
    if block in DUS_TARGET:
        target = DUS_TARGET[block]
        row |= {"target": target, "verdict": verdict(row, target)}
    return row


def crossing(fixed: Sequence[SamplerScore], adaptive: Sequence[SamplerScore]) -> dict[str, Any]:
    """Where the adaptive front falls below the fixed one, and their difference on the way."""
    split = len(adaptive)

    def first_below(costs: Floats, losses: Floats) -> float | None:
        low = max(costs[:split].min(), costs[split:].min())
        at = np.exp(np.linspace(np.log(low), np.log(LENGTH), 2000))
        planned = front_at(at, costs[split:], losses[split:])
        below = np.flatnonzero(front_at(at, costs[:split], losses[:split]) < planned)
        return float(at[below[0]]) if below.size else None

    value, stderr = jackknifed(first_below, [*adaptive, *fixed])
    rows = []
    for at in GRID:
        difference = difference_at(float(at), adaptive, fixed)
        if difference is not None:
            rows.append([float(at), difference.value, difference.stderr])
    return {"passes": value, "stderr": stderr, "difference": rows}


def main() -> None:
    parser = study_parser(__doc__)
    parser.add_argument("--choose", type=int, default=100, help="windows that plans are chosen on")
    args = parse_study(parser)
    started = time.monotonic()
    model, windows, about = load_study(args)
    chosen_on, measured_on = windows.split(0.5, seed=args.seed)
    kept = choose(model, chosen_on, args)
    print(f"chosen after {time.monotonic() - started:.0f} s", flush=True)

    plans = list(dict.fromkeys([*kept["all"].values(), *kept["dilated"].values()]))
    scored = dict(zip(plans, measure(model, measured_on, plans, args), strict=True))
    (sequential,) = measure(model, measured_on, [sequential_policy(LEFT, LENGTH)], args)
    ours = {which: [scored[plan] for plan in kept[which].values()] for which in kept}
    baselines = {
        name: measure(model, measured_on, policies, args) for name, policies in planners().items()
    }
    adaptive = [
        score
        for name, scores in baselines.items()
        if name not in ("random", "DUS")
        for score in scores
    ]
    everything = {"ours": list(scored.values()), "sequential": [sequential], **baselines}
    reference = ours["all"][0]
    write_result(
        f"ratios_{args.name}",
        {
            "about": ABOUT,
            **setting(args, model, about, chosen=chosen_on, measured=measured_on),
            "windows_to_choose": min(args.choose, len(chosen_on)),
            "documents_measured": len(np.unique(measured_on.documents)),
            "plans": {
                which: {str(k): policy.label for k, policy in plans.items()}
                for which, plans in kept.items()
            },
            "rows": [
                {
                    "family": family,
                    **score_row(score, reference=reference),
                    "nll_per_byte": score.nll.value / about["bytes_per_token"],
                }
                for family, scores in everything.items()
                for score in scores
            ],
            "ratios": [
                against(score, family, scores)
                for score in ours["all"]
                for family, scores in baselines.items()
                if family != "DUS"
            ],
            "dus": [
                against_dus(score, block, ours["all"])
                for block, score in zip(DUS, baselines["DUS"], strict=True)
            ],
            "crossover": {
                "dilated": crossing(ours["dilated"], adaptive),
                "all": crossing([*ours["all"], sequential], adaptive),
            },
        },
        started,
    )


if __name__ == "__main__":
    main()
