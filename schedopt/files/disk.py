"""Reading files of a bounded size, and writing them whole."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeAlias

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.errors import FormatError, MissingInputError
from schedopt.files.atomic import write_atomic
from schedopt.files.codec import FORMATS, MEASURES, File, decode, dumps, loads, parse_document
from schedopt.files.formats import AnyFile, CurveFile, SchedoptFile, ScheduleFile, SurfaceFile
from schedopt.files.strict import MAX_BYTES, RefusedError, shown
from schedopt.schedule import UnmaskingSchedule

PathLike: TypeAlias = str | os.PathLike[str]


def load(path: PathLike) -> AnyFile:
    """Read a file of any of the three formats, with its provenance and extensions.

    Raises:
        MissingInputError: The file is not there or cannot be opened.
        FormatError: It breaks its format; the message shows where and the value.
    """
    return _load(path, FORMATS)


def load_or_document(path: PathLike, other: str) -> AnyFile | dict[str, Any]:
    """Read a file of any of the three formats, or the plain document of another one.

    Args:
        path: The file.
        other: The format whose documents are returned as they are, only parsed strictly.

    Raises:
        MissingInputError: The file is not there or cannot be opened.
        FormatError: It is no JSON document, or of none of the formats, or breaks its format.
    """
    data, name = read_bytes(path), os.fspath(path)
    document = parse_document(data, name=name)
    if isinstance(document, dict) and document.get("format") == other:
        return document
    known = [kind.format for kind in FORMATS]
    if isinstance(document, dict) and document.get("format") not in known:
        problem = f"need one of {', '.join([*known, other])}, got {shown(document.get('format'))}"
        raise FormatError(name, "$.format", problem)
    return loads(data, FORMATS, name=name)


def read_curve(path: PathLike) -> InformationCurve:
    """Read the information curve of a ``schedopt.curve`` file.

    Raises:
        MissingInputError: The file is not there or cannot be opened.
        FormatError: It is not a curve file or breaks the format.
    """
    return _load(path, [CurveFile]).curve


def read_surface(path: PathLike) -> OrderSurface:
    """Read the order surface of a ``schedopt.surface`` file.

    Raises:
        MissingInputError: The file is not there or cannot be opened.
        FormatError: It is not a surface file or breaks the format.
    """
    return _load(path, [SurfaceFile]).surface


def read_measure(path: PathLike) -> InformationCurve | OrderSurface:
    """Read what a solver takes: a curve or a surface, by the format of the file.

    Raises:
        MissingInputError: The file is not there or cannot be opened.
        FormatError: It is neither, or breaks its format.
    """
    file = _load(path, MEASURES)
    return file.curve if isinstance(file, CurveFile) else file.surface


def read_schedule(path: PathLike) -> UnmaskingSchedule:
    """Read the schedule of a ``schedopt.schedule`` file.

    Raises:
        MissingInputError: The file is not there or cannot be opened.
        FormatError: It is not a schedule file or breaks the format.
    """
    return _load(path, [ScheduleFile]).schedule


def validate(path: PathLike) -> list[str]:
    """What is wrong with a file of any of the three formats, a line a fault; none if it is valid.

    At most 20 faults are listed, those of the first stage that fails: JSON, keys and types,
    meaning.
    """
    try:
        decode(read_bytes(path), FORMATS)
    except MissingInputError as missing:
        return [str(missing)]
    except RefusedError as refused:
        return [f"{os.fspath(path)}: {where}: {problem}" for where, problem in refused.faults]
    return []


def write(path: PathLike, file: SchedoptFile) -> None:
    """Write a file whole or not at all.

    Args:
        path: Where; what is there is replaced.
        file: A curve, surface or schedule file.

    Raises:
        FormatError: The file could not be read back, as it passes 1 MiB or breaks its format.
        OutputError: The folder is missing or read-only, or the disk is full.
    """
    write_atomic(path, dumps(file, name=os.fspath(path)).encode())


def _load(path: PathLike, formats: Sequence[type[File]]) -> File:
    return loads(read_bytes(path), formats, name=os.fspath(path))


def read_bytes(path: PathLike) -> bytes:
    """The bytes of a file, one more than the formats allow where it is too large for them.

    Raises:
        MissingInputError: The file is not there or cannot be opened.
    """
    try:
        with open(path, "rb") as handle:
            return handle.read(MAX_BYTES + 1)  # one more tells a file that is too large
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise MissingInputError(
            f"cannot read {os.fspath(path)}: {reason}",
            hint="schedopt estimate and schedopt fit write such files (-o FILE)",
        ) from None
