"""Where dependence is local, best sizes settle to one shape and one gain; elsewhere they do not.

Reads ``experiments/results/scale.json``; writes ``fig_scale.{pdf,svg,png}``.
Caption: laws with exact curves. Solid blue: dependence is local (two chains, blocks of 16 with one
hot bit each); dashed red: it spans the sequence. Top, random order. Left: loss of 16 equal steps
over that of the best 16. Right: equal steps that lose as little as the best n / 8 steps, as a
multiple of these; n steps, 8 times as many, lose nothing. Bottom left: how far the best 16 steps of
32 to 1,024 positions have come (darker: more positions): on the slow chain they settle, of a noisy
repeated bit they move to its start, of a code with erasures they crowd around its fall. Bottom
right: fewest steps that lose at most 0.1 nats a sequence on the slow chain (changes 0.01), in the
random and in the dilated order. Exact: no bands.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from common import label, plt, powers_of_two, read_result, save

LENGTHS = (32, 64, 128, 256, 512, 1024)
BLUE, RED = "#5790fc", "#e42536"
LOCAL = {"color": BLUE, "linestyle": "-", "marker": "o", "linewidth": 1.3}
GLOBAL = {"color": RED, "linestyle": "--", "marker": "s", "linewidth": 1.3}
# Style, and how many points its words stand over its last point: by gain, and by steps.
LAWS: dict[str, tuple[dict[str, Any], float | None, float | None]] = {
    "slow chain": (LOCAL, -3, -3),
    "fast chain": (LOCAL, -8, -7),
    "one-hot blocks": (LOCAL, -4, -1),
    "permutation": (GLOBAL, 3, -3),
    "walk": (GLOBAL, -4, -3),
    "balanced strings": (GLOBAL, 1, 2),
    "urn": (GLOBAL, -7, -3),
    "noisy repeated bit": (GLOBAL, -3, -5),
    "prototypes": (GLOBAL, -3, -9),
    "code with erasures": (GLOBAL, 2, None),
}
PROFILED = ("slow chain", "noisy repeated bit", "code with erasures")


def draw(axes: Any, rows: list[dict[str, Any]], steps: str, value: str, at: int) -> None:
    for name, entry in LAWS.items():
        style, over = entry[0], entry[at]
        found = [row for row in rows if row["law"] == name and row["k"] == steps]
        shown = [(row["n"], row[value]) for row in found if row[value] is not None]
        axes.plot(*zip(*shown, strict=True), **style)
        if over is not None:
            label(axes, name, shown[-1], (6, over), color=style["color"], fontsize=7.5)
    powers_of_two(axes.xaxis, LENGTHS)
    axes.set_xlim(29, 3600)
    axes.set_xlabel("positions n [count]")


def draw_profiles(axes: Any, rows: list[dict[str, Any]]) -> None:
    for place, name in enumerate(PROFILED):
        for n, grey in zip(LENGTHS, np.linspace(0.75, 0.0, len(LENGTHS)), strict=True):
            row = next(r for r in rows if r["law"] == name and r["n"] == n and r.get("step_sizes"))
            sizes = row["step_sizes"]
            shares = np.append(0.0, np.cumsum(sizes) / n)
            axes.plot(
                shares,
                np.linspace(0, 1, len(shares)) + 1.25 * place,
                color=str(grey),
                linestyle="-",
                linewidth=1.2,
            )
        axes.text(0.98, 1.25 * place + 0.1, name, ha="right")
    axes.set_yticks([x + 1.25 * place for place in range(3) for x in (0, 1)], ["0", "1"] * 3)
    axes.set_xlabel("share of the positions known [1]")
    axes.set_ylabel("share of the 16 steps made [1]")


def draw_orders(axes: Any, rows: list[dict[str, Any]], name: str) -> None:
    places = {
        ("random", "equal_steps"): (3, (-66, 2), "random, equal"),
        ("random", "best_steps"): (2, (5, -11), "random, best"),
        ("dilated", "equal_steps"): (5, (-52, -13), "dilated, equal"),
        ("dilated", "best_steps"): (3, (-10, 6), "dilated, best"),
    }
    for (order, key), (at, offset, words) in places.items():
        style = {"color": RED if order == "random" else BLUE, "marker": "o"}
        style["linestyle"] = "-" if key == "best_steps" else "--"
        counts = [row[key] for row in rows if row["law"] == name and row["order"] == order]
        axes.plot(LENGTHS, counts, **style)
        label(axes, words, (LENGTHS[at], counts[at]), offset, color=style["color"])
    powers_of_two(axes.xaxis, LENGTHS)
    powers_of_two(axes.yaxis, [2**i for i in range(2, 11, 2)])
    axes.set_xlabel("positions n [count]")
    axes.set_ylabel("steps for 0.1 nats, slow chain [count]")


def main() -> None:
    document = read_result("scale")
    figure, axes = plt.subplots(2, 2, figsize=(9.2, 7.2))
    draw(axes[0, 0], document["gains"], "16", "gain", 1)
    axes[0, 0].set_yscale("log")
    axes[0, 0].set_ylim(0.8, 300)
    axes[0, 0].set_yticks([1, 3, 10, 30, 100, 300], ["1", "3", "10", "30", "100", "300"])
    axes[0, 0].tick_params(axis="y", which="minor", left=False)
    axes[0, 0].set_ylabel("loss of 16 equal steps / least loss [1]")
    draw(axes[0, 1], document["gains"], "n/8", "times_the_steps", 2)
    axes[0, 1].set_ylim(0.6, 8.4)
    axes[0, 1].set_ylabel("equal steps needed / best n/8 steps [1]")
    draw_profiles(axes[1, 0], document["gains"])
    draw_orders(axes[1, 1], document["orders"], "slow chain")
    save(figure, "fig_scale")


if __name__ == "__main__":
    main()
