"""A folder that one process works in at a time."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from schedopt.errors import UsageError

LOCK: Final = "lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder.

    The kernel holds the lock and drops it when the process ends, however it ends: a lock cannot
    be left behind. The file only tells who holds it.

    Raises:
        UsageError: Another process holds it.
        OSError: The file cannot be written.
    """
    import fcntl  # POSIX has it; the rest of the package runs without

    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 1000, 0).decode(errors="replace").strip()
            raise UsageError(
                f"{folder}: in use by {holder or 'another process'}",
                hint="wait until it is done, or give another --run-dir",
            ) from None
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} on {platform.node()} since {now}\n".encode(), 0)
        yield
    finally:
        os.close(handle)
