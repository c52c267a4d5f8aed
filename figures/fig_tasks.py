"""Task accuracy against forward passes: schedules, DUS, and adaptive planners.

Reads ``experiments/results/tasks.json``; writes ``fig_tasks.{pdf,svg,png}``.
Caption: Share of 1,000 held-out instances solved against forward passes for the 16 positions of a
response, greedily (above) and at temperature 1 (below), by a small model trained for each task.
Only tasks with several right answers to a prompt are shown: copy, reverse, sort, insert and
addition are functions of the prompt, and samplers solve them in one pass. Bands are 95 %
intervals over instances.
"""

from __future__ import annotations

import re
from typing import Any

from common import plt, read_result, save

TASKS = ("shuffle", "latin", "sudoku", "walk")
TITLES = ("shuffle of 16", "Latin square, 4x4", "Sudoku, 4x4, 4 clues", "walk on a graph")
SERIES = {
    "optimal, own order": ("our fit", "o"),
    "random": ("random, equal sizes", "."),
    "dus": ("DUS", "s"),
    "confidence": ("confidence, equal sizes", "."),
    "eb": ("entropy bound", "."),
    "threshold": ("threshold", "."),
}


def draw(axes: Any, rows: list[dict[str, Any]]) -> list[Any]:
    """One line a family; returns the lines."""
    lines = []
    for family, (name, marker) in SERIES.items():
        # FAMILY:NUMBER; more after the number is another family
        members = [row for row in rows if re.fullmatch(rf"{family}:[\d.]+", row["sampler"])]
        members.sort(key=lambda row: (row["nfe"], row["accuracy"]))
        x = [row["nfe"] for row in members]
        y = [100 * row["accuracy"] for row in members]
        band = [196 * row["stderr"] for row in members]
        style = {"linestyle": "none"} if family == "dus" else {}  # block lengths are no curve
        (line,) = axes.plot(x, y, marker=marker, label=name, **style)
        low, high = ([a + sign * b for a, b in zip(y, band, strict=True)] for sign in (-1.0, 1.0))
        if not style:
            axes.fill_between(x, low, high, color=line.get_color(), alpha=0.18, linewidth=0)
        lines.append(line)
    axes.set_xscale("log", base=2)
    axes.set_xticks([1, 2, 4, 8, 16], ["1", "2", "4", "8", "16"])
    axes.set_ylim(-4, 104)
    return lines


def main() -> None:
    tasks = read_result("tasks")["tasks"]
    figure, axes = plt.subplots(2, 4, figsize=(9.2, 4.6), sharex=True, sharey=True)
    for column, (name, title) in enumerate(zip(TASKS, TITLES, strict=True)):
        lines = draw(axes[0, column], tasks[name]["rows"])
        draw(axes[1, column], tasks[name]["temperature_1"])
        axes[1, column].set_xlabel(f"passes, {title}")
    axes[0, 0].set_ylabel("solved greedily [%]")
    axes[1, 0].set_ylabel("solved at temperature 1 [%]")
    figure.legend(handles=lines, loc="outside upper center", ncols=len(lines), fontsize=8)
    save(figure, "fig_tasks")


if __name__ == "__main__":
    main()
