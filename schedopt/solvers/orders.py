"""Which order: predicted losses of many orders from one model of what known sets leave open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from schedopt.curve import OrderSurface
from schedopt.schedule import Order
from schedopt.solution import Solution
from schedopt.solvers.optimal import solve
from theory.distributions import Law
from theory.orders import pipelined_order

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BASES: Final = (2, 3, 4)
LAGS: Final = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0)
LEAST_BLOCK: Final = 8
LEAST_GAIN: Final = 1e-9  # nats; less is rounding
SWAPS: Final = 4  # each position of a group may change places with so many of the next group


class Conditionals(Protocol):
    """What every known set leaves open: an exact law or a fitted gap model."""

    @property
    def length(self) -> int:
        """Number of positions n."""

    def conditional_entropies(self, known: Bools, queried: Bools | None = None) -> Floats:
        """H(X_i | X_S) for each known set S, shape (M, n), nats; 0 where known or not asked."""


class LawConditionals:
    """The conditional entropies of an exact law."""

    def __init__(self, law: Law) -> None:
        self._law = law
        self.length = law.n

    def conditional_entropies(self, known: Bools, queried: Bools | None = None) -> Floats:
        """H(X_i | X_S), as the law has it."""
        found = np.array([self._law.conditional_entropies(np.flatnonzero(row)) for row in known])
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

    Example:
        >>> from theory.distributions import Parity
        >>> predicted_surface(LawConditionals(Parity(2)), Order("left_to_right")).sequential
        0.6931471805599453
    """
    n = conditionals.length
    positions = np.asarray(order.permutation_for(n))
    known = np.zeros((n, n), dtype=bool)
    known[:, positions] = np.tri(n, k=-1, dtype=bool)
    return OrderSurface(conditionals.conditional_entropies(known)[:, positions], order)


def order_family(length: int) -> dict[str, Order]:
    """Dilated orders of several bases, in one block, in parallel, overlapping or successive blocks.

    Blocks are the length divided by powers of two, down to 8 positions.

    Example:
        >>> list(order_family(16))[:3]
        ['dilated, base 2', 'dilated, base 3', 'dilated, base 4']
    """
    family = {f"dilated, base {base}": Order("dilated", base=base) for base in BASES}
    seen = {order.permutation_for(length) for order in family.values()}
    block = length // 2
    while block >= LEAST_BLOCK:
        for base in BASES:
            for lag in LAGS:
                positions = pipelined_order(length, block=block, lag=lag, base=base)
                if positions not in seen:
                    seen.add(positions)
                    family[f"blocks of {block}, lag {lag:g}, base {base}"] = Order(
                        "explicit", permutation=positions
                    )
        block //= 2
    return family


def search_orders(
    conditionals: Conditionals, *, steps: int, family: Mapping[str, Order] | None = None
) -> tuple[Plan, ...]:
    """Best sizes of every order of a family for a budget, the least predicted NLL first.

    Args:
        conditionals: An exact law or a gap model.
        steps: Forward passes.
        family: Names and orders; ``order_family`` by default.

    Raises:
        UsageError: The steps are not in 1..n.

    Example:
        >>> from theory.distributions import MarkovChain
        >>> chain = MarkovChain(16, np.array([[0.9, 0.1], [0.3, 0.7]]))
        >>> search_orders(LawConditionals(chain), steps=4)[0].name
        'dilated, base 2'
    """
    orders = order_family(conditionals.length) if family is None else family
    plans = [
        Plan(name, solve(predicted_surface(conditionals, order), steps=steps))
        for name, order in orders.items()
    ]
    return tuple(sorted(plans, key=lambda plan: plan.nll))


def improve_order(conditionals: Conditionals, plan: Plan, *, sweeps: int = 100) -> Plan:
    """Local search from a plan: move positions to the step before or after, or swap two.

    A move between steps t and t + 1 changes what is known at step t + 1 alone, so that every other
    pair of steps is searched at once. Each sweep takes the best move of each pair; the sizes are
    solved anew at the end.

    Args:
        conditionals: An exact law or a gap model; of the latter the search also finds the errors,
            so that what it promises needs a measurement.
        plan: Where to start.
        sweeps: At most so many.

    Returns:
        A plan with an explicit order, or the plan itself where nothing improves it.
    """
    n, k = conditionals.length, plan.solution.schedule.steps
    step = np.empty(n, dtype=np.int64)
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
    positions = tuple(int(p) for p in np.lexsort((np.arange(n), step)))
    order = Order("explicit", permutation=positions)
    solution = solve(predicted_surface(conditionals, order), steps=k)
    better = Plan(f"{plan.name}, improved", solution)
    return better if better.nll < plan.nll else plan


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
