"""DUS's speed is real, but the same passes buy more where its steps, or its order, are chosen.

Reads ``experiments/results/dus_speed_{base,tiny}.json``, the first that is there, and
``main_job_{base,tiny}.json``; writes ``fig_dus_speed.{pdf,svg,png}``.
Caption: left, NLL of 128 held-out bytes after 128 known ones, teacher-forced at temperature 1,
against positions per pass, for DUS with blocks of 8 to 128, for the same order cut where it is
best, and for the best plan found, all in DUS's own passes; DUS publishes these speedups (B / log2 B
is 2.7, 4, 6.4, 10.7 for B = 8, 16, 32, 64). Bands are 95 % intervals of the paired difference to
DUS. Right: the dilated order of 128 positions with optimal and with equal sizes against the most
confident positions of 128, at equal passes, for a 28M (filled) and a 0.9M model (open); bands are
95 % intervals of the difference to the random order with optimal sizes at 4 passes. Both over
held-out documents, others than those that plans are from. DUS (arXiv:2506.19037) shows task
accuracy of large models, which NLL of small ones does not reproduce; the passes agree exactly.
"""

from __future__ import annotations

from typing import Any

from common import MODELS, band, label, models_of, plt, powers_of_two, read_result, save

# Kind: name, marker, colour, line style, and where the label stands: block and offset in points.
PLANS = {
    "dus": ("DUS", "s", "C2", "-.", 64, (8, -6)),
    "same order": ("same order, best steps", "^", "C1", "--", 32, (-40, 13)),
    "best": ("best plan", "o", "C0", "-", 16, (-6, -18)),
}
# Sampler: name, colour, line style, and where the label stands: point and offset.
AT_EQUAL_PASSES = {
    "confidence": ("confidence", "C3", ":", 2, (-62, -8)),
    "dilated": ("dilated, equal sizes", "C1", "--", 2, (-24, 7)),
    "dilated optimal, B=128": ("dilated, optimal sizes", "C0", "-", 2, (-44, -16)),
}


def draw_blocks(axes: Any, document: dict[str, Any]) -> None:
    """NLL against speedup; one point a block size."""
    for kind, (name, marker, colour, style, block, offset) in PLANS.items():
        rows = [row for row in document["rows"] if row["kind"] == kind]
        x, y = [row["speedup"] for row in rows], [row["nll"] for row in rows]
        errors = [row["difference_stderr"] for row in rows]
        band(axes, x, y, errors, marker=marker, color=colour, linestyle=style)
        at = [row["block"] for row in rows].index(block)
        label(axes, name, (x[at], y[at]), offset, color=colour)
    dus = [row for row in document["rows"] if row["kind"] == "dus"]
    powers_of_two(axes.xaxis, ())
    speeds = [row["speedup"] for row in dus]
    axes.set_xticks(speeds, [f"{row['speedup']:.1f}\nB={row['block']}" for row in dus])
    axes.set_xlim(2.4, 24)
    axes.set_xlabel(f"positions per forward pass [count], {MODELS[document['model']['name']]}")
    axes.set_ylabel("sampler NLL [nats per byte]")


def draw_planners(axes: Any) -> None:
    """The dilated order against confidence at equal passes, for both models."""
    for model, fill in (("base", "full"), ("tiny", "none")):
        rows = read_result(f"main_job_{model}")["rows"]
        for sampler, (name, colour, style, point, offset) in AT_EQUAL_PASSES.items():
            found = [
                row
                for row in rows
                if row["sampler"].partition(":")[0] == sampler and row["block_length"] == 128
            ]
            found.sort(key=lambda row: row["nfe"])
            x, y = [row["nfe"] for row in found], [row["nll"] for row in found]
            errors = [row["difference_stderr"] for row in found]
            band(axes, x, y, errors, color=colour, linestyle=style, marker="o", fillstyle=fill)
            if model == "base":
                label(axes, name, (x[point], y[point]), offset, color=colour)
            elif sampler == "confidence":
                label(axes, MODELS["tiny"], (x[0], y[0]), (8, 0), color="0.4")
            if model == "base" and sampler == "confidence":
                label(axes, MODELS["base"], (x[1], y[1]), (-74, -10), color="0.4")
    powers_of_two(axes.xaxis, (4, 8, 16, 32, 64))
    axes.set_ylim(bottom=0.94)
    axes.set_xlabel("forward passes for 128 positions [count]")
    axes.set_ylabel("sampler NLL [nats per byte]")


def main() -> None:
    figure, (blocks, planners) = plt.subplots(1, 2, figsize=(9.2, 3.7))
    draw_blocks(blocks, read_result(f"dus_speed_{models_of('dus_speed')[0]}"))
    draw_planners(planners)
    save(figure, "fig_dus_speed")


if __name__ == "__main__":
    main()
