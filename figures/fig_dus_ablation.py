"""On text DUS's order is good and its doubling steps the worst cut; on order-1 chains the best.

Reads ``experiments/results/dus_ablation_laws.json`` and
``experiments/results/dus_ablation_{base,tiny}.json``, the first that is there; writes
``fig_dus_ablation.{pdf,svg,png}``.
Caption: each order cut into as many steps as DUS takes, by its doubling sizes, equal ones, random
compositions, and the best ones for the order. DUS is the dilated order with doubling sizes
(vertical line). Left and middle: exact loss of chains drawn at random, of order 1 (64 positions, 6
steps) and 2 (16 positions, 4 steps); means of 12 laws, and of three draws for each where order or
sizes are random; bars are 95 % intervals over laws. Right: NLL of 128 held-out bytes after 128
known ones less that of DUS, 7 passes; bars are 95 % intervals of the paired difference over
held-out documents, small dots the five seeds of drawn orders and sizes; a triangle at the edge is a
value beyond it. Best sizes and orders are from other documents than those measured. Ours alone: DUS
(arXiv:2506.19037) has no such ablation.
"""

from __future__ import annotations

from typing import Any

from common import MODELS, label, models_of, plt, read_result, save

ORDERS = ("dilated", "jittered", "random", "left to right", "best found")
NAMES = {"jittered": "random dilation", "random": "random permutation"}
# Sizes: marker, fill, colour, and how far above the middle of the row.
SIZES = {
    "random": ("x", "full", "0.4", 0.27),
    "equal": ("^", "none", "C1", 0.09),
    "doubling": ("s", "none", "C2", -0.09),
    "optimal": ("o", "full", "C0", -0.27),
}
FLOOR = 2e-5  # nats a position
REACH = (-0.28, 0.62)  # of differences of NLL, nats a byte


def draw_laws(axes: Any, rows: list[dict[str, Any]]) -> None:
    """Losses of the cells of one family, in DUS's own passes."""
    cells = {(row["order"], row["sizes"]): row for row in rows}
    for (order, sizes), row in cells.items():
        marker, fill, colour, shift = SIZES[sizes]
        y, x = shift - ORDERS.index(order), max(row["loss"], FLOOR)
        low = max(FLOOR, row["loss"] - 1.96 * row["stderr"])
        high = row["loss"] + 1.96 * row["stderr"]
        axes.plot([low, high], [y, y], color=colour, linestyle="-", linewidth=1.0)
        axes.plot(x, y, marker, fillstyle=fill, color=colour, markersize=5, clip_on=False)
    axes.axvline(cells["dilated", "doubling"]["loss"], color="0.4", linewidth=0.8, zorder=0)
    axes.set_xscale("log")
    axes.set_xlim(FLOOR, 2.0)


def draw_model(axes: Any, rows: list[dict[str, Any]]) -> None:
    """Differences of NLL to DUS."""
    for row in rows:
        marker, fill, colour, shift = SIZES[row["sizes"]]
        y, x = shift - ORDERS.index(row["order"]), row["difference"]
        if x > REACH[1]:
            axes.plot(REACH[1], y, ">", color=colour, markersize=4, clip_on=False)
            label(axes, f"{x:+.2f}", (REACH[1], y), (-8, -3), color=colour, fontsize=7, ha="right")
            continue
        half = 1.96 * row["difference_stderr_documents"]
        axes.plot([x - half, x + half], [y, y], color=colour, linestyle="-", linewidth=1.0)
        axes.plot(x, y, marker, fillstyle=fill, color=colour, markersize=5)
        seeds = row["difference_by_seed"]
        if len(seeds) > 1:
            axes.plot(seeds, [y] * len(seeds), ".", color=colour, markersize=2.5)
    axes.axvline(0.0, color="0.4", linewidth=0.8, zorder=0)
    axes.set_xlim(*REACH)


def main() -> None:
    name = models_of("dus_ablation")[0]
    model = read_result(f"dus_ablation_{name}")["models"][0]["rows"]
    laws = read_result("dus_ablation_laws")["rows"]
    figure, (first, second, text) = plt.subplots(1, 3, figsize=(9.2, 4.0), sharey=True)
    for axes, order in ((first, 1), (second, 2)):
        rows = [row for row in laws if row["family"] == f"chains of order {order}"]
        dus = next(row["steps"] for row in rows if row["sizes"] == "doubling")
        draw_laws(axes, [row for row in rows if row["steps"] == dus])
        axes.set_xlabel(f"chains of order {order}: loss\n[nats per position]")
    draw_model(text, [row for row in model if row["steps"] == 7])
    text.set_xlabel(f"text, {MODELS[name]}: NLL less DUS's\n[nats per byte]")
    first.set_yticks([-i for i in range(len(ORDERS))], [NAMES.get(o, o) for o in ORDERS])
    first.set_ylim(-4.5, 0.5)
    for sizes, x, y in (
        ("random", 0.22, 0.27),
        ("equal", 0.13, 0.09),
        ("doubling", 8e-4, -0.09),
        ("optimal", 8e-4, -0.27),
    ):
        label(first, sizes, (x, y), (0, -3), color=SIZES[sizes][2], fontsize=7)
    for axes in (first, second, text):
        axes.grid(visible=False, axis="y")
        for i in range(1, len(ORDERS)):
            axes.axhline(0.5 - i, color="0.85", linewidth=0.6, zorder=0)
    save(figure, "fig_dus_ablation")


if __name__ == "__main__":
    main()
