"""At equal FLOPs a light model for the first steps spares excess where passes are few.

Reads ``experiments/results/model_scheduling_tiny.json``; writes ``fig_joint.{pdf,svg,png}``.
Caption: excess loss of tiny (heavy) and tiny-light over one position a step of tiny in the same
order, for the FLOPs of K passes of tiny; 128 bytes without a context. Left: the heavy model alone
with optimal sizes (dashed), and boundaries and models chosen together. Right: how much less excess
both models together have than the heavy model alone with optimal sizes, measured (filled; 95 %
intervals by the jackknife over held-out documents, cut off at the axis) and predicted by curves
(random order) and surfaces (dilated) of the other half of the documents, which chose the schedules
(open); points are moved apart sideways. Equal FLOPs are more passes, of which some are cheap:
latency is another matter.
"""

from __future__ import annotations

from typing import Any

from common import label, plt, powers_of_two, read_result, save

RESULT = "model_scheduling_tiny"
HEAVY, JOINT = "heavy, optimal sizes", "joint"
TARGET = 20.0  # percent


def excesses(axes: Any, rows: list[dict[str, Any]], color: str) -> None:
    x = [row["budget"] for row in rows]
    for name, style, marker in ((HEAVY, "--", "s"), (JOINT, "-", "o")):
        y = [row["rows"][name]["excess"] for row in rows]
        bars = [1.96 * row["rows"][name]["excess_stderr"] for row in rows]
        look = {"color": color, "linestyle": style, "marker": marker}
        axes.errorbar(x, y, bars, elinewidth=1, capsize=2, **look)


def savings(axes: Any, rows: list[dict[str, Any]], color: str, marker: str, side: float) -> None:
    x = [row["budget"] * 2**side for row in rows]
    against = [row["against"][HEAVY] for row in rows]
    y = [100.0 * row["saving"] for row in against]
    bars = [196.0 * row["saving_stderr"] for row in against]
    axes.errorbar(x, y, bars, color=color, fmt=marker, capsize=2.5)
    predicted = [100.0 * row["predicted_saving"] for row in against]
    axes.plot(x, predicted, color=color, linestyle=":", marker=marker, markerfacecolor="white")


def main() -> None:
    found = read_result(RESULT)["budgets"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 3.4))
    looks = {"random": ("C0", "o", -0.06), "dilated": ("C2", "^", 0.06)}
    for order, (color, marker, side) in looks.items():
        rows = [row for row in found if row["order"] == order]
        excesses(left, rows, color)
        savings(right, rows, color, marker, side)
        loss = rows[1]["rows"][HEAVY]["excess"]
        offset = (12, 6) if order == "random" else (-58, -22)
        label(left, f"{order} order", (rows[1]["budget"], loss), offset, color=color)
        offset = (10, 2) if order == "dilated" else (-12, -32)
        share = 100.0 * rows[0]["against"][HEAVY]["saving"]
        label(right, f"{order} order", (rows[0]["budget"], share), offset, color=color)
        if order == "random":
            heavy = rows[0]["rows"][HEAVY]["excess"]
            label(left, "heavy model alone", (rows[0]["budget"], heavy), (8, 4), color="0.3")
        else:
            joint = rows[0]["rows"][JOINT]["excess"]
            label(left, "both models", (rows[0]["budget"], joint), (-8, -30), color="0.3")
    budgets = sorted({row["budget"] for row in found})
    for axes in (left, right):
        powers_of_two(axes.xaxis, budgets)
        axes.set_xlabel("FLOPs [forward passes of the heavy model]")
    left.set_yscale("log")
    left.set_ylim(1.2e-3, 0.7)
    left.set_ylabel("excess loss [nats per byte]")
    right.axhline(TARGET, color="0.3", linewidth=0.8)
    label(right, "target", (budgets[-2], TARGET), (20, 3), color="0.3")
    right.axhline(0.0, color="0.3", linewidth=0.8, linestyle=":")
    right.set_ylim(-22.0, 55.0)
    right.set_ylabel("less excess than the heavy model alone [%]")
    save(figure, "fig_joint")


if __name__ == "__main__":
    main()
