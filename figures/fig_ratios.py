"""How many times our passes every planner needs for our NLL, and which targets that meets.

Reads ``experiments/results/ratios_{base,tiny,bpe}.json``, those that are there; writes
``fig_ratios.{pdf,svg,png}``.
Caption: passes that a planner needs for the sampler NLL of our plan, over the plan's passes; plans
are the best of several orders, block lengths and sizes, chosen on other documents than these. Of
DUS (squares, at the passes that ours need for its NLL) it is its passes over ours. Bars are 95 %
intervals by the jackknife over documents; an arrow up stands where the planner does not get there
with the most passes it was given, or where our least number of passes is already enough for the NLL
of DUS, so that the ratio is at least that; an arrow down where its least number is enough, so that
it is at most that. Dotted: what was aimed for.
"""

from __future__ import annotations

from typing import Any

from common import draw_models, label, powers_of_two

# Family: colour, marker, line style, and the shift of its points in powers of two, so that bars do
# not hide each other.
FAMILIES = {
    "random": ("C0", "o", "-", -0.08),
    "EB": ("C1", "^", "--", -0.03),
    "threshold": ("C2", "v", ":", 0.02),
    "confidence": ("C3", "D", "-.", 0.07),
    "entropy": ("C4", "P", "-", 0.12),
}
TICKS = (4, 8, 16, 32, 64, 96)


def bound(axes: Any, at: float, row: dict[str, Any], color: Any) -> None:
    """The interval of a ratio, or an arrow where it is at least that."""
    if row["at_least"] or row.get("at_most"):
        arrow = {"arrowstyle": "->", "color": color, "linewidth": 1.0}
        end = row["ratio"] * (1.25 if row["at_least"] else 0.8)
        axes.annotate("", (at, end), (at, row["ratio"]), arrowprops=arrow)
    elif row["ratio_stderr"] is not None:
        width = 1.96 * row["ratio_stderr"]
        low = max(row["ratio"] - width, 0.3)
        axes.vlines(at, low, row["ratio"] + width, color=color, linewidth=0.8)


def draw(axes: Any, document: dict[str, Any], title: str) -> None:
    for family, (color, marker, style, shift) in FAMILIES.items():
        rows = [r for r in document["ratios"] if r["family"] == family and r["ratio"] >= 1.0]
        # Where the fewest passes measured are enough, fewer might be.
        least = min(row["nfe"] for row in document["rows"] if row["family"] == family)
        rows = [row | {"at_most": row["needs"] == least} for row in rows]
        x, y = [row["passes"] * 2.0**shift for row in rows], [row["ratio"] for row in rows]
        look = {"color": color, "marker": marker, "linestyle": style, "markersize": 4.5}
        axes.plot(x, y, label="entropy bound" if family == "EB" else family, **look)
        for at, row in zip(x, rows, strict=True):
            bound(axes, at, row, color)
    for row in document["dus"]:
        at = row["ours_need"]
        axes.plot([at], [row["ratio"]], color="0.15", marker="s", linestyle="none")
        bound(axes, at, row, "0.15")
        label(
            axes,
            f"DUS, B={row['block']}",
            (at, row["ratio"]),
            (6, 4 if row["block"] == 32 else -7),
            color="0.15",
        )
    for low, high, target in ((8, 16, 2), (4, 32, 4), (4, 8, 3)):
        axes.plot([low, high], [target, target], color="0.4", linestyle=":", marker="")
    label(axes, "aimed for", (32, 4), (4, -3), color="0.4")
    axes.axhline(1.0, color="0.6", linewidth=0.8)
    powers_of_two(axes.xaxis, TICKS)
    axes.set_yscale("log", base=2)
    axes.set_yticks([0.5, 1, 2, 4, 8, 16], ["0.5", "1", "2", "4", "8", "16"])
    axes.set_ylim(0.5, 28)
    axes.set_xlim(3.4, 110)
    axes.legend(loc="upper right", frameon=False, fontsize=7.5)
    axes.set_xlabel(f"our passes for 128 positions, {title}")
    axes.set_ylabel("passes at equal NLL over ours [ratio]")


def main() -> None:
    draw_models("fig_ratios", "ratios", draw, 3.9)


if __name__ == "__main__":
    main()
