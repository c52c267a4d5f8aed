"""The search for an order: a family, a plan gap by gap, and what lies around the best of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from schedopt.curve import OrderSurface
from schedopt.errors import UsageError
from schedopt.schedule import Order
from schedopt.solvers.orders import (
    Conditionals,
    Plan,
    family_surfaces,
    improve_order,
    plan_order,
    rank_surfaces,
    spread,
)
from schedopt.solvers.paths import checked_steps
from theory.chain_partitions import NODE_LIMIT, best_gap_plans

GAP_LIMIT: Final = NODE_LIMIT - 2  # positions of a plan by gaps


def gap_plan(conditionals: Conditionals, *, steps: int) -> Plan:
    """The best of all plans, if the gap around a position were all that counted.

    What a position costs inside a gap is predicted with both ends known and, beyond them, one
    position at each further width of the gap, as in a plan that refines all of the block alike.
    For a chain of order 1 these tell nothing, and the plan is the optimum. It takes n^2 / 2 known
    sets.

    Args:
        conditionals: An exact law or a gap model, of at most 256 positions.
        steps: Forward passes.

    Raises:
        UsageError: The steps are not in 1..n, or there are too many positions.

    References:
        theory, sections 5.4 and 11.2.

    Example:
        >>> from schedopt.solvers.orders import LawConditionals
        >>> from theory.distributions import MarkovChain
        >>> chain = MarkovChain(7, np.array([[0.9, 0.1], [0.3, 0.7]]))
        >>> plan = gap_plan(LawConditionals(chain), steps=3)
        >>> plan.solution.schedule.groups()
        ((3,), (1, 5), (0, 4, 2, 6))
    """
    n = conditionals.length
    if n > GAP_LIMIT:
        raise UsageError(f"a plan by gaps takes at most {GAP_LIMIT} positions, got {n}")
    steps = checked_steps("steps", steps, 1, n)
    left, right = np.triu_indices(n + 2, k=2)
    at = np.arange(1, n + 1)
    outside = (at <= left[:, None]) | (at >= right[:, None])
    known = outside & ((at - left[:, None]) % (right - left)[:, None] == 0)
    found = conditionals.conditional_entropies(known, ~outside)
    inside = np.zeros((n + 2, n + 2, n + 2))
    inside[left, 1:-1, right] = found
    groups, _ = best_gap_plans(inside, steps)[-1]
    order = Order("explicit", permutation=spread(groups))
    return plan_order(conditionals, "gaps", order, steps=steps)


def find_order(
    conditionals: Conditionals,
    *,
    steps: int,
    starts: int = 3,
    sweeps: int = 100,
    surfaces: Mapping[str, OrderSurface] | None = None,
) -> Plan:
    """The best plan of a family, of gaps, and of local search from the best few of these.

    Args:
        conditionals: An exact law or a gap model; over 256 positions there is no plan by gaps.
        steps: Forward passes.
        starts: Search from so many plans.
        sweeps: As ``improve_order``.
        surfaces: ``family_surfaces`` of these conditionals, where they serve several budgets.

    Raises:
        UsageError: The steps are not in 1..n, or there are no starts.

    Example:
        >>> from schedopt.solvers.orders import LawConditionals
        >>> from theory.distributions import MarkovChain
        >>> sticky = MarkovChain(16, np.array([[0.99, 0.01], [0.01, 0.99]]))
        >>> find_order(LawConditionals(sticky), steps=3).solution.schedule.step_sizes
        (1, 4, 11)
    """
    if starts < 1:
        raise UsageError(f"starts: need at least 1, got {starts}")
    plans = list(rank_surfaces(surfaces or family_surfaces(conditionals), steps=steps))
    if conditionals.length <= GAP_LIMIT:
        plans.append(gap_plan(conditionals, steps=steps))
    plans.sort(key=lambda plan: plan.nll)
    improved = [improve_order(conditionals, plan, sweeps=sweeps) for plan in plans[:starts]]
    return min(improved, key=lambda plan: plan.nll)
