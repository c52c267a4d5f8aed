"""How many passes another sampler needs to match a score, and scores as rows of a document."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schedopt.clusters import document_sums
from schedopt.errors import UsageError
from schedopt.evaluation.nll import SamplerScore

Floats = NDArray[np.float64]


def nfe_to_match(points: Sequence[tuple[float, float]], target: float) -> float | None:
    """Passes with which a sampler reaches an NLL, between its measured points.

    The best NLL with at most so many passes is interpolated linearly in the logarithm of the
    number of passes.

    Args:
        points: (NFE, NLL) of the sampler, in any order.
        target: The NLL to be reached, in the same unit.

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
        raise UsageError(f"need points (NFE > 0, NLL), got {list(points)!r}")
    passes, nll = np.array(sorted(points), dtype=np.float64).T
    best = np.minimum.accumulate(nll)
    reached = np.flatnonzero(best <= target)
    if reached.size == 0:
        return None
    i = int(reached[0])
    if i == 0:
        return float(passes[0])
    share = (best[i - 1] - target) / (best[i - 1] - best[i])
    return float(passes[i - 1] * (passes[i] / passes[i - 1]) ** share)


@dataclass(frozen=True)
class Match:
    """The passes that a baseline needs for the NLL of one of our scores.

    Args:
        sampler: Ours.
        nfe: Ours, mean.
        nll: Ours, nats per token.
        baseline: Family of the baseline.
        baseline_nfe: What it needs, with its jackknife standard error over documents (None where
            some document decides whether it gets there); None where no point gets there.
        baseline_nfe_range: Fewest and most passes that it was measured with.
    """

    sampler: str
    nfe: float
    nll: float
    baseline: str
    baseline_nfe: float | None
    stderr: float | None
    baseline_nfe_range: tuple[float, float]

    @property
    def ratio(self) -> float | None:
        """How many times our passes the baseline needs."""
        return None if self.baseline_nfe is None else self.baseline_nfe / self.nfe

    def as_row(self) -> dict[str, Any]:
        """The match as a JSON object."""
        return {
            "sampler": self.sampler,
            "nfe": self.nfe,
            "nll": self.nll,
            "baseline": self.baseline,
            "baseline_nfe": self.baseline_nfe,
            "baseline_nfe_stderr": self.stderr,
            "baseline_nfe_range": list(self.baseline_nfe_range),
            "nfe_ratio": self.ratio,
        }


def match(ours: SamplerScore, baseline: Sequence[SamplerScore]) -> Match:
    """The passes that a baseline, measured at several, needs to match ours on the same windows.

    Args:
        ours: The score to be matched.
        baseline: Scores of one sampler with various numbers of passes.

    Raises:
        UsageError: There is no baseline, or it was scored on other windows.
    """
    if not baseline:
        raise UsageError("match: need at least one score of the baseline")
    for score in baseline:
        ours.minus(score)  # refuses other windows
    scores = (ours, *baseline)
    replicates = [
        nfe_to_match(list(zip(nfe[1:], nll[1:], strict=True)), nll[0])
        for nfe, nll in _leave_one_out(scores)
    ]
    passes = [score.nfe for score in baseline]
    found = nfe_to_match([(s.nfe, s.nll.value) for s in baseline], ours.nll.value)
    return Match(
        ours.sampler,
        ours.nfe,
        ours.nll.value,
        baseline[0].family,
        found,
        None if found is None else _jackknife(replicates),
        (min(passes), max(passes)),
    )


def _leave_one_out(scores: Sequence[SamplerScore]) -> Iterator[tuple[Floats, Floats]]:
    """NFE and NLL of all scores without one document, for each document."""
    nfe = np.array([document_sums(s.window_nfe.astype(float), s.documents)[0] for s in scores])
    nll = np.array([document_sums(s.window_nll, s.documents)[0] for s in scores])
    _, counts = document_sums(scores[0].window_nll, scores[0].documents)
    for d in range(len(counts)):
        left = counts.sum() - counts[d]
        yield (
            (nfe.sum(axis=1) - nfe[:, d]) / left,
            (nll.sum(axis=1) - nll[:, d]) / left,
        )


def _jackknife(replicates: Sequence[float | None]) -> float | None:
    values = np.array([value for value in replicates if value is not None])
    if len(values) < len(replicates):
        return None
    return float(np.sqrt((len(values) - 1) * values.var()))


def score_row(
    score: SamplerScore,
    *,
    reference: SamplerScore | None = None,
    sequential: SamplerScore | None = None,
) -> dict[str, Any]:
    """A score as a JSON object; all losses are nats per token, null where infinite.

    Args:
        score: What the row is about.
        reference: Adds ``difference``, the NLL less that of the reference, paired.
        sequential: Adds ``excess``, the NLL less that of the sequential sampler of the same
            order, paired.

    Raises:
        UsageError: The scores are of different windows.
    """
    row: dict[str, Any] = {
        "sampler": score.sampler,
        "nfe": score.nfe,
        "nll": _number(score.nll.value),
        "stderr": _number(score.nll.stderr),
        "block_length": score.block_length,
    }
    for name, other in (("difference", reference), ("excess", sequential)):
        if other is not None:
            paired = score.minus(other)
            row |= {name: _number(paired.value), f"{name}_stderr": _number(paired.stderr)}
    return row


def _number(value: float) -> float | None:
    """JSON knows no infinity; a text of probability 0 has that loss."""
    return value if math.isfinite(value) else None
