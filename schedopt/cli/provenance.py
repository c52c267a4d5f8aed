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
from schedopt.errors import InputError
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

    Args:
        args: Of the command.
        path: The schedule's file.
        file: What is in it.
        models: Provenance of each model that is to follow it.

    Raises:
        InputError: The schedule's model has another mask token.
    """
    measured = file.provenance.get("model")
    if not isinstance(measured, Mapping):
        return
    mask_id, name = measured.get("mask_id"), measured.get("name")
    if mask_id is not None and mask_id != models[0]["mask_id"]:
        raise InputError(
            f"{path}: $.provenance.model.mask_id: the schedule was measured with mask token "
            f"{mask_id}, but the model has {models[0]['mask_id']}",
            hint="take the model that it was measured on"
            + ("" if name is None else f": --model {name}"),
        )
    digest = measured.get("weights_sha256")
    key, told = ("name", name) if digest is None else ("weights_sha256", digest)
    if told is not None and told not in [model.get(key) for model in models]:
        say(
            args,
            f"warning: {path} was measured on {name or 'another model'}, not on "
            f"{models[0]['name']}: the loss that it predicts is not that of this model",
        )
