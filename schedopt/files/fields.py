"""Fields that several formats share: orders, triangles of numbers, provenance."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from schedopt.curve import NEGATIVE_TOLERANCE, Floats
from schedopt.errors import InputError, UsageError
from schedopt.files.shapes import (
    Shape,
    anything,
    array,
    integer,
    mapping,
    number,
    record,
    scalar,
    text,
    variant,
)
from schedopt.files.strict import MAX_SHOWN, Fault, RefusedError, cut, shown
from schedopt.schedule import Order

# Far above any loss, and small enough for sums and squares to stay finite.
MAX_NATS: Final = 1e100

NATS: Final = number("a number of nats >= 0", -NEGATIVE_TOLERANCE, MAX_NATS)
SIGNED_NATS: Final = number("a number of nats", -MAX_NATS, MAX_NATS)
STDERR: Final = number("a standard error >= 0 in nats", -NEGATIVE_TOLERANCE, MAX_NATS)

_MODEL: Final[Mapping[str, Shape]] = {
    "name": text,
    "weights_sha256": text,
    "dtype": text,
    "device": text,
    "mask_id": integer(0),
    "revision": text,
}
_DATA: Final[Mapping[str, Shape]] = {"name": text, "sha256": text, "documents": integer(0)}
_ORIGIN: Final[Mapping[str, Shape]] = {
    "provenance": record(
        optional={
            "schedopt_version": text,
            "command": array(text),
            "seed": integer(0),
            "curve_sha256": text,
            "model": record(optional=_MODEL),
            "data": record(optional=_DATA),
            "environment": mapping(text),
            "estimate": mapping(scalar),
        }
    ),
    "extensions": mapping(anything),
}


def file_shape(required: Mapping[str, Shape], optional: Mapping[str, Shape] | None = None) -> Shape:
    """A document of a format with these keys of its own; its head is checked before."""
    head = {"format": anything, "schema_version": anything}
    return record({**head, **required}, {**(optional or {}), **_ORIGIN})


def order_shape(*names: str) -> Shape:
    """An order of one of these names, with the fields that it takes."""
    required: dict[str, dict[str, Shape]] = {
        "dilated": {"base": integer(2)},
        "explicit": {"permutation": array(integer(0), least=1)},
    }
    optional: dict[str, dict[str, Shape]] = {"dilated": {"skip": integer(1)}}
    return variant(
        "name",
        {
            name: record({"name": text, **required.get(name, {})}, optional.get(name, {}))
            for name in names
        },
    )


def read_order(document: dict[str, Any], length: int, path: str) -> Order:
    """The order of an object that has the shape of one, for so many positions."""
    with refusing(document, path):
        order = Order(**document)
    if order.permutation is not None and len(order.permutation) != length:
        problem = f"need the {length} positions of the length, got {len(order.permutation)}"
        raise RefusedError(Fault(f"{path}.permutation", f"{problem}: {shown(order.permutation)}"))
    return order


def order_document(order: Order) -> dict[str, object]:
    """An order as JSON values, without the fields that it does not take."""
    fields = {
        "name": order.name,
        "base": order.base,
        "skip": None if order.skip == 1 else order.skip,
        "permutation": order.permutation,
    }
    return {key: value for key, value in fields.items() if value is not None}


def triangle_rows(values: Floats, digits: int) -> list[list[float]]:
    """Rows of the upper triangle, rounded to so many significant digits."""
    return [[float(f"{x:.{digits}g}") for x in row[a:]] for a, row in enumerate(values.tolist())]


def read_triangle(rows: list[list[float]]) -> Floats:
    """The square array whose upper triangle has these rows, 0 below; shape (n, n)."""
    values = np.zeros((len(rows), len(rows)))
    for a, row in enumerate(rows):
        values[a, a:] = row
    return values


_FIELD: Final = re.compile(r"([a-z_]+(?:\[\d+\])*): (.*)", re.DOTALL)


@contextmanager
def refusing(document: Any, path: str) -> Iterator[None]:
    """Turn the error of a type into a fault at the field that its message starts with."""
    try:
        yield
    except (UsageError, InputError) as error:
        problem = str(error)
        if named := _FIELD.fullmatch(problem):
            problem = named[2]
            path = f"{path}.{named[1]}"
            for step in re.findall(r"\w+", named[1]):
                document = document[int(step) if step.isdigit() else step]
        value, problem = shown(document), cut(problem, 2 * MAX_SHOWN)
        raise RefusedError(
            Fault(path, problem if value in problem else f"{problem}: {value}")
        ) from None
