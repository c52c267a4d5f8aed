"""Where exact laws come from: a name with parameters, or a table in a file."""

from __future__ import annotations

import os
import warnings
from tokenize import TokenError
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schedopt.errors import InputError, MissingInputError, UsageError
from theory import tables
from theory.distributions import LAWS, Law, build_law

# What numpy and the parser it hands the header to raise on a damaged one.
UNREADABLE: Final = (
    ValueError,
    TypeError,
    OverflowError,
    SyntaxError,
    TokenError,
    RecursionError,
    MemoryError,
)


def named_law(name: str, **parameters: float) -> Law:
    """The law of this name, as ``schedopt exact LAW --n N`` builds it.

    Raises:
        UsageError: No law has this name, it does not take a parameter, or a value is out of range.

    Example:
        >>> named_law("parity", n=3).q
        2
    """
    try:
        return build_law(name, **parameters)
    except ValueError as error:
        unsized = name in LAWS and "n" not in parameters
        raise UsageError(
            str(error), hint="such as --n 8 (n= in Python)" if unsized else None
        ) from error


def read_table(path: str | os.PathLike[str]) -> NDArray[np.float64]:
    """Read a joint table of shape (q,) * n from a ``.npy`` file.

    The header is checked before the data is read, and nothing in the file is ever executed.

    Raises:
        MissingInputError: The file is not there or cannot be opened.
        InputError: It is not a whole ``.npy`` file, holds objects or no numbers, has unequal
            axes, is too large, has an entry that is negative or not finite, or does not sum
            to one within 1e-9.
    """
    shown = os.fspath(path)
    try:
        with warnings.catch_warnings():
            # Of a header that Python 2 wrote, or axes whose product overflows: judged below.
            warnings.simplefilter("ignore")
            stored = np.lib.format.open_memmap(path, mode="r")  # the header only, and no pickle
        return tables.as_table(stored)
    except OSError as error:
        raise MissingInputError(
            f"cannot read {shown}: {error.strerror or error}",
            hint="numpy.save writes such a file",
        ) from error
    except UNREADABLE as error:
        raise InputError(
            f"{shown}: no joint table: {error}",
            hint="numpy.save an array of probabilities of shape (q,) * n",
        ) from error
