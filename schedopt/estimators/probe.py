"""Forward passes that score the rest of a block when a prefix of an order is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from schedopt.clusters import mean_over_documents
from schedopt.data import Windows
from schedopt.errors import InputError, UsageError
from schedopt.models.denoiser import Denoiser
from schedopt.running import LOCAL, Arrays, Progress, Runner, even_batch, fingerprint

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Tokens of one unit of work. So many keep a GPU busy for a second of an 8B model and for tens of
# milliseconds of a small one; they are the same for every number of processes, as a batch may
# change the last bits of a score.
UNIT_TOKENS: Final = 2**15


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


def probe(
    denoiser: Denoiser,
    windows: Windows,
    probes: Probes,
    *,
    batch: int | None = None,
    progress: Progress | None = None,
    runner: Runner = LOCAL,
) -> Scores:
    """Make the passes: context, earlier blocks and the known prefix true, the rest masked.

    Args:
        denoiser: The model.
        windows: The text; what it has no tokens for (-1) the model is told so.
        probes: The passes.
        batch: Passes of one unit of work; it does not change the result beyond rounding. By
            default, units are even and of at most ``UNIT_TOKENS`` tokens.
        progress: Called with the number of passes done, their total, and the standard error over
            documents of their mean NLL, nats a token.
        runner: Shares and journals the units.

    Returns:
        Scores of every masked position of each pass's block.

    Raises:
        UsageError: The batch is below 1.
        InputError: The model gives a true token probability 0, so that no mean exists.
    """
    count, n = probes.order.shape
    if batch is None:
        batch = even_batch(count, UNIT_TOKENS // windows.tokens.shape[1])
    if batch < 1:
        raise UsageError(f"need batch >= 1, got {batch}")
    parts = [slice(low, min(low + batch, count)) for low in range(0, count, batch)]
    known = np.arange(n) < probes.known[:, None]
    tally = _Tally(windows.documents[probes.window], progress)

    def compute(unit: int) -> Arrays:
        nll, entropy = _pass(denoiser, windows, probes, parts[unit])
        if np.isinf(nll).any():
            # The i-th score belongs to the i-th position of the unit that is not known.
            pass_, index = np.argwhere(~known[parts[unit]])[np.flatnonzero(np.isinf(nll))[0]]
            pass_ += parts[unit].start
            raise InputError(
                f"the model gives the true token of window {probes.window[pass_]} at block "
                f"position {probes.order[pass_, index]} probability 0: its loss is infinite",
                hint="give text that the model can produce, or check the mask id",
            )
        return nll, entropy

    def told(unit: int, scores: Arrays) -> None:
        rows = parts[unit]
        tally.add(rows, scores[0], np.count_nonzero(~known[rows], axis=1))

    nll, entropy = np.full((count, n), np.nan), np.full((count, n), np.nan)
    inputs = (windows.tokens.cpu().numpy(), probes.window, probes.block, probes.order, probes.known)
    units = runner.map(f"probe {fingerprint(*inputs)}", len(parts), compute, told)
    for rows, scores in zip(parts, units, strict=True):
        for out, values in zip((nll, entropy), scores, strict=True):
            out[rows][~known[rows]] = values
    return Scores(nll, entropy)


def _pass(denoiser: Denoiser, windows: Windows, probes: Probes, rows: slice) -> tuple[Floats, ...]:
    """NLL and entropy of what is not known in these passes, in the order of ``probes.order``."""
    n = probes.order.shape[1]
    tokens = windows.tokens[torch.from_numpy(probes.window[rows])]  # (b, L)
    start = windows.context + probes.block[rows, None] * n
    order = start + probes.order[rows]  # (b, n) window positions
    hidden = np.arange(n) >= probes.known[rows, None]
    queries = np.zeros(tuple(tokens.shape), dtype=np.bool_)
    np.put_along_axis(queries, order, hidden, axis=1)
    masked = queries | (np.arange(queries.shape[1]) >= start + n)  # later blocks are to come
    asked = torch.from_numpy(queries)
    given = tokens.masked_fill(torch.from_numpy(masked), denoiser.mask_id)
    scores = denoiser.score(given, asked, tokens)
    # Scores come in the order of the window's positions.
    place = np.cumsum(queries).reshape(queries.shape) - 1
    ordered = np.take_along_axis(place, order, axis=1)[hidden]
    return tuple(values.cpu().numpy()[ordered] for values in scores)


class _Tally:
    """How many passes are done, and how well their mean is known."""

    def __init__(self, documents: Ints, progress: Progress | None) -> None:
        self._documents, self._progress = documents, progress
        self._means = np.empty(len(documents))

    def add(self, rows: slice, nll: Floats, sizes: Ints) -> None:
        """These passes are done, with so many scores each."""
        if self._progress is None:
            return
        starts = np.cumsum(sizes) - sizes  # each pass has a score
        self._means[rows] = np.add.reduceat(nll.astype(np.float64), starts) / sizes
        done = self._documents[: rows.stop]
        spread = None
        if done.min() < done.max():
            spread = mean_over_documents(self._means[: rows.stop], done).stderr
        self._progress(rows.stop, len(self._documents), spread)
