"""Prompts and responses: how they become windows, and that all who read windows can."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from command_line import refused, run
from hypothesis import given, settings
from strategies import random_table
from torch import Tensor

from schedopt.data import (
    Corpus,
    Windows,
    check_tokens,
    cut_responses,
    load_windows,
    read_corpus,
)
from schedopt.errors import InputError, UsageError
from schedopt.estimators import estimate
from schedopt.estimators.gaps import probe_gaps
from schedopt.estimators.probe import Probes, probe
from schedopt.evaluation import evaluate
from schedopt.files import load, read_surface
from schedopt.models import ByteTokenizer, LawDenoiser, NetworkDenoiser, load_model
from schedopt.schedule import Order
from schedopt.sizes import dus_schedule

TOKENIZER = ByteTokenizer()
EOS = 256


def corpus_of(*records: tuple[str, str]) -> Corpus:
    prompts, responses = zip(*records, strict=True)
    lines = tuple(range(1, len(records) + 1))
    return Corpus("f", "0", responses, tuple(range(len(records))), prompts=prompts, lines=lines)


def write_prompts(path: Path, *records: tuple[str, str]) -> Path:
    rows = [{"prompt": prompt, "response": response} for prompt, response in records]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


# Of several lengths, and some longer than others are wide.
RECORDS = tuple(
    (f"def f{i}(x):\n" * (1 + i % 3), f"    return x + {i}\n" + "    # more\n" * (i % 4))
    for i in range(12)
)


# Files


def test_records_of_prompts(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"prompt": "a", "response": "A", "name": "x"}\n'
        "\n"
        '{"response": "", "prompt": "b", "id": 3}\n'
        '{"prompt": "", "response": "C", "name": "x"}\n'
    )
    corpus = read_corpus(path)
    assert (corpus.prompts, corpus.texts) == (("a", "b", ""), ("A", "", "C"))
    assert (corpus.documents, corpus.lines) == ((0, 1, 0), (1, 3, 4))
    assert [corpus.where(i) for i in range(3)] == [f"{path}:1", f"{path}:3", f"{path}:4"]
    part = corpus.part((1, 2))
    assert (part.prompts, part.texts, part.lines) == (("a", ""), ("A", "C"), (1, 4))


def test_other_fields_have_a_cure(tmp_path: Path) -> None:
    path = tmp_path / "gsm8k.jsonl"
    path.write_text('{"question": "a", "answer": "b"}\n')
    with pytest.raises(InputError, match="need an object with a string 'text', or with") as caught:
        read_corpus(path)
    assert "{prompt: .question, response: .answer}" in str(caught.value.hint)


# Windows


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6)), min_size=1, max_size=5),
    st.integers(1, 8),
    st.sampled_from([None, EOS]),
    st.sampled_from([None, 300]),
)
def test_a_window_is_a_prompt_and_its_response(
    records: list[tuple[str, str]], length: int, eos_id: int | None, bos_id: int | None
) -> None:
    wanted = []
    for document, (prompt, response) in enumerate(records):
        tokens = list(response.encode())
        if eos_id is None and len(tokens) < length:
            continue
        while len(tokens) < length:
            tokens.append(EOS)
        given = list(prompt.encode())
        if not given and bos_id is not None:
            given = [bos_id]
        wanted.append((given + tokens[:length], document))
    corpus = corpus_of(*records)

    def cut() -> Windows:
        return cut_responses(corpus, TOKENIZER, length=length, eos_id=eos_id, bos_id=bos_id)

    if not wanted:
        with pytest.raises(InputError, match=f"{length} are to be sampled, and the model has no"):
            cut()
        return
    windows = cut()
    assert windows.length == length
    assert windows.documents.tolist() == [document for _, document in wanted]
    assert windows.context == max(len(tokens) for tokens, _ in wanted) - length
    found = [[t for t in row if t != -1] for row in windows.tokens.tolist()]
    assert found == [tokens for tokens, _ in wanted]


def test_a_prompt_that_leaves_no_room() -> None:
    corpus = corpus_of(("ab", "c"), ("abcdef", "g"))
    for prompt, cure in (("a" * 9, "a --length of at most 1, or leave"), ("a" * 10, "shorten its")):
        with pytest.raises(InputError) as caught:
            cut_responses(corpus_of((prompt, "c")), TOKENIZER, length=5, max_length=10)
        assert cure in str(caught.value.hint)
    windows = cut_responses(corpus, TOKENIZER, length=4, max_length=10, eos_id=EOS)
    assert windows.tokens.shape == (2, 10)
    with pytest.raises(InputError) as caught:
        cut_responses(corpus, TOKENIZER, length=5, max_length=10, eos_id=EOS)
    message = (
        "f:2: the prompt has 6 tokens, and this model has room for 5 before the 5 to be sampled "
        "(at most 10 together)"
    )
    assert (str(caught.value), caught.value.exit_code) == (message, 3)
    assert "--length" in str(caught.value.hint)


def test_what_is_not_for_prompts() -> None:
    with pytest.raises(UsageError, match="need prompts and length >= 1, got 0 for f"):
        cut_responses(corpus_of(("a", "b")), TOKENIZER, length=0)
    with pytest.raises(UsageError, match="need prompts"):
        cut_responses(Corpus("f", "0", ("a",), (0,)), TOKENIZER, length=1)


def test_prompts_for_a_model(tmp_path: Path) -> None:
    model = load_model("tiny-light")
    assert model.eos_id == EOS
    path = write_prompts(tmp_path / "a.jsonl", ("a", "yes"), ("bcd", "no"), ("", "ok"))
    windows, about = load_windows(model, path, length=4)
    assert windows.tokens.tolist() == [
        [-1, -1, *b"ayes", EOS],
        [*b"bcdno", EOS, EOS],
        [-1, -1, -1, *b"ok", EOS, EOS],
    ]
    assert windows.context == 3
    assert about == {"name": str(path), "sha256": read_corpus(path).sha256, "documents": 3}
    assert len(load_windows(model, path, length=4, limit=2)[0]) == 2
    windows, about = load_windows(model, path, length=4, part=(2, 2))
    assert (windows.tokens.tolist(), about["documents"]) == ([[*b"bcdno", EOS, EOS]], 1)
    with pytest.raises(UsageError, match="its prompts are the context, got a context of 0") as no:
        load_windows(model, path, length=4, context=0)
    assert "--context" in str(no.value.hint)
    # What a schedule was fitted with is no wish.
    assert load_windows(model, path, length=4, usual_context=9)[0].context == 3
    model.eos_id = None
    windows, about = load_windows(model, path, length=3)
    assert (len(windows), about["documents"]) == (1, 1)


def test_chat_templates_frame_prompts_alone(tmp_path: Path) -> None:
    class Chat(ByteTokenizer):
        def prompt(self, text: str) -> list[int]:
            return self.encode(f"<{text}>")

    model = load_model("tiny-light")
    model.tokenizer = Chat()
    path = write_prompts(tmp_path / "a.jsonl", ("a", "b"), ("", "c"))
    windows, _ = load_windows(model, path, length=1)
    assert windows.tokens.tolist() == [[*b"<a>b"], [-1, *b"<>c"]]


def test_a_model_of_one_length_takes_no_prompts_of_several() -> None:
    law = LawDenoiser(random_table(2, 3, seed=0))
    windows = Windows(torch.tensor([[0, 1, 1], [-1, 0, 1]]), np.arange(2), 1)
    with pytest.raises(InputError, match="contexts differ in length, and this model takes exac"):
        check_tokens(windows, law)
    check_tokens(windows.take([0, 0]), law)
    check_tokens(windows, load_model("tiny-light"))


# What reads windows


class Alone(NetworkDenoiser):
    """Asks for each sequence by itself, without what holds no token."""

    def score(self, tokens: Tensor, queries: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return self._each(super().score, tokens, queries, targets)

    def log_probs(self, tokens: Tensor, queries: Tensor) -> Tensor:
        (found,) = self._each(lambda t, q: (super(Alone, self).log_probs(t, q),), tokens, queries)
        return found

    def _each(
        self, function: Callable[..., tuple[Tensor, ...]], *batch: Tensor
    ) -> tuple[Tensor, ...]:
        parts = []
        for row in zip(*batch, strict=True):
            real = row[0] != -1
            assert bool(real.any())
            if bool(row[1].any()):
                parts.append(function(*(column[real][None] for column in row)))
        return tuple(torch.cat(column) for column in zip(*parts, strict=True))


def models() -> tuple[NetworkDenoiser, Alone]:
    model = load_model("tiny-light", dtype="float64")
    alone = Alone(
        model.network,
        mask_id=model.mask_id,
        eos_id=model.eos_id,
        tokenizer=model.tokenizer,
        provenance=model.provenance,
    )
    return model, alone


def windows_for(model: NetworkDenoiser, length: int) -> Windows:
    corpus = corpus_of(*RECORDS, ("", "x = 1\n"))
    return cut_responses(corpus, TOKENIZER, length=length, eos_id=model.eos_id)


def test_scores_are_those_of_each_record_alone() -> None:
    model, alone = models()
    windows = windows_for(model, 16)
    rng = np.random.default_rng(0)
    count = 40
    probes = Probes(
        window=rng.integers(0, len(windows), count),
        block=rng.integers(0, 2, count),
        order=rng.permuted(np.tile(np.arange(8), (count, 1)), axis=1),
        known=rng.integers(0, 8, count),
    )
    together, apart = (probe(denoiser, windows, probes) for denoiser in (model, alone))
    np.testing.assert_allclose(together.nll, apart.nll, atol=1e-9)
    np.testing.assert_allclose(together.entropy, apart.entropy, atol=1e-9)
    # By hand: the prompt and earlier blocks true, the known of this block, all else masked.
    for p in range(count):
        row = windows.tokens[probes.window[p]]
        hidden = windows.context + probes.block[p] * 8 + probes.order[p, probes.known[p] :]
        last = windows.context + (probes.block[p] + 1) * 8
        tokens = [
            model.mask_id if i in hidden or i >= last else int(token)
            for i, token in enumerate(row.tolist())
            if token != -1
        ]
        log_probs = model.log_probs(
            torch.tensor([tokens]), torch.ones(1, len(tokens), dtype=torch.bool)
        )
        absent = int((row == -1).sum())
        wanted = [-float(log_probs[i - absent, row[i]]) for i in hidden]
        np.testing.assert_allclose(together.nll[p, probes.known[p] :], wanted, atol=1e-9)


def test_losses_and_gaps_are_those_of_each_record_alone() -> None:
    model, alone = models()
    windows = windows_for(model, 8)
    policies = [dus_schedule(8), dus_schedule(4)]
    scores = [evaluate(denoiser, windows, policies) for denoiser in (model, alone)]
    for one, other in zip(*scores, strict=True):
        np.testing.assert_allclose(one.values, other.values, atol=1e-9)
    for n, score in zip((8, 4), scores[0], strict=True):
        for window, nll in zip(windows.tokens, score.values, strict=True):
            single = Windows(window[window != -1].repeat(2, 1), np.arange(2), 0)
            single = Windows(single.tokens, single.documents, single.tokens.shape[1] - 8)
            (wanted,) = evaluate(model, single, [dus_schedule(n)])
            assert nll == pytest.approx(wanted.nll.value, abs=1e-9)
    orders = np.tile(np.arange(8), (32, 1))
    gaps = [
        probe_gaps(denoiser, windows, orders=orders, known=np.arange(32) % 8).solve(
            8, has_context=True
        )
        for denoiser in (model, alone)
    ]
    known = np.eye(8, dtype=bool)
    np.testing.assert_allclose(
        *(model.conditional_entropies(known) for model in gaps), rtol=1e-6, atol=1e-9
    )


def test_columns_without_a_token_change_nothing() -> None:
    model, _ = models()
    windows = windows_for(model, 4)
    wider = Windows(
        torch.nn.functional.pad(windows.tokens, (3, 0), value=-1),
        windows.documents,
        windows.context + 3,
    )
    one, other = (estimate(model, w, order=Order("random"), passes=32) for w in (windows, wider))
    np.testing.assert_allclose(
        one.measure.conditional_entropy, other.measure.conditional_entropy, atol=1e-8
    )


# From the command line


def test_estimate_after_prompts_in_blocks(tmp_path: Path) -> None:
    data = write_prompts(tmp_path / "prompts.jsonl", *RECORDS)
    path = tmp_path / "surface.json"
    blocks = ("--length", 32, "--block-length", 16)
    done = run("estimate", "--data", data, *blocks, "--passes", 64, "-o", path)
    assert done.code == 0
    assert read_surface(path).length == 16
    provenance = load(path).provenance
    settings = provenance["estimate"]
    assert isinstance(settings, dict)
    widest = max(len(prompt) for prompt, _ in RECORDS)
    assert (settings["context"], settings["length"]) == (widest, 32)
    assert settings["block_length"] == 16
    about = provenance["data"]
    assert isinstance(about, dict)
    assert (about["name"], about["documents"]) == (str(data), len(RECORDS))


def test_fit_and_evaluate_after_prompts(tmp_path: Path) -> None:
    data = write_prompts(tmp_path / "prompts.jsonl", *RECORDS)
    path = tmp_path / "schedule.json"
    options = ("--data", data, "--length", 8)
    assert run("fit", *options, "--steps", 2, "--passes", 32, "-o", path).code == 0
    found = run("evaluate", "--schedule", path, "--data", data, "--json").document
    assert (found["length"], found["windows"], found["documents"]) == (8, 12, 12)
    assert found["rows"][0]["nfe"] == 2


@pytest.mark.parametrize(
    "verb", [("estimate",), ("fit",), ("evaluate", "--planner", "dus")], ids=lambda verb: verb[0]
)
def test_bad_prompts(
    verb: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = write_prompts(tmp_path / "p.jsonl", ("a", "b"), ("a" * 249, "c"))
    options = ("--data", data, "--length", 8)
    refused(
        3, f"{data}:2: the prompt has 249 tokens, and this model has room for 248", *verb, *options
    )
    refused(2, "its prompts are the context, got a context of 4", *verb, *options, "--context", 4)
    data.write_text('{"prompt": "a", "response": "b"}\n{"text": "c"}\n')
    refused(3, f"{data}:2: need 'prompt' and 'response' as in line 1, got 'text'", *verb, *options)
    refused(2, "texts: 9 are to be drawn, but the data are a file", *verb, *options, "--texts", 9)
