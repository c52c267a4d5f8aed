"""JSON without the liberties that Python's reader takes, and where in it a fault is."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final, NamedTuple

MAX_BYTES: Final = 2**20
MAX_DEPTH: Final = 64
MAX_FAULTS: Final = 20
MAX_SHOWN: Final = 60

_INT64: Final = range(-(2**63), 2**63)
_INT64_DIGITS: Final = 20  # with a sign; int() itself refuses thousands of digits its own way
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# Possessive, so that a hostile string costs one pass; a string may be cut off by the end.
_TOKEN: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{},:]', re.DOTALL)
_ENCODER: Final = json.JSONEncoder(default=str)


class Fault(NamedTuple):
    """What is wrong with a document, and where."""

    json_path: str
    problem: str


class RefusedError(Exception):
    """A document is refused; files turn it into a FormatError that names the file."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(*faults)
        self.faults = faults


class _Refused(str):
    """Stands in the parsed document for a value that is refused, and says why."""


def refuse_any(faults: Iterable[Fault]) -> None:
    """Raise RefusedError with the first faults, where there are any."""
    first = tuple(islice(faults, MAX_FAULTS))
    if first:
        raise RefusedError(*first)


def cut(line: str, most: int = MAX_SHOWN) -> str:
    """The line, its end left out where it has more than so many characters."""
    return line if len(line) <= most else f"{line[: most - 3]}..."


def shown(value: object) -> str:
    """The value as one line of JSON, cut where it is longer than 60 characters."""
    text = ""
    for chunk in _ENCODER.iterencode(value):  # lazy: a deep or long value is not written out
        text += chunk
        if len(text) > MAX_SHOWN:
            break
    return cut(text)


def child(path: str, step: str | int) -> str:
    """JSON path of an entry or a key below ``path``.

    Example:
        >>> child(child("$", "step_sizes"), 2), child("$", "a b")
        ('$.step_sizes[2]', '$["a b"]')
    """
    if isinstance(step, int):
        return f"{path}[{step}]"
    plain = _PLAIN_KEY.fullmatch(step) and len(step) <= MAX_SHOWN
    return f"{path}.{step}" if plain else f"{path}[{shown(step)}]"


def parse(data: bytes) -> Any:
    """Parse a UTF-8 JSON document, refusing whatever has more than one reading.

    Refused: more than 1 MiB, a byte order mark, a key given twice, numbers that are not finite
    or that 64 bits do not hold, lone surrogates, more than 64 levels.

    Raises:
        RefusedError: With the faults and where they are.

    Example:
        >>> parse(b'{"length": 8}')
        {'length': 8}
    """
    if len(data) > MAX_BYTES:
        raise RefusedError(Fault("$", f"need at most {MAX_BYTES} bytes, got more"))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        problem = f"need UTF-8, got byte 0x{data[error.start]:02x} at offset {error.start}"
        raise RefusedError(Fault("$", problem)) from None
    if text.startswith("\ufeff"):
        raise RefusedError(Fault("$", "need UTF-8 without a byte order mark, got U+FEFF first"))
    try:
        document = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        got = ascii(text[error.pos : error.pos + 20]) if error.pos < len(text) else "the end"
        problem = f"not JSON: {error.msg}, line {error.lineno} column {error.colno}, got {got}"
        raise RefusedError(Fault(_path_at(text, error.pos), problem)) from None
    except RecursionError:
        raise RefusedError(Fault("$", _too_deep(text[:MAX_SHOWN]))) from None
    refuse_any(_refusals(document, "$", 0))
    return document


def _too_deep(value: object) -> str:
    return f"need at most {MAX_DEPTH} levels, got {shown(value)}"


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for key, value in pairs:
        if key not in members:
            members[key] = value
        elif not isinstance(members[key], _Refused):  # the first fault of a key is told
            twice = f"the key is there twice, got {shown(members[key])} and {shown(value)}"
            members[key] = _Refused(twice)
    return members


def _integer(literal: str) -> int | _Refused:
    if len(literal) <= _INT64_DIGITS and (value := int(literal)) in _INT64:
        return value
    return _Refused(f"need a whole number of 64 bits, got {cut(literal)}")


def _float(literal: str) -> float | _Refused:
    value = float(literal)
    return value if math.isfinite(value) else _constant(literal)


def _constant(literal: str) -> _Refused:
    return _Refused(f"need a finite number, got {cut(literal)}")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)


def _refusals(value: object, path: str, depth: int) -> Iterator[Fault]:
    if isinstance(value, _Refused):
        yield Fault(path, str(value))
    elif isinstance(value, str):
        if _SURROGATE.search(value):
            yield Fault(path, f"need Unicode text, got a lone surrogate in {shown(value)}")
    elif isinstance(value, dict | list):
        if depth == MAX_DEPTH:
            yield Fault(path, _too_deep(value))
            return
        for step, member in value.items() if isinstance(value, dict) else enumerate(value):
            below = child(path, step)
            if isinstance(step, str):
                yield from _refusals(step, below, depth)
            yield from _refusals(member, below, depth + 1)


def _path_at(text: str, end: int) -> str:
    """JSON path of the value in which well-formed text breaks off at ``end``."""
    steps: list[str | int | None] = []
    string = ""
    for token in _TOKEN.finditer(text, 0, end):
        mark = token[0]
        if mark in "[{":
            steps.append(0 if mark == "[" else None)  # None: the object's key is not read yet
        elif mark in "]}":
            steps.pop()
        elif mark == ",":
            steps[-1] = steps[-1] + 1 if isinstance(steps[-1], int) else None
        elif mark == ":":
            steps[-1] = string
        else:
            string = mark[1:-1]
    path = "$"
    for step in steps[:MAX_DEPTH]:
        path = path if step is None else child(path, step)
    return path
