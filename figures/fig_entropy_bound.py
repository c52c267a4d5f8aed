"""DUS's entropy bound is tight on chains that forget, and far off where distance says nothing.

Reads ``experiments/results/entropy_bound.json``; writes ``fig_entropy_bound.{pdf,svg,png}``.
Caption: what DUS's bound of Lemma 3.3, the sum of L_t over its rounds, has above the entropy, which
is the KL of its sampler (theory, section 11.1; the two agree to rounding on all laws here), and
what the sum of the marginal entropies has above it (what DUS improves on). The dot is the least sum
of any ordered partition with as many rounds. Left: laws of 6 to 12 positions (the number stands
behind the name); right: order-1 chains of 32 and 64 positions. Numbers at the right edges: DUS's
bound above the entropy H, in per cent of it. The left edge stands for 1e-5 nats or less. All
is exact: there are no bands. DUS (arXiv:2506.19037) states the bound and draws no such figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from common import label, plt, read_result, save

FLOOR = 1e-5  # nats a position
# Kind: marker, size, fill, colour.
SERIES = {
    "marginals": ("|", 9, "none", "0.4"),
    "dus_bound": ("s", 5.5, "none", "C2"),
    "optimum_bound": (".", 6, "full", "C0"),
}
# Names above the first law on the right, and where.
NAMES = (("best partition", 1.6e-4, "C0"), ("DUS", 4.5e-2, "C2"), ("marginals", 1.9, "0.4"))


def draw(axes: Any, rows: Sequence[dict[str, Any]]) -> None:
    """One line a law, the loosest bound at the top."""

    def above(row: dict[str, Any], kind: str) -> float:
        return max(FLOOR, (row[kind] - row["entropy"]) / row["length"])

    rows = sorted(rows, key=lambda row: (above(row, "dus_bound"), above(row, "optimum_bound")))
    places = range(len(rows))
    for kind, (marker, size, fill, colour) in SERIES.items():
        axes.plot(
            [above(row, kind) for row in rows],
            places,
            marker,
            markersize=size,
            fillstyle=fill,
            markeredgewidth=1.5 if fill == "none" else 0.0,
            color=colour,
            clip_on=False,
        )
    for place, row in zip(places, rows, strict=True):
        ends = [above(row, kind) for kind in ("optimum_bound", "marginals")]
        axes.plot(ends, [place, place], color="0.75", linewidth=0.8, linestyle="-", zorder=0)
        share = (row["dus_bound"] - row["entropy"]) / row["entropy"]
        text = f"{share:.0%}" if share >= 0.095 else f"{share:.1%}" if share > 5e-4 else "< 0.1%"
        axes.text(1.005, place, text, transform=axes.get_yaxis_transform(), fontsize=7, va="center")
    axes.set_yticks(places, [f"{row['law']}, {row['length']}" for row in rows], fontsize=7)
    axes.set_xscale("log")
    axes.set_xlim(FLOOR, 3.0)
    axes.set_ylim(-0.6, len(rows) + 0.4)
    axes.set_xlabel("above the entropy [nats per position]")
    axes.grid(visible=False, axis="y")


def main() -> None:
    rows = read_result("entropy_bound")["rows"]
    figure, (tabled, chains) = plt.subplots(1, 2, figsize=(9.2, 4.6))
    draw(tabled, [row for row in rows if row["length"] < 32])
    draw(chains, [row for row in rows if row["length"] >= 32])
    for axes, top in ((tabled, 23.2), (chains, 14.2)):
        axes.text(
            1.0,
            top,
            "DUS [% of H]",
            ha="center",
            fontsize=7,
            color="C2",
            transform=axes.get_yaxis_transform(),
        )
    for text, x, colour in NAMES:
        label(chains, text, (x, 13.0), (0, 9), color=colour, ha="center")
    save(figure, "fig_entropy_bound")


if __name__ == "__main__":
    main()
