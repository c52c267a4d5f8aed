"""Text to windows: what is refused, which document a window is of, and how many there are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from strategies import random_table

from schedopt.data import (
    Corpus,
    Windows,
    check_tokens,
    cut_windows,
    generator,
    load_windows,
    read_corpus,
)
from schedopt.errors import InputError, MissingInputError, MissingModelError, UsageError
from schedopt.models import ByteTokenizer, LawDenoiser, load_model

TOKENIZER = ByteTokenizer()


def corpus_of(*texts: str, documents: tuple[int, ...] | None = None) -> Corpus:
    owners = tuple(range(len(texts))) if documents is None else documents
    return Corpus("corpus", "0", texts, owners)


def windows_of(*documents: int) -> Windows:
    """One window of two tokens for each of these documents."""
    tokens = torch.arange(2 * len(documents)).reshape(-1, 2)
    return Windows(tokens, np.array(documents, dtype=np.int64), 0)


def write_records(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


# Files


@pytest.mark.parametrize(
    ("name", "content", "error", "code", "message"),
    [
        ("absent.txt", None, MissingInputError, 3, "cannot be read: No such file"),
        ("absent.jsonl", None, MissingInputError, 3, "cannot be read: No such file"),
        ("a.pdf", b"text", UsageError, 2, "need a .txt or .jsonl file"),
        ("a.json", b"{}", UsageError, 2, "need a .txt or .jsonl file"),
        ("a", b"text", UsageError, 2, "need a .txt or .jsonl file"),
        ("a.txt", b"abc\xff", InputError, 3, "not UTF-8 at byte 3"),
        ("a.jsonl", b'{"text": "\xe9"}', InputError, 3, "not UTF-8 at byte 10"),
        ("a.txt", b"", InputError, 3, "the text is empty"),
        ("a.txt", b" \n\t\r\n", InputError, 3, "the text is empty"),
        ("a.jsonl", b"", InputError, 3, "the text is empty"),
        ("a.jsonl", b"\n  \n", InputError, 3, "the text is empty"),
        ("a.jsonl", b'{"text": ""}\n{"text": " "}', InputError, 3, "the text is empty"),
        ("a.jsonl", b'{"text": "a"}\n\n{"text": ', InputError, 3, ":3: not JSON"),
        ("a.jsonl", b'{"text": "a"}\ntext\n', InputError, 3, ":2: not JSON"),
        ("a.jsonl", b"\xef\xbb\xbf{}", InputError, 3, ":1: not JSON"),
        ("a.jsonl", b"[" * 10**5, InputError, 3, ":1: not JSON"),
        ("a.jsonl", b'{"text": "a"}\n{"txt": "b"}', InputError, 3, ":2: need an object with a"),
        ("a.jsonl", b'{"text": 1}', InputError, 3, ":1: need an object with a string 'text'"),
        ("a.jsonl", b'{"text": null}', InputError, 3, "got '{\"text\": null}'"),
        ("a.jsonl", b'["text"]', InputError, 3, ":1: need an object"),
        ("a.jsonl", b'"text"', InputError, 3, ":1: need an object"),
        ("a.jsonl", b'{"text": "a", "name": 7}', InputError, 3, "a string 'name', got"),
        ("a.jsonl", b'{"prompt": "a"}', InputError, 3, ":1: need an object with"),
        ("a.jsonl", b'{"response": "a"}', InputError, 3, "strings 'prompt' and 'response' instead"),
        ("a.jsonl", b'{"prompt": "a", "response": 1}', InputError, 3, ":1: need an object with"),
        ("a.jsonl", b'{"prompt": [], "response": ""}', InputError, 3, ":1: need an object with"),
        ("a.jsonl", b'{"text": "", "prompt": ""}', InputError, 3, ":1: need an object with"),
        ("a.jsonl", b'{"text": "", "response": 2}', InputError, 3, ":1: need an object with"),
        ("a.jsonl", b'{"prompt": "a", "response": " "}', InputError, 3, "no response has any"),
        ("a.jsonl", rb'{"prompt": "\ud800", "response": ""}', InputError, 3, ":1: need Unicode"),
        (
            "a.jsonl",
            b'{"text": "a"}\n\n{"prompt": "a", "response": "b"}',
            InputError,
            3,
            ":3: need 'text' as in line 1, got 'prompt' and 'response'",
        ),
        (
            "a.jsonl",
            b'\n{"prompt": "a", "response": "b"}\n{"text": "a"}',
            InputError,
            3,
            ":3: need 'prompt' and 'response' as in line 2, got 'text'",
        ),
        ("a.jsonl", rb'{"text": "a\ud800"}', InputError, 3, ":1: need Unicode text, got a lone"),
    ],
)
def test_bad_files(
    name: str,
    content: bytes | None,
    error: type[Exception],
    code: int,
    message: str,
    tmp_path: Path,
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error) as caught:
        read_corpus(path)
    assert message in str(caught.value)
    assert caught.value.hint
    assert str(caught.value).startswith(str(path))
    assert getattr(caught.value, "exit_code", None) == code


def test_a_folder_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(MissingInputError, match="cannot be read: Is a directory"):
        read_corpus(tmp_path / "a.txt")


def test_records_of_one_name_are_one_document(tmp_path: Path) -> None:
    path = write_records(
        tmp_path / "a.jsonl",
        {"text": "one", "name": "x.py"},
        {"text": "two"},
        {"text": "three", "name": "y.py", "licence": "any other field"},
        {"text": "four", "name": "x.py"},
        {"text": "five", "name": ""},
    )
    corpus = read_corpus(path)
    assert corpus.texts == ("one", "two", "three", "four", "five")
    assert corpus.documents == (0, 1, 2, 0, 3)  # without a name, each is a document
    assert corpus.name == str(path)
    assert len(corpus.sha256) == 64


def test_lines_end_where_json_lines_end(tmp_path: Path) -> None:
    """Not at the other characters that Python splits lines at."""
    path = tmp_path / "a.jsonl"
    path.write_bytes('{"text": "a\u2028b"}\r\n\r\n{"text": "\\ud83d\\ude00"}'.encode())
    assert read_corpus(path).texts == ("a\u2028b", "😀")


def test_a_text_file_is_one_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("é\r\nb".encode())
    corpus = read_corpus(path)
    assert (corpus.texts, corpus.documents) == (("é\r\nb",), (0,))


def test_the_bundled_text() -> None:
    corpus = read_corpus()
    assert corpus.name == "bundled"
    assert 200_000 < sum(len(text.encode()) for text in corpus.texts) < 10**6
    assert len(set(corpus.documents)) >= 50


# Windows


def test_windows_are_consecutive_and_short_ends_are_dropped() -> None:
    corpus = corpus_of("abcdefghij", "k", "", "lmnop", documents=(4, 4, 5, 9))
    windows = cut_windows(corpus, TOKENIZER, context=1, length=3)
    assert [bytes(row) for row in windows.tokens.tolist()] == [b"abcd", b"efgh", b"lmno"]
    assert windows.documents.tolist() == [4, 4, 9]
    assert (len(windows), windows.length, windows.context) == (3, 3, 1)


@given(
    st.lists(st.text(max_size=12), min_size=2, max_size=5),
    st.integers(0, 3),
    st.integers(1, 4),
)
def test_counts(texts: list[str], context: int, length: int) -> None:
    sizes = [len(text.encode()) for text in texts]
    counts = [size // (context + length) for size in sizes]
    if sum(counts) == 0:
        with pytest.raises(InputError, match=f"the longest text has {max(sizes)} tokens"):
            cut_windows(corpus_of(*texts), TOKENIZER, context=context, length=length)
        return
    windows = cut_windows(corpus_of(*texts), TOKENIZER, context=context, length=length)
    found = np.bincount(windows.documents, minlength=len(texts))
    assert found.tolist() == counts
    assert windows.tokens.shape == (sum(counts), context + length)


def test_text_that_is_too_short() -> None:
    with pytest.raises(InputError) as caught:
        cut_windows(corpus_of("abc", "defgh"), TOKENIZER, context=4, length=2)
    message = "corpus: the longest text has 5 tokens, a window needs 6 (context 4 + length 2)"
    assert str(caught.value) == message
    assert "--length" in str(caught.value.hint)


def test_each_window_of_a_single_text_is_a_document() -> None:
    windows = cut_windows(corpus_of("abcdefg"), TOKENIZER, context=0, length=2)
    assert windows.documents.tolist() == [0, 1, 2]


@pytest.mark.parametrize(("context", "length"), [(-1, 4), (0, 0), (3, -2)])
def test_lengths(context: int, length: int) -> None:
    message = f"need length >= 1 and context >= 0, got {length} and {context}"
    with pytest.raises(UsageError, match=message):
        cut_windows(corpus_of("abcdefg"), TOKENIZER, context=context, length=length)


@given(st.integers(1, 30), st.integers(1, 40))
def test_a_limit_spreads_over_the_text(count: int, limit: int) -> None:
    corpus = corpus_of(*(f"{i:04}" for i in range(count)))
    windows = cut_windows(corpus, TOKENIZER, context=0, length=4, limit=limit)
    kept = windows.documents
    assert len(kept) == min(count, limit)
    if limit >= count:
        assert kept.tolist() == list(range(count))
    elif limit > 1:
        assert (kept[0], kept[-1]) == (0, count - 1)
        gaps = np.diff(kept)
        assert gaps.min() >= 1
        assert gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize("limit", [0, -1])
def test_limits(limit: int) -> None:
    with pytest.raises(UsageError, match=f"limit: need at least 1 window, got {limit}"):
        cut_windows(corpus_of("abcd"), TOKENIZER, context=0, length=2, limit=limit)


def test_take() -> None:
    taken = windows_of(5, 6, 7).take([2, 0, 2])
    assert taken.tokens.tolist() == [[4, 5], [0, 1], [4, 5]]
    assert taken.documents.tolist() == [7, 5, 7]


@pytest.mark.parametrize(
    ("tokens", "documents", "context", "error", "message"),
    [
        (torch.zeros(4), 4, 0, UsageError, r"need tokens \(N, L\) and N documents, got \(4,\)"),
        (torch.zeros(4, 2), 3, 0, UsageError, r"got \(4, 2\) and \(3,\)"),
        (torch.zeros(0, 2), 0, 0, InputError, "there are none"),
        (torch.zeros(4, 2), 4, 2, UsageError, "need 0 <= context < 2 tokens, got 2"),
        (torch.zeros(4, 2), 4, -1, UsageError, "need 0 <= context < 2 tokens, got -1"),
    ],
)
def test_windows_that_do_not_fit(
    tokens: torch.Tensor, documents: int, context: int, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Windows(tokens.long(), np.arange(documents), context)


@given(st.data())
def test_where_there_may_be_no_token(data: st.DataObject) -> None:
    context, width = data.draw(st.integers(0, 4)), data.draw(st.integers(5, 6))
    row = data.draw(st.lists(st.sampled_from([-2, -1, 0, 5]), min_size=width, max_size=width))
    legal = True
    for position, token in enumerate(row):
        begun = any(earlier != -1 for earlier in row[:position])
        if token < 0 and (token != -1 or position >= context or begun):
            legal = False
            message = f"need a token at position {position} of window 1, got {token}: -1 may only"
            break
    tokens = torch.tensor([[0] * width, row])
    if legal:
        windows = Windows(tokens, np.arange(2), context)
        assert (windows.context, windows.length) == (context, width - context)
        assert torch.equal(windows.take([1]).tokens[0], tokens[1])
        return
    with pytest.raises(InputError, match=message):
        Windows(tokens, np.arange(2), context)


@pytest.mark.parametrize(("context", "bos", "wanted"), [(0, 7, 1), (1, 7, 1), (2, 7, 2)])
def test_a_model_that_needs_a_first_token_gets_one(context: int, bos: int, wanted: int) -> None:
    corpus = corpus_of("abcdef", "ghi")
    windows = cut_windows(corpus, TOKENIZER, context=context, length=3, bos_id=bos)
    assert windows.context == wanted
    without = cut_windows(corpus, TOKENIZER, context=context if wanted == 2 else 0, length=3)
    assert torch.equal(windows.tokens[:, -3 - without.context :], without.tokens)
    assert wanted == 2 or windows.tokens[:, 0].tolist() == [bos] * len(windows)


# Parts


@given(
    st.lists(st.integers(0, 6), min_size=2, max_size=40).filter(lambda d: len(set(d)) > 1),
    st.floats(0.0, 1.0),
    st.integers(0, 99),
)
def test_a_split_has_no_common_document(documents: list[int], share: float, seed: int) -> None:
    windows = windows_of(*documents)
    first, second = windows.split(share, seed=seed)
    assert not set(first.documents) & set(second.documents)
    rows = [row[0] for part in (first, second) for row in part.tokens.tolist()]
    assert sorted(rows) == windows.tokens[:, 0].tolist()  # every window, once
    again, _ = windows.split(share, seed=seed)
    assert torch.equal(first.tokens, again.tokens)
    # The first has the share, but for one document, and neither is empty.
    sizes = np.bincount(documents)
    assert len(first) <= share * len(windows) + sizes.max()
    assert len(first) >= min(share * len(windows), len(windows) - sizes.max())


def test_a_split_depends_on_the_seed() -> None:
    windows = windows_of(*range(20))
    halves = {tuple(windows.split(0.5, seed=seed)[0].documents) for seed in range(5)}
    assert len(halves) == 5


def test_one_document_cannot_be_split() -> None:
    with pytest.raises(InputError, match="1 document: need at least 2 to hold some out") as caught:
        windows_of(3, 3, 3).split(0.5, seed=0)
    assert ".jsonl" in str(caught.value.hint)


def test_seeds() -> None:
    assert generator(1, 2).random() == generator(1, 2).random() != generator(1, 3).random()
    with pytest.raises(UsageError, match="seed: need a whole number >= 0, got -1"):
        generator(-1)
    with pytest.raises(UsageError, match="seed"):
        windows_of(0, 1).split(0.5, seed=-1)


# Of a model


def test_load_windows(tmp_path: Path) -> None:
    model = load_model("tiny-light")
    path = write_records(tmp_path / "a.jsonl", {"text": "x" * 300}, {"text": "y" * 80})
    windows, about = load_windows(model, path, length=16, context=4)
    assert (len(windows), windows.length, windows.context) == (15 + 4, 16, 4)
    corpus = read_corpus(path)
    assert about == {"name": str(path), "sha256": corpus.sha256, "documents": 2}
    windows, about = load_windows(model, limit=7)
    assert (len(windows), windows.length, windows.context) == (7, 64, 64)
    assert about["name"] == "bundled"


def test_windows_of_a_model_that_needs_a_first_token(tmp_path: Path) -> None:
    model = load_model("tiny-light")
    model.bos_id = 256
    path = write_records(tmp_path / "a.jsonl", {"text": "abcd" * 64})
    windows, _ = load_windows(model, path, length=4, context=0)
    assert windows.tokens.tolist() == [[256, *b"abcd"]] * 64
    assert load_windows(model, path, length=255)[0].context == 1
    with pytest.raises(UsageError, match="takes at most 256, of which the first is given"):
        load_windows(model, path, length=256)


def test_more_tokens_than_a_model_takes() -> None:
    model = load_model("tiny-light")
    with pytest.raises(UsageError, match="257 tokens: this model takes at most 256") as caught:
        load_windows(model, length=257)
    assert "--length" in str(caught.value.hint)


@pytest.mark.parametrize(("length", "context"), [(64, 64), (192, 64), (200, 56), (256, 0)])
def test_the_context_is_what_the_model_has_room_for(length: int, context: int) -> None:
    windows, _ = load_windows(load_model("tiny-light"), length=length, limit=2)
    assert windows.context == context


def test_parts_share_no_document_and_are_the_whole(tmp_path: Path) -> None:
    model = load_model("tiny-light")
    path = write_records(tmp_path / "a.jsonl", *({"text": f"{i}" * 8} for i in range(7)))
    found = []
    for index in (1, 2, 3):
        windows, about = load_windows(model, path, length=4, context=0, part=(index, 3))
        assert set(windows.documents) == set(range(index - 1, 7, 3))
        assert about["name"] == f"{path}, part {index}/3"
        assert about["documents"] == len(set(windows.documents))
        found += windows.tokens.tolist()
    whole, _ = load_windows(model, path, length=4, context=0)
    assert sorted(found) == sorted(whole.tokens.tolist())
    with pytest.raises(InputError, match="part 8/9 has none of the 7 documents"):
        load_windows(model, path, length=4, context=0, part=(8, 9))


@pytest.mark.parametrize("part", [(0, 2), (3, 2), (1, 0), (-1, -1)])
def test_parts_that_do_not_exist(part: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match=f"part: need 1 <= i <= n, got {part[0]}/{part[1]}"):
        load_windows(load_model("tiny-light"), part=part)


def test_a_law_reads_no_text() -> None:
    law = LawDenoiser(random_table(2, 3, seed=0), name="generic")
    with pytest.raises(MissingModelError, match="model 'generic' has no tokenizer") as caught:
        load_windows(law)
    assert caught.value.exit_code == 6
    assert "Windows" in str(caught.value.hint)
    assert "--data self" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([[0, 3]], "need tokens 0..2, got 3"),
        ([[0, 1], [2, 0]], "the text holds the mask token 2"),
    ],
)
def test_tokens_that_are_no_text(tokens: list[list[int]], message: str) -> None:
    law = LawDenoiser(random_table(2, 2, seed=0))
    windows = Windows(torch.tensor(tokens), np.arange(len(tokens)), 0)
    with pytest.raises(InputError, match=message):
        check_tokens(windows, law)
    check_tokens(Windows(law.outcomes, np.arange(len(law.outcomes)), 0), law)


@given(st.text())
def test_bytes_are_text_and_back(text: str) -> None:
    tokens = TOKENIZER.encode(text)
    assert tokens == list(text.encode())
    assert TOKENIZER.decode([*tokens, 256, 257]) == text
    assert TOKENIZER.decode([0xC3]) == "\N{REPLACEMENT CHARACTER}"
