"""A schedule as a small picture in text."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from string import ascii_letters
from typing import Final

from schedopt.schedule import UnmaskingSchedule

WIDTH: Final = 64  # positions a line
BAR: Final = 40  # characters of the largest step
STEPS: Final = "123456789" + ascii_letters
LATER: Final = "+"  # any step that has no character of its own


def size_bars(schedule: UnmaskingSchedule, block: int = 0) -> Iterator[str]:
    """How many positions each step of a block reveals, a line a run of equal steps.

    Example:
        >>> from schedopt.schedule import Order
        >>> schedule = UnmaskingSchedule(8, Order("random"), (1, 1, 2, 4))
        >>> print(*size_bars(schedule), sep="|")
        steps 1-2       1 ##########|step 3          2 ####################|step 4 ...
    """
    largest = max(map(max, schedule.blocks or [schedule.step_sizes]))
    first = 1
    for size, run in groupby(schedule.sizes_of_block(block)):
        last = first + len(list(run)) - 1
        label = f"step {first}" if first == last else f"steps {first}-{last}"
        yield f"{label:<13} {size:>3} {'#' * max(1, round(BAR * size / largest))}"
        first = last + 1


def reveal_map(schedule: UnmaskingSchedule, block: int = 0) -> Iterator[str]:
    """Which step reveals each position of a block, a character a position, in a fixed order.

    Example:
        >>> from schedopt.schedule import Order
        >>> print(*reveal_map(UnmaskingSchedule(8, Order("dilated"), (2, 2, 4))))
           0 13231323
    """
    revealed_at = [LATER] * schedule.length
    for mark, group in zip(STEPS, schedule.groups(block=block), strict=False):
        for position in group:
            revealed_at[position] = mark
    for start in range(0, schedule.length, WIDTH):
        yield f"{start:>4} {''.join(revealed_at[start : start + WIDTH])}"
