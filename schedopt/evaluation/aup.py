"""AUP: accuracy under parallelism, one number for a whole curve of speed and accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from schedopt.clusters import Measured
from schedopt.errors import UsageError
from schedopt.evaluation.score import Score, jackknife, leave_one_out

ALPHA: Final = 3.0
DROP: Final = 5.0  # per cent below the slowest point, from which on a point does not count
PER_CENT: Final = 100.0


def aup(points: Sequence[tuple[float, float]], *, best: float, alpha: float = ALPHA) -> float:
    r"""Area under accuracy as a function of parallelism, where lost accuracy weighs exponentially.

    With points sorted by parallelism :math:`\rho_1 < \dots < \rho_m`,

    .. math:: \rho_1 y_1 + \sum_{i=2}^m \tfrac{1}{2} (\rho_i - \rho_{i-1})
              (y_i W_i + y_{i-1} W_{i-1}), \qquad W_i = \min(e^{-\alpha (1 - y_i / y_{max})}, 1).

    Points with :math:`y < y_1 - 5` are dropped, wherever they are, and their neighbours joined.
    The published code asserts that the last point is none of them; here the area ends at the last
    one that is kept. Of points of the same parallelism the most accurate counts.

    Args:
        points: (tokens per forward pass, accuracy in per cent), in any order.
        best: y_max, the best accuracy of any method on the task, in per cent, 0 < best <= 100.
        alpha: How much lost accuracy weighs, >= 0.

    Returns:
        Tokens per forward pass times per cent.

    Raises:
        UsageError: There is no point, a parallelism is not positive, an accuracy is outside
            0..100, or another argument is out of range.

    References:
        d3LLM, AUP leaderboard (``aup_utils.py``).

    Example:
        >>> aup([(1.0, 80.0), (3.0, 80.0)], best=80.0)
        240.0
        >>> aup([(1.0, 80.0), (3.0, 70.0)], best=80.0)  # more than 5 below: dropped
        80.0
    """
    if not points or not all(rho > 0.0 and 0.0 <= y <= PER_CENT for rho, y in points):
        raise UsageError(
            "AUP: need points (tokens per forward pass > 0, accuracy 0..100 per cent), got "
            f"{list(points)!r}"
        )
    if not 0.0 < best <= 100.0 or not 0.0 <= alpha < math.inf:
        raise UsageError(f"AUP: need 0 < best <= 100 and alpha >= 0, got {best!r} and {alpha!r}")
    most: dict[float, float] = {}
    for rho, y in sorted(points):  # of one parallelism the largest accuracy comes last
        most[rho] = y
    (first, slowest), *_ = most.items()
    kept = [(rho, y) for rho, y in most.items() if y >= slowest - DROP]
    area = first * slowest
    weighted = [(rho, y * min(math.exp(-alpha * (1.0 - y / best)), 1.0)) for rho, y in kept]
    for (left, low), (right, high) in pairwise(weighted):
        area += 0.5 * (right - left) * (low + high)
    return area


def aup_of(scores: Sequence[Score], *, best: float, alpha: float = ALPHA) -> Measured:
    """AUP of one sampler from its accuracies at several numbers of passes.

    Args:
        scores: Shares between 0 and 1, of which more is better, of the same cases.
        best: As ``aup``, in per cent.
        alpha: As ``aup``.

    Returns:
        The area, with its jackknife standard error over cases, the best accuracy held fixed.

    Raises:
        UsageError: As ``aup``; the scores are of different cases, or not of a share.

    Example:
        >>> import numpy as np
        >>> from schedopt.evaluation.tasks import TaskScore
        >>> right = np.array([1.0, 0.0, 1.0, 1.0])
        >>> passes, tokens = np.full((4, 1), 2.0), np.full(4, 8.0)
        >>> score = TaskScore("eb:1", 8, right, passes, np.arange(4), tokens, right)
        >>> area = aup_of([score], best=75.0)  # 4 tokens a pass times 75 per cent
        >>> area.value, round(area.stderr, 9)
        (300.0, 100.0)
    """
    for score in scores:
        if score.metric.better != "higher":
            raise UsageError(
                f"AUP: need accuracies, got the {score.metric.name} of {score.sampler!r}"
            )
    tokens = [float(score.tokens.mean()) for score in scores]

    def area(costs: Sequence[float], means: Sequence[float]) -> float:
        points = zip(tokens, costs, means, strict=True)
        # A jackknife mean of ones may round to above one.
        found = [(each / nfe, min(PER_CENT * y, PER_CENT)) for each, nfe, y in points]
        return aup(found, best=best, alpha=alpha)

    replicates = (
        [area(costs.tolist(), means.tolist()) for costs, means in leave_one_out(scores, "nfe")]
        if scores
        else []
    )
    value = area([score.nfe for score in scores], [score.mean.value for score in scores])
    return Measured(value, jackknife(replicates) or 0.0)
