"""What a policy may look at before a pass: the active block of each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from schedopt.errors import UsageError

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# An exact law ties often, and sums in another order split its ties by 1e-16. Rounding puts them
# back, so that the position breaks them; it is far below the noise of a network.
TIE_DECIMALS: Final = 12


def _max_probability(log_probs: Tensor) -> Tensor:
    return log_probs.amax(dim=-1).double().exp()


def _negative_entropy(log_probs: Tensor) -> Tensor:
    entropy: Tensor = torch.special.entr(log_probs.exp()).sum(dim=-1)
    return -entropy.double()


def _margin(log_probs: Tensor) -> Tensor:
    top: Tensor = log_probs.topk(2, dim=-1).values.double().exp()
    return top[:, 0] - top[:, 1]


# How sure the model is of a position; larger is surer.
SCORES: Final[Mapping[str, Callable[[Tensor], Tensor]]] = {
    "confidence": _max_probability,
    "entropy": _negative_entropy,
    "margin": _margin,
}


class ActiveBlocks:
    """The first block with a masked position, of each row that has one.

    A policy that needs no probabilities costs no head: the forward pass is made when scores are
    asked for, and otherwise only once the positions to be revealed are known.

    Args:
        rows: Shape (R,), index of each such row in its batch.
        blocks: Shape (R,), index of the active block, counted from the left.
        masked: Shape (R, B), which positions of that block are masked.
        query: Log-probabilities of positions given as a mask like ``masked``, shape (number of
            positions, V), in row-major order, each row's by the model whose index is given,
            shape (R,); one forward pass of each row.
    """

    def __init__(
        self,
        rows: Integers,
        blocks: Integers,
        masked: Bools,
        query: Callable[[Bools, Integers], Tensor],
    ) -> None:
        self.rows = rows
        self.blocks = blocks
        self.masked = masked
        self.models: Integers = np.zeros(len(rows), dtype=np.int64)
        self._query = query
        self._log_probs: Tensor | None = None  # of all masked positions
        self._scores: dict[str, Floats] = {}

    def use(self, models: Integers) -> None:
        """Name the model of each row's pass, before anything is asked of it.

        Args:
            models: Shape (R,), indices >= 0; the model 0 where nothing is named.

        Raises:
            UsageError: The pass is made already.
        """
        if self._log_probs is not None:
            raise UsageError(
                f"models {models.tolist()}: the pass is made already",
                hint="a policy calls `use` before it asks for scores or distributions",
            )
        self.models = models

    def distributions(self) -> Tensor:
        """Log-probabilities of all masked positions, row by row, shape (masked, V), nats."""
        if self._log_probs is None:
            self._log_probs = self._query(self.masked, self.models)
        return self._log_probs

    def scores(self, name: str) -> Floats:
        """How sure the untempered model is of each masked position; -inf at known ones.

        Args:
            name: ``confidence`` (largest probability), ``entropy`` (its negative, nats) or
                ``margin`` (largest less second largest probability).

        Returns:
            Shape (R, B), read-only; larger is surer.
        """
        if name not in self._scores:
            scores = np.full(self.masked.shape, -np.inf)
            found = SCORES[name](self.distributions()).cpu().numpy()
            scores[self.masked] = found.round(TIE_DECIMALS)
            scores.flags.writeable = False
            self._scores[name] = scores
        return self._scores[name]

    def log_probs(self, chosen: Bools) -> Tensor:
        """Log-probabilities of the chosen positions, shape (number chosen, V), nats."""
        if self._log_probs is None:
            return self._query(chosen, self.models)
        picks = torch.from_numpy(np.flatnonzero(chosen[self.masked]))
        return self._log_probs.index_select(0, picks.to(self._log_probs.device))
