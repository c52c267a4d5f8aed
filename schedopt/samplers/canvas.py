"""A batch while it is unmasked: tokens on the device, and on the host what is known of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from schedopt.errors import InputError, UsageError
from schedopt.models.denoiser import NO_TOKEN, Denoiser, no_distribution
from schedopt.samplers.active import Bools, Integers
from schedopt.samplers.ends import Ends
from schedopt.samplers.guidance import check_guidance, guide

# Values of ``revealed_at`` that are no step.
GIVEN: Final = -1  # known before the first step
PAST_END: Final = -2  # after the token that ends the text: filled in, never sampled

# Log-probabilities (R, V) of the revealed positions, and their rows and columns in the batch,
# each (R,) on the device of the model, to their tokens (R,).
Fill = Callable[[Tensor, Tensor, Tensor], Tensor]

_NOTHING: Final = -2  # where a pass gave no distribution; no token, not even ``NO_TOKEN``


class Canvas:
    """What is known lives on the host, where policies decide; tokens live on the device.

    Args:
        models: What the steps may ask.
        tokens: Shape (B, L), ``mask_id`` at unknown positions, ``NO_TOKEN`` at the left of a
            shorter sequence.
        start: First position of the first block.
        block_length: Positions of a block; the blocks fill the rest.
        eos_id: Token that ends a row early, or None.
        guidance: Scale of classifier-free guidance; 0 for none.

    Attributes:
        tokens: Shape (B, L), on the device.
        nll: Shape (B, L), nats, on the device.
        masked: Shape (B, L).
        padding: Shape (B,), how many leading tokens of each row do not exist.
        blocks: How many there are.
        revealed_at: Shape (B, L), the row's step that revealed each position.
        passes: Shape (B, M), forward passes of each row by each model.

    Raises:
        UsageError: The guidance is no scale, or a position before the start is masked.
    """

    def __init__(
        self,
        models: Sequence[Denoiser],
        tokens: Tensor,
        *,
        start: int,
        block_length: int,
        eos_id: int | None,
        guidance: float,
    ) -> None:
        check_guidance(guidance)
        host = tokens.cpu()
        self.models = models
        self.mask_id = models[0].mask_id
        self.device = models[0].device
        self.start = start
        self.block_length = block_length
        self.blocks = (host.shape[1] - start) // block_length
        self.guidance = guidance
        self.masked: Bools = (host == self.mask_id).numpy()
        if self.masked[:, :start].any():
            raise UsageError(
                f"position before {start}: need given tokens there, got the mask token"
            )
        self.padding: Integers = (host == NO_TOKEN).sum(dim=1).numpy()
        self.tokens = tokens.to(self.device, copy=True)
        self.nll = torch.zeros(host.shape, dtype=torch.float64, device=self.device)
        self.revealed_at: Integers = np.full(host.shape, GIVEN, dtype=np.int64)
        self.passes: Integers = np.zeros((len(host), len(models)), dtype=np.int64)
        self._steps: Integers = np.zeros(len(host), dtype=np.int64)  # of each row so far
        self._ends = None if eos_id is None else Ends(eos_id, self.masked)
        # What guidance masks: the prompt, and none of the tokens that are revealed later.
        self._prompt = (self.tokens != self.mask_id) & (self.tokens != NO_TOKEN)

    def block(self, index: int) -> slice:
        """The columns of a block."""
        first = self.start + index * self.block_length
        return slice(first, first + self.block_length)

    def of(self, values: Tensor, rows: Integers) -> Tensor:
        """Some rows of a tensor on the device."""
        if len(rows) == len(values):
            return values
        return values.index_select(0, torch.from_numpy(rows).to(values.device))

    def without_prompt(self) -> Tensor:
        """The tokens as guidance compares them: the prompt is masked."""
        return self.tokens.masked_fill(self._prompt, self.mask_id)

    def ask(self, model: int, rows: Integers, queries: Bools) -> Tensor:
        """Log-probabilities of the queried positions, shape (number of them, V), nats.

        Args:
            model: Which one makes the pass, or the two passes of guidance.
            rows: Shape (R,), ascending: which rows make a pass.
            queries: Shape (R, L).
        """
        asked, where = self.models[model], torch.from_numpy(queries)
        found = asked.log_probs(self.of(self.tokens, rows), where)
        if self.guidance:
            other = asked.log_probs(self.of(self.without_prompt(), rows), where)
            found = guide(found, other, self.guidance)
        self.count(model, rows)
        return found.to(self.device)

    def count(self, model: int, rows: Integers) -> None:
        """Take note of a pass of these rows, or of two where there is guidance."""
        self.passes[rows, model] += 2 if self.guidance else 1

    def write(
        self, log_probs: Tensor, rows: Integers | Tensor, columns: Integers | Tensor, fill: Fill
    ) -> Tensor:
        """Give some positions their tokens. Nothing waits where all of it is on the device.

        Args:
            log_probs: Shape (R, V), nats.
            rows: Shape (R,).
            columns: Shape (R,).
            fill: Chooses the tokens.

        Returns:
            The tokens, shape (R,).
        """
        at = (
            torch.as_tensor(rows, device=self.device),
            torch.as_tensor(columns, device=self.device),
        )
        revealed = fill(log_probs, *at)
        self.tokens[at] = revealed
        self.nll[at] = -log_probs.gather(-1, revealed[:, None]).squeeze(-1).double()
        return revealed

    def reveal(self, rows: Integers, columns: Integers) -> None:
        """Take note that a step of these rows, ascending, reveals these columns."""
        self.masked[rows, columns] = False
        self.revealed_at[rows, columns] = self._steps[rows]
        self._steps[np.unique(rows)] += 1

    def look(self, part: slice) -> Integers:
        """Tokens of some columns, on the host: this waits for all passes so far.

        Raises:
            InputError: A pass gave no distribution.
        """
        seen = torch.where(self.nll[:, part].isnan(), _NOTHING, self.tokens[:, part]).cpu().numpy()
        bad = (seen == _NOTHING).any(axis=1)
        if bad.any():
            raise no_distribution(int(bad.argmax()), len(bad))
        return np.asarray(seen)

    def see(self, tokens: Integers, rows: Integers, columns: Integers) -> None:
        """Take note of which tokens were revealed: where they end a row, nothing is left of it."""
        if self._ends is not None:
            self._ends.see(tokens, rows, columns)
            self.masked &= ~self._ends.past(self.masked)

    def finish(self) -> None:
        """Fill what is past the end of a row.

        Raises:
            InputError: There is a mask token left.
        """
        if self._ends is not None:
            past = self._ends.past(self.masked)
            self.revealed_at[past] = PAST_END
            where = torch.from_numpy(past).to(self.device)
            self.tokens[where] = self._ends.eos_id
            self.nll[where] = 0.0
        if bool((self.tokens == self.mask_id).any()):
            raise InputError(f"the model gave its mask token {self.mask_id} a chance and drew it")
