"""Drawings of curves, surfaces, schedules and evaluations, for ``report`` and for notebooks.

Each function draws on axes that it is given, in nats, with 95 % bands where there are standard
errors; ``drawing`` makes axes in the style of the figures, ``to_svg`` the same bytes each time.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import Any, Final

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from schedopt.curve import Floats, InformationCurve, OrderSurface
from schedopt.schedule import UnmaskingSchedule
from schedopt.sizes import doublings, uniform_sizes
from schedopt.solvers import loss_of, solve

HALF_WIDTH: Final = 1.96  # standard errors on each side of a 95 % band
MOST_STEPS: Final = 256  # of the curve of losses


@contextmanager
def drawing(panels: int = 1) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure with panels side by side, in the style of the project's figures.

    Example:
        >>> curve = InformationCurve([0.69, 0.69, 0.0])
        >>> with drawing() as (figure, (axes,)):
        ...     draw_measure(axes, curve)
        ...     to_svg(figure, name="parity")[:4]
        '<svg'
    """
    style = files("schedopt") / "assets" / "schedopt.mplstyle"
    with as_file(style) as path, matplotlib.style.context(path):
        figure = Figure(figsize=(4.6 * panels, 3.2))
        yield figure, list(figure.subplots(1, panels, squeeze=False)[0])


def to_svg(figure: Figure, *, name: str) -> str:
    """The figure as an SVG element to stand in a page.

    Args:
        figure: From ``drawing``.
        name: Makes its ids its own, where one page has several.
    """
    with matplotlib.rc_context({"svg.hashsalt": name}):
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]  # without the XML declaration


def draw_measure(axes: Axes, measure: InformationCurve | OrderSurface) -> None:
    """The conditional entropies: of a curve by what is known, of a surface by place.

    A surface has two lines: each place given nothing, and given all before it in the order.
    """
    places = np.arange(float(measure.length))
    if isinstance(measure, InformationCurve):
        _band(axes, places, measure.conditional_entropy, measure.stderr, "a fresh position")
        axes.set_xlabel("positions known")
    else:
        values, errors = measure.conditional_entropy, measure.stderr
        _band(axes, places, values[0], None if errors is None else errors[0], "alone")
        last = None if errors is None else errors.diagonal()
        _band(axes, places, values.diagonal(), last, "given all before it")
        axes.set_xlabel(f"place in the {measure.order.name.replace('_', '-')} order")
    axes.set_ylabel("conditional entropy [nats]")
    axes.set_ylim(bottom=0.0)


def draw_losses(axes: Axes, measure: InformationCurve | OrderSurface) -> None:
    """The least loss against the number of steps, and that of equal sizes."""
    steps = [k for k in doublings(measure.length) if k <= MOST_STEPS]
    best = [solve(measure, steps=k).loss for k in steps]
    equal = [loss_of(measure, uniform_sizes(measure.length, k)) for k in steps]
    axes.plot(steps, best, marker="o", label="best sizes")
    axes.plot(steps, equal, marker="s", label="equal sizes")
    axes.set_xscale("log", base=2)
    axes.set_xticks(steps, [str(k) for k in steps])
    axes.set_yscale("symlog", linthresh=0.01)  # one position a step loses nothing
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("steps")
    axes.set_ylabel("loss over one position a step [nats]")
    axes.legend()


def draw_schedule(axes: Axes, schedule: UnmaskingSchedule, block: int = 0) -> None:
    """Which step reveals each position of a block; for other than fixed orders, the step sizes."""
    if schedule.order.is_fixed:
        for step, group in enumerate(schedule.groups(block=block), start=1):
            axes.plot(group, [step] * len(group), ".", color="C0")
        axes.invert_yaxis()
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("position in the block")
        axes.set_ylabel("revealed by step")
    else:
        sizes = schedule.sizes_of_block(block)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.bar(np.arange(1, len(sizes) + 1), sizes, color="C0")
        axes.set_xlabel("step")
        axes.set_ylabel("positions revealed")


def draw_scores(
    axes: Axes, rows: Sequence[Mapping[str, Any]], metric: str, *, unit: str, stderr: str = "stderr"
) -> None:
    """What samplers reach against their passes: a line a sampler, with 95 % bars.

    Args:
        axes: Where.
        rows: Of ``schedopt evaluate --json``; values that are null, as they are infinite, are left
            out.
        metric: The key of the value.
        unit: Of the value.
        stderr: The key of its standard error; a row without one gets no bar.
    """
    finite = [row for row in rows if row.get(metric) is not None]
    for name in dict.fromkeys(row["sampler"] for row in finite):
        mine = sorted((r for r in finite if r["sampler"] == name), key=lambda r: r["nfe"])
        axes.errorbar(
            [row["nfe"] for row in mine],
            [row[metric] for row in mine],
            [HALF_WIDTH * (row.get(stderr) or 0.0) for row in mine],
            marker="o",
            capsize=2,
            label=name,
        )
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("forward passes")
    axes.set_ylabel(f"{metric.replace('_', ' ')} [{unit}]")
    if finite:
        axes.legend(fontsize=7)


def _band(axes: Axes, x: Floats, y: Floats, stderr: Floats | None, label: str) -> None:
    (line,) = axes.plot(x, y)
    if stderr is not None:
        spread = HALF_WIDTH * stderr
        axes.fill_between(x, y - spread, y + spread, color=line.get_color(), alpha=0.2, lw=0)
    middle = len(x) // 2
    axes.annotate(
        label,
        (x[middle], y[middle]),
        xytext=(0, 5),
        textcoords="offset points",
        fontsize=8,
        color=line.get_color(),
    )
