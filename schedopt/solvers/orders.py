"""Which order: predicted losses of many orders from one model of what known sets leave open.

A family of orders is ranked, and a local search leads on to orders of no family; ``search`` puts
them together.
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
from theory.distributions import Law
from theory.dus import block_bisection
from theory.orders import dilated_order, pipelined_order

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BASES: Final = (2, 3, 4)
LAGS: Final = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0)
LEAST_BLOCK: Final = 8
CUTS: Final = (1, 2, 3)  # positions that cut a gap in two: the order of the chain they suit
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


def plan_order(conditionals: Conditionals, name: str, order: Order, *, steps: int) -> Plan:
    """Best sizes of one order for a budget.

    Raises:
        UsageError: The steps are not in 1..n, or as ``predicted_surface``.

    Example:
        >>> from theory.distributions import Parity
        >>> plan = plan_order(LawConditionals(Parity(3)), "parity", Order("left_to_right"), steps=2)
        >>> plan.solution.schedule.step_sizes
        (2, 1)
    """
    return Plan(name, solve(predicted_surface(conditionals, order), steps=steps))


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
        family[name] = Order("explicit", permutation=spread(block_bisection(length, cut)))
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


def spread(groups: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """One group after the other, each swept evenly.

    Example:
        >>> spread([(3,), (1, 5), (0, 2, 4, 6)])
        (3, 1, 5, 0, 4, 2, 6)
    """
    return tuple(group[i] for group in groups for i in dilated_order(len(group)))


def family_surfaces(
    conditionals: Conditionals, family: Mapping[str, Order] | None = None
) -> dict[str, OrderSurface]:
    """Predicted surfaces of every order of a family, to be ranked for several budgets.

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
    return rank_surfaces(family_surfaces(conditionals, family), steps=steps)


def rank_surfaces(surfaces: Mapping[str, OrderSurface], *, steps: int) -> tuple[Plan, ...]:
    """Best sizes of every surface for a budget, the least predicted NLL first.

    Args:
        surfaces: By name.
        steps: Forward passes.

    Raises:
        UsageError: The steps are not in 1..n.

    Example:
        >>> copy = OrderSurface([[0.7, 0.7], [0.0, 0.0]], Order("left_to_right"))
        >>> [plan.nll for plan in rank_surfaces({"a pair": copy}, steps=2)]
        [0.7]
    """
    plans = [Plan(name, solve(surface, steps=steps)) for name, surface in surfaces.items()]
    return tuple(sorted(plans, key=lambda plan: plan.nll))


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
        ('left to right, improved', 2.07)
    """
    n, k = conditionals.length, plan.solution.schedule.steps
    if plan.solution.schedule.length != n:
        raise UsageError(f"need a plan of {n} positions, got {plan.solution.schedule.length}")
    step, place = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    place[list(plan.solution.schedule.order.permutation_for(n))] = np.arange(n)
    for t, group in enumerate(plan.solution.schedule.groups()):
        step[list(group)] = t
    moved, open_pairs = False, set(range(k - 1))  # pairs that may gain, by their first step
    for sweep in range(sweeps):
        pairs = sorted(t for t in open_pairs if t % 2 == sweep % 2)  # these share no step
        gained = _improve_pairs(conditionals, step, pairs) if pairs else []
        moved = moved or bool(gained)
        near = {u for t in gained for u in (t - 1, t, t + 1) if 0 <= u < k - 1}
        open_pairs = open_pairs.difference(pairs) | near
        if not open_pairs:
            break
    if not moved:
        return plan
    positions = tuple(int(p) for p in np.lexsort((place, step)))
    name = f"{plan.name.removesuffix(IMPROVED)}{IMPROVED}"
    return plan_order(conditionals, name, Order("explicit", permutation=positions), steps=k)


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
    conditionals: Conditionals, step: NDArray[np.int64], pairs: Sequence[int]
) -> list[int]:
    """Apply the best split of each pair of successive steps; those that gained."""
    splits = [_splits(step == t, step == t + 1) for t in pairs]
    before = np.array([step < t for t in pairs])
    both = np.array([(step == t) | (step == t + 1) for t in pairs])
    now = conditionals.conditional_entropies(before, both)
    owner = np.repeat(np.arange(len(splits)), [len(s) for s in splits])
    first = np.concatenate(splits)
    later = conditionals.conditional_entropies(before[owner] | first, both[owner] & ~first)
    costs = (now[owner] * first).sum(axis=1) + later.sum(axis=1)
    gained = []
    for i, t in enumerate(pairs):
        rows = np.flatnonzero(owner == i)
        best = rows[np.argmin(costs[rows])]
        if costs[best] < costs[rows[0]] - LEAST_GAIN:
            step[both[i]] = t + 1
            step[first[best]] = t
            gained.append(t)
    return gained
