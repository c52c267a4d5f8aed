"""Where a file comes from, as its ``provenance`` tells."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version
from platform import python_version
from typing import Final

from schedopt import __version__
from schedopt.cli.output import say
from schedopt.files import MEASURES, CurveFile, ScheduleFile, SurfaceFile, loads, read_bytes

# What a file says of the measurement, and what is made of the file passes on.
_INHERITED: Final = ("seed", "model", "data", "environment", "estimate")


def origin(args: Namespace, **more: object) -> dict[str, object]:
    """The program and the command, and more of the keys that a provenance has."""
    return {"schedopt_version": __version__, "command": list(args.argv), **more}


def environment() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    packages = {name: version(name) for name in ("numpy", "torch")}
    return {"python": python_version(), **packages}


def inherited(args: Namespace, source: Mapping[str, object], digest: str) -> dict[str, object]:
    """The program, the command, the measure by its hash, and where that came from."""
    kept = {key: source[key] for key in _INHERITED if key in source}
    return origin(args, curve_sha256=digest, **kept)


def read_hashed(path: str) -> tuple[CurveFile | SurfaceFile, str]:
    """A curve or surface file and the SHA-256 of its bytes, read once so that pipes will do.

    Raises:
        MissingInputError: The file is not there or cannot be opened.
        FormatError: It is neither, or breaks its format.
    """
    data = read_bytes(path)
    return loads(data, MEASURES, name=path), sha256(data).hexdigest()


def check_measured_on(
    args: Namespace, path: str, file: ScheduleFile, models: Sequence[Mapping[str, object]]
) -> None:
    """Refuse a schedule of other tokens, and warn of one that was measured on another model.

    Raises:
        InputError: As ``measured_on``.
    """
    from schedopt.samplers.measured import measured_on

    warning = measured_on(path, file, models)
    if warning:
        say(args, f"warning: {warning}")


def warn_of_own_text(
    args: Namespace, path: str, file: ScheduleFile, data: Mapping[str, object]
) -> None:
    """Tell of a schedule that is judged on the documents that it was chosen by."""
    from schedopt.data.corpus import parts_apart

    own = file.provenance.get("data")
    if not isinstance(own, Mapping) or own.get("sha256") != data["sha256"]:
        return
    if not parts_apart(str(own.get("name")), str(data["name"])):
        say(
            args,
            f"warning: {path} was chosen on documents of this text ({own.get('name')}), which "
            "flatters it: fit with --part 1/2 and evaluate with --part 2/2, or give other --data",
        )
