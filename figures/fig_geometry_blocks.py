"""Three blocks of odds, one of them for the transition, take most of what a schedule can gain.

Reads ``experiments/results/geometry.json``; writes ``fig_geometry_blocks.{pdf,svg,png}``.
Caption: root of the density q for the mixture of 65536 prototypes of 64 bits, averaged over all
prototypes, and its root mean square in one block of odds (left) and in the best three (right);
where a block is much higher than the curve, steps are wasted. The complexity is the squared area
under the steps, P that under the curve: ours with standard errors, and in brackets what Wainwright
(arXiv:2608.13520, Figure 4) prints for one draw of them. His C of 65.0 is above 64.1, the largest
that the TC and DTC of any such mixture allow, so it holds an error of its own; the gain of three
blocks over P is the same (1.38 and 1.39). Band: 95 % intervals of the Monte Carlo mean (4000 draws
for each number of known bits), hardly wider than the line.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

from common import plt, save
from geometry import laws, name_axes

KINDS = {"coarse": "one block", "three_blocks": "three blocks"}


def draw(axes: Any, row: dict[str, Any], kind: str) -> None:
    roots = [sqrt(q) for q in row["density"]]
    (line,) = axes.plot(row["log_odds"], roots)
    low, high = (
        [
            sqrt(max(0.0, q + side * e))
            for q, e in zip(row["density"], row["density_stderr"], strict=True)
        ]
        for side in (-1.96, 1.96)
    )
    axes.fill_between(row["log_odds"], low, high, color=line.get_color(), alpha=0.3, linewidth=0)
    one = kind == "coarse"
    ends = [row["ends"][0], row["ends"][-1]] if one else row["ends"]
    heights = [row["one_height"]] if one else row["heights"]
    axes.stairs(heights, ends, color="C1", linewidth=1.6, linestyle="--", baseline=0.0)
    axes.stairs(heights, ends, color="C1", alpha=0.15, fill=True)
    words = "\n".join(
        f"{name}: {row[value]:.1f} ± {row['stderr'][value]:.1f} ({row['published'][value]:.1f})"
        for value, name in ((kind, KINDS[kind]), ("limit", "limit P"))
    )
    axes.text(0.99, 0.84, words, transform=axes.transAxes, fontsize=8, ha="right")
    name_axes(axes, "root of the density √q [√nats]")
    axes.set_ylim(top=3.3)


def main() -> None:
    (row,) = (row for row in laws(2) if "coarse" in row["published"])
    figure, panels = plt.subplots(1, 2, figsize=(9.2, 3.1))
    for axes, kind in zip(panels, KINDS, strict=True):
        draw(axes, row, kind)
    save(figure, "fig_geometry_blocks")


if __name__ == "__main__":
    main()
