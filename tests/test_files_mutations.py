"""Any change of a good file gives a valid file or a FormatError, never anything else."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from malformed_corpus import GOOD

from schedopt import files
from schedopt.errors import FormatError

MUTANTS = 20_000
PARTS = 4

TOKENS = (
    b'"', b"[", b"]", b"{", b"}", b":", b",", b"\\", b"\\u", b"\\ud800", b"-", b"+", b".", b"e",
    b"0", b"1", b"1.0", b"-0", b"1e999", b"9" * 30, b"9" * 5000, b"NaN", b"-Infinity", b"true",
    b"false", b"null", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\n", b"//", b"'",
    b"[" * 2000, b'{"a":' * 2000,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 8, 1.0, -1e-10, 0.5, 1e308, 2**20, 2**62, 2**64, 10**40,
    float("nan"), float("inf"), "", "random", "left_to_right", "dilated", "explicit", "margin",
    "schedopt.curve", "schedopt.surface", "schedopt.schedule", "nats", "\ud800", [], [0], [[]],
    [2, 2, 4], [[0.1]], {}, {"name": "random"}, {"": 0},
)  # fmt: skip
KEYS = ("", "name", "base", "skip", "permutation", "stderr", "models", "blocks", "x", "a b")


def byte_flip(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def deletion(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.choice((1, 1, 2, 5, 20)) :]


def insertion(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.choice(TOKENS) + data[at:]


def truncation(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def repetition(rng: random.Random, data: bytes) -> bytes:
    start, end = sorted(rng.choices(range(len(data)), k=2))
    return data[:end] + data[start:end] + data[end:]


def token_swap(rng: random.Random, data: bytes) -> bytes:
    words = data.split(b" ")
    i, j = rng.choices(range(len(words)), k=2)
    words[i], words[j] = words[j], words[i]
    return b" ".join(words)


def nodes(value: Any) -> list[Any]:
    """Every object and list of a document."""
    if not isinstance(value, dict | list) or not value:
        return []
    members = value.values() if isinstance(value, dict) else value
    return [value, *(node for member in members for node in nodes(member))]


def structure(rng: random.Random, data: bytes) -> bytes:
    """Replace, delete, add, move or repeat a value somewhere in the document."""
    document = json.loads(data)
    everything = nodes(document)
    node = rng.choice(everything)
    step = rng.choice(list(node) if isinstance(node, dict) else range(len(node)))
    action = rng.randrange(5)
    if action == 0:
        node[step] = rng.choice(VALUES)
    elif action == 1:
        del node[step]
    elif action == 2 and isinstance(node, dict):
        node[rng.choice(KEYS)] = rng.choice(VALUES)
    elif action == 2:
        node.insert(step, rng.choice(VALUES))
    elif action == 3:
        node[step] = copy.deepcopy(rng.choice(everything))
    elif isinstance(node, dict):
        text = json.dumps(document)
        pair = f"{json.dumps(step)}: {json.dumps(node[step])}"
        return text.replace(pair, f"{pair}, {pair}").encode()
    else:
        node.append(node[step])
    return json.dumps(document, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


def number(rng: random.Random, data: bytes) -> bytes:
    """Move a number a little: the mutants that stay valid are mostly these."""
    document = json.loads(data)
    lists = [n for n in nodes(document) if isinstance(n, list) and {*map(type, n)} <= {int, float}]
    node = rng.choice(lists)
    i, j = rng.choices(range(len(node)), k=2)
    change = rng.choice((1, -1, 0.25, 0))
    node[i] += change
    node[j] -= change
    return json.dumps(document).encode()


MUTATIONS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    byte_flip, deletion, insertion, truncation, repetition, token_swap, structure, structure,
    structure, number,
)  # fmt: skip


@pytest.mark.parametrize("part", range(PARTS))
def test_mutants(part: int) -> None:
    rng = random.Random(part)
    good = [text.encode() for text in GOOD.values()]
    valid = 0
    for _ in range(MUTANTS // PARTS):
        data = rng.choice(MUTATIONS)(rng, rng.choice(good))
        while data and rng.random() < 0.2:
            data = rng.choice(MUTATIONS[:6])(rng, data)
        error = None
        try:
            file = files.loads(data, files.FORMATS, name="mutant.json")
        except FormatError as caught:
            error = caught
        if error is not None:
            message = str(error)
            assert message.startswith(f"mutant.json: {error.json_path}: "), data
            assert error.json_path.startswith("$"), data
            assert message.isprintable(), data
            assert message.isascii(), data
        else:
            text = files.dumps(file)
            assert files.loads(text.encode(), files.FORMATS) == file, data
            assert files.dumps(file) == text, data
            valid += 1
    # Both ways are taken: the mutants are near enough to good files to pass now and then.
    assert 0.05 < valid / (MUTANTS // PARTS) < 0.6
