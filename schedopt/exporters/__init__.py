"""Schedules in the form that other samplers and engines read, one module a target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from schedopt.errors import UsageError
from schedopt.exporters import diffusers, dllm, dream, dus, llada, sglang
from schedopt.exporters.assumptions import Assumptions, check
from schedopt.exporters.options import Options
from schedopt.exporters.target import Artefact, Target
from schedopt.files import ScheduleFile

__all__ = ["TARGETS", "Artefact", "Assumptions", "Options", "Target", "check", "export"]

TARGETS: Final[Mapping[str, Target]] = {
    module.TARGET.name: module.TARGET for module in (llada, dream, dllm, dus, diffusers, sglang)
}


def export(
    file: ScheduleFile, target: Target, options: Options | None = None
) -> tuple[Artefact, tuple[str, ...]]:
    """What a target reads of a schedule, and what the user has to know of it.

    Args:
        file: The schedule, its prediction, and the model that it was measured on.
        target: One of ``TARGETS``.
        options: Defaults where None.

    Returns:
        The artefact, and a sentence for each assumption that holds under a condition or not.

    Raises:
        UsageError: The target would make another schedule of it, or takes no such option.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> artefact, sentences = export(ScheduleFile(dus_schedule(8)), TARGETS["dus"])
        >>> artefact.settings["groups"], sentences
        ([[0, 4], [2, 6], [1, 3, 5, 7]], ())
    """
    options = options or Options()
    for name in options.given():
        if name not in target.options:
            raise UsageError(
                f"--{name.replace('_', '-')} is no option of the target {target.name}",
                hint="schedopt export --help",
            )
    sentences = check(file, target.needs, options)
    return target.render(file, options), sentences
