"""All samplers on a law whose truth is known, with its conditionals and with those of models.

Reads ``experiments/results/known_truth.json``; writes ``fig_known_truth_samplers.{pdf,svg,png}``.
Caption: KL(law || sampler) a symbol of 64 positions of a chain of order 2 against forward passes,
with the true conditionals (left) and with those of trained models (right); the axis is in square
roots. Optimal sizes are by the true curve and surface (left) and by passes of the model (right).
Grey, left: a planner that takes the first of the positions that look alike to it. Bars: 95 %
intervals over draws of the law, and on the right over draws and models.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from common import label, plt, powers_of_two, read_result, save

# Family: its samplers, marker, line style, and where its label stands: index of a point, offset in
# points, left and right.
FAMILIES: dict[str, tuple[str, str, str, Any, Any]] = {
    "dilated, optimal sizes": ("dilated ({}).*", "o", "-", (1, (-79, -9)), (1, (-34, -15))),
    "random, optimal sizes": ("random ({}).*", "s", "--", (2, (-40, -24)), (0, (8, 3))),
    "DUS": ("dus", "D", "-.", (0, (-10, -14)), (0, (-12, -14))),
    "confidence": ("confidence", "^", ":", (1, (-68, -4)), (0, (8, 4))),
    "entropy bound": ("eb", "v", "-", (0, (-66, 5)), (2, (7, 3))),
    "threshold": ("threshold", "P", "--", (0, (-46, 5)), (0, (7, 3))),
}
TICKS = (0.0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8)


def series(document: dict[str, Any], pattern: str, who: str) -> list[dict[str, Any]]:
    """The points of a family by passes; of fitted schedules the mean over the models."""
    kind = "optimal" if who == "truth" else "fitted"
    form = re.compile(pattern.format(kind) + r":[\d.]+")
    ends = [row for row in document["sequential"] if pattern.partition(" ")[0] == row["order"]]
    found: dict[str, list[dict[str, Any]]] = {}
    for row in document["samplers"]:
        if form.fullmatch(row["sampler"]) and who in row:
            found.setdefault(row["sampler"].rpartition(":")[2], []).append(row[who])
    if ends:  # one position a step, of which the law itself loses nothing
        last = ends[0] if who == "model" else {"value": 0.0, "stderr": 0.0}
        found["sequential"] = [{**last, "nfe": document["law"]["positions"]}]
    return sorted((mean_of(rows) for rows in found.values()), key=lambda row: row["nfe"])


def mean_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One row as it is; of one for each model, the mean, the spread between models in its error."""
    if len(rows) == 1:
        (row,) = rows
        return {**row, "stderr": np.hypot(row["stderr"], row.get("seed_stderr", 0.0))}
    values = [row["value"] for row in rows]
    within = max(row["stderr"] for row in rows)
    between = np.std(values, ddof=1) / len(values) ** 0.5
    return {"nfe": rows[0]["nfe"], "value": np.mean(values), "stderr": np.hypot(within, between)}


def draw(axes: Any, rows: list[dict[str, Any]], **style: Any) -> Any:
    """Points with bars; losses below 0, which only chance can be, are on the axis."""
    y = np.array([row["value"] for row in rows])
    half = 1.96 * np.array([row["stderr"] for row in rows])
    high, low, y = (np.maximum(v, 0.0) for v in (y + half, y - half, y))
    bars = axes.errorbar(
        [row["nfe"] for row in rows], y, yerr=[y - low, high - y], elinewidth=0.8, **style
    )
    return bars[0].get_color(), list(zip([row["nfe"] for row in rows], y.tolist(), strict=True))


def main() -> None:
    document = read_result("known_truth")
    figure, both = plt.subplots(1, 2, figsize=(9.2, 3.8), sharey=True)
    for side, (axes, who) in enumerate(zip(both, ("truth", "model"), strict=True)):
        axes.set_yscale("function", functions=(lambda v: np.sqrt(np.maximum(v, 0.0)), np.square))
        for name, (pattern, marker, style, *places) in FAMILIES.items():
            rows = series(document, pattern, who)
            color, points = draw(axes, rows, marker=marker, linestyle=style)
            index, offset = places[side]
            label(axes, name, points[index], offset, color=color)
        powers_of_two(axes.xaxis, (4, 8, 16, 32, 64))
        axes.set_yticks(TICKS, [f"{tick:g}" for tick in TICKS])
        axes.set_ylim(0.0, 0.95)
        axes.set_xlim(3.6, 70.0)
    tied = [r for r in document["ties_to_the_left"] if r["sampler"].startswith("confidence")]
    _, points = draw(both[0], tied, color="0.45", linestyle=":", marker="x")
    label(both[0], "confidence, ties to the left", points[0], (4, 6), color="0.35")
    both[0].set_ylabel("KL(law || sampler) [nats per symbol]")
    both[0].set_xlabel("forward passes for 64 positions [passes], true conditionals")
    both[1].set_xlabel("forward passes for 64 positions [passes], trained models")
    save(figure, "fig_known_truth_samplers")


if __name__ == "__main__":
    main()
