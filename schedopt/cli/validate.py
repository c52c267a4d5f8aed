"""``schedopt validate``: is a file what it should be?"""

from __future__ import annotations

from argparse import Namespace

from schedopt.cli.output import document, emit, say
from schedopt.cli.parser import Verbs, add_verb
from schedopt.errors import InputError
from schedopt.files import validate


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "validate",
        run,
        help="check curve, surface and schedule files, a line a fault",
        example="schedopt validate curve.json schedule.json",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="files to check")


def run(args: Namespace) -> int:
    """Print the faults; exit code 3 if there are any."""
    found = {path: validate(path) for path in args.files}
    result = document(
        "validation",
        files=[
            {"file": path, "valid": not faults, "faults": faults} for path, faults in found.items()
        ],
    )
    emit(args, result, (line for faults in found.values() for line in faults))
    for path, faults in found.items():
        if not faults:
            say(args, f"{path}: valid")
    return InputError.exit_code if any(found.values()) else 0
