"""What estimates cost: regret of the chosen sizes on other documents against passes spent.

    python experiments/estimators.py --model tiny --name tiny --device cuda

The truth is the plain mean over all windows of the other half of the documents, at every
number of known positions. Its own optimum fits some of its noise, so the regrets are upper
bounds; those of equal sizes stand beside them.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from common import write_result

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.data import Windows, load_windows
from schedopt.estimators import estimate
from schedopt.models import load_model
from schedopt.schedule import Order
from schedopt.sizes import uniform_sizes
from schedopt.solvers import loss_of, losses, solve

BUDGETS = (4, 8, 16, 32)
PASSES = (128, 512, 2048, 8192)


def truth(
    args: argparse.Namespace, model: Any, windows: Windows, order: Order
) -> InformationCurve | OrderSurface:
    """Plain means at every number of known positions, over all windows."""
    repeats = args.repeats if order.name == "random" else 1
    return estimate(
        model,
        windows,
        order=order,
        passes=repeats * len(windows) * windows.length,
        smoothing="raw",
        seed=1,
        batch=args.batch,
    ).measure


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--name", default="tiny")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--context", type=int, default=128)
    parser.add_argument("--windows", type=int)
    parser.add_argument("--repeats", type=int, default=8, help="random masks a window and count")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--batch", type=int, default=512)
    args = parser.parse_args()
    started = time.monotonic()
    torch.set_float32_matmul_precision("high")
    model = load_model(args.model, device=args.device)
    windows, about = load_windows(
        model, length=args.length, context=args.context, limit=args.windows
    )
    fit_on, true_on = windows.split(0.5, seed=0)
    rows = []
    for order in (Order("random"), Order("dilated", base=2)):
        exact = truth(args, model, true_on, order)
        least = losses(exact, max(BUDGETS))
        print(f"{order.name} truth after {time.monotonic() - started:.0f} s", flush=True)

        def regret(sizes: tuple[int, ...], exact: Any = exact, least: Any = least) -> float:
            return loss_of(exact, sizes) / float(least[len(sizes) - 1]) - 1.0

        for k in BUDGETS:
            equal = regret(uniform_sizes(args.length, k))
            rows.append(
                {
                    "order": order.name,
                    "steps": k,
                    "method": "equal sizes",
                    "passes": 0,
                    "least_loss": float(least[k - 1]),
                    "regret": equal,
                    "stderr": 0.0,
                }
            )
        for method in ("smooth", "isotonic"):
            for passes in PASSES:
                if method == "isotonic" and passes < 2 * args.length:
                    continue
                regrets: dict[int, list[float]] = {k: [] for k in BUDGETS}
                for seed in range(args.seeds):
                    measure = estimate(
                        model,
                        fit_on,
                        order=order,
                        passes=passes,
                        seed=seed,
                        smoothing=method,
                        batch=args.batch,
                    ).measure
                    for k in BUDGETS:
                        regrets[k].append(regret(solve(measure, steps=k).schedule.step_sizes))
                for k, values in regrets.items():
                    rows.append(
                        {
                            "order": order.name,
                            "steps": k,
                            "method": method,
                            "passes": passes,
                            "least_loss": float(least[k - 1]),
                            "regret": float(np.mean(values)),
                            "stderr": float(np.std(values, ddof=1) / len(values) ** 0.5),
                        }
                    )
                print(
                    order.name,
                    method,
                    passes,
                    time.monotonic() - started,
                    {k: round(float(np.mean(v)), 3) for k, v in regrets.items()},
                    flush=True,
                )
    write_result(
        f"estimators_{args.name}",
        {
            "about": __doc__,
            "model": {**model.provenance, "name": args.name},
            "data": about,
            "length": args.length,
            "context": args.context,
            "windows": {"fit": len(fit_on), "truth": len(true_on)},
            "rows": rows,
        },
        started,
    )


if __name__ == "__main__":
    main()
