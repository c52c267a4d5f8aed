"""Randomness that belongs to a row, whatever batch the row is in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schedopt.errors import UsageError
from schedopt.schedule import is_whole


def row_generator(seed: int, row: int, *block: int) -> np.random.Generator:
    """Generator of one row, or of one block of it; each is independent of all others.

    Args:
        seed: Of the whole run, >= 0.
        row: Index of the row in the whole run.
        block: Index of the block, for what is drawn anew in each.

    Raises:
        UsageError: The seed is no whole number, or negative.
    """
    if not is_whole(seed) or seed < 0:
        raise UsageError(f"seed: need a whole number >= 0, got {seed!r}", hint="seed=0")
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(row, *block)))


def row_uniforms(seed: int, rows: Sequence[int], length: int) -> NDArray[np.float64]:
    """One number in [0, 1) for each position of each row, shape (rows, length).

    Example:
        >>> alone = row_uniforms(0, [1], 3)
        >>> bool((alone[0] == row_uniforms(0, [0, 1], 5)[1, :3]).all())
        True
    """
    draws = np.empty((len(rows), length))
    for row, own in zip(rows, draws, strict=True):
        own[:] = row_generator(seed, row).random(length)
    return draws
