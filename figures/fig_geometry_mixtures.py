"""Mixtures of more prototypes on more positions give themselves away at once, in a narrower window.

Reads ``experiments/results/geometry.json``; writes ``fig_geometry_mixtures.{pdf,svg,png}``.
Caption: density q of the unmasking growth over log odds for mixtures of 2^(d/4) uniform prototypes
of d bits, each bit flipped with probability 0.02, averaged over all prototypes. Bands: 95 %
intervals of the Monte Carlo mean (4000 draws for each number of known bits), hardly wider than the
lines; for d = 32 also 1.96 standard deviations over 20 single mixtures, all of it the Monte Carlo
error of each (400 draws): single mixtures differ by less than we can see. Ratio C/P of what
geometric odds lose to what the best schedule loses, with its standard error: ours, and in brackets
that of Wainwright (arXiv:2608.13520, Figure 2), for one draw of the prototypes.
"""

from __future__ import annotations

from common import label, plt, save
from geometry import draw_density, draw_spread, laws, name_axes, peak

OFFSETS = {32: (40, -4), 48: (26, -6), 64: (14, -10)}  # of the labels, in points


def main() -> None:
    figure, axes = plt.subplots(figsize=(4.6, 3.1))
    for row in laws(2):
        color = draw_density(axes, row).get_color()
        draw_spread(axes, row, row["density_stderr"], color)
        if row["d"] == 32:
            draw_spread(axes, row, row["members"]["density_deviation"], color)
        words = (
            f"d = {row['d']}\nC/P {row['ratio']:.2f} ± {row['stderr']['ratio']:.2f} "
            f"({row['published']['ratio']:.2f})"
        )
        label(axes, words, peak(row), OFFSETS[row["d"]], color=color)
    name_axes(axes)
    save(figure, "fig_geometry_mixtures")


if __name__ == "__main__":
    main()
