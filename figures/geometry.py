"""What the figures of data geometry share: rows of the result, and densities over log odds."""

from __future__ import annotations

from typing import Any

from common import read_result


def laws(figure: int) -> list[dict[str, Any]]:
    """The laws of one figure of arXiv:2608.13520."""
    return [row for row in read_result("geometry")["laws"] if row["figure"] == figure]


def draw_density(axes: Any, row: dict[str, Any], *, factor: float = 1.0, **style: Any) -> Any:
    """q over log odds; returns the line."""
    (line,) = axes.plot(row["log_odds"], [factor * q for q in row["density"]], **style)
    return line


def draw_spread(axes: Any, row: dict[str, Any], deviation: list[float], color: str) -> None:
    """1.96 deviations around q, not below 0."""
    low = [max(0.0, q - 1.96 * e) for q, e in zip(row["density"], deviation, strict=True)]
    high = [q + 1.96 * e for q, e in zip(row["density"], deviation, strict=True)]
    axes.fill_between(row["log_odds"], low, high, color=color, alpha=0.22, linewidth=0)


def peak(row: dict[str, Any]) -> tuple[float, float]:
    """Log odds and height of the largest q."""
    at = max(range(len(row["density"])), key=row["density"].__getitem__)
    return row["log_odds"][at], row["density"][at]


def name_axes(axes: Any, what: str = "growth density q(λ) [nats]") -> None:
    axes.set_xlabel("log odds λ of being known [nats]")
    axes.set_ylabel(what)
    axes.set_ylim(bottom=0.0)
