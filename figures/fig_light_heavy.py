"""Where a light model falls behind depends on the pair: in the middle, or with two thirds known.

Reads ``experiments/results/light_heavy_{tiny,base_tiny}.json``; writes
``fig_light_heavy.{pdf,svg,png}``.
Caption: left, cross-entropy of a masked byte by the share that is masked (time runs from left to
right), random masks, no context: ``tiny`` (0.9M) and ``tiny-light``, points from identical masks,
lines the smooth curves of ``schedopt estimate`` from passes of their own. Right, how much more the
light model loses, and KL(heavy || light) of their distributions at the same masked positions, exact
at each: filled for tiny over tiny-light, open for ``base`` (28M) over tiny. For a calibrated heavy
model the two would agree. Bands and bars: 95 % intervals over held-out documents, of
differences in pairs. By loss and KL arXiv:2604.02340 finds that the middle steps matter most.
"""

from __future__ import annotations

from typing import Any

from common import band, label, plt, read_result, save

MODELS = ("heavy", "light")


def losses(axes: Any, document: dict[str, Any]) -> None:
    rows = document["rows"]
    for model, name, offset in zip(
        MODELS,
        (document["model"]["name"], document["light"]["name"]),
        ((-34, -22), (6, 8)),
        strict=True,
    ):
        curve = document["curves"][model]
        n = len(curve["conditional_entropy"])
        x = [1.0 - j / n for j in range(n)]
        line = band(axes, x, curve["conditional_entropy"], curve["stderr"])
        axes.errorbar(
            [row["masked"] for row in rows],
            [row[model] for row in rows],
            [1.96 * row[f"{model}_stderr"] for row in rows],
            fmt="o" if model == "heavy" else "s",
            color=line.get_color(),
            markersize=3,
            elinewidth=0.8,
        )
        middle = rows[len(rows) // 2]
        label(axes, name, (middle["masked"], middle[model]), offset, color=line.get_color())
    axes.set_ylabel("cross-entropy [nats per masked byte]")


# How far above its end the label of a line of the right panel stands, points.
LABELS = {("kl", True): 3, ("gap", True): -9, ("kl", False): -3, ("gap", False): -3}


def divergences(axes: Any, document: dict[str, Any], filled: bool) -> None:
    rows = document["rows"]
    pair = f"{document['model']['name']} over {document['light']['name']}"
    x = [row["masked"] for row in rows]
    for color, style, marker, key in (("C0", "-", "o", "gap"), ("C2", "-.", "^", "kl")):
        y = [row[key] for row in rows]
        stderr = [row[f"{key}_stderr"] for row in rows]
        look = {"markerfacecolor": color if filled else "white", "markersize": 3.5}
        band(axes, x, y, stderr, color=color, linestyle=style, marker=marker, **look)
        name = "loss" if key == "gap" else "KL"
        label(axes, f"{name}, {pair}", (x[-1], y[-1]), (7, LABELS[key, filled]), color=color)


def main() -> None:
    figure, axes = plt.subplots(1, 2, figsize=(9.2, 3.4))
    tiny, base = (read_result(f"light_heavy_{name}") for name in ("tiny", "base_tiny"))
    losses(axes[0], tiny)
    divergences(axes[1], tiny, filled=True)
    divergences(axes[1], base, filled=False)
    axes[1].set_ylabel("light behind heavy [nats per masked byte]")
    for ax in axes:
        ax.set_xlim(1.02, -0.02 if ax is axes[0] else -0.52)  # room for labels
        ax.set_xticks([1.0, 0.8, 0.6, 0.4, 0.2, 0.0])
        ax.set_xlabel("masked share [positions]")
    axes[0].set_ylim(bottom=0.0)
    axes[1].set_ylim(-0.11, 0.53)
    save(figure, "fig_light_heavy")


if __name__ == "__main__":
    main()
