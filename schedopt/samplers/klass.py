"""KLASS: positions whose prediction is confident and no longer changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from schedopt.errors import UsageError
from schedopt.samplers.active import ActiveBlocks, Bools, Floats, Integers
from schedopt.samplers.rules import Ready, need_probability


@dataclass(frozen=True)
class Klass:
    r"""All positions that are confident and stable.

    With :math:`p_i^{(s)}` the prediction at position i in pass s of its block, those are ready with

    .. math:: \max p_i^{(s)} > \tau, \qquad KL(p_i^{(r)} \| p_i^{(r-1)}) < \epsilon
        \text{ for the last } n \text{ passes } r \le s.

    Where none is ready a planner reveals the most confident one, as LLaDA's table with as many
    steps as positions has it, which all published settings use. A position is seen from the
    first pass of its block on, so that none is ready before pass n + 1; the reference looks at
    later blocks, too, and may be ready at their second pass.

    Args:
        tau: Threshold on the largest probability, 0 < tau <= 1.
        epsilon: Bound on the change from pass to pass, nats, > 0.
        history: n >= 1.

    Raises:
        UsageError: An argument out of range.

    References:
        Kim et al., KLASS (arXiv:2511.05664).

    Example:
        >>> from schedopt.models import LawDenoiser
        >>> from schedopt.samplers import Planner, sample
        >>> coins = LawDenoiser(np.full((2, 2, 2, 2), 1 / 16))  # log 2 nats each
        >>> sample(coins, Planner(4, Klass(0.4))).nfe  # nothing ever changes: all in pass n + 1
        (3,)
    """

    tau: float
    epsilon: float = 0.01
    history: int = 2
    ranking: ClassVar[str] = "confidence"

    def __post_init__(self) -> None:
        need_probability("tau", self.tau)
        if not 0.0 < self.epsilon < np.inf:
            raise UsageError(
                f"epsilon: need a finite number of nats > 0, got {self.epsilon!r}",
                hint=f"such as {Klass.epsilon:g}",
            )
        if self.history < 1:
            raise UsageError(
                f"history: need a whole number of passes >= 1, got {self.history}",
                hint=f"such as {Klass.history}",
            )

    def start(self, rows: int) -> Ready:
        """Prepare for a batch."""
        memory = _Memory(rows)
        stable: dict[int, Integers] = {}  # of each row, passes in a row with a change below epsilon

        def ready(active: ActiveBlocks, scores: Floats) -> Bools:
            change = memory.change(active)
            calm = np.zeros(active.masked.shape, dtype=np.int64)
            for own, row, changed in zip(calm, active.rows.tolist(), change, strict=True):
                # A block that has just begun has no change to look at: it is infinite.
                own[:] = np.where(changed < self.epsilon, stable.get(row, own) + 1, 0)
                stable[row] = own
            return (calm >= self.history) & (active.scores("confidence") > self.tau)

        return ready


class _Memory:
    """The predictions of the pass before, and where in them each position stands."""

    def __init__(self, rows: int) -> None:
        self._block = np.full(rows, -1)
        self._index: Integers = np.zeros((rows, 0), dtype=np.int64)
        self._log_probs: Tensor | None = None

    def change(self, active: ActiveBlocks) -> Floats:
        """KL from the pass before to this one, nats, shape (R, B); inf where there was none."""
        log_probs = active.distributions()  # (M, V)
        found = np.full(active.masked.shape, np.inf)
        if self._log_probs is None:
            self._index = np.full((len(self._block), active.masked.shape[1]), -1)
        else:
            index = np.where(active.masked, self._index[active.rows], -1)
            index[self._block[active.rows] != active.blocks] = -1
            seen = index >= 0
            before = self._log_probs[torch.from_numpy(index[seen]).to(log_probs.device)]
            now = log_probs[torch.from_numpy(np.flatnonzero(seen[active.masked])).to(before.device)]
            found[seen] = _divergence(now, before).cpu().numpy()
        self._index[:] = -1
        at = self._index[active.rows]
        at[active.masked] = np.arange(len(log_probs))
        self._index[active.rows] = at
        self._block[active.rows] = active.blocks
        self._log_probs = log_probs
        return found


def _divergence(p: Tensor, q: Tensor) -> Tensor:
    """KL(p || q) of rows of log-probabilities, nats, float64, shape (M,)."""
    ratio = torch.where(p == -torch.inf, 0.0, p - q)  # what p rules out adds nothing
    return (p.exp() * ratio).sum(dim=-1).double()
