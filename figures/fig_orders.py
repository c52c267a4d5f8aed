"""Orders of overlapping blocks against the dilated order and its blocks, at equal passes.

Reads ``experiments/results/orders_base.json``; writes ``fig_orders.{pdf,svg,png}``.
Caption: NLL of 128 held-out bytes after 128 known ones, 28M model, teacher-forced at temperature
1: difference to the dilated order of base 2 in one block with as many passes; below zero is
better. Blocks: the dilated order in blocks of 64, 32 or 16, whichever measures best here (arrows:
beyond the axis). Family: of the eight orders that a gap model likes best, the one that measures
best on other documents, with sizes from an estimate for it; it is named under the number of
passes. A block with lag l starts when the one before it is l done: with lag 0 all go in parallel.
Searched: what local search on the gap model finds, with the model's sizes. Bars are 95 % intervals
of the difference over held-out documents, on which nothing but the block length was chosen; points
are moved apart sideways.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from common import label, plt, read_result, save

BUDGETS = (4, 8, 16, 32, 64)
TOP = 0.031  # nats per byte; a point above is told by its number
# Beginning of the plan's name, marker, and where the label stands: point and offset in points.
SERIES = {
    "blocks": ("blocks of ", "s", (2, (8, 3))),
    "family": ("family, own estimate", "o", (4, (-52, -6))),
    "searched": ("searched", "^", (0, (8, 2))),
}


def rows_of(rows: Sequence[dict[str, Any]], plan: str) -> list[dict[str, Any]]:
    """The row of each budget, of several plans the one that measures best."""
    found = [row for row in rows if row["plan"].startswith(plan)]
    return [
        min((row for row in found if row["budget"] == budget), key=lambda row: row["difference"])
        for budget in BUDGETS
    ]


def draw(axes: Any, rows: Sequence[dict[str, Any]]) -> None:
    axes.axhline(0.0, color="0.3", linewidth=0.8)
    label(axes, "dilated, one block", (64, 0.0), (-52, 3), color="0.3")
    for side, (name, (plan, marker, (point, offset))) in enumerate(SERIES.items(), start=-1):
        found = rows_of(rows, plan)
        x = [budget * 2 ** (0.1 * side) for budget in BUDGETS]
        y = [row["difference"] for row in found]
        bars = [1.96 * row["difference_stderr"] for row in found]
        line = axes.errorbar(x, y, bars, marker=marker, elinewidth=1.2, capsize=2.5)[0]
        color = line.get_color()
        label(axes, name, (x[point], y[point]), offset, color=color)
        for at, height in zip(x, y, strict=True):
            if height > TOP:
                label(axes, f"↑ {height:+.2f}", (at, TOP), (-4, -10), color=color)
    axes.set_ylim(-0.076, TOP)


def main() -> None:
    rows = read_result("orders_base")["rows"]
    figure, axes = plt.subplots(figsize=(5.8, 3.9))
    draw(axes, rows)
    orders = [row["order"].replace(", ", "\n") for row in rows_of(rows, SERIES["family"][0])]
    axes.set_xscale("log", base=2)
    axes.set_xticks(BUDGETS, [f"{b}\n{order}" for b, order in zip(BUDGETS, orders, strict=True)])
    axes.tick_params(axis="x", labelsize=7.5)
    axes.minorticks_off()
    axes.set_xlabel("forward passes for 128 positions, and the order of the family")
    axes.set_ylabel("difference in NLL [nats per byte]")
    save(figure, "fig_orders")


if __name__ == "__main__":
    main()
