"""The command line: one module a verb; data on stdout, talk on stderr.

Exit codes: 0 done, 1 failed, 2 usage, 3 malformed input, 4 estimate too noisy, 5 out of memory at
batch 1, 6 model or extra missing, 130 interrupted. Packages heavier than numpy are imported where
a verb runs, so that ``--help`` is quick.
"""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from schedopt import __version__
from schedopt.cli import (
    compare,
    doctor,
    estimate,
    evaluate,
    exact,
    export,
    fit,
    report,
    sample,
    show,
    solve,
    validate,
)
from schedopt.cli.job import resume_hint, run_verb
from schedopt.cli.parser import Parser
from schedopt.errors import INTERRUPTED, SchedoptError
from schedopt.running import ALONE, join

VERBS = (
    fit,
    sample,
    evaluate,
    estimate,
    solve,
    compare,
    export,
    exact,
    show,
    report,
    validate,
    doctor,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The arguments after ``schedopt``; those of the process when None.

    Returns:
        The exit code.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    args = Namespace(argv=arguments, ranks=ALONE, shared=False, debug=False)
    try:
        with _ended_by_schedulers(), join() as args.ranks:
            build_parser().parse_args(arguments, args)
            code = run_verb(args)
    except SystemExit as stop:  # after --help and --version, or where the first rank speaks
        if args.debug and stop.__cause__ is not None:
            traceback.print_exception(stop.__cause__)
        return int(stop.code or 0)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        return 1
    except KeyboardInterrupt:
        if args.ranks.first:
            _complain("interrupted", resume_hint(args))
        return INTERRUPTED
    except SchedoptError as error:
        if args.debug:
            traceback.print_exc()
        _complain(str(error), error.hint)
        return error.exit_code
    except Exception as error:
        # The last frame of a program is the one place where any error has the same meaning: a
        # bug, of which the user is told in a line and the developer, with --debug, everything.
        if args.debug:
            traceback.print_exc()
        first = next(iter(str(error).splitlines()), "")
        _complain(
            f"unexpected {type(error).__name__}: {first}",
            "run it again with --debug and report the traceback",
        )
        return SchedoptError.exit_code
    return code


@contextmanager
def _ended_by_schedulers() -> Iterator[None]:
    """Take SIGTERM, which schedulers send before they kill, as Ctrl-C."""
    # Only the main thread may handle signals; what embeds this may handle them itself.
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _complain(problem: str, hint: str | None) -> None:
    print(f"error: {problem}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)


def build_parser() -> Parser:
    """The parser of all verbs."""
    parser = Parser(
        prog="schedopt",
        description="Optimal unmasking schedules for masked diffusion language models: measure "
        "once,\nthen solve for any budget, sample with the result, and check the prediction.",
        epilog="example:\n  schedopt fit --steps 8 -o schedule.json\n"
        "  schedopt sample --schedule schedule.json --prompt 'import os'\n\n"
        "exit codes:\n  0 done, 1 failed, 2 usage, 3 malformed input, 4 estimate too noisy,\n"
        "  5 out of memory, 6 model or extra missing, 130 interrupted",
    )
    parser.add_argument("--version", action="version", version=f"schedopt {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", dest="verb", required=True)
    for verb in VERBS:
        verb.add_parser(verbs)
    return parser
