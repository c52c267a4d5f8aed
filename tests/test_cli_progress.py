"""How far the work is: a bar on a terminal, a line a minute elsewhere, nothing with --quiet."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import redirect_stderr
from io import StringIO

import pytest
from command_line import run

from schedopt.cli import progress as module
from schedopt.cli.progress import progress_bar, say_usage
from schedopt.models import load_model

LOUD, QUIET = Namespace(quiet=False), Namespace(quiet=True)


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_a_line_a_minute(clock: Clock) -> None:
    out = StringIO()
    with redirect_stderr(out), progress_bar(LOUD, "passes") as progress:
        for second in range(1, 301):
            clock.now += 1.0
            progress(second, 400, 1.0 / second)
    lines = out.getvalue().splitlines()
    assert lines == [
        "passes: 60 of 400, 0:05:40 left, standard error ±0.017 nats",
        "passes: 120 of 400, 0:04:40 left, standard error ±0.0083 nats",
        "passes: 180 of 400, 0:03:40 left, standard error ±0.0056 nats",
        "passes: 240 of 400, 0:02:40 left, standard error ±0.0042 nats",
        "passes: 300 of 400, 0:01:40 left, standard error ±0.0033 nats",
    ]


def test_no_line_before_a_minute(clock: Clock) -> None:
    out = StringIO()
    with redirect_stderr(out), progress_bar(LOUD, "passes") as progress:
        progress(1, 100)
        clock.now += 59.0
        progress(99, 100)
    assert out.getvalue() == ""


def test_the_time_left_is_at_the_pace_of_the_last_minute(clock: Clock) -> None:
    """What a journal had kept comes at once, and says nothing of how fast the rest is."""
    out = StringIO()
    with redirect_stderr(out), progress_bar(LOUD, "passes") as progress:
        progress(5000, 10000)
        clock.now += 60.0
        progress(5060, 10000)
        clock.now += 60.0
        progress(5120, 10000)
    assert out.getvalue().splitlines()[-1] == "passes: 5120 of 10000, 1:21:20 left"


def test_a_part_that_begins_anew(clock: Clock) -> None:
    out = StringIO()
    with redirect_stderr(out), progress_bar(LOUD, "passes") as progress:
        progress(128, 128)  # texts were drawn
        clock.now += 60.0
        progress(10, 100)
        clock.now += 60.0
        progress(40, 100)
    assert out.getvalue().splitlines() == ["passes: 40 of 100, 0:02:00 left"]


def test_the_bar_shows_the_standard_error() -> None:
    terminal = Terminal()
    with redirect_stderr(terminal), progress_bar(LOUD, "passes") as progress:
        progress(1, 4)
        progress(3, 6, 0.012345)
        progress(1, 2)
        progress(2, 2)
    assert "passes" in terminal.getvalue()
    assert "±0.012 nats" in terminal.getvalue()


@pytest.mark.parametrize("stream", [StringIO(), Terminal()])
def test_quiet_is_quiet(stream: StringIO, clock: Clock) -> None:
    with redirect_stderr(stream), progress_bar(QUIET, "passes") as progress:
        clock.now += 1000.0
        progress(1, 4, 0.5)
        say_usage(QUIET, load_model("tiny-light"))
    assert stream.getvalue() == ""


def test_one_line_of_use_at_the_end() -> None:
    command = ("evaluate", "--planner", "dus", "--length", 16, "--context", 8, "--windows", 2)
    done = run(*command)
    (line,) = done.err.splitlines()
    assert line.startswith("8 passes of 24 tokens in ")
    for part in ("up to 2 at once on cpu", "FLOP a pass", "peak memory", "GiB"):
        assert part in line
    assert run(*command, "--quiet").err == ""
