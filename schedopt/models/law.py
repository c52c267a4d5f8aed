"""An exact law as a denoiser, so that everything can be tested against the truth."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from schedopt.errors import InputError, UsageError
from schedopt.models.denoiser import reduce_scores
from schedopt.models.tokenizer import Tokenizer
from theory.distributions import Law, TableLaw


class LawDenoiser:
    """Exact conditional marginals of a law, in float64.

    The symbols are 0..q-1 and the mask token is q. Evidence of probability 0 gets uniform
    conditionals, the convention of the oracle of Chen, Cong, Li. Laws of the theory have no limit
    on their length; a table is asked as it is, and must fit in memory.

    Args:
        law: A law, or joint probabilities of shape (q,) * n.
        name: Named in files.

    Raises:
        InputError: The axes of the table differ, or an entry is negative, or they do not sum to
            one, or it is too large.

    Example:
        >>> parity = LawDenoiser([[0.5, 0.0], [0.0, 0.5]])
        >>> parity.log_probs(torch.tensor([[1, 2]]), torch.tensor([[False, True]])).exp()
        tensor([[0., 1., 0.]], dtype=torch.float64)
    """

    fixed_length = True
    shift = 0

    def __init__(self, law: Law | ArrayLike, *, name: str = "table") -> None:
        try:
            self.law = law if isinstance(law, Law) else TableLaw(np.asarray(law))
        except ValueError as error:
            raise InputError(f"table: {error}") from None
        self.length, self.symbols = self.law.n, self.law.q
        self.mask_id = self.symbols
        self.vocab_size = self.symbols + 1
        self.eos_id: int | None = None
        self.bos_id: int | None = None
        self.max_length: int | None = self.length
        self.device = torch.device("cpu")
        self.tokenizer: Tokenizer | None = None
        self.provenance: Mapping[str, str | int] = {"name": name, "mask_id": self.mask_id}

    @property
    def table(self) -> NDArray[np.float64]:
        """Joint probabilities, shape (q,) * n, read-only.

        Raises:
            ValueError: The table would be too large.
        """
        return self.law.table()

    @cached_property
    def outcomes(self) -> Tensor:
        """Outcomes of positive probability, shape (N, n); ValueError where no table fits."""
        return torch.from_numpy(np.argwhere(self.table > 0.0))

    @cached_property
    def probabilities(self) -> Tensor:
        """Probability of each outcome, shape (N,); ValueError where no table fits."""
        return torch.from_numpy(self.table[self.table > 0.0])

    def draw(self, count: int, rng: np.random.Generator) -> Tensor:
        """Independent samples of the law, shape (count, n)."""
        return torch.from_numpy(self.law.draw(count, rng))

    def logits(self, tokens: Tensor) -> Tensor:
        """Log-probabilities of every position, shape (B, L, q + 1); the mask has -inf."""
        try:
            marginals = self.law.conditional_marginals(tokens.numpy())
        except ValueError as error:
            raise UsageError(str(error)) from None
        return torch.nn.functional.pad(torch.from_numpy(marginals), (0, 1)).log()

    def log_probs(self, tokens: Tensor, queries: Tensor) -> Tensor:
        """Log-probabilities of the R queried positions, shape (R, q + 1), nats."""
        return self.logits(tokens)[queries]

    def score(self, tokens: Tensor, queries: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """NLL of the targets and entropy of the conditionals at the queries, each (R,), nats."""
        return reduce_scores(self.log_probs(tokens, queries), targets[queries])
