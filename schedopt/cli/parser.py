"""A parser whose errors are ours, and the types of its values, strictly read."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeAlias

from schedopt.cli.output import put
from schedopt.errors import UsageError

Run: TypeAlias = Callable[[argparse.Namespace], int]

# int() and float() would also take "1_000", " 8" and digits of other scripts.
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class Parser(argparse.ArgumentParser):
    """An argument parser that raises UsageError and takes no abbreviations."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options
        )

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print together with the usage."""
        raise UsageError(message, hint=f"{self.prog} --help")

    def _print_message(self, message: str, file: Any = None) -> None:
        put(message)  # help and version, to a reader that may be gone


Verbs: TypeAlias = "argparse._SubParsersAction[Parser]"


def add_verb(verbs: Verbs, name: str, run: Run, *, help: str, example: str) -> Parser:
    """A verb with its example at the end of its help, and the options that every verb takes."""
    sentence = f"{help[0].upper()}{help[1:]}."
    parser = verbs.add_parser(
        name, help=help, description=sentence, epilog=f"example:\n  {example}"
    )
    parser.set_defaults(run=run)
    talk = parser.add_argument_group("output")
    talk.add_argument("--json", action="store_true", help="print one JSON document")
    talk.add_argument("--quiet", action="store_true", help="print results and errors only")
    talk.add_argument("--debug", action="store_true", help="print the traceback of an error")
    return parser


def whole(least: int) -> Callable[[str], int]:
    """The type of whole numbers of at least this."""

    def read(text: str) -> int:
        if not _WHOLE.fullmatch(text) or int(text) < least:
            raise argparse.ArgumentTypeError(f"need a whole number >= {least}, got {text!r}")
        return int(text)

    return read


def wholes(text: str) -> tuple[int, ...]:
    """The type of whole numbers >= 1 that commas separate, such as ``4,8,16``."""
    try:
        return tuple(whole(1)(piece) for piece in text.split(","))
    except argparse.ArgumentTypeError:
        problem = f"need whole numbers >= 1 with commas between, got {text!r}"
        raise argparse.ArgumentTypeError(problem) from None


def part(text: str) -> tuple[int, int]:
    """The type of ``i/n``, the i-th of n parts."""
    first, _, second = text.partition("/")
    try:
        index, parts = whole(1)(first), whole(1)(second)
    except argparse.ArgumentTypeError:
        index, parts = 1, 0
    if index > parts:
        raise argparse.ArgumentTypeError(f"need I/N with 1 <= I <= N, such as 1/2, got {text!r}")
    return index, parts


def number(text: str) -> float:
    """The type of finite numbers."""
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"need a finite number, got {text!r}")
    return value


def whole_or_auto(text: str) -> int | str:
    """The type of whole numbers >= 1, or ``auto``."""
    if text == "auto":
        return text
    try:
        return whole(1)(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}; or auto") from None


def unicode_text(text: str) -> str:
    """The type of text; bytes that are not UTF-8 reach Python as lone surrogates."""
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise argparse.ArgumentTypeError(f"need UTF-8, got {text!r}")
    return text
