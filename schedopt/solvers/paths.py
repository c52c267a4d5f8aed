"""Schedules as paths: 0 = N_0 < N_1 < ... < N_k = n, each edge a step with a cost."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any, Final, ParamSpec, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from schedopt.errors import InputError, UsageError
from schedopt.schedule import Order
from theory.compiled import Kernel, compiled, numba_is_installed

Floats = NDArray[np.float64]
Nodes = NDArray[np.int64]
Boundaries = tuple[int, ...]

# In machine epsilons of the largest partial sum; 0.6 was the most seen on 10^4 random measures of
# up to 1000 positions, 0.001 on falling curves of 10^6.
ROUNDINGS = 8.0
MOST_NATS = 1e200  # so that prices times numbers of steps stay finite

COMPILED: Final = numba_is_installed()
FEW: Final = 256  # positions whose loops Python runs in a fraction of a millisecond

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class Path:
    """The boundaries of a schedule, shape (k + 1,), and the sum of its edges, nats."""

    boundaries: Nodes
    loss: float

    @property
    def steps(self) -> int:
        """Number of edges k."""
        return len(self.boundaries) - 1

    @property
    def step_sizes(self) -> tuple[int, ...]:
        """Edge lengths s_1..s_k."""
        return tuple(np.diff(self.boundaries).tolist())


class StepCosts(Protocol):
    """Edge costs of one measure, with the two shortest-path problems every solver is made of."""

    @property
    def length(self) -> int:
        """Number of positions n."""

    @property
    def order(self) -> Order:
        """The order in which the steps reveal positions."""

    @property
    def sequential(self) -> float:
        """Cross-entropy of one position a step, nats."""

    @property
    def rounding(self) -> float:
        """What floating point can add to the loss of the path it takes for the best, nats."""

    @property
    def comparisons(self) -> int:
        """Edges that one call of ``extend`` compares."""

    def path(self, boundaries: ArrayLike) -> Path:
        """The path with these boundaries and its loss, summed from differences without drift."""

    def price_of(self, steps: int) -> float:
        """A price at which a path of about this many edges should be the cheapest."""

    def cheapest(self, price: float) -> Path:
        """A path of any number of edges that is least in loss + price * edges."""

    def extend(self, before: Floats, edges: int) -> Floats:
        """Least costs to every position by so many edges, from those by one edge less."""

    def last_edge(self, before: Floats, end: int) -> int:
        """Where the last edge of the best path to ``end`` starts, by costs of one edge less."""

    def loss_at_end(self, costs: Floats) -> float:
        """Loss of the path to the last position that ``extend`` found, nats."""


@dataclass(frozen=True)
class Loops:
    """How the loops over a measure run, and the numbers that they run on.

    Compiled loops read arrays; Python's read lists three times as fast. Short measures take
    Python's: they are done before numba, half a second, is imported.

    Args:
        compiled: Whether they are compiled.
    """

    compiled: bool

    @classmethod
    def over(cls, positions: int) -> Loops:
        """What is the faster for so many positions."""
        return cls(COMPILED and positions > FEW)

    def read(self, values: NDArray[Any]) -> Any:
        """The numbers of an array."""
        return values if self.compiled else values.tolist()

    def room(self, size: int, dtype: type) -> Any:
        """Space to write so many numbers to."""
        return np.empty(size, dtype=dtype) if self.compiled else [0] * size

    def run(self, kernel: Kernel[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a kernel on what was read."""
        return (kernel if self.compiled else kernel.python)(*args, **kwargs)

    def trace(self, parents: Any) -> Nodes:
        """Boundaries of the path to the last position whose edges start at the parents."""
        walked = self.room(len(parents), np.int64)
        begin = self.run(_walk, parents, walked)
        return np.array(walked[begin:], dtype=np.int64)


@compiled
def _walk(parents: Any, walked: Any) -> int:
    """Write the path to the end of ``walked``, and tell where it begins."""
    begin = len(walked) - 1
    at = len(parents) - 1
    walked[begin] = at
    while at > 0:
        at = parents[at]
        begin -= 1
        walked[begin] = at
    return begin


def rounding_of(terms: int, largest: float) -> float:
    """What floating point can add to sums of this many terms, each at most ``largest`` nats.

    Raises:
        InputError: The terms are so large that sums could overflow.
    """
    if terms * largest > MOST_NATS:
        raise InputError(f"{terms} terms of up to {largest:g} nats overflow; scale them down")
    return ROUNDINGS * float(np.finfo(np.float64).eps) * terms * largest


def checked_steps(name: str, steps: int, least: int, most: int) -> int:
    """A number of steps as a plain int.

    Raises:
        UsageError: It is not a whole number from least to most.
    """
    if isinstance(steps, bool) or not isinstance(steps, Integral) or not least <= steps <= most:
        raise UsageError(f"need a whole number {least} <= {name} <= {most}, got {steps!r}")
    return int(steps)
