"""Planners that choose how many positions to reveal, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schedopt.errors import UsageError
from schedopt.samplers.active import SCORES, ActiveBlocks, Bools
from schedopt.samplers.policies import Chooser, surest


def _check_block_length(length: int) -> None:
    if length < 1:
        raise UsageError(f"block length: need a whole number >= 1, got {length}")


@dataclass(frozen=True)
class EntropyBound:
    r"""EB sampler: the longest run of sure positions whose joint entropy error is bounded.

    Positions are sorted by an error proxy, surest first; the largest prefix U is revealed with

    .. math:: \sum_{l \in U} H_l - \max_{l \in U} H_l \le \gamma,

    which always holds for one position. With gamma = 0 and no certain position it is one a step.

    Args:
        block_length: Positions of one block.
        gamma: Bound on the error of one step, nats, >= 0.
        proxy: ``entropy``, ``confidence`` or ``margin``: sorts the positions.
        label: What tables call it.

    Raises:
        UsageError: An argument out of range.

    References:
        Ben-Hamu et al., EB-Sampler (arXiv:2505.24857), section 3; theory, section 11.6.
    """

    block_length: int
    gamma: float
    proxy: str = "entropy"
    label: str = ""

    def __post_init__(self) -> None:
        _check_block_length(self.block_length)
        if not 0.0 <= self.gamma < np.inf:
            raise UsageError(f"gamma: need a finite number of nats >= 0, got {self.gamma!r}")
        if self.proxy not in SCORES:
            raise UsageError(f"unknown error proxy {self.proxy!r}; one of {', '.join(SCORES)}")
        if not self.label:
            object.__setattr__(self, "label", f"eb:{self.gamma:g}")

    def chooser(self, rows: Sequence[int], blocks: int, seed: int) -> Chooser:
        """Prepare for a batch."""
        return self._choose

    def _choose(self, active: ActiveBlocks) -> Bools:
        scores = active.scores(self.proxy)
        ranking = np.argsort(-scores, axis=1, kind="stable")  # masked positions come first
        entropy = np.where(active.masked, -active.scores("entropy"), 0.0)
        entropy = np.take_along_axis(entropy, ranking, axis=1)
        error = np.cumsum(entropy, axis=1) - np.maximum.accumulate(entropy, axis=1)
        within = (error <= self.gamma) & np.take_along_axis(active.masked, ranking, axis=1)
        # The error never falls as the prefix grows, so those within the bound are a prefix.
        return surest(scores, within.sum(axis=1))


@dataclass(frozen=True)
class ConfidenceThreshold:
    r"""Fast-dLLM: all positions whose largest probability is at least tau, else the surest one.

    Args:
        block_length: Positions of one block.
        tau: Threshold on the largest probability, 0 < tau <= 1.
        label: What tables call it.

    Raises:
        UsageError: An argument out of range.

    References:
        Wu et al., Fast-dLLM (arXiv:2505.22618), confidence-aware parallel decoding.
    """

    block_length: int
    tau: float
    label: str = ""

    def __post_init__(self) -> None:
        _check_block_length(self.block_length)
        if not 0.0 < self.tau <= 1.0:
            raise UsageError(f"tau: need a probability, 0 < tau <= 1, got {self.tau!r}")
        if not self.label:
            object.__setattr__(self, "label", f"threshold:{self.tau:g}")

    def chooser(self, rows: Sequence[int], blocks: int, seed: int) -> Chooser:
        """Prepare for a batch."""
        return self._choose

    def _choose(self, active: ActiveBlocks) -> Bools:
        confidence = active.scores("confidence")
        sure = (confidence >= self.tau).sum(axis=1)
        return surest(confidence, np.maximum(sure, 1))
