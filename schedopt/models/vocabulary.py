"""The files of a checkpoint's tokenizer, opened by the package ``tokenizers``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from schedopt.errors import InputError
from schedopt.models.hub import broken_hint

if TYPE_CHECKING:
    from tokenizers import AddedToken, Tokenizer

# How Qwen2 splits a text into words, the pattern that is published with its tokenizers.
QWEN2_WORDS: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Tokenizers that publish vocab.json and merges.txt only; Dream's is Qwen2's, in slow Python.
QWEN2_CLASSES: Final = ("DreamTokenizer", "Qwen2Tokenizer", "Qwen2TokenizerFast")

T = TypeVar("T")


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object of a file.

    Not by the strict reader of our own files: these are large, and hold numbers beyond 64 bits.

    Raises:
        InputError: It cannot be read, or is no JSON object.
    """
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: $: not JSON: {error}", hint=broken_hint(path)) from error
    if not isinstance(document, dict):
        raise InputError(
            f"{path}: $: need an object, got {type(document).__name__}", hint=broken_hint(path)
        )
    return document


def open_tokenizer(path: Path) -> Tokenizer:
    """Read a ``tokenizer.json``.

    Raises:
        InputError: The package cannot read it.
    """
    from tokenizers import Tokenizer

    tokenizer = _build(path, lambda: Tokenizer.from_file(str(path)))
    # A published file may still cut and pad as its training did.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def build_qwen2(folder: Path, about: Mapping[str, Any]) -> Tokenizer:
    """Build a tokenizer of Qwen2's kind from its vocabulary, its merges and its added tokens.

    Args:
        folder: Holds ``vocab.json`` and ``merges.txt``.
        about: ``tokenizer_config.json``, whose ``added_tokens_decoder`` has the special tokens.

    Raises:
        InputError: A file is missing or broken, or they contradict each other.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    path = folder / "vocab.json"
    added = _added_tokens(about, folder / "tokenizer_config.json")
    merges = _read_merges(folder / "merges.txt")
    # Added tokens keep the ids they are published with where the vocabulary knows them.
    vocab = read_object(path) | {token.content: index for index, token in added.items()}
    for token, index in vocab.items():
        if type(index) is not int or not 0 <= index < 2**32:
            raise InputError(f"{path}: token {token!r}: need an id from 0, got {index!r}")
    if len(set(vocab.values())) < len(vocab):
        twice, times = Counter(vocab.values()).most_common(1)[0]
        raise InputError(f"{path}: {times} tokens have the id {twice}")
    tokenizer = Tokenizer(_build(path, lambda: models.BPE(vocab=vocab, merges=merges)))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([token for token in added.values() if token.special])
    tokenizer.add_tokens([token for token in added.values() if not token.special])
    return tokenizer


def _added_tokens(about: Mapping[str, Any], path: Path) -> dict[int, AddedToken]:
    from tokenizers import AddedToken

    published = about.get("added_tokens_decoder", {})
    if not isinstance(published, dict):
        raise InputError(f"{path}: $.added_tokens_decoder: need an object, got {published!r}")
    added: dict[int, AddedToken] = {}
    for key, entry in published.items():
        content = entry.get("content") if isinstance(entry, dict) else None
        if not isinstance(content, str) or not content or not key.isdecimal():
            raise InputError(
                f"{path}: $.added_tokens_decoder: need token ids and objects with a 'content', "
                f"got {key!r}: {str(entry)[:60]}"
            )
        flags = {
            flag: bool(entry.get(flag, False))
            for flag in ("lstrip", "normalized", "rstrip", "single_word", "special")
        }
        added[int(key)] = AddedToken(content, **flags)
    return added


def _read_merges(path: Path) -> list[tuple[str, str]]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    merges: list[tuple[str, str]] = []
    for number, line in enumerate(lines, start=1):
        parts = line.split()
        if not parts or (number == 1 and line.startswith("#version")):
            continue
        if len(parts) != 2:
            raise InputError(f"{path}:{number}: need two parts, got {line[:60]!r}")
        merges.append((parts[0], parts[1]))
    return merges


def _build(path: Path, build: Callable[[], T]) -> T:
    try:
        return build()
    except Exception as error:
        if type(error) is not Exception:  # the package has no class of its own for its errors
            raise
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"{path}: not readable as a tokenizer: {reason}", hint=broken_hint(path)
        ) from error
