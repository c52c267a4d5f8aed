"""A jump of the curve that no probe meets costs every schedule that must allow for it.

Reads ``experiments/results/hardness.json``; writes ``fig_hardness.{pdf,svg,png}``.
Caption: uniform laws on the Reed-Solomon codes of 6 positions over GF(7), of every dimension d;
d = 6 is the uniform law. Left: their curves, drawn one above the other; each falls from log 7 to 0
at d known positions. Middle: the most that an answer about so many known positions differs from the
uniform law's, in total variation: nothing until d, 6/7 from there on. Arrows: probes of sizes 1, 2
and 5, which cannot tell codes 3, 4 and 5 (thick) apart (frames: they answer the same). Right: worst
loss over all codes of the best sizes that know nothing, what the probes tell, or the code. With
sizes that know nothing the total variation of the worst code is 6/7 or more for every number of
steps below 6. Enumerated from tables, exact: no bands. The family is that of Chen, Cong, Li (COLT
2026, Theorems 5 and 24), who show no such figure.
"""

from __future__ import annotations

import math
from typing import Any

from common import label, plt, read_result, save

RED, BLUE, GREY = "#e42536", "#5790fc", "0.45"
WORDS = {  # of what the sizes know: words, style, step at which the words stand, and offset
    "blind": ("nothing", {"color": RED, "linestyle": "-", "marker": "o"}, 4, (-4, 6)),
    "probed": ("probes\n1, 2, 5", {"color": GREY, "linestyle": "--", "marker": "s"}, 2, (5, -25)),
    "known": ("the code", {"color": BLUE, "linestyle": "-.", "marker": "^"}, 2, (2, -12)),
}


def probes(axes: Any, document: dict[str, Any], height: float) -> None:
    for probe in document["probes"]:
        axes.annotate(
            "", (probe, height - 0.04), (probe, height + 0.38), arrowprops={"arrowstyle": "->"}
        )


def hidden(document: dict[str, Any]) -> list[int]:
    """The codes that the probes cannot tell apart."""
    return max((group["dimensions"] for group in document["classes"]), key=len)


def draw_curves(axes: Any, document: dict[str, Any]) -> None:
    n, unit = document["n"], math.log(document["field"])
    for row in document["picture"]:
        d = row["dimension"]
        color, width = (RED, 2.2) if d in hidden(document) else (GREY, 1.2)
        curve = [d + 0.72 * value / unit for value in row["curve"]]
        axes.stairs(
            curve, [j - 0.5 for j in range(n + 1)], baseline=None, color=color, linewidth=width
        )
        axes.axhline(d, color="0.85", linewidth=0.6, zorder=0)
    probes(axes, document, n + 0.95)
    axes.set_ylim(0.8, n + 1.45)
    axes.set_yticks(range(1, n + 1))
    axes.set_ylabel("dimension d of the code [1], its curve above")
    axes.text(
        0.7, 1.36, f"height log {document['field']} = {unit:.2f} nats", va="center", fontsize=7.5
    )


def draw_answers(axes: Any, document: dict[str, Any]) -> None:
    n = document["n"]
    seen = [row["answers_differ_by"] for row in document["picture"]]
    axes.pcolormesh(
        [j - 0.5 for j in range(n + 1)],
        [d + 0.5 for d in range(n + 1)],
        seen,
        cmap="Greys",
        vmin=0.0,
        vmax=1.3,
        edgecolors="w",
        linewidth=1.0,
    )
    for d, row in enumerate(seen, start=1):
        for j, bias in enumerate(row):
            text, color = ("6/7", "w") if bias > 0.5 else ("0", "0.3")
            axes.text(j, d, text, ha="center", va="center", fontsize=7.5, color=color)
    first, last = hidden(document)[0], hidden(document)[-1]
    for probe in document["probes"]:
        axes.add_patch(
            plt.Rectangle(
                (probe - 0.47, first - 0.47),
                0.94,
                last - first + 0.94,
                fill=False,
                edgecolor=RED,
                lw=1.8,
            )
        )
    probes(axes, document, n + 0.6)
    axes.set_ylim(0.4, n + 1.1)
    axes.set_yticks(range(1, n + 1))
    axes.set_ylabel("dimension d of the code [1]")
    axes.grid(visible=False)


def draw_losses(axes: Any, document: dict[str, Any]) -> None:
    rows = document["by_steps"]
    steps = [row["steps"] for row in rows]
    for words, (text, style, at, offset) in WORDS.items():
        losses = [row[words]["kl"] for row in rows]
        axes.plot(steps, losses, **style)
        label(axes, text, (at, losses[at - 1]), offset, color=style["color"])
    axes.set_xticks(steps)
    axes.set_ylim(-0.9, 10.4)
    axes.set_xlabel("steps [count]")
    axes.set_ylabel("worst loss over the codes [nats]")


def main() -> None:
    document = read_result("hardness")
    figure, axes = plt.subplots(1, 3, figsize=(9.2, 3.4), width_ratios=(1, 1, 1.1))
    draw_curves(axes[0], document)
    draw_answers(axes[1], document)
    for ax in axes[:2]:
        ax.set_xticks(range(document["n"]))
        ax.set_xlabel("known positions [count], arrows: probes")
    draw_losses(axes[2], document)
    save(figure, "fig_hardness")


if __name__ == "__main__":
    main()
