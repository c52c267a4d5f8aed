"""dLLM (ZHZisZZ/dllm): step sizes as the alpha scheduler of its ``MDLMSampler``.

From time t to time s its sampler reveals ``round(m * (1 - reverse_mask_prob(s, t)))`` of m masked
positions, the surest ones or random ones. A table of N_j / B at the times 1 - j / k makes that
exact::

    import dllm, schedopt.exporters.dllm as tables
    sampler = dllm.core.samplers.MDLMSampler(model=model, tokenizer=tokenizer,
        scheduler=tables.alpha("schedule.json"))
    tokens = sampler.sample(inputs, steps=10, max_new_tokens=64, block_size=32)
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import numpy as np

from schedopt.errors import UsageError
from schedopt.exporters.assumptions import (
    SUREST,
    Assumptions,
    Source,
    checked,
    orders_by_remasking,
    positions,
    remasking,
    shift_of,
)
from schedopt.exporters.options import Options
from schedopt.exporters.target import Artefact, Target, json_artefact
from schedopt.files import ScheduleFile

# Times come as t / k in float64, or in float32 where a tensor holds them.
GRID: Final = 1e-6

NEEDS: Final = Assumptions(
    consumer="dLLM's sampler",
    orders=orders_by_remasking("dLLM's sampler"),
    instead=SUREST,
    partial="dLLM's sampler takes the sizes in proportion there",
    shift=None,
    shift_setting="pass right_shift_logits=True",
)


@dataclass(frozen=True)
class TableAlpha:
    r"""The alpha scheduler whose steps reveal exactly these sizes of a full block.

    .. math:: \alpha(1 - j / k) = N_j / B, \qquad
              \frac{1 - \alpha(s)}{1 - \alpha(t)} = \frac{B - N_{j+1}}{B - N_j},

    linear in between. It has what dLLM's samplers ask of a ``BaseAlphaScheduler``, and not what
    its trainers do.

    Args:
        sizes: s_1..s_k of one block, which sum to B.

    Raises:
        UsageError: No sizes, or one below 1.

    Example:
        >>> table = TableAlpha((2, 2, 4))
        >>> table.alpha(0.0), table(1 / 3), table.alpha(1.0)
        (1.0, 0.5, 0.0)
        >>> 1 - table.reverse_mask_prob(s=2 / 3, t=1.0)
        0.25
    """

    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.sizes or min(self.sizes) < 1:
            raise UsageError(f"sizes: need at least one, each >= 1, got {list(self.sizes)}")

    def __call__(self, t: float) -> float:
        """``alpha(t)``."""
        return self.alpha(t)

    def alpha(self, t: float) -> float:
        """Share of the block that is known at time t, from 1 at t = 0 to 0 at t = 1.

        Raises:
            UsageError: The time is not in 0..1.
        """
        if not 0.0 <= t <= 1.0:
            raise UsageError(f"t: need a time in 0..1, got {t!r}")
        ends = np.cumsum([0, *self.sizes])
        place = (1.0 - t) * len(self.sizes)
        return float(np.interp(place, np.arange(len(ends)), ends)) / int(ends[-1])

    def reverse_mask_prob(self, s: float, t: float) -> float:
        """Share of the positions masked at time t that still are at the next time s.

        Raises:
            UsageError: From t to s is not one step of the table.
        """
        steps = len(self.sizes)
        done, next_done = (round((1.0 - time) * steps) for time in (t, s))
        off = max(abs((1.0 - time) * steps - round((1.0 - time) * steps)) for time in (s, t))
        if next_done != done + 1 or not 0 <= done < steps or off > GRID * steps:
            raise UsageError(
                f"steps: from t={t:.6g} to s={s:.6g} is not one of the schedule's {steps} steps a "
                "block",
                hint=f"sample with steps={steps} times the number of blocks",
            )
        masked = sum(self.sizes[done:])
        return (masked - self.sizes[done]) / masked


def alpha(source: Source, *, sizes_only: bool = False) -> TableAlpha:
    """The alpha scheduler of a schedule.

    Args:
        source: A schedule, a schedule file, or the path of one.
        sizes_only: Take a schedule of any order, and reveal the surest positions instead.

    Raises:
        UsageError: The schedule's assumptions do not hold.
        MissingInputError: There is no such file.
        FormatError: It is no schedule file, or breaks its format.

    Example:
        >>> from schedopt.schedule import Order, UnmaskingSchedule
        >>> alpha(UnmaskingSchedule(4, Order("confidence"), (1, 3)))
        TableAlpha(sizes=(1, 3))
    """
    schedule = checked(source, NEEDS, Options(sizes_only=sizes_only)).schedule
    return TableAlpha(schedule.step_sizes)


def render(file: ScheduleFile, options: Options) -> Artefact:
    """The table as a JSON document: alpha at the times 1, 1 - 1 / k, ..., 0.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> render(ScheduleFile(dus_schedule(8)), Options()).settings["alpha"]
        [0.0, 0.25, 0.5, 1.0]
    """
    schedule = file.schedule
    length = positions(schedule, options)
    model: Any = file.provenance.get("model") or {}
    return json_artefact(
        "dllm",
        file,
        steps=schedule.steps * ceil(length / schedule.length),
        max_new_tokens=length,
        block_size=schedule.length,
        remasking=remasking(schedule, options),
        right_shift_logits=shift_of(model) == 1,
        sizes=schedule.step_sizes,
        alpha=[known / schedule.length for known in schedule.boundaries],
    )


TARGET: Final = Target(
    name="dllm",
    about="MDLMSampler of dLLM: a table of alpha",
    needs=NEEDS,
    render=render,
    usage=(
        "import dllm, schedopt.exporters.dllm as tables\n"
        "sampler = dllm.core.samplers.MDLMSampler(model=model, tokenizer=tokenizer, "
        "scheduler=tables.alpha({schedule!r}{options}))\n"
        "tokens = sampler.sample(inputs, steps={steps}, max_new_tokens={max_new_tokens}, "
        "block_size={block_size}, remasking={remasking!r}, "
        "right_shift_logits={right_shift_logits})"
    ),
    options=("gen_length", "sizes_only"),
)
