"""What a curve, a surface and a schedule file hold, and how each is spelt as JSON."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Self, TypeAlias

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.files.fields import (
    NATS,
    SIGNED_NATS,
    STDERR,
    file_shape,
    order_document,
    order_shape,
    read_order,
    read_triangle,
    refusing,
    triangle_rows,
)
from schedopt.files.shapes import Shape, array, integer, one_of, record, text, triangle
from schedopt.schedule import FIXED_ORDERS, LONGEST, ORDER_NAMES, UnmaskingSchedule

SCHEMA_VERSION: Final = 1
SURFACE_DIGITS: Final = 10
SURFACE_STDERR_DIGITS: Final = 4

_SIZES: Final = array(integer(1), least=1)


@dataclass(frozen=True, eq=False, kw_only=True)
class SchedoptFile(ABC):
    """What the three formats share; two files are equal when they hold the same JSON values.

    Args:
        provenance: Where the numbers come from: the keys of the format, each optional.
        extensions: Anything else that programs agree on: JSON values under any keys.
    """

    format: ClassVar[str]
    shape: ClassVar[Shape]

    provenance: Mapping[str, object] = field(default_factory=dict)
    extensions: Mapping[str, object] = field(default_factory=dict)

    @abstractmethod
    def payload(self) -> dict[str, object]:
        """The keys that only this format has, as JSON values."""

    @classmethod
    @abstractmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """The file of a document that has the format's shape."""

    def document(self) -> dict[str, object]:
        """The whole document, as JSON values."""
        return {
            "format": self.format,
            "schema_version": SCHEMA_VERSION,
            **self.payload(),
            "provenance": dict(self.provenance),
            "extensions": dict(self.extensions),
        }

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SchedoptFile):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def _values(self) -> str:
        return json.dumps(self.document(), sort_keys=True)


@dataclass(frozen=True, eq=False)
class CurveFile(SchedoptFile):
    """An information curve and where it comes from.

    Args:
        curve: The curve, written with every digit.
        provenance: Where the numbers come from.
        extensions: Anything else.
    """

    format: ClassVar[str] = "schedopt.curve"
    shape: ClassVar[Shape] = file_shape(
        {"curve": record({"conditional_entropy": array(NATS, least=1)}, {"stderr": array(STDERR)})}
    )

    curve: InformationCurve

    def payload(self) -> dict[str, object]:
        """The curve and its standard errors."""
        stderr = self.curve.stderr
        return {
            "curve": {
                "conditional_entropy": self.curve.conditional_entropy.tolist(),
                "stderr": None if stderr is None else stderr.tolist(),
            }
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """The curve file of a document that has the format's shape."""
        curve = document["curve"]
        with refusing(curve, "$.curve"):
            built = InformationCurve(curve["conditional_entropy"], curve.get("stderr"))
        return cls(built, **_origin(document))


@dataclass(frozen=True, eq=False)
class SurfaceFile(SchedoptFile):
    """An order surface and where it comes from.

    Row a holds f(a, j) for j = a .. n-1, so the file holds nothing that is not used.

    Args:
        surface: The surface, written with 10 significant digits, its standard errors with 4.
        provenance: Where the numbers come from.
        extensions: Anything else.
    """

    format: ClassVar[str] = "schedopt.surface"
    shape: ClassVar[Shape] = file_shape(
        {
            "surface": record(
                {"order": order_shape(*FIXED_ORDERS), "rows": triangle(NATS)},
                {"stderr": triangle(STDERR)},
            )
        }
    )

    surface: OrderSurface

    def payload(self) -> dict[str, object]:
        """The order, and the rows of the upper triangle."""
        values, stderr = self.surface.conditional_entropy, self.surface.stderr
        return {
            "surface": {
                "order": order_document(self.surface.order),
                "rows": triangle_rows(values, SURFACE_DIGITS),
                "stderr": None if stderr is None else triangle_rows(stderr, SURFACE_STDERR_DIGITS),
            }
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """The surface file of a document that has the format's shape."""
        surface = document["surface"]
        rows, stderr = surface["rows"], surface.get("stderr")
        order = read_order(surface["order"], len(rows), "$.surface.order")
        with refusing(surface, "$.surface"):
            errors = None if stderr is None else read_triangle(stderr)
            built = OrderSurface(read_triangle(rows), order, errors)
        return cls(built, **_origin(document))


@dataclass(frozen=True)
class Prediction:
    """What a schedule is predicted to lose.

    Args:
        loss: Excess over the sequential sampler of the same order, nats.
        stderr: Its standard error, nats, or None when the loss is exact.
        per: Whether the loss is that of one ``block`` or of the whole ``sequence``.
        assumes: When the prediction holds, in a few words, or None.
    """

    shape: ClassVar[Shape] = record(
        {"loss": SIGNED_NATS, "unit": one_of("nats"), "per": one_of("block", "sequence")},
        {"stderr": STDERR, "assumes": text},
    )

    loss: float
    stderr: float | None = None
    per: str = "block"
    assumes: str | None = None

    def document(self) -> dict[str, object]:
        """The prediction as JSON values."""
        return {
            "loss": self.loss,
            "stderr": self.stderr,
            "unit": "nats",
            "per": self.per,
            "assumes": self.assumes,
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """The prediction of an object that has the shape of one."""
        return cls(**{key: value for key, value in document.items() if key != "unit"})


@dataclass(frozen=True, eq=False)
class ScheduleFile(SchedoptFile):
    """An unmasking schedule, what it is predicted to lose, and where it comes from.

    Args:
        schedule: The schedule.
        prediction: Its predicted loss, or None.
        provenance: Where the numbers come from.
        extensions: Anything else.
    """

    format: ClassVar[str] = "schedopt.schedule"
    shape: ClassVar[Shape] = file_shape(
        {
            "schedule": record(
                {
                    "length": integer(1, LONGEST),
                    "order": order_shape(*ORDER_NAMES),
                    "step_sizes": _SIZES,
                },
                {"models": array(integer(0)), "blocks": array(_SIZES, least=1)},
            )
        },
        {"prediction": Prediction.shape},
    )

    schedule: UnmaskingSchedule
    prediction: Prediction | None = None

    def payload(self) -> dict[str, object]:
        """The schedule and its prediction."""
        schedule = self.schedule
        return {
            "schedule": {
                "length": schedule.length,
                "order": order_document(schedule.order),
                "step_sizes": schedule.step_sizes,
                "models": schedule.models,
                "blocks": schedule.blocks,
            },
            "prediction": None if self.prediction is None else self.prediction.document(),
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """The schedule file of a document that has the format's shape."""
        schedule, prediction = document["schedule"], document.get("prediction")
        order = read_order(schedule["order"], schedule["length"], "$.schedule.order")
        with refusing(schedule, "$.schedule"):
            built = UnmaskingSchedule(**{**schedule, "order": order})
        predicted = None if prediction is None else Prediction.from_document(prediction)
        return cls(built, predicted, **_origin(document))


AnyFile: TypeAlias = CurveFile | SurfaceFile | ScheduleFile


def _origin(document: dict[str, Any]) -> dict[str, Any]:
    return {key: document.get(key) or {} for key in ("provenance", "extensions")}
