"""Writing leaves the new file or the old one, and nothing beside it."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from schedopt import files
from schedopt.curve import InformationCurve
from schedopt.errors import OutputError, SchedoptError

OLD = files.CurveFile(InformationCurve([0.5]))
NEW = files.CurveFile(InformationCurve(np.linspace(1.0, 0.0, 1000)))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "curve.json"
    files.write(path, OLD)
    return path


def test_a_file_is_replaced_whole(target: Path) -> None:
    files.write(target, NEW)
    assert files.load(target) == NEW
    assert target.read_text(encoding="utf-8") == files.dumps(NEW)
    assert list(target.parent.iterdir()) == [target]


def test_equal_files_have_equal_bytes(target: Path, tmp_path: Path) -> None:
    files.write(str(tmp_path / "other.json"), files.CurveFile(InformationCurve([0.5])))
    assert (tmp_path / "other.json").read_bytes() == target.read_bytes()


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_or_interrupted_write_leaves_the_old_file(
    call: str, error: BaseException, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, call, fail)
    expected = OutputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        files.write(target, NEW)
    if isinstance(caught.value, OutputError):
        assert str(caught.value) == f"cannot write {target}: No space left on device"
        assert caught.value.exit_code == 1
        assert caught.value.hint is not None
    monkeypatch.undo()
    assert files.load(target) == OLD
    assert list(target.parent.iterdir()) == [target]


def test_the_data_is_on_the_disk_before_it_has_the_name(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(fd: int) -> None:
        folder = stat.S_ISDIR(os.fstat(fd).st_mode)
        calls.append("sync folder" if folder else "sync file")
        fsync(fd)

    def note_replace(source: Path, destination: Path) -> None:
        assert os.path.dirname(source) == os.path.dirname(destination)
        calls.append("rename")
        replace(source, destination)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    files.write(target, NEW)
    assert calls == ["sync file", "rename", "sync folder"]


def test_a_folder_that_cannot_be_synced_is_no_failure(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def only_files(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(22, "Invalid argument")
        fsync(fd)

    monkeypatch.setattr(os, "fsync", only_files)
    files.write(target, NEW)
    assert files.load(target) == NEW


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_are_those_the_umask_gives(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        files.write(tmp_path / "curve.json", OLD)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "curve.json").stat().st_mode) == 0o666 & ~mask


def test_a_link_keeps_pointing(target: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    link = tmp_path / "folder" / "link.json"
    link.symlink_to(Path("..") / target.name)
    files.write(link, NEW)
    assert link.is_symlink()
    assert files.load(target) == NEW


def test_a_link_to_nothing_yet_is_filled(tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to("later.json")
    files.write(link, NEW)
    assert link.is_symlink()
    assert files.load(tmp_path / "later.json") == NEW


def test_a_pipe_is_written_to_and_not_replaced() -> None:
    end, start = os.pipe()
    with open(end, "rb") as reading:
        files.write(f"/dev/fd/{start}", OLD)
        os.close(start)
        assert reading.read() == files.dumps(OLD).encode()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_a_full_device_is_an_output_error() -> None:
    with pytest.raises(OutputError, match="cannot write /dev/full: No space left on device"):
        files.write("/dev/full", OLD)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent/curve.json", "No such file or directory"),
        ("curve.json/below.json", "Not a directory"),
        ("folder", "Is a directory"),
        ("null\0byte", "null byte"),
        ("x" * 300, "File name too long"),
    ],
)
def test_what_cannot_be_written_is_an_output_error(name: str, reason: str, target: Path) -> None:
    (target.parent / "folder").mkdir()
    before = sorted(target.parent.iterdir())
    with pytest.raises(OutputError, match=reason) as caught:
        files.write(target.parent / name, NEW)
    assert str(target.parent / name) in str(caught.value)
    assert isinstance(caught.value, SchedoptError | OSError)
    assert sorted(target.parent.iterdir()) == before


def test_a_read_only_folder_is_an_output_error(target: Path) -> None:
    target.parent.chmod(0o555)
    try:
        if os.access(target.parent, os.W_OK):
            pytest.skip("this user may write everywhere")
        with pytest.raises(OutputError, match="Permission denied"):
            files.write(target, NEW)
        assert files.load(target) == OLD
    finally:
        target.parent.chmod(0o755)


def test_a_reader_beside_many_writers_sees_whole_files(target: Path) -> None:
    def write(length: int) -> None:
        files.write(target, files.CurveFile(InformationCurve(np.ones(length))))

    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(write, length) for length in range(1, 101)]
        while not all(future.done() for future in done):
            assert 1 <= files.read_curve(target).length <= 100
        for future in done:
            future.result()
    assert list(target.parent.iterdir()) == [target]
