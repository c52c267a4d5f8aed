"""Any function from tokens to logits is a model, held to what it promised."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from schedopt.data import Windows
from schedopt.errors import DeviceMemoryError, InputError, UsageError
from schedopt.estimators import estimate
from schedopt.models import CallableDenoiser, Denoiser, LawDenoiser, load_model
from schedopt.models.batches import CPU_CHUNK
from schedopt.schedule import Order

V, MASK, NONE = 6, 5, -1


def mixing(tokens: Tensor) -> Tensor:
    """Logits that depend on the whole sequence and on the position."""
    codes = torch.sin(torch.arange(V * V, dtype=torch.float64).reshape(V, V))
    return codes[tokens] + codes[tokens].mean(dim=1, keepdim=True).cos()


def model_of(function: Any = mixing, **changes: Any) -> CallableDenoiser:
    return CallableDenoiser(function, **{"mask_id": MASK, "vocab_size": V, **changes})


def batch_of(count: int, length: int, *, widest_gap: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens, queries and targets."""
    generator = torch.Generator().manual_seed(count)
    tokens = torch.randint(0, V, (count, length), generator=generator)
    gaps = torch.randint(0, widest_gap + 1, (count, 1), generator=generator)
    queries = torch.rand((count, length), generator=generator) < 0.5
    queries &= torch.arange(length) > gaps
    targets = torch.randint(0, MASK, (count, length), generator=generator)
    return tokens.masked_fill(torch.arange(length) < gaps, NONE), queries, targets


@pytest.mark.parametrize("shift", [0, 1])
def test_scores_are_those_of_the_function(shift: int) -> None:
    tokens, queries, targets = batch_of(2 * CPU_CHUNK + 3, 7)
    model = model_of(shift=shift)
    logits = mixing(tokens)
    if shift:
        logits = torch.cat([logits[:, :1], logits[:, :-1]], dim=1)
    torch.testing.assert_close(model.logits(tokens), logits.float())
    expected = logits.index_fill(-1, torch.tensor([MASK]), -torch.inf).log_softmax(-1)[queries]
    torch.testing.assert_close(model.log_probs(tokens, queries), expected)
    nll, entropy = model.score(tokens, queries, targets)
    torch.testing.assert_close(nll, -expected[torch.arange(len(nll)), targets[queries]])
    torch.testing.assert_close(entropy, torch.special.entr(expected.exp()).sum(dim=-1))


def test_a_network_brought_along_says_what_it_says_when_loaded() -> None:
    """As an object with logits, which is how transformers answers."""
    loaded = load_model("tiny")
    model = CallableDenoiser(
        lambda tokens: SimpleNamespace(logits=loaded.network(tokens)),
        mask_id=loaded.mask_id,
        vocab_size=loaded.vocab_size,
        max_length=loaded.max_length,
        eos_id=loaded.eos_id,
        tokenizer=loaded.tokenizer,
        name="mine",
    )
    tokens = torch.randint(0, 256, (3, 20), generator=torch.Generator().manual_seed(0))
    queries = tokens % 2 == 0
    given = tokens.masked_fill(queries, loaded.mask_id)
    for one, other in zip(
        model.score(given, queries, tokens), loaded.score(given, queries, tokens), strict=True
    ):
        torch.testing.assert_close(one, other)
    assert model.provenance == {"name": "mine", "device": "cpu", "mask_id": loaded.mask_id}
    assert (model.tokenizer, model.eos_id, model.max_length) == (loaded.tokenizer, 256, 256)


def test_a_function_can_be_estimated() -> None:
    """A law as a function has the curve of the law."""
    table = np.random.default_rng(0).dirichlet(np.ones(27)).reshape(3, 3, 3)
    law = LawDenoiser(table)
    model = CallableDenoiser(law.logits, mask_id=law.mask_id, vocab_size=law.vocab_size)
    windows = Windows.independent(law.draw(60, np.random.default_rng(1)))
    curves = [
        estimate(denoiser, windows, order=Order("random"), passes=60, smoothing="raw").measure
        for denoiser in (model, law)
    ]
    np.testing.assert_allclose(
        curves[0].conditional_entropy, curves[1].conditional_entropy, atol=1e-12
    )


def test_sequences_of_different_lengths_are_asked_apart() -> None:
    seen = []

    def watched(tokens: Tensor) -> Tensor:
        seen.append(tuple(tokens.shape))
        assert int(tokens.min()) >= 0
        return mixing(tokens)

    model = model_of(watched)
    tokens, queries, targets = batch_of(40, 8, widest_gap=3)
    together = model.score(tokens, queries, targets)
    lengths = (tokens != NONE).sum(dim=1).tolist()
    assert sum(count for count, _ in seen) == 40
    assert sum(count * length for count, length in seen) == sum(lengths)
    alone = [
        model.score(row[None, real], asked[None, real], wanted[None, real])
        for row, asked, wanted in zip(tokens, queries, targets, strict=True)
        if bool((real := row != NONE).any())
    ]
    for found, parts in zip(together, zip(*alone, strict=True), strict=True):
        torch.testing.assert_close(found, torch.cat(parts))


def test_what_memory_holds_is_found() -> None:
    sizes = []

    def large(tokens: Tensor) -> Tensor:
        sizes.append(len(tokens))
        if len(tokens) > 3:
            raise torch.OutOfMemoryError
        return mixing(tokens)

    model = model_of(large)
    asked = batch_of(20, 5)
    torch.testing.assert_close(model.score(*asked), model_of().score(*asked))
    assert sizes[:3] == [16, 8, 4]
    assert max(sizes[3:]) == 2
    used = model.usage()
    assert (used.passes, used.batch, used.flops, used.dtype) == (20, 2, None, None)
    assert [line.partition(" ")[0] for line in used.lines()][:1] == ["20"]

    def never(tokens: Tensor) -> Tensor:
        raise torch.OutOfMemoryError

    with pytest.raises(DeviceMemoryError, match="for one sequence of 5 tokens"):
        model_of(never).score(*asked)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda t: np.zeros((*t.shape, V)), "the model returned ndarray: need a tensor of logits"),
        (lambda t: SimpleNamespace(logits=None), "the model returned SimpleNamespace"),
        (lambda t: torch.zeros((*t.shape, V + 1)), f"shape (1, 3, {V + 1}): need"),
        (lambda t: torch.zeros((*t.shape, V))[:, :2], f"shape (B, L, V) = (1, 3, {V})"),
        (lambda t: torch.zeros((3, V)), f"of shape (3, {V})"),
        (lambda t: torch.zeros((*t.shape, V), dtype=torch.int64), "returned torch.int64"),
        (lambda t: torch.full((*t.shape, V), math.nan), "NaN or infinite logits"),
        (lambda t: torch.full((*t.shape, V), math.inf), "NaN or infinite logits"),
    ],
)  # fmt: skip
def test_answers_that_are_no_logits(returned: Any, message: str) -> None:
    model, tokens = model_of(returned), torch.zeros((1, 3), dtype=torch.int64)
    queries = torch.ones_like(tokens, dtype=torch.bool)
    for ask in (
        lambda: model.logits(tokens),
        lambda: model.log_probs(tokens, queries),
        lambda: model.score(tokens, queries, tokens),
    ):
        with pytest.raises(InputError) as caught:
            ask()
        assert message in str(caught.value)
        assert caught.value.exit_code == 3


def test_what_to_do_about_answers_of_another_kind() -> None:
    tokens = torch.zeros((1, 3), dtype=torch.int64)
    for returned, cure in (
        (lambda t: mixing(t).numpy(), "return torch.from_numpy(out)"),
        (lambda t: (mixing(t), None), "return out[0], or"),
        (lambda t: mixing(t) * math.nan, "a function of your own must return finite logits"),
    ):
        with pytest.raises(InputError) as caught:
            model_of(returned).logits(tokens)
        assert cure in str(caught.value.hint)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_narrow_logits_are_widened_before_the_softmax(dtype: torch.dtype) -> None:
    model = model_of(lambda tokens: mixing(tokens).to(dtype))
    asked = batch_of(3, 4)
    wide = torch.promote_types(dtype, torch.float32)
    assert [part.dtype for part in model.score(*asked)] == [wide, wide]
    assert model.log_probs(*asked[:2]).dtype == wide
    assert model.logits(asked[0]).dtype == torch.float32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocab_size": 1}, "need vocab_size >= 2 and max_length >= 1, got 1 and None"),
        ({"max_length": 0}, "got 6 and 0"),
        ({"mask_id": V}, f"mask_id: need 0..{V - 1}, got {V}"),
        ({"mask_id": -1}, "mask_id: need"),
        ({"eos_id": V}, "eos_id: need"),
        ({"bos_id": V}, "bos_id: need"),
        ({"mask_id": None}, "mask_id: need 0..5, got None"),
        ({"eos_id": 2.0}, "eos_id: need 0..5, got 2.0"),
        ({"eos_id": MASK}, "eos_id: need another token than the mask, got 5"),
        ({"bos_id": MASK}, "bos_id: need another token than the mask, got 5"),
        ({"vocab_size": "6"}, "vocab_size: need a whole number, got '6'"),
        ({"vocab_size": None}, "vocab_size: need a whole number, got None"),
        ({"max_length": 2.5}, "max_length: need a whole number, got 2.5"),
        ({"function": "tiny"}, "function: need one of token ids, got str"),
        ({"shift": 2}, "shift: need 0 or 1, got 2"),
    ],
)
def test_promises_that_cannot_be_kept(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        model_of(**changes)
    assert message in str(caught.value)


def test_the_first_token_of_a_shifted_function_is_refused() -> None:
    model = model_of(shift=1, bos_id=2)
    tokens = torch.zeros((1, 3), dtype=torch.int64)
    with pytest.raises(InputError, match="position 0 of sequence 0 is its first token") as caught:
        model.log_probs(tokens, torch.tensor([[True, False, False]]))
    assert "the BOS token 2" in str(caught.value.hint)


def test_protocol() -> None:
    model = model_of(max_length=4)
    assert isinstance(model, Denoiser)
    with pytest.raises(
        UsageError, match="sequence of 5 tokens: this model takes at most 4"
    ) as caught:
        model.logits(torch.zeros((1, 5), dtype=torch.int64))
    assert "a shorter prompt, or a smaller --length or --context" in str(caught.value.hint)
