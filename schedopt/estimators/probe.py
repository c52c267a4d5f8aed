"""Forward passes that score the rest of a block when a prefix of an order is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from schedopt.data import Windows
from schedopt.errors import InputError, UsageError
from schedopt.models.denoiser import Denoiser

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Progress = Callable[[int, int], None]  # called with the passes done and their total

BATCH: Final = 512


@dataclass(frozen=True, eq=False)
class Probes:
    """Which passes to make: one row each.

    Args:
        window: Shape (P,), index of the window.
        block: Shape (P,), index of the block from the left, after the context.
        order: Shape (P, n), positions of the block in order of revelation.
        known: Shape (P,), how many of them are known; 0 <= known < n.
    """

    window: Ints
    block: Ints
    order: Ints
    known: Ints


@dataclass(frozen=True, eq=False)
class Scores:
    """What the passes saw; entry (p, j) belongs to order index j and is NaN where j is known.

    Args:
        nll: Shape (P, n), nats, of the true token.
        entropy: Shape (P, n), nats, of the model's own conditional.
    """

    nll: Floats
    entropy: Floats


def blocks_of(windows: Windows, block_length: int) -> int:
    """How many blocks of this length the windows have after their context.

    Raises:
        UsageError: The windows are not a whole number of blocks.
    """
    if block_length < 1 or windows.length % block_length:
        raise UsageError(
            f"block length {block_length}: need a divisor of the {windows.length} positions "
            "after the context"
        )
    return windows.length // block_length


def probe(
    denoiser: Denoiser,
    windows: Windows,
    probes: Probes,
    *,
    batch: int = BATCH,
    progress: Progress | None = None,
) -> Scores:
    """Make the passes: context, earlier blocks and the known prefix true, the rest masked.

    Args:
        denoiser: The model.
        windows: The text.
        probes: The passes.
        batch: Passes sent at once; it does not change the result beyond rounding.
        progress: Called with the number of passes done and their total.

    Returns:
        Scores of every masked position of each pass's block.

    Raises:
        UsageError: The batch is below 1.
        InputError: The model gives a true token probability 0, so that no mean exists.
    """
    if batch < 1:
        raise UsageError(f"need batch >= 1, got {batch}")
    count, n = probes.order.shape
    nll = np.full((count, n), np.nan)
    entropy = np.full((count, n), np.nan)
    positions = torch.arange(windows.tokens.shape[1])
    for low in range(0, count, batch):
        rows = slice(low, low + batch)
        start = torch.from_numpy(windows.context + probes.block[rows] * n)
        order = start[:, None] + torch.from_numpy(probes.order[rows])  # (b, n) window positions
        hidden = torch.from_numpy(np.arange(n) >= probes.known[rows, None])
        tokens = windows.tokens[torch.from_numpy(probes.window[rows])]
        masked = positions >= start[:, None] + n  # later blocks are still to come
        queries = torch.zeros_like(masked).scatter_(1, order, hidden)
        scores = denoiser.score(
            torch.where(masked | queries, denoiser.mask_id, tokens), queries, tokens
        )
        for out, values in zip((nll, entropy), scores, strict=True):
            wide = torch.full(queries.shape, torch.nan, dtype=torch.float64)
            wide[queries] = values.to("cpu", torch.float64)
            out[rows] = wide.gather(1, order).numpy()
        if np.isinf(nll[rows]).any():
            pass_, index = (int(i) for i in np.argwhere(np.isinf(nll[rows]))[0])
            raise InputError(
                f"the model gives the true token of window {probes.window[low + pass_]} at block "
                f"position {probes.order[low + pass_, index]} probability 0: its loss is infinite",
                hint="give text that the model can produce, or check the mask id",
            )
        if progress is not None:
            progress(min(low + batch, count), count)
    return Scores(nll, entropy)
