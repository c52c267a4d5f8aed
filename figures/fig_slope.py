"""Schedules lose what was predicted: measured against predicted excess loss, slope 1 within error.

Reads ``experiments/results/slope_{base,tiny,bpe}.json``, those that are there; writes
``fig_slope.{pdf,svg,png}``.
Caption: excess loss over one position a step, teacher-forced, of schedules with optimal, equal and
odd sizes for several budgets in six orders: measured with the sampler on one half of the documents,
against the sum over the schedule's steps of costs that were measured on other documents (sizes
are from third ones). Bars are 95 % intervals over documents; the line is measured = predicted. The
slope is that of a line through the origin with errors in both, and its error the jackknife's over
the documents of both parts, which the points share. Predictions from the smooth curve or surface
that ``estimate`` fits by default are in the result, not drawn: on the 0.9M model their slope is as
good, but only 28 of 38 are within 95 %, as their errors leave out the bias of the fit. Points below
the least shown are left out of the drawing, not of the fit.
"""

from __future__ import annotations

from typing import Any

from common import draw_models, label

MARKERS = ("o", "s", "D", "^", "v", "P")
LEAST = 1e-3  # nats per token


def draw(axes: Any, document: dict[str, Any], title: str) -> None:
    rows = document["rows"]
    top = 1.6 * max(row["measured"] for row in rows)
    axes.plot([LEAST, top], [LEAST, top], color="0.5", linewidth=1.0, zorder=0)
    names = list(dict.fromkeys(row["order"] for row in rows))
    for name, marker in zip(names, MARKERS, strict=True):
        shown = [r for r in rows if r["order"] == name]
        shown = [r for r in shown if min(r["measured"], r["plain"]["predicted"]) > LEAST]
        bars = axes.errorbar(
            [row["plain"]["predicted"] for row in shown],
            [row["measured"] for row in shown],
            xerr=[1.96 * row["plain"]["predicted_stderr"] for row in shown],
            yerr=[1.96 * row["measured_stderr"] for row in shown],
            marker=marker,
            markersize=4.5,
            linestyle="none",
            elinewidth=0.7,
            label=name,
        )
        bars[0].set_markeredgecolor("white")
        bars[0].set_markeredgewidth(0.4)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(LEAST, top)
    axes.set_ylim(LEAST, top)
    axes.set_aspect("equal")
    axes.legend(loc="upper left", frameon=False, fontsize=7.5, handletextpad=0.2)
    fit, (inside, count) = document["slopes"]["plain"]["all"], document["within_95"]["plain"]
    told = f"slope {fit['slope']:.3f} ± {fit['stderr']:.3f}\n{inside} of {count} within 95 %"
    label(axes, f"{told}\n{document['length']} positions", (top, LEAST), (-6, 8), ha="right")
    axes.set_xlabel(f"predicted excess [nats per token], {title}")
    axes.set_ylabel("measured excess [nats per token]")


def main() -> None:
    draw_models("fig_slope", "slope", draw, 4.3)


if __name__ == "__main__":
    main()
