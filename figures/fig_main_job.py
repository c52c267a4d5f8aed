"""Sampler NLL against forward passes: schedules, DUS, and adaptive planners.

Reads ``experiments/results/main_job_{base,tiny}.json``; writes ``fig_main_job.{pdf,svg,png}``.
Caption: NLL of 128 held-out bytes after 128 known ones, teacher-forced at temperature 1, against
forward passes, for a 28M model (left) and the bundled 0.9M model (right). Bands are 95 % intervals
of the difference to the random order with optimal sizes at 4 passes, over held-out documents: they
compare samplers, and leave out what is common to all of them.
"""

from __future__ import annotations

from typing import Any

from common import label, plt, read_result, save

BUDGETS = (4, 8, 16, 32, 64)


def series(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    rows = document["rows"]

    def pick(prefix: str) -> list[dict[str, Any]]:
        found = [row for row in rows if row["sampler"].partition(":")[0] == prefix]
        blocks = {row["block_length"] for row in found}
        block = 32 if prefix in ("eb", "threshold") and 32 in blocks else None
        return sorted(
            (r for r in found if block is None or r["block_length"] == block),
            key=lambda r: r["nfe"],
        )

    by_label = {row["sampler"]: row for row in rows}
    return {
        "ours: dilated, best block": [
            by_label[document["best_by_budget"][str(b)]] for b in BUDGETS
        ],
        "random, equal sizes": pick("random"),
        "DUS": sorted(pick("dus"), key=lambda r: r["nfe"]),
        "entropy bound": pick("eb"),
        "threshold": pick("threshold"),
        "confidence": pick("confidence"),
    }


# Where each label stands: index of its point, and offset in points.
LABELS = {
    "ours: dilated, best block": (1, (-42, -15)),
    "random, equal sizes": (0, (8, 4)),
    "DUS": (3, (6, 2)),
    "entropy bound": (-1, (-62, -14)),
    "threshold": (0, (-20, 7)),
    "confidence": (2, (8, 4)),
}


def draw(axes: Any, document: dict[str, Any], title: str) -> None:
    for name, rows in series(document).items():
        x = [row["nfe"] for row in rows]
        y = [row["nll"] for row in rows]
        band = [1.96 * row["difference_stderr"] for row in rows]
        marker = "o" if name.startswith("ours") else "s" if name == "DUS" else "."
        (line,) = axes.plot(x, y, marker=marker)
        axes.fill_between(
            x,
            [a - b for a, b in zip(y, band, strict=True)],
            [a + b for a, b in zip(y, band, strict=True)],
            color=line.get_color(),
            alpha=0.18,
            linewidth=0,
        )
        point, offset = LABELS[name]
        label(axes, name, (x[point], y[point]), offset, color=line.get_color())
    axes.set_xscale("log", base=2)
    axes.set_xticks([4, 8, 16, 32, 64, 128], ["4", "8", "16", "32", "64", "128"])
    axes.set_xlabel(f"forward passes for 128 positions, {title}")
    low = min(row["nll"] for row in document["rows"])
    axes.set_ylim(low - 0.06, low + 0.78)


def main() -> None:
    figure, axes = plt.subplots(1, 2, figsize=(9.2, 3.6))
    for ax, (name, title) in zip(
        axes, (("base", "28M parameters"), ("tiny", "0.9M parameters")), strict=True
    ):
        draw(ax, read_result(f"main_job_{name}"), title)
    axes[0].set_ylabel("sampler NLL [nats per byte]")
    save(figure, "fig_main_job")


if __name__ == "__main__":
    main()
