"""On a permutation steps should shrink; on text they should not, and distance matters more.

Reads ``experiments/results/permutations.json`` and ``profiles_base.json``, or where that is missing
``profiles_tiny.json``; writes ``fig_profiles.{pdf,svg,png}``.
Caption: loss of 4, 8 and 16 steps of the random order whose sizes change as a power of time t^p (p
below 0: those of -p, reversed). Left: a uniformly random permutation of 240 values, exact; thin
lines are the best sizes. Right: a model, 128 held-out bytes after 128 known ones, sampler NLL less
that of one position a step in the random order; beside the profiles the best sizes by a curve from
other documents, growing sizes (p = 1) and equal ones with a distance that shrinks from 8 to 1
between positions revealed together, the dilated order with its best sizes, and the surest
positions in equal steps. Bars are 95 % intervals of the paired difference over documents.
After Figure 2 of Wen, Liang, Lu (arXiv:2608.25505).
"""

from __future__ import annotations

from math import log
from typing import Any

from common import MODELS, label, models_of, plt, read_result, save

# Steps: colour, marker and line, and where the label stands on the right.
STEPS = {4: ("#5790fc", "o", "-"), 8: ("#f89c20", "s", "--"), 16: ("#964a8b", "^", ":")}
OTHERS = {
    "optimal": "best sizes",
    "spaced": "growing, spaced",
    "spaced equal": "equal, spaced",
    "dilated": "dilated, best",
    "confidence": "confidence",
}
FIRST, APART = 3.7, 0.8  # where these stand on the axis of exponents


def profiles(rows: list[dict[str, Any]], steps: int) -> list[dict[str, Any]]:
    """Those of so many steps whose sizes are powers, by exponent."""
    own = [row for row in rows if row["steps"] == steps and row["exponent"] is not None]
    return sorted(own, key=lambda row: row["exponent"])


def draw_permutation(axes: Any, document: dict[str, Any]) -> None:
    bits = log(2.0) * document["n"]
    for steps, (color, marker, style) in STEPS.items():
        rows = profiles(document["profiles"], steps)
        x, y = [row["exponent"] for row in rows], [row["loss"] / bits for row in rows]
        axes.plot(x, y, color=color, marker=marker, linestyle=style)
        own = {row["kind"]: row for row in document["profiles"] if row["steps"] == steps}
        axes.axhline(own["optimal"]["loss"] / bits, color=color, linewidth=0.8, linestyle=style)
        label(axes, f"{steps} steps", (x[-1], y[-1]), (6, -3), color=color)
    axes.set_yscale("log")
    axes.set_ylim(0.11, 1.4)
    axes.set_yticks([0.2, 0.5, 1.0], ["0.2", "0.5", "1"])
    axes.yaxis.set_minor_formatter(plt.NullFormatter())
    axes.set_ylabel("loss [bits per position]")
    axes.set_xticks([-2, -1, 0, 1, 2])
    axes.set_xlim(-2.3, 2.9)
    axes.set_xlabel("exponent p of the sizes [power of time]")
    _say(axes, f"permutation of {document['n']}")


def draw_model(axes: Any, document: dict[str, Any], words: str) -> None:
    def points(rows: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "y": [row["excess"] / log(2.0) for row in rows],
            "yerr": [1.96 * row["excess_stderr"] / log(2.0) for row in rows],
        }

    for steps, (color, marker, style) in STEPS.items():
        rows = profiles(document["rows"], steps)
        exponents = [row["exponent"] for row in rows]
        look = {"color": color, "marker": marker, "elinewidth": 0.9}
        axes.errorbar(exponents, **points(rows), **look, linestyle=style)
        own = {row["kind"]: row for row in document["rows"] if row["steps"] == steps}
        places = [FIRST + APART * i for i in range(len(OTHERS))]
        axes.errorbar(places, **points([own[kind] for kind in OTHERS]), **look, linestyle="none")
        end = rows[-1]["excess"] / log(2.0)
        label(axes, f"{steps} steps", (exponents[-1], end), (6, -3), color=color)
    axes.axvline(FIRST - APART / 2, color="0.6", linewidth=0.8, linestyle="-")
    axes.set_yscale("log")
    axes.set_ylim(0.008, 2.5)
    axes.set_yticks([0.01, 0.1, 1.0], ["0.01", "0.1", "1"])
    ticks = [(p, str(p).replace("-", "\N{MINUS SIGN}")) for p in (-2, -1, 0, 1, 2)]
    ticks += [(FIRST + APART * i, words) for i, words in enumerate(OTHERS.values())]
    axes.set_xticks([at for at, _ in ticks], [text for _, text in ticks])
    for text in axes.get_xticklabels()[5:]:
        text.set(rotation=35, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_ylabel("excess NLL [bits per byte]")
    axes.set_xlabel("exponent p of the sizes [power of time], or another sampler")
    _say(axes, f"model of {words}")


def _say(axes: Any, words: str) -> None:
    axes.text(0.02, 0.98, words, transform=axes.transAxes, va="top", color="0.2")


def main() -> None:
    name = models_of("profiles")[0]
    figure, axes = plt.subplots(1, 2, figsize=(9.2, 3.7), width_ratios=(1.0, 1.35))
    draw_permutation(axes[0], read_result("permutations"))
    draw_model(axes[1], read_result(f"profiles_{name}"), MODELS[name])
    for ax in axes:
        for x, words in ((-1.0, "sizes fall"), (1.0, "sizes grow")):
            ax.text(x, 0.02, words, transform=ax.get_xaxis_transform(), ha="center", color="0.3")
    save(figure, "fig_profiles")


if __name__ == "__main__":
    main()
