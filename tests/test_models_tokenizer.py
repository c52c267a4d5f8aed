"""A checkpoint's tokenizer is the published one, and belongs to the checkpoint."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from checkpoints import published, write_checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizer_files import (
    HEADERS,
    LINES,
    SPECIAL,
    qwen2,
    tokenizer_of,
    trained,
    write_about,
    write_fast,
    write_slow,
)
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

from schedopt.errors import InputError, MissingModelError, SchedoptError
from schedopt.models import ByteTokenizer, load_model, read_tokenizer
from schedopt.models.tokenizer import PROBE
from schedopt.models.tokenizer import Tokenizer as Protocol

ROWS = 512  # of the embedding: more than the tokenizer has tokens, as published ones
MASK, EOS = "<|mdm_mask|>", "<|endoftext|>"


def read(folder: Path, **options: Any) -> Protocol:
    tokenizer = read_tokenizer(folder, ROWS, **options)
    assert tokenizer is not None
    return tokenizer


def ids_of(*tokens: str) -> list[int]:
    return [tokenizer_of().token_to_id(token) for token in tokens]


def refused(
    call: Callable[[], object], *parts: str, error: type[SchedoptError] = InputError, code: int = 3
) -> SchedoptError:
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    for part in parts:
        assert part in message
    assert "\n" not in message
    assert caught.value.exit_code == code
    return caught.value


# What it gives


@pytest.mark.parametrize("write", [write_fast, write_slow])
def test_text_comes_back(write: Callable[[Path], Tokenizer], tmp_path: Path) -> None:
    write(tmp_path)
    tokenizer = read(tmp_path)
    for text in (*LINES, PROBE, "", " ", "\n", "\x00", "a" * 10**4):
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert all(type(index) is int and 0 <= index < ROWS for index in ids)
    assert len(tokenizer.encode(LINES[0])) < len(LINES[0])


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Protocol, Protocol]:
    fast, slow = (tmp_path_factory.mktemp(name) for name in ("fast", "slow"))
    write_fast(fast)
    write_slow(slow)
    return read(fast), read(slow)


WORDS = (*SPECIAL, *LINES, *PROBE, "'LL", "n't", "\u0301", "\r\n", "  ", "१२", "\u2028", "ﬁ", "Å")


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(WORDS) | st.characters(codec="utf-8"), max_size=12).map("".join),
)
def test_vocabulary_and_merges_are_the_tokenizer(
    both: tuple[Protocol, Protocol], text: str
) -> None:
    fast, slow = both
    assert slow.encode(text) == fast.encode(text)
    assert slow.prompt(text) == fast.prompt(text)
    plain = text
    for token in SPECIAL:
        plain = plain.replace(token, "")
    if plain == text:
        assert slow.decode(slow.encode(text)) == unicodedata.normalize("NFC", text)


def test_words(tmp_path: Path) -> None:
    """No merge crosses a word: numbers go digit by digit, letters take the space before them."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {letter: index for index, letter in enumerate(letters)}
    # Greedy merges of any two tokens of the text would join whatever one word holds.
    pieces = ["12", "a1", "Ġx", "xy", "Ġxy", "ĠĠ", "'s", "ts", "!!", "!!Ċ", "ĊĊ", "xyĊ"]
    splits = [p.rpartition(p[-1])[0] + " " + p[-1] for p in pieces]
    vocab |= {piece: len(letters) + index for index, piece in enumerate(pieces)}
    (tmp_path / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    (tmp_path / "merges.txt").write_text("\n".join(splits), encoding="utf-8")
    write_about(tmp_path, tokenizer_class="Qwen2Tokenizer")
    tokenizer = read(tmp_path)
    for text, words in {
        "12": ["1", "2"],
        "a1": ["a", "1"],
        "xy xy": ["xy", "Ġxy"],
        "x  xy": ["x", "Ġ", "Ġxy"],
        "it's": ["i", "t", "'s"],
        "!!\nxy\n\nx": ["!!Ċ", "xy", "ĊĊ", "x"],
    }.items():
        assert tokenizer.encode(text) == [vocab[word] for word in words], text


def test_ids_keep_their_published_place(tmp_path: Path) -> None:
    """Published ids have gaps, and added tokens that are text."""
    write_slow(tmp_path)
    about = json.loads((tmp_path / "tokenizer_config.json").read_text())
    about["added_tokens_decoder"] = {
        "450": {"content": "<|mask|>", "special": True, "normalized": False},
        "440": {"content": "<tool_call>", "special": False, "normalized": False},
        "430": {"content": "<|endoftext|>", "special": True, "normalized": False},
    }
    write_about(tmp_path, **about)
    tokenizer = read(tmp_path, mask_id=450, eos_id=430)
    assert tokenizer.encode("<tool_call><|mask|><|endoftext|>") == [440, 450, 430]
    assert tokenizer.decode([440, 450, 430]) == "<tool_call>"


def test_special_tokens(tmp_path: Path) -> None:
    write_fast(tmp_path)
    tokenizer = read(tmp_path)
    mask, eos = ids_of(MASK, EOS)
    hello = tokenizer.encode("hello")
    assert tokenizer.encode(f"hello{EOS}") == [*hello, eos]
    # Padded rows of the embedding and the mask of mdlm have no token at all.
    assert tokenizer.decode([mask, *hello, eos, ROWS - 1, 10**6]) == "hello"


def test_nothing_is_added(tmp_path: Path) -> None:
    """Neither what the published file puts around a text, nor its limits of length."""
    tokenizer = tokenizer_of()
    bos = "<|startoftext|>"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", special_tokens=[(bos, ids_of(bos)[0])]
    )
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=50)
    write_fast(tmp_path, tokenizer)
    assert read(tmp_path).encode(LINES[0]) == tokenizer_of().encode(LINES[0]).ids


# Whether it belongs


def test_it_fits_the_checkpoint(tmp_path: Path) -> None:
    write_fast(tmp_path)
    mask, eos = ids_of(MASK, EOS)
    size = tokenizer_of().get_vocab_size()
    read(tmp_path, mask_id=mask, eos_id=eos)
    assert read_tokenizer(tmp_path, size, mask_id=mask, eos_id=eos) is not None
    error = refused(
        lambda: read_tokenizer(tmp_path, size - 1),
        f"{tmp_path / 'tokenizer.json'}: token '<|mdm_mask|>' has the id {size - 1}",
        f"the network has {size - 1} rows",
    )
    assert "belong" in str(error.hint)
    error = refused(
        lambda: read(tmp_path, mask_id=mask - 1),
        f"the mask token '<|mdm_mask|>' has the id {mask}, the model's is {mask - 1}",
    )
    assert f"--mask-id {mask}" in str(error.hint)
    for absent in (size, ROWS - 1, ROWS + 7):
        refused(lambda i=absent: read(tmp_path, eos_id=i), f"the id {absent} ends a", "no token")
    word = tokenizer_of().token_to_id("Ġthe")
    refused(lambda: read(tmp_path, eos_id=word), f"the id {word} ends a", "the text 'Ġthe'")


def test_masks_that_have_no_name(tmp_path: Path) -> None:
    write_fast(tmp_path, tokenizer_of(SPECIAL[:2]))
    word = tokenizer_of().token_to_id("Ġthe")
    error = refused(lambda: read(tmp_path, mask_id=word), f"'Ġthe' has the id {word}")
    assert "--mask-id" in str(error.hint)
    read(tmp_path, mask_id=ROWS - 1)  # mdlm: beyond its tokenizer
    # iLLaDA: a row that the vocabulary reserves and that no text becomes
    document = json.loads(trained())
    document["model"]["vocab"]["[reserved]"] = reserved = len(document["model"]["vocab"])
    write_fast(tmp_path, Tokenizer.from_str(json.dumps(document)))
    read(tmp_path, mask_id=reserved)


def test_masks_that_the_config_names(tmp_path: Path) -> None:
    mask, eot = ids_of(MASK, "<|eot_id|>")
    write_fast(tmp_path, mask_token={"content": MASK, "special": True})
    read(tmp_path, mask_id=mask)
    refused(lambda: read(tmp_path, mask_id=eot), f"{MASK!r} has the id {mask}")
    write_fast(tmp_path, mask_token="<|eot_id|>")
    read(tmp_path, mask_id=eot)
    refused(lambda: read(tmp_path, mask_id=mask), f"'<|eot_id|>' has the id {eot}")
    write_fast(tmp_path)
    (tmp_path / "special_tokens_map.json").write_text('{"mask_token": "<|eot_id|>"}')
    read(tmp_path, mask_id=eot)
    for name in ("<|gone|>", {"content": "<|gone|>"}):
        write_fast(tmp_path, mask_token=name)
        error = refused(lambda: read(tmp_path, mask_id=mask), "'<|gone|>', which", "no token of it")
        assert "belong" in str(error.hint)


def test_tokenizers_that_lose_text(tmp_path: Path) -> None:
    few = {letter: index for index, letter in enumerate("The naivcot")}
    lossy = qwen2(models.BPE(vocab=few, merges=[]))
    write_fast(tmp_path, lossy)
    refused(lambda: read(tmp_path), "loses text: ' naïve café\\t", "comes back as 'na")
    write_fast(tmp_path, Tokenizer(models.WordLevel({"The": 0, "[UNK]": 1}, unk_token="[UNK]")))
    refused(lambda: read(tmp_path), "loses text: ", "comes back as '[UNK]'")
    write_fast(tmp_path, Tokenizer(models.BPE()))
    refused(lambda: read(tmp_path), "loses text: 'The", "comes back as ''")
    # What a normaliser changes by design is no loss.
    tokenizer = tokenizer_of()
    tokenizer.normalizer = normalizers.Lowercase()
    write_fast(tmp_path, tokenizer)
    assert read(tmp_path).decode(read(tmp_path).encode("Größe")) == "größe"


# Broken files


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": "1.0"}', "\udcff"])
def test_broken_tokenizers(text: str, tmp_path: Path) -> None:
    write_fast(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    error = refused(lambda: read(tmp_path), f"{path}: not readable as a tokenizer: ")
    assert "download the file again" in str(error.hint)


def test_tokenizers_that_git_has_not_fetched(tmp_path: Path) -> None:
    write_slow(tmp_path)
    for name in ("vocab.json", "tokenizer.json"):
        (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\nsize 7\n")
        error = refused(lambda: read(tmp_path), f"{tmp_path / name}: ")
        assert f"run `git lfs pull` in {tmp_path}" in str(error.hint)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("vocab.json", "[]", "$: need an object, got list"),
        ("vocab.json", '{"a": 0', "$: not JSON"),
        ("vocab.json", '{"a": -1}', "token 'a': need an id from 0, got -1"),
        ("vocab.json", '{"a": "0"}', "token 'a': need an id from 0, got '0'"),
        ("vocab.json", '{"a": true}', "token 'a': need an id from 0, got True"),
        ("vocab.json", '{"a": 4294967296}', "token 'a': need an id from 0, got 4294967296"),
        ("vocab.json", '{"a": 7, "b": 7}', "2 tokens have the id 7"),
        ("vocab.json", '{"a": 0}', "not readable as a tokenizer: "),  # merges of others
        ("merges.txt", "#version: 0.2\na b c\n", ":2: need two parts, got 'a b c'"),
        ("merges.txt", "ab", ":1: need two parts, got 'ab'"),
        ("merges.txt", " b", ":1: need two parts, got ' b'"),
        ("merges.txt", "q zz", "not readable as a tokenizer: "),
        ("merges.txt", "\udcff", "cannot be read: "),
        ("merges.txt", ..., "cannot be read: "),
        ("tokenizer_config.json", "{", "$: not JSON"),
        ("tokenizer_config.json", "[" * 10**5, "$: not JSON"),
    ],
)
def test_broken_vocabularies(file: str, content: Any, message: str, tmp_path: Path) -> None:
    write_slow(tmp_path)
    path = tmp_path / file
    if content is ...:
        path.unlink()
    else:
        path.write_bytes(content.encode("utf-8", "surrogateescape"))
    where = tmp_path / "vocab.json" if "not readable" in message else path
    refused(lambda: read(tmp_path), f"{where}:", message)


@pytest.mark.parametrize(
    "added", [[], "x", {"1": {}}, {"1": None}, {"x": {"content": "a"}}, {"1": {"content": ""}}]
)
def test_broken_added_tokens(added: object, tmp_path: Path) -> None:
    write_slow(tmp_path, added_tokens_decoder=added)
    refused(lambda: read(tmp_path), f"{tmp_path / 'tokenizer_config.json'}: $.added_tokens_decoder")


def test_unreadable_files(tmp_path: Path) -> None:
    write_slow(tmp_path)
    (tmp_path / "special_tokens_map.json").mkdir()
    read(tmp_path)  # no file, so none is read
    (tmp_path / "special_tokens_map.json").rmdir()
    (tmp_path / "special_tokens_map.json").write_text("null")
    refused(lambda: read(tmp_path), "special_tokens_map.json: $: need an object, got NoneType")


# None, and none here


def test_folders_without_a_tokenizer(tmp_path: Path) -> None:
    assert read_tokenizer(tmp_path, ROWS) is None
    write_about(tmp_path, tokenizer_class="DreamTokenizer")
    assert read_tokenizer(tmp_path, ROWS) is None
    write_slow(tmp_path, tokenizer_class="GPT2Tokenizer")  # splits words another way
    assert read_tokenizer(tmp_path, ROWS) is None


def test_bytes_come_first(tmp_path: Path) -> None:
    write_fast(tmp_path, tokenizer_class="ByteTokenizer")
    assert isinstance(read(tmp_path), ByteTokenizer)
    assert read(tmp_path).prompt("né") == read(tmp_path).encode("né") == [110, 195, 169]
    refused(lambda: read_tokenizer(tmp_path, 255), "bytes need 256 tokens, the network has 255")


@pytest.mark.parametrize("write", [write_fast, write_slow])
def test_the_package_is_missing(
    write: Callable[[Path], Tokenizer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = published(vocab_size=ROWS, embedding_size=..., mask_token_id=ids_of(MASK)[0])
    write(write_checkpoint(tmp_path, config | {"eos_token_id": ids_of(EOS)[0]}))
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    tokenizer = load_model(tmp_path).tokenizer  # token ids need none
    assert tokenizer is not None
    for use in (
        lambda: tokenizer.encode("a"),
        lambda: tokenizer.prompt("a"),
        lambda: tokenizer.decode([1]),
    ):
        error = refused(use, "the package tokenizers", error=MissingModelError, code=6)
        assert error.hint == "pip install huggingface_hub tokenizers jinja2"


def test_models_have_their_tokenizer(tmp_path: Path) -> None:
    mask, eos = ids_of(MASK, EOS)
    sizes = {"vocab_size": ROWS, "embedding_size": ...}
    config = published(**sizes, mask_token_id=mask, eos_token_id=eos)
    write_fast(write_checkpoint(tmp_path, config))
    tokenizer = load_model(tmp_path).tokenizer
    assert tokenizer is not None
    assert tokenizer.decode(tokenizer.encode(PROBE)) == PROBE
    write_checkpoint(tmp_path, published(**sizes, mask_token_id=mask - 1, eos_token_id=eos))
    refused(lambda: load_model(tmp_path), f"the model's is {mask - 1}")
    assert load_model(tmp_path, mask_id=mask).mask_id == mask


# Prompts


def test_prompts_in_the_chat_template(tmp_path: Path) -> None:
    tokenizer = write_fast(tmp_path, chat_template=HEADERS)
    bos, start, end, eot = ids_of(
        "<|startoftext|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"
    )

    def plain(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    assert read(tmp_path).prompt("  What is 2 + 2?\n") == [
        *(bos, start, *plain("user"), end, *plain("\n\nWhat is 2 + 2?"), eot),
        *(start, *plain("assistant"), end, *plain("\n\n")),
    ]
    assert read(tmp_path).encode("What is 2 + 2?") == plain("What is 2 + 2?")


def test_prompts_without_a_template(tmp_path: Path) -> None:
    write_fast(tmp_path, chat_template=None)
    assert read(tmp_path).prompt(LINES[0]) == read(tmp_path).encode(LINES[0])


def rendered(folder: Path, prompt: str = "Hi") -> str:
    return read(folder).decode(read(folder).prompt(prompt))


def test_where_templates_stand(tmp_path: Path) -> None:
    named = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": "the default"}]
    write_fast(tmp_path, chat_template=named)
    assert rendered(tmp_path) == "the default"
    (tmp_path / "chat_template.jinja").write_text("from its file: {{ messages[0]['content'] }}\n")
    assert rendered(tmp_path) == "from its file: Hi"
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff")
    refused(lambda: read(tmp_path), "chat_template.jinja: cannot be read")


def test_what_templates_may_use(tmp_path: Path) -> None:
    """As transformers documents it: trimmed blocks, loop controls, the tokens that are named."""
    write_fast(
        tmp_path,
        pad_token={"content": "[pad]"},
        unk_token=None,
        chat_template="{% for i in range(9) %}\n"
        "    {% if i == 2 %}\n{% break %}\n    {% endif %}\n"
        "{{ i }}\n"
        "{% endfor %}\n"
        "{{ pad_token }} {{ cls_token }} {{ unk_token is defined }} {{ tools is none }} "
        "{{ enable_thinking }} {{ strftime_now is defined }} {{ messages | tojson }}",
    )
    (tmp_path / "special_tokens_map.json").write_text('{"cls_token": "[cls]", "pad_token": "x"}')
    message = '[{"content": "\\u00e9", "role": "user"}]'
    assert rendered(tmp_path, "é") == f"0\n1\n[pad] [cls] False True False False {message}"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% if %}", "TemplateSyntaxError: Expected an expression"),
        ("{{ raise_exception('system first') }}", "TemplateError: system first"),
        ("{{ ().__class__.__mro__ }}", "SecurityError"),
        ("{{ messages.append(1) }}", "SecurityError"),
        ("{{ nothing.at_all }}", "UndefinedError: 'nothing' is undefined"),
        ("{{ 'x' + 1 }}", "TypeError"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{% for i in range(10**9) %}{% endfor %}", "OverflowError"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "RecursionError"),
        ("{{ messages[0].content.index('z') }}", "ValueError"),
        ("{% include 'other' %}", "TypeError"),
    ],
)
def test_broken_templates(template: str, message: str, tmp_path: Path) -> None:
    write_fast(tmp_path, chat_template=template)
    tokenizer = read(tmp_path)  # other texts are read all the same
    assert tokenizer.decode(tokenizer.encode("Hi")) == "Hi"
    where = f"{tmp_path / 'tokenizer_config.json'}: $.chat_template: the chat template fails: "
    for _ in range(2):
        refused(lambda: tokenizer.prompt("Hi"), where, message)


@pytest.mark.parametrize("template", [7, {}, [], [7], [{"name": "rag", "template": "x"}]])
def test_templates_that_are_none(template: object, tmp_path: Path) -> None:
    write_fast(tmp_path, chat_template=template)
    refused(lambda: read(tmp_path), "$.chat_template: need a text", f"got {str(template)!r}")


def test_jinja_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_fast(tmp_path, chat_template=HEADERS)
    tokenizer = read(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "jinja2"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    error = refused(
        lambda: tokenizer.prompt("Hi"), "the package jinja2", error=MissingModelError, code=6
    )
    assert error.hint == "pip install huggingface_hub tokenizers jinja2"


def test_added_tokens_that_are_text(tmp_path: Path) -> None:
    tokenizer = tokenizer_of()
    tokenizer.add_tokens([AddedToken("<think>", special=False, normalized=False)])
    for write in (write_fast, write_slow):
        write(tmp_path, tokenizer)
        ids = read(tmp_path).encode("a<think>b")
        assert ids[1] == tokenizer.token_to_id("<think>")
        assert read(tmp_path).decode(ids) == "a<think>b"
        (tmp_path / "tokenizer.json").unlink(missing_ok=True)
