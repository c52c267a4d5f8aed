"""Measure a model on text: the information curve, or the surface of one order."""

from __future__ import annotations

import time
from typing import Final

from schedopt.data import Windows, check_tokens, generator
from schedopt.errors import UsageError
from schedopt.estimators.fixed_order import measure_surface, passes_per_window
from schedopt.estimators.places import draw_places
from schedopt.estimators.probe import Probes, Scores, probe
from schedopt.estimators.random_order import measure_curve
from schedopt.estimators.result import SMOOTHINGS, Estimate, Smoothing
from schedopt.models.denoiser import Denoiser
from schedopt.running import LOCAL, Progress, Runner
from schedopt.schedule import Order
from schedopt.solvers.blocks import blocks_of

DEFAULT_PASSES: Final = 2048


def check_effort(smoothing: Smoothing, passes: int, n: int) -> None:
    """Refuse an unknown smoothing, or fewer passes than it needs for n positions.

    Raises:
        UsageError: One of them.
    """
    if smoothing not in SMOOTHINGS:
        raise UsageError(f"unknown smoothing {smoothing!r}; one of {', '.join(SMOOTHINGS)}")
    least = 16 if smoothing == "smooth" else 2 * n
    if passes < least:
        raise UsageError(
            f"passes: {smoothing} estimates of {n} positions need at least {least}, got {passes}",
            hint=f"--passes {least}",
        )


def estimate(
    denoiser: Denoiser,
    windows: Windows,
    *,
    order: Order,
    block_length: int | None = None,
    block: int | None = None,
    passes: int = DEFAULT_PASSES,
    seed: int = 0,
    smoothing: Smoothing = "smooth",
    batch: int | None = None,
    progress: Progress | None = None,
    runner: Runner = LOCAL,
) -> Estimate:
    """Estimate the information curve (random order) or the surface of a fixed order.

    Inside a block, the context and the earlier blocks are the true text and the later blocks
    are masked, as the sampler will have them; blocks are averaged over, or one is measured alone.

    Args:
        denoiser: The model.
        windows: The text.
        order: ``random`` for the curve, a fixed order for its surface.
        block_length: Positions of one block; the windows' length by default.
        block: The block to measure, 0-based from the left; None for the mean over all.
        passes: Forward passes to spend. Random order: each has its own window while these
            last, and its own masked count. For ``smooth`` the counts are spaced in odds, and
            how many passes each gets is up to what a first quarter of them shows. Fixed order:
            several nested prefixes of the same window (``passes_per_window``; all of them for
            ``raw`` and ``isotonic``), since their differences are what a schedule is chosen by.
        seed: Of all draws; the result does not depend on the batch size.
        smoothing: ``smooth`` (for curves few monotone terms and what the passes tell of the
            rest; for surfaces the influence model), ``isotonic`` (means, made monotone), or
            ``raw`` (means).
        batch: As ``probe``.
        progress: As ``probe``.
        runner: As ``probe``.

    Returns:
        The estimate, with standard errors over documents: of the plain means for ``raw`` and
        ``isotonic``; for ``smooth`` curves with what smoothing may hide, for ``smooth`` surfaces
        by a bootstrap of documents (which knows nothing of the bias of their terms).

    Raises:
        UsageError: A planner (its order depends on values, so no curve predicts it), a block
            length that does not divide the windows, a block that is not there, too few passes,
            or a negative seed.
        InputError: The windows are no text of this model, or the passes fall on one document.

    References:
        theory, sections 3.1 and 5: both are linear in what is averaged here.
    """
    n = windows.length if block_length is None else block_length
    blocks = blocks_of(windows.length, n)
    if order.is_planner:
        raise UsageError(
            f"the order of planner {order.name!r} depends on values, so no curve predicts it",
            hint="measure it with `schedopt evaluate --planner`",
        )
    check_effort(smoothing, passes, n)
    check_tokens(windows, denoiser)
    rng = generator(seed, n, passes)
    nested = passes_per_window(passes, n, smoothing) if order.is_fixed else 1
    places = draw_places(windows, blocks, block, passes // nested, rng)
    started = time.monotonic()

    def ask(probes: Probes, progress: Progress | None) -> Scores:
        return probe(denoiser, windows, probes, batch=batch, progress=progress, runner=runner)

    if order.is_fixed:
        found = measure_surface(ask, places, order, n, nested, smoothing, rng, progress)
    else:
        found = measure_curve(ask, places, n, smoothing, rng, progress)
    return Estimate(
        measure=found.measure,
        entropy_measure=found.entropy_measure,
        calibration_gap=found.calibration_gap,
        deviations=found.deviations,
        smoothing=smoothing,
        passes=len(places.window) * nested,
        documents=places.documents,
        seconds=time.monotonic() - started,
    )
