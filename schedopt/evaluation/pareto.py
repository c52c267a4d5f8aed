"""Which samplers nobody beats: the front of quality and cost, as far as it is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from schedopt.evaluation.score import Cost, Score

SURE: Final = 2.0  # standard errors of a paired difference that settle which one is better


@dataclass(frozen=True, eq=False)
class Standing:
    """Where a score stands.

    Args:
        score: Whose.
        on_front: Whether no other score beats it: costs at most as much and is at least as good
            in each aspect, one of these strictly.
        close: What might turn this over, as paired differences are within 2 standard errors: of
            a score on the front, those that cost at most as much and are nowhere worse by more;
            of another, those that beat it, where none does so by more in each aspect.
    """

    score: Score
    on_front: bool
    close: tuple[Score, ...]

    def as_row(self) -> dict[str, Any]:
        """The standing as keys of a row."""
        near = [{"sampler": other.sampler, "nfe": other.nfe} for other in self.close]
        return {"pareto": self.on_front, "pareto_close": near}


def pareto_front(scores: Sequence[Score], *, cost: Cost = "nfe") -> tuple[Standing, ...]:
    """Say of each score whether it is on the front of its quality and its cost.

    The quality is the metric; that of generated text is the judge's NLL and the token entropy,
    neither of which makes up for the other.

    Args:
        scores: Of one metric, on the same cases.
        cost: What is spent: forward passes or floating-point operations.

    Returns:
        The standings, in the order of the scores; those ``on_front`` are the front.

    Raises:
        UsageError: The scores are of different cases or metrics, or one has no such cost.

    Example:
        >>> from schedopt.evaluation.laws import law_kl
        >>> from schedopt.samplers.registry import policy_for
        >>> from theory.distributions import build_law
        >>> policies = [policy_for("random", block_length=4, steps=k) for k in (1, 2, 4)]
        >>> scores = law_kl(build_law("parity", n=4), policies)
        >>> [standing.on_front for standing in pareto_front(scores)]  # log 2, log 2 and 0 nats
        [True, False, True]
    """
    points = [(score.cost(cost), *_losses(score)) for score in scores]
    found = []
    for score, point in zip(scores, points, strict=True):
        rivals = [
            (other, _all_at_most(its, point) and its != point, *_against(score, other))
            for other, its in zip(scores, points, strict=True)
            if other is not score and its[0] <= point[0]
        ]
        beating = [(other, sure) for other, beats, sure, _ in rivals if beats]
        if not beating:
            near = tuple(other for other, _, _, maybe in rivals if maybe)
        elif any(sure for _, sure in beating):
            near = ()
        else:
            near = tuple(other for other, _ in beating)
        found.append(Standing(score, not beating, near))
    return tuple(found)


def _losses(score: Score) -> tuple[float, ...]:
    return tuple(each.metric.loss(each.mean.value) for each in score.aspects)


def _all_at_most(these: tuple[float, ...], those: tuple[float, ...]) -> bool:
    return all(one <= other for one, other in zip(these, those, strict=True))


def _against(score: Score, other: Score) -> tuple[bool, bool]:
    """Whether the other is surely as good in each aspect, and whether it may but need not be."""
    pairs = [
        (mine.metric.loss(difference.value), SURE * difference.stderr)
        for mine, its in zip(score.aspects, other.aspects, strict=True)
        for difference in [mine.minus(its)]  # positive where the other is better
    ]
    # Where both are the same in every case, or exact, nothing is left to settle.
    surely = all(gain > margin or gain == margin == 0.0 for gain, margin in pairs)
    maybe = all(gain >= -margin for gain, margin in pairs)
    return surely, maybe and any(margin > 0.0 for _, margin in pairs)
