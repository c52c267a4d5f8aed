"""What R rounds lose at least on a random permutation is convex in R, and known to a factor.

Reads ``experiments/results/permutations.json``; writes ``fig_permutations.{pdf,svg,png}``.
Caption: a uniformly random permutation of 240 values, sampled in R rounds of fixed sizes. Left: the
least loss E over all sizes (solid; bits, and bits per position on the right), pairs first and then
single positions (dashed; best from R = 160 on), and two lower bounds: (n / R - 1) / (2 ln 2) bits,
which is Theorem 6 of Wen, Liang, Lu (arXiv:2608.25505) read as a curve, and n (1 - rho_R) / ln 2
with the recursion of their Theorem 8, less a term of lower order that is ours, as theirs was not
seen. Right: second differences of E in R, all positive, as the integers whose logarithms E is made
of were compared for every n up to 240; the teeth are those of whole numbers. Exact: no bands.
"""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np
from common import label, plt, powers_of_two, read_result, save

BLUE, ORANGE, RED, PURPLE = "#5790fc", "#f89c20", "#e42536", "#964a8b"
# Key: words, the rounds where they stand, their offset, and the line.
LINES = {
    "loss": ("least loss E", 24, (8, 8), {"color": BLUE, "linestyle": "-"}),
    "pairs_first": (
        "pairs first,\nbest from {first}",
        121,
        (-22, 13),
        {"color": ORANGE, "linestyle": "--"},
    ),
    "theorem_8": ("recursion (Thm. 8)", 120, (-92, -6), {"color": RED, "linestyle": "-."}),
    "theorem_6": ("spread (Thm. 6)", 3, (-38, -27), {"color": PURPLE, "linestyle": ":"}),
}


def draw_losses(axes: Any, document: dict[str, Any]) -> None:
    n, first = document["n"], document["pairs_first_best_from"]
    for key, (words, at, offset, style) in LINES.items():
        points = {
            row["rounds"]: row[key] / log(2.0)
            for row in document["rows"]
            if row[key] is not None and row[key] > 0.0
        }
        axes.plot(list(points), list(points.values()), **style)
        label(axes, words.format(first=first), (at, points[at]), offset, color=style["color"])
    at = document["rows"][first - 1]["loss"] / log(2.0)
    axes.plot([first], [at], "o", color=ORANGE)
    axes.set_yscale("log")
    axes.set_ylim(0.02, 500)
    axes.set_ylabel("loss [bits]")
    each = axes.secondary_yaxis("right", functions=(lambda bits: bits / n, lambda bits: bits * n))
    each.set_ylabel("loss [bits per position]")


def draw_convexity(axes: Any, document: dict[str, Any]) -> None:
    loss = np.array([row["loss"] for row in document["rows"]]) / log(2.0)
    bends = np.diff(loss, 2)
    rounds = np.arange(2, len(loss))
    axes.plot(rounds, bends, color=BLUE, linestyle="-")
    axes.set_yscale("log")
    found = document["second_differences"]
    text = (
        f"n, R up to {found['largest_n']}: {found['checked']:,} of them,\n"
        f"{found['positive']:,} positive, compared as integers"
    )
    axes.text(0.96, 0.95, text, transform=axes.transAxes, ha="right", va="top", fontsize=8)
    label(axes, f"n = {document['n']}", (rounds[20], bends[20]), (6, 3), color=BLUE)
    axes.set_ylabel("second difference of E [bits]")


def main() -> None:
    document = read_result("permutations")
    figure, axes = plt.subplots(1, 2, figsize=(9.2, 3.5), gridspec_kw={"wspace": 0.08})
    draw_losses(axes[0], document)
    draw_convexity(axes[1], document)
    for ax in axes:
        powers_of_two(ax.xaxis, (1, 2, 4, 8, 16, 32, 64, 128, 240))
        ax.set_xlabel("rounds R for 240 positions [count]")
    save(figure, "fig_permutations")


if __name__ == "__main__":
    main()
