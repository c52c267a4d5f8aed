"""Text to tokens and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Tokenizer(Protocol):
    """Turns text into token ids and back."""

    def encode(self, text: str) -> list[int]:
        """Token ids of a text."""
        ...

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of token ids; ids that stand for no text are left out."""
        ...


class ByteTokenizer:
    """One token a UTF-8 byte; ids from 256 on are special and stand for no text.

    Example:
        >>> ByteTokenizer().encode("né")
        [110, 195, 169]
        >>> ByteTokenizer().decode([110, 195, 169, 256])
        'né'
    """

    def encode(self, text: str) -> list[int]:
        """UTF-8 bytes of the text."""
        return list(text.encode("utf-8"))

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of the bytes; broken UTF-8 becomes U+FFFD."""
        return bytes(t for t in tokens if t < 256).decode("utf-8", errors="replace")
