"""What a consumer takes for granted of a schedule, and what becomes of one for which it fails."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from schedopt.errors import UsageError
from schedopt.exporters.options import Options
from schedopt.files import ScheduleFile, loads, read_bytes
from schedopt.schedule import UnmaskingSchedule, check_longest

Source: TypeAlias = str | os.PathLike[str] | ScheduleFile | UnmaskingSchedule

# Mask tokens of published families, and the bundled models, by what row i of the logits scores:
# 0 is position i, 1 is position i + 1.
SHIFT_OF_MASK: Final[Mapping[int, int]] = {
    126336: 0,  # LLaDA
    156895: 0,  # LLaDA-MoE, LLaDA2
    50257: 0,  # MDLM
    151665: 0,  # A2D-Qwen2
    151669: 0,  # A2D-Qwen3
    151666: 1,  # Dream, Dream-Coder, DiffuCoder
}
SHIFT_OF_NAME: Final[Mapping[str, int]] = {"tiny": 0, "tiny-light": 0}

SUREST: Final = "the surest positions"  # what most consumers of sizes reveal


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """What a consumer takes for granted of a schedule.

    Args:
        consumer: How messages call it.
        orders: The orders that it follows, each with what the user has to do for that, or "".
        instead: What the consumer reveals first where it is given sizes alone; "" where it needs
            positions.
        draws: Whether a random order may be drawn once, with ``seed``.
        blocks: Whether blocks may have sizes of their own.
        padded: What becomes of the steps by which a block is shorter than another; "" where
            blocks may differ in steps.
        partial: What it does with a last block that is not full; "" where there must be none.
        block_lengths: Of the models that it runs, with their names; empty where any will do.
        shift: How many positions ahead of itself a row of the logits scores; None where the user
            can set it.
        shift_setting: What sets it, for models with a shift of 1.

    Example:
        >>> loop = Assumptions(consumer="a loop", orders={"random": "draw it first"})
        >>> loop.blocks, loop.shift
        (False, 0)
    """

    consumer: str
    orders: Mapping[str, str] = field(default_factory=dict)
    instead: str = ""
    draws: bool = False
    blocks: bool = False
    padded: str = ""
    partial: str = ""
    block_lengths: Mapping[int, str] = field(default_factory=dict)
    shift: int | None = 0
    shift_setting: str = ""


def orders_by_remasking(consumer: str) -> dict[str, str]:
    """The orders of a loop in LLaDA's manner, whose ``remasking`` chooses between them.

    Example:
        >>> orders_by_remasking("a loop")["random"]
        'pass remasking="random", as a loop reveals the surest positions else'
    """
    return {
        "confidence": "",
        "random": f'pass remasking="random", as {consumer} reveals {SUREST} else',
    }


def check(file: ScheduleFile, needs: Assumptions, options: Options) -> tuple[str, ...]:
    """Hold a schedule against what a consumer takes for granted.

    Args:
        file: The schedule, its prediction, and the model that it was measured on.
        needs: Of the consumer.
        options: What the user asks for.

    Returns:
        A sentence for each thing that holds only if the user does something, or no longer holds.

    Raises:
        UsageError: The consumer would make another schedule of it, and the user did not ask for
            that; the message has what the schedule says and what the consumer does.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> loop = Assumptions(consumer="a loop", orders={"dilated": "sort it first"})
        >>> check(ScheduleFile(dus_schedule(8)), loop, Options())
        ('order: dilated in the schedule; sort it first',)
    """
    schedule = file.schedule
    return (
        *_models(schedule, needs),
        *_blocks(schedule, needs),
        *_lengths(schedule, needs, options),
        *_order(file, needs, options),
        *_shift(file, needs),
    )


def checked(source: Source, needs: Assumptions, options: Options) -> ScheduleFile:
    """The schedule file of a path or a schedule, held against a consumer; warns as ``check``.

    Raises:
        MissingInputError: There is no such file.
        FormatError: It is no schedule file, or breaks its format.
        UsageError: As ``check``.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> loop = Assumptions(consumer="a loop", orders={"dilated": ""})
        >>> checked(dus_schedule(8), loop, Options()).schedule.steps
        3
    """
    if isinstance(source, UnmaskingSchedule):
        file = ScheduleFile(source)
    elif isinstance(source, ScheduleFile):
        file = source
    else:
        file = loads(read_bytes(source), [ScheduleFile], name=os.fspath(source))
    for sentence in check(file, needs, options):
        warnings.warn(sentence, stacklevel=3)
    return file


def positions(schedule: UnmaskingSchedule, options: Options) -> int:
    """How many positions are to be generated.

    Raises:
        UsageError: They are more than ``LONGEST``.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> [positions(dus_schedule(8), Options(gen_length=n)) for n in (None, 64)]
        [8, 64]
    """
    listed = len(schedule.blocks or (schedule.step_sizes,))
    length = options.gen_length or listed * schedule.length
    check_longest("gen_length", length, cure="a smaller --gen-length (gen_length= in Python)")
    return length


def remasking(schedule: UnmaskingSchedule, options: Options) -> str:
    """What loops in the manner of LLaDA's call the order in which they reveal positions.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> remasking(dus_schedule(8), Options(sizes_only=True))
        'low_confidence'
    """
    drawn = schedule.order.name == "random" and not options.sizes_only
    return "random" if drawn else "low_confidence"


def has_own_blocks(schedule: UnmaskingSchedule) -> bool:
    """Whether some block has other sizes than the rest.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> has_own_blocks(dus_schedule(8))
        False
    """
    return any(sizes != schedule.step_sizes for sizes in schedule.blocks or ())


def shift_of(model: Mapping[str, Any]) -> int | None:
    """How many positions ahead of itself a row of a model's logits scores; None if unknown.

    Args:
        model: What the provenance of a file says of it: its name, its mask token.

    Example:
        >>> shift_of({"name": "weights/", "mask_id": 151666})
        1
    """
    known = SHIFT_OF_NAME.get(model.get("name") or "")
    return SHIFT_OF_MASK.get(model.get("mask_id", -1)) if known is None else known


def _models(schedule: UnmaskingSchedule, needs: Assumptions) -> Iterator[str]:
    used = sorted(set(schedule.models or (0,)))
    if len(used) > 1:
        raise UsageError(
            f"models: the schedule switches between models {used}, {needs.consumer} runs one",
            hint="schedopt solve with one curve gives a schedule for one model",
        )
    if used != [0]:
        yield f"models: every step is of model {used[0]}; run that one in {needs.consumer}"


def _blocks(schedule: UnmaskingSchedule, needs: Assumptions) -> Iterator[str]:
    own = has_own_blocks(schedule)
    if own and not needs.blocks:
        raise UsageError(
            "blocks: the schedule lists blocks with sizes of their own, "
            f"{needs.consumer} uses the same sizes in every block",
            hint="schedopt solve gives the sizes of one block",
        )
    steps = sorted({len(sizes) for sizes in (schedule.step_sizes, *(schedule.blocks or ()))})
    if len(steps) > 1 and needs.padded:
        yield f"blocks: they have {steps} steps; {needs.padded}"


def _lengths(schedule: UnmaskingSchedule, needs: Assumptions, options: Options) -> Iterator[str]:
    block, wanted = schedule.length, positions(schedule, options)
    if needs.block_lengths and block not in needs.block_lengths:
        known = " or ".join(f"{n} ({models})" for n, models in needs.block_lengths.items())
        yield (
            f"block length: {block} in the schedule; {needs.consumer} runs models that were "
            f"trained with blocks of {known}"
        )
    if wanted % block:
        if needs.partial:
            yield f"block length: {wanted % block} of {block} in the last block; {needs.partial}"
            return
        raise UsageError(
            f"block length: {wanted} positions are no whole number of the schedule's blocks of "
            f"{block}, as {needs.consumer} needs it",
            hint=f"--gen-length {max(1, round(wanted / block)) * block}",
        )


def _order(file: ScheduleFile, needs: Assumptions, options: Options) -> Iterator[str]:
    order = file.schedule.order.name
    if options.seed is not None and (order != "random" or options.sizes_only):
        given = "--sizes-only gives the order up" if order == "random" else f"this one is {order}"
        raise UsageError(f"order: --seed draws a random one, {given}", hint="leave out --seed")
    if order in needs.orders and (order == "confidence" or not options.sizes_only):
        if needs.orders[order]:
            yield f"order: {order} in the schedule; {needs.orders[order]}"
    elif order == "random" and needs.draws and not options.sizes_only:
        if options.seed is None:
            raise UsageError(
                f"order: random in the schedule, {needs.consumer} needs positions in advance",
                hint="--seed 0 draws the order once, for all blocks and texts",
            )
        yield (
            f"order: random in the schedule, here drawn once with seed {options.seed} for all "
            f"blocks and texts; {_lost(file, 'the mean over such draws')}"
        )
    elif needs.instead:
        if not options.sizes_only:
            raise UsageError(
                f"order: {order} in the schedule, but {needs.consumer} reveals {needs.instead}",
                hint="--sizes-only keeps the sizes and gives up the order; --to dus (on LLaDA) and "
                "--to dream keep both",
            )
        yield (
            f"order: {order} in the schedule, but {needs.consumer} reveals {needs.instead}; "
            f"{_lost(file, f'that of the order {order}')}"
        )
    else:
        raise UsageError(
            f"order: {order} in the schedule, which depends on values; {needs.consumer} needs "
            "positions in advance",
            hint="--to dream follows every order, --to llada that of confidence",
        )


def _lost(file: ScheduleFile, of: str) -> str:
    if file.prediction is None:
        return f"a predicted loss would be {of}"
    return f"its predicted loss of {file.prediction.loss:.4g} nats is {of} and does not hold"


def _shift(file: ScheduleFile, needs: Assumptions) -> Iterator[str]:
    model: Any = file.provenance.get("model") or {}
    shift, name = shift_of(model), model.get("name") or "a model without a name"
    if needs.shift == 0 and shift == 1:
        raise UsageError(
            f"shift: row i of the logits of {name} scores position i + 1, {needs.consumer} takes "
            "it for position i, so every token would land one place too early",
            hint="--to dream runs such models",
        )
    if needs.shift is None and shift == 1:
        yield f"shift: row i of the logits of {name} scores position i + 1; {needs.shift_setting}"
    elif needs.shift == 1 and shift == 0:
        yield (
            f"shift: the schedule was measured on {name}, whose logits are not shifted; "
            f"{needs.consumer} runs models whose row i scores position i + 1, for which "
            "nothing is predicted"
        )
    elif needs.shift is not None and model and shift is None:
        row = "i" if needs.shift == 0 else "i + 1"
        yield (
            f"shift: {name} is not known here; {needs.consumer} takes row i of the logits for "
            f"position {row}"
        )
