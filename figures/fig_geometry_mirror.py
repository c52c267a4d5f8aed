"""A repeated bit and a global parity are as complex as each other, at opposite ends of the path.

Reads ``experiments/results/geometry.json``; writes ``fig_geometry_mirror.{pdf,svg,png}``.
Caption: density q of the unmasking growth over log odds, 64 bits that are all equal and 64 bits of
even parity. One is the mirror image of the other, so that C and P are the same, but the one must be
revealed slowly at the start and the other at the end. As in Wainwright (arXiv:2608.13520,
Figure 5). All is exact: there are no bands.
"""

from __future__ import annotations

from common import label, plt, save
from geometry import draw_density, laws, name_axes, peak


def main() -> None:
    figure, axes = plt.subplots(figsize=(4.6, 3.1))
    rows = laws(5)
    for row in rows:
        line = draw_density(axes, row)
        label(axes, row["law"], peak(row), (0, 4), color=line.get_color(), ha="center")
    words = f"both\nC {rows[0]['coarse']:.2f}\nP {rows[0]['limit']:.2f}\nC/P {rows[0]['ratio']:.2f}"
    axes.text(0.5, 0.5, words, transform=axes.transAxes, fontsize=8, ha="center", color="0.3")
    name_axes(axes)
    axes.set_ylim(top=0.41)
    save(figure, "fig_geometry_mirror")


if __name__ == "__main__":
    main()
