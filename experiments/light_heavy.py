"""Where a light model lags depends on the pair: its loss and KL(heavy || light), by what is masked.

    python experiments/light_heavy.py --length 128 --windows 300 --passes 4096    # tiny, tiny-light
    python experiments/light_heavy.py --model build/models/base --light tiny --name base_tiny \\
        --length 128 --windows 60 --passes 1024
    python experiments/light_heavy.py --model build/models/base --light build/models/light \\
        --name base --device cuda --batch 256

Whole windows of held-out text without a context, as in arXiv:2604.02340. One random order is drawn
for each window, and both models score everything masked, under the same masks, when the first
0, n/16, 2n/16, ... of it are known. At every masked position KL(heavy || light) is exact, from
both distributions. Beside these are the smooth curves of ``schedopt estimate`` from passes of
their own on the same windows. Standard errors are over documents, those of differences in pairs.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from common import parse_study, setting, write_result
from pair import RANDOM, SHARES, assignments, load_pair, pair_parser, segmented

from schedopt.clusters import mean_over_documents
from schedopt.data import Windows, load_windows
from schedopt.estimators import estimate
from schedopt.models import Denoiser
from schedopt.models.denoiser import reduce_scores
from schedopt.solvers.models import loss_of_models

PARTS = 16
SEGMENTS = 8
# What a pass says of a masked position, nats, and what is made of it.
COLUMNS = ("heavy", "light", "heavy_entropy", "kl")
PUBLISHED = (
    "arXiv:2604.02340, abstract and caption of figure 1: 12 blocks against 4, 25 % of 1000 steps "
    "light (16.7 % of the FLOPs less); by loss and KL the middle steps are the ones to keep heavy "
    "(OpenWebText, LM1B; figures not seen)"
)


def scores_of_pair(
    heavy: Denoiser, light: Denoiser, windows: Windows, known: list[int], seed: int, batch: int
) -> np.ndarray:
    """Means over the masked positions of each pass, shape (columns, windows, known), nats."""
    n, start = windows.length, windows.context
    rng = np.random.default_rng(seed)
    ranks = rng.permuted(np.tile(np.arange(n), (len(windows), 1)), axis=1)
    found = np.empty((len(COLUMNS), len(windows), len(known)))
    for low in range(0, len(windows), batch):
        rows = slice(low, min(low + batch, len(windows)))
        truth = windows.tokens[rows].to(heavy.device)
        rank = torch.from_numpy(ranks[rows]).to(heavy.device)
        for column, count in enumerate(known):
            masked = torch.zeros_like(truth, dtype=torch.bool)
            masked[:, start:] = rank >= count
            given = truth.masked_fill(masked, heavy.mask_id)
            ours, theirs = (model.log_probs(given, masked) for model in (heavy, light))
            nll, entropy = reduce_scores(ours, truth[masked])
            light_nll, _ = reduce_scores(theirs, truth[masked])
            possible = torch.arange(ours.shape[1], device=ours.device) != heavy.mask_id
            ours, theirs = ours[:, possible], theirs[:, possible]
            kl = (ours.exp() * (ours - theirs)).sum(dim=-1)
            for index, values in enumerate((nll, light_nll, entropy, kl)):
                means = values.double().reshape(len(truth), n - count).mean(dim=1)
                found[index, rows, column] = means.cpu().numpy()
    return found


def coarse_search(
    curves: Sequence[Any], flops: Sequence[float], gaps: np.ndarray, documents: np.ndarray
) -> list[dict[str, Any]]:
    """Light segments in equal steps: predicted excess, and what was measured over the sandwich.

    A step loses what all masked positions lose on average, as the next ones in a random order are
    any of them: measured losses come from the passes with identical masks.

    Args:
        curves: Of the heavy and the light model.
        flops: Of a pass of each.
        gaps: Shape (windows, steps), loss of the light model less that of the heavy one, nats a
            masked position, at the beginning of each step.
        documents: Shape (windows,).
    """
    n, steps = curves[0].length, gaps.shape[1]
    found = []
    for share in SHARES:
        every, names = assignments(SEGMENTS, share)
        schedules = {light: segmented(n, steps, SEGMENTS, light) for light in every}
        predicted = {key: loss_of_models(curves, flops, s) / n for key, s in schedules.items()}
        added = {key: gaps @ np.array(s.models) / steps for key, s in schedules.items()}
        sandwich = names["sandwich"]
        names |= {"best": min(every, key=predicted.__getitem__)}
        names |= {"worst": max(every, key=predicted.__getitem__)}
        names |= {"best in hindsight": min(every, key=lambda light: added[light].mean())}
        rows = []
        for name, light in names.items():
            over = mean_over_documents(added[light] - added[sandwich], documents)
            row = {"name": name, "segments": light, "predicted": predicted[light]}
            rows.append(row | {"over_sandwich": over.value, "over_sandwich_stderr": over.stderr})
        less = predicted[sandwich] - 1e-12  # ties are no better
        better = sum(loss < less for loss in predicted.values())
        found.append(
            {"share": share, "of": len(every), "predicted_better_than_sandwich": better}
            | {"rows": rows}
        )
    return found


def main() -> None:
    args = parse_study(pair_parser(__doc__))
    started = time.monotonic()
    (heavy, light), about_models = load_pair(args)
    windows, about = load_windows(heavy, length=args.length, context=0, limit=args.windows)
    n = windows.length
    known = [n * part // PARTS for part in range(PARTS)] + [n - 1]
    passes = scores_of_pair(heavy, light, windows, known, args.seed, args.batch)
    print(f"{len(known)} masks a window after {time.monotonic() - started:.0f} s", flush=True)
    columns = dict(zip(COLUMNS, passes, strict=True))
    columns["gap"] = columns["light"] - columns["heavy"]
    columns["gap_minus_kl"] = columns["gap"] - columns["kl"]
    rows = []
    for index, count in enumerate(known):
        row: dict[str, Any] = {"known": count, "masked": 1.0 - count / n}
        for name, values in columns.items():
            mean = mean_over_documents(values[:, index], windows.documents)
            row |= {name: mean.value, f"{name}_stderr": mean.stderr}
        rows.append(row)
        print(f"masked {row['masked']:.3f} gap {row['gap']:.4f} KL {row['kl']:.4f}", flush=True)
    curves = [
        estimate(model, windows, order=RANDOM, passes=args.passes, seed=args.seed).measure
        for model in (heavy, light)
    ]
    write_result(
        f"light_heavy_{args.name}",
        {
            "about": f"{n} bytes without a context, random masks; nats per masked byte",
            "published": PUBLISHED,
            **setting(args, heavy, about, measured=windows),
            **about_models,
            "documents": len(np.unique(windows.documents)),
            "rows": rows,
            "curves": {
                name: {
                    "conditional_entropy": curve.conditional_entropy.round(5).tolist(),
                    "stderr": np.round(curve.stderr, 5).tolist(),
                }
                for name, curve in zip(("heavy", "light"), curves, strict=True)
            },
            "coarse_search": coarse_search(
                curves,
                about_models["flops_of_a_pass"],
                columns["gap"][:, :PARTS],
                windows.documents,
            ),
        },
        started,
    )


if __name__ == "__main__":
    main()
