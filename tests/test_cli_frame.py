"""What all verbs share: streams, exit codes, help, interruption, and unexpected errors."""

from __future__ import annotations

import errno
import os
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from argparse import Namespace
from contextlib import redirect_stderr, suppress
from io import StringIO
from pathlib import Path
from typing import IO

import pytest
from command_line import refused, run

import schedopt
from schedopt import cli
from schedopt.cli import VERBS, main, solve, validate
from schedopt.cli.progress import progress_bar
from schedopt.curve import InformationCurve
from schedopt.errors import (
    DeviceMemoryError,
    InfeasibleError,
    InputError,
    MissingModelError,
    NoisyEstimateError,
    OutputError,
    SchedoptError,
    UsageError,
)
from schedopt.files import CurveFile, write

COMMAND = [sys.executable, "-m", "schedopt"]
ROOT = Path(__file__).resolve().parent.parent
NAMES = [verb.__name__.rpartition(".")[2] for verb in VERBS]


@pytest.fixture
def curve(tmp_path: Path) -> Path:
    path = tmp_path / "curve.json"
    write(path, CurveFile(InformationCurve([2.0, 1.0, 0.5, 0.25])))
    return path


def test_version() -> None:
    done = run("--version")
    assert (done.code, done.out) == (0, f"schedopt {schedopt.__version__}\n")


def test_help_lists_every_verb() -> None:
    done = run("--help")
    assert done.code == 0
    assert {line.split()[0] for line in done.out.splitlines() if line.strip()} >= {*NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_help_of_a_verb_ends_with_an_example_that_parses(name: str) -> None:
    done = run(name, "--help")
    assert done.code == 0
    program, *example = shlex.split(done.out.rstrip().splitlines()[-1])
    assert (program, example[0]) == ("schedopt", name)
    assert cli.build_parser().parse_args(example).verb == name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: VERB"),
        (["sovle"], "invalid choice: 'sovle'"),
        (["solve"], "required: FILE"),
        (["solve", "c.json"], "one of the arguments --steps --max-loss is required"),
        (["solve", "c.json", "--steps", "2", "--max-loss", "1"], "not allowed with"),
        (["solve", "c.json", "--step", "2"], "--step"),  # no abbreviations
        (["show", "a", "b"], "unrecognized arguments: b"),
        (["solve", "c.json", "--steps", "0"], "need a whole number >= 1, got '0'"),
    ],
)
def test_usage(arguments: list[str], message: str) -> None:
    assert "--help" in refused(2, message, *arguments).err


def test_the_hint_is_a_command_that_works() -> None:
    hint = refused(2, "unrecognized", "show", "a", "b").err.splitlines()[1]
    assert run(*hint.removeprefix("hint: schedopt ").split()).code == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SchedoptError("it"), 1),
        (OutputError("it"), 1),
        (UsageError("it"), 2),
        (InfeasibleError("it"), 2),
        (InputError("it"), 3),
        (NoisyEstimateError("it", estimate=None), 4),
        (DeviceMemoryError("it"), 5),
        (MissingModelError("it"), 6),
    ],
)
def test_every_error_has_its_exit_code(
    error: SchedoptError, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(args: Namespace) -> int:
        raise error

    monkeypatch.setattr(validate, "run", fail)
    done = run("validate", "x")
    assert (done.code, done.out, done.err) == (code, "", "error: it\n")
    error.hint = "do that"
    assert run("validate", "x").err == "error: it\nhint: do that\n"
    assert "Traceback" in run("validate", "x", "--debug").err


def test_an_unexpected_error_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(args: Namespace) -> int:
        raise ZeroDivisionError("first line\nsecond line")

    monkeypatch.setattr(validate, "run", fail)
    done = refused(1, "unexpected ZeroDivisionError: first line", "validate", "x")
    assert "--debug" in done.err
    assert "second line" not in done.err
    assert "Traceback" in run("validate", "x", "--debug").err


def test_an_interrupt_in_a_verb(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(args: Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(validate, "run", interrupt)
    done = run("validate", "x")
    assert (done.code, done.err) == (130, "error: interrupted\n")


def test_quiet_silences_talk_and_nothing_else(curve: Path, tmp_path: Path) -> None:
    command = ("solve", curve, "--steps", 2, "-o", tmp_path / "schedule.json")
    spoken, quiet = run(*command), run(*command, "--quiet")
    assert spoken.err == f"wrote {tmp_path / 'schedule.json'}\n"
    assert quiet.err == ""
    assert spoken.out == quiet.out != ""
    assert refused(3, "cannot read", "solve", tmp_path / "absent", "--steps", 2, "--quiet").err


@pytest.mark.parametrize(
    "verb", [("solve", "--steps", 2), ("compare",), ("show",), ("validate",)], ids=str
)
def test_json_is_one_document_with_its_format(verb: tuple[str, ...], curve: Path) -> None:
    done = run(verb[0], curve, *verb[1:], "--json")
    assert done.code == 0
    assert done.out.count("\n") == 1
    assert done.document["format"].startswith("schedopt.")
    assert done.document["schema_version"] == 1


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "quiet", "shown"),
    [(Terminal(), False, True), (Terminal(), True, False), (StringIO(), False, False)],
)
def test_progress_is_for_terminals(stream: StringIO, quiet: bool, shown: bool) -> None:
    with redirect_stderr(stream), progress_bar(Namespace(quiet=quiet), "passes") as progress:
        progress(1, 4)
        progress(4, 4)
    assert ("passes" in stream.getvalue()) is shown


# Subprocesses: what only a process of its own can show.


def command(
    *arguments: object, stdout: IO[str] | int = subprocess.PIPE, env: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    argv = [*COMMAND, *map(str, arguments)]
    return subprocess.Popen(argv, stdout=stdout, stderr=subprocess.PIPE, text=True, env=env)


def test_a_process(curve: Path) -> None:
    process = command("solve", curve, "--steps", 3, "--json")
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert '"step_sizes": [1, 1, 2]' in out
    process = command("solve", curve, "--steps", 5)
    out, err = process.communicate()
    assert (process.returncode, out) == (2, "")
    assert err == "error: need a whole number 1 <= steps <= 4, got 5\n"


@pytest.mark.parametrize("arguments", [("--help",), ("exact", "product", "--n", 3)], ids=str)
def test_a_reader_that_has_gone_is_no_error(arguments: tuple[object, ...]) -> None:
    process = command(*arguments)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as err:
        assert err.read() == ""
    assert process.wait() == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_behind_stdout(curve: Path) -> None:
    with open("/dev/full", "w") as full:
        process = command("show", curve, stdout=full)
        _, err = process.communicate()
    assert process.returncode == 1
    assert err == f"error: cannot write to standard output: {os.strerror(errno.ENOSPC)}\n"


def test_an_encoding_that_lacks_characters(curve: Path, tmp_path: Path) -> None:
    path = tmp_path / "schedule.json"
    assert run("solve", curve, "--steps", 2, "-o", path).code == 0
    text = path.read_text().replace('"stderr": null', '"stderr": 0.5')
    path.write_text(text)
    process = command("show", path, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert r"\xb1 0.5000 nats" in out


def test_ctrl_c(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = command("show", pipe)
    writer = None
    deadline = time.monotonic() + 60
    while writer is None:  # until the command has opened the file that it reads
        assert process.poll() is None
        assert time.monotonic() < deadline
        with suppress(OSError):  # ENXIO: nobody reads yet
            writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    os.close(writer)
    assert (process.returncode, out, err) == (130, "", "error: interrupted\n")


@pytest.mark.parametrize(
    "start",
    [
        ("-m", "schedopt"),
        ("-c", "import sys; from schedopt.__main__ import main; sys.exit(main())"),
    ],
    ids=["module", "script"],
)
def test_ctrl_c_while_the_command_still_loads(start: tuple[str, str], tmp_path: Path) -> None:
    """All that takes a moment is the import of numpy and others: here one that never ends."""
    slow = "import time\nprint('loading', flush=True)\nwhile True:\n    time.sleep(0.01)\n"
    # In exec(), as dataclasses have it, where Python remembers a KeyboardInterrupt that is caught.
    (tmp_path / "numpy.py").write_text(f"exec({slow!r})\n")
    process = subprocess.Popen(
        [sys.executable, *start, "--version"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "loading\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out, err) == (130, "", "error: interrupted\n")


def test_the_script_is_the_module() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"schedopt": "schedopt.__main__:main"}


def test_the_commands_of_the_demo_parse() -> None:
    make = ["make", "--dry-run", "--always-make", "demo"]
    lines = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    commands = [
        shlex.split(line.partition(" > ")[0])
        for line in lines.replace("\\\n", " ").replace("echo; ", "").splitlines()
        if line.startswith(".venv/bin/schedopt ")
    ]
    verbs = [cli.build_parser().parse_args(command[1:]).verb for command in commands]
    assert verbs == ["fit", "sample", "evaluate", "show"]


def test_main_reads_the_arguments_of_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["schedopt", "--version"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("schedopt ")


def test_verbs_are_found_where_the_package_lists_them() -> None:
    assert solve in VERBS
    assert len({*NAMES}) == len(VERBS)
