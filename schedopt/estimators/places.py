"""Where passes fall: on which window, which block of it, and so on which document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schedopt.data import Windows
from schedopt.errors import InputError, UsageError
from schedopt.estimators.probe import Probes, Scores
from schedopt.running import Progress

Ints = NDArray[np.int64]
Ask = Callable[[Probes, Progress | None], Scores]  # makes passes and tells of their progress


@dataclass(frozen=True, eq=False)
class Places:
    """One place each, all of shape (U,).

    Args:
        window: Index of the window.
        block: Index of the block from the left, after the context.
        document: Index of the window's document, 0..D-1, D >= 2.
    """

    window: Ints
    block: Ints
    document: Ints

    @property
    def documents(self) -> int:
        """D."""
        return int(self.document.max()) + 1


def draw_places(
    windows: Windows, blocks: int, block: int | None, count: int, rng: np.random.Generator
) -> Places:
    """Places in random order, all windows equally often up to one, and so all blocks.

    Args:
        windows: The text.
        blocks: How many blocks a window has.
        block: The only block to be measured, or None for all.
        count: U.
        rng: Of the draws.

    Raises:
        UsageError: There is no such block.
        InputError: All fall on one document.
    """
    if block is not None and not 0 <= block < blocks:
        raise UsageError(f"block: need one of 0..{blocks - 1}, got {block}")
    window = _cycle(count, len(windows), rng)
    names, document = np.unique(windows.documents[window], return_inverse=True)
    if len(names) < 2:
        raise InputError(
            "all passes fall on one document: a standard error needs two",
            hint="give more text, a .jsonl file with several records, or more passes",
        )
    where = _cycle(count, blocks, rng) if block is None else np.full(count, block)
    return Places(window, where, document)


def _cycle(count: int, size: int, rng: np.random.Generator) -> Ints:
    """Indices below ``size``, each used equally often up to one, in random order."""
    return np.concatenate([rng.permutation(size) for _ in range(-(-count // size))])[:count]
