"""About 100 passes choose sizes of the random order within 1 %; the dilated order needs ten times.

Reads ``experiments/results/estimation_cost_{base,tiny}.json``, those that are there; writes
``fig_estimation.{pdf,svg,png}``.
Caption: what the sizes lose that are chosen by some passes on one half of the documents, over the
least loss by a large smooth estimate on the other half, for the random (left) and the dilated order
(right): 128 bytes after 128 known ones. Solid: the smooth estimates of ``fit`` for 8 and 32 steps;
the others, and equal sizes, for 8. Bars are 95 % intervals of the mean over 2 to 8 seeds (of two,
too narrow); what is below 0.05 % is drawn there. Open markers: sizes by as many passes as the judge
has, where what is left is the difference of the halves. Brackets: the ranges over 4 to 64 steps of
a trial on a larger model, isotonic and smooth. The line is 1 %.
"""

from __future__ import annotations

from typing import Any

from common import HERE, label, plt, powers_of_two, read_result, save

MODELS = {"base": "28M parameters", "tiny": "0.9M parameters"}
SHOWN = 8  # steps of the methods beside the smooth one
SMOOTH = {8: ("o", "-"), 32: ("^", "-")}  # steps: marker, line style
FLOOR = 0.05  # per cent
# Where labels stand: index of the point, and offset in points; else beside the last.
LABELS = {
    ("random", "smooth, k = 8"): (3, (-66, -14)),
    ("random", "smooth, k = 32"): (3, (4, 5)),
    ("dilated", "smooth, k = 8"): (4, (7, 3)),
    ("dilated", "smooth, k = 32"): (-1, (7, 2)),
    ("dilated", "gap model"): (0, (-6, -14)),
}
BESIDE_LAST = {"plain means": (7, 2), "isotonic": (7, -8)}
BESIDE = {  # marker, line style, colour
    "isotonic": ("isotonic", "D", "--", "C1"),
    "raw": ("plain means", "v", "-.", "C2"),
    "gaps": ("gap model", "P", ":", "C3"),
}


def line(axes: Any, rows: list[dict[str, Any]], name: str, **style: Any) -> None:
    """Regrets against passes, with bars, and their name."""
    y = [max(100 * row["regret"], FLOOR) for row in rows]
    error = [196 * row["stderr"] for row in rows]
    down = [min(e, value - FLOOR) for e, value in zip(error, y, strict=True)]
    x = [row["passes"] for row in rows]
    axes.errorbar(x, y, yerr=[down, error], elinewidth=0.8, **style)
    usual = (-1, BESIDE_LAST.get(name, (7, -3)))
    point, offset = LABELS.get((rows[0]["order"], name), usual)
    label(axes, name, (x[point], y[point]), offset, color=style["color"])


def draw(axes: Any, document: dict[str, Any], order: str, title: str) -> None:
    rows = [row for row in document["rows"] if row["order"] == order]

    def pick(method: str, steps: int) -> list[dict[str, Any]]:
        return [row for row in rows if row["method"] == method and row["steps"] == steps]

    for steps, (marker, style) in SMOOTH.items():
        name = f"smooth, k = {steps}"
        line(axes, pick("smooth", steps), name, color="C0", marker=marker, linestyle=style)
        (judged,) = pick("documents", steps)
        left = max(100 * judged["regret"], FLOOR)
        axes.plot(judged["passes"], left, marker, color="C0", fillstyle="none")
    for method, (name, marker, style, color) in BESIDE.items():
        if found := pick(method, SHOWN):
            line(axes, found, name, color=color, marker=marker, linestyle=style)
    (equal,) = pick("equal sizes", SHOWN)
    axes.axhline(100 * equal["regret"], color="0.55", linewidth=1.0, linestyle=(0, (6, 3)))
    label(axes, f"equal sizes, k = {SHOWN}", (2300, 100 * equal["regret"]), (0, -11), color="0.35")
    if order == "random":
        label(axes, "trial", (128, 270), (0, 1), color="C1")
        for method, color in (("isotonic", "C1"), ("smooth", "C0")):
            for passes, (low, high) in document["trial"][method].items():
                if int(passes) >= 64:
                    at = int(passes) * 1.12  # beside ours
                    axes.plot([at, at], [100 * low, 100 * high], "_-", color=color, linewidth=0.8)
    axes.axhline(1.0, color="0.2", linewidth=1.0)
    axes.set_yscale("log")
    axes.set_ylim(0.9 * FLOOR, 600)
    axes.set_yticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    ticks = [2**i for i in range(6, 17) if 2**i <= document["judge_passes"]]
    powers_of_two(axes.xaxis, ticks)
    axes.set_xlim(56, ticks[-1] * 1.6)
    axes.set_xlabel(f"forward passes, {order} order, {title}")


def main() -> None:
    results = HERE.parent / "experiments" / "results"
    names = [name for name in MODELS if (results / f"estimation_cost_{name}.json").exists()]
    figure, grid = plt.subplots(len(names), 2, figsize=(9.2, 3.7 * len(names)), squeeze=False)
    for name, panels in zip(names, grid, strict=True):
        for axes, order in zip(panels, ("random", "dilated"), strict=True):
            draw(axes, read_result(f"estimation_cost_{name}"), order, MODELS[name])
        panels[0].set_ylabel("loss above the least [%]")
    save(figure, "fig_estimation")


if __name__ == "__main__":
    main()
