"""Sizes carry over between models, code and near temperatures for a few per cent, not from prose.

Reads ``experiments/results/transfer_{base,tiny}.json`` and
``transfer_temperature_{base,tiny}.json``, the first of each that is there; writes
``fig_transfer.{pdf,svg,png}``.
Caption: loss of sizes fitted on one source (row) and used on another (column), over the loss of
sizes that were fitted on the other itself, in per cent with a standard error; on the diagonal, in
brackets, what those lose over the least loss for the documents that they are judged on. For 16
steps in random order (left) and 8 in dilated order (middle), predicted by smooth estimates on other
documents, errors over halves of the documents; and between temperatures, for 8 steps in dilated
order on texts of the model's own (right): measured by teacher forcing, errors over documents, but
for the diagonal, which is predicted. Darker is more; below 0 is white; 0 are the same sizes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from common import HERE, plt, read_result, save
from matplotlib.colors import SymLogNorm

NORM = SymLogNorm(1.0, vmin=0.0, vmax=100.0)
DARK = 0.6  # of the scale, from which numbers are white
Cell = tuple[float, float]


def table(
    axes: Any, names: list[str], cells: dict[tuple[str, str], Cell], native: dict[str, Cell]
) -> None:
    """Per cent for each pair, grey by size; ``native`` on the diagonal."""
    size = len(names)
    shown = cells | {(name, name): native[name] for name in names}
    values = np.array([[shown[a, b][0] for b in names] for a in names])
    axes.imshow(values.clip(min=0.0), cmap="Greys", norm=NORM, aspect="auto")
    for i in range(size):
        for j in range(size):
            value, error = shown[names[i], names[j]]
            digits = 0 if abs(value) >= 9.95 else 1
            text = f"{value:.{digits}f}\n± {error:.{digits}f}" if error > 5e-4 else "0"
            color = "white" if NORM(max(value, 0.0)) > DARK else "black"
            text = f"({text})" if i == j else text
            axes.text(j, i, text, ha="center", va="center", color=color, fontsize=8)
    axes.set_xticks(range(size), names, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(size), names)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def of_sources(axes: Any, document: dict[str, Any], order: str, steps: int) -> None:
    rows = [r for r in document["rows"] if r["order"] == order and r["steps"] == steps]
    names = list(document["sources"])

    def per_cent(row: dict[str, Any], value: str, error: str) -> Cell:
        return 100 * row[value], 100 * row[error]

    table(
        axes,
        names,
        {
            (r["fitted_on"], r["used_on"]): per_cent(r, "over_native", "over_native_stderr")
            for r in rows
        },
        {
            r["used_on"]: per_cent(r, "regret", "stderr")
            for r in rows
            if r["used_on"] == r["fitted_on"]
        },
    )
    axes.set_xlabel(f"used on: {order} order, k = {steps}")


def of_temperatures(axes: Any, document: dict[str, Any]) -> None:
    rows = [r for r in document["rows"] if "measured_excess" in r]
    names = [str(level["temperature"]) for level in document["levels"]]
    table(
        axes,
        names,
        {
            (str(r["fitted_at"]), str(r["used_at"])): (
                100 * r["measured_over_native"],
                100 * r["measured_over_native_stderr"],
            )
            for r in rows
        },
        {
            str(r["used_at"]): (100 * r["regret"], 100 * r["stderr"])
            for r in rows
            if r["used_at"] == r["fitted_at"]
        },
    )
    axes.set_xlabel(f"used at temperature, k = {rows[0]['steps']}")
    axes.set_ylabel("fitted at temperature [% more loss]")


def first(prefix: str) -> dict[str, Any]:
    """The result of the larger model where it is there."""
    results = HERE.parent / "experiments" / "results"
    found = [n for n in ("base", "tiny") if (results / f"{prefix}_{n}.json").exists()]
    return read_result(f"{prefix}_{found[0]}")


def main() -> None:
    figure, axes = plt.subplots(1, 3, figsize=(9.2, 3.4), width_ratios=[4, 4, 3])
    figure.get_layout_engine().set(wspace=0.06)
    document = first("transfer")
    of_sources(axes[0], document, "random", 16)
    of_sources(axes[1], document, "dilated", 8)
    axes[0].set_ylabel("fitted on [% more loss]")
    axes[1].set_yticklabels([])
    of_temperatures(axes[2], first("transfer_temperature"))
    save(figure, "fig_transfer")


if __name__ == "__main__":
    main()
