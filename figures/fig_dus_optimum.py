"""DUS against the best ordered partition: optimal on chains that forget fast, not on others.

Reads ``experiments/results/dus_optimum.json``; writes ``fig_dus_optimum.{pdf,svg,png}``.
Caption: loss by number of steps, exact, for order-1 chains of 32 positions: the least of all
ordered partitions (optimum), DUS's order with its best sizes, DUS, and in as many steps the random
order with its best sizes (expected over orders). The bytes of the bundled text as a chain are
forgotten after few positions: DUS is optimal in its 5 steps, of which the last gains next to
nothing. Where each of 8 symbols is kept with probability 0.99 (else drawn anew), and where a walk
over 8 symbols turns at its walls, DUS loses 284 and 35 times as much as the optimum, which needs 3
and 4 steps to be as good as DUS. Bottom right: 195 chains and rings of 32, 64 and 128 positions in
DUS's own number of steps (5, 6 and 7); losses below 1e-6 nats are drawn there. All is exact: there
are no bands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from common import label, plt, read_result, save

LENGTH = 32
NEGLIGIBLE = 0.01  # nats a block
FLOOR = 1e-6  # nats a block
CHAINS = {
    "bigrams of text": "bytes of text",
    "sticky 0.99, q=8": "symbols kept with probability 0.99",
    "reflected walk, q=8": "walk between walls",
}
# Marker, its size, and where the label stands: number of steps, and offset in points.
SERIES = {
    "optimum": (".", 9, 3, (-46, -8)),
    "DUS's order, best sizes": (".", 9, 2, (6, 6)),
    "DUS": ("s", 8, 5, (9, -1)),
    "random order": ("x", 7, 5, (8, -5)),
}
# Families by the beginnings of their names.
KINDS = {
    "random, text": (("random", "bigrams"), "o"),
    "symbols kept": (("sticky",), "s"),
    "cycles and walks": (("cycle", "late cycle", "reflected walk"), "^"),
    "Ising rings": (("Ising",), "D"),
}


def draw_chain(axes: Any, row: dict[str, Any]) -> None:
    """Loss by number of steps, and DUS."""
    last, losses = row["dus_steps"], row["at_dus_steps"]
    found = (
        row["frontiers"]["optimum"][:last],
        row["frontiers"]["dus_order"][:last],
        [losses["dus"]],
        [losses["random_order"]],
    )
    for y, (name, (marker, size, steps, offset)) in zip(found, SERIES.items(), strict=True):
        x = range(last - len(y) + 1, last + 1)
        (line,) = axes.plot(x, y, marker=marker, markersize=size, fillstyle="none", mew=1.5)
        label(axes, name, (steps, y[x.index(steps)]), offset, color=line.get_color())
    axes.axhline(NEGLIGIBLE, color="0.4", linewidth=0.8)
    label(axes, f"{NEGLIGIBLE} nats", (1, NEGLIGIBLE), (-4, 3), color="0.4")
    axes.text(0.03, 0.05, CHAINS[row["law"]], transform=axes.transAxes)
    axes.set_yscale("log")
    axes.set_ylim(4e-6, 200)
    axes.set_xlim(0.8, last + 1.7)
    axes.set_xticks(range(1, last + 1))
    axes.set_xlabel(f"steps for {row['length']} positions")
    axes.set_ylabel("loss [nats per block]")


def draw_all(axes: Any, rows: Sequence[dict[str, Any]]) -> None:
    """DUS against the optimum in as many steps."""
    axes.axline((FLOOR, FLOOR), (1.0, 1.0), color="0.4", linewidth=0.8)
    label(axes, "DUS is optimal", (1e-5, 1e-5), (8, -4), color="0.4")
    for number, (name, (families, marker)) in enumerate(KINDS.items()):
        found = [row["at_dus_steps"] for row in rows if row["law"].startswith(families)]
        x, y = ([max(FLOOR, losses[of]) for losses in found] for of in ("optimum", "dus"))
        axes.plot(x, y, marker, fillstyle="none", color=f"C{number}", label=name)
    least = sum(row["at_dus_steps"]["dus"] <= FLOOR for row in rows)
    label(axes, f"{least} of {len(rows)} laws", (FLOOR, FLOOR), (8, -5), color="0.4")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("optimum in as many steps [nats per block]")
    axes.set_ylabel("DUS [nats per block]")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.1), fontsize=8)


def main() -> None:
    rows = read_result("dus_optimum")["long"]
    figure, axes = plt.subplots(2, 2, figsize=(7.6, 6.0))
    for ax, law in zip(axes.flat[:-1], CHAINS, strict=True):
        (row,) = (row for row in rows if row["law"] == law and row["length"] == LENGTH)
        draw_chain(ax, row)
    draw_all(axes.flat[-1], rows)
    save(figure, "fig_dus_optimum")


if __name__ == "__main__":
    main()
