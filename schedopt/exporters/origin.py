"""What an artefact says of the schedule that it was made from."""

from __future__ import annotations

from hashlib import sha256

from schedopt import __version__
from schedopt.files import ScheduleFile, dumps


def origin(file: ScheduleFile) -> dict[str, str]:
    """The SHA-256 of the schedule's file, as this version writes it, and the version.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> list(origin(ScheduleFile(dus_schedule(8))))
        ['schedule_sha256', 'schedopt_version']
    """
    digest = sha256(dumps(file).encode()).hexdigest()
    return {"schedule_sha256": digest, "schedopt_version": __version__}
