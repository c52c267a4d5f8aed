"""The one thing the toolkit asks of a model: conditionals of queried positions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol, runtime_checkable

import torch
from torch import Tensor

from schedopt.errors import InputError, UsageError
from schedopt.models.tokenizer import Tokenizer

# Stands at the left of a sequence that is shorter than its batch is wide: there is no token.
NO_TOKEN: Final = -1
# In place of a mask token: an autoregressive model has none. It is a judge, never a denoiser.
NO_MASK: Final = -1


@runtime_checkable
class Denoiser(Protocol):
    """A masked diffusion model, or an exact law, seen as an oracle of conditional marginals.

    Tokens are integers of shape (B, L) with ``mask_id`` where a position is unknown; queries
    are booleans of the same shape. Sequences of different lengths are filled up at the left with
    ``NO_TOKEN``. Rows come back in row-major order of the queries, on the
    device of the model. The mask token has probability 0 in every row.

    Attributes:
        vocab_size: Width V of the distributions.
        mask_id: Token that stands for an unknown position.
        eos_id: Token that ends a text, or None.
        bos_id: Token that must stand first, because no row scores position 0; None elsewhere.
        shift: 1 where no row scores position 0, else 0.
        max_length: Longest sequence L, or None where any will do.
        fixed_length: Whether only sequences of exactly ``max_length`` are in distribution.
        device: Where tokens go and rows come from.
        tokenizer: Turns text into tokens and back, or None.
        provenance: What a file says of the model: name, weights_sha256, dtype, device, mask_id.
    """

    vocab_size: int
    mask_id: int
    eos_id: int | None
    bos_id: int | None
    shift: int
    max_length: int | None
    fixed_length: bool
    device: torch.device
    tokenizer: Tokenizer | None
    provenance: Mapping[str, str | int]

    def logits(self, tokens: Tensor) -> Tensor:
        """Logits of every position, shape (B, L, V), row i scoring position i."""
        ...

    def log_probs(self, tokens: Tensor, queries: Tensor) -> Tensor:
        """Log-probabilities of the R queried positions, shape (R, V), nats."""
        ...

    def score(self, tokens: Tensor, queries: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """NLL of the targets and predictive entropy at the queries, each shape (R,), nats."""
        ...


def start_of_text(denoiser: Denoiser) -> list[int]:
    """What stands before a text that has no context: nothing, or the token that must stand first.

    Raises:
        UsageError: A token must, and the model has none.
    """
    if denoiser.bos_id is not None:
        return [denoiser.bos_id]
    if denoiser.shift:
        raise UsageError(
            "no row of this model scores the first token of a text, and no bos_token_id says "
            "what to begin with",
            hint="name bos_token_id in config.json (bos_id= in Python); a sample may begin with a "
            "--prompt instead",
        )
    return []


def log_softmax_without(logits: Tensor, mask_id: int) -> Tensor:
    """Log-softmax with the mask token excluded, never below float32, and nothing waits for it.

    Args:
        logits: Shape (R, V).
        mask_id: The token that gets probability 0.

    Returns:
        Shape (R, V), nats. A row that holds NaN, or infinity other than -inf, is NaN everywhere.
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    nothing = torch.full_like(logits[:, 0], -torch.inf)
    return torch.log_softmax(torch.select_scatter(logits, nothing, -1, mask_id), dim=-1)


def normalise(logits: Tensor, mask_id: int) -> Tensor:
    """``log_softmax_without``, and a look at what came out.

    Raises:
        InputError: A row holds NaN, or infinity other than -inf.
    """
    log_probs = log_softmax_without(logits, mask_id)
    if bool(torch.isnan(log_probs).any()):
        row = int(torch.isnan(log_probs).any(dim=-1).nonzero()[0, 0])
        raise no_distribution(row, len(logits))
    return log_probs


def no_distribution(row: int, rows: int) -> InputError:
    """What to raise where a row of logits is no distribution."""
    return InputError(
        f"the model returned NaN or infinite logits (row {row} of {rows})",
        hint="check the checkpoint, or load it with a wider dtype such as float32; a function of "
        "your own must return finite logits, or -inf for what cannot be",
    )


def reduce_scores(log_probs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """NLL of each target and entropy of each row.

    Args:
        log_probs: Shape (R, V), nats.
        targets: Shape (R,), token ids.

    Returns:
        Two tensors of shape (R,), nats. A target of probability 0 has infinite NLL.
    """
    nll = -log_probs.gather(-1, targets[:, None]).squeeze(-1)
    entropy = torch.special.entr(log_probs.exp()).sum(dim=-1)
    return nll, entropy
