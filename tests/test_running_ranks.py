"""Several processes share the work, come to the same result, and end together."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from ranks_case import SCENARIOS

from schedopt.errors import UsageError
from schedopt.running import ALONE, Arrays, Journal, Ranks, Runner, join, open_journal

T = TypeVar("T")
CASE = Path(__file__).with_name("ranks_case.py")


class Threads(Ranks):
    """Ranks that are threads of this process."""

    def __init__(self, rank: int, shared: list[Any], barrier: threading.Barrier) -> None:
        self.rank, self.world = rank, len(shared)
        self._shared, self._barrier = shared, barrier

    def exchange(self, mine: T) -> list[T]:
        self._shared[self.rank] = mine
        self._barrier.wait(10)
        told = list(self._shared)
        self._barrier.wait(10)
        return told


def run_threads(world: int, count: int, journal: Journal | None) -> list[tuple[Any, ...]]:
    """Units that each rank computed, what it was told, and what it got."""
    shared: list[Any] = [None] * world
    barrier = threading.Barrier(world)
    results: list[tuple[Any, ...]] = [()] * world

    def work(rank: int) -> None:
        mine: list[int] = []
        told: list[int] = []

        def compute(i: int) -> Arrays:
            mine.append(i)
            return (np.array([i, rank * 0]),)

        runner = Runner(journal if rank == 0 else None, Threads(rank, shared, barrier))
        found = runner.map("call", count, compute, lambda i, _: told.append(i))
        results[rank] = mine, told, [a.tolist() for (a,) in found]

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(world)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("world", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [0, 1, 4, 9])
def test_every_unit_is_computed_once_and_all_get_all(world: int, count: int) -> None:
    results = run_threads(world, count, None)
    everything = list(range(count))
    assert sorted(i for mine, _, _ in results for i in mine) == everything
    loads = [len(mine) for mine, _, _ in results]
    assert max(loads) - min(loads) <= 1
    for _, told, found in results:
        assert told == everything
        assert found == [[i, 0] for i in everything]


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (2, 3)])
def test_another_number_of_ranks_may_go_on(tmp_path: Path, before: int, after: int) -> None:
    with open_journal(tmp_path, {}) as journal:
        run_threads(before, 7, journal)
    path = tmp_path / "journal.jsonl"
    whole = path.read_bytes()
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:5]))  # header and four units
    with open_journal(tmp_path, {}) as journal:
        results = run_threads(after, 7, journal)
    assert sorted(i for mine, _, _ in results for i in mine) == [4, 5, 6]
    assert all(found == [[i, 0] for i in range(7)] for _, _, found in results)
    assert path.read_bytes() == whole


def test_one_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert join() is ALONE
    monkeypatch.setenv("WORLD_SIZE", "4")  # of something else
    assert join() is ALONE
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert join().world == 4
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert join() is ALONE
    monkeypatch.setenv("WORLD_SIZE", "many")
    with pytest.raises(UsageError, match="'WORLD_SIZE': 'many'"):
        join()


@pytest.fixture(scope="module")
def told() -> list[dict[str, Any]]:
    """How the scenarios of ``ranks_case`` ended on each of two processes."""
    with ExitStack() as bound:
        free = [bound.enter_context(socket.socket()) for _ in SCENARIOS]
        for each in free:
            each.bind(("localhost", 0))
        ports = [str(each.getsockname()[1]) for each in free]
    processes = [
        subprocess.Popen(
            [sys.executable, CASE, *ports],
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": "2",
                "MASTER_ADDR": "localhost",
            },
        )
        for rank in range(2)
    ]
    outs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    return [json.loads(out) for out in outs]


def test_two_processes_share(told: list[dict[str, Any]]) -> None:
    assert [case["share"][0] for case in told] == [[0, 2, 4, 6], [1, 3, 5]]
    for case in told:
        assert case["share"][1] == [["<f4", list(range(i))] for i in range(7)]


@pytest.mark.parametrize(
    ("scenario", "first", "second"),
    [
        ("fail_in_a_unit", ["rank 1: no room", "make some", 5], 5),
        (
            "fail_before_the_first_unit",
            ["rank 1: unexpected ZeroDivisionError: oops", "run it again with --debug", 1],
            1,
        ),
        ("fail_at_the_end", ["disk full", None, 2], 2),
        ("fail_together", ["both", "rank 0", 2], 2),
    ],
)
def test_a_failure_ends_all_and_the_first_tells_it(
    told: list[dict[str, Any]], scenario: str, first: object, second: object
) -> None:
    assert [case[scenario] for case in told] == [first, second]


def test_ranks_that_are_at_different_calls(told: list[dict[str, Any]]) -> None:
    assert "rank 1 is at 'disagree' with 3 units" in told[0]["disagree"][0]
    assert told[1]["disagree"] == 1


def test_a_rank_that_is_gone(told: list[dict[str, Any]]) -> None:
    assert told[0]["fall_silent"][0].startswith("another rank is gone: ")
    assert told[1]["fall_silent"] == 9
