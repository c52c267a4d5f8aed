"""Measure what schedules of an order really lose on text, without smoothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schedopt.data import Windows
from schedopt.errors import UsageError
from schedopt.estimators.curves import mean_by_group
from schedopt.estimators.probe import BATCH, Probes, Progress, blocks_of, probe
from schedopt.models.denoiser import Denoiser
from schedopt.schedule import UnmaskingSchedule

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Verification:
    """Loss of a schedule on text, unbiased, nats for all blocks of a window.

    Args:
        nll: Sampler NLL of the schedule.
        nll_stderr: Its standard error over documents.
        excess: NLL minus that of revealing one position a step in the same order.
        excess_stderr: Its standard error over documents.
        passes: Forward passes spent.
        documents: How many documents they fell on.
    """

    nll: float
    nll_stderr: float
    excess: float
    excess_stderr: float
    passes: int
    documents: int


def step_scores(
    denoiser: Denoiser,
    windows: Windows,
    schedule: UnmaskingSchedule,
    *,
    seed: int = 0,
    batch: int = BATCH,
    progress: Progress | None = None,
) -> Floats:
    """Sampler NLL of a schedule on each window, teacher-forced; shape (N,), nats.

    Args:
        denoiser: The model.
        windows: The text; a whole number of blocks.
        schedule: Of the random or a fixed order.
        seed: Of the random order, one for each window and block.
        batch: Passes sent at once.
        progress: Told of passes done.

    Raises:
        UsageError: A planner's order, which only ``evaluate`` can measure.
    """
    if schedule.order.is_planner:
        raise UsageError(f"planner {schedule.order.name!r}: measure it with `schedopt evaluate`")
    n, total = schedule.length, np.zeros(len(windows))
    for block in range(blocks_of(windows, n)):
        ends = np.cumsum(schedule.sizes_of_block(block))
        starts = np.concatenate([[0], ends[:-1]])
        rng = np.random.default_rng([seed, block])  # the same orders whatever the sizes
        orders = [schedule.order.permutation_for(n, rng=rng) for _ in range(len(windows))]
        probes = Probes(
            window=np.repeat(np.arange(len(windows)), len(ends)),
            block=np.full(len(windows) * len(ends), block),
            order=np.repeat(np.asarray(orders), len(ends), axis=0),
            known=np.tile(starts, len(windows)),
        )
        nll = probe(denoiser, windows, probes, batch=batch, progress=progress).nll
        in_step = np.arange(n) < np.tile(ends, len(windows))[:, None]  # earlier ones are NaN
        np.add.at(total, probes.window, np.nansum(np.where(in_step, nll, 0.0), axis=1))
    return total


def verify(
    denoiser: Denoiser,
    windows: Windows,
    schedule: UnmaskingSchedule,
    *,
    seed: int = 0,
    batch: int = BATCH,
    progress: Progress | None = None,
) -> Verification:
    """Measure a schedule and its sequential reference on the same windows and orders.

    Costs the schedule's passes and one for each position, for every window; since text and
    order are shared, most of what differs between windows cancels in the excess.

    Args:
        denoiser: The model.
        windows: The text; every window is used once.
        schedule: Of the random or a fixed order.
        seed: Of the random order.
        batch: Passes sent at once.
        progress: Told of passes done.

    Raises:
        UsageError: A planner's order, which only ``evaluate`` can measure.
    """
    n = schedule.length
    sequential = UnmaskingSchedule(n, schedule.order, (1,) * n)
    nll, reference = (
        step_scores(denoiser, windows, s, seed=seed, batch=batch, progress=progress)
        for s in (schedule, sequential)
    )
    everything = np.zeros(len(windows), dtype=np.int64)
    mean, error = mean_by_group(nll, everything, 1, windows.documents)
    excess, excess_error = mean_by_group(nll - reference, everything, 1, windows.documents)
    return Verification(
        nll=float(mean[0]),
        nll_stderr=float(error[0]),
        excess=float(excess[0]),
        excess_stderr=float(excess_error[0]),
        passes=len(windows) * (schedule.total_steps(windows.length) + windows.length),
        documents=len(np.unique(windows.documents)),
    )
