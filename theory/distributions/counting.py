"""Counters that rise by chance: how many of the known positions are of some kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from theory.tables import Floats


def counter_laws(
    steps: int, chance: Callable[[int, Floats], Floats | float], *, most: int | None = None
) -> Iterator[Floats]:
    """Law of a counter that starts at 0 and may rise by one a step, before each of the steps.

    No term is ever subtracted from a smaller one, so small probabilities keep their digits.

    Args:
        steps: How many laws to give.
        chance: Probability that step j = 0, 1, ... raises the counter, given its values 0, 1, ...
        most: The counter never rises over this.

    Yields:
        For j = 0..steps-1, the law after j steps, shape (min(j, most) + 1,).

    Example:
        >>> [law.tolist() for law in counter_laws(3, lambda j, count: 0.5)]
        [[1.0], [0.5, 0.5], [0.25, 0.5, 0.25]]
    """
    law = np.ones(1)
    for j in range(steps):
        if j:
            rises = law * chance(j - 1, np.arange(len(law), dtype=np.float64))
            law = np.append(law - rises, 0.0) + np.append(0.0, rises)
            if most is not None:
                law = law[: most + 1]
        yield law
