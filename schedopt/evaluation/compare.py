"""The passes that one sampler needs for the quality of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from schedopt.errors import UsageError
from schedopt.evaluation.score import Cost, Metric, Score, finite, jackknife, leave_one_out


def nfe_to_match(points: Sequence[tuple[float, float]], target: float) -> float | None:
    """Passes with which a sampler reaches a loss, between its measured points.

    The least loss with at most so many passes is interpolated linearly in the logarithm of the
    number of passes.

    Args:
        points: (NFE, loss) of the sampler, in any order; or another cost in the place of NFE.
        target: The loss to be reached, in the same unit.

    Returns:
        The passes; the fewest measured where these already reach it, so that fewer might do;
        None where no point reaches it.

    Raises:
        UsageError: There is no point, or an NFE below or equal to 0.

    Example:
        >>> round(nfe_to_match([(4, 1.2), (16, 1.0)], 1.1), 6), nfe_to_match([(4, 1.2)], 1.1)
        (8.0, None)
    """
    if not points or not all(nfe > 0 for nfe, _ in points):
        raise UsageError(f"need points (NFE > 0, loss), got {list(points)!r}")
    passes, losses = np.array(sorted(points), dtype=np.float64).T
    best = np.minimum.accumulate(losses)
    reached = np.flatnonzero(best <= target)
    if reached.size == 0:
        return None
    i = int(reached[0])
    if i == 0:
        return float(passes[0])
    if np.isinf(best[i - 1]):  # from there, only the point itself is sure to be enough
        return float(passes[i])
    share = (best[i - 1] - target) / (best[i - 1] - best[i])
    return float(passes[i - 1] * (passes[i] / passes[i - 1]) ** share)


@dataclass(frozen=True)
class Match:
    """What a baseline has to spend for the quality of one of our scores.

    Standard errors are the jackknife's over documents: 0 where all scores are exact, None where
    some document decides whether the baseline gets there.

    Args:
        sampler: Ours.
        metric: Of both.
        value: Ours.
        cost: ``nfe``, or ``flops`` where models differ.
        spent: Ours, mean.
        baseline: Family of the baseline.
        needed: What the baseline needs; None where no point gets there.
        needed_stderr: Its standard error.
        ratio_stderr: That of the ratio.
        measured: Least and most that the baseline was measured with.
    """

    sampler: str
    metric: Metric
    value: float
    cost: Cost
    spent: float
    baseline: str
    needed: float | None
    needed_stderr: float | None
    ratio_stderr: float | None
    measured: tuple[float, float]

    @property
    def ratio(self) -> float | None:
        """How many times what we spend the baseline needs."""
        return None if self.needed is None else self.needed / self.spent

    def as_row(self) -> dict[str, Any]:
        """The match as a JSON object."""
        return {
            "sampler": self.sampler,
            self.cost: self.spent,
            self.metric.name: finite(self.value),
            "baseline": self.baseline,
            f"baseline_{self.cost}": self.needed,
            f"baseline_{self.cost}_stderr": self.needed_stderr,
            f"baseline_{self.cost}_range": list(self.measured),
            f"{self.cost}_ratio": self.ratio,
            f"{self.cost}_ratio_stderr": self.ratio_stderr,
        }


def match(ours: Score, baseline: Sequence[Score], *, cost: Cost = "nfe") -> Match:
    """What a baseline, measured at several costs, has to spend to match ours on the same cases.

    Args:
        ours: The score to be matched.
        baseline: Scores of one sampler with various numbers of passes.
        cost: What is spent: forward passes or floating-point operations.

    Raises:
        UsageError: There is no baseline, it was scored on other cases or by another metric, or a
            score has no such cost.

    Example:
        >>> from schedopt.evaluation.laws import law_kl
        >>> from schedopt.samplers.registry import policy_for
        >>> from theory.distributions import build_law
        >>> policies = [policy_for("random", block_length=4, steps=k) for k in (1, 2, 4)]
        >>> scores = law_kl(build_law("parity", n=4), policies)
        >>> match(scores[1], scores).ratio  # one pass loses no more than two
        0.5
    """
    if not baseline:
        raise UsageError("match: need at least one score of the baseline")
    loss = ours.metric.loss
    # What we spend and what the baseline needs, without each document.
    replicates = [
        (
            costs[0],
            nfe_to_match(
                [(c, loss(m)) for c, m in zip(costs[1:], means[1:], strict=True)], loss(means[0])
            ),
        )
        for costs, means in leave_one_out((ours, *baseline), cost)
    ]
    spent, value = ours.cost(cost), ours.mean.value
    spending = [score.cost(cost) for score in baseline]
    means = [score.mean.value for score in baseline]
    found = nfe_to_match([(c, loss(m)) for c, m in zip(spending, means, strict=True)], loss(value))
    ratios = [None if needed is None else needed / own for own, needed in replicates]
    return Match(
        sampler=ours.sampler,
        metric=ours.metric,
        value=value,
        cost=cost,
        spent=spent,
        baseline=baseline[0].family,
        needed=found,
        needed_stderr=None if found is None else jackknife([needed for _, needed in replicates]),
        ratio_stderr=None if found is None else jackknife(ratios),
        measured=(min(spending), max(spending)),
    )
