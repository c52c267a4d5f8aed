"""Regret of what `fit` chooses with few passes, by a large estimate on other documents.

    python experiments/fit_regret.py        # the bundled tiny: about 5 minutes on two cores
    python experiments/fit_regret.py --model build/models/base --device cuda

Sizes are chosen by ``--passes`` passes on one half of the documents; the judge is a smooth
estimate with ``--judge`` passes on the other half, whose least loss is not fitted to noise as
that of plain means is (``experiments/estimators.py``).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from common import write_result

from schedopt.data import load_windows
from schedopt.estimators import estimate
from schedopt.models import load_model
from schedopt.schedule import Order
from schedopt.sizes import uniform_sizes
from schedopt.solvers import loss_of, losses, solve

BUDGETS = (4, 8, 16, 32)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--order", nargs="+", choices=("random", "dilated"))
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--context", type=int, default=128)
    parser.add_argument("--passes", type=int, default=128)
    parser.add_argument("--judge", type=int, default=8192)
    parser.add_argument("--seeds", type=int, default=8)
    args = parser.parse_args()
    started = time.monotonic()
    model = load_model(args.model, device=args.device)
    windows, about = load_windows(model, length=args.length, context=args.context)
    chosen_on, judged_on = windows.split(0.5, seed=0)
    rows = []
    for order in (Order("random"), Order("dilated", base=2)):
        if args.order and order.name not in args.order:
            continue
        judge = estimate(model, judged_on, order=order, passes=args.judge, seed=1000).measure
        least = losses(judge, max(BUDGETS))
        chosen = [
            estimate(model, chosen_on, order=order, passes=args.passes, seed=seed).measure
            for seed in range(args.seeds)
        ]
        for k in BUDGETS:
            regrets = [
                loss_of(judge, solve(measure, steps=k).schedule.step_sizes) / least[k - 1] - 1
                for measure in chosen
            ]
            rows.append(
                {
                    "order": order.name,
                    "steps": k,
                    "least_loss": float(least[k - 1]),
                    "regret": float(np.mean(regrets)),
                    "stderr": float(np.std(regrets, ddof=1) / len(regrets) ** 0.5),
                    "largest": float(np.max(regrets)),
                    "regret_of_equal_sizes": float(
                        loss_of(judge, uniform_sizes(args.length, k)) / least[k - 1] - 1
                    ),
                }
            )
            print(rows[-1], flush=True)
    write_result(
        f"fit_regret_{Path(args.model).name}",
        {
            "about": __doc__,
            "model": dict(model.provenance),
            "data": about,
            "length": args.length,
            "context": args.context,
            "passes": args.passes,
            "judge_passes": args.judge,
            "seeds": args.seeds,
            "rows": rows,
        },
        started,
    )


if __name__ == "__main__":
    main()
