"""What a judgement says of one sampler, whatever it measures: values, passes and their errors."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from schedopt.clusters import Measured, document_sums, mean_over_documents
from schedopt.errors import UsageError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

S = TypeVar("S", bound="Score")
Cost: TypeAlias = Literal["nfe", "flops"]
COSTS: Final[tuple[Cost, ...]] = ("nfe", "flops")

# The number of a policy's name, as in eb:0.5,rank=dilated: members of a family differ in it.
_PARAMETER: Final = re.compile(r":[^,]*")


@dataclass(frozen=True)
class Metric:
    """What is measured, in which unit, and which way is better.

    Args:
        name: Key in rows.
        unit: Of the values.
        better: ``lower`` or ``higher``.

    Example:
        >>> Metric("accuracy", "share of instances", "higher").loss(0.75)
        -0.75
    """

    name: str
    unit: str
    better: Literal["lower", "higher"] = "lower"

    def loss(self, value: float) -> float:
        """The value, with its sign changed where higher is better: a lower loss is better."""
        return value if self.better == "lower" else -value


@dataclass(frozen=True, eq=False, repr=False)
class Score:
    r"""What one sampler makes of N cases: windows of a text, instances of a task, own samples.

    The mean of a ratio, such as nats per token of texts that differ in length, has weights:
    :math:`r = \sum_i w_i v_i / \sum_i w_i`.

    Args:
        sampler: Label of the policy.
        block_length: Positions of one block.
        values: Shape (N,), the metric of each case.
        passes: Shape (N, M), forward passes of each case by each of M models; those that guidance
            takes are counted, too.
        documents: Shape (N,), what each case is of, over which standard errors are taken; None
            where the cases are all there are, so that the mean is exact.
        tokens: Shape (N,), tokens that were sampled in each case.
        weights: Shape (N,), >= 0; all the same where left out. Where all are 0 nothing was
            measured, and the mean is infinite.
        flops: Shape (N,), floating-point operations of each case, or None where a model does not
            say.
    """

    metric: ClassVar[Metric]

    sampler: str
    block_length: int
    values: Floats
    passes: Floats
    documents: Integers | None
    tokens: Floats
    weights: Floats | None = field(default=None, kw_only=True)
    flops: Floats | None = field(default=None, kw_only=True)

    def __repr__(self) -> str:
        mean = self.mean
        value = f"{self.metric.name}={mean.value:.4f} ± {mean.stderr:.4f}"
        return f"{type(self).__name__}({self.sampler!r}, nfe={self.nfe:.4g}, {value})"

    @property
    def family(self) -> str:
        """The label without its number: ``eb`` of ``eb:0.5``."""
        return _PARAMETER.sub("", self.sampler)

    @property
    def nfe(self) -> float:
        """Forward passes of all models, mean over cases."""
        return self.cost("nfe")

    @property
    def nfe_by_model(self) -> tuple[float, ...]:
        """Forward passes of each model, mean over cases."""
        return tuple(float(mean) for mean in self.passes.mean(axis=0))

    @property
    def tokens_per_forward(self) -> float:
        """Tokens over forward passes, TPF: the parallelism of the sampler."""
        return float(self.tokens.mean()) / self.nfe

    @property
    def mean(self) -> Measured:
        """The metric, with its standard error over documents; 0 where it is exact."""
        return self._measured(self._linear)

    @property
    def aspects(self) -> tuple[Score, ...]:
        """What is to be as good, in each, for a sampler to be as good: the metric alone."""
        return (self,)

    def cost(self, name: Cost = "nfe") -> float:
        """Mean over cases of what a case costs: forward passes, or floating-point operations.

        Raises:
            UsageError: Floating-point operations that no model tells.
        """
        return float(self.costs(name).mean())

    def costs(self, name: Cost) -> Floats:
        """What each case costs, shape (N,).

        Raises:
            UsageError: As ``cost``.
        """
        if name == "nfe":
            return np.asarray(self.passes.sum(axis=1), dtype=np.float64)
        if self.flops is None:
            raise UsageError(
                f"{self.sampler!r}: the model does not say how many operations a pass takes",
                hint="compare by nfe, or give models that are networks",
            )
        return self.flops

    def minus(self, other: Score) -> Measured:
        """Difference of the metric to another score, paired where both are of the same cases.

        That to an exact score has the standard error of the one that is measured.

        Raises:
            UsageError: The other score is of other cases, or of another metric.
        """
        self._check_beside(other)
        if self.documents is None or other.documents is None:
            ours, theirs = self.mean, other.mean
            return Measured(ours.value - theirs.value, math.hypot(ours.stderr, theirs.stderr))
        with np.errstate(invalid="ignore"):  # of two infinite losses, neither is the larger
            difference = self._linear - other._linear
        return self._measured(difference)

    def beside(self, kind: type[S], values: Floats) -> S:
        """Another metric of the same cases, shape (N,), after the same passes."""
        return kind(
            self.sampler,
            self.block_length,
            values,
            self.passes,
            self.documents,
            self.tokens,
            flops=self.flops,
        )

    def _check_beside(self, other: Score) -> None:
        if self.metric != other.metric:
            raise UsageError(
                f"{self.sampler!r} has its {self.metric.name} and {other.sampler!r} its "
                f"{other.metric.name}: a difference needs the same metric"
            )
        if self.documents is None or other.documents is None:
            return
        if not np.array_equal(self.documents, other.documents):
            raise UsageError(
                f"{self.sampler!r} and {other.sampler!r} were scored on different cases: "
                "a paired difference needs the same ones"
            )

    @property
    def _linear(self) -> Floats:
        """Values whose plain mean and spread are those of the ratio, to first order."""
        if self.weights is None:
            return self.values
        ratio = np.average(self.values, weights=self.weights) if self.weights.any() else math.inf
        if not math.isfinite(ratio):
            return np.full(len(self.values), ratio)
        return np.asarray(ratio + self.weights / self.weights.mean() * (self.values - ratio))

    def _measured(self, values: Floats) -> Measured:
        if self.documents is None:
            return Measured(float(values.mean()), 0.0)
        return mean_over_documents(values, self.documents)


def leave_one_out(scores: Sequence[Score], cost: Cost) -> Iterator[tuple[Floats, Floats]]:
    """Costs and means of all scores without one document, for each document in turn.

    Exact scores stay as they are; where all are exact, nothing is left out and nothing comes.

    Args:
        scores: Those that are measured are of the same cases.
        cost: Which one.

    Yields:
        Two arrays of shape (number of scores,).

    Raises:
        UsageError: The scores are of different cases or metrics, or have no such cost.
    """
    for score in scores[1:]:
        scores[0]._check_beside(score)
    measured = [score for score in scores if score.documents is not None]
    if not measured:
        return
    for score in measured[1:]:
        measured[0]._check_beside(score)
    columns = [list(_without_each(score, cost)) for score in scores if score.documents is not None]
    for replicates in zip(*columns, strict=True):
        left = iter(replicates)
        pairs = [
            (score.cost(cost), score.mean.value) if score.documents is None else next(left)
            for score in scores
        ]
        costs, means = np.array(pairs, dtype=np.float64).T
        yield costs, means


def _without_each(score: Score, cost: Cost) -> Iterator[tuple[float, float]]:
    """Cost and mean of a measured score without each of its documents."""
    documents = score.documents
    if documents is None:  # only measured ones are asked for
        return
    weights = np.ones(len(score.values)) if score.weights is None else score.weights
    sums, _ = document_sums(weights * score.values, documents)
    masses, _ = document_sums(weights, documents)
    costs, counts = document_sums(score.costs(cost), documents)
    left = _without(masses)
    means = np.divide(_without(sums), left, out=np.full_like(left, np.inf), where=left > 0.0)
    yield from zip(
        (_without(costs) / _without(counts.astype(np.float64))).tolist(),
        means.tolist(),
        strict=True,
    )


def _without(sums: Floats) -> Floats:
    """The sum of all others, for each; one that is infinite makes all but its own so."""
    infinite = ~np.isfinite(sums)
    kept = np.where(infinite, 0.0, sums)
    return np.where(infinite.sum() - infinite > 0, np.inf, kept.sum() - kept)


def jackknife(replicates: Sequence[float | None]) -> float | None:
    """Standard error of a number from what it is without each document.

    Returns:
        0 where nothing was left out; None where the number is missing without some document.

    References:
        Efron, Tibshirani, An Introduction to the Bootstrap, section 11.1.

    Example:
        >>> jackknife([1.0, 2.0, 3.0]), jackknife([]), jackknife([1.0, None])
        (1.1547..., 0.0, None)
    """
    values = np.array([value for value in replicates if value is not None])
    if len(values) < len(replicates):
        return None
    return float(np.sqrt((len(values) - 1) * values.var())) if len(values) else 0.0


def score_row(
    score: Score, *, reference: Score | None = None, sequential: Score | None = None
) -> dict[str, Any]:
    """A score as a JSON object; the metric has its name, and is null where infinite.

    Args:
        score: What the row is about.
        reference: Adds ``difference``, the metric less that of the reference, paired.
        sequential: Adds ``excess``, the metric less that of the sequential sampler of the same
            order, paired.

    Raises:
        UsageError: The scores are of different cases or metrics.

    Example:
        >>> from schedopt.evaluation.laws import law_kl
        >>> from schedopt.samplers.registry import policy_for
        >>> from theory.distributions import build_law
        >>> policies = [policy_for("random", block_length=4, steps=k) for k in (1, 2, 4)]
        >>> scores = law_kl(build_law("parity", n=4), policies)
        >>> row = score_row(scores[0], reference=scores[2])
        >>> row["nfe"], round(row["kl"], 4), round(row["difference"], 4)
        (1.0, 0.6931, 0.6931)
    """
    mean = score.mean
    row: dict[str, Any] = {
        "sampler": score.sampler,
        "nfe": score.nfe,
        score.metric.name: finite(mean.value),
        "stderr": finite(mean.stderr),
        "block_length": score.block_length,
        "tokens_per_forward": score.tokens_per_forward,
        "nfe_by_model": list(score.nfe_by_model),
        "flops": None if score.flops is None else score.cost("flops"),
    }
    for name, other in (("difference", reference), ("excess", sequential)):
        if other is not None:
            paired = score.minus(other)
            row |= {name: finite(paired.value), f"{name}_stderr": finite(paired.stderr)}
    return row


def finite(value: float) -> float | None:
    """JSON knows no infinity; a text of probability 0 has that loss."""
    return value if math.isfinite(value) else None
