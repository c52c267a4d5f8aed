"""Work in units: shared among ranks, kept in a journal, told of as it gets done."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from schedopt.errors import SchedoptError
from schedopt.running.journal import Arrays, Journal
from schedopt.running.ranks import ALONE, Ranks


class Progress(Protocol):
    """What is told how far the work is."""

    def __call__(self, done: int, total: int, stderr: float | None = None, /) -> None:
        """So much is done of so much; of what is measured, the standard error so far."""
        ...


class Runner:
    """Computes units of work, each once.

    A unit must follow from what came before it alone: then a run that resumes with a journal, and
    one that is shared among ranks, have the results of one that does neither.

    Args:
        journal: Where results are kept and taken from, on the first rank; None for nowhere.
        ranks: The processes that share the work, all of which make the same calls.

    Example:
        >>> import numpy as np
        >>> squares = Runner().map("squares", 3, lambda i: (np.array(i**2),))
        >>> [int(square) for square, in squares]
        [0, 1, 4]
    """

    def __init__(self, journal: Journal | None = None, ranks: Ranks = ALONE) -> None:
        self._journal, self._ranks = journal, ranks

    def map(
        self,
        label: str,
        count: int,
        compute: Callable[[int], Arrays],
        on_done: Callable[[int, Arrays], None] | None = None,
    ) -> list[Arrays]:
        """The results of compute(0), ..., compute(count - 1), in order.

        Args:
            label: What the call does; a journal that resumes must have the same.
            count: How many units it has.
            compute: Arrays of one unit; on each rank it is called for a share of the units.
            on_done: Told the index and the result of every unit, in order, on all ranks.

        Raises:
            InputError: The journal is of another program.
            OutputError: The journal cannot be written.
            SchedoptError: Ranks disagree about the call, or one of them has failed.
        """
        kept = {} if self._journal is None else self._journal.replay(label, count)
        # The first rank has the journal.
        told = self._ranks.exchange((label, count, kept))
        for rank, (other, units, _) in enumerate(told):
            if (other, units) != (label, count):
                raise SchedoptError(
                    f"rank {rank} is at {other!r} with {units} units, this one at {label!r} with "
                    f"{count}: they do not run the same program, or round otherwise",
                    hint="give all the same command and OMP_NUM_THREADS, on machines of one kind",
                )
        done: dict[int, Arrays] = told[0][2]
        missing = [index for index in range(count) if index not in done]
        if on_done is not None:
            for index in sorted(done):
                on_done(index, done[index])
        world = self._ranks.world
        for low in range(0, len(missing), world):
            turn = missing[low : low + world]
            mine = compute(turn[self._ranks.rank]) if self._ranks.rank < len(turn) else ()
            for index, arrays in zip(turn, self._ranks.exchange(mine), strict=False):
                if self._journal is not None:
                    self._journal.append(index, arrays)
                done[index] = arrays
                if on_done is not None:
                    on_done(index, arrays)
        return [done[index] for index in range(count)]


LOCAL: Final = Runner()


def fingerprint(*inputs: NDArray[Any] | str) -> str:
    """A short hash of what a call works on, for its label.

    Later calls work on what comes of earlier ones. Where that is rounded otherwise, as on another
    machine or with another number of threads, what a journal or another rank has would not fit.

    Example:
        >>> fingerprint("ab", "c") == fingerprint("a", "bc")
        False
    """
    digest = hashlib.sha256()
    for each in inputs:
        data = each.encode() if isinstance(each, str) else np.ascontiguousarray(each).tobytes()
        digest.update(b"%d " % len(data) + data)
    return digest.hexdigest()[:16]


def even_batch(count: int, most: int) -> int:
    """The size of the fewest batches of at most so many, none of them a small rest.

    Example:
        >>> even_batch(130, 64), even_batch(64, 64), even_batch(0, 64)
        (44, 64, 1)
    """
    batches = -(-count // max(1, most))
    return max(1, -(-count // max(1, batches)))
