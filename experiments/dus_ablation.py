"""Which part of DUS does the work, on a model and text: its order, or its steps.

    python experiments/dus_ablation.py --model tiny
    python experiments/dus_ablation.py --model build/models/base --device cuda --windows 700 \\
        --passes 16384 --batch 256 --budgets 7 8 16

The orders and sizes of ``dus_design`` at equal passes, for 128 bytes after 128 known ones. Best
sizes and orders are found on one half of the documents, from one gap model, and all is measured on
the other: sampler NLL, nats a byte. ``difference`` is to DUS, or in other passes than its 7 to the
dilated order in equal steps, paired by window. ``stderr_documents`` is over documents, for the mean
over seeds; ``stderr_seeds`` is over the seeds of orders and compositions, for these documents. With
several models (one architecture trained with several seeds) ``over_models`` has the mean and the
error over them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from common import parse_study, setting, study_parser, write_result
from dus_design import Cell, design, reference_of, stderr_of
from numpy.typing import NDArray

from schedopt.clusters import mean_over_documents
from schedopt.data import Windows, load_windows
from schedopt.estimators import estimate_gaps
from schedopt.evaluation import evaluate
from schedopt.models import Denoiser, load_model
from schedopt.samplers import SchedulePolicy
from schedopt.solvers import family_surfaces, find_order

LENGTH, CONTEXT = 128, 128


def rows_of(
    model: Denoiser, chosen_on: Windows, measured_on: Windows, args: argparse.Namespace
) -> list[dict[str, Any]]:
    """NLL of each cell and its difference to the reference, for one model."""
    gaps = estimate_gaps(model, chosen_on, passes=args.passes, seed=args.seed, batch=args.batch)
    surfaces = family_surfaces(gaps)
    rows = []
    for steps in args.budgets:
        best = find_order(gaps, steps=steps, surfaces=surfaces)
        rngs = [np.random.default_rng([args.seed, seed]) for seed in range(args.seeds)]
        cells = design(gaps, best.solution.schedule.order, steps, rngs)
        policies = [SchedulePolicy(s, " ".join(cell)) for cell in cells for s in cells[cell]]
        scores = iter(evaluate(model, measured_on, policies, seed=args.seed, batch_size=args.batch))
        values: dict[Cell, NDArray[np.float64]] = {
            cell: np.stack([next(scores).values for _ in schedules])  # (seeds, windows)
            for cell, schedules in cells.items()
        }
        base = values[reference_of(cells)].mean(axis=0)
        for (order, sizes), these in values.items():
            nll = mean_over_documents(these.mean(axis=0), measured_on.documents)
            less = mean_over_documents(these.mean(axis=0) - base, measured_on.documents)
            by_seed = (these - base).mean(axis=1).tolist()
            rows.append(
                {
                    "steps": steps,
                    "order": order,
                    "sizes": sizes,
                    "reference": " ".join(reference_of(cells)),
                    "nll": nll.value,
                    "stderr_documents": nll.stderr,
                    "difference": less.value,
                    "difference_stderr_documents": less.stderr,
                    "difference_stderr_seeds": stderr_of(by_seed),
                    "difference_by_seed": by_seed,
                    "found": best.name if order == "best found" else None,
                    "step_sizes": list(cells[order, sizes][0].step_sizes),
                }
            )
    return rows


def over_models(found: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Mean difference of each cell over models that were trained with several seeds."""
    rows = []
    for same in zip(*found, strict=True):
        differences = [row["difference"] for row in same]
        rows.append(
            {key: same[0][key] for key in ("steps", "order", "sizes", "reference")}
            | {
                "difference": float(np.mean(differences)),
                "difference_stderr_models": stderr_of(differences),
            }
        )
    return rows


def main() -> None:
    parser = study_parser(__doc__, several=True, windows=96, passes=3072)
    parser.add_argument("--seeds", type=int, default=5, help="of drawn orders and sizes")
    parser.add_argument("--budgets", type=int, nargs="+", default=[7], help="passes; DUS takes 7")
    args = parse_study(parser)
    started = time.monotonic()
    found = []
    for name in args.model:
        model = load_model(name, device=args.device)
        windows, about = load_windows(model, length=LENGTH, context=CONTEXT, limit=args.windows)
        chosen_on, measured_on = windows.split(0.5, seed=args.seed)
        rows = rows_of(model, chosen_on, measured_on, args)
        for row in rows:
            print(
                f"{row['steps']:3} {row['order']:14}{row['sizes']:10}{row['nll']:8.4f}"
                f" difference {row['difference']:+.4f}"
                f" +- {row['difference_stderr_documents']:.4f} over documents"
                f" +- {row['difference_stderr_seeds'] or 0.0:.4f} over seeds",
                flush=True,
            )
        found.append(
            setting(args, model, about, chosen=chosen_on, measured=measured_on)
            | {"folder": name, "rows": rows}
            | {"documents_measured": len(np.unique(measured_on.documents))}
        )
    document = {"about": __doc__, "seeds": args.seeds, "models": found}
    if len(found) > 1:
        document["over_models"] = over_models([part["rows"] for part in found])
    write_result(f"dus_ablation_{args.name}", document, started)


if __name__ == "__main__":
    main()
