"""How many positions are good enough: the rules of planners that set their own pace.

A rule says which masked positions may be revealed together. To add one, write a frozen dataclass
with the name of its own ``ranking`` and a method ``start``; a ``Planner`` does the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from schedopt.errors import UsageError
from schedopt.samplers.active import ActiveBlocks, Bools, Floats
from schedopt.samplers.rankings import by_score, first

# Active blocks and how early their positions come, (R, B), to those that may be revealed, (R, B).
Ready = Callable[[ActiveBlocks, Floats], Bools]


class Rule(Protocol):
    """Says which masked positions may be revealed together; none is an answer, too."""

    @property
    def ranking(self) -> str:
        """The order that its paper sorts positions by."""
        ...

    def start(self, rows: int) -> Ready:
        """Prepare for a batch of so many rows.

        Returns:
            Maps active blocks, and how early each position comes (shape (R, B), larger is
            earlier, -inf at known ones), to a mask of shape (R, B) of masked positions.
        """
        ...


def leading(passes: Bools, scores: Floats) -> Bools:
    """Positions before the first, as the scores rank them, that does not pass.

    Args:
        passes: Shape (R, B).
        scores: Shape (R, B), larger is earlier.

    Returns:
        Shape (R, B).

    Example:
        >>> leading(np.array([[True, True, False]]), np.array([[0.1, 0.5, 0.3]]))
        array([[False,  True, False]])
    """
    positions = by_score(scores)
    run = np.logical_and.accumulate(np.take_along_axis(passes, positions, axis=1), axis=1)
    return first(positions, run.sum(axis=1))


def ranked(values: Floats, scores: Floats) -> Floats:
    """Values in the order of the ranking, shape (R, B)."""
    return np.take_along_axis(values, by_score(scores), axis=1)


def entropies(active: ActiveBlocks) -> Floats:
    """Predictive entropy of each masked position, nats, shape (R, B); 0 at known ones."""
    return np.where(active.masked, -active.scores("entropy"), 0.0)


def _at_most(values: Floats, bound: float, active: ActiveBlocks, scores: Floats) -> Bools:
    """The first positions of the ranking while values, which never fall along it, are bounded."""
    masked = active.masked.sum(axis=1)  # known positions come last
    return first(by_score(scores), np.minimum((values <= bound).sum(axis=1), masked))


def _need_nats(name: str, value: float) -> None:
    if not 0.0 <= value < np.inf:
        raise UsageError(
            f"{name}: need a finite number of nats >= 0, got {value!r}",
            hint="such as 0.1; with 0 only what is certain is revealed together",
        )


def need_probability(name: str, value: float) -> None:
    """Refuse what is no probability above zero.

    Raises:
        UsageError: Not 0 < value <= 1.
    """
    if not 0.0 < value <= 1.0:
        raise UsageError(
            f"{name}: need a probability, 0 < {name} <= 1, got {value!r}", hint="such as 0.9"
        )


@dataclass(frozen=True)
class AllMasked:
    """Every masked position: with a schedule as cap, its top-k sampler.

    Example:
        >>> from schedopt.models import LawDenoiser
        >>> from schedopt.samplers import Planner, sample
        >>> coins = LawDenoiser(np.full((2, 2, 2, 2), 1 / 16))  # log 2 nats each
        >>> sample(coins, Planner(4, AllMasked())).nfe
        (1,)
    """

    ranking: ClassVar[str] = "confidence"

    def start(self, rows: int) -> Ready:
        """Prepare for a batch."""
        return lambda active, scores: active.masked


@dataclass(frozen=True)
class EntropyBound:
    r"""EB sampler: the longest prefix of the ranking whose joint entropy error is bounded.

    The largest prefix U is revealed with

    .. math:: \sum_{l \in U} H_l - \max_{l \in U} H_l \le \gamma,

    which always holds for one position. With gamma = 0 and no certain position it is one a step.
    The left side bounds TC(X_U) given what is revealed, whatever the ranking.

    Args:
        gamma: Bound on the error of one step, nats, >= 0.

    Raises:
        UsageError: Gamma out of range.

    References:
        Ben-Hamu et al., EB-Sampler (arXiv:2505.24857), section 3; theory, section 11.6.

    Example:
        >>> from schedopt.models import LawDenoiser
        >>> from schedopt.samplers import Planner, sample
        >>> coins = LawDenoiser(np.full((2, 2, 2, 2), 1 / 16))  # log 2 nats each
        >>> sample(coins, Planner(4, EntropyBound(1.0))).nfe
        (2,)
    """

    gamma: float
    ranking: ClassVar[str] = "entropy"

    def __post_init__(self) -> None:
        _need_nats("gamma", self.gamma)

    def start(self, rows: int) -> Ready:
        """Prepare for a batch."""
        return self._ready

    def _ready(self, active: ActiveBlocks, scores: Floats) -> Bools:
        entropy = ranked(entropies(active), scores)
        # The error never falls as the prefix grows, so those within the bound are a prefix.
        error = np.cumsum(entropy, axis=1) - np.maximum.accumulate(entropy, axis=1)
        return _at_most(error, self.gamma, active, scores)


@dataclass(frozen=True)
class EntropySum:
    r"""The longest prefix of the ranking whose entropies sum to no more than a budget.

    .. math:: \sum_{l \in U} H_l \le b,

    or one position. TC(X_U) given what is revealed is then below the budget, too; for the same
    number the entropy bound reveals as much or more.

    This is a reconstruction from the abstract, which has a strategy that unmasks until the
    cumulative entropy exceeds a threshold. It leaves open by what positions are sorted (here by
    entropy) and whether the position that exceeds the threshold is still taken (here it is not;
    if it were, this would be the entropy bound).

    Args:
        budget: b, nats, >= 0.

    Raises:
        UsageError: The budget is out of range.

    References:
        Cai, Li (arXiv:2603.22248), entropy sum-based decoding.

    Example:
        >>> from schedopt.models import LawDenoiser
        >>> from schedopt.samplers import Planner, sample
        >>> coins = LawDenoiser(np.full((2, 2, 2, 2), 1 / 16))  # log 2 nats each
        >>> sample(coins, Planner(4, EntropySum(1.0))).nfe
        (4,)
    """

    budget: float
    ranking: ClassVar[str] = "entropy"

    def __post_init__(self) -> None:
        _need_nats("budget", self.budget)

    def start(self, rows: int) -> Ready:
        """Prepare for a batch."""
        return self._ready

    def _ready(self, active: ActiveBlocks, scores: Floats) -> Bools:
        total = np.cumsum(ranked(entropies(active), scores), axis=1)
        return _at_most(total, self.budget, active, scores)


@dataclass(frozen=True)
class ConfidenceThreshold:
    """Fast-dLLM: all positions whose largest probability is at least tau.

    Args:
        tau: Threshold on the largest probability, 0 < tau <= 1.

    Raises:
        UsageError: Tau out of range.

    References:
        Wu et al., Fast-dLLM (arXiv:2505.22618), confidence-aware parallel decoding.

    Example:
        >>> from schedopt.models import LawDenoiser
        >>> from schedopt.samplers import Planner, sample
        >>> coins = LawDenoiser(np.full((2, 2, 2, 2), 1 / 16))  # log 2 nats each
        >>> sample(coins, Planner(4, ConfidenceThreshold(0.5))).nfe
        (1,)
    """

    tau: float
    ranking: ClassVar[str] = "confidence"

    def __post_init__(self) -> None:
        need_probability("tau", self.tau)

    def start(self, rows: int) -> Ready:
        """Prepare for a batch."""
        return lambda active, scores: active.scores("confidence") >= self.tau


@dataclass(frozen=True)
class ConfidenceFactor:
    r"""Fast-dLLM: as many as their confidence carries.

    With p_(n) the least of the largest probabilities among the first n of the ranking, the
    largest n is revealed with

    .. math:: (n + 1) (1 - p_{(n)}) < f.

    Args:
        factor: f > 0.

    Raises:
        UsageError: The factor is not positive, or not finite.

    References:
        Wu et al., Fast-dLLM (arXiv:2505.22618), factor-based parallel decoding.

    Example:
        >>> from schedopt.models import LawDenoiser
        >>> from schedopt.samplers import Planner, sample
        >>> coins = LawDenoiser(np.full((2, 2, 2, 2), 1 / 16))  # log 2 nats each
        >>> sample(coins, Planner(4, ConfidenceFactor(1.6))).nfe  # 3 / 2 is below, 4 / 2 is not
        (2,)
    """

    factor: float
    ranking: ClassVar[str] = "confidence"

    def __post_init__(self) -> None:
        if not 0.0 < self.factor < np.inf:
            raise UsageError(
                f"factor: need a finite number > 0, got {self.factor!r}", hint="such as 1"
            )

    def start(self, rows: int) -> Ready:
        """Prepare for a batch."""
        return self._ready

    def _ready(self, active: ActiveBlocks, scores: Floats) -> Bools:
        doubt = np.where(active.masked, 1.0 - active.scores("confidence"), 1.0)
        worst = np.maximum.accumulate(ranked(doubt, scores), axis=1)
        carried = np.arange(2, doubt.shape[1] + 2) * worst
        return _at_most(carried, np.nextafter(self.factor, 0.0), active, scores)
