"""What the geometry buys is there from about ten steps on: C/P times less loss than geometric odds.

Reads ``experiments/results/geometry.json``; writes ``fig_geometry_steps.{pdf,svg,png}``.
Caption: exact loss of the Bernoulli sampler between 1/d and 1 - 1/d in N steps whose odds grow by
one factor, over the loss of the best N steps (dynamic program over 1536 times). Thin lines: C/P,
the limit (Wainwright, arXiv:2608.13520, Theorem 3). With few steps one factor may happen to step
over the transition well (d = 64) or badly (repeated bit). The laws are those of Figures 1, 2 and 6;
the mixture is averaged over all prototypes (standard error of C/P 0.008: no band would be seen),
the rest is exact.
"""

from __future__ import annotations

from common import label, plt, powers_of_two, read_result, save

# Words, marker, and offset of the label in points.
SERIES = {
    "repeated bit, 0.01": ("repeated bit, η = 0.01", "o", (6, 1)),
    "repeated bit, 0.45": ("repeated bit, η = 0.45", "s", (6, -3)),
    "mixture, d=64": ("mixture, d = 64", "^", (6, -8)),
    "xorsat, 0.5": ("XORSAT, α = 0.5", "D", (6, -2)),
}


def main() -> None:
    figure, axes = plt.subplots(figsize=(4.6, 3.4))
    for row in read_result("geometry")["steps"]:
        words, marker, offset = SERIES[row["law"]]
        (line,) = axes.plot(row["steps"], row["geometric_over_best"], marker=marker)
        color = line.get_color()
        axes.hlines(row["ratio"], 2, 256, color=color, linewidth=0.7, linestyle="-")
        label(axes, words, (256, row["geometric_over_best"][-1]), offset, color=color)
    powers_of_two(axes.xaxis, row["steps"])
    axes.set_xlabel("steps N [count]")
    axes.set_ylabel("loss of geometric odds / least loss [1]")
    axes.set_xlim(1.7, 5000)
    axes.set_ylim(bottom=0.0)
    save(figure, "fig_geometry_steps")


if __name__ == "__main__":
    main()
