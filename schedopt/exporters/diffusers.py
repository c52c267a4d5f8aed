"""diffusers: a folder from which ``SchedoptBlockScheduler.from_pretrained`` makes a scheduler.

The folder is for ``LLaDA2Pipeline``, which reveals blocks as its scheduler says; the class is in
``schedopt.integrations.diffusers``, and needs diffusers where it runs, not here.
"""

from __future__ import annotations

import json
from typing import Final

from schedopt.exporters.assumptions import SUREST, Assumptions
from schedopt.exporters.options import Options
from schedopt.exporters.origin import origin
from schedopt.exporters.target import Artefact, Target
from schedopt.files import ScheduleFile
from schedopt.integrations.rule import BlockRule
from schedopt.schedule import ORDER_NAMES

NEEDS: Final = Assumptions(
    consumer="LLaDA2Pipeline",
    orders=dict.fromkeys(ORDER_NAMES, ""),
    instead=SUREST,
    block_lengths={32: "LLaDA2"},
)


def render(file: ScheduleFile, options: Options) -> Artefact:
    """The scheduler's configuration: groups of an order that is known, else sizes.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> made = render(ScheduleFile(dus_schedule(4)), Options())
        >>> json.loads(made.files["scheduler_config.json"])["groups"]
        [[0, 2], [1, 3]]
    """
    rule = BlockRule.of(file.schedule, sizes_only=options.sizes_only)
    config = {"_class_name": "SchedoptBlockScheduler", **rule.config(), **origin(file)}
    lines = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in config.items())
    return Artefact(
        {"scheduler_config.json": "{" + ",\n ".join(lines) + "}\n"},
        {"steps": rule.schedule.steps, "length": file.schedule.length},
    )


TARGET: Final = Target(
    name="diffusers",
    about="LLaDA2Pipeline of diffusers: the folder of a scheduler",
    needs=NEEDS,
    render=render,
    usage=(
        "from schedopt.integrations.diffusers import SchedoptBlockScheduler\n"
        "pipe = LLaDA2Pipeline(model, SchedoptBlockScheduler.from_pretrained({output!r}), "
        "tokenizer)\n"
        "texts = pipe(prompt, gen_length={length}, num_inference_steps={steps}).texts"
    ),
    options=("sizes_only",),
    folder=True,
)
