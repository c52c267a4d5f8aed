"""Text to windows of tokens: what models are measured on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from schedopt.errors import InputError, MissingInputError, MissingModelError, UsageError
from schedopt.models.denoiser import Denoiser
from schedopt.models.load import ASSETS
from schedopt.models.tokenizer import Tokenizer

BUNDLED_TEXT: Final = ASSETS / "heldout.jsonl"
DEFAULT_LENGTH: Final = 64
DEFAULT_CONTEXT: Final = 64


@dataclass(frozen=True)
class Corpus:
    """Documents and where they come from.

    Args:
        name: The file, or ``bundled``.
        sha256: Of the file's bytes.
        texts: The texts, in order.
        documents: Index of the document of each text: texts of one document depend on each other.
    """

    name: str
    sha256: str
    texts: tuple[str, ...]
    documents: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Windows:
    """Equal-length stretches of text, each a context and the positions to be sampled.

    Args:
        tokens: Shape (N, context + length), token ids without masks.
        documents: Shape (N,), the document each window is cut from; standard errors are
            over documents.
        context: How many leading tokens are known to the sampler.
    """

    tokens: Tensor
    documents: NDArray[np.int64]
    context: int

    def __post_init__(self) -> None:
        if self.tokens.ndim != 2 or len(self.tokens) != len(self.documents):
            raise UsageError(
                f"windows: need tokens (N, L) and N documents, got {tuple(self.tokens.shape)} "
                f"and {self.documents.shape}"
            )
        if len(self.tokens) == 0:
            raise InputError("windows: there are none")
        if not 0 <= self.context < self.tokens.shape[1]:
            raise UsageError(
                f"context: need 0 <= context < {self.tokens.shape[1]} tokens, got {self.context}"
            )

    @classmethod
    def independent(cls, tokens: Tensor) -> Windows:
        """Windows without a context, each a document of its own, such as the draws of a law.

        Example:
            >>> from schedopt.models import LawDenoiser
            >>> law = LawDenoiser([[0.5, 0.0], [0.0, 0.5]])
            >>> Windows.independent(law.draw(100, np.random.default_rng(0))).tokens.shape
            torch.Size([100, 2])
        """
        return cls(tokens, np.arange(len(tokens)), 0)

    @property
    def length(self) -> int:
        """Positions to be sampled, after the context."""
        return int(self.tokens.shape[1]) - self.context

    def __len__(self) -> int:
        return int(self.tokens.shape[0])

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> Windows:
        """The windows with these indices, in this order."""
        picks = np.asarray(rows, dtype=np.int64)
        return Windows(self.tokens[torch.from_numpy(picks)], self.documents[picks], self.context)

    def at_most(self, count: int) -> Windows:
        """So many of the windows, spread evenly over the text; all where there are no more."""
        if count >= len(self):
            return self
        return self.take(np.linspace(0, len(self) - 1, count).round().astype(np.int64))

    def split(self, share: float, *, seed: int) -> tuple[Windows, Windows]:
        """Two sets without a common document; the first has about ``share`` of the windows.

        Raises:
            InputError: There is only one document, so that nothing is left for the second set.
            UsageError: The seed is negative.
        """
        names = np.unique(self.documents)
        if len(names) < 2:
            raise InputError(
                f"{len(names)} document: need at least 2 to hold some out",
                hint="give more text, or a .jsonl file with several records",
            )
        shuffled = generator(seed, len(names)).permutation(names)
        sizes = np.array([np.count_nonzero(self.documents == d) for d in shuffled])
        cut = int(np.searchsorted(np.cumsum(sizes), share * len(self))) + 1
        first = np.isin(self.documents, shuffled[: min(cut, len(names) - 1)])
        return self.take(np.flatnonzero(first)), self.take(np.flatnonzero(~first))


def generator(seed: int, *more: int) -> np.random.Generator:
    """Generator of a seed and of what else sets draws apart.

    Raises:
        UsageError: The seed is negative.
    """
    if seed < 0:
        raise UsageError(f"seed: need a whole number >= 0, got {seed}")
    return np.random.default_rng([seed, *more])


def check_tokens(windows: Windows, denoiser: Denoiser) -> None:
    """Refuse windows that are no text of this model.

    Raises:
        InputError: A token is outside the vocabulary, or is the mask token.
    """
    low, high = int(windows.tokens.min()), int(windows.tokens.max())
    if low < 0 or high >= denoiser.vocab_size:
        raise InputError(
            f"windows: need tokens 0..{denoiser.vocab_size - 1}, got {low if low < 0 else high}"
        )
    if bool((windows.tokens == denoiser.mask_id).any()):
        raise InputError(f"windows: the text holds the mask token {denoiser.mask_id}")


def read_corpus(path: str | Path | None = None) -> Corpus:
    """Read a ``.txt`` file (one text) or a ``.jsonl`` file (a record with ``text`` a line).

    Records with the same ``name`` are of one document, such as several excerpts of a file.

    Args:
        path: The file; None for the bundled held-out text.

    Raises:
        MissingInputError: No such file.
        InputError: Not UTF-8, a record without text, or nothing but blanks.

    Example:
        >>> len(read_corpus().texts) > 100
        True
    """
    source = BUNDLED_TEXT if path is None else Path(path)
    name = "bundled" if path is None else str(path)
    if source.suffix not in (".txt", ".jsonl"):
        raise UsageError(f"{name}: need a .txt or .jsonl file")
    try:
        raw = source.read_bytes()
    except OSError as error:
        raise MissingInputError(f"{name}: cannot be read: {error.strerror}") from error
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: not UTF-8 at byte {error.start}") from error
    if source.suffix == ".txt":
        records = [(text, "")]
    else:
        records = [
            _record(line, f"{name}:{number}")
            for number, line in enumerate(text.split("\n"), start=1)
            if line.strip()
        ]
    if not any(body.strip() for body, _ in records):
        raise InputError(f"{name}: the text is empty", hint="give a file that holds some text")
    index: dict[str | int, int] = {}
    # A record without a name is a document of its own.
    owners = [index.setdefault(owner or i, len(index)) for i, (_, owner) in enumerate(records)]
    return Corpus(
        name, hashlib.sha256(raw).hexdigest(), tuple(body for body, _ in records), tuple(owners)
    )


def _record(line: str, where: str) -> tuple[str, str]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON: {error}") from error
    text = record.get("text") if isinstance(record, dict) else None
    owner = record.get("name", "") if isinstance(record, dict) else ""
    if not isinstance(text, str) or not isinstance(owner, str):
        raise InputError(
            f"{where}: need an object with a string 'text' and, if any, a string 'name', "
            f"got {line[:60]!r}"
        )
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InputError(f"{where}: need Unicode text, got a lone surrogate in {line[:60]!r}")
    return text, owner


def cut_windows(
    corpus: Corpus, tokenizer: Tokenizer, *, context: int, length: int, limit: int | None = None
) -> Windows:
    """Cut texts into consecutive windows of context + length tokens; short ends are dropped.

    A single text has no others to take standard errors over: there each window counts as a
    document.

    Args:
        corpus: The text.
        tokenizer: Of the model to be measured.
        context: Known tokens at the left of each window, >= 0.
        length: Tokens to be sampled, >= 1.
        limit: Keep at most so many windows, spread evenly over the corpus.

    Raises:
        InputError: No document is long enough for one window.
        UsageError: A length out of range.
    """
    if length < 1 or context < 0:
        raise UsageError(f"need length >= 1 and context >= 0, got {length} and {context}")
    size = context + length
    rows: list[list[int]] = []
    owners: list[int] = []
    longest = 0
    for index, text in zip(corpus.documents, corpus.texts, strict=True):
        tokens = tokenizer.encode(text)
        longest = max(longest, len(tokens))
        for start in range(0, len(tokens) - size + 1, size):
            rows.append(tokens[start : start + size])
            owners.append(index)
    if not rows:
        raise InputError(
            f"{corpus.name}: the longest text has {longest} tokens, a window needs {size} "
            f"(context {context} + length {length})",
            hint="give longer text, or smaller --length or --context",
        )
    documents = np.array(owners, dtype=np.int64)
    if len(corpus.texts) == 1:
        documents = np.arange(len(rows), dtype=np.int64)
    windows = Windows(torch.tensor(rows, dtype=torch.int64), documents, context)
    if limit is None:
        return windows
    if limit < 1:
        raise UsageError(f"limit: need at least 1 window, got {limit}")
    return windows.at_most(limit)


def load_windows(
    denoiser: Denoiser,
    path: str | Path | None = None,
    *,
    length: int = DEFAULT_LENGTH,
    context: int | None = None,
    part: tuple[int, int] = (1, 1),
    limit: int | None = None,
) -> tuple[Windows, dict[str, str | int]]:
    """Windows of a text file for a model, and what a provenance says of the text.

    Args:
        denoiser: Its tokenizer reads the text.
        path: As ``read_corpus``.
        length: As ``cut_windows``.
        context: As ``cut_windows``; 64 by default, or less where the model has no room.
        part: (i, n) keeps every n-th document from the i-th on, so that a schedule can be
            fitted on one part of a text and measured on another.
        limit: As ``cut_windows``.

    Raises:
        MissingModelError: The model has no tokenizer.
        InputError: The text is missing, empty, or too short for one window.
    """
    if denoiser.tokenizer is None:
        raise MissingModelError(
            f"model {denoiser.provenance.get('name')!r} has no tokenizer to read a text with",
            hint="from Python, give Windows of token ids",
        )
    if context is None:
        room = DEFAULT_CONTEXT if denoiser.max_length is None else denoiser.max_length - length
        context = max(0, min(DEFAULT_CONTEXT, room))
    corpus = read_corpus(path)
    index, parts = part
    if not 1 <= index <= parts:
        raise UsageError(f"part: need 1 <= i <= n, got {index}/{parts}")
    kept = [i for i, document in enumerate(corpus.documents) if document % parts == index - 1]
    if not kept:
        raise InputError(
            f"{corpus.name}: part {index}/{parts} has none of the "
            f"{len(set(corpus.documents))} documents"
        )
    corpus = replace(
        corpus,
        texts=tuple(corpus.texts[i] for i in kept),
        documents=tuple(corpus.documents[i] for i in kept),
    )
    windows = cut_windows(corpus, denoiser.tokenizer, context=context, length=length, limit=limit)
    return windows, {
        "name": corpus.name if parts == 1 else f"{corpus.name}, part {index}/{parts}",
        "sha256": corpus.sha256,
        "documents": len(set(corpus.documents)),
    }
