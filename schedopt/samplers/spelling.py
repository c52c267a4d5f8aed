"""How a command line spells a policy: ``NAME[:NUMBER][,key=value...]``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from schedopt.errors import UsageError

Number = TypeVar("Number", int, float)

# int() and float() would also take "1_000", " 8" and digits of other scripts.
_NUMBER: Final[Mapping[type[float], re.Pattern[str]]] = {
    int: re.compile(r"[+-]?[0-9]{1,18}"),
    float: re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"),
}


@dataclass(frozen=True)
class Spelling:
    """A policy's name, number and options, as texts.

    Args:
        text: All of it.
        name: Before the colon.
        number: Between the colon and the first comma, or None.
        options: What follows, by key.
    """

    text: str
    name: str
    number: str | None
    options: dict[str, str]

    def real(self, key: str, default: float) -> float:
        """The value of a key as a real number.

        Raises:
            UsageError: It is none.
        """
        return self._as(float, key, "a number", default)

    def whole(self, key: str, default: int) -> int:
        """The value of a key as a whole number.

        Raises:
            UsageError: It is none.
        """
        return self._as(int, key, "a whole number", default)

    def number_or(self, default: Number) -> Number:
        """The number after the colon, of the default's type.

        Raises:
            UsageError: It is none.
        """
        if self.number is None:
            return default
        what = "a whole number" if isinstance(default, int) else "a number"
        usual = f"{self.name}:{default}"
        return self._parsed(type(default), self.number, f"{what} after the colon", usual)

    def check(self, *, number: bool, keys: Sequence[str]) -> None:
        """Refuse what the name does not take.

        Raises:
            UsageError: A number where there is none, or an unknown key.
        """
        if self.number is not None and not number:
            raise UsageError(f"planner {self.text!r}: {self.name!r} takes no parameter")
        for key in self.options:
            if key not in keys:
                known = f"one of {', '.join(keys)}" if keys else "it takes none"
                raise UsageError(f"planner {self.text!r}: unknown key {key!r}; {known}")

    def _as(self, kind: type[Number], key: str, what: str, default: Number) -> Number:
        if key not in self.options:
            return default
        return self._parsed(kind, self.options[key], f"{what} as {key}", f"{key}={default}")

    def _parsed(self, kind: type[Number], value: str, what: str, usual: str) -> Number:
        if not _NUMBER[kind].fullmatch(value):
            raise UsageError(
                f"planner {self.text!r}: need {what}, got {value!r}", hint=f"such as {usual}"
            )
        return kind(value)


def parse(text: str) -> Spelling:
    """Split a spelling.

    Raises:
        UsageError: A part after the first comma is no ``key=value``, or a key comes twice.

    Example:
        >>> parse("eb:0.5,rank=dilated").options
        {'rank': 'dilated'}
    """
    head, *parts = text.split(",")
    name, colon, number = head.partition(":")
    options: dict[str, str] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not (key and equals and value):
            raise UsageError(f"planner {text!r}: need key=value after a comma, got {part!r}")
        if key in options:
            raise UsageError(f"planner {text!r}: {key} is given twice")
        options[key] = value
    return Spelling(text, name, number if colon else None, options)
