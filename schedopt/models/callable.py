"""Bring your own model: any function from tokens to logits as a denoiser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from schedopt.errors import InputError, UsageError
from schedopt.models.batches import BatchedDenoiser
from schedopt.models.denoiser import NO_MASK
from schedopt.models.head import reduce_logits
from schedopt.models.tokenizer import Tokenizer

_CURES: Final[dict[type, str]] = {
    np.ndarray: "return torch.from_numpy(out)",
    tuple: "return out[0], or whichever of them are the logits",
}


class CallableDenoiser(BatchedDenoiser):
    """A function from token ids to logits, such as a ``transformers`` model that you built.

    Sequences of different lengths are never put into one call, so the function needs no mask of
    its own. It is called from one thread, without gradients.

    Args:
        function: Takes ids of shape (B, L), int64, on ``device``, and gives logits of shape
            (B, L, V), or an object whose ``logits`` they are.
        mask_id: Token of an unknown position; ``NO_MASK`` of an autoregressive function (with
            ``shift`` 1), which is of use as a judge alone.
        vocab_size: Width V of the logits.
        max_length: Longest sequence, or None where any will do.
        eos_id: Token that ends a text, or None.
        bos_id: Token that must stand first where ``shift`` is 1, or None.
        tokenizer: Text to tokens and back, or None.
        name: Named in files.
        device: Where the function wants its tokens.
        shift: 1 where row i scores token i + 1, as in Dream, else 0.

    Raises:
        UsageError: What cannot be called, or a size, token or shift out of range.

    Example:
        >>> def unsure(tokens):
        ...     return torch.zeros(*tokens.shape, 5)
        >>> model = CallableDenoiser(unsure, mask_id=4, vocab_size=5)
        >>> model.log_probs(torch.tensor([[4, 1]]), torch.tensor([[True, False]])).exp()
        tensor([[0.2500, 0.2500, 0.2500, 0.2500, 0.0000]])
    """

    def __init__(
        self,
        function: Callable[[Tensor], Any],
        *,
        mask_id: int,
        vocab_size: int,
        max_length: int | None = None,
        eos_id: int | None = None,
        bos_id: int | None = None,
        tokenizer: Tokenizer | None = None,
        name: str = "callable",
        device: str | torch.device = "cpu",
        shift: int = 0,
    ) -> None:
        if not callable(function):
            raise UsageError(f"function: need one of token ids, got {type(function).__name__}")
        for told, size in (("vocab_size", vocab_size), ("max_length", max_length)):
            if not isinstance(size, int) and (size is not None or told == "vocab_size"):
                raise UsageError(f"{told}: need a whole number, got {size!r}")
        if vocab_size < 2 or (max_length is not None and max_length < 1):
            raise UsageError(
                f"need vocab_size >= 2 and max_length >= 1, got {vocab_size} and {max_length}"
            )
        is_judge = mask_id == NO_MASK and shift == 1
        for told, token in (("mask", mask_id), ("eos", eos_id), ("bos", bos_id)):
            if (token is None and told != "mask") or (told == "mask" and is_judge):
                continue
            if not isinstance(token, int) or not 0 <= token < vocab_size:
                raise UsageError(f"{told}_id: need 0..{vocab_size - 1}, got {token!r}")
            if token == mask_id and told != "mask":
                raise UsageError(f"{told}_id: need another token than the mask, got {token}")
        if shift not in {0, 1}:
            raise UsageError(f"shift: need 0 or 1, got {shift}")
        self.function = function
        super().__init__(
            vocab_size=vocab_size,
            max_length=max_length,
            mask_id=mask_id,
            eos_id=eos_id,
            bos_id=bos_id,
            shift=shift,
            tokenizer=tokenizer,
            provenance={
                "name": name,
                "device": str(device),
                **({} if is_judge else {"mask_id": mask_id}),
            },
            device=torch.device(device),
            dtype=None,
            pads=False,
            threads=None,
        )

    def _states(self, tokens: Tensor, padding: Tensor | None) -> Tensor:
        found = self.function(tokens)
        logits = getattr(found, "logits", found)
        if not isinstance(logits, Tensor):
            raise InputError(
                f"the model returned {type(found).__name__}: need a tensor of logits, "
                "or an object whose logits they are",
                hint=_CURES.get(type(found)),
            )
        need = (*tokens.shape, self.vocab_size)
        if tuple(logits.shape) != need or not logits.is_floating_point():
            raise InputError(
                f"the model returned {logits.dtype} of shape {tuple(logits.shape)}: "
                f"need floating-point logits of shape (B, L, V) = {need}",
                hint="name the width of the logits, padding rows included, as vocab_size",
            )
        return logits.to(self.device)

    def _head(self, states: Tensor) -> Tensor:
        return states.to(torch.promote_types(states.dtype, torch.float32))

    def _reduce(self, states: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return reduce_logits(states, targets, mask_id=self.mask_id)

    def _cost(self, sequences: int, length: int, rows: int) -> None:
        return None

    def _bytes_a_token(self) -> float:
        return 16.0 * self.vocab_size  # the logits, and as much again for what leads to them
