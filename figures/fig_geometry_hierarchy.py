"""Each level of a hierarchy adds a peak of its own, at odds of about 2 over its positions.

Reads ``experiments/results/geometry.json``; writes ``fig_geometry_hierarchy.{pdf,svg,png}``.
Caption: density q of the unmasking growth over log odds for prototypes on a binary tree of 2 (left)
and 4 (right) levels, where level l shows its bit on Δ positions of its own: the sizes of Wainwright
(arXiv:2608.13520, Figure 3), whose caption gives no ratios; dots are at odds 2/Δ. What
blocks of odds can save lies between the peaks: three blocks are near P for four peaks that touch,
and not yet for two that stand apart. All is exact: there are no bands.
"""

from __future__ import annotations

from math import log

from common import label, plt, save
from geometry import draw_density, laws, name_axes


def main() -> None:
    figure, panels = plt.subplots(1, 2, figsize=(9.2, 3.1), sharey=True)
    for axes, row in zip(panels, laws(3), strict=True):
        draw_density(axes, row)
        for size in row["sizes"]:
            at = log(2.0 / size)
            height = max(
                q for x, q in zip(row["log_odds"], row["density"], strict=True) if abs(x - at) < 1
            )
            axes.plot(at, 0.0, "o", color="0.3", markersize=4, clip_on=False, zorder=5)
            label(axes, f"Δ\n{size}", (at, height), (0, 4), ha="center")
        words = (
            f"{len(row['sizes'])} levels, d = {row['d']}\nC/P {row['ratio']:.2f}; "
            f"C {row['coarse']:.1f},\nthree blocks {row['three_blocks']:.1f}, P {row['limit']:.1f}"
        )
        axes.text(0.99, 0.79, words, transform=axes.transAxes, fontsize=8, ha="right", color="0.3")
        name_axes(axes)
        axes.set_ylim(top=0.46)
    save(figure, "fig_geometry_hierarchy")


if __name__ == "__main__":
    main()
