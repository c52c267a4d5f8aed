"""Files of text: one text, or a record a line."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from schedopt.errors import InputError, MissingInputError, UsageError
from schedopt.models.hub import ASSETS

BUNDLED_TEXT: Final = ASSETS / "heldout.jsonl"
RENAME: Final = (
    "rename the fields, such as with jq -c '{prompt: .question, response: .answer}' FILE"
)


def check_part(part: tuple[int, int]) -> tuple[int, int]:
    """(i, n) for the i-th of n parts, as it is.

    Raises:
        UsageError: There is no such part.
    """
    index, parts = part
    if not 1 <= index <= parts:
        raise UsageError(f"part: need 1 <= i <= n, got {index}/{parts}")
    return part


def part_name(name: str, part: tuple[int, int]) -> str:
    """What a provenance calls a part of a text.

    Example:
        >>> part_name("a.txt", (1, 1)), part_name("a.txt", (2, 3))
        ('a.txt', 'a.txt, part 2/3')
    """
    index, parts = part
    return name if parts == 1 else f"{name}, part {index}/{parts}"


def parts_apart(one: str, other: str) -> bool:
    """Whether two parts of one text, by their names, share no document.

    Example:
        >>> parts_apart("a.txt, part 1/2", "a.txt, part 2/2")
        True
        >>> parts_apart("a.txt, part 1/2", "a.txt")
        False
    """
    found = [re.search(r", part (\d+)/(\d+)$", name) for name in (one, other)]
    parts = [match.groups() for match in found if match is not None]
    return len(parts) == 2 and parts[0][1] == parts[1][1] and parts[0][0] != parts[1][0]


@dataclass(frozen=True)
class Corpus:
    """Texts, or prompts and their responses, and where they come from.

    Args:
        name: The file, or ``bundled``.
        sha256: Of the file's bytes.
        texts: The texts, or the responses, in order.
        documents: Index of the document of each text: texts of one document depend on each other.
        prompts: What each response answers; None where the texts stand for themselves.
        lines: Line of the file at which each record stands, from 1; None where there are none.
    """

    name: str
    sha256: str
    texts: tuple[str, ...]
    documents: tuple[int, ...]
    prompts: tuple[str, ...] | None = None
    lines: tuple[int, ...] | None = None

    def where(self, i: int) -> str:
        """File and line of the i-th text, for people."""
        return self.name if self.lines is None else f"{self.name}:{self.lines[i]}"

    def part(self, part: tuple[int, int]) -> Corpus:
        """Of (i, n): every n-th document from the i-th on, counted from 1.

        Raises:
            UsageError: There is no such part.
            InputError: It has no document.
        """
        index, parts = check_part(part)
        kept = [i for i, document in enumerate(self.documents) if document % parts == index - 1]
        if not kept:
            raise InputError(
                f"{self.name}: part {index}/{parts} has none of the "
                f"{len(set(self.documents))} documents",
                hint="give fewer parts, or more text",
            )
        return replace(
            self,
            texts=tuple(self.texts[i] for i in kept),
            documents=tuple(self.documents[i] for i in kept),
            prompts=None if self.prompts is None else tuple(self.prompts[i] for i in kept),
            lines=None if self.lines is None else tuple(self.lines[i] for i in kept),
        )


def read_corpus(path: str | Path | None = None) -> Corpus:
    """Read a ``.txt`` file (one text) or a ``.jsonl`` file (a record a line).

    A record is an object with a ``text``, or with a ``prompt`` and its ``response``; a file holds
    one kind only. Records with the same ``name`` are of one document, such as several excerpts
    of a file; other fields are left alone.

    Args:
        path: The file; None for the bundled held-out text, which is Python source.

    Raises:
        MissingInputError: No such file.
        InputError: Not UTF-8, a record that is neither kind or not of the kind of the others, or
            nothing but blanks.

    Example:
        >>> len(read_corpus().texts) > 100
        True
    """
    source = BUNDLED_TEXT if path is None else Path(path)
    name = "bundled" if path is None else str(path)
    if source.suffix not in (".txt", ".jsonl"):
        raise UsageError(
            f"{name}: need a .txt or .jsonl file"
            + (", and this is a folder" if source.is_dir() else ""),
            hint="name a .txt file of one text, or a .jsonl file with a record a line",
        )
    try:
        raw = source.read_bytes()
    except OSError as error:
        raise MissingInputError(
            f"{name}: cannot be read: {error.strerror}",
            hint="name a .txt or .jsonl file that is there and may be read",
        ) from error
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name}: not UTF-8 at byte {error.start}",
            hint="convert it, such as with iconv -f LATIN1 -t UTF-8 FILE",
        ) from error
    sha256 = hashlib.sha256(raw).hexdigest()
    if source.suffix == ".txt":
        corpus = Corpus(name, sha256, (text,), (0,))
    else:
        corpus = _corpus(name, sha256, list(_records(text, name)))
    if not any(body.strip() for body in corpus.texts):
        raise InputError(
            f"{name}: "
            + ("the text is empty" if corpus.prompts is None else "no response has any text"),
            hint="give a file that holds some text",
        )
    return corpus


@dataclass(frozen=True)
class _Record:
    line: int
    text: str
    prompt: str | None
    document: str


def _corpus(name: str, sha256: str, records: list[_Record]) -> Corpus:
    index: dict[str | int, int] = {}
    prompts = tuple(record.prompt for record in records if record.prompt is not None)
    return Corpus(
        name,
        sha256,
        tuple(record.text for record in records),
        # A record without a name is a document of its own.
        tuple(index.setdefault(r.document or i, len(index)) for i, r in enumerate(records)),
        prompts=prompts or None,
        lines=tuple(record.line for record in records),
    )


def _records(text: str, name: str) -> Iterator[_Record]:
    first: _Record | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        record = _record(line, number, f"{name}:{number}")
        first = first or record
        if (record.prompt is None) != (first.prompt is None):
            kinds = ("'text'", "'prompt' and 'response'")
            wanted, got = kinds if first.prompt is None else kinds[::-1]
            raise InputError(
                f"{name}:{number}: need {wanted} as in line {first.line}, got {got}",
                hint="put the two kinds of records into files of their own",
            )
        yield record


def _record(line: str, number: int, where: str) -> _Record:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{where}: not JSON: {error}", hint="put one whole JSON object on each line"
        ) from error
    fields = record if isinstance(record, dict) else {}
    kinds = {"text": "text" in fields, "prompt": "prompt" in fields or "response" in fields}
    wanted = ("prompt", "response") if kinds["prompt"] else ("text",)
    values: list[Any] = [fields.get(key) for key in wanted] + [fields.get("name", "")]
    if all(kinds.values()) or not all(isinstance(value, str) for value in values):
        raise InputError(
            f"{where}: need an object with a string 'text', or with strings 'prompt' and "
            f"'response' instead, and, if any, a string 'name', got {line[:60]!r}",
            hint="give each of these a string" if any(kinds.values()) else RENAME,
        )
    if any("\ud800" <= character <= "\udfff" for value in values for character in value):
        raise InputError(
            f"{where}: need Unicode text, got a lone surrogate in {line[:60]!r}",
            hint="write the character itself, or both halves of its escape",
        )
    prompt = fields["prompt"] if kinds["prompt"] else None
    return _Record(number, values[-2], prompt, values[-1])
