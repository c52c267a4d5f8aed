"""How the exact curve and the solvers grow with n, q and k, against the predicted exponents.

Reads ``benchmarks/results/{curves,solvers}.json``; writes ``fig_growth.{pdf,svg,png}``.
Caption: processor seconds of all threads, medians of three runs, compiling left out. Grey dashes
grow as predicted and meet each series at its last point; labels tell what is measured, and in
brackets what is predicted. Top left: the exact curve of a random table of q^n probabilities,
predicted (q + 1)^n; the labels have the factor that one position more costs, fitted where there are
a million terms or more. The others: ``solve`` (one k) and ``losses`` (all k) as n or k doubles,
predicted but for logarithms; the labels have the exponent, fitted to the larger half of each
series. Before, what any call costs shows, and switching to another method.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from common import label, plt, read_result, save

MACHINE = "numba"  # of the curve
SURFACES = ("surface", "rising")  # in the words of a work that has a panel with its like
# How far from its prediction a label stands, in points, by words of the work: above, else below.
AWAY = {"surface, all k": 5, "rising": 5, "without fast": 12, "n=2^20": 4}
BELOW = -4


@dataclass(frozen=True)
class Series:
    """Seconds by n or k, and what is predicted but for a factor."""

    text: str
    x: Sequence[int]
    seconds: Sequence[float]
    predicted: Sequence[float]


def curve_series(growth: Sequence[dict[str, Any]]) -> Iterator[Series]:
    """The exact curve by n, a series for each q."""
    (found,) = (each for each in growth if each["machine"] == MACHINE)
    for factor in found["factor_a_position"]:
        points = [point for point in found["points"] if point["q"] == factor["q"]]
        yield Series(
            f"q = {factor['q']}: ×{factor['measured']:.2f} ({factor['predicted']})",
            [point["n"] for point in points],
            [point["seconds"]["processor"] for point in points],
            [point["terms"] for point in points],
        )


def solver_series(growth: Sequence[dict[str, Any]], variable: str) -> Iterator[Series]:
    """The solvers by n or k."""
    for found in growth:
        if found["variable"] == variable:
            exponent = found["predicted_exponent"]
            yield Series(
                f"{found['work']}: {found['exponent']:.2f} ({exponent:g})".replace("<=", "≤"),
                found["values"],
                found["seconds"],
                [value**exponent for value in found["values"]],
            )


def predicted_seconds(series: Series) -> Any:
    """The prediction through the last point."""
    return np.multiply(series.predicted, series.seconds[-1] / series.predicted[-1])


def draw(axes: Any, every: Sequence[Series], words: str) -> None:
    for series in every:
        axes.plot(series.x, series.seconds, marker=".")
    axes.set_yscale("log")
    axes.set_ylim(axes.get_ylim())  # predictions may leave the axes
    for series in every:
        axes.plot(series.x, predicted_seconds(series), "--", color="0.6", linewidth=0.8, zorder=1)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_ylabel("processor time [s]")
    axes.text(0.98, 0.04, words, transform=axes.transAxes, ha="right")


def write_labels(axes: Any, every: Sequence[Series]) -> None:
    """Along the end of each prediction; it needs the figure's layout."""
    for line, series in zip(axes.get_lines(), every, strict=False):
        ends = np.column_stack([series.x, predicted_seconds(series)])[-2:]
        right, up = np.diff(axes.transData.transform(ends), axis=0)[0]
        angle = np.arctan2(up, right)
        away = next((AWAY[words] for words in AWAY if words in series.text), BELOW)
        label(
            axes,
            series.text,
            tuple(ends[-1]),
            (-away * np.sin(angle), away * np.cos(angle)),
            color=line.get_color(),
            rotation=np.degrees(angle),
            rotation_mode="anchor",
            ha="right",
            va="bottom" if away > 0 else "top",
        )


def main() -> None:
    curves = read_result("curves", "benchmarks")["growth"]
    solvers = read_result("solvers", "benchmarks")["growth"]
    by_n = list(solver_series(solvers, "n"))
    surfaces = [series for series in by_n if any(words in series.text for words in SURFACES)]
    panels = {
        "exact curve": list(curve_series(curves)),
        "solvers, steps": list(solver_series(solvers, "k")),
        "solvers, curves": [series for series in by_n if series not in surfaces],
        "solvers, rising curves and surfaces": surfaces,
    }
    figure, axes = plt.subplots(2, 2, figsize=(9.2, 8.0))
    for ax, (words, every) in zip(axes.flat, panels.items(), strict=True):
        draw(ax, every, words)
        ax.set_xlabel("steps k" if words == "solvers, steps" else "positions n")
        if words != "exact curve":
            ax.set_xscale("log", base=2)
    figure.draw_without_rendering()
    for ax, every in zip(axes.flat, panels.values(), strict=True):
        write_labels(ax, every)
    save(figure, "fig_growth")


if __name__ == "__main__":
    main()
