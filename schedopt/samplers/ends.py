"""Where the rows of a batch end."""

from __future__ import annotations

import numpy as np

from schedopt.samplers.active import Bools, Integers


class Ends:
    """The end of each row: the first end token right of all given positions.

    Args:
        eos_id: The end token.
        masked: Shape (B, L), before the first step.

    Example:
        >>> masked = np.array([[False, True, True, True]])
        >>> ends = Ends(9, masked)
        >>> masked[0, 1:3] = False  # what a step reveals: 5 and the end token
        >>> ends.see(np.array([5, 9]), np.array([0, 0]), np.array([1, 2]))
        >>> ends.past(masked)
        array([[False, False, False,  True]])
    """

    def __init__(self, eos_id: int, masked: Bools) -> None:
        self.eos_id = eos_id
        width = masked.shape[1]
        given = ~masked
        # First position right of all given ones.
        self._tail = np.where(given.any(axis=1), width - given[:, ::-1].argmax(axis=1), 0)
        self._seen: Bools = np.zeros_like(masked)

    def see(self, revealed: Integers, rows: Integers, columns: Integers) -> None:
        """Take note of the tokens revealed at these rows and columns."""
        self._seen[rows, columns] = (revealed == self.eos_id) & (columns >= self._tail[rows])

    def past(self, masked: Bools) -> Bools:
        """Positions right of an end to whose left nothing is masked."""
        width = masked.shape[1]
        end = np.where(self._seen.any(axis=1), self._seen.argmax(axis=1), width)
        first_masked = np.where(masked.any(axis=1), masked.argmax(axis=1), width)
        return np.asarray((np.arange(width) > end[:, None]) & (end < first_masked)[:, None])
