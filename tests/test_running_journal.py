"""A journal keeps what was written, whatever happens to its end, and refuses all else."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from schedopt.errors import InputError, OutputError, UsageError
from schedopt.running import Arrays, Journal, Runner, open_journal
from schedopt.running import journal as module

CONFIGURATION = {"verb": "estimate", "passes": 64, "part": (1, 2), "model": {"sha256": "ab"}}


@contextmanager
def opened(folder: Path, **changes: object) -> Iterator[tuple[Journal, list[str]]]:
    said: list[str] = []
    with open_journal(folder, CONFIGURATION | changes, warn=said.append) as journal:
        yield journal, said


def unit(i: int) -> Arrays:
    return np.arange(i, dtype=np.float64), np.array([[i]], dtype=np.int64)


def fill(folder: Path, units: int = 3) -> list[bytes]:
    """The lines of a journal of two calls."""
    with opened(folder) as (journal, _):
        for label in ("first", "second"):
            assert journal.replay(label, units) == {}
            for i in range(units):
                journal.append(i, unit(i))
    return (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)


def same(first: Arrays, second: Arrays) -> bool:
    """Whether dtypes, shapes and bits are the same."""
    return [(a.dtype, a.shape, a.tobytes()) for a in first] == [
        (a.dtype, a.shape, a.tobytes()) for a in second
    ]


arrays = st.lists(
    hnp.arrays(
        st.one_of(hnp.floating_dtypes(endianness="<"), hnp.integer_dtypes(endianness="<")),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    ),
    max_size=3,
).map(tuple)


@given(st.lists(arrays, max_size=4), st.text(max_size=5))
@settings(max_examples=30, deadline=None)
def test_what_was_written_is_read(units: list[Arrays], label: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with opened(Path(folder)) as (journal, _):
            journal.replay(label, len(units))
            for i, each in enumerate(units):
                journal.append(i, each)
        with opened(Path(folder)) as (journal, said):
            found = journal.replay(label, len(units))
            assert said == []
    assert list(found) == list(range(len(units)))
    assert all(same(found[i], each) for i, each in enumerate(units))


def test_big_endian_arrays_are_written_as_little_endian(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, _):
        journal.replay("call", 1)
        journal.append(0, (np.array([1.5, np.nan], dtype=">f8"),))
    with opened(tmp_path) as (journal, _):
        ((found,),) = journal.replay("call", 1).values()
    assert found.dtype == np.dtype("<f8")
    np.testing.assert_array_equal(found, [1.5, np.nan])
    found[0] = 0.0  # it belongs to who asked


def test_every_line_is_json_with_its_checksum(tmp_path: Path) -> None:
    header, *units = map(json.loads, fill(tmp_path))
    assert header["format"] == "schedopt.journal"
    assert header["configuration"] == CONFIGURATION | {"part": [1, 2]}
    assert [(u["call"], u["index"], u["label"]) for u in units[2:5]] == [
        (0, 2, "first"),
        (1, 0, "second"),
        (1, 1, "second"),
    ]
    assert all(len(line["sha256"]) == 64 for line in (header, *units))


def test_a_torn_end_is_cut_at_every_byte(tmp_path: Path) -> None:
    lines = fill(tmp_path)
    path = tmp_path / "journal.jsonl"
    whole = b"".join(lines)
    tail = len(lines[-1]) + len(lines[-2])
    for end in range(len(whole) - tail, len(whole)):
        path.write_bytes(whole[:end])
        good = 1 if end < len(whole) - len(lines[-1]) else 2  # of the three units of the call
        with opened(tmp_path) as (journal, said):
            assert len(journal.replay("first", 3)) == 3
            found = journal.replay("second", 3)
            assert list(found) == list(range(good))
            assert len(said) == (end not in (len(whole) - tail, len(whole) - len(lines[-1])))
            for i in range(good, 3):
                journal.append(i, unit(i))
        assert path.read_bytes() == whole


@pytest.mark.parametrize("end", [b"\0" * 40, b"no JSON\n", b'{"sha256":"' + b"0" * 64 + b'",}\n'])
def test_a_damaged_end_is_cut(tmp_path: Path, end: bytes) -> None:
    whole = b"".join(fill(tmp_path))
    path = tmp_path / "journal.jsonl"
    path.write_bytes(whole + end)
    with opened(tmp_path) as (_, said):
        pass
    assert said == [f"{path}: cut off {len(end)} bytes of a unit that was not finished"]
    assert path.read_bytes() == whole


def test_any_flipped_bit_before_the_end_is_refused(tmp_path: Path) -> None:
    lines = fill(tmp_path)
    path = tmp_path / "journal.jsonl"
    rng = np.random.default_rng(0)
    for number in range(2, len(lines)):
        for place in rng.integers(len(lines[number - 1]) - 1, size=20):  # all but its end
            line = bytearray(lines[number - 1])
            line[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(b"".join([*lines[: number - 1], line, *lines[number:]]))
            with (
                pytest.raises(InputError, match=rf"line {number} is damaged") as caught,
                opened(tmp_path),
            ):
                pass
            assert f"first {number - 1} lines" in str(caught.value.hint)


@pytest.mark.parametrize("content", [b"notes\n", b"[1]\n", b"\n", b'{"sha256":"0"}\n', b"x"])
def test_a_file_that_is_no_journal_is_refused_and_left_alone(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match="line 1 is no header"), opened(tmp_path):
        pass
    assert path.read_bytes() == content


def test_a_torn_header_is_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    header, *_ = fill(tmp_path)
    for end in range(len(header)):
        path.write_bytes(header[:end])
        with opened(tmp_path):
            pass
        assert path.read_bytes() == header


def test_another_version_of_the_journal_is_refused(tmp_path: Path) -> None:
    header = json.loads(fill(tmp_path)[0])
    del header["sha256"]
    path = tmp_path / "journal.jsonl"
    path.write_bytes(module._line(header | {"schema_version": 2}))
    with pytest.raises(InputError, match="schema_version: need 1, got 2"), opened(tmp_path):
        pass


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"passes": 65}, "passes was 64, now it is 65"),
        ({"part": (2, 2)}, r"part was \[1, 2\], now it is \[2, 2\]"),
        ({"model": {"sha256": "cd"}}, "model.sha256 was ab, now it is cd"),
        ({"seed": 0}, "seed was nothing, now it is 0"),
        ({"model": {}}, "model.sha256 was ab, now it is nothing"),
    ],
)
def test_another_configuration_is_refused(
    tmp_path: Path, changes: Mapping[str, Any], message: str
) -> None:
    whole = b"".join(fill(tmp_path))
    with pytest.raises(UsageError, match=message) as caught, opened(tmp_path, **changes):
        pass
    assert caught.value.hint == "give another --run-dir"
    assert (tmp_path / "journal.jsonl").read_bytes() == whole


def test_the_refusal_names_the_command_that_began(tmp_path: Path) -> None:
    with open_journal(tmp_path, {"seed": 0}, command=["schedopt", "fit", "--data", "a b.txt"]):
        pass
    with pytest.raises(UsageError) as caught, open_journal(tmp_path, {"seed": 1}):
        pass
    assert "`schedopt fit --data 'a b.txt'`" in str(caught.value.hint)


@pytest.mark.parametrize(("label", "count"), [("other", 3), ("first", 4)])
def test_another_program_is_refused(tmp_path: Path, label: str, count: int) -> None:
    fill(tmp_path)
    with opened(tmp_path) as (journal, _), pytest.raises(InputError, match="call 0 is not"):
        journal.replay(label, count)


def test_other_goals_find_what_is_there_and_add_to_it(tmp_path: Path) -> None:
    def program(labels: str, **goals: int) -> str:
        """Make these calls of two units; those of which a unit was computed."""
        computed = set()

        def compute(i: int) -> Arrays:
            computed.add(label)
            return unit(i)

        with open_journal(tmp_path, {"seed": 0}, goals=goals) as journal:
            runner = Runner(journal)
            for label in labels:
                assert same(runner.map(label, 2, compute)[1], unit(1))
        return "".join(sorted(computed))

    assert program("ab", most=3) == "ab"  # killed
    assert program("abx", most=2) == "x"
    assert program("abc", most=3) == "c"
    assert program("abde", most=4) == "de"  # the last round was cut short
    assert program("abde", most=4) == ""
    assert program("abc", most=3) == ""
    assert program("abdf", most=9) == "f"
    with pytest.raises(InputError, match="call 2 is not the 2 units of 'g'"):
        program("abg", most=3)


def test_a_journal_that_changes_while_it_is_in_use(tmp_path: Path) -> None:
    fill(tmp_path)
    with opened(tmp_path) as (journal, _):
        path = tmp_path / "journal.jsonl"
        path.write_bytes(path.read_bytes().replace(b"first", b"tsrif"))
        with pytest.raises(InputError, match="has changed while it is in use"):
            journal.replay("first", 3)


def test_a_second_process_stops_and_names_the_first(tmp_path: Path) -> None:
    with (
        opened(tmp_path),
        pytest.raises(UsageError, match=rf"in use by process {os.getpid()} on .* since 20"),
        opened(tmp_path),
    ):
        pass
    with opened(tmp_path):  # the lock went with its holder
        pass


def test_the_lock_of_a_killed_process_is_gone(tmp_path: Path) -> None:
    code = (
        "import os, signal; from schedopt.running import open_journal\n"
        f"with open_journal({str(tmp_path)!r}, {{'a': 1}}): os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -9
    assert (tmp_path / "lock").read_text().startswith("process ")
    with open_journal(tmp_path, {"a": 1}):
        pass


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=rf"there is no folder {tmp_path}/a$") as caught:
        opened(tmp_path / "a/b").__enter__()
    assert "make that folder first" in str(caught.value.hint)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(OutputError, match=rf"{file}: it is a file") as caught:
        opened(file).__enter__()
    assert caught.value.hint == "name a folder"
    with pytest.raises(UsageError, match="holds other things than a run, such as file") as refused:
        opened(tmp_path).__enter__()
    assert "an empty or a new folder" in str(refused.value.hint)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["lock", "journal.jsonl"])
def test_a_read_only_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    fill(tmp_path)
    really = os.open

    def refuse(path: str | Path, flags: int, *mode: int) -> int:
        if Path(path).name == name and flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return really(path, flags, *mode)

    monkeypatch.setattr(os, "open", refuse)  # root may write everywhere else
    with pytest.raises(OutputError, match="Read-only file system"), opened(tmp_path):
        pass


@pytest.mark.parametrize("written", [0, 30])
def test_a_full_disk_leaves_the_journal_intact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    whole = b"".join(fill(tmp_path))
    space = [written]
    write = os.write

    def full(handle: int, data: bytes) -> int:
        if not space[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        took = write(handle, data[: space[0]])
        space[0] -= took
        return took

    with opened(tmp_path) as (journal, _):
        journal.replay("first", 3)
        journal.replay("second", 3)
        journal.replay("third", 1)
        monkeypatch.setattr(module.os, "write", full)
        with pytest.raises(OutputError, match="No space left on device") as caught:
            journal.append(0, unit(5))
        monkeypatch.undo()
        assert "same command again" in str(caught.value.hint)
        assert (tmp_path / "journal.jsonl").read_bytes() == whole
        journal.append(0, unit(5))  # once there is room
    with opened(tmp_path) as (journal, said):
        assert said == []
        journal.replay("first", 3)
        journal.replay("second", 3)
        assert same(journal.replay("third", 1)[0], unit(5))


def test_a_disk_that_fails_to_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(module, "SYNC_SECONDS", -1.0)
    with opened(tmp_path) as (journal, _):
        journal.replay("call", 1)
        monkeypatch.setattr(module.os, "fsync", fail)
        with pytest.raises(OutputError, match="Input/output error"):
            journal.append(0, ())
        monkeypatch.undo()


@given(st.data())
@settings(max_examples=20, deadline=None)
def test_a_run_that_is_stopped_again_and_again_ends_like_one_that_is_not(
    data: st.DataObject,
) -> None:
    """Stopped anywhere: between units, or in the middle of a line."""
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    counts = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
    truth = [[rng.random(3) for _ in range(count)] for count in counts]
    computed = 0

    def program(runner: Runner, patience: int) -> list[list[Arrays]]:
        def compute(i: int) -> Arrays:
            nonlocal computed, patience
            patience -= 1
            if patience < 0:
                raise KeyboardInterrupt
            computed += 1
            return (units[i],)

        results = []
        for call, units in enumerate(truth):
            results.append(runner.map(f"call {call}", len(units), compute))
        return results

    unbroken = program(Runner(), 99)
    total, computed, torn = computed, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        while True:
            try:
                with opened(Path(folder)) as (journal, _):
                    resumed = program(Runner(journal), data.draw(st.integers(0, 5)))
                break
            except KeyboardInterrupt:
                path = Path(folder) / "journal.jsonl"
                lines = path.read_bytes().splitlines(keepends=True)
                cut = data.draw(st.integers(0, 200)) if len(lines) > 1 else 0
                torn += bool(cut)
                os.truncate(path, path.stat().st_size - min(cut, len(lines[-1])))
    assert (
        total <= computed <= total + torn
    )  # a unit is computed twice only where its line was torn
    assert len(resumed) == len(unbroken)
    for ours, theirs in zip(resumed, unbroken, strict=True):
        assert all(same(a, b) for a, b in zip(ours, theirs, strict=True))


def test_all_units_are_told_of_in_order(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    for _ in range(2):
        with opened(tmp_path) as (journal, _):
            Runner(journal).map("call", 4, unit, lambda i, a: told.append((i, len(a[0]))))
    assert told == [(0, 0), (1, 1), (2, 2), (3, 3)] * 2
