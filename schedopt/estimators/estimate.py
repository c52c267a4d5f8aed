"""Measure a model on text: the information curve, or the surface of one order."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from schedopt.clusters import Measured, mean_by_group, mean_over_documents
from schedopt.curve import InformationCurve, OrderSurface
from schedopt.data import Windows, check_tokens, generator
from schedopt.errors import InputError, UsageError
from schedopt.estimators import influence
from schedopt.estimators.curves import fit_smooth, pass_weights
from schedopt.estimators.probe import BATCH, Probes, Progress, blocks_of, probe
from schedopt.models.denoiser import Denoiser
from schedopt.schedule import Order

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Smoothing = Literal["smooth", "isotonic", "raw"]
SMOOTHINGS: Final = ("smooth", "isotonic", "raw")
BOOTSTRAPS: Final = 100
DEFAULT_PASSES: Final = 2048


@dataclass(frozen=True, eq=False)
class Estimate:
    """A measured curve or surface.

    Args:
        measure: Cross-entropies (NLL of the text), with standard errors over documents.
        entropy_measure: Predictive entropies of the same passes; for a calibrated model the
            two agree, and they give nearly the same schedule.
        calibration_gap: Mean NLL minus predictive entropy over the passes, nats a token.
        smoothing: How the passes became a curve.
        passes: Forward passes of one sequence each.
        documents: How many documents they fell on.
        seconds: Wall time of the passes.
    """

    measure: InformationCurve | OrderSurface
    entropy_measure: InformationCurve | OrderSurface
    calibration_gap: Measured
    smoothing: Smoothing
    passes: int
    documents: int
    seconds: float


def passes_per_window(passes: int, n: int) -> int:
    """How many nested prefixes of one window are measured: sqrt(passes / 2), 4 to 32."""
    return min(n, int(np.clip(np.sqrt(passes / 2), 4, 32)))


def check_effort(smoothing: Smoothing, passes: int, n: int) -> None:
    """Refuse an unknown smoothing, or fewer passes than it needs for n positions.

    Raises:
        UsageError: One of them.
    """
    if smoothing not in SMOOTHINGS:
        raise UsageError(f"unknown smoothing {smoothing!r}; one of {', '.join(SMOOTHINGS)}")
    least = 16 if smoothing == "smooth" else 2 * n
    if passes < least:
        raise UsageError(
            f"passes: {smoothing} estimates of {n} positions need at least {least}, got {passes}"
        )


def estimate(
    denoiser: Denoiser,
    windows: Windows,
    *,
    order: Order,
    block_length: int | None = None,
    passes: int = DEFAULT_PASSES,
    seed: int = 0,
    smoothing: Smoothing = "smooth",
    batch: int = BATCH,
    progress: Progress | None = None,
) -> Estimate:
    """Estimate the information curve (random order) or the surface of a fixed order.

    Inside a block, the context and the earlier blocks are the true text and the later blocks
    are masked, as the sampler will have them; blocks are averaged over.

    Args:
        denoiser: The model.
        windows: The text.
        order: ``random`` for the curve, a fixed order for its surface.
        block_length: Positions of one block; the windows' length by default.
        passes: Forward passes to spend. Random order: each has its own window while these
            last, and its own masked count, stratified. Fixed order: several nested prefixes
            of the same window (``passes_per_window``; all of them for ``raw`` and
            ``isotonic``), since their differences are what a schedule is chosen by.
        seed: Of all draws; the result does not depend on the batch size.
        smoothing: ``smooth`` (few monotone terms; for surfaces the influence model),
            ``isotonic`` (means, made monotone), or ``raw`` (means).
        batch: Passes sent at once.
        progress: Called with the number of passes done and their total.

    Returns:
        The estimate, with standard errors over documents: of the plain means for ``raw`` and
        ``isotonic``, by a bootstrap of documents for ``smooth`` (which knows nothing of the
        bias of its terms).

    Raises:
        UsageError: A planner (its order depends on values, so no curve predicts it), a block
            length that does not divide the windows, too few passes, or a negative seed.
        InputError: The windows are no text of this model, or the passes fall on one document.

    References:
        theory, sections 3.1 and 5: both are linear in what is averaged here.
    """
    n = windows.length if block_length is None else block_length
    blocks = blocks_of(windows, n)
    if order.is_planner:
        raise UsageError(
            f"the order of planner {order.name!r} depends on values, so no curve predicts it",
            hint="measure it with `schedopt evaluate --planner`",
        )
    check_effort(smoothing, passes, n)
    check_tokens(windows, denoiser)
    rng = generator(seed, n, passes)
    if order.name == "random":
        probes, unit = _random_probes(windows, blocks, n, passes, rng), np.arange(passes)
    else:
        nested = passes_per_window(passes, n) if smoothing == "smooth" else n
        probes, unit = _nested_probes(windows, blocks, order, n, passes // nested, nested, rng)
    names, document = np.unique(windows.documents[probes.window], return_inverse=True)
    if len(names) < 2:
        raise InputError(
            f"all {len(probes.known)} passes fall on one document: a standard error needs two",
            hint="give more text, a .jsonl file with several records, or more passes",
        )
    started = time.monotonic()
    scores = probe(denoiser, windows, probes, batch=batch, progress=progress)
    seconds = time.monotonic() - started
    measures: list[InformationCurve | OrderSurface] = []
    for values in (scores.nll, scores.entropy):
        if order.name == "random":
            measures.append(_curve(values, probes.known, document, n, smoothing, rng))
        else:
            measures.append(_surface(values, probes.known, unit, document, order, smoothing, rng))
    gaps = np.nanmean(scores.nll - scores.entropy, axis=1)
    return Estimate(
        measure=measures[0],
        entropy_measure=measures[1],
        calibration_gap=mean_over_documents(gaps, document),
        smoothing=smoothing,
        passes=len(probes.known),
        documents=len(names),
        seconds=seconds,
    )


def _cycle(count: int, size: int, rng: np.random.Generator) -> Ints:
    """Indices below ``size``, each used equally often up to one, in random order."""
    return np.concatenate([rng.permutation(size) for _ in range(-(-count // size))])[:count]


def _whole(known: Floats, n: int) -> Ints:
    """Numbers in [0, n) rounded down; one that rounding put at n is n - 1."""
    return np.minimum(known.astype(np.int64), n - 1)


def _random_probes(
    windows: Windows, blocks: int, n: int, passes: int, rng: np.random.Generator
) -> Probes:
    strata = (rng.permutation(passes) + rng.random(passes)) / passes
    return Probes(
        window=_cycle(passes, len(windows), rng),
        block=_cycle(passes, blocks, rng),
        order=rng.permuted(np.tile(np.arange(n), (passes, 1)), axis=1),
        known=_whole(strata * n, n),
    )


def _nested_probes(
    windows: Windows,
    blocks: int,
    order: Order,
    n: int,
    units: int,
    nested: int,
    rng: np.random.Generator,
) -> tuple[Probes, Ints]:
    positions = np.asarray(order.permutation_for(n))
    # Stratified: one prefix length in each of ``nested`` equal parts (all of them if nested = n).
    known = _whole((np.arange(nested) + rng.random((units, nested))) * n / nested, n)
    probes = Probes(
        window=np.repeat(_cycle(units, len(windows), rng), nested),
        block=np.repeat(_cycle(units, blocks, rng), nested),
        order=np.tile(positions, (units * nested, 1)),
        known=known.ravel(),
    )
    return probes, np.repeat(np.arange(units), nested)


def _resamplings(documents: int, rng: np.random.Generator) -> Floats:
    """How often each document counts in each bootstrap replicate (Bayesian bootstrap)."""
    return rng.exponential(size=(BOOTSTRAPS, documents))


def _curve(
    values: Floats,
    known: Ints,
    document: Ints,
    n: int,
    smoothing: Smoothing,
    rng: np.random.Generator,
) -> InformationCurve:
    means = np.nanmean(values, axis=1)
    if smoothing == "smooth":
        weights = pass_weights(known, n)
        replicates = [
            fit_smooth(known, means, weights * counts[document], n)
            for counts in _resamplings(int(document.max()) + 1, rng)
        ]
        return InformationCurve(
            fit_smooth(known, means, weights, n), np.std(replicates, axis=0, ddof=1)
        )
    curve, error = mean_by_group(means, known, n, document)
    plain = InformationCurve(curve, _finite(error))
    return plain if smoothing == "raw" else plain.isotonic()


def _surface(
    values: Floats,
    known: Ints,
    unit: Ints,
    document: Ints,
    order: Order,
    smoothing: Smoothing,
    rng: np.random.Generator,
) -> OrderSurface:
    n = values.shape[1]
    if smoothing == "smooth" and n > 1:  # a single position tells no other one anything
        features = influence.cumulative_features(order.permutation_for(n))
        laws = influence.power_laws(order.permutation_for(n))
        statistics = influence.fit_differences(features, values, known, unit, document, laws)

        def surface(counts: Floats) -> Floats:
            coefficients = statistics.solve(counts, laws)
            return influence.assemble(features, coefficients, values, known, counts[document])

        everyone = np.ones(int(document.max()) + 1)
        replicates = [surface(counts) for counts in _resamplings(len(everyone), rng)]
        return OrderSurface(surface(everyone), order, np.std(replicates, axis=0, ddof=1))
    mean, error = np.zeros((n, n)), np.zeros((n, n))
    for j in range(n):
        rows = known <= j
        mean[: j + 1, j], error[: j + 1, j] = mean_by_group(
            values[rows, j], known[rows], j + 1, document[rows]
        )
    if smoothing == "isotonic":
        for j in range(n):
            mean[: j + 1, j] = InformationCurve(mean[: j + 1, j]).isotonic().conditional_entropy
    return OrderSurface(mean, order, _finite(error))


def _finite(error: Floats) -> Floats | None:
    """Standard errors, or None where some entry has a single document and thus none."""
    return error if np.all(np.isfinite(error)) else None
