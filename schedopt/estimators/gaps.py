r"""A model of every order at once: what a position costs, given what is known around it.

.. math:: f(i \mid S) = g - \sum_k w_k \phi_k(i, S), \qquad w_k \ge 0,

with the features of ``gap_features``, which grow with the known set S, so that knowing more never
costs more; a stationary chain of order 1 up to 32 positions is exactly of this form.

It is fitted to differences between passes over the same text with different masks, within
each position of each text, so that what makes one token harder than another cancels.

References:
    theory, sections 5 (surfaces) and 11.2 (chains).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schedopt.data import Windows, check_tokens, generator
from schedopt.errors import UsageError
from schedopt.estimators.gap_features import features
from schedopt.estimators.nonnegative import nonnegative
from schedopt.estimators.probe import BATCH, Probes, Progress, blocks_of, probe
from schedopt.models.denoiser import Denoiser
from theory.orders import pipelined_order

Floats = NDArray[np.float64]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

CHUNK: Final = 2**14  # rows of features held at once
BASES: Final = (2, 3, 4)
LEAST_BLOCK: Final = 8
MASKS_PER_UNIT: Final = 8  # a unit is one block of one window


@dataclass(frozen=True, eq=False)
class GapModel:
    """Predicted conditional entropy of any position given any known set.

    Args:
        length: Positions n of the block.
        has_context: Whether known tokens stand before it.
        level: g, nats: what a position costs when nothing in its block is known.
        weights: Shape (K,), nats, >= 0.
    """

    length: int
    has_context: bool
    level: float
    weights: Floats

    def conditional_entropies(self, known: Bools, queried: Bools | None = None) -> Floats:
        """f(i | S) for each known set, shape (M, n), nats; 0 where not asked.

        Args:
            known: Shape (M, n).
            queried: Shape (M, n), or None for all that is not known.
        """
        asked = ~known if queried is None else queried & ~known
        found = np.zeros(known.shape)
        rows = max(1, CHUNK // self.length)
        for low in range(0, len(known), rows):
            part = slice(low, low + rows)
            told = features(known[part], asked[part], has_context=self.has_context) @ self.weights
            found[part][asked[part]] = np.maximum(self.level - told, 0.0)
        return found


def varied_orders(n: int, count: int, rng: np.random.Generator) -> Ints:
    """Random orders from regular to irregular, and from parallel to one block after another.

    Pipelined dilated orders of a random block, lag and base, whose times are blurred by a random
    amount: a quarter not at all, the widest blur beyond recognition.

    Returns:
        Shape (count, n), a permutation of 0..n-1 in each row.
    """
    halvings = [n >> i for i in range(n.bit_length()) if n >> i >= LEAST_BLOCK] or [n]
    orders = np.empty((count, n), dtype=np.int64)
    for row in orders:
        block, base = int(rng.choice(halvings)), int(rng.choice(BASES))
        lag = min(1.0, float(np.exp(rng.uniform(np.log(0.05), np.log(1.5)))))
        blur = 0.0 if rng.random() < 0.25 else float(np.exp(rng.uniform(np.log(0.02), np.log(2.0))))
        regular = pipelined_order(n, block=block, lag=lag, base=base)
        place = np.empty(n)
        place[list(regular)] = np.arange(n) / n
        row[:] = np.argsort(place + blur * rng.random(n), kind="stable")
    return orders


@dataclass(frozen=True, eq=False)
class GapSums:
    """What passes tell about the weights; sums add where passes do.

    Args:
        gram: Shape (K, K).
        moment: Shape (K,): the more is known, the less a position costs.
        told: Shape (K,), sum of the features over all scores.
        score: Sum of the scores, nats.
        scores: Their number.
    """

    gram: Floats
    moment: Floats
    told: Floats
    score: float
    scores: int

    def __add__(self, other: GapSums) -> GapSums:
        """Sums of both sets of passes."""
        return GapSums(
            self.gram + other.gram,
            self.moment + other.moment,
            self.told + other.told,
            self.score + other.score,
            self.scores + other.scores,
        )

    def solve(self, length: int, *, has_context: bool) -> GapModel:
        """The model of least squared error."""
        weights = nonnegative(self.gram, self.moment)
        level = (self.score + float(self.told @ weights)) / self.scores
        return GapModel(length, has_context, level, weights)


def collect(known: Bools, scores: Floats, unit: Ints, *, has_context: bool) -> GapSums:
    """Gather the sums of passes, within each position of each unit.

    Args:
        known: Shape (P, n), what each pass knew.
        scores: Shape (P, n), nats, by position; not read where known.
        unit: Shape (P,), passes of one unit saw the same text.
        has_context: As ``features``.
    """
    n = known.shape[1]
    ranked = np.argsort(unit, kind="stable")
    starts = np.flatnonzero(np.diff(unit[ranked], prepend=unit[ranked[0]] - 1))
    sums: GapSums | None = None
    for rows in _packed(np.split(ranked, starts[1:]), max(1, CHUNK // n)):
        asked = ~known[rows]
        x = features(known[rows], asked, has_context=has_context)
        y = scores[rows][asked]
        group = (np.repeat(unit[rows], asked.sum(axis=1)) * n + np.nonzero(asked)[1]).astype(int)
        told, score = x.sum(axis=0), float(y.sum())
        order = np.argsort(group, kind="stable")
        x, y = x[order], y[order]
        first = np.flatnonzero(np.diff(group[order], prepend=-1))
        sizes = np.diff(np.append(first, len(y)))
        x -= np.repeat(np.add.reduceat(x, first, axis=0) / sizes[:, None], sizes, 0)
        y = y - np.repeat(np.add.reduceat(y, first) / sizes, sizes)
        gram = x.T @ x
        part = GapSums(gram, -(x.T @ y), told, score, len(y))
        sums = part if sums is None else sums + part
    if sums is None:
        raise UsageError("a gap model needs passes, got none")
    return sums


def _packed(units: list[Ints], most: int) -> list[Ints]:
    """Whole units joined into chunks of about so many passes."""
    chunks: list[list[Ints]] = [[]]
    for rows in units:
        if chunks[-1] and sum(len(r) for r in chunks[-1]) + len(rows) > most:
            chunks.append([])
        chunks[-1].append(rows)
    return [np.concatenate(chunk) for chunk in chunks if chunk]


def probe_gaps(
    denoiser: Denoiser,
    windows: Windows,
    *,
    orders: Ints,
    known: Ints,
    block_length: int | None = None,
    seed: int = 0,
    batch: int = BATCH,
    progress: Progress | None = None,
) -> GapSums:
    """Make passes with prefixes of given orders, several to each block of each window.

    Args:
        denoiser: The model.
        windows: The text.
        orders: Shape (P, n), the order of each pass.
        known: Shape (P,), how much of it is known.
        block_length: n; the windows' length by default.
        seed: Of the choice of windows.
        batch: Passes sent at once.
        progress: Called with the number of passes done and their total.
    """
    n = windows.length if block_length is None else block_length
    blocks = blocks_of(windows, n)
    check_tokens(windows, denoiser)
    rng = generator(seed, n, len(known))
    units = -(-len(known) // MASKS_PER_UNIT)
    shuffled = np.concatenate(
        [
            rng.permutation(len(windows) * blocks)
            for _ in range(-(-units // (len(windows) * blocks)))
        ]
    )
    # Passes of one unit are P / units apart, so that their known counts differ.
    place = np.arange(len(known)) % units
    window, block = np.divmod(shuffled[place], blocks)
    scores = probe(
        denoiser,
        windows,
        Probes(window, block, orders, known),
        batch=batch,
        progress=progress,
    ).nll
    by_position = np.empty_like(scores)
    np.put_along_axis(by_position, orders, scores, axis=1)
    return collect(
        np.isnan(by_position), by_position, place, has_context=windows.context > 0 or blocks > 1
    )


def estimate_gaps(
    denoiser: Denoiser,
    windows: Windows,
    *,
    block_length: int | None = None,
    passes: int,
    seed: int = 0,
    batch: int = BATCH,
    progress: Progress | None = None,
) -> GapModel:
    """Fit the gap model to one set of passes with random masks.

    Args:
        denoiser: The model.
        windows: The text.
        block_length: Positions of one block; the windows' length by default.
        passes: Forward passes to spend, at least 16.
        seed: Of all draws.
        batch: Passes sent at once.
        progress: Called with the number of passes done and their total.

    Raises:
        UsageError: Fewer passes, or a block length that does not divide the windows.

    References:
        theory, section 5, for what its surfaces are used for.
    """
    n = windows.length if block_length is None else block_length
    if passes < 2 * MASKS_PER_UNIT:
        raise UsageError(f"passes: a gap model needs at least {2 * MASKS_PER_UNIT}, got {passes}")
    rng = generator(seed, n, passes, 1)
    orders = varied_orders(n, passes, rng)
    # Stratified: every share of known positions comes up as often.
    known = rng.permutation((np.arange(passes) + rng.random()) * n / passes).astype(np.int64)
    sums = probe_gaps(
        denoiser,
        windows,
        orders=orders,
        known=known,
        block_length=block_length,
        seed=seed,
        batch=batch,
        progress=progress,
    )
    return sums.solve(n, has_context=windows.context > 0 or blocks_of(windows, n) > 1)
