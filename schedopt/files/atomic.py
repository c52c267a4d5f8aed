"""Writing a file so that a reader finds the old content or the new, never a part."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from schedopt.errors import OutputError


def write_atomic(path: str | os.PathLike[str], data: bytes) -> None:
    """Replace a file by a complete new one, or leave it as it was.

    The data goes to a new file in the same folder, to the disk, and then under the name. A
    link keeps pointing where it points: its target is replaced. What no file can replace, such
    as ``/dev/stdout``, is written to directly.

    Args:
        path: The file, in a folder that exists.
        data: Its whole content.

    Raises:
        OutputError: The folder is missing or read-only, the disk is full, the path is a folder.
    """
    try:
        named = Path(path)
        # /dev/stdout is a link to what stdout is, which may be a file that others write to as well.
        if named.parent == Path("/dev") or (named.exists() and not named.is_file()):
            named.write_bytes(data)
        else:
            _replace(Path(os.path.realpath(named)), data)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(
            f"cannot write {os.fspath(path)}: {reason}",
            hint="name a file in a folder that exists and may be written",
        ) from error


def _replace(target: Path, data: bytes) -> None:
    temporary = target.with_name(f".schedopt-{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as handle:  # permissions as the umask gives them
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(target)
    finally:
        with suppress(OSError):  # it is gone after the rename, and the first error matters more
            temporary.unlink()
    # The file is in place; a folder that cannot be opened or synced only loses the guarantee
    # that the rename outlives a power cut.
    with suppress(OSError):
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
