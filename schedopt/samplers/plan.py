"""Steps that are known before the first pass: a policy played out on the masks alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from schedopt.errors import UsageError
from schedopt.samplers.active import ActiveBlocks, Bools, Integers
from schedopt.samplers.canvas import Canvas, Fill
from schedopt.samplers.policies import Chooser


@dataclass(frozen=True, eq=False)
class Step:
    """What one step reveals: at most one pass of each row, all by the same model.

    Args:
        model: Its index.
        rows: Shape (R,), the row in its batch of each revealed position, ascending.
        columns: Shape (R,), its place in the row, ascending in each row.
    """

    model: int
    rows: Integers
    columns: Integers


def foresee(choose: Chooser, block: int, first: int, masked: Bools, label: str) -> list[Step]:
    """The steps that reveal one block, of all rows of a batch.

    Rows take their steps side by side; one that has nothing left to reveal idles. Where rows
    want different models at once, each model has its own step.

    Args:
        choose: Of a policy that asks for no scores.
        block: Index of the block, counted from the left.
        first: Column of its first position.
        masked: Shape (B, block length), which of its positions are masked.
        label: Of the policy.

    Raises:
        UsageError: The policy asked for scores, or chose no masked position or a known one.

    Example:
        >>> from schedopt.samplers.policies import SchedulePolicy
        >>> from schedopt.sizes import dus_schedule
        >>> choose = SchedulePolicy(dus_schedule(8)).chooser([0], 1, 0)
        >>> masked = np.array([[False] * 4 + [True] * 4])
        >>> [step.columns.tolist() for step in foresee(choose, 0, 100, masked, "dus")]
        [[104], [106], [105, 107]]
    """

    def unforeseen(positions: Bools, models: Integers) -> NoReturn:
        raise UsageError(
            f"policy {label!r} says that its steps are foreseen, but asks for probabilities",
            hint="let its `foreseen` be False",
        )

    masked = masked.copy()
    steps = []
    while masked.any():
        rows = np.flatnonzero(masked.any(axis=1))
        active = ActiveBlocks(rows, np.full(len(rows), block), masked[rows], unforeseen)
        chosen = choose(active)
        check_choice(label, active, chosen)
        picks, offsets = np.nonzero(chosen)
        models = active.models[picks]
        for model in np.unique(models):
            own = models == model
            steps.append(Step(int(model), rows[picks[own]], first + offsets[own]))
        masked[rows[picks], offsets] = False
    return steps


def take_steps(canvas: Canvas, steps: Sequence[Step], fill: Fill) -> None:
    """Take steps one by one, each a pass of the rows that it reveals something of."""
    for step in steps:
        rows = np.unique(step.rows)
        queries = np.zeros((len(rows), canvas.masked.shape[1]), dtype=np.bool_)
        queries[np.searchsorted(rows, step.rows), step.columns] = True
        log_probs = canvas.ask(step.model, rows, queries)
        canvas.write(log_probs, step.rows, step.columns, fill)
        canvas.reveal(step.rows, step.columns)


def check_choice(label: str, active: ActiveBlocks, chosen: Bools) -> None:
    """Refuse a choice that would never end, or would overwrite what is known.

    Raises:
        UsageError: A row without a chosen position, or with one that is not masked.
    """
    if not np.all(chosen.any(axis=1)) or np.any(chosen & ~active.masked):
        raise UsageError(
            f"policy {label!r} must choose one masked position of each row or more, and "
            "none that is known"
        )
