"""A schedule loses the area between the information curve and its left Riemann sum.

Reads ``experiments/results/riemann.json``; writes ``fig_riemann.{pdf,svg,png}``.
Caption: information curve (solid) of a law of 13 bits, a noisy word of 64 random ones, and its left
Riemann sum (dashed) for two schedules of four steps; the step sizes are written under their steps.
Left: the sizes of Figure 1 of Chen, Cong, Li (COLT 2026, arXiv:2511.04647), right: the best ones.
Shaded: the expected KL error, which equals the mean KL of the sampler over all 540,540 ordered
partitions with these sizes, enumerated. Exact: no bands.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

from common import label, plt, read_result, save

WORDS = {"published": "sizes of the published figure", "best": "best sizes, as many steps"}
BLUE, RED = "#5790fc", "#e42536"


def draw(axes: Any, z: list[float], row: dict[str, Any], words: str) -> None:
    n, sum_ = len(z), row["riemann_sum"]
    cells = range(n + 1)
    axes.stairs(z, cells, baseline=sum_, fill=True, color="0.82")
    for j in range(1, n):  # one rectangle a position
        axes.vlines(j, sum_[j], max(sum_[j], z[j - 1]), color="w", linewidth=0.8)
    axes.stairs(z, cells, baseline=None, color=BLUE, linewidth=1.8)
    axes.stairs(sum_, cells, baseline=None, color=RED, linewidth=1.6, linestyle=(0, (4, 1.5)))
    ends = [0, *accumulate(row["step_sizes"])]
    for a, b in pairwise(ends):
        axes.plot([a + 0.06, b - 0.06], [-0.035] * 2, color="0.3", linewidth=1.2, linestyle="-")
        axes.text((a + b) / 2, -0.048, str(b - a), ha="center", va="top", color="0.3")
    axes.text(0.2, 0.97 * max(z), words, va="top", color="0.2")
    axes.text(0.2, 0.9 * max(z), f"shaded: {row['area']:.3f} nats", va="top", fontsize=11)
    axes.set_ylim(-0.09, 1.05 * max(z))
    axes.set_xlim(-0.2, n + 0.2)
    axes.set_xticks(range(0, n + 1, 2))
    axes.set_xlabel("known positions [count], above it the step sizes")
    axes.grid(visible=False)


def main() -> None:
    document = read_result("riemann")
    z = document["information"]
    figure, axes = plt.subplots(1, 2, figsize=(9.2, 3.4), sharey=True)
    for ax, (name, words) in zip(axes, WORDS.items(), strict=True):
        draw(ax, z, document[name], words)
    label(axes[0], "Z", (9.0, z[9]), (2, 5), color=BLUE, fontsize=10)
    label(axes[0], "$Z^N$", (10.5, document["published"]["riemann_sum"][10]), (-8, -13), color=RED)
    axes[0].set_ylabel("information on a fresh position [nats]")
    save(figure, "fig_riemann")


if __name__ == "__main__":
    main()
