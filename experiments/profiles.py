"""On text steps should not shrink, and distance matters more: profiles at equal rounds, on a model.

    python experiments/profiles.py --windows 128 --passes 2048
    python experiments/profiles.py --model build/models/base --device cuda --windows 700 --batch 512

128 bytes after 128 known ones. The random order takes 4, 8 or 16 steps whose sizes grow or fall as
a power of time (``profile_sizes`` of ``permutations.py``, which does the same exactly for a law
where they should fall). Beside them, on the same windows:

- ``optimal``: the best sizes for a curve that was estimated on other documents;
- ``spaced``: sizes that grow as ``growing``, and a distance between positions revealed together
  that shrinks from 8 to 1; ``spaced equal``: the same distances with equal sizes;
- ``dilated``: the dilated order with its best sizes, from a surface of the other documents;
- ``confidence``: the surest positions, in equal steps.

``excess`` is the sampler NLL less that of one position a step in the random order, paired, also
where the order is another one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from common import parse_study, setting, study_parser, write_result
from permutations import EXPONENTS, STEPS, profile_sizes

from schedopt.data import load_windows
from schedopt.estimators import estimate
from schedopt.evaluation import evaluate, score_row, sequential_policy
from schedopt.models import load_model
from schedopt.samplers import SchedulePolicy, policy_for
from schedopt.samplers.active import ActiveBlocks, Bools
from schedopt.samplers.policies import Chooser, Policy, quotas
from schedopt.samplers.rankings import filled, ranking, surest
from schedopt.samplers.spacing import spaced
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.sizes import uniform_sizes
from schedopt.solvers import solve

LENGTH, CONTEXT = 128, 128
FIRST_GAP = 8
RANDOM, DILATED = Order("random"), Order("dilated", base=2)
GROWING = 1.0  # exponent of the profiles that have a distance, too


@dataclass(frozen=True)
class SpacedProfile:
    """A random order whose steps keep a distance, from ``FIRST_GAP`` in the first to 1 in the last.

    A step takes the first positions of the order that are far enough from those it has taken, and
    where these do not suffice the first of the others.
    """

    schedule: UnmaskingSchedule
    label: str
    models = 1
    foreseen = True

    @property
    def block_length(self) -> int:
        return self.schedule.length

    def chooser(self, rows: Sequence[int], blocks: int, seed: int) -> Chooser:
        rank = ranking(self.schedule.order, self.block_length, rows, blocks, seed)
        quota = quotas(self.schedule, blocks)
        gap = np.rint(np.linspace(FIRST_GAP, 1, self.schedule.steps)).astype(np.int64)
        gap_at = np.repeat(gap, self.schedule.step_sizes)  # [known positions]

        def choose(active: ActiveBlocks) -> Bools:
            scores, known = rank(active), self.block_length - active.masked.sum(axis=1)
            counts = quota[active.blocks, known]
            apart = spaced(active.masked, scores, gap_at[known])
            taken = surest(np.where(apart, scores, -np.inf), np.minimum(counts, apart.sum(axis=1)))
            return filled(taken, scores, counts)

        return choose


def policies(curve: Any, surface: Any) -> dict[tuple[int, str], Policy]:
    """All that are compared, by rounds and kind; a profile's kind is its exponent."""
    found: dict[tuple[int, str], Policy] = {}

    def sized(sizes: Sequence[int]) -> UnmaskingSchedule:
        return UnmaskingSchedule(LENGTH, RANDOM, tuple(sizes))

    for k in STEPS:
        for kind, exponent in EXPONENTS.items():
            schedule = sized(profile_sizes(LENGTH, k, exponent))
            found[k, kind] = SchedulePolicy(schedule, f"profile:{kind}")
        found[k, "optimal"] = SchedulePolicy(solve(curve, steps=k).schedule, "optimal")
        growing = sized(profile_sizes(LENGTH, k, GROWING))
        found[k, "spaced"] = SpacedProfile(growing, "spaced")
        found[k, "spaced equal"] = SpacedProfile(sized(uniform_sizes(LENGTH, k)), "spaced equal")
        found[k, "dilated"] = SchedulePolicy(solve(surface, steps=k).schedule, "dilated")
        found[k, "confidence"] = policy_for("confidence", block_length=LENGTH, steps=k)
    return found


def main() -> None:
    args = parse_study(study_parser(__doc__))
    started = time.monotonic()
    model = load_model(args.model, device=args.device)
    windows, about = load_windows(model, length=LENGTH, context=CONTEXT, limit=args.windows)
    chosen_on, measured_on = windows.split(0.5, seed=args.seed)
    curve, surface = (
        estimate(
            model, chosen_on, order=order, passes=args.passes, seed=args.seed, batch=args.batch
        ).measure
        for order in (RANDOM, DILATED)
    )
    print(f"estimated after {time.monotonic() - started:.0f} s", flush=True)
    (sequential,) = evaluate(
        model,
        measured_on,
        [sequential_policy(RANDOM, LENGTH)],
        seed=args.seed,
        batch_size=args.batch,
    )
    found = policies(curve, surface)
    scores = {}
    for (k, kind), policy in found.items():
        (scores[k, kind],) = evaluate(
            model, measured_on, [policy], seed=args.seed, batch_size=args.batch
        )
        excess = scores[k, kind].minus(sequential)
        print(
            f"{time.monotonic() - started:6.0f} s  {k:3d} {kind:14s}"
            f"{excess.value:8.4f} +- {excess.stderr:.4f}",
            flush=True,
        )
    rows = []
    for (k, kind), score in scores.items():
        row = score_row(score, reference=scores[k, "0"], sequential=sequential)
        equal = scores[k, "0"].minus(sequential).value
        schedule = getattr(found[k, kind], "schedule", None)
        rows.append(
            {
                "steps": k,
                "kind": kind,
                "exponent": EXPONENTS.get(kind),
                **{key: row[key] for key in ("nfe", "nll", "stderr", "excess", "excess_stderr")},
                "against_equal": row["difference"],
                "against_equal_stderr": row["difference_stderr"],
                "times_equal": row["excess"] / equal,
                "step_sizes": None if schedule is None else schedule.step_sizes,
            }
        )
    write_result(
        f"profiles_{args.name}",
        {
            "about": f"{LENGTH} bytes after {CONTEXT}; nats per byte, sampler NLL at temperature "
            "1; standard errors over documents, differences paired",
            "published": "Wen, Liang, Lu (arXiv:2608.25505), Figure 2 and text: on a 0.5B MDLM "
            "(Qwen2.5) and 542 texts, increasing < equal < decreasing; confidence top-k 3 to 11 "
            "times worse than random at equal rounds; a spaced profile (increasing sizes, least "
            "distance 8 to 1) best at 16 rounds. Their sizes and losses themselves were not seen.",
            **setting(args, model, about, chosen=chosen_on, measured=measured_on),
            "documents": len(np.unique(measured_on.documents)),
            "sequential": {"nll": sequential.nll.value, "stderr": sequential.nll.stderr},
            "first_gap": FIRST_GAP,
            "rows": rows,
        },
        started,
    )


if __name__ == "__main__":
    main()
