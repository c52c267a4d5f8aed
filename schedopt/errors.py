"""Every error schedopt raises on purpose, each with the exit code its command ends with."""

from __future__ import annotations

from typing import Final

INTERRUPTED: Final = 130  # what a command that Ctrl-C ended exits with: 128 + SIGINT


class SchedoptError(Exception):
    """Base of all schedopt errors.

    Attributes:
        exit_code: What the command line exits with when this error reaches it.
        hint: A command or change that would cure the fault, or None.
    """

    exit_code: int = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(SchedoptError, ValueError):
    """An argument is out of its domain: more steps than positions, an unknown order."""

    exit_code = 2


class InfeasibleError(UsageError):
    """No schedule meets the request, such as a loss below the smallest one."""


class InputError(SchedoptError, ValueError):
    """An input (a text, a curve, a checkpoint, a schedule) does not hold what it must."""

    exit_code = 3


class MissingInputError(InputError, FileNotFoundError):
    """An input file is not there or cannot be opened."""

    def __str__(self) -> str:
        # OSError renders its arguments its own way; a plain sentence is wanted.
        return str(self.args[0])


class FormatError(InputError):
    """A schedopt file breaks its format.

    Attributes:
        path: The file, as it was named.
        json_path: Where in the document, such as ``$.schedule.step_sizes[2]``.
    """

    def __init__(self, path: str, json_path: str, problem: str, *, hint: str | None = None) -> None:
        super().__init__(f"{path}: {json_path}: {problem}", hint=hint)
        self.path = path
        self.json_path = json_path


class OutputError(SchedoptError, OSError):
    """A file cannot be written; what was there before is still there."""

    exit_code = 1


class NoisyEstimateError(SchedoptError):
    """An estimate is too uncertain to choose a schedule by.

    Attributes:
        estimate: The estimate itself, so that a caller may look at it all the same.
    """

    exit_code = 4

    def __init__(self, message: str, *, estimate: object, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.estimate = estimate


class DeviceMemoryError(SchedoptError, MemoryError):
    """The model does not fit the device even for a single sequence."""

    exit_code = 5


class MissingModelError(SchedoptError, LookupError):
    """A model or an optional package is not there."""

    exit_code = 6
