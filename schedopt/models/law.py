"""An exact law as a denoiser, so that everything can be tested against the truth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from schedopt.errors import InputError, UsageError
from schedopt.models.denoiser import reduce_scores
from schedopt.models.tokenizer import Tokenizer


class LawDenoiser:
    """Exact conditional marginals of a joint table, in float64.

    The symbols are 0..q-1 and the mask token is q. Evidence of probability 0 gets uniform
    conditionals, the convention of the oracle of Chen, Cong, Li.

    Args:
        table: Joint probabilities, shape (q,) * n.
        name: Named in files.

    Raises:
        InputError: The axes differ, or an entry is negative, or they do not sum to one.

    Example:
        >>> parity = LawDenoiser([[0.5, 0.0], [0.0, 0.5]])
        >>> parity.log_probs(torch.tensor([[1, 2]]), torch.tensor([[False, True]])).exp()
        tensor([[0., 1., 0.]], dtype=torch.float64)
    """

    fixed_length = True

    def __init__(self, table: ArrayLike, *, name: str = "table") -> None:
        joint = np.asarray(table, dtype=np.float64)
        if joint.ndim == 0 or len(set(joint.shape)) != 1:
            raise InputError(f"table: need shape (q,) * n, got {joint.shape}")
        if not np.all(joint >= 0.0) or abs(float(joint.sum()) - 1.0) > 1e-9:
            raise InputError(f"table: need probabilities that sum to one, got {joint.sum()}")
        self.length, self.symbols = joint.ndim, joint.shape[0]
        self.table = joint
        support = np.argwhere(joint > 0.0)
        self._outcomes = torch.from_numpy(support)  # (N, n)
        self._weights = torch.from_numpy(joint[joint > 0.0])  # (N,)
        self._onehot = torch.nn.functional.one_hot(self._outcomes, self.symbols).to(torch.float64)
        self.mask_id = self.symbols
        self.vocab_size = self.symbols + 1
        self.eos_id: int | None = None
        self.max_length: int | None = self.length
        self.device = torch.device("cpu")
        self.tokenizer: Tokenizer | None = None
        self.provenance: Mapping[str, str | int] = {"name": name, "mask_id": self.mask_id}

    @property
    def outcomes(self) -> Tensor:
        """Outcomes of positive probability, shape (N, n)."""
        return self._outcomes

    @property
    def probabilities(self) -> Tensor:
        """Probability of each outcome, shape (N,)."""
        return self._weights

    def draw(self, count: int, rng: np.random.Generator) -> Tensor:
        """Independent samples of the law, shape (count, n)."""
        picks = rng.choice(len(self._weights), size=count, p=self._weights.numpy())
        return self._outcomes[torch.from_numpy(picks)]

    def _marginals(self, tokens: Tensor) -> Tensor:
        if tokens.ndim != 2 or tokens.shape[1] != self.length:
            raise UsageError(f"need tokens of shape (B, {self.length}), got {tuple(tokens.shape)}")
        known = (tokens == self.mask_id)[:, None] | (tokens[:, None] == self._outcomes)
        weights = known.all(dim=-1).to(torch.float64) * self._weights  # (B, N)
        sums = torch.einsum("bn,nlq->blq", weights, self._onehot)
        total = sums.sum(dim=-1, keepdim=True)
        return torch.where(total > 0.0, sums / total, 1.0 / self.symbols)  # (B, L, q)

    def logits(self, tokens: Tensor) -> Tensor:
        """Log-probabilities of every position, shape (B, L, q + 1); the mask has -inf."""
        marginals = torch.cat([self._marginals(t) for t in torch.split(tokens, 1024)])
        return torch.nn.functional.pad(marginals, (0, 1)).log()

    def log_probs(self, tokens: Tensor, queries: Tensor) -> Tensor:
        """Log-probabilities of the R queried positions, shape (R, q + 1), nats."""
        return self.logits(tokens)[queries]

    def score(self, tokens: Tensor, queries: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """NLL of the targets and entropy of the conditionals at the queries, each (R,), nats."""
        return reduce_scores(self.log_probs(tokens, queries), targets[queries])
