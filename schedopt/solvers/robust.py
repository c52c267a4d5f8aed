r"""Schedules that lose least in the worst case over a band of curves, or of surfaces.

A schedule is judged by the largest loss that a falling curve of the band can give it, in closed
form (``theory.bands``). For a curve that is no sum over steps, as one curve serves them all: no
shortest path is exact. Few schedules are compared one with another; among many, the search starts
from the schedules that answer the worst curves so far, and from the one that is best where each
step had a curve of its own. For a surface the worst case is a surface itself, and solved exactly.

References:
    theory, section 10.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, combinations, pairwise
from statistics import NormalDist
from typing import Final, TypeVar

import numpy as np

from schedopt.curve import Floats, InformationCurve, OrderSurface
from schedopt.errors import InputError, UsageError
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.solution import Certificate, Solution, Status
from schedopt.solvers.allocation import allocate
from schedopt.solvers.blocks import check_steps, solve_blocks
from schedopt.solvers.optimal import solve
from schedopt.solvers.paths import checked_steps, rounding_of
from theory.bands import Band, worst_case_kl, worst_curve, worst_surface

Sizes = tuple[int, ...]
Built = TypeVar("Built")

CONFIDENCE: Final = 0.95
FEW_SCHEDULES: Final = 2000  # compared one with another: a fraction of a second
# On 1076 random bands of 9 positions the search came to 1.0001 times the minimum on average and
# 1.07 at most; more rounds raise the bound, 0.77 of it on average, by less than 1 %.
ROUNDS: Final = 32
STARTS: Final = 3
MOST_POSITIONS: Final = 2 * 10**7  # of all schedules that a local search looks at: some seconds
IMPROVEMENT: Final = 1e-12  # of a loss; less is rounding
SURROGATE_LENGTH: Final = 2048  # its matrix takes 32 MiB


def solve_robust(band: Band, *, steps: int) -> Solution:
    r"""The schedule whose worst case over a band of falling curves is least.

    .. math:: \min_{s_1 + \dots + s_k = n} \; \sup_{l \le C \le u} \;
        \sum_t s_t\, C(N_{t-1}) - \sum_j C(j)

    Exact where there are at most 2000 schedules, which is always so for n <= 14. Else a local
    search over boundaries, with the exact worst case, from the best of several starts. Its bound
    is the largest least loss of one curve of the band: no schedule loses less on that curve than
    the best one for it. The two differ by nature, as sizes drawn at random may do better in the
    worst case than any fixed ones.

    Args:
        band: Of n positions.
        steps: Number of steps k, 1 <= k <= n.

    Returns:
        The schedule for the random order, its worst-case loss in nats, and a lower bound on that
        of every other; BOUNDED where they differ. ``sequential`` is that of the curve halfway
        between the bounds.

    Raises:
        UsageError: Steps is not a whole number from 1 to n.
        InputError: Entropies so large that losses overflow.

    References:
        theory, sections 10.1, 10.2 and 7.2.

    Example:
        >>> band = Band([1.9, 1.5, 1.0, 0.7, 0.4], [2.1, 1.9, 1.6, 1.2, 0.9])
        >>> solution = solve_robust(band, steps=3)
        >>> solution.schedule.step_sizes, round(solution.loss, 9), solution.status.name
        ((2, 1, 2), 1.4, 'OPTIMAL')
    """
    n, steps = band.length, checked_steps("steps", steps, 1, band.length)
    rounding = rounding_of(n, float(band.upper[0] - band.lower[-1]))
    count = math.comb(n - 1, steps - 1)
    if count <= FEW_SCHEDULES:
        sizes = min(_compositions(n, steps), key=lambda sizes: worst_case_kl(band, sizes))
        loss = worst_case_kl(band, sizes)
        certificate = Certificate("exhaustive search", loss, f"all {count} schedules compared")
    else:
        starts, bound = _answers(band, steps)
        sizes = min(
            (_improved(band, start) for start in starts),
            key=lambda sizes: worst_case_kl(band, sizes),
        )
        loss = worst_case_kl(band, sizes)
        bound = max(bound, _best_for(band, worst_curve(band, sizes), steps).lower_bound)
        detail = (
            f"on one curve of the band every schedule loses at least {bound:.9g} nats; local "
            f"search from {len(starts)} starts"
        )
        certificate = Certificate("worst curve", min(bound, loss), detail)
    return Solution(
        schedule=UnmaskingSchedule(n, Order("random"), sizes),
        loss=loss,
        sequential=float(band.lower.sum() + band.upper.sum()) / 2.0,
        stderr=None,
        certificate=certificate,
        status=Status.OPTIMAL if loss - certificate.lower_bound <= rounding else Status.BOUNDED,
    )


def solve_uncertain(
    measure: InformationCurve | OrderSurface,
    *,
    steps: int,
    blocks: int = 1,
    confidence: float = CONFIDENCE,
) -> Solution:
    """The schedule whose worst case over the band of a measure's own standard errors is least.

    Args:
        measure: Of one block, with standard errors; shape (n,) or (n, n), nats.
        steps: Forward passes for all blocks together.
        blocks: Number of blocks; their worst cases are added.
        confidence: As ``band_of``.

    Returns:
        The schedule with its worst-case loss and a lower bound on that of every other, nats;
        ``sequential`` is that of the measure itself. On a surface the solution is exact.

    Raises:
        UsageError: Steps that the blocks cannot share, a measure without standard errors, or a
            confidence outside (0, 1).
        InputError: No falling measure lies in the band.

    References:
        theory, section 10.

    Example:
        >>> curve = InformationCurve([2.0, 1.0, 0.5, 0.25], stderr=[0.1, 0.1, 0.1, 0.02])
        >>> solution = solve_uncertain(curve, steps=3)
        >>> solution.schedule.step_sizes, round(solution.loss, 4)
        ((1, 1, 2), 0.5497)
    """
    check_steps(steps, measure.length, blocks)
    if isinstance(measure, OrderSurface):
        worst = worst_surface_of(measure, confidence=confidence)
        found, sequential = solve_blocks(worst, blocks, steps=steps), measure.sequential
    else:
        band = band_of(measure, confidence=confidence)
        found, sequential = _share(band, blocks, steps), measure.entropy
    return replace(found, sequential=sequential * blocks)


def band_of(curve: InformationCurve, *, confidence: float = CONFIDENCE) -> Band:
    r"""The band :math:`C \pm z \cdot stderr` that holds the whole curve with this confidence.

    z is the two-sided normal quantile at :math:`1 - (1 - confidence) / n`, so that by Bonferroni's
    inequality no entry is outside but with the remaining probability, however the errors of the
    entries depend on each other. The band then loses what no falling curve reaches.

    Args:
        curve: With standard errors.
        confidence: Of the whole band, between 0 and 1.

    Raises:
        UsageError: The curve has no standard errors, or confidence is not between 0 and 1.
        InputError: No falling curve lies in the band.

    References:
        theory, section 10.3.

    Example:
        >>> band_of(InformationCurve([2.0, 1.0], stderr=[0.1, 0.1])).upper.round(3)
        array([2.224, 1.224])
    """
    return _in_band(curve, confidence, Band)


def worst_surface_of(surface: OrderSurface, *, confidence: float = CONFIDENCE) -> OrderSurface:
    """The surface whose loss is the worst over a band, as ``band_of`` has it for n (n + 1) / 2.

    Args:
        surface: With standard errors.
        confidence: As ``band_of``.

    Raises:
        UsageError: As ``band_of``.
        InputError: No surface with falling columns lies in the band.

    References:
        theory, section 10.3.

    Example:
        >>> values, errors = [[1.0, 1.0], [0.0, 0.5]], [[0.0, 0.1], [0.0, 0.1]]
        >>> surface = OrderSurface(values, Order("left_to_right"), errors)
        >>> worst_surface_of(surface).conditional_entropy.round(3)
        array([[1.   , 1.239], [0.   , 0.261]])
    """
    return OrderSurface(_in_band(surface, confidence, worst_surface), surface.order)


def _in_band(
    measure: InformationCurve | OrderSurface,
    confidence: float,
    build: Callable[[Floats, Floats], Built],
) -> Built:
    """What is built of the lower and the upper bound of a measure."""
    if not 0.0 < confidence < 1.0:
        raise UsageError(f"need 0 < confidence < 1, got {confidence!r}")
    if measure.stderr is None:
        raise UsageError(
            "the measure has no standard errors, so there is no band around it",
            hint="estimate it from two documents at least: schedopt estimate -o FILE",
        )
    n, values = measure.length, measure.conditional_entropy
    entries = n if values.ndim == 1 else n * (n + 1) // 2
    radius = NormalDist().inv_cdf(1.0 - (1.0 - confidence) / (2 * entries)) * measure.stderr
    try:
        return build(np.maximum(values - radius, 0.0), np.maximum(values + radius, 0.0))
    except ValueError as error:
        raise InputError(
            f"{confidence:g} confidence: {error}",
            hint="a measure that rises by more than its errors is none of a law: smooth it "
            "(schedopt estimate --smoothing smooth), or raise --confidence",
        ) from None


def _share(band: Band, blocks: int, steps: int) -> Solution:
    """The best split of the steps among blocks of one band, by the frontier of their worst case."""
    if blocks == 1:
        return solve_robust(band, steps=steps)
    most = min(band.length, steps - blocks + 1)
    each = [solve_robust(band, steps=k) for k in range(1, most + 1)]
    shares = allocate([[found.loss for found in each]] * blocks, steps)
    bounds = allocate([[found.lower_bound for found in each]] * blocks, steps)
    sizes = tuple(each[k - 1].schedule.step_sizes for k in shares.steps)
    closes = all(found.status is Status.OPTIMAL for found in each)
    detail = f"the split of {steps} steps among {blocks} blocks that is best for their bounds"
    first = each[shares.steps[0] - 1]
    return replace(
        first,
        schedule=replace(
            first.schedule, step_sizes=sizes[0], blocks=None if len(set(sizes)) == 1 else sizes
        ),
        loss=shares.loss,
        certificate=Certificate(
            first.certificate.method, min(bounds.certificate.lower_bound, shares.loss), detail
        ),
        status=Status.OPTIMAL if closes else Status.BOUNDED,
    )


def _compositions(n: int, steps: int) -> Iterator[Sizes]:
    for inner in combinations(range(1, n), steps - 1):
        yield _sizes((0, *inner, n))


def _answers(band: Band, steps: int) -> tuple[list[Sizes], float]:
    """Schedules to start from, and the largest loss that one curve of the band forces.

    Fictitious play: each schedule is the best one for the mean of the curves that were worst for
    those before it. The least loss is concave in the curve, so that means bound it best.
    """

    answers = [_best_for(band, curve, steps) for curve in (band.lower, band.upper)]
    mean = (band.lower + band.upper) / 2.0
    for played in range(ROUNDS):
        answers.append(_best_for(band, mean, steps))
        worst = worst_curve(band, answers[-1].schedule.step_sizes)
        mean = mean + (worst - mean) * 2.0 / (played + 3)  # later curves weigh more
    schedules = {answer.schedule.step_sizes for answer in answers}
    starts = sorted(schedules, key=lambda sizes: (worst_case_kl(band, sizes), sizes))[:STARTS]
    if band.length <= SURROGATE_LENGTH:
        starts.append(_surrogate(band, steps))
    return starts, max(answer.lower_bound for answer in answers)


def _best_for(band: Band, curve: Floats, steps: int) -> Solution:
    """The best schedule where the curve is this one of the band."""
    return solve(InformationCurve(curve - band.lower[-1]), steps=steps)


def _surrogate(band: Band, steps: int) -> Sizes:
    """The best schedule where each step has a curve of its own: its costs add (theory 10.2)."""
    n = band.length
    apart = np.triu(np.repeat(band.upper[:, None], n, axis=1), k=1) + np.diag(band.lower)
    shifted = np.triu(apart - band.lower[-1])
    return solve(OrderSurface(shifted, Order("left_to_right")), steps=steps).schedule.step_sizes


def _improved(band: Band, sizes: Sizes) -> Sizes:
    """Move one boundary at a time, to anywhere between its neighbours, while that helps."""
    ends = [0, *accumulate(sizes)]
    loss = worst_case_kl(band, sizes)
    looks = MOST_POSITIONS // band.length
    moved = True
    while moved:
        moved = False
        for t in range(1, len(ends) - 1):
            for end in range(ends[t - 1] + 1, ends[t + 1]):
                if looks == 0:
                    return _sizes(ends)
                looks -= 1
                tried = [*ends[:t], end, *ends[t + 1 :]]
                trial = worst_case_kl(band, _sizes(tried))
                if trial < loss * (1.0 - IMPROVEMENT):
                    ends, loss, moved = tried, trial, True
    return _sizes(ends)


def _sizes(ends: Sequence[int]) -> Sizes:
    return tuple(b - a for a, b in pairwise(ends))
