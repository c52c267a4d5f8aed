"""The function ``fit``: measure, solve, compare, check."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from schedopt.data import DEFAULT_LENGTH, Windows
from schedopt.errors import NoisyEstimateError, UsageError
from schedopt.estimators import DEFAULT_PASSES, Smoothing
from schedopt.estimators.estimate import check_effort
from schedopt.fitting.check import Verified, regrets, verify
from schedopt.fitting.plans import compare, propose
from schedopt.fitting.request import BlockLength, Request
from schedopt.fitting.result import Fit
from schedopt.fitting.work import Tally, Work
from schedopt.models import Denoiser, load_model
from schedopt.running import LOCAL, Progress, Runner
from schedopt.schedule import Order
from schedopt.texts import load_text


def fit(
    model: str | Path | Denoiser = "tiny",
    data: str | Path | Windows | None = None,
    *,
    length: int | None = None,
    context: int | None = None,
    part: tuple[int, int] = (1, 1),
    texts: int | None = None,
    block_length: BlockLength = None,
    per_block: bool = False,
    order: Order | None = None,
    steps: int | None = None,
    max_loss: float | None = None,
    passes: int = DEFAULT_PASSES,
    target_stderr: float | None = None,
    max_passes: int | None = None,
    smoothing: Smoothing = "smooth",
    robust: float | None = None,
    seed: int = 0,
    device: str = "cpu",
    dtype: str = "float32",
    mask_id: int | None = None,
    revision: str | None = None,
    progress: Progress | None = None,
    runner: Runner = LOCAL,
) -> Fit:
    """Measure a model on half of the documents, solve, and check on the other half.

    Args:
        model: Alias, folder, or a denoiser.
        data: ``.txt`` or ``.jsonl`` file, ``self`` for the model's own samples, windows, or None
            for the bundled text.
        length: Positions to be sampled; the block length where one is given, else 64.
        context: As ``load_text``.
        part: As ``load_text``; every document by default.
        texts: As ``load_text``.
        block_length: Positions of one block, or ``"auto"`` to try the divisors of the length and
            keep the best for the budget. Where neither it nor the order is given, and the budget
            is one of steps and not robust, order, blocks and boundaries are chosen together: a
            gap model picks a few plans, and one that measures better than the dilated order in
            one block, by twice the standard error of the difference, is kept.
        per_block: Measure each block by itself and give it step sizes of its own; all blocks
            share the budget. Else one measure, averaged over the blocks, stands for all.
        order: Where it is given alone, the block is the whole length; where the block length is
            given alone, the order is dilated with base 2.
        steps: Forward passes for the whole length; length / 8 where neither budget is given.
        max_loss: Nats for the whole length; the fewest steps that the fitted measure promises.
        passes: Forward passes of each part of the work, at most: the gap model, each estimate,
            each comparison, the check estimate, the verification.
        target_stderr: Verify the chosen schedule on more and more of the held-out documents,
            until its loss is known that well, nats for the whole length.
        max_passes: Forward passes of the whole fit, at most. Each part makes fewer than
            ``passes`` where that is needed, and a verification towards ``target_stderr`` ends
            here; None leaves it the documents that there are.
        smoothing: As ``estimate``.
        robust: Confidence of a band around the estimate, by its standard errors: the sizes are
            chosen for the worst curve or surface in the band. None takes the estimate as it is.
        seed: Of all draws.
        device: As ``load_model``.
        dtype: As ``load_model``.
        mask_id: As ``load_model``.
        revision: As ``load_model``.
        progress: Told the passes done, those expected in all, and the standard error so far: of
            the loss, nats for the whole length, once that is being measured. Where texts are
            drawn, it is told of these first.
        runner: Shares the passes among ranks and keeps them in a journal.

    Raises:
        UsageError: A planner's order, a budget that no schedule meets, or a bound on the passes
            that leaves too few for an estimate.
        InputError: Text that is too short, or a single document.
        NoisyEstimateError: The documents or the passes ran out before the loss was known as well
            as ``target_stderr``; its ``estimate`` is the Fit.

    Example:
        >>> result = fit(length=16, context=16, steps=4, passes=64)
        >>> sum(result.schedule.step_sizes)
        16
    """
    # What cannot be met is refused before the passes that it would take to find out.
    if target_stderr is not None and not target_stderr > 0.0:
        raise UsageError(f"target stderr: need nats > 0, got {target_stderr}")
    denoiser = (
        load_model(model, device=device, dtype=dtype, mask_id=mask_id, revision=revision)
        if isinstance(model, str | Path)
        else model
    )
    if isinstance(data, Windows):
        _check_settings(data, length, context, texts)
        windows = data
        about: dict[str, str | int] = {
            "name": "windows",
            "documents": len(np.unique(data.documents)),
        }
    else:
        windows, about = load_text(
            denoiser,
            data,
            length=length,
            context=context,
            part=part,
            texts=texts,
            seed=seed,
            usual_length=block_length if isinstance(block_length, int) else DEFAULT_LENGTH,
            progress=progress,
            runner=runner,
        )
    length = windows.length
    if steps is None and max_loss is None:
        steps = max(1, length // 8)
    request = Request(length, order, block_length, per_block, steps, max_loss, robust)
    passes = _passes(request, passes, max_passes, smoothing)
    proposing, comparing, checking = request.costs(passes)
    tally = Tally(progress, proposing + comparing + checking)
    work = Work(denoiser, passes, seed, smoothing, runner, tally)

    chosen_on, checked_on = windows.split(0.5, seed=seed)
    plans = propose(work, request, chosen_on)
    tally.expect(comparing + checking)
    candidates = compare(work, request, chosen_on, plans)
    tally.expect(checking)
    solution = candidates[0].solution
    regret, uniform_regret, least_loss = regrets(work, request, checked_on, solution.schedule)
    verified = verify(
        work,
        checked_on,
        solution.schedule,
        target_stderr=target_stderr,
        max_passes=max_passes,
    )
    result = Fit(
        solution=solution,
        loss=verified.loss,
        regret=regret,
        uniform_regret=uniform_regret,
        least_loss=least_loss,
        nll=verified.nll,
        checked_documents=verified.documents,
        candidates=tuple(candidates),
        passes=tally.made,
        length=length,
        context=windows.context,
        ragged=windows.ragged,
        provenance={
            "seed": seed,
            "model": dict(denoiser.provenance),
            "data": about,
            "estimate": {
                "documents": len(np.unique(chosen_on.documents)),
                "checked_documents": verified.documents,
                "passes": passes,
                "total_passes": tally.made,
                "length": length,
                "context": windows.context,
                "block_length": solution.schedule.length,
                "per_block": per_block,
                "fit": smoothing,
            },
        },
    )
    if target_stderr is not None and not verified.loss.stderr <= target_stderr:
        raise _too_noisy(result, verified, target_stderr)
    return result


def _check_settings(
    windows: Windows, length: int | None, context: int | None, texts: int | None
) -> None:
    """Refuse settings that windows bring themselves, unless they are the same."""
    if length not in (None, windows.length) or context not in (None, windows.context):
        raise UsageError(
            f"the windows have length {windows.length} and context {windows.context}: leave these "
            f"out, or give the same; got {length} and {context}"
        )
    if texts is not None:
        raise UsageError(f"texts: {texts} are to be drawn, but the data are windows")


def _passes(request: Request, passes: int, max_passes: int | None, smoothing: Smoothing) -> int:
    """Passes of each part: those asked for, or what a bound on all of them leaves."""
    fits = request.affordable(passes, max_passes)
    try:
        check_effort(smoothing, fits, request.longest_block)
    except UsageError as error:
        if fits == passes:
            raise
        raise UsageError(
            f"max passes: {max_passes} for the whole fit leave {fits} for each part; {error}",
            hint="give more --max-passes, or an --order or --block-length, which tries fewer plans",
        ) from error
    return fits


def _too_noisy(result: Fit, verified: Verified, target: float) -> NoisyEstimateError:
    """The error that carries a fit whose loss is not known well enough."""
    wanted = verified.windows_for(target)
    if verified.exhausted:
        hint = (
            f"all {verified.documents} held-out documents are used: give about "
            f"{wanted / verified.windows:.2g} times as much text, or a wider --target-stderr"
        )
    else:
        need = result.passes + (wanted - verified.windows) * verified.passes_per_window
        hint = f"give about --max-passes {need}, or a wider --target-stderr"
    return NoisyEstimateError(
        f"the loss is {result.loss.value:.4g} nats with standard error "
        f"{result.loss.stderr:.4g} after {result.passes} passes, more than the target {target:g}",
        estimate=result,
        hint=hint,
    )
