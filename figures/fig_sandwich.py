"""Where the extra loss peaks late, a light model belongs at the beginning, not at both ends.

Reads ``experiments/results/model_scheduling_tiny.json``; writes ``fig_sandwich.{pdf,svg,png}``.
Caption: equal steps in random order over a whole window without a context, in eight equal segments
of steps, each all by the heavy model (tiny) or all by the light one (tiny-light). Left: what the
light model in one segment alone adds, measured (points) and predicted from curves of other
documents (line). Middle and right: all assignments with 25 % and 50 % of the segments light (ticks,
measured), those with a name, and what else spends as many FLOPs: excess loss less that of the
sandwich, which has its light segments at both ends; left of zero is better. Crosses: predicted from
the other half of the documents, as are best and worst. Bars: 95 % intervals over held-out
documents, differences in pairs. arXiv:2604.02340 finds the sandwich by exhaustive search over
coarse segments (figure 1: generative perplexity, 1000 steps).
"""

from __future__ import annotations

from typing import Any

from common import label, plt, read_result, save

RESULT = "model_scheduling_tiny"
ROWS = (
    "light last",
    "worst predicted",
    "mean",
    "light first",
    "best predicted",
    "any steps",
    "heavy, equal sizes",
    "heavy, optimal sizes",
    "joint",
)
STYLES = {
    "mean": ("0.4", "D"),
    "heavy, equal sizes": ("C0", "s"),
    "heavy, optimal sizes": ("C0", "s"),
    "joint": ("C2", "^"),
}
NAMES = {
    "mean": "mean of all",
    "any steps": "any steps light",
    "heavy, equal sizes": "fewer steps, all heavy, equal",
    "heavy, optimal sizes": "fewer steps, all heavy, optimal",
    "joint": "sizes and models together",
}


def importance(axes: Any, study: dict[str, Any]) -> None:
    rows = study["importance"]
    x = [(row["segment"] + 0.5) / study["segments"] for row in rows]
    axes.plot(x, [row["predicted_added"] for row in rows], color="C0")
    bars = [1.96 * row["added_stderr"] for row in rows]
    axes.errorbar(x, [row["added"] for row in rows], bars, fmt="o", color="C1", capsize=2.5)
    label(axes, "predicted", (x[2], rows[2]["predicted_added"]), (10, -8), color="C0")
    label(axes, "measured", (x[4], rows[4]["added"] + bars[4]), (-52, 0), color="C1")
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("where the light segment is\n[share of steps done]")
    axes.set_ylabel("added loss [nats per byte]")


def differences(axes: Any, share: dict[str, Any]) -> None:
    named = {row["name"]: row for row in share["named"]} | {"mean": share["mean_of_all"]}
    zero = named["sandwich"]
    every = [row["excess"] - zero["excess"] for row in share["assignments"]]
    axes.axvline(0.0, color="0.3", linewidth=0.8)
    axes.plot(every, [-0.9] * len(every), "|", color="0.45", markersize=9)
    for height, name in enumerate(ROWS):
        row, (color, marker) = named[name], STYLES.get(name, ("C1", "o"))
        bar = 1.96 * row["over_sandwich_stderr"]
        axes.errorbar(row["over_sandwich"], height, xerr=bar, fmt=marker, color=color, capsize=2.5)
        axes.plot(row["predicted"] - zero["predicted"], height, "x", color="0.1", markersize=5)
    ticks = [f"all {len(every)}", *(NAMES.get(name, name) for name in ROWS)]
    axes.set_yticks([-0.9, *range(len(ROWS))], ticks)
    axes.set_ylim(-1.5, len(ROWS) - 0.4)
    axes.set_xlabel(
        f"{100 * share['share']:.0f} % light: difference to\nthe sandwich [nats per byte]"
    )


def main() -> None:
    study = read_result(RESULT)["segments"][0]
    figure, axes = plt.subplots(1, 3, figsize=(9.2, 3.5), width_ratios=(1, 0.9, 0.9))
    importance(axes[0], study)
    for ax, share in zip(axes[1:], study["shares"], strict=True):
        differences(ax, share)
    axes[2].set_yticklabels([f"all {len(study['shares'][1]['assignments'])}", *[""] * len(ROWS)])
    save(figure, "fig_sandwich")


if __name__ == "__main__":
    main()
