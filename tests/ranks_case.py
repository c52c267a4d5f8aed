"""What one of two processes does in ``test_running_ranks``: scenarios in turn, told as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable

import numpy as np

from schedopt.errors import DeviceMemoryError, SchedoptError, UsageError
from schedopt.running import Arrays, Ranks, Runner, join


def share(ranks: Ranks) -> object:
    """Seven units, of which each rank computes its own."""
    mine: list[int] = []

    def compute(i: int) -> Arrays:
        mine.append(i)
        return (np.arange(i, dtype=np.float32), np.array(np.nan))

    found = Runner(ranks=ranks).map("share", 7, compute)
    return [mine, [[a.dtype.str, a.tolist()] for a, _ in found]]


def fail_in_a_unit(ranks: Ranks) -> object:
    """The second rank runs out of memory."""

    def compute(i: int) -> Arrays:
        if i == 3:
            raise DeviceMemoryError("no room", hint="make some")
        return ()

    return Runner(ranks=ranks).map("fail", 6, compute)


def fail_before_the_first_unit(ranks: Ranks) -> object:
    """The second rank fails where the first has none to wait for it."""
    if ranks.rank == 1:
        raise ZeroDivisionError("oops")
    return Runner(ranks=ranks).map("fail", 2, lambda i: ())


def fail_at_the_end(ranks: Ranks) -> object:
    """The first rank fails when the others are done."""
    if ranks.first:
        raise UsageError("disk full")
    return None


def fail_together(ranks: Ranks) -> object:
    """All ranks come to the same error."""
    raise UsageError("both", hint=f"rank {ranks.rank}")


def disagree(ranks: Ranks) -> object:
    """The ranks are at different calls."""
    return Runner(ranks=ranks).map("disagree", 2 + ranks.rank, lambda i: ())


def fall_silent(ranks: Ranks) -> object:
    """The second rank ends without a word, as a killed process does."""
    if ranks.rank == 1:
        sys.exit(9)
    return ranks.exchange(None)


SCENARIOS: tuple[Callable[[Ranks], object], ...] = (
    share,
    fail_in_a_unit,
    fail_before_the_first_unit,
    fail_at_the_end,
    fail_together,
    disagree,
    fall_silent,
)


def main() -> None:
    """Print how each scenario ended."""
    told: dict[str, object] = {}
    for scenario, port in zip(SCENARIOS, sys.argv[1:], strict=True):
        # Another for each, as a group may join while the last one is still being left.
        os.environ["MASTER_PORT"] = port
        name = scenario.__name__
        try:
            with join() as ranks:
                told[name] = scenario(ranks)
        except SchedoptError as error:
            told[name] = [str(error), error.hint, error.exit_code]
        except SystemExit as stop:
            told[name] = stop.code
        except ZeroDivisionError as error:
            told[name] = repr(error)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
