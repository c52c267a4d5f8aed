"""From a measure to the best schedule: one shortest path, one algorithm a module.

- ``penalty``: one number of steps, by a price on steps (Lagrangian dual and path splice).
- ``envelope``: shortest paths on a curve, by a lower envelope of lines in a queue; ``lichao``: in a
  tree, where the curve also rises.
- ``dense``: shortest paths on a surface, by its matrix of step costs; ``monge``: by divide and
  conquer, where it is monotone.
- ``frontier``: every number of steps, by prices, where the frontier is convex.
- ``layers``: every number of steps, by exhaustive dynamic programming.
- ``allocation``: one budget for many blocks; ``blocks``: for blocks that share one measure.
"""

from schedopt.solvers.allocation import Allocation, allocate
from schedopt.solvers.blocks import check_steps, loss_of_blocks, solve_blocks
from schedopt.solvers.optimal import loss_of, losses, solve

__all__ = [
    "Allocation",
    "allocate",
    "check_steps",
    "loss_of",
    "loss_of_blocks",
    "losses",
    "solve",
    "solve_blocks",
]
