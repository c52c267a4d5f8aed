"""Spacing mends planners where they reveal much at once; with few passes fixed schedules stay best.

Reads ``experiments/results/dial_{base,tiny}.json``, those that are there; writes
``fig_spacing.{pdf,svg,png}``.
Caption: NLL of 128 held-out bytes after 128 known ones, teacher-forced at temperature 1, against
forward passes: planners alone (broken lines, open markers) and with DUS's spacing filter (solid,
filled), whose first gap is 8 positions in blocks of 32 (left) and 32 in blocks of 128 (right), and
the fixed front, the lower hull of dilated schedules with optimal sizes of all block lengths. Bands
are 95 % intervals of the paired difference to one schedule of that front (for the 0.9M model that
of 64 passes in blocks of 16), over held-out documents: they compare samplers, and leave out what is
common to all of them. Not measured: confidence with spacing in blocks of 32, and the threshold in
blocks of 128. DUS (arXiv:2506.19037, section 4.4) proposes the filter; its numbers, of task
accuracy on large models, are not comparable.
"""

from __future__ import annotations

from typing import Any

from common import MODELS, band, label, models_of, plt, powers_of_two, read_result, save

# Planner: colour, marker.
PLANNERS = {"EB": ("C0", "o"), "threshold": ("C2", "s"), "confidence": ("C3", "^")}
# Panel, family: label, point (from the fewest passes) and offset in points.
LABELS = {
    (32, "EB"): ("entropy bound", 0, (-78, -6)),
    (32, "EB, spaced"): ("entropy bound, spaced", 1, (-86, -15)),
    (32, "threshold"): ("threshold", 1, (8, 4)),
    (32, "threshold, spaced"): ("threshold, spaced", 0, (-34, 9)),
    (32, "confidence"): ("confidence", 1, (-62, -4)),
    (128, "EB"): ("entropy bound", 1, (8, 6)),
    (128, "EB, spaced"): ("entropy bound, spaced", 0, (-66, -15)),
    (128, "confidence"): ("confidence", 1, (8, 2)),
    (128, "confidence, spaced"): ("confidence, spaced", 0, (-86, -10)),
}


def series(document: dict[str, Any], family: str) -> list[dict[str, Any]]:
    rows = [row for row in document["rows"] if row["family"] == family]
    return sorted(rows, key=lambda row: row["nfe"])


def draw(axes: Any, document: dict[str, Any], block: int, model: str) -> None:
    hull = [row for row in document["rows"] if row["sampler"] in document["front"]]
    hull.sort(key=lambda row: row["nfe"])
    x, y = [row["nfe"] for row in hull], [row["nll"] for row in hull]
    axes.plot(x, y, color="0.2", linestyle="-", marker=".")
    label(axes, "fixed schedules", (x[1], y[1]), (-36, -26), color="0.2")
    for planner, (colour, marker) in PLANNERS.items():
        for kind, style, fill in (("", "--", "none"), (", spaced", "-", "full")):
            rows = series(document, f"{planner}{kind}, B={block}")
            if not rows:
                continue
            x, y = [row["nfe"] for row in rows], [row["nll"] for row in rows]
            band(
                axes,
                x,
                y,
                [row["difference_stderr"] for row in rows],
                color=colour,
                linestyle=style,
                marker=marker,
                fillstyle=fill,
            )
            text, point, offset = LABELS[block, f"{planner}{kind}"]
            label(axes, text, (x[point], y[point]), offset, color=colour)
    low = min(row["nll"] for row in document["rows"])
    axes.set_ylim(low - 0.05, low + 0.62)
    axes.set_xlim(3.8, 135)
    powers_of_two(axes.xaxis, (4, 8, 16, 32, 64, 128))
    axes.set_xlabel(f"forward passes for 128 positions [count]\n{model}, blocks of {block}")


def main() -> None:
    names = models_of("dial")
    size = (9.2, 3.7 * len(names))
    figure, grid = plt.subplots(len(names), 2, figsize=size, sharey="row", squeeze=False)
    for name, panels in zip(names, grid, strict=True):
        document = read_result(f"dial_{name}")
        for axes, block in zip(panels, (32, 128), strict=True):
            draw(axes, document, block, MODELS[name])
        panels[0].set_ylabel("sampler NLL [nats per byte]")
    save(figure, "fig_spacing")


if __name__ == "__main__":
    main()
