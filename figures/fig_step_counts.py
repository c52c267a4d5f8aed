"""Sharp constants promise a loss with fewer steps than published; a measured curve with far fewer.

Reads ``experiments/results/guarantees.json``; writes ``fig_step_counts.{pdf,svg,png}``.
Caption: steps for a loss of at most eps on every law of this TC (left) or DTC (middle), against the
ratio of the scalar to eps, 1,024 positions. CCL: the schedules of Chen, Cong, Li (COLT 2026,
Theorem 9, as constructed in Appendix D) and their bound 2 + (1 + ln n)(1 + ceil(TC / eps)); ours:
the fewest steps of any schedule that knows the scalar alone, and its bound in closed form. Thin
dotted lines: the fewest steps where the curve is known, of a noisy repeated bit (flips 0.3), a
two-state chain (changes 0.05) and a random permutation (perm.). Right: ours over CCL's over 1,000
random pairs of n (8 to 128) and ratio (1/2 to n/2): share of the draws at or below; diamonds: their
means. Exact numbers: no bands but the distribution itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from common import label, plt, powers_of_two, read_result, save

N = 1024
WORDS = {"tc": "TC", "dtc": "DTC"}
LINES = {  # of a count: words, style, and where the words stand
    "published_bound": ("CCL, bound", {"color": "#e42536", "linestyle": "--"}),
    "published": ("CCL", {"color": "#e42536", "linestyle": "-", "marker": "s"}),
    "our_bound": ("ours, bound", {"color": "#5790fc", "linestyle": "--"}),
    "ours": ("ours", {"color": "#5790fc", "linestyle": "-", "marker": "o"}),
}
PLACES = {  # ratio, and offset in points
    "tc": {
        "published_bound": (32.0, (-58, 6)),
        "published": (4.0, (-26, 7)),
        "our_bound": (128.0, (-62, -1)),
        "ours": (4.0, (-3, -13)),
    },
    "dtc": {
        "published_bound": (32.0, (-58, 6)),
        "published": (2.0, (-22, 8)),
        "our_bound": (128.0, (-62, -1)),
        "ours": (0.5, (-21, -3)),
    },
}
SHORT = {"noisy repeated bit": "bit", "chain": "chain", "permutation": "perm."}


def draw(axes: Any, rows: list[dict[str, Any]], scalar: str) -> None:
    found = [row for row in rows if row["scalar"] == scalar and row["n"] == N]
    ratios = [row["ratio"] for row in found]
    places = PLACES[scalar]
    counts = {key: [row[key] for row in found] for key in LINES}
    for key, (words, style) in LINES.items():
        axes.plot(ratios, counts[key], **style)
        write(axes, words, ratios, counts[key], *places[key], color=style["color"])
    for law in found[0]["curve_known"]:
        steps = [row["curve_known"][law] for row in found]
        axes.plot(ratios, steps, color="0.35", linestyle=":", linewidth=1.2)
        write(axes, SHORT[law], ratios, steps, ratios[-1], (4, -3), color="0.35")
    powers_of_two(axes.xaxis, [2**i for i in range(0, 11, 2)])
    powers_of_two(axes.yaxis, [2**i for i in range(0, 11, 2)])
    axes.set_xlim(0.15, 5 * N)
    axes.set_ylim(0.85, 1.5 * N)
    axes.set_xlabel(f"{WORDS[scalar]} / eps [1]")


def write(
    axes: Any,
    words: str,
    x: list[float],
    y: list[int],
    ratio: float,
    offset: tuple[float, float],
    **style: Any,
) -> None:
    label(axes, words, (ratio, y[x.index(ratio)]), offset, **style)


def draw_shares(axes: Any, rows: list[dict[str, Any]]) -> None:
    for row, color, style, offset in zip(
        rows, ("#5790fc", "#e42536"), ("-", "--"), ((-56, 4), (10, -4)), strict=True
    ):
        quantiles = row["share_quantiles"]
        axes.plot(quantiles, np.linspace(0, 1, len(quantiles)), color=color, linestyle=style)
        mean = row["mean_share"]
        height = float(np.interp(mean, quantiles, np.linspace(0, 1, len(quantiles))))
        axes.plot(mean, height, marker="D", color=color)
        words = f"{WORDS[row['scalar']]}\nmean {mean:.2f}"
        label(axes, words, (mean, height), offset, color=color)
    axes.set_xlim(0, 1.03)
    axes.set_xlabel("our steps / CCL's steps [1]")
    axes.set_ylabel("share of the draws [1]")


def main() -> None:
    document = read_result("guarantees")
    figure, axes = plt.subplots(1, 3, figsize=(9.2, 3.5), width_ratios=(1.2, 1.2, 1))
    for ax, scalar in zip(axes, WORDS, strict=False):
        draw(ax, document["step_counts"], scalar)
    axes[0].set_ylabel("steps [count]")
    draw_shares(axes[2], document["published"])
    save(figure, "fig_step_counts")


if __name__ == "__main__":
    main()
