"""A network is asked for the rows it needs, in chunks that its device holds."""

from __future__ import annotations

import math
import sys
import threading
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from strategies import settings
from torch import Tensor

from schedopt.errors import DeviceMemoryError, InputError, SchedoptError, UsageError
from schedopt.models import Denoiser, NetworkDenoiser
from schedopt.models import batches as batches_module
from schedopt.models.batches import CPU_CHUNK, GPU_TOKENS, out_of_memory, room_of
from schedopt.models.transformer import Transformer, TransformerConfig
from schedopt.models.usage import Usage, peak_flops

V, MASK, BOS, NONE = 13, 12, 3, -1


def network(*, shift: int = 0, dtype: torch.dtype = torch.float64) -> Transformer:
    config = TransformerConfig(
        vocab_size=V,
        hidden_size=12,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=6,
        intermediate_size=20,
        max_position_embeddings=24,
        rope_theta=100.0,
        rms_norm_eps=1e-5,
        shift=shift,
    )
    torch.manual_seed(0)
    built = config.build()
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.6)
    return built.to(dtype)


def denoiser(**changes: Any) -> NetworkDenoiser:
    return NetworkDenoiser(
        network(**changes),
        mask_id=MASK,
        eos_id=None,
        tokenizer=None,
        provenance={"name": "random"},
        bos_id=BOS,
    )


def batch_of(
    count: int, length: int, *, widest_gap: int = 0, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens with masks, queries of about half of all positions but the first, and targets."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, V, (count, length), generator=generator)
    targets = torch.randint(0, MASK, (count, length), generator=generator)
    gaps = torch.randint(0, widest_gap + 1, (count,), generator=generator)
    position = torch.arange(length)
    queries = torch.rand((count, length), generator=generator) < 0.5
    queries &= position > gaps[:, None]
    return tokens.masked_fill(position < gaps[:, None], NONE), queries, targets


# Sequences of different lengths


@settings(max_examples=12)
@given(
    count=st.integers(1, CPU_CHUNK + 3),
    length=st.integers(2, 12),
    shift=st.integers(0, 1),
    seed=st.integers(0, 99),
)
def test_a_sequence_scores_as_it_does_alone(count: int, length: int, shift: int, seed: int) -> None:
    """What stands in for tokens that do not exist changes nothing, nor the order of rows."""
    model = denoiser(shift=shift)
    tokens, queries, targets = batch_of(count, length, widest_gap=length - 1, seed=seed)
    together = [*model.score(tokens, queries, targets), model.log_probs(tokens, queries)]
    logits = model.logits(tokens)
    alone: list[list[Tensor]] = [[], [], []]
    for row, asked, wanted in zip(tokens, queries, targets, strict=True):
        real = row != NONE
        one = (row[None, real], asked[None, real])
        scores = [*model.score(*one, wanted[None, real]), model.log_probs(*one)]
        for parts, part in zip(alone, scores, strict=True):
            parts.append(part)
    for found, parts in zip(together, alone, strict=True):
        torch.testing.assert_close(found, torch.cat(parts), rtol=0.0, atol=1e-10)
    for row, found in zip(tokens, logits, strict=True):
        real = row != NONE
        torch.testing.assert_close(found[real], model.logits(row[None, real])[0])
        assert bool(found[~real].isnan().all())


def test_no_chunk_is_wider_than_its_longest_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    model = denoiser()
    hidden, seen, lock = model.network.hidden, [], threading.Lock()

    def watched(tokens: Tensor, padding: Tensor | None = None) -> Tensor:
        with lock:
            seen.append((tuple(tokens.shape), padding is not None))
        return hidden(tokens, padding)

    monkeypatch.setattr(model.network, "hidden", watched)
    tokens = torch.ones((2 * CPU_CHUNK, 8), dtype=torch.int64)
    tokens[::2, :5] = NONE  # every other sequence has three tokens
    model.logits(tokens)
    assert sorted(seen) == [((CPU_CHUNK, 3), False), ((CPU_CHUNK, 8), False)]
    assert (model.usage().tokens, model.usage().passes) == (CPU_CHUNK * 11, 2 * CPU_CHUNK)
    seen.clear()
    model.logits(tokens[:2])
    assert seen == [((2, 8), True)]
    seen.clear()
    model.logits(torch.full((1, 4), NONE))  # a sequence of nothing is not refused
    assert seen == [((1, 1), True)]


def test_scores_do_not_depend_on_the_batch() -> None:
    """On a CPU to the last bit: chunks are the same."""
    model = denoiser(dtype=torch.float32)
    asked = batch_of(4 * CPU_CHUNK, 7)
    whole = model.score(*asked)
    parts = [model.score(*(c[i : i + CPU_CHUNK] for c in asked)) for i in range(0, 64, CPU_CHUNK)]
    for one, other in zip(whole, zip(*parts, strict=True), strict=True):
        assert torch.equal(one, torch.cat(other))


# Models that score the next token


def test_rows_of_a_shifted_model_are_aligned() -> None:
    model = denoiser(shift=1)
    tokens, queries, targets = batch_of(5, 9)
    with torch.no_grad():
        raw = model.network(tokens)
    aligned = torch.cat([raw[:, :1], raw[:, :-1]], dim=1)
    torch.testing.assert_close(model.logits(tokens), aligned.float())
    expected = aligned.index_fill(-1, torch.tensor([MASK]), -torch.inf).log_softmax(-1)[queries]
    torch.testing.assert_close(model.log_probs(tokens, queries), expected)
    nll, _ = model.score(tokens, queries, targets)
    torch.testing.assert_close(nll, -expected[torch.arange(len(nll)), targets[queries]])


@pytest.mark.parametrize("gap", [0, 2])
def test_the_first_token_of_a_shifted_model_is_refused(gap: int) -> None:
    model = denoiser(shift=1)
    tokens = torch.ones((3, 5), dtype=torch.int64)
    tokens[1, :gap] = NONE
    queries = torch.zeros_like(tokens, dtype=torch.bool)
    queries[1, gap] = True
    for ask in (model.log_probs, lambda t, q: model.score(t, q, t)):
        with pytest.raises(InputError, match=f"position {gap} of sequence 1 is its first") as told:
            ask(tokens, queries)
        assert told.value.hint == f"give a context of at least 1: the BOS token {BOS}"
    model.bos_id = None
    with pytest.raises(InputError) as told:
        model.log_probs(tokens, queries)
    assert "a known token" in str(told.value.hint)
    assert denoiser().log_probs(tokens, queries).shape == (1, V)


# Memory


def test_the_size_that_fits_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    model, tried = denoiser(), []
    hidden = model.network.hidden

    def short_of_memory(tokens: Tensor, padding: Tensor | None = None) -> Tensor:
        tried.append(len(tokens))
        if len(tokens) > 5:
            raise torch.OutOfMemoryError
        return hidden(tokens, padding)

    asked = batch_of(3 * CPU_CHUNK, 6)
    expected = model.score(*asked)
    monkeypatch.setattr(model, "_workers", None)
    monkeypatch.setattr(model.network, "hidden", short_of_memory)
    fresh = denoiser()
    monkeypatch.setattr(fresh, "_workers", None)
    monkeypatch.setattr(fresh.network, "hidden", short_of_memory)
    for again in range(2):
        for one, other in zip(fresh.score(*asked), expected, strict=True):
            torch.testing.assert_close(one, other)
        too_large = [size for size in tried if size > 5]
        assert too_large == ([] if again else [16, 8])
        tried.clear()
    assert fresh.usage().batch == 4
    longer = batch_of(2, 12)  # twice the tokens, half the sequences
    fresh.score(*longer)
    assert tried == [2]


def test_one_sequence_is_always_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    model = denoiser()
    monkeypatch.setattr(model, "_room", 2)  # less than one sequence
    tokens, queries, _ = batch_of(4, 6)
    assert model.log_probs(tokens, queries).shape == (int(queries.sum()), V)
    assert model.usage().batch == 1


def allocation_failure(tokens: Tensor, padding: Tensor | None = None) -> Tensor:
    return torch.empty(2**60)  # more than any machine has


def memory_error(tokens: Tensor, padding: Tensor | None = None) -> Tensor:
    raise MemoryError


@pytest.mark.parametrize("fails", [allocation_failure, memory_error])
def test_a_model_without_room_for_one_sequence(fails: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = denoiser()
    monkeypatch.setattr(model.network, "hidden", fails)
    with pytest.raises(DeviceMemoryError, match="on cpu for one sequence of 6 tokens") as caught:
        model.score(*batch_of(5, 6))
    assert (caught.value.exit_code, "--dtype" in str(caught.value.hint)) == (5, True)


def test_other_errors_are_not_taken_for_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(tokens: Tensor, padding: Tensor | None = None) -> Tensor:
        raise RuntimeError("a shape does not fit")

    model = denoiser()
    monkeypatch.setattr(model.network, "hidden", broken)
    with pytest.raises(RuntimeError, match="a shape does not fit"):
        model.score(*batch_of(5, 6))


def test_the_first_size_is_what_free_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that torch keeps for itself but does not use is free as well."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (5000, 10_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 3000)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 1000)
    device = torch.device("cuda")
    assert room_of(device, 10.0) == int(0.9 * 700)
    assert room_of(device, 1e-9) == GPU_TOKENS
    assert room_of(torch.device("cpu"), 10.0) == sys.maxsize


@pytest.mark.parametrize(
    ("room", "length", "rows"), [(sys.maxsize, 6, CPU_CHUNK), (96, 6, 16), (95, 6, 15), (5, 6, 1)]
)
def test_sequences_at_once(
    room: int, length: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = denoiser()
    monkeypatch.setattr(batches_module, "room_of", lambda device, size: room)
    model.score(*batch_of(40, length))
    assert model.usage().batch == rows


def test_what_lack_of_memory_looks_like() -> None:
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"))
    assert not out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


# What is refused


def with_tokens(*values: int) -> Tensor:
    return torch.tensor([values])


NO, YES = [False] * 3, [False, True, False]


@pytest.mark.parametrize(
    ("tokens", "queries", "error", "message"),
    [
        (with_tokens(0, V, 0), YES, InputError, f"tokens: need 0..{V - 1}, got {V}"),
        (with_tokens(0, -2, 0), YES, InputError, f"tokens: need 0..{V - 1}, got -2"),
        (with_tokens(0, NONE, 0), NO, InputError, "-1 (no token) may only stand at the left"),
        (with_tokens(NONE, NONE, 0), YES, UsageError, "a position without a token is asked for"),
        (with_tokens(0, 0, 0)[0], NO, UsageError, "tokens: need shape (B, L)"),
        (torch.zeros((0, 3), dtype=torch.int64), NO, UsageError, "none of them 0, got (0, 3)"),
        (with_tokens(0, 0), YES, UsageError, "need bool queries and targets of shape (1, 2)"),
        (with_tokens(0, 0, 0), [0, 1, 0], UsageError, "need bool queries"),
        (with_tokens(*[0] * 25), NO, UsageError, "need bool queries"),
    ],
)
def test_questions_that_make_no_sense(
    tokens: Tensor, queries: list[Any], error: type[SchedoptError], message: str
) -> None:
    model = denoiser()
    with pytest.raises(error) as caught:
        model.score(tokens, torch.tensor([queries]), tokens)
    assert message in str(caught.value)


@pytest.mark.parametrize("target", [NONE, V])
def test_targets_outside_the_vocabulary(target: int) -> None:
    model = denoiser()
    tokens, queries = with_tokens(0, 0, 0), torch.tensor([YES])
    with pytest.raises(InputError, match=f"targets: need 0..{V - 1}, got {target}"):
        model.score(tokens, queries, with_tokens(0, target, 0))
    nll, _ = model.score(tokens, queries, with_tokens(target, 0, target))  # where nothing is asked
    assert bool(torch.isfinite(nll).all())


def test_the_limit_counts_tokens_that_exist() -> None:
    model = denoiser()
    tokens = torch.zeros((1, 30), dtype=torch.int64)
    with pytest.raises(UsageError, match="sequence of 30 tokens: this model takes at most 24"):
        model.logits(tokens)
    tokens[:, :6] = NONE
    assert model.logits(tokens).shape == (1, 30, V)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_network_that_says_no_number(value: float) -> None:
    model = denoiser()
    model.network.norm.weight.data[0] = value
    asked = batch_of(3, 5)
    for ask in (
        lambda: model.score(*asked),
        lambda: model.log_probs(*asked[:2]),
        lambda: model.logits(asked[0]),
    ):
        with pytest.raises(InputError, match="the model returned NaN or infinite logits") as caught:
            ask()
        assert caught.value.exit_code == 3


class Certain(Transformer):
    """Gives one token no chance at all."""

    @property
    def output(self) -> tuple[Tensor, Tensor | None]:
        weight, _ = super().output
        bias = torch.zeros(V, dtype=weight.dtype)
        bias[5] = -torch.inf
        return weight, bias


def test_a_token_may_be_impossible() -> None:
    built = Certain(network().config).double()
    model = NetworkDenoiser(
        built, mask_id=MASK, eos_id=None, tokenizer=None, provenance={"name": "certain"}
    )
    tokens, queries, _ = batch_of(3, 5)
    nll, entropy = model.score(tokens, queries, torch.full_like(tokens, 5))
    assert bool((nll == torch.inf).all() and torch.isfinite(entropy).all())
    assert bool((model.log_probs(tokens, queries)[:, 5] == -torch.inf).all())
    assert bool((model.logits(tokens)[..., 5] == -torch.inf).all())


# What it cost


def test_usage_counts_what_ran() -> None:
    model = denoiser(dtype=torch.float32)
    assert (model.usage().passes, list(model.usage().lines())) == (0, [])
    tokens = torch.zeros((20, 6), dtype=torch.int64)
    everything = torch.ones_like(tokens, dtype=torch.bool)
    model.score(tokens, everything, tokens)
    used = model.usage()
    assert (used.passes, used.tokens, used.batch) == (20, 120, CPU_CHUNK)
    assert used.flops == 20 * model.flops(6)
    assert (used.device, used.dtype, used.share) == ("cpu", "float32", None)
    assert used.seconds > 0.0
    assert used.peak_memory is None or used.peak_memory > 2**20
    model.score(tokens, ~everything, tokens)  # no row of which goes through the head
    spared = 20 * 6 * 2 * 12 * V
    assert model.usage().flops == 2 * 20 * model.flops(6) - spared
    lines = list(model.usage().lines())
    assert lines[0].startswith("40 passes of 6 tokens in ")
    assert lines[0].endswith("up to 16 at once on cpu")
    assert f"{(40 * model.flops(6) - spared) / 40:.3g} FLOP a pass" in lines[1]


def test_the_share_of_the_peak() -> None:
    used = Usage(
        passes=4,
        tokens=400,
        flops=2e12,
        seconds=4.0,
        batch=2,
        device="NVIDIA H200",
        dtype="bfloat16",
        peak_flops=1e12,
        peak_memory=3 * 2**30,
    )
    assert (used.flops_per_second, used.share) == (5e11, 0.5)
    assert list(used.lines()) == [
        "4 passes of 100 tokens in 4.0 s (1/s), up to 2 at once on NVIDIA H200",
        "5e+11 FLOP a pass, 5e+11 FLOP/s, 50% of the bfloat16 peak",
        "peak memory 3.00 GiB",
    ]


@pytest.mark.parametrize(
    ("name", "dtype", "peak"),
    [
        ("NVIDIA H200", torch.bfloat16, 989.5e12),
        ("NVIDIA H100 80GB HBM3", torch.float16, 989.5e12),
        ("NVIDIA H100 PCIe", torch.bfloat16, 756e12),
        ("NVIDIA GH200 480GB", torch.bfloat16, 989.5e12),
        ("NVIDIA A100-SXM4-80GB", torch.bfloat16, 312e12),
        ("NVIDIA A100-SXM4-80GB", torch.float32, 19.5e12),
        ("NVIDIA L40S", torch.bfloat16, 362e12),
        ("NVIDIA L4", torch.bfloat16, 121e12),
        ("NVIDIA H20", torch.bfloat16, None),
        ("NVIDIA H200", torch.float64, None),
        ("cpu", torch.float32, None),
    ],
)
def test_peaks(name: str, dtype: torch.dtype, peak: float | None) -> None:
    assert peak_flops(name, dtype) == peak


def test_protocol() -> None:
    model = denoiser()
    assert isinstance(model, Denoiser)
    assert (model.bos_id, model.vocab_size, model.max_length) == (BOS, V, 24)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("shift", [0, 1])
def test_a_gpu_says_what_the_processor_says(shift: int) -> None:
    model = denoiser(shift=shift, dtype=torch.float32)
    asked = batch_of(50, 9, widest_gap=5)
    expected = [*model.score(*asked), model.log_probs(*asked[:2])]
    moved = NetworkDenoiser(
        model.network.cuda(), mask_id=MASK, eos_id=None, tokenizer=None, provenance={"name": "gpu"}
    )
    found = [*moved.score(*(c.cuda() for c in asked)), moved.log_probs(*asked[:2])]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.cpu(), other, rtol=1e-4, atol=1e-4)
