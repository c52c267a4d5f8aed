"""A journal of finished units of work: what a killed run had done, a resumed run takes from it.

The file is JSON Lines: a header with the configuration, then a line a unit, each with a checksum
of the rest of its line. A unit is known by the label of its call (of ``Runner.map``), which tells
what it works on, and by its index in the call. The number of the call, from 0, tells whether the
program is the same. A run with other goals may make other calls: what it adds has no number.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from schedopt.errors import InputError, OutputError, UsageError
from schedopt.files import write_atomic
from schedopt.running.lock import LOCK, locked

Arrays: TypeAlias = tuple[NDArray[Any], ...]

FORMAT: Final = "schedopt.journal"
SCHEMA_VERSION: Final = 1
NAME: Final = "journal.jsonl"
SYNC_SECONDS: Final = 1.0
MISSING: Final = "nothing"  # what a configuration says of a field that it lacks

_SEAL: Final = '{{"sha256":"{}",'
_SEAL_LENGTH: Final = len(_SEAL.format("0" * 64))


@contextmanager
def open_journal(
    folder: str | os.PathLike[str],
    configuration: Mapping[str, object],
    *,
    goals: Mapping[str, object] | None = None,
    command: Sequence[str] = (),
    warn: Callable[[str], None] = lambda message: None,
) -> Iterator[Journal]:
    """Begin or go on with the journal of a run directory, and keep other processes out of it.

    Args:
        folder: The run directory; made if it is not there, in a folder that is.
        configuration: All that decides the result, as JSON has it.
        goals: What decides how far the run goes; where these are others than those that it began
            with, it makes other calls, and finds what the journal has of them.
        command: What began the run, to tell people.
        warn: Told in a sentence what was cut off a torn end.

    Raises:
        UsageError: The directory belongs to another configuration, or to another process that
            runs now, or holds other things than a run.
        InputError: A line is damaged that is not the end.
        OutputError: The directory cannot be made or written to.
    """
    place = Path(folder)
    path = place / NAME
    header = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "command": list(command),
        # As it is read again: tuples are lists there.
        "configuration": json.loads(json.dumps(configuration)),
        "goals": json.loads(json.dumps(goals or {})),
    }
    with ExitStack() as held:
        with _writing(place):
            _check_place(place)
            place.mkdir(exist_ok=True)
            held.enter_context(locked(place))
        with _writing(path):
            if not path.exists() or _is_torn_header(path.read_bytes()):
                write_atomic(path, _line(header))
            handle = os.open(path, os.O_RDWR | os.O_APPEND)
            held.callback(os.close, handle)
            journal = Journal(path, handle, header, warn)
        yield journal
        journal.sync()


class Journal:
    """An open journal; made by ``open_journal``."""

    def __init__(
        self,
        path: Path,
        handle: int,
        header: Mapping[str, Any],
        warn: Callable[[str], None],
    ) -> None:
        self._path, self._handle = path, handle
        self._call, self._label, self._count = -1, "", 0
        # Of each call by its label and count, offset and size of the line of each unit.
        self._places: dict[tuple[str, int], dict[int, tuple[int, int]]] = {}
        self._calls: dict[int, tuple[str, int]] = {}  # by the number of the call
        self._same_goals = True
        self._synced = time.monotonic()
        self._size = self._read(header, warn)

    def replay(self, label: str, count: int) -> dict[int, Arrays]:
        """Begin the next call, and get the units of it that are done.

        Args:
            label: What the call does.
            count: How many units it has.

        Raises:
            InputError: At this place the journal holds a call with another label or count, though
                its goals are the same.
        """
        self._call, self._label, self._count = self._call + 1, label, count
        if self._same_goals and self._calls.get(self._call, (label, count)) != (label, count):
            raise InputError(
                f"{self._path}: call {self._call} is not the {count} units of {label!r} that "
                "this program makes there: it is another program, or rounds otherwise",
                hint="give the same OMP_NUM_THREADS on the same machine, or another --run-dir",
            )
        places = self._places.get((label, count), {})
        return {index: self._arrays(offset, size) for index, (offset, size) in places.items()}

    def append(self, index: int, arrays: Arrays) -> None:
        """Add a unit of the call.

        A process that is killed loses nothing that was written; what a power cut may lose, at
        most about a second of work, is what has not been synced.

        Raises:
            OutputError: The disk is full or fails; all units before this one are kept.
        """
        line = _line(
            {
                "call": self._numbered,
                "index": index,
                "label": self._label,
                "count": self._count,
                "arrays": [_encode(array) for array in arrays],
            }
        )
        with _writing(self._path):
            try:
                written = 0
                while written < len(line):
                    written += os.write(self._handle, line[written:])
            except OSError:
                with suppress(OSError):  # a part of a line is cut off when it is opened again
                    os.ftruncate(self._handle, self._size)
                raise
        self._add(self._numbered, (self._label, self._count), index, (self._size, len(line)))
        self._size += len(line)
        if time.monotonic() - self._synced > SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Wait until all units are on the disk.

        Raises:
            OutputError: The disk fails.
        """
        with _writing(self._path):
            os.fsync(self._handle)
        self._synced = time.monotonic()

    @property
    def _numbered(self) -> int | None:
        """The number of the call, where it is one of the goals that the journal began with."""
        return self._call if self._same_goals else None

    def _add(
        self, call: int | None, name: tuple[str, int], index: int, place: tuple[int, int]
    ) -> None:
        if call is not None:
            self._calls[call] = name
        self._places.setdefault(name, {})[index] = place

    def _arrays(self, offset: int, size: int) -> Arrays:
        entry = _entry(os.pread(self._handle, size, offset))
        if entry is None:
            raise InputError(
                f"{self._path}: has changed while it is in use", hint="give another --run-dir"
            )
        return tuple(_decode(array) for array in entry["arrays"])

    def _read(self, header: Mapping[str, Any], warn: Callable[[str], None]) -> int:
        """Find the units; cut off what comes after the last good line."""
        offset, end = 0, 0  # the end of the last good line
        bad: int | None = None  # the first line that is not good
        with self._path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                entry = _entry(line)
                if number == 1:
                    self._check_header(entry, header)
                if entry is None:
                    bad = number if bad is None else bad
                elif bad is not None:
                    raise InputError(
                        f"{self._path}: line {bad} is damaged and line {number} is not: this is no "
                        "run that was killed",
                        hint=f"give another --run-dir, or keep the first {bad - 1} lines only",
                    )
                else:
                    if number > 1:
                        name = entry["label"], entry["count"]
                        self._add(entry["call"], name, entry["index"], (offset, len(line)))
                    end = offset + len(line)
                offset += len(line)
        if offset > end:
            os.ftruncate(self._handle, end)
            warn(f"{self._path}: cut off {offset - end} bytes of a unit that was not finished")
        return end

    def _check_header(self, found: Mapping[str, Any] | None, ours: Mapping[str, Any]) -> None:
        if found is None or found.get("format") != FORMAT:
            raise InputError(
                f"{self._path}: line 1 is no header of a journal, or is damaged",
                hint="give another --run-dir",
            )
        if found["schema_version"] != SCHEMA_VERSION:
            raise InputError(
                f"{self._path}: schema_version: need {SCHEMA_VERSION}, got "
                f"{found['schema_version']}",
                hint="give another --run-dir",
            )
        self._same_goals = found["goals"] == ours["goals"]
        before, now = (_flat(header["configuration"]) for header in (found, ours))
        for field in {**before, **now}:
            old, new = before.get(field, MISSING), now.get(field, MISSING)
            if old != new:
                began = shlex.join(found["command"])
                raise UsageError(
                    f"{self._path.parent} belongs to another run: {field} was {old}, now it is "
                    f"{new}",
                    hint="give another --run-dir" + (f"; that run is `{began}`" if began else ""),
                )


def _check_place(place: Path) -> None:
    """Refuse what can be no run directory."""
    if place.exists() and not place.is_dir():
        raise OutputError(f"cannot keep a journal in {place}: it is a file", hint="name a folder")
    if not place.exists() and not place.parent.is_dir():
        raise OutputError(
            f"cannot make {place}: there is no folder {place.parent}",
            hint="make that folder first, or name one in a folder that is there",
        )
    held = {path.name for path in place.iterdir()} if place.exists() else set()
    if held and not held & {NAME, LOCK}:
        raise UsageError(
            f"{place}: holds other things than a run, such as {min(held)}",
            hint="name an empty or a new folder with --run-dir",
        )


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OutputError:  # is one of these, too
        raise
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror}",
            hint="make room there, or let it be written, and give the same command again: what "
            "the journal holds is kept",
        ) from error


def _line(entry: Mapping[str, object]) -> bytes:
    body = json.dumps(entry, separators=(",", ":")).encode()
    return _seal(body) + body[1:] + b"\n"


def _seal(body: bytes) -> bytes:
    return _SEAL.format(hashlib.sha256(body).hexdigest()).encode()


def _entry(line: bytes) -> dict[str, Any] | None:
    """The entry of a line, or None where the line is torn or damaged."""
    body = b"{" + line[_SEAL_LENGTH:-1]
    if not line.endswith(b"\n") or line[:_SEAL_LENGTH] != _seal(body):
        return None
    entry: dict[str, Any] = json.loads(body)
    return entry


def _is_torn_header(content: bytes) -> bool:
    """Whether this can be what is left of a header that was being written, and nothing else."""
    start = _SEAL.format("").encode()[:-2]  # up to the checksum
    return b"\n" not in content and start.startswith(content[: len(start)])


def _encode(array: NDArray[Any]) -> dict[str, object]:
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    return {
        "dtype": little.dtype.str,
        "shape": list(array.shape),
        "data": base64.b64encode(little.tobytes()).decode(),
    }


def _decode(array: Mapping[str, Any]) -> NDArray[Any]:
    values = np.frombuffer(base64.b64decode(array["data"]), np.dtype(array["dtype"]))
    return values.reshape(array["shape"]).copy()


def _flat(value: object, name: str = "") -> dict[str, object]:
    """The leaves of nested objects by their dotted names."""
    if not isinstance(value, Mapping):
        return {name: value}
    return {
        key: leaf
        for member, inner in value.items()
        for key, leaf in _flat(inner, f"{name}.{member}" if name else member).items()
    }
