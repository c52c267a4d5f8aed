"""A judge's NLL is the sum of its conditionals, whatever the batch, the prompt or the window."""

from __future__ import annotations

import math
import random
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from schedopt.errors import InputError, MissingModelError, SchedoptError, UsageError
from schedopt.evaluation.judge import Judge, load_judge, spans
from schedopt.models import (
    NO_MASK,
    ByteTokenizer,
    CallableDenoiser,
    load_autoregressive,
    load_model,
)
from schedopt.models.tokenizer import CheckpointTokenizer, UnavailableTokenizer

START = 256


def running_sum(tokens: Tensor, vocab_size: int = START + 1) -> Tensor:
    """Logits of a causal function: each row depends on all tokens so far, and on their order."""
    weights = torch.arange(1, tokens.shape[1] + 1)
    history = torch.cumsum(tokens * weights, dim=1)[..., None]
    return torch.sin(0.01 * history * torch.arange(1, vocab_size + 1)) * 2


def judge_of(function: Any = running_sum, **changes: Any) -> Judge:
    options: dict[str, Any] = {
        "mask_id": NO_MASK,
        "shift": 1,
        "vocab_size": START + 1,
        "bos_id": START,
        "tokenizer": ByteTokenizer(),
    }
    return Judge(CallableDenoiser(function, **options | changes))


def by_loops(
    tokens: list[int], given: int, most: int | None = None, vocab_size: int = START + 1
) -> tuple[float, int]:
    """NLL of tokens after the given ones, one at a time, and how many they are."""
    nats, count = 0.0, 0
    for start, first, stop in spans(len(tokens), given, most):
        for i in range(first, stop):
            row = running_sum(torch.tensor([tokens[start:i]]), vocab_size)[0, -1]
            nats -= float(torch.log_softmax(row.double(), dim=-1)[tokens[i]])
            count += 1
    return nats, count


TEXTS = ["", "a", "def f(x):\n", "né", "x" * 40, "return 0\n" * 3]
PROMPTS = ["", "b", "", "import os\n", "", "a" * 7]


def check(judge: Judge, expected: list[tuple[float, int]], *given: list[str]) -> None:
    judged = judge.nll(*given)
    assert judged.tokens.tolist() == [count for _, count in expected]
    np.testing.assert_allclose(judged.nats, [nats for nats, _ in expected], rtol=1e-4, atol=1e-4)


# The sum of the conditionals


@pytest.mark.parametrize("start", [[START], []], ids=["start", "no start"])
def test_it_is_the_sum_of_conditionals(start: list[int]) -> None:
    judge = judge_of(bos_id=START if start else None)
    expected = [by_loops([*start, *text.encode()], len(start)) for text in TEXTS]
    check(judge, expected, TEXTS)
    with_prompts = [
        by_loops([*start, *p.encode(), *t.encode()], len(start) + len(p.encode()))
        for t, p in zip(TEXTS, PROMPTS, strict=True)
    ]
    check(judge, with_prompts, TEXTS, PROMPTS)


def test_what_is_scored_where_nothing_begins_a_text() -> None:
    """Without a start token nothing scores a first token, unless a prompt stands before it."""
    judge = judge_of(bos_id=None)
    assert judge.nll(["", "a", "ab", "ab"], ["", "", "", "c"]).tokens.tolist() == [0, 0, 1, 2]
    assert judge_of().nll(["", "a", "ab"]).tokens.tolist() == [0, 1, 2]


def test_no_text_at_all() -> None:
    judged = judge_of().nll([])
    assert judged.nats.shape == judged.tokens.shape == (0,)
    judged = judge_of().nll(["", ""], ["abc", ""])
    assert judged.nats.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", ["tiny-judge"])
def test_prompt_and_text_together_are_the_chain_rule(name: str) -> None:
    judge = load_judge(name)
    prompt, text = "import os\n\n\ndef main(argv=None):\n", "    return 0\n"
    alone, whole = judge.nll([prompt, prompt + text]).nats
    (after,) = judge.nll([text], [prompt]).nats
    assert alone + after == pytest.approx(whole, rel=1e-5)


def test_a_network_by_its_definition() -> None:
    """Of a loaded network, the sum over single passes of what stands before each byte."""
    model = load_autoregressive("tiny-judge")
    text = list(b"def f():\n    return 1\n")
    tokens = torch.tensor([[257, *text]])
    expected = 0.0
    with torch.inference_mode():
        for i, byte in enumerate(text, start=1):
            logits = model.network(tokens[:, :i])[0, -1].double()
            expected -= float(torch.log_softmax(logits, dim=-1)[byte])
    found = Judge(model).nll([bytes(text).decode()])
    assert found.tokens.tolist() == [len(text)]
    assert found.nats[0] == pytest.approx(expected, rel=1e-5)


# Batches


def test_a_batch_is_its_texts_one_by_one() -> None:
    rng = random.Random(0)
    letters = "abc \n()=:é"
    texts = ["".join(rng.choices(letters, k=rng.randrange(400))) for _ in range(40)]
    prompts = ["".join(rng.choices(letters, k=rng.randrange(100))) for _ in texts]
    judge = load_judge("tiny-judge")
    together = judge.nll(texts, prompts)
    for i in range(0, 40, 5):
        alone = judge.nll(texts[i : i + 1], prompts[i : i + 1])
        assert alone.tokens[0] == together.tokens[i]
        assert alone.nats[0] == pytest.approx(together.nats[i], rel=1e-5, abs=1e-4)


def test_many_texts_in_few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function of its own is given texts of different lengths at once, filled up at the right."""
    monkeypatch.setattr("schedopt.evaluation.judge.TOGETHER", 16)
    seen: list[tuple[int, ...]] = []

    def counted(tokens: Tensor) -> Tensor:
        seen.append(tuple(tokens.shape))
        return running_sum(tokens)

    judge = judge_of(counted)
    seen.clear()
    texts = ["x" * n for n in range(1, 41)]
    check(judge, [by_loops([START, *t.encode()], 1) for t in texts], texts)
    assert seen == [(16, 17), (16, 33), (8, 41)]  # of like length together


def test_tokens_that_are_no_text() -> None:
    """Bytes that are not UTF-8 are scored as they are, not as what stands for them in a text."""
    judge = judge_of()
    rows = [[0xFF, 65], [0xC3]]
    judged = judge.nll_of_tokens(rows, [[66], []])
    expected = [by_loops([START, 66, 0xFF, 65], 2), by_loops([START, 0xC3], 1)]
    np.testing.assert_allclose(judged.nats, [nats for nats, _ in expected], rtol=1e-4)
    assert judge.nll([bytes(rows[0]).decode(errors="replace")]).tokens.tolist() == [4]


def test_the_tokenization_is_the_judges_own() -> None:
    """Prompt and text apart from each other: no token reaches across the border."""
    pytest.importorskip("tokenizers")
    from tokenizer_files import tokenizer_of

    own = tokenizer_of()
    size = own.get_vocab_size()
    begin = own.token_to_id("<|startoftext|>")
    judge = judge_of(
        partial(running_sum, vocab_size=size),
        vocab_size=size,
        bos_id=begin,
        tokenizer=CheckpointTokenizer(own),
    )
    prompts = ["def area(rad", "The end of", "", "na\u00efve caf\u00e9"]
    texts = ["ius):\n", " the line", "It's 10 o'clock", ""]
    expected = []
    for prompt, text in zip(prompts, texts, strict=True):
        before, after = (own.encode(part).ids for part in (prompt, text))
        expected.append(by_loops([begin, *before, *after], 1 + len(before), vocab_size=size))
    check(judge, expected, texts, prompts)
    joined = own.encode(prompts[0] + texts[0]).ids
    assert len(joined) < len(own.encode(prompts[0]).ids) + expected[0][1]  # it would have joined


# Windows


@given(
    length=st.integers(0, 60),
    given_tokens=st.integers(0, 60),
    most=st.one_of(st.none(), st.integers(2, 20)),
)
def test_spans_score_each_token_once(length: int, given_tokens: int, most: int | None) -> None:
    scored: list[int] = []
    for start, first, stop in spans(length, given_tokens, most):
        assert 0 <= start < first < stop <= length
        assert most is None or stop - start <= most
        scored += range(first, stop)
        reach = first if most is None else min(first, most - most // 2)
        assert first - start >= reach
    assert scored == list(range(max(given_tokens, 1), length))


@pytest.mark.parametrize("most", [2, 3, 6, 11])
def test_texts_longer_than_the_judge_takes(most: int) -> None:
    judge = judge_of(max_length=most)
    texts = ["abcdefghijklmnopqrstuvwxyz"[:n] for n in (1, 4, 5, 6, 13, 26)]
    expected = [by_loops([START, *t.encode()], 1, most) for t in texts]
    check(judge, expected, texts)
    prompts = ["", "q" * 9, "q" * 30, "q" * 3, "q" * 12, "q"]
    expected = [
        by_loops([START, *p.encode(), *t.encode()], 1 + len(p), most)
        for t, p in zip(texts, prompts, strict=True)
    ]
    check(judge, expected, texts, prompts)


def test_windows_of_the_bundled_judge_hold_a_start_and_256_bytes() -> None:
    judge = load_judge("tiny-judge")
    assert len(list(spans(257, 1, 257))) == 1
    long = "def f():\n    return 0\n" * 30
    judged = judge.nll([long])
    assert judged.tokens.tolist() == [len(long)]
    assert 0 < judged.nats[0] / len(long) < math.log(256)


# Refusals


def refused(error: type[SchedoptError], message: str, call: Any, *args: Any, **options: Any) -> str:
    with pytest.raises(error) as caught:
        call(*args, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value.hint or ""


def test_masked_models_are_no_judges() -> None:
    hint = refused(UsageError, "LLaDAModelLM (LLaDA) is a masked diffusion", load_judge, "tiny")
    assert "tiny-judge" in hint
    assert "Qwen2ForCausalLM" in hint
    hint = refused(UsageError, "shift 0 and mask token 257", Judge, load_model("tiny"))
    assert "load_judge" in hint
    masked = CallableDenoiser(
        running_sum, mask_id=3, shift=1, vocab_size=START + 1, tokenizer=ByteTokenizer()
    )
    assert "NO_MASK" in refused(UsageError, "shift 1 and mask token 3", Judge, masked)


def test_judges_are_no_masked_models() -> None:
    hint = refused(UsageError, "Qwen3ForCausalLM (Qwen3) is an autoreg", load_model, "tiny-judge")
    assert "as the judge" in hint
    assert "LLaDAModelLM" in hint
    refused(UsageError, "mask_id: need 0..256, got -1", judge_of, shift=0)


def test_functions_that_look_ahead_are_refused() -> None:
    def sees_all(tokens: Tensor) -> Tensor:
        return running_sum(tokens) + torch.sin(tokens.sum(dim=1, keepdim=True))[..., None] * (
            torch.arange(START + 1)
        )

    def sees_the_next(tokens: Tensor) -> Tensor:
        ahead = torch.roll(tokens, -1, dims=1)
        return torch.nn.functional.one_hot(ahead, START + 1).double()

    for function in (sees_all, sees_the_next):
        hint = refused(UsageError, "sees tokens that come after", judge_of, function)
        assert "causal mask" in hint
        refused(UsageError, "sees tokens that come after", judge_of, function, max_length=2)


def test_judges_without_what_they_need() -> None:
    hint = refused(UsageError, "'callable' has no tokenizer", judge_of, tokenizer=None)
    assert "tokenizer" in hint
    refused(UsageError, "takes 1 token: a judge needs 2", judge_of, max_length=1)
    refused(InputError, "it is the text 'A'", judge_of, bos_id=65)
    unread = UnavailableTokenizer(Path("tokenizer.json"))
    assert "pip install" in refused(
        MissingModelError, "the package tokenizers", judge_of, tokenizer=unread
    )


def test_folders_that_are_not_there(tmp_path: Path) -> None:
    hint = refused(MissingModelError, "no model", load_judge, tmp_path / "nothing")
    assert "give a folder" in hint
    refused(MissingModelError, "config.json: no such file", load_judge, tmp_path)
    hint = refused(MissingModelError, "no model 'tiny-juge'", load_judge, "tiny-juge")
    assert "did you mean tiny-judge" in hint


def test_texts_that_are_no_list() -> None:
    judge = judge_of()
    refused(UsageError, "texts: need a list of texts, got the text 'abc'", judge.nll, "abc")
    refused(UsageError, "prompts: need a list", judge.nll, ["a"], "b")
    refused(UsageError, "a prompt for each of 2 texts, got 1", judge.nll, ["a", "b"], ["c"])
    refused(InputError, "need 0..256, got 300", judge.nll_of_tokens, [[300]])
    refused(InputError, "NaN or infinite", judge_of, lambda t: running_sum(t) * torch.nan)


# What is said of it


def test_name_and_provenance() -> None:
    judge = load_judge("tiny-judge", dtype="float64")
    assert judge.name == "tiny-judge"
    told = judge.provenance
    assert told["name"] == "tiny-judge"
    assert told["dtype"] == "float64"
    assert len(str(told["weights_sha256"])) == 64
    assert "mask_id" not in told
    assert judge_of(name="gpt2").name == "gpt2"
