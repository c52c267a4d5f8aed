"""What the figures share: results, the style, and files with the same bytes each time."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).resolve().parent
folder = HERE  # where figures are written; draw.py may name another

plt.style.use(HERE.parent / "schedopt" / "assets" / "schedopt.mplstyle")


def read_result(name: str, folder: str = "experiments") -> dict[str, Any]:
    """``FOLDER/results/NAME.json``."""
    path = HERE.parent / folder / "results" / f"{name}.json"
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def save(figure: Any, name: str) -> None:
    """Write ``NAME.{pdf,svg,png}`` without dates and versions."""
    for kind, metadata in (
        ("pdf", {"CreationDate": None}),
        ("svg", {"Date": None}),
        ("png", {"Software": None}),
    ):
        figure.savefig(folder / f"{name}.{kind}", metadata=metadata)
    plt.close(figure)


def label(
    axes: Any, text: str, point: tuple[float, float], offset: tuple[float, float], **style: Any
) -> None:
    """Text beside a point, the offset in points."""
    style = {"fontsize": 8, **style}
    axes.annotate(text, point, xytext=offset, textcoords="offset points", **style)


def band(
    axes: Any, x: Sequence[float], y: Sequence[float], stderr: Sequence[float], **style: Any
) -> Any:
    """A line through (x, y) with the 95 % band of its standard errors; returns the line."""
    (line,) = axes.plot(x, y, **style)
    low = [a - 1.96 * e for a, e in zip(y, stderr, strict=True)]
    high = [a + 1.96 * e for a, e in zip(y, stderr, strict=True)]
    axes.fill_between(x, low, high, color=line.get_color(), alpha=0.18, linewidth=0)
    return line


def powers_of_two(axis: Any, ticks: Sequence[int]) -> None:
    """A logarithmic axis (``axes.xaxis``) with these ticks, in plain digits."""
    getattr(axis.axes, f"set_{axis.axis_name}scale")("log", base=2)
    axis.set_ticks(list(ticks), [str(tick) for tick in ticks])
    axis.set_minor_locator(mpl.ticker.NullLocator())


MODELS = {"base": "28M parameters", "tiny": "0.9M parameters", "bpe": "28M, 4,096 byte pairs"}


def models_of(stem: str) -> list[str]:
    """The models that have a result ``STEM_MODEL``, in the order of ``MODELS``."""
    results = HERE.parent / "experiments" / "results"
    return [model for model in MODELS if (results / f"{stem}_{model}.json").exists()]


def draw_models(
    name: str, stem: str, draw: Callable[[Any, dict[str, Any], str], None], height: float
) -> None:
    """A panel for each model that has a result ``STEM_MODEL``, saved as ``name``.

    Args:
        name: Of the figure.
        stem: Of the results.
        draw: Fills the axes of a result; the last argument is what the model is called.
        height: Inches.
    """
    models = models_of(stem)
    figure, axes = plt.subplots(1, len(models), figsize=(4.6 * len(models), height), squeeze=False)
    for model, panel in zip(models, axes[0], strict=True):
        draw(panel, read_result(f"{stem}_{model}"), MODELS[model])
    save(figure, name)
