"""Commands with a run directory: stopped anywhere, shared or not, they end with the same bytes."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Done, refused, run
from torch import Tensor

from schedopt.cli import job, show
from schedopt.cli.job import run_verb
from schedopt.curve import InformationCurve
from schedopt.errors import UsageError
from schedopt.files import CurveFile, write
from schedopt.models import NetworkDenoiser
from schedopt.running import Ranks, open_journal
from schedopt.running import journal as journal_module

ROOT = Path(__file__).resolve().parent.parent
TEXT = ("--length", "8", "--context", "8")
RUN = ("--run-dir", "run")
ESTIMATE = ("estimate", *TEXT, "--passes", "64", "--run-dir", "run", "-o", "out.json", "--quiet")
EVALUATE = ("evaluate", *TEXT, "--windows", "8", "--nfe", "2,4", "--run-dir", "run", "--quiet")
JOURNAL = Path("run") / "journal.jsonl"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Commands run in a folder of their own, in units of few passes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("schedopt.estimators.probe.UNIT_TOKENS", 16 * 10)
    monkeypatch.setattr("schedopt.evaluation.units.UNIT_TOKENS", 16 * 3)
    return tmp_path


class Interrupted:
    """Ctrl-C after so many calls of a model's method."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, calls: int) -> None:
        method = getattr(NetworkDenoiser, name)
        self.calls = 0

        def count(model: NetworkDenoiser, *tensors: object) -> object:
            if self.calls == calls:
                raise KeyboardInterrupt
            self.calls += 1
            return method(model, *tensors)

        monkeypatch.setattr(NetworkDenoiser, name, count)


def interrupted_and_resumed(
    command: tuple[str, ...], method: str, calls: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[Done, int]:
    """How the command ended the second time, and how many calls of the method both times made."""
    with monkeypatch.context() as patch:
        first = Interrupted(patch, method, calls)
        done = run(*command)
    assert done.code == 130
    assert done.err == (
        f"error: interrupted\nhint: continue with: {shlex.join(['schedopt', *command])}\n"
    )
    with monkeypatch.context() as patch:
        second = Interrupted(patch, method, -1)
        done = run(*command)
    assert done.code == 0, done
    return done, first.calls + second.calls


def test_an_estimate_that_is_interrupted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unbroken = run(*ESTIMATE)
    whole, journal = Path("out.json").read_bytes(), JOURNAL.read_bytes()
    units = journal.count(b"\n") - 1
    assert units >= 5
    Path("run").rename("unbroken")
    Path("out.json").unlink()
    done, calls = interrupted_and_resumed(ESTIMATE, "score", 3, monkeypatch)
    assert calls == units
    assert (done.out, Path("out.json").read_bytes()) == (unbroken.out, whole)
    assert JOURNAL.read_bytes() == journal


def test_an_evaluation_that_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    command = (*EVALUATE, "--planner", "random", "--json")
    unbroken = run(*command)
    Path("run").rename("unbroken")
    done, _ = interrupted_and_resumed(command, "log_probs", 5, monkeypatch)
    assert done.out == unbroken.out


def test_samples_of_the_model_itself_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    command = (*ESTIMATE, "--data", "self", "--texts", "8")
    run(*command)
    whole = Path("out.json").read_bytes()
    Path("run").rename("unbroken")
    interrupted_and_resumed(command, "score", 2, monkeypatch)
    assert Path("out.json").read_bytes() == whole


def test_a_finished_run_computes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(*ESTIMATE)
    whole = Path("out.json").read_bytes()
    Path("out.json").unlink()
    Interrupted(monkeypatch, "score", 0)
    again = run(*ESTIMATE)
    assert (again.code, again.out) == (0, first.out)
    assert Path("out.json").read_bytes() == whole


def test_a_torn_end_is_told(folder: Path) -> None:
    command = [argument for argument in ESTIMATE if argument != "--quiet"]
    run(*command)
    whole = Path("out.json").read_bytes()
    os.truncate(JOURNAL, JOURNAL.stat().st_size - 10)
    done = run(*command)
    assert done.code == 0
    assert "cut off" in done.err.splitlines()[0]
    assert Path("out.json").read_bytes() == whole


def test_another_configuration_is_refused() -> None:
    run(*ESTIMATE)
    done = refused(2, "passes was 64, now it is 65", *ESTIMATE, "--passes", 65)
    assert shlex.join(ESTIMATE) in done.err
    refused(2, "run belongs to another run: order.name was dilated", *ESTIMATE, "--order", "random")
    refused(2, "model.name was tiny, now it is tiny-light", *ESTIMATE, "--model", "tiny-light")
    refused(2, "verb was estimate, now it is evaluate", *EVALUATE, "--planner", "random")
    text = Path("text.txt")
    text.write_text("def f(x):\n    return x\n" * 40)
    refused(2, "data was None, now it is text.txt", *ESTIMATE, "--data", text)
    # What is beside the result is not compared.
    assert run(*ESTIMATE, "--json", "-o", "other.json").code == 0


def test_another_text_or_schedule_of_the_same_name_is_refused() -> None:
    text = Path("text.txt")
    text.write_text("def f(x):\n    return x\n" * 40)
    assert run(*ESTIMATE, "--data", text).code == 0
    text.write_text("def g(x):\n    return x\n" * 40)
    refused(2, "data_sha256 was", *ESTIMATE, "--data", text)
    curve = Path("curve.json")
    write(curve, CurveFile(InformationCurve([2.0, 1.0, 0.5, 0.4, 0.3, 0.25, 0.2, 0.1])))
    evaluate = (*EVALUATE, "--run-dir", "other", "--schedule", "s.json")
    assert run("solve", curve, "--steps", 2, "-o", "s.json").code == 0
    assert run(*evaluate).code == 0
    assert run("solve", curve, "--steps", 3, "-o", "s.json").code == 0
    refused(2, "schedule.s.json was", *evaluate)


def test_a_second_process_stops_and_names_the_first() -> None:
    with open_journal("run", {}):
        refused(2, f"in use by process {os.getpid()} on", *ESTIMATE)


def test_a_damaged_journal_is_refused() -> None:
    run(*ESTIMATE)
    lines = JOURNAL.read_bytes().splitlines(keepends=True)
    JOURNAL.write_bytes(b"".join([*lines[:2], b"{}\n", *lines[3:]]))
    done = refused(3, "line 3 is damaged", *ESTIMATE)
    assert "--run-dir" in done.err


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    run(*ESTIMATE)
    whole = Path("out.json").read_bytes()
    good = b"".join(JOURNAL.read_bytes().splitlines(keepends=True)[:3])
    JOURNAL.write_bytes(good)
    really = os.write

    def full(handle: int, data: bytes) -> int:
        if data.startswith(b'{"sha256"'):
            really(handle, data[:20])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(journal_module.os, "write", full)
        done = refused(1, "journal.jsonl: No space left on device", *ESTIMATE)
    assert "same command again" in done.err
    assert JOURNAL.read_bytes() == good
    assert run(*ESTIMATE).code == 0
    assert Path("out.json").read_bytes() == whole


def test_a_run_directory_in_no_folder() -> None:
    refused(1, "there is no folder no", *ESTIMATE, "--run-dir", "no/run")
    Path("other").mkdir()
    Path("other", "notes").touch()
    refused(2, "holds other things than a run", *ESTIMATE, "--run-dir", "other")


def test_more_passes_go_on_from_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cure that the error names is given as it is, with the same run directory."""
    fit = ("fit", *TEXT, "--steps", 3, "--order", "dilated", "--passes", 32, "--quiet", "--json")
    target = ("--target-stderr", 0.3)
    done = refused(4, "more than the target 0.3", *fit, *target, "--max-passes", 600, *RUN)
    kept = JOURNAL.read_bytes()
    most = re.findall(r"--max-passes (\d+)", done.err)[0]
    calls = Interrupted(monkeypatch, "log_probs", -1)
    alone = run(*fit, *target, "--max-passes", most, "-o", "alone.json")
    wanted, calls.calls = calls.calls, 0
    resumed = run(*fit, *target, "--max-passes", most, *RUN)
    assert alone.code == resumed.code
    assert calls.calls < wanted
    if alone.code == 0:
        ours, theirs = resumed.document, alone.document
        assert ours.pop("provenance") != theirs.pop("provenance")  # their commands
        assert ours == theirs
    assert JOURNAL.read_bytes().startswith(kept)
    wider = run(*fit, "--target-stderr", 10, *RUN)
    assert wider.code == 0


def test_a_scheduler_that_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM is as Ctrl-C; handlers of what embeds the command are left alone."""
    score = NetworkDenoiser.score

    def stopped(model: NetworkDenoiser, *tensors: Tensor) -> object:
        os.kill(os.getpid(), signal.SIGTERM)
        return score(model, *tensors)

    monkeypatch.setattr(NetworkDenoiser, "score", stopped)
    done = run(*ESTIMATE)
    assert done.code == 130
    assert done.err.startswith("error: interrupted\nhint: continue with: schedopt estimate")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    told: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    try:
        assert run(*ESTIMATE).code == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert set(told) == {signal.SIGTERM}


class Pair(Ranks):
    """One of two ranks, with nobody to talk to."""

    world = 2

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            raise SystemExit(3) from error


@pytest.mark.parametrize("debug", [False, True])
def test_a_rank_that_is_not_the_first_is_silent(
    monkeypatch: pytest.MonkeyPatch, debug: bool
) -> None:
    monkeypatch.setattr("schedopt.cli.join", lambda: Pair(1))
    done = run(*ESTIMATE, "--passes", 3, *["--debug"][:debug])
    assert (done.code, done.out) == (3, "")
    assert "error: " not in done.err
    assert ("UsageError" in done.err) is debug  # where it was raised


def test_verbs_that_are_not_shared_run_on_the_first_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    args = Namespace(ranks=Pair(1), shared=False, quiet=False, run=show.run)
    assert run_verb(args) == 0
    args = Namespace(ranks=Pair(0), shared=False, quiet=False, run=lambda args: 7)
    assert run_verb(args) == 7


def test_several_processes_take_a_device_each() -> None:
    args = Namespace(ranks=Pair(0), shared=True, quiet=False, device="cuda:1")
    with pytest.raises(UsageError, match="--device cuda:1 is one for 2 processes"):
        run_verb(args)


def test_the_command_that_resumes_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    args = Namespace(ranks=Pair(0), shared=True, run_dir="run", argv=["fit", "--run-dir", "run"])
    verb = "-m schedopt fit --run-dir run"
    expected = f"continue with: torchrun --standalone --nproc-per-node 2 {verb}"
    assert job.resume_hint(args) == expected
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
    monkeypatch.setenv("GROUP_WORLD_SIZE", "2")
    expected = f"continue with: torchrun --nnodes 2 ... --nproc-per-node 1 {verb}"
    assert job.resume_hint(args) == expected
    args.run_dir = None
    assert job.resume_hint(args) is None


# Processes of their own.


# As many threads each: sums are rounded by how they are split.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [sys.executable, *launch, "-m", "schedopt", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
    )


def test_two_processes_write_what_one_writes() -> None:
    command = ("estimate", *TEXT, "--passes", "2100", "--run-dir", "run", "-o", "out.json")
    shared = torchrun(*command)
    assert shared.returncode == 0, shared.stderr
    assert shared.stderr.count("wrote out.json") == 1
    whole, lines = Path("out.json").read_bytes(), JOURNAL.read_bytes().splitlines(keepends=True)
    assert len(lines) >= 3
    Path("run").rename("shared")
    Path("out.json").unlink()
    alone = subprocess.run(
        [sys.executable, "-m", "schedopt", *command],
        capture_output=True,
        text=True,
        check=True,
        env=ENVIRONMENT,
    )
    assert alone.stdout == shared.stdout
    assert Path("out.json").read_bytes() == whole
    assert JOURNAL.read_bytes().splitlines(keepends=True) == lines


def test_two_processes_tell_an_error_once() -> None:
    done = torchrun("estimate", *TEXT, "--passes", "3")
    assert done.returncode == 1  # torchrun's own
    assert done.stdout == ""
    assert sum(line.startswith("error: ") for line in done.stderr.splitlines()) == 1
    assert "exitcode  : 2" in done.stderr


def test_runs_that_are_killed() -> None:
    script = ROOT / "experiments" / "resume.py"
    done = subprocess.run(
        [sys.executable, script, "--runs", "3", "--passes", "16", "--verb", "estimate", "--print"],
        capture_output=True,
        text=True,
        check=True,
        env=ENVIRONMENT,
    )
    found = json.loads(done.stdout)
    assert found["kills"] >= 1
    assert found["identical"] == found["runs"] == 3
