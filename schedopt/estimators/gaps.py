r"""A model of every order at once: what a position costs, given what is known around it.

.. math:: f(i \mid S) = g - \sum_k w_k \phi_k(i, S), \qquad w_k \ge 0,

with the features of ``gap_features``, which grow with the known set S, so that knowing more never
costs more. Every stationary chain of order 1 with up to 32 positions is exactly of this form.

It is fitted to differences between passes over the same text with different masks, within
each position of each text, so that what makes one token harder than another cancels.

References:
    theory, sections 5 (surfaces) and 11.2 (chains).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schedopt.data import Windows, check_tokens, generator
from schedopt.errors import UsageError
from schedopt.estimators.gap_features import FeatureTables, features
from schedopt.estimators.nonnegative import nonnegative
from schedopt.estimators.probe import Probes, probe
from schedopt.models.denoiser import Denoiser
from schedopt.running import LOCAL, Progress, Runner
from schedopt.solvers.blocks import blocks_of
from schedopt.solvers.orders import BASES, LEAST_BLOCK
from theory.orders import pipelined_order

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

CHUNK: Final = 2**14  # rows of features held at once
LOOKUPS: Final = 2**20  # predictions made at once
MASKS_PER_UNIT: Final = 8  # a unit is one block of one window


@dataclass(frozen=True, eq=False)
class GapModel:
    """Predicted conditional entropy of any position given any known set.

    Args:
        length: Positions n of the block, >= 1.
        has_context: Whether known tokens stand before it.
        level: g, nats: what a position costs when nothing is known.
        weights: Shape (K,), nats, >= 0, one for each of the ``features`` of n positions.

    Raises:
        UsageError: The length is below 1, there are not K weights, or one is negative or not
            finite.

    Example:
        >>> model = GapModel(2, False, 1.0, np.zeros(12))
        >>> model.conditional_entropies(np.array([[False, False], [True, False]]))
        array([[1., 1.],
               [0., 1.]])
    """

    length: int
    has_context: bool
    level: float
    weights: Floats

    def __post_init__(self) -> None:
        if self.length < 1:
            raise UsageError(f"length: need a whole number >= 1, got {self.length}")
        nothing = np.zeros((1, self.length), dtype=bool)
        count = features(nothing, ~nothing, has_context=False).shape[1]
        if self.weights.shape != (count,):
            raise UsageError(
                f"weights: need shape ({count},) for {self.length} positions, "
                f"got {self.weights.shape}"
            )
        if not np.isfinite(self.level) or not (self.weights >= 0.0).all():
            raise UsageError(
                f"need a finite level and weights >= 0, got {self.level} and weights of "
                f"{self.weights.min()} to {self.weights.max()}"
            )

    def conditional_entropies(self, known: Bools, queried: Bools | None = None) -> Floats:
        """f(i | S) for each known set S, shape (M, n), nats; 0 where known or not asked.

        Args:
            known: Shape (M, n).
            queried: Shape (M, n), or None for all that is not known.

        Raises:
            UsageError: The known sets are of another length, or the shapes differ.
        """
        if known.ndim != 2 or known.shape[1] != self.length:
            raise UsageError(f"known: need shape (M, {self.length}), got {known.shape}")
        if queried is not None and queried.shape != known.shape:
            raise UsageError(f"queried: need shape {known.shape}, got {queried.shape}")
        asked = ~known if queried is None else queried & ~known
        found = np.zeros(known.shape)
        rows = max(1, LOOKUPS // self.length)
        for low in range(0, len(known), rows):
            part = slice(low, low + rows)
            told = self._tables.told(known[part], asked[part], self.has_context)
            found[part][asked[part]] = np.maximum(self.level - told, 0.0)
        return found

    @cached_property
    def _tables(self) -> FeatureTables:
        return FeatureTables(self.length, self.weights)


@dataclass(frozen=True, eq=False)
class GapSums:
    """What passes tell about the weights; sums add where passes do.

    Args:
        gram: Shape (K, K), of the features less their means within a position of a unit.
        moment: Shape (K,), of these and the scores, with the sign turned: the more is known, the
            less a position costs.
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
        """The model of least squared error, levelled on all scores.

        Args:
            length: Positions n of the passes.
            has_context: Of what the model is to predict, as in ``GapModel``.

        Raises:
            UsageError: The sums are of another length.
        """
        weights = nonnegative(self.gram, self.moment)
        level = (self.score + float(self.told @ weights)) / self.scores
        return GapModel(length, has_context, level, weights)


def collect(known: Bools, scores: Floats, unit: Ints, *, has_context: bool | Bools) -> GapSums:
    """Gather the sums of passes, within each position of each unit.

    Args:
        known: Shape (P, n), what each pass knew; never all of it.
        scores: Shape (P, n), nats, by position; not read where known.
        unit: Shape (P,), >= 0; passes of one unit saw the same text.
        has_context: Whether the positions before the block were known; shape (P,) where that
            differs.

    Raises:
        UsageError: There are no passes, the shapes differ, a pass knew all, or a score is not
            finite.
    """
    if known.ndim != 2 or known.shape != scores.shape or unit.shape != known.shape[:1]:
        raise UsageError(
            f"need known and scores of one shape (P, n) and P units, got {known.shape}, "
            f"{scores.shape} and {unit.shape}"
        )
    if len(known) == 0:
        raise UsageError("a gap model needs passes, got none")
    if known.all(axis=1).any():
        raise UsageError(f"pass {known.all(axis=1).argmax()} knew all positions: it has no scores")
    if not np.isfinite(scores[~known]).all():
        raise UsageError("scores: need finite nats wherever a position is not known")
    count, n = known.shape
    context = np.broadcast_to(np.asarray(has_context, dtype=bool), (count,))
    ranked = np.argsort(unit, kind="stable")
    units = np.split(ranked, np.flatnonzero(np.diff(unit[ranked])) + 1)
    return reduce(
        add,
        (
            _collect(known[rows], scores[rows], unit[rows], context[rows])
            for rows in _packed(units, max(1, CHUNK // n))
        ),
    )


def _collect(known: Bools, scores: Floats, unit: Ints, context: Bools) -> GapSums:
    asked = ~known
    x, y = features(known, asked, has_context=context), scores[asked]
    told, score = x.sum(axis=0), float(y.sum())
    row, position = np.nonzero(asked)
    group = unit[row] * known.shape[1] + position
    ranked = np.argsort(group, kind="stable")
    x, y, group = x[ranked], y[ranked], group[ranked]
    first = np.concatenate([[0], np.flatnonzero(np.diff(group)) + 1])
    sizes = np.diff(np.append(first, len(y)))
    x -= np.repeat(np.add.reduceat(x, first, axis=0) / sizes[:, None], sizes, axis=0)
    y -= np.repeat(np.add.reduceat(y, first) / sizes, sizes)
    return GapSums(x.T @ x, -(x.T @ y), told, score, len(y))


def _packed(units: list[Ints], most: int) -> list[Ints]:
    """Whole units joined into chunks of about so many passes."""
    chunks: list[list[Ints]] = [[]]
    held = 0
    for rows in units:
        if held and held + len(rows) > most:
            chunks.append([])
            held = 0
        chunks[-1].append(rows)
        held += len(rows)
    return [np.concatenate(chunk) for chunk in chunks]


def varied_orders(n: int, count: int, rng: np.random.Generator) -> Ints:
    """Random orders from regular to irregular, and from parallel to one block after another.

    Pipelined dilated orders of a random block, lag and base, whose times are blurred by a random
    amount: a quarter not at all, the widest blur beyond recognition.

    Args:
        n: Positions, >= 1.
        count: How many orders.
        rng: Draws them.

    Returns:
        Shape (count, n), a permutation of 0..n-1 in each row.

    Example:
        >>> np.sort(varied_orders(4, 2, np.random.default_rng(0)), axis=1)
        array([[0, 1, 2, 3],
               [0, 1, 2, 3]])
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


def probe_gaps(
    denoiser: Denoiser,
    windows: Windows,
    *,
    orders: Ints,
    known: Ints,
    block_length: int | None = None,
    seed: int = 0,
    batch: int | None = None,
    progress: Progress | None = None,
    runner: Runner = LOCAL,
) -> GapSums:
    """Make passes with prefixes of given orders, several to each block of each window.

    Args:
        denoiser: The model.
        windows: The text.
        orders: Shape (P, n), the order of each pass.
        known: Shape (P,), how much of it is known, 0..n-1. Passes over one text must differ in
            their known sets to tell anything: they are dealt out so that their counts do, as far
            as there are different ones.
        block_length: n; the windows' length by default.
        seed: Of the choice of windows.
        batch: As ``probe``.
        progress: As ``probe``.
        runner: As ``probe``.

    Raises:
        UsageError: A block length that does not divide the windows, no passes, orders that are no
            permutations of n positions, or known counts out of range.
        InputError: A token outside the vocabulary, or a true token of probability 0.
    """
    n = windows.length if block_length is None else block_length
    blocks = blocks_of(windows.length, n)
    check_tokens(windows, denoiser)
    passes = len(known)
    if passes == 0 or known.ndim != 1 or orders.shape != (passes, n):
        raise UsageError(
            f"need an order of {n} positions and a known count for each pass, at least one, "
            f"got shapes {orders.shape} and {known.shape}"
        )
    if (np.sort(orders, axis=1) != np.arange(n)).any():
        raise UsageError(f"orders: need a permutation of 0..{n - 1} in each row")
    if known.min() < 0 or known.max() >= n:
        raise UsageError(f"known: need 0..{n - 1}, got {known.min()}..{known.max()}")
    rng = generator(seed, n, passes)
    units, texts = -(-passes // MASKS_PER_UNIT), len(windows) * blocks
    shuffled = np.concatenate([rng.permutation(texts) for _ in range(-(-units // texts))])
    unit = np.empty(passes, dtype=np.int64)
    unit[np.argsort(known, kind="stable")] = np.arange(passes) % units
    window, block = np.divmod(shuffled[unit], blocks)
    probes = Probes(window, block, orders, known)
    scores = probe(denoiser, windows, probes, batch=batch, progress=progress, runner=runner).nll
    by_position = np.empty_like(scores)
    np.put_along_axis(by_position, orders, scores, axis=1)
    context = (block > 0) | (windows.context > 0)
    return collect(np.isnan(by_position), by_position, unit, has_context=context)


def estimate_gaps(
    denoiser: Denoiser,
    windows: Windows,
    *,
    block_length: int | None = None,
    passes: int,
    seed: int = 0,
    batch: int | None = None,
    progress: Progress | None = None,
    runner: Runner = LOCAL,
) -> GapModel:
    """Fit the gap model to one set of passes with random masks.

    Args:
        denoiser: The model.
        windows: The text.
        block_length: Positions of one block; the windows' length by default.
        passes: Forward passes to spend, at least 16.
        seed: Of all draws.
        batch: As ``probe``.
        progress: As ``probe``.
        runner: As ``probe``.

    Returns:
        A model with a context where the windows have one, or several blocks.

    Raises:
        UsageError: Fewer passes, or a block length that does not divide the windows.
        InputError: A token outside the vocabulary, or a true token of probability 0.

    References:
        theory, section 5, for what its surfaces are used for.

    Example:
        >>> from schedopt.models import LawDenoiser
        >>> law = LawDenoiser([[0.5, 0.0], [0.0, 0.5]])
        >>> windows = Windows.independent(law.draw(100, np.random.default_rng(0)))
        >>> model = estimate_gaps(law, windows, passes=100)
        >>> (model.conditional_entropies(np.array([[False, False], [True, False]])).round(2) + 0.0)
        array([[0.69, 0.69],
               [0.  , 0.  ]])
    """
    n = windows.length if block_length is None else block_length
    blocks = blocks_of(windows.length, n)
    if passes < 2 * MASKS_PER_UNIT:
        raise UsageError(f"passes: a gap model needs at least {2 * MASKS_PER_UNIT}, got {passes}")
    rng = generator(seed, n, passes, 1)
    sums = probe_gaps(
        denoiser,
        windows,
        orders=varied_orders(n, passes, rng),
        # Every share of known positions comes up as often.
        known=((np.arange(passes) + rng.random()) * n / passes).astype(np.int64),
        block_length=block_length,
        seed=seed,
        batch=batch,
        progress=progress,
        runner=runner,
    )
    return sums.solve(n, has_context=windows.context > 0 or blocks > 1)
