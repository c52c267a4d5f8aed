"""What a JSON value must look like: small checkers that are put together to a format.

A shape takes a value and its JSON path and yields a fault for each thing that is wrong, lazily,
so that a reader may stop at the first and ``validate`` may show several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from schedopt.files.strict import Fault, child, shown

Shape: TypeAlias = Callable[[object, str], Iterator[Fault]]

_NONE: Mapping[str, Shape] = {}


def need(what: str, value: object, path: str) -> Fault:
    """The fault of a value that is not what is needed."""
    return Fault(path, f"need {what}, got {shown(value)}")


def missing(key: str, value: Mapping[str, object], path: str) -> Fault:
    """The fault of an object without a key that it must have."""
    return Fault(child(path, key), f"the key is missing, got only {shown(list(value))}")


def anything(value: object, path: str) -> Iterator[Fault]:
    """Any JSON value."""
    yield from ()


def text(value: object, path: str) -> Iterator[Fault]:
    """A string."""
    if not isinstance(value, str):
        yield need("a string", value, path)


def scalar(value: object, path: str) -> Iterator[Fault]:
    """A string, a number, true, false or null."""
    if isinstance(value, list | dict):
        yield need("a string, a number, true, false or null", value, path)


def integer(low: int, high: int | None = None) -> Shape:
    """A whole number, which neither ``true`` nor ``1.0`` is."""
    what = f"a whole number >= {low}" if high is None else f"a whole number from {low} to {high}"

    def check(value: object, path: str) -> Iterator[Fault]:
        if type(value) is not int or value < low or (high is not None and value > high):
            yield need(what, value, path)

    return check


def number(what: str, low: float, high: float) -> Shape:
    """A whole or decimal number within bounds."""

    def check(value: object, path: str) -> Iterator[Fault]:
        fits = isinstance(value, int | float) and low <= value <= high
        if isinstance(value, bool) or not fits:
            yield need(what, value, path)

    return check


def one_of(*names: str) -> Shape:
    """One of a few strings."""
    what = names[0] if len(names) == 1 else f"one of {', '.join(names)}"

    def check(value: object, path: str) -> Iterator[Fault]:
        if value not in names:
            yield need(what, value, path)

    return check


def array(item: Shape, *, least: int = 0) -> Shape:
    """A list of values of one shape."""
    what = f"a list of at least {least}" if least else "a list"

    def check(value: object, path: str) -> Iterator[Fault]:
        if not isinstance(value, list) or len(value) < least:
            yield need(what, value, path)
            return
        for i, member in enumerate(value):
            yield from item(member, child(path, i))

    return check


def mapping(item: Shape) -> Shape:
    """An object with any keys."""

    def check(value: object, path: str) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield need("an object", value, path)
            return
        for key, member in value.items():
            yield from item(member, child(path, key))

    return check


def record(required: Mapping[str, Shape] = _NONE, optional: Mapping[str, Shape] = _NONE) -> Shape:
    """An object with these keys and no others; optional ones may be absent or null."""
    shapes = {**required, **optional}

    def check(value: object, path: str) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield need("an object", value, path)
            return
        for key in required:
            if key not in value:
                yield missing(key, value, path)
        for key, member in value.items():
            if key not in shapes:
                what = f"unknown key, need one of {', '.join(shapes)}, got {shown(member)}"
                yield Fault(child(path, key), what)
            elif member is not None or key in required:
                yield from shapes[key](member, child(path, key))

    return check


def variant(tag: str, cases: Mapping[str, Shape]) -> Shape:
    """An object whose string at ``tag`` says which of the shapes it has."""
    names = one_of(*cases)

    def check(value: object, path: str) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield need("an object", value, path)
        elif tag not in value:
            yield missing(tag, value, path)
        elif not isinstance(value[tag], str) or value[tag] not in cases:
            yield from names(value[tag], child(path, tag))
        else:
            yield from cases[value[tag]](value, path)

    return check


def triangle(item: Shape) -> Shape:
    """Rows of an upper triangle: n values, then n - 1, down to one."""

    def check(value: object, path: str) -> Iterator[Fault]:
        yield from array(array(item), least=1)(value, path)
        if isinstance(value, list):
            for a, row in enumerate(value):
                if isinstance(row, list) and len(row) != len(value) - a:
                    what = f"{len(value) - a} values, as the row is one of {len(value)}"
                    yield Fault(child(path, a), f"need {what}, got {len(row)}: {shown(row)}")

    return check
