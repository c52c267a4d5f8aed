"""DUS is the best of all partitions on chains that forget within a block, and seldom elsewhere.

Reads ``experiments/results/dus_optimum.json``; writes ``fig_dus_optimum.{pdf,svg,png}``.
Caption: what DUS loses in its own number of steps (squares), and in as many steps DUS's order with
its best sizes (crosses) and the best of all ordered partitions (dots). Left: laws of 6 to 12
positions (the number stands behind the name), all partitions compared; right: order-1 chains and
rings of 32 positions, whose optimum takes polynomial time; where laws are drawn, the mean over 10
of them. Numbers at the right edges: DUS's steps, and the fewest in which a partition is as good as
DUS (over the drawn laws, the least and the most). Where square and dot coincide, DUS is optimal.
The left edge stands for 1e-6 nats or less. All is exact: there are no bands. A question that DUS
(arXiv:2506.19037) leaves open; it has no such figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from common import label, plt, read_result, save

LENGTH = 32
FLOOR = 1e-6  # nats a block
# Kind: marker, size, fill, colour.
SERIES = {
    "dus": ("s", 5.5, "none", "C2"),
    "dus_order": ("x", 4, "full", "0.4"),
    "optimum": (".", 6, "full", "C0"),
}
# Names above the first law on the right, and where.
NAMES = (
    ("best partition", 1.6e-5, "optimum"),
    ("its order, best sizes", 3e-2, "dus_order"),
    ("DUS", 2.1, "dus"),
)


def needed(row: dict[str, Any]) -> str:
    """DUS's steps, and the fewest that are as good."""
    steps = row["steps_as_good_as_dus"]
    least, most = steps if isinstance(steps, list) else (steps["optimum"],) * 2
    return f"{row['dus_steps']} \N{RIGHTWARDS ARROW} " + (
        f"{least}" if least == most else f"{least}\N{EN DASH}{most}"
    )


def draw(axes: Any, rows: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """One line a law, where DUS loses most at the top."""

    def loss(row: dict[str, Any], kind: str) -> float:
        return max(FLOOR, row["at_dus_steps"][kind])

    ranked = sorted(zip(rows, names, strict=True), key=lambda pair: (loss(pair[0], "dus"), pair[1]))
    for place, (row, _) in enumerate(ranked):
        ends = [loss(row, kind) for kind in ("optimum", "dus")]
        axes.plot(ends, [place, place], color="0.75", linewidth=0.8, linestyle="-", zorder=0)
        axes.text(
            1.005, place, needed(row), transform=axes.get_yaxis_transform(), fontsize=7, va="center"
        )
    for kind, (marker, size, fill, colour) in SERIES.items():
        axes.plot(
            [loss(row, kind) for row, _ in ranked],
            range(len(ranked)),
            marker,
            markersize=size,
            fillstyle=fill,
            markeredgewidth=0.0 if marker == "." else 1.4,
            color=colour,
            clip_on=False,
        )
    axes.text(
        1.005, len(ranked), "steps", transform=axes.get_yaxis_transform(), fontsize=7, color="0.4"
    )
    axes.set_yticks(range(len(ranked)), [name for _, name in ranked], fontsize=7)
    axes.set_xscale("log")
    axes.set_xlim(FLOOR, 6.0)
    axes.set_ylim(-0.6, len(ranked) + 0.4)
    axes.grid(visible=False, axis="y")


def main() -> None:
    found = read_result("dus_optimum")
    figure, (short, chains) = plt.subplots(1, 2, figsize=(9.2, 5.2))
    rows = found["short"]
    draw(short, rows, [f"{row['law']}, {row['length']}" for row in rows])
    rows = [row for row in found["summary"] if row["length"] == LENGTH]
    draw(chains, rows, [row["law"] for row in rows])
    short.set_xlabel("loss, 6 to 12 positions [nats per block]")
    chains.set_xlabel(f"loss, {LENGTH} positions [nats per block]")
    for text, x, kind in NAMES:
        label(chains, text, (x, len(rows) - 1), (0, 6), color=SERIES[kind][3], ha="center")
    save(figure, "fig_dus_optimum")


if __name__ == "__main__":
    main()
