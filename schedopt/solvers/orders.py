"""Which order: predicted losses of many orders from one model of what known sets leave open.

``find_order`` does all of it: it solves the boundaries of a family of orders (``search_orders``),
plans gap by gap (``gap_plan``, the optimum of a chain), and searches around the best of them
(``improve_order``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from schedopt.curve import OrderSurface
from schedopt.errors import UsageError
from schedopt.schedule import Order
from schedopt.solution import Solution
from schedopt.solvers.optimal import solve
from schedopt.solvers.paths import checked_steps
from theory.chain_partitions import NODE_LIMIT, best_gap_plans
from theory.distributions import Law
from theory.dus import block_bisection
from theory.orders import dilated_order, pipelined_order

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BASES: Final = (2, 3, 4)
LAGS: Final = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0)
LEAST_BLOCK: Final = 8
CUTS: Final = (1, 2, 3)  # positions that cut a gap in two: the order of the chain they suit
GAP_LIMIT: Final = NODE_LIMIT - 2  # positions of a plan by gaps
LEAST_GAIN: Final = 1e-9  # nats; less is rounding
IMPROVED: Final = ", improved"
SWAPS: Final = 4  # each position of a group may change places with so many of the next group


class Conditionals(Protocol):
    """What every known set leaves open: an exact law or a fitted gap model."""

    @property
    def length(self) -> int:
        """Number of positions n."""

    def conditional_entropies(self, known: Bools, queried: Bools | None = None) -> Floats:
        """H(X_i | X_S) for each known set S, shape (M, n), nats; 0 where known or not asked."""


class LawConditionals:
    """The conditional entropies of an exact law.

    Args:
        law: Any law; each known set is one query of it.

    Example:
        >>> from theory.distributions import Parity
        >>> known = np.array([[False, False], [True, False]])
        >>> LawConditionals(Parity(2)).conditional_entropies(known).round(4) + 0.0
        array([[0.6931, 0.6931],
               [0.    , 0.    ]])
    """

    def __init__(self, law: Law) -> None:
        self._law = law
        self.length = law.n

    def conditional_entropies(self, known: Bools, queried: Bools | None = None) -> Floats:
        """H(X_i | X_S), as the law has it.

        Raises:
            UsageError: The known sets are of another length.
        """
        if known.ndim != 2 or known.shape[1] != self.length:
            raise UsageError(f"known: need shape (M, {self.length}), got {known.shape}")
        found = np.zeros(known.shape)
        for row, given in zip(found, known, strict=True):
            row[:] = self._law.conditional_entropies(np.flatnonzero(given))
        return found if queried is None else found * queried


@dataclass(frozen=True)
class Plan:
    """An order with its best sizes for a budget.

    Args:
        name: Of the order, for people.
        solution: Its predicted loss, nats.
    """

    name: str
    solution: Solution

    @property
    def nll(self) -> float:
        """Predicted NLL of the sampler, nats: orders are compared by it, not by their losses."""
        return self.solution.sequential + self.solution.loss


def predicted_surface(conditionals: Conditionals, order: Order) -> OrderSurface:
    """The surface of any order.

    Args:
        conditionals: An exact law or a gap model.
        order: One that fixes the positions.

    Raises:
        UsageError: The order is random, chosen by a planner, or of another length.

    Example:
        >>> from theory.distributions import Parity
        >>> predicted_surface(LawConditionals(Parity(2)), Order("left_to_right")).sequential
        0.6931471805599453
    """
    if not order.is_fixed:
        raise UsageError(f"need an order that fixes the positions, got {order.name!r}")
    n = conditionals.length
    positions = np.asarray(order.permutation_for(n))
    known = np.zeros((n, n), dtype=bool)
    known[:, positions] = np.tri(n, k=-1, dtype=bool)
    return OrderSurface(conditionals.conditional_entropies(known)[:, positions], order)


def order_family(length: int) -> dict[str, Order]:
    """Dilated orders of several bases, in one block, in parallel, overlapping or successive blocks.

    Blocks are the length divided by powers of two, down to 8 positions. Bisection starts in the
    middle, with one position, or with two or three side by side.

    Args:
        length: Positions, >= 1.

    Returns:
        Orders by name, no two of them the same.

    Raises:
        UsageError: The length is below 1.

    Example:
        >>> list(order_family(16))[:4]
        ['dilated, base 2', 'dilated, base 3', 'dilated, base 4', 'bisection']
    """
    if length < 1:
        raise UsageError(f"length: need a whole number >= 1, got {length}")
    family = {f"dilated, base {base}": Order("dilated", base=base) for base in BASES}
    for cut in CUTS:
        name = "bisection" if cut == 1 else f"bisection by {cut}"
        family[name] = Order("explicit", permutation=_spread(block_bisection(length, cut)))
    block = length // 2
    while block >= LEAST_BLOCK:
        for base in BASES:
            for lag in LAGS:
                positions = pipelined_order(length, block=block, lag=lag, base=base)
                name = f"blocks of {block}, lag {lag:g}, base {base}"
                family[name] = Order("explicit", permutation=positions)
        block //= 2
    # The first of those that are the same: reversed, so that it is set last.
    named = {order.permutation_for(length): name for name, order in reversed(family.items())}
    return {name: order for name, order in family.items() if name in named.values()}


def _spread(groups: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """One group after the other, each swept evenly."""
    return tuple(group[i] for group in groups for i in dilated_order(len(group)))


def family_surfaces(
    conditionals: Conditionals, family: Mapping[str, Order] | None = None
) -> dict[str, OrderSurface]:
    """Predicted surfaces of every order of a family, for ``find_order`` at several budgets.

    Args:
        conditionals: An exact law or a gap model.
        family: Names and orders; ``order_family`` by default.

    Raises:
        UsageError: The family is empty, or has an order that does not fix n positions.

    Example:
        >>> from theory.distributions import Parity
        >>> len(family_surfaces(LawConditionals(Parity(12))))
        6
    """
    orders = order_family(conditionals.length) if family is None else family
    if not orders:
        raise UsageError("family: need at least one order")
    return {name: predicted_surface(conditionals, order) for name, order in orders.items()}


def search_orders(
    conditionals: Conditionals, *, steps: int, family: Mapping[str, Order] | None = None
) -> tuple[Plan, ...]:
    """Best sizes of every order of a family for a budget, the least predicted NLL first.

    Args:
        conditionals: An exact law or a gap model.
        steps: Forward passes.
        family: As ``family_surfaces``.

    Raises:
        UsageError: The steps are not in 1..n, or as ``family_surfaces``.

    Example:
        >>> from theory.distributions import MarkovChain
        >>> chain = MarkovChain(16, np.array([[0.9, 0.1], [0.3, 0.7]]))
        >>> search_orders(LawConditionals(chain), steps=4)[0].name
        'dilated, base 2'
    """
    return _ranked(family_surfaces(conditionals, family), steps)


def _ranked(surfaces: Mapping[str, OrderSurface], steps: int) -> tuple[Plan, ...]:
    plans = [Plan(name, solve(surface, steps=steps)) for name, surface in surfaces.items()]
    return tuple(sorted(plans, key=lambda plan: plan.nll))


def _planned(conditionals: Conditionals, name: str, order: Order, steps: int) -> Plan:
    return Plan(name, solve(predicted_surface(conditionals, order), steps=steps))


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
    order = Order("explicit", permutation=_spread(groups))
    return _planned(conditionals, "gaps", order, steps)


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
        >>> from theory.distributions import MarkovChain
        >>> sticky = MarkovChain(16, np.array([[0.99, 0.01], [0.01, 0.99]]))
        >>> find_order(LawConditionals(sticky), steps=3).solution.schedule.step_sizes
        (1, 4, 11)
    """
    if starts < 1:
        raise UsageError(f"starts: need at least 1, got {starts}")
    plans = list(_ranked(surfaces or family_surfaces(conditionals), steps))
    if conditionals.length <= GAP_LIMIT:
        plans.append(gap_plan(conditionals, steps=steps))
    plans.sort(key=lambda plan: plan.nll)
    improved = [improve_order(conditionals, plan, sweeps=sweeps) for plan in plans[:starts]]
    return min(improved, key=lambda plan: plan.nll)


def improve_order(conditionals: Conditionals, plan: Plan, *, sweeps: int = 100) -> Plan:
    """Local search from a plan: move positions to the step before or after, or swap two.

    A move between steps t and t + 1 changes what is known at step t + 1 alone, so that every other
    pair of steps is searched at once. Each sweep takes the best move of each pair; the sizes are
    solved anew at the end, and no step is ever empty.

    Args:
        conditionals: An exact law or a gap model; of the latter the search also finds the errors,
            so that what it promises needs a measurement.
        plan: Where to start, predicted by the same conditionals.
        sweeps: At most so many.

    Returns:
        A plan with an explicit order, or the plan itself where nothing improves it.

    Raises:
        UsageError: The plan is of another length.

    Example:
        >>> from theory.distributions import MarkovChain
        >>> sticky = LawConditionals(MarkovChain(16, np.array([[0.99, 0.01], [0.01, 0.99]])))
        >>> family = {"left to right": Order("left_to_right")}
        >>> plan = search_orders(sticky, steps=2, family=family)[0]
        >>> better = improve_order(sticky, plan)
        >>> better.name, round(plan.nll - better.nll, 2)
        ('left to right, improved', 2.73)
    """
    n, k = conditionals.length, plan.solution.schedule.steps
    if plan.solution.schedule.length != n:
        raise UsageError(f"need a plan of {n} positions, got {plan.solution.schedule.length}")
    step, place = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    place[list(plan.solution.schedule.order.permutation_for(n))] = np.arange(n)
    for t, group in enumerate(plan.solution.schedule.groups()):
        step[list(group)] = t
    moved, since = False, 0
    for sweep in range(sweeps):
        pairs = range(sweep % 2, k - 1, 2)  # these pairs share no step
        gained = _improve_pairs(conditionals, step, pairs) if pairs else False
        moved, since = moved or gained, 0 if gained else since + 1
        if since == 2:  # neither the even nor the odd pairs
            break
    if not moved:
        return plan
    positions = tuple(int(p) for p in np.lexsort((place, step)))
    name = f"{plan.name.removesuffix(IMPROVED)}{IMPROVED}"
    return _planned(conditionals, name, Order("explicit", permutation=positions), k)


def _splits(first: Bools, second: Bools) -> Bools:
    """The first group as it is, with one position more or less, or one swapped; shape (M, n)."""
    here, there = np.flatnonzero(first), np.flatnonzero(second)
    flips = [[p] for p in there] if len(there) > 1 else []
    flips += [[p] for p in here] if len(here) > 1 else []
    for p in here:
        near = there[np.argsort(np.abs(there - p), kind="stable")[:SWAPS]]
        flips += [[p, q] for q in near]
    splits = np.repeat(first[None], len(flips) + 1, axis=0)
    for row, positions in zip(splits[1:], flips, strict=True):
        row[positions] ^= True
    return splits


def _improve_pairs(
    conditionals: Conditionals, step: NDArray[np.int64], pairs: Iterable[int]
) -> bool:
    """Apply the best split of each pair of successive steps; whether any gained."""
    splits = [_splits(step == t, step == t + 1) for t in pairs]
    before = np.array([step < t for t in pairs])
    both = np.array([(step == t) | (step == t + 1) for t in pairs])
    now = conditionals.conditional_entropies(before, both)
    owner = np.repeat(np.arange(len(splits)), [len(s) for s in splits])
    first = np.concatenate(splits)
    later = conditionals.conditional_entropies(before[owner] | first, both[owner] & ~first)
    costs = (now[owner] * first).sum(axis=1) + later.sum(axis=1)
    gained = False
    for i, t in enumerate(pairs):
        rows = np.flatnonzero(owner == i)
        best = rows[np.argmin(costs[rows])]
        if costs[best] < costs[rows[0]] - LEAST_GAIN:
            step[both[i]] = t + 1
            step[first[best]] = t
            gained = True
    return gained
