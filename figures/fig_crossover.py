"""Against streams from left to right, no adaptive planner measured here wins at any budget.

Reads ``experiments/results/ratios_{base,tiny,bpe}.json``, those that are there; writes
``fig_crossover.{pdf,svg,png}``.
Caption: sampler NLL of the front of all adaptive planners (entropy bound, threshold, confidence and
entropy, spaced and free) less that of the front of fixed plans, at equal passes for 128 positions;
below zero adaptive planners win. Fixed plans are the dilated order in blocks and streams: blocks
that are each revealed from left to right, all at a time; the last is left to right, one position a
pass. Sizes and block lengths are chosen on other documents, but that streams are tried at all was
seen on windows of this text. Fronts are lower hulls over the logarithm of the passes, so that
between two measured numbers of passes they are interpolated. The band is the 95 % interval by the
jackknife over documents; a dot, where there is one, is the crossing. The dilated order alone is not
drawn: planners pass it from about 55 passes on (``fig_dial``).
"""

from __future__ import annotations

from typing import Any

from common import band, draw_models, label, powers_of_two

TICKS = (8, 16, 32, 64, 128)


def draw(axes: Any, document: dict[str, Any], title: str) -> None:
    axes.axhline(0.0, color="0.3", linewidth=0.9)
    found = document["crossover"]["all"]
    x, y, stderr = zip(*found["difference"], strict=True)
    band(axes, x, y, stderr, color="C0", marker="")
    if found["passes"] is not None and found["stderr"] is not None:
        bar = [1.96 * found["stderr"]]
        axes.errorbar([found["passes"]], [0.0], xerr=bar, color="C0", marker="o")
    label(axes, "adaptive planners", (x[len(x) // 2], y[len(y) // 2]), (10, 4), color="C0")
    label(axes, "fixed plans of all orders", (9, 0.0), (0, -12), color="0.3")
    powers_of_two(axes.xaxis, TICKS)
    axes.set_xlim(8, 132)
    axes.set_ylim(-0.15, 0.4)
    axes.set_xlabel(f"forward passes for 128 positions, {title}")
    axes.set_ylabel("adaptive less fixed NLL [nats per token]")


def main() -> None:
    draw_models("fig_crossover", "ratios", draw, 3.4)


if __name__ == "__main__":
    main()
