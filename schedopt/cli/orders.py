"""How an order is spelt on the command line."""

from __future__ import annotations

import re
from typing import Any, Final

from schedopt.errors import FormatError, InputError, UsageError
from schedopt.files import read_bytes
from schedopt.files.strict import RefusedError, parse
from schedopt.schedule import Order

_BASE: Final = re.compile(r"[0-9]{1,18}")
_POSITIONS: Final = re.compile(r"[0-9]{1,18}(,[0-9]{1,18})*")
_HINT: Final = "such as --order random, left_to_right, dilated, dilated:3, explicit:0,4,2,..."


def parse_order(text: str) -> Order:
    """The order that a command line spells.

    Args:
        text: A name, ``dilated:BASE``, ``explicit:0,4,2,...``, or ``explicit:FILE`` with a file
            that holds a JSON array of positions.

    Raises:
        UsageError: No order is spelt so.
        MissingInputError: The file is not there or cannot be opened.
        InputError: The file does not hold an array that is a permutation.

    Example:
        >>> parse_order("dilated:3"), parse_order("explicit:1,0").permutation
        (Order(name='dilated', base=3, skip=1, permutation=None), (1, 0))
    """
    name, colon, rest = text.partition(":")
    if name == "explicit" and colon and not _POSITIONS.fullmatch(rest):
        return _order_in(rest)
    try:
        if not colon:
            return Order(name)
        if name == "explicit":
            return Order(name, permutation=tuple(int(part) for part in rest.split(",")))
        if name == "dilated" and _BASE.fullmatch(rest):
            return Order(name, base=int(rest))
    except UsageError as error:
        raise UsageError(str(error), hint=_HINT) from error
    raise UsageError(f"--order: need a known order, got {text!r}", hint=_HINT)


def order_text(order: Order) -> str:
    """An order as a reader says it.

    Example:
        >>> order_text(Order("dilated"))
        'dilated order, base 2'
    """
    if order.name == "dilated":
        skip = "" if order.skip == 1 else f", skip {order.skip}"
        return f"dilated order, base {order.base}{skip}"
    if order.is_planner:
        return f"order chosen by {order.name}"
    return f"{order.name.replace('_', '-')} order"


def _order_in(path: str) -> Order:
    try:
        positions: Any = parse(read_bytes(path))
    except RefusedError as refused:
        first = refused.faults[0]
        raise FormatError(path, first.json_path, first.problem) from None
    if not isinstance(positions, list):
        raise FormatError(path, "$", "need an array of positions, such as [0, 4, 2]")
    try:
        return Order("explicit", permutation=tuple(positions))
    except UsageError as error:
        raise InputError(f"{path}: {error}") from error
