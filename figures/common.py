"""What the figures share: results, the style, and files with the same bytes each time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).resolve().parent

plt.style.use(HERE / "schedopt.mplstyle")


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
        figure.savefig(HERE / f"{name}.{kind}", metadata=metadata)


def label(
    axes: Any, text: str, point: tuple[float, float], offset: tuple[float, float], **style: Any
) -> None:
    """Text beside a point, the offset in points."""
    style = {"fontsize": 8, **style}
    axes.annotate(text, point, xytext=offset, textcoords="offset points", **style)
