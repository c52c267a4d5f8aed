"""Solutions of random linear equations are all revealed around one time, the rate of the code.

Reads ``experiments/results/geometry.json``; writes ``fig_geometry_xorsat.{pdf,svg,png}``.
Caption: density q of the unmasking growth over log odds for random codes of 64 bits and dimension
64 α (the dense XORSAT ensemble), averaged over all codes in closed form. Bands: 1.96 standard
deviations over 20 single codes, nearly all of it the Monte Carlo error of each (100 orders). Dots
are at odds α / (1 - α). C/P is what the best schedule gains in the limit; Wainwright
(arXiv:2608.13520, Figure 6) draws the same three, gives no ratios, and says that the peak moves to
the left as α grows: with α = k/d, as it is defined there, it moves to the right.
"""

from __future__ import annotations

from math import log

from common import label, plt, save
from geometry import draw_density, draw_spread, laws, name_axes, peak


def main() -> None:
    figure, axes = plt.subplots(figsize=(4.6, 3.1))
    for row in laws(6):
        color = draw_density(axes, row).get_color()
        draw_spread(axes, row, row["members"]["density_deviation"], color)
        rate = row["rate"]
        axes.plot(
            log(rate / (1.0 - rate)), 0.0, "o", color=color, markersize=4, clip_on=False, zorder=5
        )
        words = f"α = {rate}\nC/P {row['ratio']:.2f}"
        label(axes, words, peak(row), (0, 5), color=color, ha="center")
    name_axes(axes)
    axes.set_ylim(top=19.0)
    save(figure, "fig_geometry_xorsat")


if __name__ == "__main__":
    main()
