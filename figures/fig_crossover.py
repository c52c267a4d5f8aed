"""Where adaptive planners win: later, or never, once streams from left to right are allowed.

Reads ``experiments/results/ratios_{base,tiny,bpe}.json``, those that are there; writes
``fig_crossover.{pdf,svg,png}``.
Caption: sampler NLL of the front of all adaptive planners (entropy bound, threshold, confidence and
entropy, spaced and free) less that of the front of fixed plans, at equal passes for 128 positions;
below zero adaptive planners win. Fixed plans are the dilated order in blocks alone, or also
streams: blocks that are each revealed from left to right, all at a time. Plans are chosen on other
documents; the last fixed point is left to right, one position a pass. Fronts are lower hulls over
the logarithm of the passes. Bands are 95 % intervals by the jackknife over documents; dots are the
crossings, bars their 95 % intervals.
"""

from __future__ import annotations

from typing import Any

from common import band, draw_models, label, powers_of_two

# Fixed plans: label, line style, offset of the label in points.
PLANS = {
    "dilated": ("against dilated blocks", "--", (-4, -14)),
    "all": ("against all orders", "-", (-4, 12)),
}
TICKS = (8, 16, 32, 64, 128)


def draw(axes: Any, document: dict[str, Any], title: str) -> None:
    axes.axhline(0.0, color="0.3", linewidth=0.9)
    for which, (text, style, offset) in PLANS.items():
        found = document["crossover"][which]
        x, y, stderr = zip(*found["difference"], strict=True)
        line = band(axes, x, y, stderr, linestyle=style, marker="")
        middle = len(x) * 2 // 3
        label(axes, text, (x[middle], y[middle]), offset, color=line.get_color(), ha="right")
        if found["passes"] is not None:
            width = 1.96 * (found["stderr"] or 0.0)
            axes.errorbar(
                [found["passes"]], [0.0], xerr=[width], color=line.get_color(), marker="o"
            )
            shown = f"{found['passes']:.0f} ± {found['stderr']:.0f}" if width else "?"
            label(axes, shown, (found["passes"], 0.0), (0, 5), color=line.get_color())
    powers_of_two(axes.xaxis, TICKS)
    axes.set_xlim(8, 132)
    axes.set_ylim(-0.15, 0.4)
    axes.set_xlabel(f"forward passes for 128 positions, {title}")
    axes.set_ylabel("adaptive less fixed NLL [nats per token]")


def main() -> None:
    draw_models("fig_crossover", "ratios", draw, 3.4)


if __name__ == "__main__":
    main()
