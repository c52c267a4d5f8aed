"""What a network says: the logits of the references and of the definitions, in every family."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from checkpoints import FAMILY_CONFIGS, MASK_ID, changed, random_weights, write_checkpoint
from hypothesis import given
from networks_by_loops import logits_by_loops
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from schedopt.errors import InputError
from schedopt.models import NetworkDenoiser, load_model
from schedopt.models.attention import attention_mask, real_positions
from schedopt.models.denoiser import normalise, reduce_scores

GOLDEN = Path(__file__).parent / "golden" / "models"

every_family = pytest.mark.parametrize("family", FAMILY_CONFIGS)


def random_tokens(model: NetworkDenoiser, batch: int, length: int) -> Tensor:
    generator = torch.Generator().manual_seed(batch)
    tokens = torch.randint(0, model.vocab_size - 1, (batch, length), generator=generator)
    hidden = torch.rand((batch, length), generator=generator) < 0.5
    return torch.where(hidden, model.mask_id, tokens)


def exact_logits(model: NetworkDenoiser, tokens: Tensor) -> Tensor:
    """What ``logits`` says, not rounded to float32."""
    logits = model.network(tokens)
    return torch.cat([logits[:, :1], logits[:, :-1]], dim=1) if model.network.shift else logits


# The published code of the families


@pytest.mark.parametrize(
    ("family", "name"), [("llada", "logits"), ("dream", "logits_shifted"), ("mdlm", "logits")]
)
def test_logits_are_the_golden_ones(family: str, name: str) -> None:
    """A wrong epsilon of the norm would move LLaDA's by 1.6e-4."""
    golden = np.load(GOLDEN / family / "golden.npz")
    model = load_model(GOLDEN / family)
    found = model.logits(torch.from_numpy(golden["input_ids"])).numpy()
    np.testing.assert_allclose(found, golden[name], rtol=0.0, atol=5e-5)


@pytest.mark.parametrize("family", ["llada", "dream"])
def test_what_the_head_reads_is_golden(family: str) -> None:
    golden = np.load(GOLDEN / family / "golden.npz")
    network = load_model(GOLDEN / family).network
    tokens = torch.from_numpy(golden["input_ids"])
    rows = network.rows(network.hidden(tokens))
    np.testing.assert_allclose(rows.numpy(), golden["hidden_last"], rtol=0.0, atol=5e-5)
    np.testing.assert_allclose(network(tokens).numpy(), golden["logits"], rtol=0.0, atol=5e-5)


def test_what_is_padded_is_not_there() -> None:
    """Dream's reference pads at the right; the rest of the sequence is as without."""
    golden = np.load(GOLDEN / "dream" / "golden.npz")
    network = load_model(GOLDEN / "dream").network
    for row, exists, padded in zip(
        golden["input_ids"],
        golden["attention_mask"],
        golden["logits_padded_valid_rows"],
        strict=True,
    ):
        found = network(torch.from_numpy(row[exists][None]))[0]
        np.testing.assert_allclose(found.numpy(), padded[exists], rtol=0.0, atol=5e-5)


def test_conditionals_of_mdlm_are_golden() -> None:
    """Known positions aside, which its parameterisation copies."""
    golden = np.load(GOLDEN / "mdlm" / "golden.npz")
    model = load_model(GOLDEN / "mdlm")
    tokens = torch.from_numpy(golden["input_ids"])
    found = model.log_probs(tokens, tokens == model.mask_id).exp().numpy()
    expected = np.exp(golden["log_probs_subs_sigma0"])[(tokens == model.mask_id).numpy()]
    np.testing.assert_allclose(found, expected, rtol=0.0, atol=1e-6)
    noisy = np.abs(golden["logits_sigma"] - golden["logits"]).max()
    assert noisy > 0.1  # what a noise level would have changed


# The definition, one number at a time

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("llada", {}),
    ("llada", {"n_kv_heads": 2}),
    ("llada", {"n_kv_heads": 1}),
    ("llada", {"n_kv_heads": ..., "multi_query_attention": None}),
    ("llada", {"weight_tying": True, "n_kv_heads": 3}),
    ("llada", {"embedding_size": 19}),
    ("llada", {"embedding_size": None}),
    ("llada", {"embedding_size": 31}),
    ("llada", {"mlp_hidden_size": None, "mlp_ratio": 2}),
    ("llada", {"n_heads": 1, "n_kv_heads": 1, "n_layers": 1, "rope_theta": 10000}),
    ("dream", {}),
    ("dream", {"num_key_value_heads": None, "tie_word_embeddings": True}),
    ("a2d-qwen2", {}),
    ("a2d-qwen2", {"tie_word_embeddings": False, "head_dim": 6}),
    ("a2d-qwen3", {}),
    ("a2d-qwen3", {"attention_bias": True, "tie_word_embeddings": False}),
    ("a2d-qwen3", {"head_dim": None, "num_key_value_heads": 1}),
    ("illada", {}),
    ("illada", {"attention_bias": True, "tie_word_embeddings": False}),
    ("illada", {"tie_word_embeddings": ...}),
    ("llada-moe", {}),
    ("llada-moe", {"norm_topk_prob": True, "routed_scaling_factor": 3.0}),
    ("llada-moe", {"num_experts_per_tok": 7, "qk_layernorm": False}),
    ("llada-moe", {"num_experts_per_tok": 1, "moe_layer_freq": [0, 1]}),
    ("llada-moe", {"shared_expert_intermediate_size": 5, "tie_word_embeddings": True}),
    ("llada-moe", {"partial_rotary_factor": 0.5, "moe_layer_freq": None}),
    ("llada2", {}),
    ("llada2", {"first_k_dense_replace": 0, "num_shared_experts": 2, "intermediate_size": None}),
    ("llada2", {"num_shared_experts": None, "n_group": 1, "topk_group": 1}),
    ("llada2", {"num_experts_per_tok": 1, "topk_group": 1, "tie_word_embeddings": True}),
    ("llada2", {"use_qkv_bias": True, "use_bias": True, "partial_rotary_factor": 1.0}),
    ("mdlm", {}),
    ("mdlm", {"n_heads": 2, "n_blocks": 1}),
]


@pytest.mark.parametrize(("family", "changes"), VARIANTS, ids=str)
def test_logits_are_those_of_the_definition(
    family: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    config = changed(FAMILY_CONFIGS[family], **changes)
    weights = random_weights(config)
    write_checkpoint(tmp_path, config, [weights])
    model = load_model(tmp_path, dtype="float64", mask_id=MASK_ID)
    tokens = random_tokens(model, 2, 9)
    found = exact_logits(model, tokens)
    torch.testing.assert_close(model.logits(tokens), found.float())
    assert found.shape[2] == model.vocab_size
    for row, logits in zip(tokens.tolist(), found, strict=True):
        expected = logits_by_loops(config, weights, row)
        np.testing.assert_allclose(logits, expected, rtol=0.0, atol=1e-9 * np.abs(expected).max())


def test_llada2_sees_its_block_and_those_before(tmp_path: Path) -> None:
    """Of 32 positions each; with two blocks and a half, and what comes later changes nothing."""
    config = FAMILY_CONFIGS["llada2"]
    weights = random_weights(config)
    write_checkpoint(tmp_path, config, [weights])
    model = load_model(tmp_path, dtype="float64", mask_id=MASK_ID)
    tokens = random_tokens(model, 1, 75)
    found = exact_logits(model, tokens)[0]
    expected = logits_by_loops(config, weights, tokens[0].tolist())
    np.testing.assert_allclose(found, expected, rtol=0.0, atol=1e-9 * np.abs(expected).max())
    later = tokens.clone()
    later[0, 70] = (later[0, 70] + 1) % 18
    moved = (exact_logits(model, later)[0] - found).abs().amax(dim=1)
    assert (moved[:64] == 0.0).all()
    assert (moved[64:] > 0.0).all()


# Fields that no tensor's shape depends on, so that only the logits tell whether they are read.
OPTIONS: list[tuple[str, dict[str, Any]]] = [
    *(
        (family, change)
        for family in ("dream", "a2d-qwen2", "a2d-qwen3", "illada", "llada-moe", "llada2")
        for change in ({"rope_theta": 1e6}, {"rms_norm_eps": 1e-6})
    ),
    ("llada", {"rope_theta": 1e6}),
    ("llada", {"rms_norm_eps": 1e-6}),
    ("a2d-qwen2", {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 12}),
    ("llada-moe", {"num_experts_per_tok": 4}),
    ("llada-moe", {"partial_rotary_factor": 0.5}),
    ("llada2", {"num_experts_per_tok": 5}),
    ("llada2", {"n_group": 6, "topk_group": 3}),
    ("llada2", {"topk_group": 1}),
    ("llada2", {"routed_scaling_factor": 1.0}),
    ("llada2", {"partial_rotary_factor": 1.0}),
    ("mdlm", {"n_heads": 4}),
]


@pytest.mark.parametrize(("family", "change"), OPTIONS, ids=str)
def test_each_option_matters(family: str, change: dict[str, Any], tmp_path: Path) -> None:
    base = FAMILY_CONFIGS[family]
    weights = random_weights(base)
    write_checkpoint(tmp_path / "base", base, [weights])
    write_checkpoint(tmp_path / "other", base | change, [weights])
    one, other = (
        load_model(tmp_path / name, dtype="float64", mask_id=MASK_ID) for name in ("base", "other")
    )
    tokens = random_tokens(one, 1, 11)
    found = exact_logits(other, tokens)[0]
    assert (found - exact_logits(one, tokens)[0]).abs().max() > 1e-4
    expected = logits_by_loops(base | change, weights, tokens[0].tolist())
    np.testing.assert_allclose(found, expected, rtol=0.0, atol=1e-9 * np.abs(expected).max())


def test_the_bias_of_the_experts_chooses_and_does_not_weigh(tmp_path: Path) -> None:
    """The same bias for all experts changes nothing; one for some sends tokens to them."""
    config = FAMILY_CONFIGS["llada2"]
    weights = random_weights(config)
    bias = "model.layers.1.mlp.gate.expert_bias"
    said = []
    for value in (torch.zeros(12), torch.full((12,), 0.75), 3.0 * (torch.arange(12) >= 8)):
        write_checkpoint(tmp_path, config, [{**weights, bias: value}])
        model = load_model(tmp_path, dtype="float64", mask_id=MASK_ID)
        said.append(exact_logits(model, torch.arange(10)[None]))
    assert torch.equal(said[0], said[1])
    assert not torch.allclose(said[0], said[2])


# Left padding


@every_family
def test_padded_sequences_say_what_they_say_alone(family: str, tmp_path: Path) -> None:
    """Blocks of LLaDA2 are counted from the first token that exists."""
    config = changed(FAMILY_CONFIGS[family])
    if family == "llada":
        config["max_sequence_length"] = 80
    write_checkpoint(tmp_path, config)
    network = load_model(tmp_path, dtype="float64", mask_id=MASK_ID).network
    padding = [0, 3, 40]
    tokens = torch.randint(0, 18, (3, 45), generator=torch.Generator().manual_seed(1))
    for row, missing in zip(tokens, padding, strict=True):
        row[:missing] = -1
    together = network.head(network.hidden(tokens, torch.tensor(padding)))
    assert torch.isfinite(together).all()  # even where nothing is
    for row, logits, missing in zip(tokens, together, padding, strict=True):
        alone = network(row[None, missing:])[0]
        torch.testing.assert_close(logits[missing:], alone, rtol=0.0, atol=1e-10)


@given(st.integers(1, 7), st.none() | st.integers(1, 4), st.data())
def test_masks(length: int, block: int | None, data: st.DataObject) -> None:
    padding = data.draw(st.lists(st.integers(0, length - 1), min_size=1, max_size=3))
    positions = real_positions(torch.zeros(len(padding), length), torch.tensor(padding))
    mask = attention_mask(positions, block, padded=True)
    assert mask is not None
    seen = mask.expand(len(padding), 1, length, length)[:, 0]
    for b, missing in enumerate(padding):
        for i in range(length):
            assert seen[b, i].any()
            for j in range(length):
                if j < missing:
                    assert not seen[b, i, j]
                elif i >= missing:
                    blocks = (
                        (0, 0)
                        if block is None
                        else ((i - missing) // block, (j - missing) // block)
                    )
                    assert bool(seen[b, i, j]) == (blocks[1] <= blocks[0])


def test_no_mask_where_all_see_all() -> None:
    positions = real_positions(torch.zeros(2, 5), None)
    assert attention_mask(positions, None, padded=False) is None
    seen = attention_mask(positions, 5, padded=False)
    assert seen is not None
    assert seen.all()


# Other dtypes


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("family", ["llada", "dream", "mdlm"])
def test_narrow_weights_give_nearly_the_same_logits(family: str, dtype: str) -> None:
    golden = np.load(GOLDEN / family / "golden.npz")
    tokens = torch.from_numpy(golden["input_ids"])
    model = load_model(GOLDEN / family, dtype=dtype)
    found = model.logits(tokens)
    assert found.dtype == torch.float32
    expected = golden["logits_shifted" if family == "dream" else "logits"]
    assert 0.0 < np.abs(found.numpy() - expected).max() < 0.15
    assert model.log_probs(tokens[:, 1:], tokens[:, 1:] == model.mask_id).dtype == torch.float32
    assert model.provenance["dtype"] == dtype


@every_family
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_every_family_runs_in_narrow_dtypes(family: str, dtype: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path, FAMILY_CONFIGS[family])
    model = load_model(tmp_path, dtype=dtype, mask_id=MASK_ID)
    assert {p.dtype for p in model.network.parameters()} == {getattr(torch, dtype)}
    # The bias of a router decides between experts that are close: it is never rounded.
    assert {b.dtype for b in model.network.buffers()} <= {torch.float32}
    assert torch.isfinite(model.logits(torch.arange(10)[None])).all()


# FLOPs


@pytest.mark.parametrize(
    ("family", "changes"), [case for case in VARIANTS if "n_heads" not in case[1]], ids=str
)
def test_flops_are_those_that_torch_counts(
    family: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    config = changed(FAMILY_CONFIGS[family], **changes)
    network = load_model(write_checkpoint(tmp_path, config), mask_id=MASK_ID).network
    length = 11
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros((1, length), dtype=torch.int64))
    width = config.get("head_dim") or 4
    layers = next(config[n] for n in ("n_layers", "n_blocks", "num_hidden_layers") if n in config)
    # torch counts attention only on devices with a kernel of its own: scores and values apart.
    attention = layers * 4 * length**2 * 6 * width
    counted = counter.get_total_flops()
    if family == "mdlm":  # its conditioning is the same for every sequence, and not counted
        counted -= 2 * 2 * (256 * 11 + 11 * 11) + 2 * 11 * 24 * (6 * layers + 2)
    assert network.flops(length) in (counted, counted + attention)


def test_flops_of_many_tokens_grow_with_the_square(tmp_path: Path) -> None:
    network = load_model(write_checkpoint(tmp_path, FAMILY_CONFIGS["llada2"]), mask_id=3).network
    cost = [network.flops(length) for length in range(1, 9)]
    steps = [b - a for a, b in pairwise(cost)]
    assert len({round(b - a) for a, b in pairwise(steps)}) == 1


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
