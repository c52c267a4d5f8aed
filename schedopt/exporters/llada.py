"""LLaDA's ``generate.py``, and Fast-dLLM's where it has no threshold: the table of step sizes.

Its loop asks ``get_num_transfer_tokens(mask_index, steps)`` at the start of each block how many
positions each step reveals, and picks the surest ones, or random ones. In place of that function::

    import generate, schedopt.exporters.llada as llada
    generate.get_num_transfer_tokens = llada.transfer_table("schedule.json", gen_length=64)
    tokens = generate.generate(model, prompt, steps=10, gen_length=64, block_length=32)

Fast-dLLM's ``generate`` gives the number of passes as well. At a temperature above 0, the loop's
confidence is that of the token it drew, where a schedule's is the largest probability.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Final

from schedopt.errors import UsageError
from schedopt.exporters.assumptions import (
    SUREST,
    Assumptions,
    Source,
    checked,
    has_own_blocks,
    orders_by_remasking,
    positions,
    remasking,
)
from schedopt.exporters.options import Options
from schedopt.exporters.target import Artefact, Target, json_artefact
from schedopt.files import ScheduleFile
from schedopt.schedule import UnmaskingSchedule

if TYPE_CHECKING:
    from torch import Tensor

Table = tuple[tuple[int, ...], ...]

NEEDS: Final = Assumptions(
    consumer="LLaDA's loop",
    orders=orders_by_remasking("LLaDA's loop"),
    instead=SUREST,
    blocks=True,
    padded="LLaDA's loop makes as many passes in each, of which the last ones may reveal nothing",
)


def num_transfer_tokens(schedule: UnmaskingSchedule, blocks: int) -> Table:
    """How many positions each step of each block reveals.

    Args:
        schedule: Of which only the sizes are taken.
        blocks: Number of blocks.

    Returns:
        A row for each block, with zeros at the end of those that have fewer steps than others.

    Example:
        >>> from schedopt.schedule import Order
        >>> schedule = UnmaskingSchedule(4, Order("confidence"), (2, 2), blocks=((1, 1, 2),))
        >>> num_transfer_tokens(schedule, 2)
        ((1, 1, 2), (2, 2, 0))
    """
    rows = [schedule.sizes_of_block(block) for block in range(blocks)]
    width = max(map(len, rows))
    return tuple(row + (0,) * (width - len(row)) for row in rows)


def transfer_table(
    source: Source, *, gen_length: int | None = None, sizes_only: bool = False
) -> Callable[[Tensor, int], Tensor]:
    """What takes the place of LLaDA's ``get_num_transfer_tokens``.

    Where some positions of a block are known, they count as the first ones to be revealed: with m
    of them known and N_{t-1} <= m < N_t, the first step reveals N_t - m.

    Args:
        source: A schedule, a schedule file, or the path of one.
        gen_length: Positions to generate; needed where blocks have sizes of their own. They are
            taken to be asked for in turn, over and over: make a new table after a generation
            that was broken off.
        sizes_only: Take a schedule of any order, and reveal the surest positions instead.

    Returns:
        A function of the masked positions of a block, shape (B, block length), and the number of
        steps; it gives the number of positions to reveal, shape (B, steps), int64.

    Raises:
        UsageError: The schedule's assumptions do not hold; and from the function, where it is
            asked for another block length or number of steps than the schedule has.
        MissingInputError: There is no such file.
        FormatError: It is no schedule file, or breaks its format.

    Example:
        >>> import torch
        >>> from schedopt.schedule import Order
        >>> table = transfer_table(UnmaskingSchedule(4, Order("confidence"), (1, 1, 2)))
        >>> table(torch.tensor([[True, True, True, True], [False, True, True, False]]), 3)
        tensor([[1, 1, 2],
                [2, 0, 0]])
    """
    options = Options(gen_length=gen_length, sizes_only=sizes_only)
    schedule = checked(source, NEEDS, options).schedule
    if gen_length is None and has_own_blocks(schedule):
        raise UsageError(
            "gen_length: the schedule gives blocks sizes of their own, so their number is needed",
            hint=f"gen_length={len(schedule.blocks or ()) * schedule.length}",
        )
    table = num_transfer_tokens(schedule, _blocks(schedule, options))
    turns = count()

    def get_num_transfer_tokens(mask_index: Tensor, steps: int) -> Tensor:
        import torch

        length, width = mask_index.shape[1], len(table[0])
        if length != schedule.length:
            raise UsageError(
                f"block_length: the schedule is for {schedule.length} positions, got {length}",
                hint=f"call generate with block_length={schedule.length}",
            )
        if steps != width:
            raise UsageError(
                f"steps: the schedule takes {width} a block, got {steps}",
                hint=f"call generate with steps={width} * gen_length // {schedule.length}",
            )
        sizes = table[next(turns) % len(table)]
        ends = torch.tensor(sizes, device=mask_index.device).cumsum(0)
        known = length - mask_index.sum(dim=1, keepdim=True)
        left = (ends - known).clamp(min=0)  # (B, steps): revealed of the masked ones at each end
        numbers = left.diff(dim=1, prepend=torch.zeros_like(known))
        # Steps that reveal nothing come last, as those of the table do.
        order = (numbers == 0).int().argsort(dim=1, stable=True)
        return numbers.gather(1, order)

    return get_num_transfer_tokens


def _blocks(schedule: UnmaskingSchedule, options: Options) -> int:
    return positions(schedule, options) // schedule.length


def render(file: ScheduleFile, options: Options) -> Artefact:
    """The table as a JSON document: how many positions each step of each block reveals.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> made = render(ScheduleFile(dus_schedule(8)), Options(gen_length=16))
        >>> made.settings["num_transfer_tokens"]
        ((2, 2, 4), (2, 2, 4))
    """
    schedule = file.schedule
    blocks = _blocks(schedule, options)
    table = num_transfer_tokens(schedule, blocks)
    return json_artefact(
        "llada",
        file,
        steps=len(table[0]) * blocks,
        gen_length=blocks * schedule.length,
        block_length=schedule.length,
        remasking=remasking(schedule, options),
        num_transfer_tokens=table,
    )


TARGET: Final = Target(
    name="llada",
    about="generate.py of LLaDA, and of Fast-dLLM without a threshold: a table of sizes",
    needs=NEEDS,
    render=render,
    usage=(
        "import generate, schedopt.exporters.llada as llada\n"
        "generate.get_num_transfer_tokens = llada.transfer_table("
        "{schedule!r}, gen_length={gen_length}{options})\n"
        "tokens = generate.generate(model, prompt, steps={steps}, gen_length={gen_length}, "
        "block_length={block_length}, remasking={remasking!r})"
    ),
    options=("gen_length", "sizes_only"),
)
