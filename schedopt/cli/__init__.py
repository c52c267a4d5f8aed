"""The command line: one module a verb; data on stdout, talk on stderr.

Exit codes: 0 done, 1 failed, 2 usage, 3 malformed input, 4 estimate too noisy, 5 out of memory at
batch 1, 6 model or extra missing, 130 interrupted. Packages heavier than numpy are imported where
a verb runs, so that ``--help`` is quick.
"""

from __future__ import annotations

import sys
import traceback
from argparse import Namespace
from collections.abc import Sequence

from schedopt import __version__
from schedopt.cli import compare, estimate, evaluate, exact, fit, sample, show, solve, validate
from schedopt.cli.parser import Parser
from schedopt.errors import SchedoptError

VERBS = (fit, sample, evaluate, estimate, solve, compare, exact, show, validate)
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The arguments after ``schedopt``; those of the process when None.

    Returns:
        The exit code.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    debug = False
    try:
        args = build_parser().parse_args(arguments, Namespace(argv=arguments))
        debug = args.debug
        code: int = args.run(args)
    except SystemExit as stop:  # after --help and --version
        return int(stop.code or 0)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        return 1
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return INTERRUPTED
    except SchedoptError as error:
        if debug:
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return error.exit_code
    except Exception as error:
        # The last frame of a program is the one place where any error has the same meaning: a
        # bug, of which the user is told in a line and the developer, with --debug, everything.
        if debug:
            traceback.print_exc()
        first = next(iter(str(error).splitlines()), "")
        print(f"error: unexpected {type(error).__name__}: {first}", file=sys.stderr)
        print("hint: run it again with --debug and report the traceback", file=sys.stderr)
        return SchedoptError.exit_code
    return code


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
