"""From fixed to adaptive on the plane of forward passes and NLL.

Reads ``experiments/results/dial_{base,tiny}.json``, those that are there; writes
``fig_dial.{pdf,svg,png}``.
Caption: NLL of 128 held-out bytes after 128 known ones, teacher-forced at temperature 1, against
forward passes (left), and less that of the fixed front at as many passes (right): the lower hull of
dilated schedules with optimal sizes, of all block lengths. Below zero a planner beats every
schedule. The dial is an entropy bound of 0.3 to 8 nats a pass along the dilated order of 128
positions, with an optimal schedule of 16 passes as floor or with one of 8 as cap. Bars are 95 %
intervals of the paired difference over held-out documents.
"""

from __future__ import annotations

from typing import Any

from common import HERE, label, plt, read_result, save

MODELS = {"base": "28M parameters", "tiny": "0.9M parameters"}
# Family: its name in the figure, marker, line style.
FAMILIES = {
    "floor 16, B=128": ("dial, floor of 16", "o", "-"),
    "cap 8, B=128": ("dial, cap of 8", "o", "--"),
    "EB, B=32": ("entropy bound, B=32", "s", "-"),
    "left to right": ("entropy bound, left to right", "v", "-"),
    "EB, spaced, B=128": ("entropy bound, spaced", "^", "-"),
    "DUS": ("DUS", "D", "-"),
}
# Where labels stand: index of the point with so many passes from the most, and offset in points.
ON_PLANE = {
    "floor 16, B=128": (4, (-66, -12)),
    "cap 8, B=128": (3, (4, 6)),
    "EB, B=32": (5, (-104, -3)),
    "EB, spaced, B=128": (0, (-108, -14)),
    "DUS": (3, (6, 4)),
}
BESIDE_FRONT = {
    "cap 8, B=128": (3, (-26, 8)),
    "EB, B=32": (5, (-104, -3)),
    "left to right": (2, (-128, 10)),
    "EB, spaced, B=128": (2, (-104, -12)),
    "DUS": (3, (-6, 9)),
}


def families(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Points of each family, those with the most passes first."""
    found = {
        name: [r for r in document["rows"] if r["family"] == name and "against_fixed" in r]
        for name in FAMILIES
    }
    return {name: sorted(rows, key=lambda r: -r["nfe"]) for name, rows in found.items()}


def draw_plane(axes: Any, document: dict[str, Any]) -> None:
    hull = [row for row in document["rows"] if row["sampler"] in document["front"]]
    hull.sort(key=lambda row: row["nfe"])
    x, y = [row["nfe"] for row in hull], [row["nll"] for row in hull]
    axes.plot(x, y, color="0.2", linestyle="-", marker=".")
    label(axes, "fixed schedules", (x[1], y[1]), (7, 2), color="0.2")
    for name, rows in families(document).items():
        text, marker, style = FAMILIES[name]
        x, y = [row["nfe"] for row in rows], [row["nll"] for row in rows]
        (line,) = axes.plot(x, y, marker=marker, linestyle=style)
        if name in ON_PLANE:
            point, offset = ON_PLANE[name]
            label(axes, text, (x[point], y[point]), offset, color=line.get_color())
    low = min(row["nll"] for row in document["rows"])
    axes.set_ylim(low - 0.05, low + 0.42)
    axes.set_ylabel("sampler NLL [nats per byte]")


def draw_difference(axes: Any, document: dict[str, Any]) -> None:
    axes.axhline(0.0, color="0.2", linewidth=1.2)
    label(axes, "fixed schedules", (4.2, 0.0), (0, -11), color="0.2")
    for name, rows in families(document).items():
        text, marker, style = FAMILIES[name]
        x, y = [row["nfe"] for row in rows], [row["against_fixed"] for row in rows]
        bars = axes.errorbar(
            x,
            y,
            yerr=[1.96 * row["against_fixed_stderr"] for row in rows],
            marker=marker,
            linestyle=style,
            elinewidth=0.8,
        )
        if name in BESIDE_FRONT:
            point, offset = BESIDE_FRONT[name]
            label(axes, text, (x[point], y[point]), offset, color=bars[0].get_color())
    axes.set_ylim(-0.1, 0.3)
    axes.set_ylabel("NLL above the fixed front [nats per byte]")


def main() -> None:
    results = HERE.parent / "experiments" / "results"
    names = [name for name in MODELS if (results / f"dial_{name}.json").exists()]
    figure, grid = plt.subplots(len(names), 2, figsize=(9.2, 3.7 * len(names)), squeeze=False)
    for name, (plane, difference) in zip(names, grid, strict=True):
        document = read_result(f"dial_{name}")
        draw_plane(plane, document)
        draw_difference(difference, document)
        for axes in (plane, difference):
            axes.set_xscale("log", base=2)
            axes.set_xticks([4, 8, 16, 32, 64, 128], ["4", "8", "16", "32", "64", "128"])
            axes.set_xlim(3.8, 135)
            axes.set_xlabel(f"forward passes for 128 positions, {MODELS[name]}")
    save(figure, "fig_dial")


if __name__ == "__main__":
    main()
