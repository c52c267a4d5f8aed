"""From the bytes of a document to the file that they spell, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from schedopt.errors import FormatError
from schedopt.files.formats import (
    SCHEMA_VERSION,
    AnyFile,
    CurveFile,
    SchedoptFile,
    ScheduleFile,
    SurfaceFile,
)
from schedopt.files.shapes import missing, need, variant
from schedopt.files.strict import Fault, RefusedError, parse, refuse_any

File = TypeVar("File", bound=SchedoptFile)

FORMATS: Final[Sequence[type[AnyFile]]] = (CurveFile, SurfaceFile, ScheduleFile)
MEASURES: Final[Sequence[type[CurveFile | SurfaceFile]]] = (CurveFile, SurfaceFile)


def decode(data: bytes, formats: Sequence[type[File]]) -> File:
    """The file that a document spells, if it is of one of the formats.

    Raises:
        RefusedError: With the faults and where they are.
    """
    document = parse(data)
    refuse_any(variant("format", {kind.format: _version for kind in formats})(document, "$"))
    kind = next(kind for kind in formats if kind.format == document["format"])
    refuse_any(kind.shape(document, "$"))
    return kind.from_document(document)


def loads(data: bytes, formats: Sequence[type[File]], *, name: str = "document") -> File:
    """The file that a document spells, if it is of one of the formats.

    Args:
        data: The whole document.
        formats: Which of ``CurveFile``, ``SurfaceFile`` and ``ScheduleFile`` are wanted.
        name: What an error calls the document.

    Raises:
        FormatError: The document breaks the format; tells the first fault, where, and the value.

    Example:
        >>> loads(b'{"format": "schedopt.curve", "schema_version": 1.0}', FORMATS)
        Traceback (most recent call last):
        schedopt.errors.FormatError: document: $.schema_version: need 1, got 1.0
    """
    with _naming(name):
        return decode(data, formats)


def parse_document(data: bytes, *, name: str = "document") -> Any:
    """The value that a strict JSON document spells, whatever its format.

    Raises:
        FormatError: It is not strict JSON; tells the first fault, where, and the value.
    """
    with _naming(name):
        return parse(data)


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Turn what a reader refuses into an error that names the document."""
    try:
        yield
    except RefusedError as refused:
        first = refused.faults[0]
        raise FormatError(name, first.json_path, first.problem) from None


def dumps(file: SchedoptFile, *, name: str = "document") -> str:
    """The text of a file: a line for each key of the document.

    Args:
        file: What to write.
        name: What an error calls the document.

    Raises:
        FormatError: The text could not be read back: it passes 1 MiB, its provenance has an
            unknown key, a value is not finite.

    Example:
        >>> from schedopt.curve import InformationCurve
        >>> print(dumps(CurveFile(InformationCurve([0.5, 0.25]))), end="")
        {"format": "schedopt.curve",
         "schema_version": 1,
         "curve": {"conditional_entropy": [0.5, 0.25], "stderr": null},
         "provenance": {},
         "extensions": {}}
    """
    lines = (
        f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
        for key, value in file.document().items()
    )
    document = "{" + ",\n ".join(lines) + "}\n"
    # Nothing is written that this version would not read; a surrogate is refused there as well.
    loads(document.encode("utf-8", "surrogatepass"), [type(file)], name=name)
    return document


def _version(document: Any, path: str) -> Iterator[Fault]:
    if "schema_version" not in document:
        yield missing("schema_version", document, path)
        return
    version = document["schema_version"]
    if type(version) is not int or version != SCHEMA_VERSION:
        newer = type(version) is int and version > SCHEMA_VERSION
        cure = " (the file is newer than this schedopt: upgrade)" if newer else ""
        yield need(f"{SCHEMA_VERSION}{cure}", version, f"{path}.schema_version")
