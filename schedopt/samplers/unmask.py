"""The one loop: a policy chooses positions, a fill gives their tokens, until none is masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from schedopt.errors import DeviceMemoryError, UsageError
from schedopt.models.batches import out_of_memory
from schedopt.models.denoiser import Denoiser
from schedopt.samplers.active import ActiveBlocks, Bools, Integers
from schedopt.samplers.ahead import networks_ahead, take_steps_ahead
from schedopt.samplers.canvas import GIVEN, PAST_END, Canvas, Fill
from schedopt.samplers.plan import check_choice, foresee, take_steps
from schedopt.samplers.policies import Chooser, Policy
from schedopt.samplers.siblings import as_models, check_enough, check_siblings
from schedopt.schedule import LONGEST, is_whole

__all__ = [
    "GIVEN",
    "PAST_END",
    "Fill",
    "Unmasked",
    "block_count",
    "check_width",
    "unmask",
]


@dataclass(frozen=True, eq=False)
class Unmasked:
    """A batch without masks, and how it came to be.

    Args:
        tokens: Shape (B, L), on the device of the model.
        nll: Shape (B, L), nats, float64: of each sampled token under the untempered model, guided
            where there is guidance, at the step that revealed it; 0 where ``revealed_at`` is no
            step.
        revealed_at: Shape (B, L): how many steps the row had taken before the one that revealed
            the position; ``GIVEN`` or ``PAST_END`` where none did. A step is one pass of the row,
            or two with guidance.
        passes: Shape (B, M), forward passes of each row by each model.
    """

    tokens: Tensor
    nll: Tensor
    revealed_at: Integers
    passes: Integers

    @property
    def nfe(self) -> Integers:
        """Forward passes of each row, shape (B,)."""
        total: Integers = self.passes.sum(axis=1)
        return total


def block_count(length: int, policy: Policy) -> int:
    """How many blocks of the policy a length is.

    Raises:
        UsageError: The length is not a positive multiple of the block length.
    """
    if not is_whole(length):
        raise UsageError(
            f"length: need a whole number of positions, got {length!r}",
            hint=f"take a length of {policy.block_length}",
        )
    blocks, rest = divmod(length, policy.block_length)
    if blocks < 1 or rest:
        nearest = max(1, round(length / policy.block_length)) * policy.block_length
        raise UsageError(
            f"length: need a positive multiple of the block length {policy.block_length} "
            f"of {policy.label!r}, got {length}",
            hint=f"take a length of {nearest}, or blocks that divide {length}"
            if length > 0
            else f"take a length of {nearest}",
        )
    return blocks


def check_width(denoiser: Denoiser, width: int) -> None:
    """Refuse a sequence that the model cannot take.

    Raises:
        UsageError: Longer than ``max_length``, or ``LONGEST`` where there is none, or another
            length where the length is fixed.
    """
    limit = LONGEST if denoiser.max_length is None else denoiser.max_length
    if width > limit or (denoiser.fixed_length and width != limit):
        bound = "exactly" if denoiser.fixed_length else "at most"
        raise UsageError(
            f"sequence of {width} tokens: this model takes {bound} {limit}",
            hint="give a prompt and a --length that together are no longer"
            if width > limit
            else f"give a --length of {limit}",
        )


def unmask(
    models: Denoiser | Sequence[Denoiser],
    tokens: Tensor,
    policy: Policy,
    fill: Fill,
    *,
    start: int = 0,
    rows: Sequence[int] | None = None,
    seed: int = 0,
    eos_id: int | None = None,
    guidance: float = 0.0,
) -> Unmasked:
    """Reveal every masked position, block by block from the left, until none is left.

    Positions from ``start`` on are cut into blocks. In each step, the policy chooses among the
    masked positions of each row's first block that has any; everything to the right of it stays
    masked. Rows that are done make no more passes.

    Where the policy's choices are foreseen, all rows are at the same block, a step asks for no
    more than the positions that it reveals, and a network on a GPU makes all steps of a block
    before the host looks at any token.

    A row ends early at a token ``eos_id`` that stands right of every given position, once
    everything to its left is revealed: the rest is filled with ``eos_id``, whether it was
    revealed or not, and costs no further pass. A policy whose choices are foreseen looks for it
    after each block, others after each step.

    Args:
        models: The model, or several of which the policy names one for each pass.
        tokens: Shape (B, L), with the model's ``mask_id`` at unknown positions, and ``NO_TOKEN``
            at the left of a row that is shorter than the batch is wide.
        policy: Chooses positions.
        fill: Gives their tokens.
        start: First position of the first block; everything before it is given.
        rows: Index of each row in the whole run, by which random orders are seeded; 0..B-1
            where left out.
        seed: Of random orders.
        eos_id: Token that ends a row early, or None.
        guidance: Scale of classifier-free guidance, >= 0, which takes two passes a step: the
            second one sees the given tokens masked. See ``guide``.

    Returns:
        The batch, of which no token is ``mask_id``.

    Raises:
        UsageError: The sequence does not suit the model or the blocks, a position before
            ``start`` is masked, the models do not agree, or the policy chose no masked position
            or a known one.
        MissingModelError: The policy names a model that is not there.
        InputError: A model gave no distribution, or a mask token was drawn.
        DeviceMemoryError: One sequence, or what is known of all tokens of a step, does not fit.

    Example:
        >>> from schedopt.models import LawDenoiser
        >>> from schedopt.samplers.fills import greedy_tokens
        >>> from schedopt.samplers.policies import SchedulePolicy
        >>> from schedopt.sizes import dus_schedule
        >>> parity = LawDenoiser([[0.5, 0.0], [0.0, 0.5]])
        >>> canvas = torch.tensor([[1, parity.mask_id]])
        >>> done = unmask(parity, canvas, SchedulePolicy(dus_schedule(2)), greedy_tokens)
        >>> done.tokens.tolist(), done.revealed_at.tolist(), done.nfe.tolist()
        ([[1, 1]], [[-1, 0]], [1])
    """
    models = as_models(models)
    check_siblings(models)
    check_enough(policy, len(models))
    batch, width = tokens.shape
    blocks = block_count(width - start, policy)
    canvas = Canvas(
        models,
        tokens,
        start=start,
        block_length=policy.block_length,
        eos_id=eos_id,
        guidance=guidance,
    )
    lengths = np.unique(width - canvas.padding).tolist()
    for model in models:
        for length in lengths:
            check_width(model, length)
    choose = policy.chooser(range(batch) if rows is None else rows, blocks, seed)
    take = _unmask_blocks if policy.foreseen else _unmask_adaptively
    try:
        take(canvas, policy.label, choose, fill)
        canvas.finish()
    except (RuntimeError, MemoryError) as error:
        # A model cuts its own passes until they fit; what is left is the tokens' distributions.
        if isinstance(error, DeviceMemoryError) or not out_of_memory(error):
            raise
        raise DeviceMemoryError(
            f"out of memory on {canvas.device} for the tokens of {batch} sequences at once",
            hint="take fewer: a smaller --batch of schedopt sample (batch_size= in Python)",
        ) from error
    return Unmasked(canvas.tokens, canvas.nll, canvas.revealed_at, canvas.passes)


def _unmask_blocks(canvas: Canvas, label: str, choose: Chooser, fill: Fill) -> None:
    """Block by block: the steps of one are known before its first, and then it is looked at."""
    ahead = networks_ahead(canvas.models)
    for model in ahead:
        model.admit(canvas.tokens, torch.from_numpy(canvas.masked))
    for block in range(canvas.blocks):
        part = canvas.block(block)
        masked = canvas.masked[:, part].copy()
        if not masked.any():
            continue
        steps = foresee(choose, block, part.start, masked, label)
        if ahead:
            take_steps_ahead(canvas, ahead, steps, fill)
        else:
            take_steps(canvas, steps, fill)
        rows, offsets = np.nonzero(masked)
        canvas.see(canvas.look(part)[rows, offsets], rows, part.start + offsets)


def _unmask_adaptively(canvas: Canvas, label: str, choose: Chooser, fill: Fill) -> None:
    """Step by step: what is next depends on what the model says."""
    while canvas.masked.any():
        active = _active_blocks(canvas)
        chosen = choose(active)
        check_choice(label, active, chosen)
        picks, offsets = np.nonzero(chosen)  # row-major, as the log-probabilities come
        rows = active.rows[picks]
        columns = canvas.start + active.blocks[picks] * canvas.block_length + offsets
        revealed = canvas.write(active.log_probs(chosen), rows, columns, fill)
        canvas.reveal(rows, columns)
        canvas.see(revealed.cpu().numpy(), rows, columns)


def _active_blocks(canvas: Canvas) -> ActiveBlocks:
    start = canvas.start
    by_block = canvas.masked[:, start:].reshape(len(canvas.masked), canvas.blocks, -1)
    pending: Bools = np.any(by_block, axis=2)  # (B, blocks)
    rows = np.flatnonzero(pending.any(axis=1))
    index = pending[rows].argmax(axis=1)

    def query(positions: Bools, models: Integers) -> Tensor:
        queries = np.zeros((len(rows), *by_block.shape[1:]), dtype=np.bool_)
        queries[np.arange(len(rows)), index] = positions
        flat = np.pad(queries.reshape(len(rows), -1), ((0, 0), (start, 0)))
        parts = [
            canvas.ask(int(model), rows[models == model], flat[models == model])
            for model in np.unique(models)
        ]
        if len(parts) == 1:
            return parts[0]
        # Row by row, as if one model had answered.
        order = np.argsort(np.repeat(models, positions.sum(axis=1)), kind="stable")
        return torch.cat(parts)[torch.from_numpy(np.argsort(order)).to(canvas.device)]

    return ActiveBlocks(rows, index, by_block[rows, index], query)
