"""The square-root rule is near the optimum at 131,072 positions, except around narrow falls.

Reads ``experiments/results/scale.json``; writes ``fig_square_root.{pdf,svg,png}``.
Caption: 131,072 positions, random order, laws with exact curves. Left: what the sizes of the
square-root rule lose more than the exact optimum, in per cent of it; points at the lower edge are
at or below it. Middle: the same where the rule has the curve of the law with 1,024 positions only,
read at equal shares of known positions. Right: asymptotic value of the least loss, with no step
below one position, over the least loss; short dashes: without that floor, on the slow chain. The
code with erasures falls within some hundred positions, and the last step of the rule, which begins
in the fall and goes on through the flat rest, makes 99 % of its loss at 8 steps and 91 % or more at
all. The code without erasures, a single jump, has no ratio: its least loss is 0, and so is that of
the rule; with the scaled curve it is 71 nats at 8 steps. Exact: no bands.
"""

from __future__ import annotations

from typing import Any

from common import label, plt, powers_of_two, read_result, save

LOW, HIGH = 1e-3, 3e4  # per cent
LAWS = {
    "slow chain": ("#5790fc", "-", "o"),
    "one-hot blocks": ("#7a21dd", "--", "s"),
    "permutation": ("#f89c20", "-.", "^"),
    "urn": ("#964a8b", ":", "v"),
    "worst for TC": ("#7c7c81", "-", "D"),
    "code with erasures": ("#e42536", "--", "x"),
}
BEHIND = {"facecolor": "w", "edgecolor": "none", "pad": 0.4, "alpha": 0.8}  # of words on lines
# Where the words stand: steps, and offset in points.
PLACES = {
    "rule": {
        "slow chain": (32, (4, 4)),
        "one-hot blocks": (4096, (5, -10)),
        "permutation": (16, (7, 2)),
        "urn": (8, (6, 3)),
        "worst for TC": (8, (6, 0)),
        "code with erasures": (128, (-10, -14)),
    },
    "scaled_rule": {
        "slow chain": (512, (2, -8)),
        "one-hot blocks": (256, (6, -8)),
        "permutation": (4096, (-60, 6)),
        "urn": (16, (-6, 9)),
        "worst for TC": (8, (6, -8)),
        "code with erasures": (128, (7, -9)),
    },
    "floor": {
        "slow chain": (8, (6, -3)),
        "one-hot blocks": (512, (0, 6)),
        "permutation": (8, (6, 1)),
        "urn": (8, (6, -3)),
        "worst for TC": (8, (6, 0)),
        "code with erasures": (256, (-22, -20)),
    },
}


def series(rows: list[dict[str, Any]], name: str, value: str) -> tuple[list[int], list[float]]:
    """The ratio of one value to the least loss, by steps."""
    found = [row for row in rows if row["law"] == name and row[value]["over_least"] is not None]
    return [row["steps"] for row in found], [row[value]["over_least"] for row in found]


def draw(axes: Any, rows: list[dict[str, Any]], value: str) -> None:
    for name, (color, style, marker) in LAWS.items():
        steps, ratios = series(rows, name, value)
        y = ratios if value == "floor" else [max(LOW, 100.0 * (r - 1.0)) for r in ratios]
        axes.plot(steps, y, color=color, linestyle=style, marker=marker, markersize=3.5)
        at, offset = PLACES[value][name]
        label(axes, name, (at, y[steps.index(at)]), offset, color=color, bbox=BEHIND)
    powers_of_two(axes.xaxis, [2**i for i in (3, 6, 9, 12, 15)])
    axes.set_xlim(6, 2**17)
    axes.set_xlabel("steps [count]")


def main() -> None:
    rows = read_result("scale")["long"]
    figure, axes = plt.subplots(1, 3, figsize=(9.2, 3.9))
    for ax, value in zip(axes, PLACES, strict=True):
        draw(ax, rows, value)
    for ax in axes[:2]:
        ax.set_yscale("log")
        ax.set_ylim(LOW, HIGH)
        ax.tick_params(axis="y", which="minor", left=False)
    axes[1].tick_params(labelleft=False)
    axes[2].plot(
        *series(rows, "slow chain", "asymptotic"), color="0.2", linestyle=(0, (2, 2)), lw=1
    )
    axes[2].axhline(1.0, color="0.3", linewidth=0.8)
    axes[2].set_ylim(0.55, 1.6)
    axes[0].set_ylabel("loss above the least loss [per cent]")
    axes[2].set_ylabel("asymptotic value / least loss [1]")
    save(figure, "fig_square_root")


if __name__ == "__main__":
    main()
