"""What a network says: the reference's logits, and of them only the rows asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from checkpoints import published, random_weights, write_checkpoint
from hypothesis import given
from numpy.typing import NDArray
from sampler_cases import random_network
from torch import Tensor

from schedopt.errors import DeviceMemoryError, InputError, UsageError
from schedopt.models import NetworkDenoiser, load_model
from schedopt.models.denoiser import normalise, reduce_scores
from schedopt.models.network import CPU_CHUNK
from schedopt.models.transformer import LLaDA, LLaDAConfig

Floats = NDArray[np.float64]

GOLDEN = Path(__file__).parent / "golden" / "models" / "llada"


def random_tokens(model: NetworkDenoiser, batch: int, length: int) -> Tensor:
    generator = torch.Generator().manual_seed(batch)
    tokens = torch.randint(0, model.vocab_size - 1, (batch, length), generator=generator)
    hidden = torch.rand((batch, length), generator=generator) < 0.5
    return torch.where(hidden, model.mask_id, tokens)


def test_logits_are_the_golden_ones() -> None:
    """Of the family's published code; a wrong epsilon of the norm would move them by 1.6e-4."""
    golden = np.load(GOLDEN / "golden.npz")
    model = load_model(GOLDEN)
    found = model.logits(torch.from_numpy(golden["input_ids"])).numpy()
    np.testing.assert_allclose(found, golden["logits"], rtol=0.0, atol=5e-5)
    hidden = model.network.hidden(torch.from_numpy(golden["input_ids"]))
    normed = model.network.get_submodule("model.transformer.ln_f")(hidden)
    np.testing.assert_allclose(normed.numpy(), golden["hidden_last"], rtol=0.0, atol=5e-5)


# The definition, one number at a time


def norm_by_loops(x: Floats, scale: Floats, eps: float) -> Floats:
    return np.array([row * scale / math.sqrt((row @ row) / len(row) + eps) for row in x])


def rotate_by_loops(x: Floats, theta: float) -> Floats:
    """Turn the pairs (p, p + half) of row i by i / theta^(p / half)."""
    half = x.shape[1] // 2
    turned = np.empty_like(x)
    for i, p in product(range(len(x)), range(half)):
        angle = i / theta ** (p / half)
        turned[i, p] = x[i, p] * math.cos(angle) - x[i, p + half] * math.sin(angle)
        turned[i, p + half] = x[i, p + half] * math.cos(angle) + x[i, p] * math.sin(angle)
    return turned


def logits_by_loops(
    config: Mapping[str, Any], tensors: Mapping[str, Tensor], tokens: list[int]
) -> Floats:
    """Logits of one sequence, shape (L, V)."""
    weights = {
        name.removeprefix("model.transformer.").removesuffix(".weight"): value.double().numpy()
        for name, value in tensors.items()
    }
    heads, eps = config["n_heads"], config["rms_norm_eps"]
    kv_heads = config.get("n_kv_heads") or heads
    width = config["d_model"] // heads
    x = weights["wte"][tokens]
    for layer in range(config["n_layers"]):
        block = {
            name.removeprefix(f"blocks.{layer}."): value
            for name, value in weights.items()
            if name.startswith(f"blocks.{layer}.")
        }
        h = norm_by_loops(x, block["attn_norm"], eps)
        attended = np.empty_like(x)
        for head in range(heads):
            kv = head // (heads // kv_heads)  # neighbouring heads share keys and values
            own, shared = (slice(i * width, (i + 1) * width) for i in (head, kv))
            q = rotate_by_loops(h @ block["q_proj"][own].T, config["rope_theta"])
            k = rotate_by_loops(h @ block["k_proj"][shared].T, config["rope_theta"])
            v = h @ block["v_proj"][shared].T
            for i in range(len(x)):  # every position sees every other one
                odds = np.exp([q[i] @ k[j] / math.sqrt(width) for j in range(len(x))])
                attended[i, own] = (odds / odds.sum()) @ v
        x = x + attended @ block["attn_out"].T
        h = norm_by_loops(x, block["ff_norm"], eps)
        gate = h @ block["ff_proj"].T
        x = x + (gate / (1.0 + np.exp(-gate)) * (h @ block["up_proj"].T)) @ block["ff_out"].T
    rows = weights["wte"] if config["weight_tying"] else weights["ff_out"]
    return np.asarray(norm_by_loops(x, weights["ln_f"], eps) @ rows.T)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"n_kv_heads": 2},
        {"n_kv_heads": 1},
        {"n_kv_heads": ..., "multi_query_attention": None},
        {"weight_tying": True, "n_kv_heads": 3},
        {"embedding_size": 19},
        {"embedding_size": None},
        {"embedding_size": 31},
        {"n_heads": 1, "n_kv_heads": 1, "n_layers": 1, "rope_theta": 10000},
    ],
    ids=str,
)
def test_logits_are_those_of_the_definition(changes: dict[str, Any], tmp_path: Path) -> None:
    config = published(**changes)
    weights = random_weights(config)
    model = load_model(write_checkpoint(tmp_path, config, [weights]), dtype="float64")
    assert model.vocab_size == max(config["embedding_size"] or 0, config["vocab_size"])
    tokens = random_tokens(model, 2, 9)
    found = model.network(tokens)  # float64, but for rotations and norms
    for row, logits in zip(tokens.tolist(), found, strict=True):
        expected = logits_by_loops(config, weights, row)
        np.testing.assert_allclose(logits, expected, rtol=0.0, atol=2e-5)
    torch.testing.assert_close(model.logits(tokens), found.float())


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_narrow_weights_give_nearly_the_same_logits(dtype: str) -> None:
    golden = np.load(GOLDEN / "golden.npz")
    tokens = torch.from_numpy(golden["input_ids"])
    model = load_model(GOLDEN, dtype=dtype)
    found = model.logits(tokens)
    assert found.dtype == torch.float32
    assert 0.0 < np.abs(found.numpy() - golden["logits"]).max() < 0.15
    assert model.log_probs(tokens, tokens == model.mask_id).dtype == torch.float32
    assert model.provenance["dtype"] == dtype


# Only the rows asked for


@pytest.mark.parametrize("batch", [1, 2, CPU_CHUNK, CPU_CHUNK + 1, 3 * CPU_CHUNK + 2])
def test_queries_get_their_rows_of_the_logits(batch: int) -> None:
    """In row-major order, the mask token excluded, whatever chunks the batch is cut into."""
    model = load_model(GOLDEN)
    tokens = random_tokens(model, batch, 12)
    queries = tokens == model.mask_id
    queries[-1] = False  # a sequence without a query
    queries[0, 0] = True  # known positions may be asked for, too
    full = model.network(tokens).double()
    full[..., model.mask_id] = -torch.inf
    expected = torch.log_softmax(full, dim=-1)[queries].float()
    log_probs = model.log_probs(tokens, queries)
    torch.testing.assert_close(log_probs, expected, rtol=0.0, atol=1e-5)
    targets = torch.randint(0, 250, tokens.shape, generator=torch.Generator().manual_seed(1))
    nll, entropy = model.score(tokens, queries, targets)
    torch.testing.assert_close(nll, -expected[torch.arange(len(nll)), targets[queries]])
    torch.testing.assert_close(entropy, torch.special.entr(expected.exp()).sum(dim=-1))


def test_no_query_is_no_row() -> None:
    model = random_network(vocab_size=5)
    tokens = torch.full((3, 4), model.mask_id)
    none = torch.zeros_like(tokens, dtype=torch.bool)
    assert model.log_probs(tokens, none).shape == (0, 5)
    assert [part.shape for part in model.score(tokens, none, tokens)] == [(0,), (0,)]


@given(st.integers(1, 40), st.integers(1, 6))
def test_a_row_does_not_depend_on_its_batch(batch: int, length: int) -> None:
    model = random_network(vocab_size=5)
    tokens = random_tokens(model, batch, length)
    queries = torch.ones_like(tokens, dtype=torch.bool)
    together = model.log_probs(tokens, queries).reshape(batch, length, 5)
    pick = batch // 2
    alone = model.log_probs(tokens[pick : pick + 1], queries[:1])
    torch.testing.assert_close(together[pick], alone, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_pool_says_what_the_network_says(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    model = random_network(vocab_size=7)
    tokens = random_tokens(model, 5 * CPU_CHUNK + 3, 6)
    direct = model.network(tokens)
    torch.testing.assert_close(model.logits(tokens), direct.float(), rtol=0.0, atol=1e-6)
    queries = tokens == model.mask_id
    expected = normalise(direct[queries], model.mask_id)
    torch.testing.assert_close(model.log_probs(tokens, queries), expected, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("room", [1, 2, 5, 11])
def test_batches_that_do_not_fit_are_halved(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_network(vocab_size=7)
    tokens = random_tokens(model, 2 * CPU_CHUNK + 3, 6)
    queries = tokens == model.mask_id
    whole = [model.logits(tokens), model.log_probs(tokens, queries)]
    whole += model.score(tokens, queries, tokens)
    hidden = model.network.hidden

    def short_of_memory(batch: Tensor) -> Tensor:
        if len(batch) > room:
            raise torch.OutOfMemoryError
        return hidden(batch)

    monkeypatch.setattr(model.network, "hidden", short_of_memory)
    halved = [model.logits(tokens), model.log_probs(tokens, queries)]
    halved += model.score(tokens, queries, tokens)
    for one, other in zip(whole, halved, strict=True):
        torch.testing.assert_close(one, other, rtol=0.0, atol=1e-6)


def test_a_model_without_room_for_one_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(batch: Tensor) -> Tensor:
        raise torch.OutOfMemoryError

    model = random_network(vocab_size=7)
    monkeypatch.setattr(model.network, "hidden", out_of_memory)
    with pytest.raises(DeviceMemoryError, match="on cpu for one sequence of 6 tokens") as caught:
        model.logits(torch.zeros((5, 6), dtype=torch.int64))
    assert (caught.value.exit_code, "--dtype" in str(caught.value.hint)) == (5, True)


def test_logits_carry_no_gradient() -> None:
    model = random_network(vocab_size=4)
    assert not model.logits(torch.zeros((1, 3), dtype=torch.int64)).requires_grad
    assert not model.network.training


def test_sequences_over_the_limit() -> None:
    model = load_model(GOLDEN)
    assert model.max_length == 128
    assert not model.fixed_length
    with pytest.raises(UsageError, match="sequence of 129 tokens: this model takes at most 128"):
        model.logits(torch.zeros((1, 129), dtype=torch.int64))


# Log-probabilities


@given(st.integers(0, 4), st.lists(st.floats(-30, 30), min_size=5, max_size=5))
def test_the_mask_is_excluded_and_the_rest_sums_to_one(mask_id: int, logits: list[float]) -> None:
    log_probs = normalise(torch.tensor([logits], dtype=torch.float64), mask_id)[0]
    odds = [0.0 if i == mask_id else math.exp(x) for i, x in enumerate(logits)]
    np.testing.assert_allclose(log_probs.exp(), np.array(odds) / sum(odds), atol=1e-12)
    assert log_probs[mask_id] == -torch.inf


@pytest.mark.parametrize(
    ("dtype", "wide"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_the_softmax_is_at_least_float32(dtype: torch.dtype, wide: torch.dtype) -> None:
    assert normalise(torch.zeros((1, 3), dtype=dtype), 2).dtype == wide


def test_a_token_may_be_impossible() -> None:
    log_probs = normalise(torch.tensor([[0.0, -torch.inf, 0.0, 9.0]]), 3)
    nll, entropy = reduce_scores(log_probs.repeat(2, 1), torch.tensor([0, 1]))
    assert nll.tolist() == pytest.approx([math.log(2), math.inf])
    assert entropy.tolist() == pytest.approx([math.log(2)] * 2)  # 0 log 0 = 0


@pytest.mark.parametrize(
    "row",
    [
        [0.0, math.nan, 0.0],
        [0.0, math.inf, 0.0],
        [-math.inf, -math.inf, 0.0],  # nothing is left beside the mask
    ],
    ids=str,
)
def test_logits_without_a_distribution_are_refused(row: list[float]) -> None:
    with pytest.raises(InputError, match=r"NaN or infinite logits \(row 1 of 2\)") as caught:
        normalise(torch.tensor([[0.0, 0.0, 0.0], row]), 2)
    assert caught.value.exit_code == 3
    assert "float32" in str(caught.value.hint)


def test_a_network_that_says_nan_is_refused() -> None:
    model = random_network(vocab_size=4)
    model.network.get_parameter("model.transformer.ln_f.weight")[0] = torch.nan
    tokens = torch.full((1, 2), model.mask_id)
    queries = torch.ones_like(tokens, dtype=torch.bool)
    for ask in (model.log_probs, lambda t, q: model.score(t, q, t)):
        with pytest.raises(InputError, match="NaN"):
            ask(tokens, queries)


# FLOPs


@pytest.mark.parametrize("changes", [{}, {"n_kv_heads": 2}, {"weight_tying": True}], ids=str)
def test_flops_are_those_that_torch_counts(changes: dict[str, Any]) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    config = LLaDAConfig.from_published(published(**changes))
    tokens = torch.zeros((1, 11), dtype=torch.int64)
    with FlopCounterMode(display=False) as counter:
        LLaDA(config)(tokens)
    # torch counts attention only on devices with a kernel of its own: scores and values apart.
    attention = config.n_layers * 4 * 11**2 * config.d_model
    assert config.flops(11) in (counter.get_total_flops(), counter.get_total_flops() + attention)
