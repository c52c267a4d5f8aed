"""The noisier the copies, the later and the more evenly a repeated bit gives itself away.

Reads ``experiments/results/geometry.json``; writes ``fig_geometry_repeated.{pdf,svg,png}``.
Caption: density q of the unmasking growth over log odds, one fair bit seen 128 times, each time
flipped with probability η; the third is drawn ten times as high. Ratio C/P of what geometric odds
lose to what the best schedule loses, in the limit of many steps: ours, and in brackets that of
Wainwright (arXiv:2608.13520, Figure 1). All is exact: there are no bands.
"""

from __future__ import annotations

from common import label, plt, save
from geometry import draw_density, laws, name_axes, peak

# Factor, and offset of the label in points.
SERIES = {0.01: (1.0, (8, -8)), 0.30: (1.0, (6, 3)), 0.45: (10.0, (18, -12))}


def main() -> None:
    figure, axes = plt.subplots(figsize=(4.6, 3.1))
    for row in laws(1):
        factor, offset = SERIES[row["flips"]]
        line = draw_density(axes, row, factor=factor)
        x, y = peak(row)
        scale = f", ×{factor:.0f}" if factor > 1.0 else ""
        words = (
            f"η = {row['flips']:.2f}{scale}\n"
            f"C/P {row['ratio']:.2f} ({row['published']['ratio']:.2f})"
        )
        label(axes, words, (x, factor * y), offset, color=line.get_color())
    name_axes(axes)
    axes.set_ylim(top=0.41)
    save(figure, "fig_geometry_repeated")


if __name__ == "__main__":
    main()
