"""The reference sampler of DUS: groups of positions in place of its dilated levels.

It has no argument for a schedule, but looks up two functions by their names: one that makes the
levels of a block, and one that merges a last level smaller than the one before, which would corrupt
any schedule with a short last step. Both have to be replaced::

    import generate, schedopt.exporters.dus as dus
    dus.install(generate, "schedule.json")
    tokens, stage = generate.generate_scheduled(model, prompt, gen_length=64, block_length=32,
        scheduler="dilated", remasking="none")

With another ``remasking`` it masks positions again that it never comes back to.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Final

import numpy as np

from schedopt.errors import UsageError
from schedopt.exporters.assumptions import Assumptions, Source, checked, positions
from schedopt.exporters.options import Options
from schedopt.exporters.target import Artefact, Target, json_artefact
from schedopt.files import ScheduleFile
from schedopt.schedule import FIXED_ORDERS, UnmaskingSchedule

Levels = list[list[int]]

NEEDS: Final = Assumptions(
    consumer="DUS's sampler", orders=dict.fromkeys(FIXED_ORDERS, ""), draws=True
)
REPLACED: Final = ("dilated_unmask_levels", "merge_last_level")


def groups(schedule: UnmaskingSchedule, seed: int | None = None) -> Levels:
    """Positions of the block that each step reveals, ascending.

    Example:
        >>> from schedopt.schedule import Order
        >>> groups(UnmaskingSchedule(8, Order("dilated"), (2, 5, 1)))
        [[0, 4], [1, 2, 3, 5, 6], [7]]
    """
    rng = None if seed is None else np.random.default_rng(seed)
    return [sorted(group) for group in schedule.groups(rng=rng)]


def unmask_levels(
    source: Source, *, seed: int | None = None
) -> Callable[[int, int, int, int], Levels]:
    """What takes the place of ``dilated_unmask_levels``.

    Args:
        source: A schedule, a schedule file, or the path of one.
        seed: Draws a random order once.

    Returns:
        A function of the first and the last position of a block, and of DUS's base and exponent,
        which play no part.

    Raises:
        UsageError: The schedule's assumptions do not hold; and from the function, where it is
            asked for another block length.
        MissingInputError: There is no such file.
        FormatError: It is no schedule file, or breaks its format.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> unmask_levels(dus_schedule(8))(10, 17)
        [[10, 14], [12, 16], [11, 13, 15, 17]]
    """
    return _levels(checked(source, NEEDS, Options(seed=seed)).schedule, seed)


def _levels(
    schedule: UnmaskingSchedule, seed: int | None
) -> Callable[[int, int, int, int], Levels]:
    levels = groups(schedule, seed)

    def dilated_unmask_levels(start: int, end: int, base: int = 2, skip_exp: int = 1) -> Levels:
        if end - start + 1 != schedule.length:
            raise UsageError(
                f"block_length: the schedule is for {schedule.length} positions, "
                f"got {end - start + 1}",
                hint=f"call generate_scheduled with block_length={schedule.length}",
            )
        return [[start + position for position in level] for level in levels]

    return dilated_unmask_levels


def keep_last_level(levels: Levels) -> Levels:
    """What takes the place of ``merge_last_level``: the levels as they are.

    Example:
        >>> keep_last_level([[0, 2], [1]])
        [[0, 2], [1]]
    """
    return levels


def install(module: ModuleType, source: Source, *, seed: int | None = None) -> None:
    """Make the module ``generate`` of DUS follow a schedule.

    Args:
        module: It has ``dilated_unmask_levels`` and ``merge_last_level``, which are replaced.
        source: A schedule, a schedule file, or the path of one.
        seed: Draws a random order once.

    Raises:
        UsageError: The module lacks one of them, or as ``unmask_levels``.
        MissingInputError: There is no such file.
        FormatError: It is no schedule file, or breaks its format.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> generate = ModuleType("generate")
        >>> generate.dilated_unmask_levels = generate.merge_last_level = None
        >>> install(generate, dus_schedule(4))
        >>> generate.merge_last_level(generate.dilated_unmask_levels(0, 3))
        [[0, 2], [1, 3]]
    """
    missing = [name for name in REPLACED if not hasattr(module, name)]
    if missing:
        raise UsageError(
            f"module {module.__name__} has no {' and no '.join(missing)}",
            hint="give the module generate of the DUS reference",
        )
    schedule = checked(source, NEEDS, Options(seed=seed)).schedule
    for name, function in zip(REPLACED, (_levels(schedule, seed), keep_last_level), strict=True):
        setattr(module, name, function)


def render(file: ScheduleFile, options: Options) -> Artefact:
    """The groups as a JSON document.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> render(ScheduleFile(dus_schedule(4)), Options()).settings["groups"]
        [[0, 2], [1, 3]]
    """
    schedule = file.schedule
    return json_artefact(
        "dus",
        file,
        steps=schedule.steps * (positions(schedule, options) // schedule.length),
        gen_length=positions(schedule, options),
        block_length=schedule.length,
        groups=groups(schedule, options.seed),
    )


TARGET: Final = Target(
    name="dus",
    about="generate.py of DUS: groups of positions",
    needs=NEEDS,
    render=render,
    usage=(
        "import generate, schedopt.exporters.dus as dus\n"
        "dus.install(generate, {schedule!r}{options})\n"
        "tokens, stage = generate.generate_scheduled(model, prompt, gen_length={gen_length}, "
        'block_length={block_length}, scheduler="dilated", remasking="none")'
    ),
    options=("gen_length", "seed"),
)
