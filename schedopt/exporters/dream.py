"""Dream's ``diffusion_generate``: a hook that puts the schedule's positions in place of its own.

After each forward pass Dream reveals some positions by its own rule, and then calls
``generation_tokens_hook_func(step, x, logits)``, with logits whose row i scores position i. The
hook takes back what Dream revealed, and reveals what the schedule says::

    from schedopt.exporters.dream import dream_hook
    hook = dream_hook("schedule.json", prompt_length=prompt.shape[1], gen_length=64)
    tokens = model.diffusion_generate(prompt, attention_mask=mask, **hook.arguments)

Prompts of different lengths are padded on the left, as Dream has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schedopt.exporters.assumptions import Assumptions, Source, checked, positions
from schedopt.exporters.options import Options
from schedopt.exporters.target import Artefact, Target, json_artefact
from schedopt.files import ScheduleFile
from schedopt.files.fields import order_document
from schedopt.schedule import ORDER_NAMES

if TYPE_CHECKING:
    from schedopt.exporters.hook import DreamHook

NEEDS: Final = Assumptions(
    consumer="Dream's loop", orders=dict.fromkeys(ORDER_NAMES, ""), blocks=True, shift=1
)


def dream_hook(
    source: Source,
    *,
    prompt_length: int,
    gen_length: int | None = None,
    temperature: float = 0.0,
    seed: int = 0,
) -> DreamHook:
    """The hook with which Dream follows a schedule, whatever its order.

    Args:
        source: A schedule, a schedule file, or the path of one.
        prompt_length: Positions before those to generate, with padding; at least 1, as no row of
            Dream's logits scores the first position.
        gen_length: Positions to generate; one block, or all that the schedule lists, where None.
        temperature: At which the hook draws tokens; 0 takes the likeliest ones.
        seed: Of tokens and of a random order.

    Returns:
        A function of the step, the tokens and the logits; ``diffusion_generate`` needs its
        ``arguments``.

    Raises:
        UsageError: The schedule's assumptions do not hold, or an argument is out of range.
        MissingInputError: There is no such file.
        FormatError: It is no schedule file, or breaks its format.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> dream_hook(dus_schedule(32), prompt_length=5, gen_length=64).arguments["steps"]
        10
    """
    from schedopt.exporters.hook import DreamHook

    options = Options(gen_length=gen_length)
    schedule = checked(source, NEEDS, options).schedule
    return DreamHook(schedule, prompt_length, positions(schedule, options), temperature, seed)


def render(file: ScheduleFile, options: Options) -> Artefact:
    """What the hook does at each step, as a JSON document; positions count from the prompt's end.

    Positions are null where they are known only while it samples.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> render(ScheduleFile(dus_schedule(4)), Options(gen_length=8)).settings["groups"]
        [[0, 2], [1, 3], [4, 6], [5, 7]]
    """
    schedule = file.schedule
    length = positions(schedule, options)
    blocks = range(length // schedule.length)
    groups = [
        [block * schedule.length + position for position in group]
        for block in blocks
        if schedule.order.is_fixed
        for group in schedule.groups(block=block)
    ]
    return json_artefact(
        "dream",
        file,
        steps=schedule.total_steps(length),
        max_new_tokens=length,
        alg="origin",
        block_length=schedule.length,
        order=order_document(schedule.order),
        sizes=[size for block in blocks for size in schedule.sizes_of_block(block)],
        groups=groups or None,
    )


TARGET: Final = Target(
    name="dream",
    about="diffusion_generate of Dream: what a hook does at each step",
    needs=NEEDS,
    render=render,
    usage=(
        "from schedopt.exporters.dream import dream_hook\n"
        "hook = dream_hook({schedule!r}, prompt_length=prompt.shape[1], "
        "gen_length={max_new_tokens})\n"
        "tokens = model.diffusion_generate(prompt, attention_mask=mask, **hook.arguments)"
    ),
)
