"""Strict reading of a published config: every field is understood, or the checkpoint is refused."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from schedopt.errors import InputError

# Larger sizes are no network but a broken config, and building it would take forever.
LARGEST_SIZE: Final = 2**24
MOST_LAYERS: Final = 2**10


class Fields:
    """The fields of a config, taken one by one; ``finish`` refuses what nobody took.

    Args:
        published: The parsed ``config.json``, or an object in it.
        where: Its file, named in errors.
        root: Where in the file it is.

    Example:
        >>> fields = Fields({"d_model": 64, "dropout": 0.1}, "config.json")
        >>> fields.whole("d_model")
        64
        >>> fields.finish(harmless=["dropout"])
    """

    def __init__(
        self, published: Mapping[str, Any], where: str = "config.json", root: str = "$"
    ) -> None:
        self.left = dict(published)
        self.where = where
        self.root = root

    def fault(self, name: str, problem: str, hint: str | None = None) -> InputError:
        """What to raise about a field."""
        return InputError(f"{self.where}: {self.root}.{name}: {problem}", hint=hint)

    def has(self, name: str) -> bool:
        """Whether a field is there and not null."""
        return self.left.get(name) is not None

    def take(self, name: str, default: Any = None) -> Any:
        """A field as it is, or the default where it is null or not there."""
        value = self.left.pop(name, None)
        return default if value is None else value

    def whole(
        self, name: str, default: int | None = None, *, least: int = 1, most: int = LARGEST_SIZE
    ) -> int:
        """A whole number; null is the default."""
        value = self.take(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.fault(name, f"need a whole number from {least} to {most}, got {value!r}")
        return value

    def positive(self, name: str, default: float | None = None, *, most: float = math.inf) -> float:
        """A finite number above zero."""
        value = self.left.pop(name, default)
        real = isinstance(value, int | float) and not isinstance(value, bool)
        if not real or not 0 < value < math.inf or value > most:
            bound = "" if most == math.inf else f" and <= {most:g}"
            raise self.fault(name, f"need a finite number > 0{bound}, got {value!r}")
        return float(value)

    def flag(self, name: str, default: bool | None = None) -> bool:
        """True or false."""
        value = self.left.pop(name, default)
        if not isinstance(value, bool):
            raise self.fault(name, f"need true or false, got {value!r}")
        return value

    def token(self, name: str) -> int | None:
        """A token id, or None; of several the first."""
        value = self.left.get(name)
        if isinstance(value, list) and value:
            self.left[name] = value[0]
        return self.whole(name, least=0) if self.has(name) else self.take(name)

    def only(self, name: str, *accepted: object) -> None:
        """Refuse an option whose value is not implemented; without it the first one holds."""
        value = self.left.pop(name, accepted[0])
        if (type(value), value) not in [(type(a), a) for a in accepted]:  # 0 is not false
            raise self.fault(
                name,
                f"need one of {list(accepted)}, got {value!r}",
                "this checkpoint uses an option of the family that is not implemented",
            )

    def finish(self, harmless: Iterable[str]) -> None:
        """Refuse whatever is left beside fields that do not bear on the logits."""
        unknown = sorted(self.left.keys() - set(harmless))
        if unknown:
            raise self.fault(
                unknown[0],
                f"unknown option {self.left[unknown[0]]!r}",
                "an option that is not understood may change the logits, so it is refused",
            )
