"""What estimates cost: regret of the chosen sizes on other documents against passes spent.

    python experiments/estimation_cost.py --judge 4096 --effort 1536      # 8 minutes, one core
    python experiments/estimation_cost.py --model build/models/base --device cuda --batch 512 \\
        --most 16384 --effort 65536 --judge 65536

Sizes are chosen by some passes on one half of the documents, and judged by smooth estimates with
``--judge`` passes each: ``regret`` on the other half of the documents, ``own_regret`` on the same
half, by passes of its own, where with enough passes nothing is left but the judge's error. A smooth
judge is not fitted to noise as plain means are, but it shares what the smooth estimate assumes;
``--judging raw`` takes plain means. The sizes of method "documents" are the best of the judge on
the half that chooses: what they lose on the other half is the difference of the documents (and the
errors of both judges), which passes do not mend.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from common import parse_study, setting, study_parser, write_result

from schedopt.data import Windows, load_windows
from schedopt.estimators import estimate, estimate_gaps
from schedopt.models import load_model
from schedopt.running import Arrays, Runner
from schedopt.schedule import Order
from schedopt.sizes import uniform_sizes
from schedopt.solvers import loss_of, losses, predicted_surface, solve

BUDGETS = (4, 8, 16, 32)
TARGET = 0.01
LEAST = 64  # passes
PLAIN = (256, 1024, 4096, 16384)  # passes of the estimates beside the smooth one
METHODS = ("smooth", "isotonic", "raw", "gaps")
# From a prototype's trial on a larger model, one pass a document; regrets over k = 4..64.
TRIAL = {
    "source": "a trial before this repository: other documents, uniform sizes 0.15-0.26",
    "isotonic": {"32": [0.17, 5.24], "128": [0.09, 2.63], "1024": [0.12, 2.37]},
    "smooth": {"128": [0.02, 0.08], "1024": [0.01, 0.06]},
}


Sizes = dict[int, tuple[int, ...]]  # by number of steps


class Memory(Runner):
    """Makes no pass twice: raw and isotonic estimates of one seed share theirs."""

    def __init__(self) -> None:
        super().__init__()
        self._found: dict[str, list[Arrays]] = {}

    def map(self, label: str, *args: Any, **options: Any) -> list[Arrays]:
        """As ``Runner``; the label has a hash of what is asked."""
        if label not in self._found:
            self._found[label] = super().map(label, *args, **options)
        return self._found[label]


def passes_to(
    target: float, regrets: Mapping[int, Sequence[float]], rng: np.random.Generator
) -> dict[str, float | None]:
    """Passes from which the mean regret stays at the target, with a 95 % interval.

    Between two numbers of passes, the logarithm of the mean is interpolated in that of the passes.
    The interval is a bootstrap of the seeds at each number.

    Args:
        target: A regret.
        regrets: Of each seed, by passes, rising.
        rng: Of the bootstrap.

    Returns:
        ``passes``, ``low`` and ``high``: 0 where all means are within the target, None where the
        last is not.
    """
    passes = np.array(list(regrets))

    def crossing(means: Sequence[float]) -> float:
        above = np.flatnonzero(np.array(means) > target)
        if not len(above):
            return 0.0
        last = int(above[-1])
        if last == len(passes) - 1:
            return np.inf
        high, low = (np.log(max(m, 1e-9) / target) for m in means[last : last + 2])
        return float(passes[last] * (passes[last + 1] / passes[last]) ** (high / (high - low)))

    found = [crossing([float(np.mean(values)) for values in regrets.values()])]
    draws = [
        crossing([float(np.mean(rng.choice(values, len(values)))) for values in regrets.values()])
        for _ in range(1000)
    ]
    found += [float(x) for x in np.quantile(draws, [0.025, 0.975], method="nearest")]
    finite = [None if np.isinf(x) else round(x, 1) for x in found]
    return dict(zip(("passes", "low", "high"), finite, strict=True))


def sizes_of(measure: Any) -> Sizes:
    """The best sizes of each number of steps."""
    return {k: solve(measure, steps=k).schedule.step_sizes for k in BUDGETS}


def chosen(model: Any, windows: Windows, order: Order, method: str, **options: Any) -> Sizes:
    """What a method chooses with some passes."""
    if method == "gaps":
        return sizes_of(predicted_surface(estimate_gaps(model, windows, **options), order))
    return sizes_of(estimate(model, windows, order=order, smoothing=method, **options).measure)


def main() -> None:
    parser = study_parser(__doc__)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--context", type=int, default=128)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--most", type=int, default=2048, help="passes of the largest estimate")
    parser.add_argument("--effort", type=int, default=2048, help="passes of all seeds together")
    parser.add_argument("--seeds", type=int, default=8, help="at most so many, at least two")
    parser.add_argument("--judge", type=int, default=8192, help="passes of the judge")
    parser.add_argument("--judging", choices=("smooth", "raw"), default="smooth")
    args = parse_study(parser)
    started = time.monotonic()
    model = load_model(args.model, device=args.device)
    windows, about = load_windows(
        model, length=args.length, context=args.context, limit=args.windows
    )
    chosen_on, judged_on = windows.split(0.5, seed=args.seed)
    rows: list[dict[str, Any]] = []
    needed: list[dict[str, Any]] = []
    for order in (Order("random"), Order("dilated", base=2)):
        judges = {
            name: estimate(
                model,
                text,
                order=order,
                passes=args.judge,
                seed=1000 + args.seed,
                smoothing=args.judging,
                batch=args.batch,
            ).measure
            for name, text in (("", judged_on), ("own_", chosen_on))
        }
        least = {name: losses(judge, max(BUDGETS)) for name, judge in judges.items()}

        def tell(
            method: str,
            passes: int,
            seeds: Sequence[Sizes],
            order: Order = order,
            judges: Any = judges,
            least: Any = least,
        ) -> dict[tuple[str, int], list[float]]:
            """Rows of one method; the regrets of each seed, by judge and number of steps."""
            regrets = {
                (name, k): [
                    loss_of(judge, sizes[k]) / float(least[name][k - 1]) - 1.0 for sizes in seeds
                ]
                for name, judge in judges.items()
                for k in BUDGETS
            }
            for k in BUDGETS:
                row = {"order": order.name, "steps": k, "method": method, "passes": passes}
                row |= {"seeds": len(seeds), "least_loss": float(least[""][k - 1])}
                for name in judges:
                    values = regrets[name, k]
                    row[f"{name}regret"] = float(np.mean(values))
                    row[f"{name}largest"] = max(values)
                    if len(values) > 1:
                        row[f"{name}stderr"] = float(np.std(values, ddof=1) / len(values) ** 0.5)
                rows.append(row)
            shown = {f"{n}{k}": round(100 * float(np.mean(v)), 2) for (n, k), v in regrets.items()}
            seconds = time.monotonic() - started
            print(f"{seconds:5.0f} s {order.name} {method} {passes} {shown} %", flush=True)
            return regrets

        tell("equal sizes", 0, [{k: uniform_sizes(args.length, k) for k in BUDGETS}])
        tell("documents", args.judge, [sizes_of(judges["own_"])])
        memory = Memory()
        for method in args.methods:
            if method == "gaps" and not order.is_fixed:
                continue
            powers = [LEAST * 2**i for i in range((args.most // LEAST).bit_length())]
            if method != "smooth":
                powers = [p for p in powers if p in PLAIN]
            by_passes = {}
            for passes in powers:
                options = {"passes": passes, "batch": args.batch, "runner": memory}
                seeds = range(min(args.seeds, max(2, args.effort // passes)))
                by_passes[passes] = tell(
                    method,
                    passes,
                    [
                        chosen(model, chosen_on, order, method, seed=args.seed + seed, **options)
                        for seed in seeds
                    ],
                )
            for name in judges:
                for k in BUDGETS:
                    regrets = {passes: found[name, k] for passes, found in by_passes.items()}
                    needed.append(
                        {
                            "order": order.name,
                            "steps": k,
                            "method": method,
                            "judge": "the same documents" if name else "other documents",
                            "target": TARGET,
                            "tried": [min(powers), max(powers)],
                            **passes_to(TARGET, regrets, np.random.default_rng([args.seed, k])),
                        }
                    )
    write_result(
        f"estimation_cost_{args.name}",
        {
            "about": __doc__,
            **setting(args, model, about, chosen=chosen_on, judged=judged_on),
            "length": args.length,
            "context": args.context,
            "judge_passes": args.judge,
            "judging": args.judging,
            "trial": TRIAL,
            "rows": rows,
            "passes_needed": needed,
        },
        started,
    )


if __name__ == "__main__":
    main()
