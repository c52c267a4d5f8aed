"""Where a file comes from, as its ``provenance`` tells."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from platform import python_version
from typing import Final

from schedopt import __version__
from schedopt.files import MEASURES, CurveFile, SurfaceFile, loads, read_bytes

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
