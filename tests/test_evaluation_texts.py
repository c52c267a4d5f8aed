"""Generated text: judged on the same prompts, and never without its variety."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch

from schedopt.errors import InputError, MissingModelError, UsageError
from schedopt.evaluation import TextScore, evaluate_texts, match, pareto_front
from schedopt.evaluation.judge import JudgedTexts
from schedopt.models import ByteTokenizer, CallableDenoiser, load_model
from schedopt.models.denoiser import NO_TOKEN
from schedopt.samplers import policy_for, sample

LENGTH = 8


class PricedLetters:
    """A judge for which ``a`` costs one nat and any other letter two, after any prompt."""

    name = "priced"
    provenance = MappingProxyType({"name": name})

    def __init__(self) -> None:
        self.read: list[tuple[str, str]] = []

    def nll(self, texts: Sequence[str], prompts: Sequence[str] | None = None) -> JudgedTexts:
        assert prompts is not None
        self.read += zip(prompts, texts, strict=True)
        nats = [sum(1.0 if c == "a" else 2.0 for c in text) for text in texts]
        return JudgedTexts(np.array(nats), np.array([len(text) for text in texts]))


def letters(chances: dict[str, float], eos_id: int | None = None) -> CallableDenoiser:
    """A model of bytes that says the same of every position."""
    distribution = torch.zeros(258)
    for letter, chance in chances.items():
        distribution[ord(letter) if len(letter) == 1 else 257] = chance

    def logits(tokens: torch.Tensor) -> torch.Tensor:
        return distribution.log().expand(*tokens.shape, -1)

    return CallableDenoiser(
        logits, mask_id=256, vocab_size=258, tokenizer=ByteTokenizer(), eos_id=eos_id
    )


def judge() -> Any:
    return PricedLetters()


def test_texts_are_judged_and_their_variety_told() -> None:
    policies = [policy_for("dilated", block_length=LENGTH, steps=2)]
    (found,) = evaluate_texts(
        letters({"a": 0.5, "b": 0.5}), judge(), policies, length=LENGTH, count=50
    )
    assert len(found.texts) == 50
    assert all(set(text) <= {"a", "b"} and len(text) == LENGTH for text in found.texts)
    nll = [(text.count("a") + 2 * text.count("b")) / LENGTH for text in found.texts]
    assert found.values.tolist() == pytest.approx(nll)
    assert found.mean.value == pytest.approx(np.mean(nll))
    assert found.perplexity.value == pytest.approx(math.exp(np.mean(nll)))
    assert found.perplexity.stderr == pytest.approx(
        math.exp(np.mean(nll)) * np.std(nll, ddof=1) / math.sqrt(50)
    )
    entropies = []
    for text in found.texts:
        share = text.count("a") / LENGTH
        entropies.append(-sum(p * math.log(p) for p in (share, 1 - share) if p))
    assert found.entropy.tolist() == pytest.approx(entropies, abs=1e-12)
    row = found.as_row()
    assert row["token_entropy"] == pytest.approx(np.mean(entropies))
    for n in (1, 2, 3):
        grams = [len({t[i : i + n] for i in range(LENGTH - n + 1)}) for t in found.texts]
        assert row[f"distinct_{n}"] == pytest.approx(np.mean(grams) / (LENGTH - n + 1))
        assert row[f"distinct_{n}_stderr"] == pytest.approx(
            np.std(grams, ddof=1) / (LENGTH - n + 1) / math.sqrt(50)
        )
        assert 0 < row[f"pooled_distinct_{n}"] <= row[f"distinct_{n}"]
    assert (found.nfe, row["tokens_per_forward"]) == (2.0, 4.0)


def test_policies_share_prompts_and_random_numbers() -> None:
    model = letters({"a": 0.5, "b": 0.5})
    policies = [policy_for(name, block_length=LENGTH, steps=2) for name in ("random", "margin")]
    prompts = torch.tensor([[NO_TOKEN, 120], [121, 122]])
    reader = judge()
    found = evaluate_texts(
        model, reader, policies, length=LENGTH, prompts=prompts, count=5, batch_size=2
    )
    assert found[0].texts == found[1].texts  # the model looks at nothing
    assert [prompt for prompt, _ in reader.read[:5]] == ["x", "yz", "x", "yz", "x"]
    assert found[0].documents is not None
    assert found[0].documents.tolist() == [0, 1, 0, 1, 0]  # standard errors over prompts
    assert len(set(found[0].texts)) > 2  # of one prompt, several texts
    difference = found[0].minus(found[1])
    assert (difference.value, difference.stderr) == (0.0, 0.0)


def test_a_network_writes_what_sample_writes() -> None:
    model = load_model("tiny-light")
    policy = policy_for("confidence", block_length=LENGTH, steps=4)
    (found,) = evaluate_texts(
        model, judge(), [policy], length=LENGTH, prompts=torch.tensor([[105, 102, 32]] * 3), seed=5
    )
    texts = sample(model, policy, prompt="if ", length=LENGTH, count=3, seed=5).texts
    assert texts is not None
    assert [f"if {text}" for text in found.texts] == list(texts)
    assert found.cost("flops") == pytest.approx(4 * model.flops(3 + LENGTH))


def test_a_text_ends_at_the_end_token() -> None:
    model = letters({"a": 0.7, "end": 0.3}, eos_id=257)
    policy = policy_for("left_to_right", block_length=LENGTH, steps=LENGTH)
    (found,) = evaluate_texts(model, judge(), [policy], length=LENGTH, count=200)
    lengths = [len(text) for text in found.texts]
    assert found.tokens.tolist() == lengths
    assert min(lengths) == 0 < max(lengths)
    assert all(set(text) <= {"a"} for text in found.texts)
    # All tokens cost one nat: a mean over texts would count the empty ones.
    assert found.mean.value == pytest.approx(1.0)
    assert found.mean.stderr == pytest.approx(0.0, abs=1e-12)
    # The pass that reveals the end is counted, those after it are not made.
    passes = found.passes.sum(axis=1)
    assert all(
        made >= min(length + 1, LENGTH) for made, length in zip(passes, lengths, strict=True)
    )


def test_texts_that_are_all_empty_are_no_likely_ones() -> None:
    """Where a policy writes nothing there is nothing to judge, with or without each document."""
    policies = [policy_for("dilated", block_length=LENGTH, steps=2)]
    options = {"length": LENGTH, "count": 3}
    (empty,) = evaluate_texts(letters({"end": 1.0}, 257), judge(), policies, **options)
    assert empty.texts == ("", "", "")
    assert empty.mean.value == empty.perplexity.value == math.inf
    row = empty.as_row(reference=empty)
    assert (row["judge_nll"], row["stderr"], row["perplexity"], row["difference"]) == (None,) * 4
    (written,) = evaluate_texts(letters({"a": 1.0}), judge(), policies, **options)
    assert [standing.on_front for standing in pareto_front([empty, written])] == [False, True]
    one = replace(written, weights=np.array([0.0, 0.0, 8.0]))  # all but one are empty
    assert one.mean.value == 1.0
    found = match(written, [one])
    assert found.needed == written.nfe
    assert found.needed_stderr is None  # without that one the baseline does not get there
    assert match(written, [empty]).needed is None


def test_dull_text_beats_nobody() -> None:
    policies = [policy_for("dilated", block_length=LENGTH, steps=2)]
    (varied,) = evaluate_texts(
        letters({"a": 0.5, "b": 0.5}), judge(), policies, length=LENGTH, count=30
    )
    (dull,) = evaluate_texts(letters({"a": 1.0}), judge(), policies, length=LENGTH, count=30)
    assert dull.mean.value < varied.mean.value
    assert dull.by_entropy.mean.value == 0.0
    assert [standing.on_front for standing in pareto_front([varied, dull])] == [True, True]
    # One that costs more, is as varied and pleases the judge less is beaten.
    worse = replace(varied, values=varied.values + 1.0, passes=2 * varied.passes)
    assert [standing.on_front for standing in pareto_front([varied, worse])] == [True, False]


def test_guidance_takes_two_passes() -> None:
    policies = [policy_for("dilated", block_length=LENGTH, steps=2)]
    (found,) = evaluate_texts(
        letters({"a": 0.5, "b": 0.5}),
        judge(),
        policies,
        length=LENGTH,
        prompts=torch.tensor([[120], [121]]),
        guidance=2.0,
    )
    assert found.nfe == 4.0


def test_an_impossible_text_has_infinite_perplexity() -> None:
    policies = [policy_for("dilated", block_length=LENGTH, steps=2)]
    (found,) = evaluate_texts(letters({"a": 1.0}), judge(), policies, length=LENGTH, count=2)
    lost: TextScore = replace(found, values=np.array([math.inf, 1.0]))
    assert lost.perplexity.value == math.inf
    assert lost.as_row()["perplexity"] is None


def test_refusals() -> None:
    model, policies = letters({"a": 1.0}), [policy_for("dus", block_length=LENGTH)]

    def write(**options: Any) -> None:
        evaluate_texts(model, judge(), policies, **({"length": LENGTH} | options))

    with pytest.raises(UsageError, match="positive multiple of the block length 8"):
        write(length=12)
    with pytest.raises(UsageError, match=r"prompts: need shape \(P, C\)"):
        write(prompts=torch.zeros(3, dtype=torch.int64))
    with pytest.raises(UsageError, match="need a document a prompt, got 3 and 2"):
        write(prompts=torch.zeros((2, 1), dtype=torch.int64), documents=np.arange(3))
    with pytest.raises(UsageError, match="documents: 3 are those of prompts"):
        write(documents=np.arange(3))
    with pytest.raises(UsageError, match="count: need a whole number >= 1, got 0"):
        write(count=0)
    with pytest.raises(InputError, match="1 document"):
        write(count=1)
    with pytest.raises(UsageError, match="temperature: need a finite number"):
        write(temperature=math.nan)
    mute = CallableDenoiser(lambda tokens: torch.zeros(*tokens.shape, 3), mask_id=2, vocab_size=3)
    with pytest.raises(MissingModelError, match="no tokenizer: a judge reads text"):
        evaluate_texts(mute, judge(), policies, length=LENGTH)
