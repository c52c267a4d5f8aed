r"""Which model for which step: unmasking and model scheduling as one shortest path with a budget.

A step that reveals s positions with model m after N known ones costs :math:`s\, C_m(N)` nats and
:math:`f_m` FLOPs. The sum is exact for any mixture of models, as a step involves only its own.

References:
    theory, section 12; arXiv:2604.02340 (light and heavy models in one sampler).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from numbers import Real
from typing import Final

import numpy as np

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.errors import InfeasibleError, UsageError
from schedopt.schedule import UnmaskingSchedule
from schedopt.solution import Certificate, Solution, Status
from schedopt.solvers.parallel import CurveEdges, Ints, ParallelEdges, SurfaceEdges, trace
from schedopt.solvers.paths import Boundaries, Floats, checked_steps

Measures = Sequence[InformationCurve | OrderSurface]  # of one kind

# A budget that was printed with ten digits and is asked for again counts as met.
BUDGET_TOLERANCE: Final = Fraction(1, 10**9)
TABLE_LIMIT: Final = 2**24  # entries of the exact search, 128 MiB


@dataclass(frozen=True, eq=False)
class ModelFrontier:
    """The least loss for every budget of FLOPs, as the stairs that it comes down.

    Args:
        flops: Shape (P,), rising; the least FLOPs that reach the loss.
        losses: Shape (P,), nats, falling.
    """

    flops: Floats
    losses: Floats


def solve_models(measures: Measures, flops: Sequence[float], *, budget: float) -> Solution:
    r"""The best boundaries and models within a budget of FLOPs.

    .. math:: \min_{0 = N_0 < \dots < N_k = n,\; m_1 \dots m_k} \sum_t s_t\, C_{m_t}(N_{t-1})
        \quad \text{where} \quad \sum_t f_{m_t} \le B

    and on surfaces :math:`\sum_{N_{t-1} \le j < N_t} f_{m_t}(N_{t-1}, j)` for a step. A price on
    FLOPs is tried first. Loss is not convex in the budget, so its bound may leave a gap: then the
    totals of FLOPs that steps can reach within the budget are searched one after the other.

    Args:
        measures: A curve for each model, or a surface of one order for each; shape (n,) or
            (n, n), nats. Monotone or not.
        flops: FLOPs of a forward pass of each model, > 0, in any unit. They need no common
            measure: a float stands for the shortest decimal that rounds to it, and sums of these
            are exact.
        budget: FLOPs of all steps together, in the same unit; 1e-9 of it more counts as met.

    Returns:
        A solution whose schedule names a model for each step. Its loss is the excess over one
        position a step *with the model of most FLOPs*, nats; below 0 where other models do better.
        The certificate tells the bound of the price and the duality gap. The status is BOUNDED
        only where the exact search would need more than 2^24 entries.

    Raises:
        UsageError: No measure, measures of different kinds, lengths or orders, or FLOPs that are
            not one number > 0 for each.
        InfeasibleError: The budget pays no step.
        InputError: Entropies so large that losses overflow.

    References:
        theory, sections 12.1 to 12.3.

    Example:
        >>> heavy, light = InformationCurve([2.0, 1.0, 0.5]), InformationCurve([2.1, 1.6, 1.5])
        >>> solution = solve_models([heavy, light], [1, 0.25], budget=2.25)
        >>> solution.schedule.step_sizes, solution.schedule.models, round(solution.loss, 9)
        ((1, 1, 1), (1, 0, 0), 0.1)
    """
    problem = _Problem.of(measures, flops)
    allowed = problem.allowed(budget)
    route, price, bound = problem.under_a_price(allowed)
    at = f"at {price / float(problem.unit):.9g} nats a FLOP"
    if route.loss - bound <= problem.edges.rounding:
        certificate = Certificate(
            "Lagrangian dual", min(bound, route.loss), f"{at} no schedule is below {bound:.9g} nats"
        )
        return problem.solution(route, certificate)
    totals = problem.totals(allowed)
    if totals is None:
        detail = (
            f"{at}; {problem.most_totals} totals of FLOPs and more are within the budget, too many "
            "to search: round the FLOPs to a common unit for an exact solution"
        )
        return problem.solution(route, Certificate("Lagrangian dual", bound, detail))
    table, sources = problem.fill(totals)
    free = np.zeros(len(problem.units))
    route = problem.route(*trace(problem.edges, table, sources, free, len(totals) - 1))
    detail = (
        f"all {len(totals)} totals of FLOPs within the budget searched; {at} no schedule is below "
        f"{bound:.9g} nats, a duality gap of {max(route.loss - bound, 0.0):.9g}"
    )
    return problem.solution(route, Certificate("exhaustive DP", route.loss, detail))


def price_models(measures: Measures, flops: Sequence[float], *, price: float) -> Solution:
    r"""The schedule that is least in loss + price * FLOPs, a vertex of the lower convex hull.

    .. math:: L(\lambda) = \min \sum_t s_t\, C_{m_t}(N_{t-1}) + \lambda f_{m_t}

    It is the best for its own FLOPs, and :math:`L(\lambda) - \lambda B` bounds every other
    budget B. One pass takes O(n M log n) on curves, monotone or not, and O(n^2 M) on surfaces.

    Args:
        measures: As ``solve_models``.
        flops: As ``solve_models``.
        price: Nats a FLOP, >= 0; at 0 FLOPs are free.

    Returns:
        The schedule, with its loss as ``solve_models`` has it.

    Raises:
        UsageError: As ``solve_models``, or the price is below 0 or not finite.

    References:
        theory, section 12.2.

    Example:
        >>> heavy, light = InformationCurve([2.0, 1.0, 0.5]), InformationCurve([2.1, 1.6, 1.5])
        >>> price_models([heavy, light], [1, 0.25], price=1.0).schedule.models
        (1, 0)
    """
    problem = _Problem.of(measures, flops)
    if not _is_number(price) or price < 0:
        raise UsageError(f"need a finite price >= 0 in nats a FLOP, got {price!r}")
    route = problem.cheapest(float(price * problem.unit))
    spent = float(route.units * problem.unit)
    detail = f"loss + {price:.9g} FLOPs >= {route.loss + price * spent:.9g} nats for every schedule"
    return problem.solution(route, Certificate("Lagrangian dual", route.loss, detail))


def losses_of_models(measures: Measures, flops: Sequence[float], *, budget: float) -> ModelFrontier:
    """The frontier: the least loss for every budget up to this one, in one search.

    Args:
        measures: As ``solve_models``.
        flops: As ``solve_models``.
        budget: As ``solve_models``; the largest.

    Returns:
        FLOPs and losses, as ``solve_models`` has them, where the loss comes down.

    Raises:
        UsageError: As ``solve_models``, or so many totals of FLOPs are within the budget that the
            search would need more than 2^24 entries.
        InfeasibleError: The budget pays no step.

    References:
        theory, section 12.1.

    Example:
        >>> heavy, light = InformationCurve([2.0, 1.0, 0.5]), InformationCurve([2.1, 1.6, 1.5])
        >>> frontier = losses_of_models([heavy, light], [1, 0.5], budget=2)
        >>> frontier.flops, frontier.losses.round(9)
        (array([0.5, 1. , 1.5, 2. ]), array([2.8, 1.8, 0.6, 0.5]))
    """
    problem = _Problem.of(measures, flops)
    totals = problem.totals(problem.allowed(budget))
    if totals is None:
        raise UsageError(
            f"{problem.most_totals} totals of FLOPs and more are within the budget {budget}, too "
            f"many to search for {problem.edges.length} positions",
            hint="round the FLOPs to a common unit, such as 1 and 0.3, or lower the budget",
        )
    last = problem.fill(totals)[0][: len(totals), -1]
    n = problem.edges.length
    constant = problem.edges.loss((0, n), (0,)) - float(problem.edges.into(n)[0, 0])
    best = np.minimum.accumulate(last)
    falls = np.flatnonzero(best < np.append(np.inf, best[:-1]) - problem.edges.rounding)
    spent = np.array([float(totals[i] * problem.unit) for i in falls])
    return ModelFrontier(spent, last[falls] + constant)


def assign_models(measures: Measures, schedule: UnmaskingSchedule, *, light_steps: int) -> Solution:
    r"""The best steps for a light model, where boundaries and the number of its steps are given.

    Step t loses :math:`s_t (C_{light} - C_{heavy})(N_{t-1})` more with the light model, whatever
    the others use: the light model takes the r steps where that is least.

    Args:
        measures: The heavy model's curve or surface, then the light one's.
        schedule: The boundaries, in the order of the measures; its models are ignored.
        light_steps: r, from 0 to the number of steps.

    Returns:
        The schedule with model 0 (heavy) or 1 (light) for each step. The light steps come first
        and last (a "sandwich") for every r just where the extra loss of a step rises and then
        falls along the schedule.

    Raises:
        UsageError: Not two measures of one kind, length and order, a schedule of another length or
            order or with several blocks, or light_steps out of its range.

    References:
        theory, section 12.4; arXiv:2604.02340.

    Example:
        >>> heavy, light = InformationCurve([2.0, 1.5, 0.5]), InformationCurve([2.1, 1.9, 0.8])
        >>> from schedopt.schedule import Order
        >>> single = UnmaskingSchedule(3, Order("random"), (1, 1, 1))
        >>> assign_models([heavy, light], single, light_steps=2).schedule.models
        (1, 0, 1)
    """
    edges = _edges_of(measures, 0)
    if edges.models != 2:
        raise UsageError(f"need the measures of a heavy and a light model, got {edges.models}")
    boundaries = _boundaries_in(edges, schedule)
    light_steps = checked_steps("light_steps", light_steps, 0, schedule.steps)
    ends = list(pairwise(boundaries))
    extra = np.array([edges.into(b)[1, a] - edges.into(b)[0, a] for a, b in ends])
    lightest = np.argsort(extra, kind="stable")[:light_steps]
    models = tuple(int(t in lightest) for t in range(schedule.steps))
    loss = edges.loss(boundaries, models)
    most = f", at most {extra[lightest].max():.9g} nats each" if light_steps else ""
    return Solution(
        schedule=replace(schedule, models=models),
        loss=loss,
        sequential=edges.sequential,
        stderr=None,
        certificate=Certificate(
            "exchange of steps", loss, f"the {light_steps} steps that lose least by it{most}"
        ),
        status=Status.OPTIMAL,
    )


def loss_of_models(
    measures: Measures, flops: Sequence[float], schedule: UnmaskingSchedule
) -> float:
    """Predicted loss of any schedule with models: its excess over the heaviest, one at a time.

    Args:
        measures: As ``solve_models``.
        flops: As ``solve_models``; they tell which model is the heaviest.
        schedule: In the order of the measures, with a model for each step.

    Returns:
        The loss in nats.

    Raises:
        UsageError: As ``solve_models``, or a schedule of another length or order, with several
            blocks, without models, or with one that has no measure.

    Example:
        >>> heavy, light = InformationCurve([2.0, 1.0, 0.5]), InformationCurve([2.1, 1.6, 1.5])
        >>> from schedopt.schedule import Order
        >>> schedule = UnmaskingSchedule(3, Order("random"), (1, 2), models=(1, 0))
        >>> round(loss_of_models([heavy, light], [1, 0.25], schedule), 9)
        0.6
    """
    problem = _Problem.of(measures, flops)
    boundaries = _boundaries_in(problem.edges, schedule)
    return problem.edges.loss(boundaries, _models_in(schedule, problem.edges.models))


def flops_of(schedule: UnmaskingSchedule, flops: Sequence[float]) -> float:
    """FLOPs that the steps of a schedule spend, each with its model.

    Args:
        schedule: With a model for each step.
        flops: As ``solve_models``.

    Returns:
        FLOPs, in their unit.

    Raises:
        UsageError: The schedule has no models, or one without FLOPs.

    Example:
        >>> from schedopt.schedule import Order
        >>> schedule = UnmaskingSchedule(3, Order("random"), (1, 1, 1), models=(1, 1, 1))
        >>> flops_of(schedule, [1, 0.1])
        0.3
    """
    exact = [_fraction(f"flops[{m}]", value) for m, value in enumerate(flops)]
    return float(sum((exact[m] for m in _models_in(schedule, len(exact))), Fraction(0)))


@dataclass(frozen=True)
class _Route:
    boundaries: Boundaries
    models: tuple[int, ...]
    loss: float
    units: int  # of FLOPs


@dataclass(frozen=True)
class _Problem:
    """Edges, and the FLOPs of each model as whole multiples of a unit."""

    edges: ParallelEdges
    units: tuple[int, ...]
    unit: Fraction

    @classmethod
    def of(cls, measures: Measures, flops: Sequence[float]) -> _Problem:
        exact = [_fraction(f"flops[{m}]", value) for m, value in enumerate(flops)]
        if len(exact) != len(measures):
            raise UsageError(
                f"flops: need a number for each of the {len(measures)} measures, got {len(exact)}"
            )
        # The largest unit of which all are multiples.
        unit = Fraction(
            math.gcd(*(value.numerator for value in exact)),
            math.lcm(*(value.denominator for value in exact)),
        )
        units = tuple(int(value / unit) for value in exact)
        heaviest = units.index(max(units, default=0)) if units else 0
        return cls(_edges_of(measures, heaviest), units, unit)

    @property
    def most_totals(self) -> int:
        """How many totals of FLOPs a search may tell apart."""
        return TABLE_LIMIT // (self.edges.length + 1)

    def allowed(self, budget: float) -> int:
        """The budget in whole units."""
        units = int(_fraction("budget", budget) * (1 + BUDGET_TOLERANCE) / self.unit)
        if units < min(self.units):
            lightest = self.units.index(min(self.units))
            raise InfeasibleError(
                f"need a budget >= {float(min(self.units) * self.unit):g} FLOPs, one step of model "
                f"{lightest}, got {budget}"
            )
        return units

    def route(self, boundaries: Boundaries, models: tuple[int, ...]) -> _Route:
        """These steps, with what they lose and spend."""
        spent = sum(self.units[m] for m in models)
        return _Route(boundaries, models, self.edges.loss(boundaries, models), spent)

    def cheapest(self, price: float) -> _Route:
        """The route that is least in loss + price * units."""
        table = np.full((2, self.edges.length + 1), np.inf)
        table[0, 0] = 0.0
        sources = np.zeros((1, len(self.units)), dtype=np.int64)  # of its own row
        prices = price * np.array(self.units, dtype=np.float64)
        self.edges.fill(table, sources, prices)
        return self.route(*trace(self.edges, table, sources, prices, 0))

    def under_a_price(self, allowed: int) -> tuple[_Route, float, float]:
        """The best route on the lower convex hull that the units pay; the best price and bound."""
        whole = (0, self.edges.length)
        lightest = [m for m, units in enumerate(self.units) if units == min(self.units)]
        low = min((self.route(whole, (m,)) for m in lightest), key=lambda route: route.loss)
        high = self.cheapest(0.0)
        if high.units <= allowed:
            return high, 0.0, high.loss
        while True:
            price = max((low.loss - high.loss) / (high.units - low.units), 0.0)
            probe = self.cheapest(price)
            below = low.loss - probe.loss - price * (probe.units - low.units)
            if below <= 0.0 or not low.units < probe.units < high.units:
                on_line = probe if below > 0.0 else low
                return low, price, on_line.loss + price * (on_line.units - allowed)
            if probe.units <= allowed:
                low = probe
            else:
                high = probe

    def totals(self, allowed: int) -> list[int] | None:
        """Sums of units that up to n steps reach, rising from 0; None where there are too many."""
        totals, fresh = {0}, {0}
        for _ in range(self.edges.length):
            fresh = {t + u for t in fresh for u in self.units if t + u <= allowed} - totals
            totals |= fresh
            if len(totals) > self.most_totals:
                return None
        return sorted(totals)

    def fill(self, totals: Sequence[int]) -> tuple[Floats, Ints]:
        """Least costs to every position within every total, and the totals that models leave."""
        table = np.full((len(totals) + 1, self.edges.length + 1), np.inf)
        table[:-1, 0] = 0.0
        left = [[bisect_right(totals, t - u) - 1 for u in self.units] for t in totals]
        sources = np.array(left, dtype=np.int64)  # -1, the last row, where there is none
        self.edges.fill(table, sources, np.zeros(len(self.units)))
        return table, sources

    def solution(self, route: _Route, certificate: Certificate) -> Solution:
        """A route as a solution; optimal where its certificate closes."""
        closes = route.loss - certificate.lower_bound <= self.edges.rounding
        sizes = tuple(int(size) for size in np.diff(route.boundaries))
        return Solution(
            schedule=UnmaskingSchedule(
                self.edges.length, self.edges.order, sizes, models=route.models
            ),
            loss=route.loss,
            sequential=self.edges.sequential,
            stderr=None,
            certificate=certificate,
            status=Status.OPTIMAL if closes else Status.BOUNDED,
        )


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _fraction(name: str, value: float) -> Fraction:
    """The number that is written so: 0.31 for the float next to it."""
    if not _is_number(value) or value <= 0:
        raise UsageError(f"{name}: need a finite number > 0, got {value!r}")
    return Fraction(str(value))


def _edges_of(measures: Measures, reference: int) -> ParallelEdges:
    curves = [measure for measure in measures if isinstance(measure, InformationCurve)]
    surfaces = [measure for measure in measures if isinstance(measure, OrderSurface)]
    if not measures or len(measures) not in (len(curves), len(surfaces)):
        kinds = ", ".join(type(measure).__name__ for measure in measures) or "none"
        raise UsageError(f"measures: need curves only or surfaces only, one a model, got {kinds}")
    lengths = [measure.length for measure in measures]
    if len(set(lengths)) > 1:
        raise UsageError(f"measures: need the same length, got {lengths}")
    orders = [surface.order for surface in surfaces]
    for m, order in enumerate(orders):
        if order.permutation_for(lengths[0]) != orders[0].permutation_for(lengths[0]):
            raise UsageError(
                f"measures[{m}]: need the order of the first surface, {orders[0]}, got {order}"
            )
    return CurveEdges(curves, reference) if curves else SurfaceEdges(surfaces, reference)


def _boundaries_in(edges: ParallelEdges, schedule: UnmaskingSchedule) -> Boundaries:
    """The boundaries of a schedule that belongs to the measures."""
    if schedule.length != edges.length or schedule.blocks is not None:
        blocks = 1 if schedule.blocks is None else len(schedule.blocks)
        raise UsageError(
            f"schedule: need one block of the measures' {edges.length} positions, got {blocks} of "
            f"{schedule.length}"
        )
    mine, theirs = schedule.order, edges.order
    if mine != theirs and not (
        mine.is_fixed
        and theirs.is_fixed
        and mine.permutation_for(edges.length) == theirs.permutation_for(edges.length)
    ):
        raise UsageError(f"schedule: need the order of the measures, {theirs}, got {mine}")
    return schedule.boundaries


def _models_in(schedule: UnmaskingSchedule, count: int) -> tuple[int, ...]:
    """The models of a schedule, each of which is there."""
    if schedule.models is None or max(schedule.models) >= count:
        raise UsageError(
            f"models: need one of 0..{count - 1} for each step, got {schedule.models!r}"
        )
    return schedule.models
