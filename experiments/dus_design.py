"""What both ablations of DUS share; no script: orders, and ways to cut them, at equal passes.

Each order is combined with each way to cut it. The orders are

- ``dilated``: DUS's (base 2);
- ``jittered``: random dilation, the position that a level reveals in a cell is drawn inside it;
- ``random``: one permutation a seed, the same for all texts;
- ``left to right``;
- ``best found``: the best of a family, a plan by gaps and local search (``find_order``);

and the sizes of the steps are DUS's ``doubling`` ones (2, 2, 4, 8, ..., n / 2: only in as many
passes as DUS takes), ``equal``, a ``random`` composition for each seed, and ``optimal`` for the
order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.sizes import uniform_sizes
from schedopt.solvers import Conditionals, predicted_surface, solve
from schedopt.solvers.orders import spread
from theory.orders import dilated_groups, dilated_order, dilated_strides

Cell = tuple[str, str]  # order, sizes
Design = dict[Cell, list[UnmaskingSchedule]]  # one schedule a seed, or one where nothing is drawn


def jittered_order(n: int, rng: np.random.Generator) -> tuple[int, ...]:
    """DUS's levels with the position of each new cell drawn inside it, each level swept evenly."""
    known: set[int] = set()
    groups = []
    for stride in (*dilated_strides(n), 1):
        cells = [range(start, min(start + stride, n)) for start in range(0, n, stride)]
        fresh = [int(rng.choice(cell)) for cell in cells if known.isdisjoint(cell)]
        known.update(fresh)
        groups.append(fresh)
    return spread(group for group in groups if group)


def random_composition(n: int, k: int, rng: np.random.Generator) -> tuple[int, ...]:
    """One of all ways to write n as an ordered sum of k sizes, each as likely."""
    cuts = np.sort(rng.choice(n - 1, k - 1, replace=False)) + 1
    return tuple(int(size) for size in np.diff([0, *cuts, n]))


def design(
    conditionals: Conditionals, best: Order, steps: int, rngs: Sequence[np.random.Generator]
) -> Design:
    """All schedules of so many steps; ``optimal`` ones are so for the surface of their order."""
    n = conditionals.length
    doubling = tuple(len(group) for group in dilated_groups(n))
    orders = {
        "dilated": [dilated_order(n)],
        "jittered": [jittered_order(n, rng) for rng in rngs],
        "random": [tuple(int(p) for p in rng.permutation(n)) for rng in rngs],
        "left to right": [tuple(range(n))],
        "best found": [best.permutation_for(n)],
    }
    compositions = [random_composition(n, steps, rng) for rng in rngs]
    found: Design = defaultdict(list)
    for kind, permutations in orders.items():
        drawn = [Order("explicit", permutation=permutation) for permutation in permutations]
        for order in drawn:
            surface = predicted_surface(conditionals, order)
            sizes = {
                "equal": uniform_sizes(n, steps),
                "optimal": solve(surface, steps=steps).schedule.step_sizes,
            }
            if len(doubling) == steps:
                sizes["doubling"] = doubling
            for name, these in sizes.items():
                found[kind, name].append(UnmaskingSchedule(n, order, these))
        for i, these in enumerate(compositions):  # each with its own order, where those are drawn
            found[kind, "random"].append(UnmaskingSchedule(n, drawn[i % len(drawn)], these))
    return dict(found)


def reference_of(cells: Design) -> Cell:
    """DUS where it takes these steps, else its order in equal steps."""
    return "dilated", "doubling" if ("dilated", "doubling") in cells else "equal"


def stderr_of(values: Sequence[float]) -> float | None:
    """Standard error of a mean over seeds or laws; None of one."""
    if len(values) < 2:
        return None
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))
