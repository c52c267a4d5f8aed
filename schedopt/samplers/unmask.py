"""The one loop: a policy chooses positions, a fill gives their tokens, until none is masked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from schedopt.errors import InputError, UsageError
from schedopt.models.denoiser import Denoiser
from schedopt.samplers.active import ActiveBlocks, Bools, Integers
from schedopt.samplers.policies import Policy

# Values of ``revealed_at`` that are no step.
GIVEN: Final = -1  # known before the first step
PAST_END: Final = -2  # after the token that ends the text: filled in, never sampled

# Log-probabilities (R, V) of the revealed positions, and their rows and columns in the batch,
# each (R,) on the device of the model, to their tokens (R,).
Fill = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Unmasked:
    """A batch without masks, and how it came to be.

    Args:
        tokens: Shape (B, L), on the device of the model.
        nll: Shape (B, L), nats, float64: of each sampled token under the untempered model at the
            step that revealed it; 0 where ``revealed_at`` is no step.
        revealed_at: Shape (B, L): how many passes the row had made before the one that revealed
            the position; ``GIVEN`` or ``PAST_END`` where none did.
        nfe: Shape (B,), forward passes of each row.
    """

    tokens: Tensor
    nll: Tensor
    revealed_at: Integers
    nfe: Integers


def block_count(length: int, policy: Policy) -> int:
    """How many blocks of the policy a length is.

    Raises:
        UsageError: The length is not a positive multiple of the block length.
    """
    if length < 1 or length % policy.block_length:
        raise UsageError(
            f"length: need a positive multiple of the block length {policy.block_length} "
            f"of {policy.label!r}, got {length}"
        )
    return length // policy.block_length


def check_width(denoiser: Denoiser, width: int) -> None:
    """Refuse a sequence that the model cannot take.

    Raises:
        UsageError: Longer than ``max_length``, or another length where the length is fixed.
    """
    limit = denoiser.max_length
    if limit is not None and (width > limit or (denoiser.fixed_length and width != limit)):
        bound = "exactly" if denoiser.fixed_length else "at most"
        raise UsageError(
            f"sequence of {width} tokens: this model takes {bound} {limit}",
            hint="give a prompt and a --length that together are no longer"
            if width > limit
            else f"give a --length of {limit}",
        )


def unmask(
    denoiser: Denoiser,
    tokens: Tensor,
    policy: Policy,
    fill: Fill,
    *,
    start: int = 0,
    rows: Sequence[int] | None = None,
    seed: int = 0,
    eos_id: int | None = None,
) -> Unmasked:
    """Reveal every masked position, block by block from the left, until none is left.

    Positions from ``start`` on are cut into blocks. In each pass, the policy chooses among the
    masked positions of each row's first block that has any; everything to the right of it stays
    masked. Rows that are done leave the batch.

    A row ends early at a token ``eos_id`` that stands right of every given position, once
    everything to its left is revealed: the rest is filled with ``eos_id``, whether it was
    revealed or not, and costs no further pass.

    Args:
        denoiser: The model.
        tokens: Shape (B, L), with the model's ``mask_id`` at unknown positions.
        policy: Chooses positions.
        fill: Gives their tokens.
        start: First position of the first block; everything before it is given.
        rows: Index of each row in the whole run, by which random orders are seeded; 0..B-1
            where left out.
        seed: Of random orders.
        eos_id: Token that ends a row early, or None.

    Returns:
        The batch, of which no token is ``mask_id``.

    Raises:
        UsageError: The sequence does not suit the model or the blocks, a position before
            ``start`` is masked, or the policy chose no masked position or a known one.
        InputError: A mask token was drawn.
    """
    batch, width = tokens.shape
    check_width(denoiser, width)
    blocks = block_count(width - start, policy)
    # What is known lives on the host, where policies decide; tokens and probabilities live on
    # the device. So a policy that knows its positions in advance never waits for the device.
    masked = (tokens == denoiser.mask_id).cpu().numpy()
    if masked[:, :start].any():
        raise UsageError(f"position before {start}: need given tokens there, got the mask token")
    state = tokens.to(denoiser.device, copy=True)
    nll = torch.zeros(state.shape, dtype=torch.float64, device=state.device)
    revealed_at = np.full(masked.shape, GIVEN, dtype=np.int64)
    nfe = np.zeros(batch, dtype=np.int64)
    ends = None if eos_id is None else _Ends(eos_id, masked)
    choose = policy.chooser(range(batch) if rows is None else rows, blocks, seed)
    while masked.any():
        active = _active_blocks(denoiser, state, masked, start, blocks)
        chosen = choose(active)
        _check_choice(policy, active, chosen)
        picks, offsets = np.nonzero(chosen)  # row-major, as the log-probabilities come
        where = active.rows[picks], start + active.blocks[picks] * policy.block_length + offsets
        at = (
            torch.from_numpy(where[0]).to(state.device),
            torch.from_numpy(where[1]).to(state.device),
        )
        log_probs = active.log_probs(chosen)  # (R, V)
        revealed = fill(log_probs, *at)  # (R,)
        state[at] = revealed
        nll[at] = -log_probs.gather(-1, revealed[:, None]).squeeze(-1).double()
        masked[where] = False
        revealed_at[where] = nfe[where[0]]
        nfe[active.rows] += 1
        if ends is not None:
            ends.see(revealed, *where)
            masked &= ~ends.past(masked)
    if ends is not None:
        past = ends.past(masked)
        revealed_at[past] = PAST_END
        state[torch.from_numpy(past).to(state.device)] = ends.eos_id
        nll[torch.from_numpy(past).to(nll.device)] = 0.0
    if bool((state == denoiser.mask_id).any()):
        raise InputError(f"the model gave its mask token {denoiser.mask_id} a chance and drew it")
    return Unmasked(state, nll, revealed_at, nfe)


def _active_blocks(
    denoiser: Denoiser, state: Tensor, masked: Bools, start: int, blocks: int
) -> ActiveBlocks:
    batch = len(masked)
    by_block = masked[:, start:].reshape(batch, blocks, -1)
    pending: Bools = np.any(by_block, axis=2)  # (B, blocks)
    rows = np.flatnonzero(pending.any(axis=1))
    index = pending[rows].argmax(axis=1)
    tokens = state if len(rows) == batch else state[torch.from_numpy(rows).to(state.device)]

    def query(positions: Bools) -> Tensor:
        queries = np.zeros((len(rows), *by_block.shape[1:]), dtype=np.bool_)
        queries[np.arange(len(rows)), index] = positions
        flat = np.pad(queries.reshape(len(rows), -1), ((0, 0), (start, 0)))
        return denoiser.log_probs(tokens, torch.from_numpy(flat))

    return ActiveBlocks(rows, index, by_block[rows, index], query)


def _check_choice(policy: Policy, active: ActiveBlocks, chosen: Bools) -> None:
    if not np.all(chosen.any(axis=1)) or np.any(chosen & ~active.masked):
        raise UsageError(
            f"policy {policy.label!r} must choose one masked position of each row or more, and "
            "none that is known"
        )


class _Ends:
    """Where each row of a batch ends: at the first end token right of all given positions."""

    def __init__(self, eos_id: int, masked: Bools) -> None:
        self.eos_id = eos_id
        width = masked.shape[1]
        given = ~masked
        # First position right of all given ones.
        self._tail = np.where(given.any(axis=1), width - given[:, ::-1].argmax(axis=1), 0)
        self._seen: NDArray[np.bool_] = np.zeros_like(masked)

    def see(self, revealed: Tensor, rows: Integers, columns: Integers) -> None:
        """Take note of the tokens revealed at these rows and columns."""
        is_end = (revealed == self.eos_id).cpu().numpy()
        self._seen[rows, columns] = is_end & (columns >= self._tail[rows])

    def past(self, masked: Bools) -> Bools:
        """Positions right of an end to whose left nothing is masked."""
        width = masked.shape[1]
        end = np.where(self._seen.any(axis=1), self._seen.argmax(axis=1), width)
        first_masked = np.where(masked.any(axis=1), masked.argmax(axis=1), width)
        return np.asarray((np.arange(width) > end[:, None]) & (end < first_masked)[:, None])
