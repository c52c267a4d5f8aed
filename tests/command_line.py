"""The command line as the tests call it: arguments in; exit code and both streams out."""

from __future__ import annotations

import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from os import PathLike, fspath
from typing import Any

from schedopt.cli import main


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON document on stdout; fails where there is not exactly one."""
        return json.loads(self.out)


def run(*arguments: str | PathLike[str] | int | float) -> Done:
    """Run the command line in this process."""
    out, err = StringIO(), StringIO()
    argv = [str(a) if isinstance(a, int | float) else fspath(a) for a in arguments]
    with redirect_stdout(out), redirect_stderr(err):
        code = main(argv)
    return Done(code, out.getvalue(), err.getvalue())


def refused(code: int, message: str, *arguments: str | PathLike[str] | int | float) -> Done:
    """Run a command that must fail with this exit code, and this in its error line."""
    done = run(*arguments)
    assert done.code == code, done
    assert done.out == "", done
    lines = done.err.splitlines()
    assert lines[0].startswith("error: "), done
    assert message in lines[0], done
    assert all(line.startswith("hint: ") for line in lines[1:]), done
    assert len(lines) <= 2, done
    return done
