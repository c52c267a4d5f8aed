"""Where the loss of a schedule comes from: the model's errors outweigh those of the schedule.

Reads ``experiments/results/known_truth.json``; writes ``fig_known_truth.{pdf,svg,png}``.
Caption: KL(law || sampler) a symbol, with the order given, of 64 positions of a chain of order 2
whose truth is known, against forward passes, for the random order (left) and the dilated one
(right), both with the sizes that are the best by passes of a trained model. The total is the sum of
three parts: what the best sizes lose with the true conditionals, what those chosen by the model
lose more with them, and what the model's own conditionals add. Bands: 95 % intervals over draws of
the law and models; small dots: each model.
"""

from __future__ import annotations

from typing import Any

from common import band, label, plt, powers_of_two, read_result, save

# Part: line style, marker, and where its label stands on the left and on the right: index of a
# point, offset in points.
PARTS: dict[str, tuple[str, str, Any, Any]] = {
    "total": ("-", "o", (1, (2, 9)), (0, (4, 12))),
    "schedule": ("--", "s", (2, (2, 9)), (0, (16, -28))),
    "learning": ("-.", "^", (0, (6, -16)), (2, (2, -22))),
    "estimation": (":", "D", (0, (6, 6)), (2, (2, 7))),
}


def draw(axes: Any, rows: list[dict[str, Any]], side: int) -> None:
    passes = [row["steps"] for row in rows]
    for part, (style, marker, *places) in PARTS.items():
        found = [row[part] for row in rows]
        y = [f["value"] for f in found]
        stderr = [(f["stderr"] ** 2 + f.get("seed_stderr", 0.0) ** 2) ** 0.5 for f in found]
        line = band(axes, passes, y, stderr, linestyle=style, marker=marker)
        for k, f in zip(passes, found, strict=True):
            seeds = f.get("seeds", [])
            axes.plot([k] * len(seeds), seeds, ".", markersize=2.5, color=line.get_color())
        index, offset = places[side]
        label(axes, part, (passes[index], y[index]), offset, color=line.get_color())
    powers_of_two(axes.xaxis, passes)


def main() -> None:
    rows = read_result("known_truth")["parts"]
    figure, both = plt.subplots(1, 2, figsize=(9.2, 3.4), sharey=True)
    for side, (axes, order) in enumerate(zip(both, ("random", "dilated"), strict=True)):
        draw(axes, [row for row in rows if row["order"] == order], side)
        axes.axhline(0.0, color="0.2", linewidth=0.8)
        axes.set_xlabel(f"forward passes for 64 positions [passes], {order} order")
    both[0].set_ylabel("KL(law || sampler) [nats per symbol]")
    save(figure, "fig_known_truth")


if __name__ == "__main__":
    main()
