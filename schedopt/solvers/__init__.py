"""From a measure to the best schedule: one shortest path, one algorithm a module.

- ``penalty``: one number of steps, by a price on steps (Lagrangian dual and path splice).
- ``envelope``: shortest paths on a curve, by a lower envelope of lines in a queue; ``lichao``: in a
  tree, where the curve also rises.
- ``dense``: shortest paths on a surface, by its matrix of step costs; ``monge``: by divide and
  conquer, where it is monotone.
- ``frontier``: every number of steps, by prices, where the frontier is convex.
- ``layers``: every number of steps, by exhaustive dynamic programming.
- ``allocation``: one budget for many blocks; ``blocks``: for blocks that share one measure.
- ``orders``: which order, from a model of what every known set leaves open: a family of orders, and
  local search; ``search``: these and a plan by gaps together.
"""

from schedopt.solvers.allocation import Allocation, allocate
from schedopt.solvers.blocks import check_steps, loss_of_blocks, solve_blocks
from schedopt.solvers.optimal import loss_of, losses, solve
from schedopt.solvers.orders import (
    Conditionals,
    LawConditionals,
    Plan,
    family_surfaces,
    improve_order,
    order_family,
    plan_order,
    predicted_surface,
    rank_surfaces,
    search_orders,
)
from schedopt.solvers.search import find_order, gap_plan

__all__ = [
    "Allocation",
    "Conditionals",
    "LawConditionals",
    "Plan",
    "allocate",
    "check_steps",
    "family_surfaces",
    "find_order",
    "gap_plan",
    "improve_order",
    "loss_of",
    "loss_of_blocks",
    "losses",
    "order_family",
    "plan_order",
    "predicted_surface",
    "rank_surfaces",
    "search_orders",
    "solve",
    "solve_blocks",
]
