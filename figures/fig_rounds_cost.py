"""Nobody is best at every number of rounds: schedules with few, adaptive planners with many.

Reads ``experiments/results/rounds_{base,tiny}.json``, or where one is missing
``main_job_{base,tiny}.json``, which has fewer decoders; writes ``fig_rounds_cost.{pdf,svg,png}``.
Caption: cost of decoders against their mean number of forward passes, for 128 held-out bytes after
128 known ones, by a 28M model (left) and the bundled one of 0.9M parameters (right). The cost is
the sampler NLL less that of the best sequential order, one position a pass from left to right. The
grey line joins the decoders that no other beats in both (Pareto front). Diamonds at 128 passes are
one position a pass in random and dilated orders: no step sizes get below these in their order, and
the height above is the KL to parallel steps alone, the sum of total correlations. Bars, where the
result has them, are 95 % intervals of the paired difference over documents. After Figure 3 of Wen,
Liang, Lu (arXiv:2608.25505).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from common import MODELS, label, models_of, plt, powers_of_two, read_result, save

LENGTH = 128
PLANNER_BLOCK = 32
BLUE, ORANGE, RED, PURPLE, VIOLET = "#5790fc", "#f89c20", "#e42536", "#964a8b", "#7a21dd"
GREY = "0.25"


class Look(NamedTuple):
    """How a family is drawn; ``start`` is what its labels begin with in ``main_job``."""

    start: str
    color: str
    marker: str
    line: str
    words: str = ""
    point: int = 0  # by passes, of the point that the words stand at
    offset: tuple[int, int] = (0, 0)  # of the words, in points


FAMILIES = {
    "random, best sizes": Look(
        "random optimal", GREY, "o", "-", "random\n(dashed: equal sizes)", 0, (8, 2)
    ),
    "random": Look("random", GREY, ".", "--"),
    "dilated, best sizes": Look(
        "dilated optimal", BLUE, "o", "-", "dilated, best block", 2, (-86, -16)
    ),
    "DUS": Look("dus", PURPLE, "s", ":", "DUS", -1, (6, -3)),
    "confidence": Look("confidence", RED, "^", "-"),
    "entropy": Look("entropy", RED, "v", "--", "confidence (dashed: entropy)", 0, (10, 5)),
    "margin": Look("margin", PURPLE, "<", "-.", "margin", 2, (-23, -17)),
    "entropy bound": Look("eb", ORANGE, "s", "-", "entropy bound", -1, (-66, -4)),
    "threshold": Look("threshold", VIOLET, "D", "--", "threshold", 0, (-24, 9)),
    "KLASS": Look("klass", VIOLET, "x", "none", "KLASS", 0, (4, 4)),
    "entropy bound, spaced": Look("", ORANGE, "x", "none", "EB, spaced", 0, (-50, -10)),
    "confidence, spaced": Look("", RED, "x", "none", "confidence, spaced", 0, (-84, -4)),
    "spaced profile": Look("", GREY, "+", ":", "spaced profile", 2, (-42, -27)),
}


def family_of(row: dict[str, Any]) -> str:
    start = row["sampler"].split(":")[0].split(",")[0]
    starts = {look.start: family for family, look in FAMILIES.items() if look.start}
    return str(row.get("family") or starts.get(start, start))


def decoders(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Points of each family by passes; of several block lengths the best, or the planners' 32."""
    found: dict[str, list[dict[str, Any]]] = {}
    for family in FAMILIES:
        own = [row for row in rows if family_of(row) == family]
        if family in ("entropy bound", "threshold"):
            own = [row for row in own if row["block_length"] == PLANNER_BLOCK]
        best = {row["nfe"]: row for row in sorted(own, key=lambda row: -row["nll"])}
        found[family] = [best[nfe] for nfe in sorted(best)]
    return {family: own for family, own in found.items() if own}


def pareto(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    front: list[dict[str, Any]] = []
    for row in sorted(rows, key=lambda row: (row["nfe"], row["nll"])):
        if not front or row["nll"] < front[-1]["nll"]:
            front.append(row)
    return front


def draw(axes: Any, rows: list[dict[str, Any]], words: str) -> None:
    sequential = [row["nll"] for row in rows if row["sampler"].startswith("sequential")]
    families = decoders(rows)

    def points(own: list[dict[str, Any]]) -> tuple[list[float], list[float]]:
        return [r["nfe"] for r in own], [LENGTH * (r["nll"] - min(sequential)) for r in own]

    x, y = points(pareto([row for own in families.values() for row in own]))
    axes.step(x, y, where="post", color="0.8", linewidth=5, linestyle="-", zorder=1)
    axes.text(0.03, 0.04, "grey: Pareto front", transform=axes.transAxes, color="0.45")
    for family, own in families.items():
        look = FAMILIES[family]
        x, y = points(own)
        axes.errorbar(
            x,
            y,
            yerr=[1.96 * row.get("cost_stderr", 0.0) for row in own],
            color=look.color,
            marker=look.marker,
            linestyle=look.line,
            elinewidth=0.8,
        )
        label(axes, look.words, (x[look.point], y[look.point]), look.offset, color=look.color)
    for nll in sequential:
        if nll > min(sequential):
            at = LENGTH * (nll - min(sequential))
            axes.plot(LENGTH, at, "D", color=GREY, markerfacecolor="w")
    axes.set_yscale("log")
    powers_of_two(axes.xaxis, (4, 8, 16, 32, 64, 128))
    axes.set_xlim(3.5, 145)
    axes.set_xlabel(f"forward passes for {LENGTH} positions [count]; {words}")


def main() -> None:
    figure, axes = plt.subplots(1, 2, figsize=(9.2, 4.2), sharey=True)
    for ax, name in zip(axes, ("base", "tiny"), strict=True):
        stem = "rounds" if name in models_of("rounds") else "main_job"
        draw(ax, read_result(f"{stem}_{name}")["rows"], MODELS[name])
    axes[0].set_ylim(2.0, 320)
    axes[0].set_yticks([2, 5, 10, 20, 50, 100, 200], ["2", "5", "10", "20", "50", "100", "200"])
    axes[0].set_ylabel("cost [nats per 128 bytes]")
    save(figure, "fig_rounds_cost")


if __name__ == "__main__":
    main()
