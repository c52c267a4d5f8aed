"""Below temperature 1, at equal token entropy, a judge ranks samplers as the NLL does.

Reads ``experiments/results/matched_entropy_{base,tiny,bpe}.json``, those that are there; writes
``fig_matched_entropy.{pdf,svg,png}``.
Caption: NLL of 128 generated positions under an autoregressive judge, interpolated between
temperatures at the token entropy in the corner, which all samplers reach, against forward passes.
Bars are 95 % intervals by the jackknife over the documents of the prompts, which all samplers
share. Dilated schedules have optimal sizes; streams are blocks that are each revealed from left to
right, all at a time.
"""

from __future__ import annotations

from typing import Any

from common import draw_models, label, powers_of_two

# Family: name, colour, marker, line style, label at which point from the least passes, offset.
FAMILIES = {
    "dilated": ("dilated", "C0", "o", "-", 0, (-4, -19)),
    "streams": ("streams", "C1", "P", "-", 0, (-12, -18)),
    "DUS": ("DUS", "C2", "s", "--", 1, (6, 4)),
    "random": ("random", "0.35", ".", "-.", 2, (5, 2)),
    "confidence": ("confidence", "C4", "D", ":", 1, (6, 4)),
    "EB": ("entropy bound", "C5", "^", "-", 1, (-62, -6)),
    "threshold": ("threshold", "C3", "v", "-", 0, (7, 2)),
}
TICKS = (4, 8, 16, 32, 64, 128)


def draw(axes: Any, document: dict[str, Any], title: str) -> None:
    for family, (text, color, marker, style, point, offset) in FAMILIES.items():
        rows = sorted(
            (row for row in document["rows"] if row["family"] == family), key=lambda r: r["nfe"]
        )
        x, y = [row["nfe"] for row in rows], [row["judge_nll"] for row in rows]
        axes.errorbar(
            x,
            y,
            yerr=[1.96 * row["stderr"] for row in rows],
            color=color,
            marker=marker,
            linestyle=style,
            elinewidth=0.8,
        )
        label(axes, text, (x[point], y[point]), offset, color=color)
    powers_of_two(axes.xaxis, TICKS)
    axes.set_xlim(3.4, 190)
    axes.text(
        0.97,
        0.95,
        f"token entropy {document['entropy']:.2f} nats",
        transform=axes.transAxes,
        ha="right",
        fontsize=8,
    )
    axes.set_xlabel(f"forward passes for 128 positions, {title}")
    axes.set_ylabel("judge's NLL of samples [nats per token]")


def main() -> None:
    draw_models("fig_matched_entropy", "matched_entropy", draw, 3.8)


if __name__ == "__main__":
    main()
