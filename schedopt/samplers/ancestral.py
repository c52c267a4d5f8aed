"""MDLM's ancestral sampler: each position has its own random step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schedopt.errors import UsageError
from schedopt.samplers.active import ActiveBlocks, Bools
from schedopt.samplers.policies import Chooser
from schedopt.samplers.randomness import row_generator


@dataclass(frozen=True)
class Ancestral:
    """Reveals each position at a step drawn uniformly, independently of all others.

    With log-linear noise, a step from time t to s reveals a masked position with probability
    (t - s) / t. Over k equal steps that is a uniform step for each position, and sizes that are
    binomial. A step that reveals nothing costs no pass.

    Args:
        block_length: Positions of one block.
        steps: k >= 1, the most passes of a block.
        label: What tables call it.

    Raises:
        UsageError: Not 1 <= k <= the block length.

    References:
        Sahoo et al., MDLM (arXiv:2406.07524), the sampler that keeps predictions of unchanged
        input; its last step of time 1e-5 is part of the one before here.

    Example:
        >>> Ancestral(32, 8).foreseen
        True
    """

    block_length: int
    steps: int
    label: str = "ancestral"

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= self.block_length:
            raise UsageError(
                f"ancestral: need 1 <= steps <= the block length {self.block_length}, "
                f"got {self.steps}",
                hint="take a step for each position at most",
            )

    @property
    def models(self) -> int:
        """How many models it calls: one."""
        return 1

    @property
    def foreseen(self) -> bool:
        """Yes: the steps are drawn before the first pass."""
        return True

    def chooser(self, rows: Sequence[int], blocks: int, seed: int) -> Chooser:
        """Prepare for a batch."""
        steps = np.empty((len(rows), blocks, self.block_length), dtype=np.int64)
        for row, own in zip(rows, steps, strict=True):
            for block in range(blocks):
                rng = row_generator(seed, row, block)
                own[block] = rng.integers(self.steps, size=self.block_length)

        def choose(active: ActiveBlocks) -> Bools:
            step = np.where(active.masked, steps[active.rows, active.blocks], self.steps)
            chosen: Bools = step == step.min(axis=1, keepdims=True)
            return chosen

        return choose
