"""Windows: stretches of tokens, each a context and the positions to be sampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from schedopt.errors import InputError, UsageError
from schedopt.models.denoiser import NO_TOKEN, Denoiser


@dataclass(frozen=True, eq=False)
class Windows:
    """Stretches of text, each a context and equally many positions to be sampled.

    Contexts may differ in length: a shorter one has ``NO_TOKEN`` (-1) at its left, so that what
    is to be sampled begins at the same position in all.

    Args:
        tokens: Shape (N, context + length), token ids without masks; -1 where there is no token.
        documents: Shape (N,), the document each window is cut from; standard errors are
            over documents.
        context: How many leading positions are known to the sampler, or hold no token.

    Raises:
        UsageError: Shapes that do not fit, or a context out of range.
        InputError: No window, or no token where there must be one.
    """

    tokens: Tensor
    documents: NDArray[np.int64]
    context: int

    def __post_init__(self) -> None:
        if self.tokens.ndim != 2 or len(self.tokens) != len(self.documents):
            raise UsageError(
                f"windows: need tokens (N, L) and N documents, got {tuple(self.tokens.shape)} "
                f"and {self.documents.shape}"
            )
        if len(self.tokens) == 0:
            raise InputError("windows: there are none")
        if not 0 <= self.context < self.tokens.shape[1]:
            raise UsageError(
                f"context: need 0 <= context < {self.tokens.shape[1]} tokens, got {self.context}"
            )
        allowed = self.tokens == NO_TOKEN
        allowed[:, self.context :] = False
        allowed = allowed.cummin(dim=1).values  # only while nothing else has come
        wrong = ((self.tokens < 0) & ~allowed).nonzero()
        if len(wrong):
            row, position = wrong[0].tolist()
            raise InputError(
                f"windows: need a token at position {position} of window {row}, got "
                f"{int(self.tokens[row, position])}: {NO_TOKEN} may only stand at the left of "
                "what is known, where a context is shorter than others"
            )

    @classmethod
    def independent(cls, tokens: Tensor) -> Windows:
        """Windows without a context, each a document of its own, such as the draws of a law.

        Example:
            >>> from schedopt.models import LawDenoiser
            >>> law = LawDenoiser([[0.5, 0.0], [0.0, 0.5]])
            >>> Windows.independent(law.draw(100, np.random.default_rng(0))).tokens.shape
            torch.Size([100, 2])
        """
        return cls(tokens, np.arange(len(tokens)), 0)

    @property
    def length(self) -> int:
        """Positions to be sampled, after the context."""
        return int(self.tokens.shape[1]) - self.context

    @property
    def ragged(self) -> bool:
        """Whether contexts differ in length, of which ``context`` is the longest."""
        return bool((self.tokens == NO_TOKEN).any())

    def __len__(self) -> int:
        return int(self.tokens.shape[0])

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> Windows:
        """The windows with these indices, in this order."""
        picks = np.asarray(rows, dtype=np.int64)
        return Windows(self.tokens[torch.from_numpy(picks)], self.documents[picks], self.context)

    def at_most(self, count: int) -> Windows:
        """So many of the windows, spread evenly over the text; all where there are no more.

        Raises:
            UsageError: The count is below 1.
        """
        if count < 1:
            raise UsageError(f"limit: need at least 1 window, got {count}")
        if count >= len(self):
            return self
        return self.take(np.linspace(0, len(self) - 1, count).round().astype(np.int64))

    def split(self, share: float, *, seed: int) -> tuple[Windows, Windows]:
        """Two sets without a common document; the first has about ``share`` of the windows.

        Raises:
            InputError: There is only one document, so that nothing is left for the second set.
            UsageError: The seed is negative.
        """
        names = np.unique(self.documents)
        if len(names) < 2:
            raise InputError(
                f"{len(names)} document: need at least 2 to hold some out",
                hint="give more text, or a .jsonl file with several records",
            )
        shuffled = generator(seed, len(names)).permutation(names)
        sizes = np.array([np.count_nonzero(self.documents == d) for d in shuffled])
        cut = int(np.searchsorted(np.cumsum(sizes), share * len(self))) + 1
        first = np.isin(self.documents, shuffled[: min(cut, len(names) - 1)])
        return self.take(np.flatnonzero(first)), self.take(np.flatnonzero(~first))


def generator(seed: int, *more: int) -> np.random.Generator:
    """Generator of a seed and of what else sets draws apart.

    Raises:
        UsageError: The seed is negative.
    """
    if seed < 0:
        raise UsageError(f"seed: need a whole number >= 0, got {seed}")
    return np.random.default_rng([seed, *more])


def check_tokens(windows: Windows, denoiser: Denoiser) -> None:
    """Refuse windows that are no text of this model.

    Raises:
        InputError: A token is outside the vocabulary, or is the mask token, or contexts differ in
            length where the model takes one length only.
    """
    high = int(windows.tokens.max())
    if high >= denoiser.vocab_size:
        raise InputError(f"windows: need tokens 0..{denoiser.vocab_size - 1}, got {high}")
    if bool((windows.tokens == denoiser.mask_id).any()):
        raise InputError(f"windows: the text holds the mask token {denoiser.mask_id}")
    if denoiser.fixed_length and windows.ragged:
        raise InputError(
            f"windows: contexts differ in length, and this model takes exactly "
            f"{denoiser.max_length} tokens",
            hint="give windows whose contexts are equally long",
        )
