"""SGLang: the configuration of the algorithm that the plug-in of this package adds to it.

``--dllm-algorithm-config`` takes the file; the algorithm is in ``schedopt.integrations.sglang``,
and needs SGLang where it runs, not here. The file does not set ``block_size``, with which SGLang
would run a model at blocks that it was not trained with: the algorithm holds the length of the
schedule against the blocks of the model instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

import numpy as np

from schedopt.exporters.assumptions import SUREST, Assumptions
from schedopt.exporters.options import Options
from schedopt.exporters.origin import origin
from schedopt.exporters.target import Artefact, Target
from schedopt.files import ScheduleFile
from schedopt.integrations.rule import BlockRule
from schedopt.schedule import FIXED_ORDERS, PLANNERS

NEEDS: Final = Assumptions(
    consumer="SGLang",
    orders=dict.fromkeys((*FIXED_ORDERS, *PLANNERS), ""),
    instead=SUREST,
    block_lengths={32: "LLaDA2", 4: "SDAR"},
    draws=True,
)


def render(file: ScheduleFile, options: Options) -> Artefact:
    """The configuration as YAML: groups of an order that is known, else sizes.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> made = render(ScheduleFile(dus_schedule(4)), Options())
        >>> made.files["dllm.yaml"].splitlines()[1:2]
        ['block_length: 4']
    """
    rng = None if options.seed is None else np.random.default_rng(options.seed)
    rule = BlockRule.of(file.schedule, sizes_only=options.sizes_only, rng=rng)
    lines = (
        f"# {file.schedule.steps} steps a block, and one forward pass in which SGLang stores it.",
        *_lines(rule),
        "# Positions of larger confidence are revealed as well:",
        "# max_conf_commit: 0.95",
        *(f"{key}: {json.dumps(value)}" for key, value in origin(file).items()),
    )
    text = "".join(f"{line}\n" for line in lines)
    return Artefact({"dllm.yaml": text})


def _lines(rule: BlockRule) -> Iterator[str]:
    """Each key, and each group, on a line; JSON values are YAML as well."""
    config = rule.config()
    groups = config.pop("groups", ())
    yield from (f"{key}: {json.dumps(value)}" for key, value in config.items())
    if groups:
        yield "groups:"
        yield from (f"  - {json.dumps(group)}" for group in groups)


TARGET: Final = Target(
    name="sglang",
    about="SGLang: the configuration of a plug-in, in YAML",
    needs=NEEDS,
    render=render,
    usage=(
        "sglang serve --model-path MODEL \\\n"
        "  --dllm-algorithm SchedoptGroups \\\n"
        "  --dllm-algorithm-config {output!r}"
    ),
    options=("sizes_only", "seed"),
)
