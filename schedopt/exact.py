"""The exact account of a small or structured law: the document behind ``schedopt exact``."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from tokenize import TokenError
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from schedopt.curve import InformationCurve
from schedopt.errors import InputError, MissingInputError, UsageError
from theory import curves, tables
from theory.distributions import Law, TableLaw, build_law
from theory.divergences import expected_kl, partition_kl
from theory.orders import dilated_groups

# All step counts of longer laws would fill pages: n of them, with up to n sizes each.
EVERY_STEP_LIMIT: Final = 256
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


def exact_report(
    source: Law | ArrayLike, *, steps: Sequence[int] | None = None, name: str = "table"
) -> dict[str, Any]:
    """Curve, total correlations, best schedules and DUS's loss of an exact law.

    Args:
        source: A law, or its joint table of shape (q,) * n.
        steps: For which numbers of steps k to give the best sizes; by default every k up to
            n = 256, and 1, 2, 4, ..., n beyond.
        name: What the document calls the law.

    Returns:
        A JSON document. ``optimal`` is for the random order, ``dus`` for base 2 without the
        reference's merge of a smaller last group; losses are expected KL, nats.

    Raises:
        InputError: The table is no law, or too large.
        UsageError: The law has no closed form and its table would be too large, or a number of
            steps is not in 1..n.

    References:
        theory, sections 1, 2 and 11.

    Example:
        >>> report = exact_report([[0.5, 0.0], [0.0, 0.5]])
        >>> report["optimal"]["2"], report["dus"]
        ({'step_sizes': [1, 1], 'loss': 0.0}, {'groups': [[0, 1]], 'loss': 0.6931471805599453})
    """
    from schedopt.solvers import solve

    fault = UsageError if isinstance(source, Law) else InputError
    try:
        law = source if isinstance(source, Law) else TableLaw(np.asarray(source))
        curve = law.conditional_entropy_curve()
        groups = dilated_groups(law.n)
        dus_loss = partition_kl(law, groups)
    except ValueError as error:
        raise fault(f"{name}: {error}") from error
    measured = InformationCurve(curve)
    optimal = {}
    for k in _listed_steps(law.n) if steps is None else steps:
        sizes = solve(measured, steps=k).schedule.step_sizes
        optimal[str(k)] = {"step_sizes": list(sizes), "loss": expected_kl(curve, sizes)}
    return {
        "format": "schedopt.exact",
        "schema_version": 1,
        "law": name,
        "length": law.n,
        "alphabet": law.q,
        "unit": "nats",
        "conditional_entropy": curve.tolist(),
        "entropy": law.entropy(),
        "total_correlation": curves.total_correlation(curve),
        "dual_total_correlation": curves.dual_total_correlation(curve),
        "optimal": optimal,
        "dus": {"groups": [list(group) for group in groups], "loss": dus_loss},
    }


def _listed_steps(n: int) -> list[int]:
    if n <= EVERY_STEP_LIMIT:
        return list(range(1, n + 1))
    return [*(2**i for i in range((n - 1).bit_length())), n]


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
        raise UsageError(str(error)) from error


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
