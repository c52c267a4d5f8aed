"""What verbs print: one result on stdout, talk on stderr; numbers and tables as text."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from schedopt.errors import OutputError

_NUMBER: Final = re.compile(r"-?[0-9.]*")


def document(name: str, **fields: object) -> dict[str, Any]:
    """A JSON document of format ``schedopt.NAME``."""
    return {"format": f"schedopt.{name}", "schema_version": 1, **fields}


def emit(args: Namespace, result: Mapping[str, Any], lines: Iterable[str]) -> None:
    """Print the result: the document with ``--json``, else the lines.

    What is infinite or unknown is null in the document, as JSON has no other word for it.

    Raises:
        BrokenPipeError: Nobody reads any more.
        OutputError: Standard output cannot be written to.
    """
    if args.json:
        put(json.dumps(_finite(result), allow_nan=False) + "\n")
    else:
        put("".join(f"{line}\n" for line in lines))


def put(text: str) -> None:
    """Write to standard output at once; characters that it cannot take are written as escapes.

    Raises:
        BrokenPipeError: Nobody reads any more.
        OutputError: Standard output cannot be written to.
    """
    encoding = sys.stdout.encoding or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), end="", flush=True)
    except OSError as error:
        # What is still in the buffer would fail once more at exit, with a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise OutputError(f"cannot write to standard output: {error.strerror}") from error


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(member) for member in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def say(args: Namespace, message: str) -> None:
    """Tell the user something that is no result, unless ``--quiet``."""
    if not args.quiet:
        print(message, file=sys.stderr)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table; columns of numbers are flush right, others flush left.

    Example:
        >>> table(["sizes", "loss"], [["uniform", "0.5"], ["optimal", "12.25"]])
        ['sizes     loss', 'uniform    0.5', 'optimal  12.25']
    """
    columns = list(zip(header, *rows, strict=True))
    aligned = []
    for column in columns:
        width = max(len(cell) for cell in column)
        numeric = all(_NUMBER.fullmatch(cell) for cell in column[1:])
        aligned.append([cell.rjust(width) if numeric else cell.ljust(width) for cell in column])
    return ["  ".join(row).rstrip() for row in zip(*aligned, strict=True)]


def nats(value: float) -> str:
    """Nats with four decimals, and no minus sign before a zero.

    Example:
        >>> nats(-1e-16), nats(2.5)
        ('0.0000', '2.5000')
    """
    return f"{round(value, 4) + 0.0:.4f}"


def sizes_text(sizes: Sequence[int]) -> str:
    """Step sizes, with runs of four or more written once.

    Example:
        >>> sizes_text((1, 1, 1, 1, 1, 2, 2, 8))
        '5x1 2 2 8'
    """
    runs = ((size, len(list(run))) for size, run in groupby(sizes))
    return " ".join(f"{n}x{size}" if n >= 4 else " ".join([str(size)] * n) for size, n in runs)
