"""The solver: the best schedule for a number of steps, or for a loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Final

import numpy as np

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.errors import InfeasibleError, UsageError
from schedopt.schedule import UnmaskingSchedule
from schedopt.solution import Certificate, Solution, Status
from schedopt.solvers.dense import SurfaceCosts
from schedopt.solvers.envelope import CurveCosts
from schedopt.solvers.frontier import convex_frontier
from schedopt.solvers.layers import best_path, least_losses
from schedopt.solvers.paths import Floats, Path, StepCosts, checked_steps
from schedopt.solvers.penalty import HullEdge, edge_below, edge_over

# A loss that was printed with ten digits and is asked for again counts as met.
LOSS_TOLERANCE: Final = 1e-9

# Edges that an exhaustive search may compare: two minutes on a curve where loops are compiled, half
# a minute on a surface. It allows every number of steps up to 2000 positions of a surface and
# 20,000 of a curve.
MOST_COMPARISONS: Final = 2**33

TOO_MANY: Final = "; too many schedules to compare them all"

Measure = InformationCurve | OrderSurface
_Found = tuple[Path, Certificate, Status]


def solve(measure: Measure, *, steps: int | None = None, max_loss: float | None = None) -> Solution:
    r"""The best schedule with exactly this many steps, or with the fewest steps within a loss.

    .. math:: \min_{0 = N_0 < \dots < N_k = n} \sum_t W(N_{t-1}, N_t)

    where a step from a to b costs :math:`W(a, b) = (b - a) C(a) - \sum_{a \le j < b} C(j)` on a
    curve and :math:`\sum_{a \le j < b} f(a, j) - f(j, j)` on a surface. The minimum is exact for
    any input, monotone or not: a price on steps is tried first, and where its dual bound leaves
    a gap, as it never does on a monotone measure, every composition is searched layer by layer.
    Only where that would compare more than 2^33 edges, the schedule at the price is returned with
    its bound, and the status says BOUNDED.

    Args:
        measure: Shape (n,) or (n, n), nats.
        steps: Number of steps k, 1 <= k <= n.
        max_loss: Largest acceptable loss, nats. The loss found may exceed it by 1e-9 of it plus
            rounding (2e-15 n times the spread of the entropies); all schedules of fewer steps
            lose more than max_loss, unless the status is BOUNDED.

    Returns:
        The schedule, its loss in nats, and a lower bound that equals it to rounding where the
        status is OPTIMAL. The loss is 0 for one position a step and the total correlation for one
        step of a curve. ``stderr`` is None: the measure is taken as it is.

    Raises:
        UsageError: Both or neither of steps and max_loss are given, steps is not a whole number
            from 1 to n, or max_loss is not finite.
        InfeasibleError: No schedule loses as little as max_loss.
        InputError: Entropies so large that losses overflow.

    References:
        theory, sections 2.2, 4 and 5; Chen, Cong, Li, COLT 2026, Theorem 4 (the loss).

    Example:
        >>> curve = InformationCurve([2.0, 1.0, 0.5, 0.25])
        >>> solution = solve(curve, steps=3)
        >>> solution.schedule.step_sizes, solution.loss, solution.lower_bound
        ((1, 1, 2), 0.25, 0.25)
        >>> solve(curve, max_loss=1.0).schedule.step_sizes
        (1, 1, 2)
    """
    costs = _costs_of(measure)
    if steps is not None and max_loss is None:
        found = _with_steps(costs, checked_steps("steps", steps, 1, costs.length))
    elif max_loss is not None and steps is None:
        found = _within_loss(costs, max_loss)
    else:
        raise UsageError(f"need one of steps and max_loss, got {steps=} and {max_loss=}")
    path, certificate, status = found
    return Solution(
        schedule=UnmaskingSchedule(costs.length, costs.order, path.step_sizes),
        loss=path.loss,
        sequential=costs.sequential,
        stderr=None,
        certificate=certificate,
        status=status,
    )


def losses(measure: Measure, max_steps: int | None = None) -> Floats:
    """The frontier: the least loss with exactly 1, 2, ..., K steps.

    Args:
        measure: Shape (n,) or (n, n), nats.
        max_steps: K, 1 <= K <= n; n when None.

    Returns:
        Shape (K,), nats; convex and nonincreasing where the measure is monotone. Entry n - 1,
        one position a step, is 0.

    Raises:
        UsageError: max_steps is not a whole number from 1 to n.

    References:
        theory, section 4.4 (convexity).

    Example:
        >>> losses(InformationCurve([2.0, 1.0, 0.5, 0.25]))
        array([4.25, 1.25, 0.25, 0.  ])
    """
    costs = _costs_of(measure)
    limit = costs.length
    if max_steps is not None:
        limit = checked_steps("max_steps", max_steps, 1, limit)
    if isinstance(costs, CurveCosts) and costs.falls:
        return convex_frontier(costs, limit)
    return np.fromiter(least_losses(costs), dtype=np.float64, count=limit)


def loss_of(measure: Measure, step_sizes: Sequence[int]) -> float:
    """Predicted loss of any schedule: its excess over one position a step in the same order.

    Args:
        measure: Shape (n,) or (n, n), nats.
        step_sizes: s_1..s_k, whole numbers >= 1 that sum to n.

    Returns:
        The loss in nats; below 0 only where the measure is not monotone.

    Raises:
        UsageError: The sizes are no composition of n.

    References:
        theory, sections 2.2 (random order) and 5.1 (fixed order).

    Example:
        >>> loss_of(InformationCurve([2.0, 1.0, 0.5, 0.25]), (2, 2))
        1.25
    """
    costs = _costs_of(measure)
    schedule = UnmaskingSchedule(costs.length, costs.order, tuple(step_sizes))
    return costs.path(schedule.boundaries).loss


def _with_steps(costs: StepCosts, steps: int) -> _Found:
    edge = edge_over(costs, steps)
    path = edge.splice(costs, steps)
    if _closes(costs, path, edge):
        return path, _dual(path, edge), Status.OPTIMAL
    if steps * costs.comparisons > MOST_COMPARISONS:
        return path, _dual(path, edge, TOO_MANY), Status.BOUNDED
    return _searched(best_path(costs, steps), f"all schedules of {steps} steps compared")


def _within_loss(costs: StepCosts, max_loss: float) -> _Found:
    if isinstance(max_loss, bool) or not isinstance(max_loss, Real) or not math.isfinite(max_loss):
        raise UsageError(f"need a finite max_loss in nats, got {max_loss!r}")
    accepted = max_loss + LOSS_TOLERANCE * abs(max_loss) + costs.rounding
    whole, single = costs.path((0, costs.length)), costs.path(np.arange(costs.length + 1))
    if whole.loss <= accepted:
        return _with_steps(costs, 1)
    lowest = min(costs.cheapest(0.0), single, key=lambda path: path.loss)
    if lowest.loss > accepted:
        raise InfeasibleError(
            f"need max_loss >= {lowest.loss:.6g} nats, the least loss of any number of steps "
            f"({lowest.steps} of them reach it), got {max_loss}"
        )
    edge = edge_below(costs, whole, lowest, accepted)
    steps = edge.fewest_steps(accepted)
    path = edge.splice(costs, steps)
    of_fewer = edge.bound(steps - 1)
    if path.loss <= accepted and of_fewer > max_loss and _closes(costs, path, edge):
        remark = f"; {steps - 1} steps lose at least {of_fewer:.9g} nats"
        return path, _dual(path, edge, remark), Status.OPTIMAL
    for steps, loss in enumerate(least_losses(costs), start=1):
        if loss <= accepted:
            detail = f"all schedules of up to {steps} steps compared; fewer steps lose more"
            return _searched(best_path(costs, steps), detail)
        if steps * costs.comparisons > MOST_COMPARISONS:
            break
    return edge.high, _dual(edge.high, edge, TOO_MANY), Status.BOUNDED


def _closes(costs: StepCosts, path: Path, edge: HullEdge) -> bool:
    return path.loss - edge.bound(path.steps) <= costs.rounding


def _dual(path: Path, edge: HullEdge, remark: str = "") -> Certificate:
    least = edge.cheapest.loss + edge.price * edge.cheapest.steps
    return Certificate(
        "Lagrangian dual",
        min(edge.bound(path.steps), path.loss),  # rounding must not lift a bound over its loss
        f"loss + {edge.price:.9g} steps >= {least:.9g} nats for every schedule{remark}",
    )


def _searched(path: Path, detail: str) -> _Found:
    return path, Certificate("exhaustive DP", path.loss, detail), Status.OPTIMAL


def _costs_of(measure: Measure) -> StepCosts:
    if isinstance(measure, OrderSurface):
        return SurfaceCosts(measure)
    if isinstance(measure, InformationCurve):
        return CurveCosts(measure)
    raise UsageError(
        f"need an InformationCurve or an OrderSurface to solve, got {type(measure).__name__}"
    )
