"""Loading is strict: what is not understood, or not there, is refused by name and value."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from checkpoints import (
    FAMILY_CONFIGS,
    MASK_ID,
    PUBLISHED,
    changed,
    published,
    random_weights,
    write_checkpoint,
    write_index,
)
from safetensors.torch import save_file
from torch import Tensor

from schedopt.errors import (
    DeviceMemoryError,
    InputError,
    MissingModelError,
    SchedoptError,
    UsageError,
)
from schedopt.models import ByteTokenizer, load_model
from schedopt.models import weights as weights_module
from schedopt.models.checkpoint import Checkpoint, Digest
from schedopt.models.families import FAMILIES
from schedopt.models.fields import Fields
from schedopt.models.weights import memory_of
from schedopt.samplers import policy_for, sample
from schedopt.texts import self_samples

HEAD = "model.transformer.ff_out.weight"
NORM = "model.transformer.ln_f.weight"


def refused(
    folder: Path | str,
    *parts: str,
    error: type[SchedoptError] = InputError,
    code: int = 3,
    **options: Any,
) -> SchedoptError:
    with pytest.raises(error) as caught:
        load_model(folder, **options)
    message = str(caught.value)
    for part in parts:
        assert part in message
    assert "\n" not in message
    assert caught.value.exit_code == code
    return caught.value


# The config


@pytest.mark.parametrize(
    ("field", "value", "need"),
    [
        # Options that change the logits and are not implemented.
        ("activation_type", "gelu", "['silu']"),
        ("activation_type", "swiglu", "['silu']"),  # of the family: halves of one projection
        ("alibi", True, "[False]"),
        ("attention_layer_norm", True, "[False]"),
        ("bias_for_layer_norm", True, "[False, None]"),
        ("block_group_size", 2, "[1]"),
        ("block_type", "sequential", "['llama']"),
        ("include_bias", True, "[False]"),
        ("include_qkv_bias", True, "[False, None]"),
        ("input_emb_norm", True, "[False]"),
        ("layer_norm_type", "default", "['rms']"),
        ("layer_norm_with_affine", False, "[True]"),
        ("multi_query_attention", True, "[None, False]"),
        ("rope", False, "[True]"),
        ("rope_full_precision", False, "[True]"),
        ("scale_logits", True, "[False]"),
        # The right value in a wrong type.
        ("alibi", 0, "[False]"),
        ("alibi", None, "[False]"),
        ("block_group_size", 1.0, "[1]"),
        ("rope", 1, "[True]"),
        ("rope", "true", "[True]"),
        ("scale_logits", [], "[False]"),
        # Options that nobody knows.
        ("rope_scaling", {"factor": 2}, "unknown option {'factor': 2}"),
        ("time_conditioning", False, "unknown option False"),
        ("", 1, "unknown option 1"),
        # Sizes.
        ("d_model", ..., "got None"),
        ("n_layers", ..., "got None"),
        ("n_heads", ..., "got None"),
        ("mlp_hidden_size", 0, "got 0"),
        ("vocab_size", ..., "got None"),
        ("max_sequence_length", ..., "got None"),
        ("d_model", 0, "from 1 to 16777216, got 0"),
        ("d_model", -24, "got -24"),
        ("d_model", 24.0, "got 24.0"),
        ("d_model", "24", "got '24'"),
        ("d_model", True, "got True"),
        ("d_model", [24], "got [24]"),
        ("d_model", 2**40, "got 1099511627776"),
        ("n_layers", 10**9, "from 1 to 1024, got 1000000000"),
        ("n_heads", 0, "got 0"),
        ("n_kv_heads", 2.5, "got 2.5"),
        ("vocab_size", None, "got None"),
        ("embedding_size", "20", "got '20'"),
        ("max_sequence_length", 0, "got 0"),
        ("mask_token_id", -1, "from 0 to 16777216, got -1"),
        ("mask_token_id", "18", "got '18'"),
        ("eos_token_id", [], "got []"),
        ("eos_token_id", [[17]], "got [17]"),
        ("pruned_heads", {"0": [1]}, "got {'0': [1]}"),
        ("is_encoder_decoder", True, "got True"),
        ("quantization_config", {"bits": 4}, "unknown option {'bits': 4}"),
        # Other numbers.
        ("rope_theta", 0, "finite number > 0, got 0"),
        ("rope_theta", -1.0, "got -1.0"),
        ("rope_theta", None, "got None"),
        ("rope_theta", "10000", "got '10000'"),
        ("rms_norm_eps", True, "got True"),
        ("rms_norm_eps", float("inf"), "got Infinity"),
        ("rms_norm_eps", float("nan"), "got NaN"),
        ("weight_tying", None, "true or false, got None"),
        ("weight_tying", 0, "true or false, got 0"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_configs(field: str, value: object, need: str, tmp_path: Path) -> None:
    config = published(**{field: value})
    (tmp_path / "config.json").write_text(json.dumps(config))
    refused(tmp_path, f"{tmp_path / 'config.json'}: $.{field}: ", need)


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_numbers_that_json_does_not_have(value: float) -> None:
    """A config may come from elsewhere than a file."""
    with pytest.raises(InputError, match=r"\$.rope_theta: need a finite number > 0"):
        Fields({"rope_theta": value}).positive("rope_theta")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_heads": 5, "n_kv_heads": 5}, "d_model 24 needs 5 heads of an even width"),
        ({"n_heads": 8, "n_kv_heads": 8}, "d_model 24 needs 8 heads of an even width"),
        ({"n_kv_heads": 4}, "$.n_kv_heads: 4 does not divide 6 heads"),
        ({"n_kv_heads": 12}, "$.n_kv_heads: 12 does not divide 6 heads"),
    ],
    ids=str,
)
def test_sizes_that_do_not_fit(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(published(**changes)))
    refused(tmp_path, message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[]", "$: need an object, got list"),
        (b"null", "$: need an object, got NoneType"),
        (b"\xff", "need UTF-8, got byte 0xff at offset 0"),
        (b'{"rope": true, "rope": false}', "$.rope: the key is there twice"),
        (b'{"rope_theta": 1e999}', "$.rope_theta: need a finite number, got 1e999"),
        (b"[" * 10**5, "need at most 64 levels"),
        (b" " * (2**20 + 1), "need at most 1048576 bytes"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_configs_that_are_no_json_object(text: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(text)
    error = refused(tmp_path, f"{tmp_path / 'config.json'}: ", message)
    assert "download the file again" in str(error.hint)


def test_fields_without_effect_are_let_through(tmp_path: Path) -> None:
    config = published(torch_dtype="bfloat16", use_cache=False, attention_dropout=0.1)
    assert load_model(write_checkpoint(tmp_path, config)).mask_id == 18


@pytest.mark.parametrize(
    "value",
    [..., None, [], "LLaDAModelLM", ["BertModel"], [["LLaDAModelLM"]], ["LLaDAModelLM"] * 2, {}],
    ids=str,
)
def test_other_architectures(value: object, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(published(architectures=value)))
    got = "None" if value is ... else repr(value)
    error = refused(tmp_path, "$.architectures", f"got {got}", error=MissingModelError, code=6)
    assert "LLaDA" in str(error.hint)


# Where a model is


def test_models_that_are_not_there(tmp_path: Path) -> None:
    error = refused("llada-9b", "no model 'llada-9b'", error=MissingModelError, code=6)
    assert "config.json" in str(error.hint)
    refused(tmp_path / "absent", "nor a folder", error=MissingModelError, code=6)
    config = tmp_path / "config.json"
    refused(tmp_path, f"{config}: no such file", error=MissingModelError, code=6)
    config.write_text(json.dumps(PUBLISHED))
    refused(config, "nor a folder", error=MissingModelError, code=6)  # the file, not its folder
    weights = tmp_path / "model.safetensors"
    refused(tmp_path, f"{weights}: no such file", error=MissingModelError, code=6)
    weights.mkdir()
    refused(tmp_path, f"{weights}: no such file", error=MissingModelError, code=6)


@pytest.mark.parametrize("dtype", ["float31", "int8", "", "FLOAT32"])
def test_dtypes(dtype: str) -> None:
    message = f"unknown dtype {dtype!r}; one of float32, float64, bfloat16, float16"
    refused("tiny-light", message, error=UsageError, code=2, dtype=dtype)


@pytest.mark.parametrize("device", ["abacus", "", "cpu:x", "meta", "xla", "hpu", "cuda:99"])
def test_devices(device: str) -> None:
    message = f"device {device!r} is not usable here"
    refused("tiny-light", message, error=UsageError, code=2, device=device)


def test_mask_ids(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, published(mask_token_id=...))
    error = refused(tmp_path, "need 0..19, got None", error=UsageError, code=2)
    assert "--mask-id" in str(error.hint)
    for mask_id in (-1, 20):
        message = f"mask id: need 0..19, got {mask_id}"
        refused(tmp_path, message, error=UsageError, code=2, mask_id=mask_id)
    model = load_model(tmp_path, mask_id=0)
    assert model.mask_id == model.provenance["mask_id"] == 0
    write_checkpoint(tmp_path, PUBLISHED)
    assert load_model(tmp_path).mask_id == 18
    assert load_model(tmp_path, mask_id=3).mask_id == 3  # the caller knows better
    write_checkpoint(tmp_path, published(mask_token_id=20))
    refused(tmp_path, "need 0..19, got 20", error=UsageError, code=2)


# The tensors


def with_value(value: float) -> Callable[[Tensor], Tensor]:
    def change(tensor: Tensor) -> Tensor:
        changed = tensor.clone()
        changed[..., -1] = value
        return changed

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t[..., :-1].contiguous(), "need shape (20, 24), got (20, 23)"),
        (lambda t: t.T.contiguous(), "need shape (20, 24), got (24, 20)"),
        (lambda t: t[None], "need shape (20, 24), got (1, 20, 24)"),
        (lambda t: t.long(), "need one of F32, F64, BF16, F16, got I64"),
        (lambda t: t > 0, "got BOOL"),
        (lambda t: t.to(torch.float8_e4m3fn), "got F8_E4M3"),
        (lambda t: t.to(torch.complex64), "got C64"),
        (with_value(float("nan")), "need finite numbers, got 20 that are not, the first nan"),
        (with_value(float("inf")), "need finite numbers, got 20 that are not, the first inf"),
        (with_value(float("-inf")), "the first -inf"),
    ],
)
def test_tensors(change: Callable[[Tensor], Tensor], message: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path, PUBLISHED)
    weights = random_weights(PUBLISHED)
    weights[HEAD] = change(weights[HEAD])
    save_file(weights, tmp_path / "model.safetensors")
    refused(tmp_path, f"{tmp_path / 'model.safetensors'}: tensor {HEAD!r}: ", message)


def test_tensors_that_are_missing_or_too_many(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, PUBLISHED)
    weights = random_weights(PUBLISHED)
    save_file({**weights, "lm_head.bias": torch.zeros(20)}, tmp_path / "model.safetensors")
    refused(tmp_path, "tensor 'lm_head.bias' has no place in the network")
    del weights[NORM], weights[HEAD]
    save_file(weights, tmp_path / "model.safetensors")
    error = refused(tmp_path, f"{tmp_path}: tensor {HEAD!r} is missing, and 1 more")
    assert "number of layers in config.json" in str(error.hint)


@pytest.mark.parametrize("family", ["llada", "a2d-qwen3", "llada2"])
def test_tied_heads(family: str, tmp_path: Path) -> None:
    """A tied head need not be there; where it is, it is the embedding."""
    field = "weight_tying" if family == "llada" else "tie_word_embeddings"
    untied, tied = (FAMILY_CONFIGS[family] | {field: value} for value in (False, True))
    both, weights = random_weights(untied), random_weights(tied)
    (head,) = both.keys() - weights.keys()
    (embedding,) = (name for name in weights if "embed" in name or "wte" in name)
    write_checkpoint(tmp_path, tied, [weights])
    model = load_model(tmp_path, mask_id=MASK_ID)
    for same in (weights[embedding].clone(), weights[embedding].bfloat16()):
        write_checkpoint(tmp_path, tied, [{**weights, head: same}])
        again = load_model(tmp_path, mask_id=MASK_ID)
        tokens = torch.arange(9)[None]
        assert torch.equal(again.logits(tokens), model.logits(tokens))
    write_checkpoint(tmp_path, tied, [both])
    error = refused(tmp_path, f"tensor {head!r}: ", "numbers differ", mask_id=MASK_ID)
    assert field in str(error.hint)
    write_checkpoint(tmp_path, tied, [{**weights, head: both[head][:, :-1].contiguous()}])
    refused(tmp_path, f"tensor {head!r}: need shape (20, 24), got (20, 23)", mask_id=MASK_ID)
    write_checkpoint(tmp_path, untied, [weights])
    refused(tmp_path, f"tensor {head!r} is missing", mask_id=MASK_ID)


def test_frequencies_that_mdlm_stores(tmp_path: Path) -> None:
    config = FAMILY_CONFIGS["mdlm"]
    weights = random_weights(config)
    name = "backbone.rotary_emb.inv_freq"
    stored = torch.tensor([1.0, 10000.0**-0.5])
    tokens = torch.arange(9)[None]
    write_checkpoint(tmp_path, config, [weights])
    without = load_model(tmp_path).logits(tokens)
    for value in (stored, stored.bfloat16(), stored.double()):
        write_checkpoint(tmp_path, config, [{**weights, name: value}])
        assert torch.equal(load_model(tmp_path).logits(tokens), without)
    write_checkpoint(tmp_path, config, [{**weights, name: stored * torch.tensor([1.0, 1.1])}])
    refused(tmp_path, f"tensor {name!r}: 1 number differs from")


@pytest.mark.parametrize("kept", [0, 4, 100, 3000, -1])
def test_files_that_are_cut_off(kept: int, tmp_path: Path) -> None:
    weights = write_checkpoint(tmp_path, PUBLISHED) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:kept])
    refused(tmp_path, f"{weights}: not readable as safetensors: ")


def test_files_that_are_no_safetensors(tmp_path: Path) -> None:
    weights = write_checkpoint(tmp_path, PUBLISHED) / "model.safetensors"
    torch.save(random_weights(PUBLISHED), weights)  # a pickle is never opened
    refused(tmp_path, f"{weights}: not readable as safetensors: ")


def test_files_that_git_has_not_fetched(tmp_path: Path) -> None:
    weights = write_checkpoint(tmp_path, PUBLISHED) / "model.safetensors"
    weights.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n")
    error = refused(tmp_path, f"{weights}: not readable as safetensors: ")
    assert f"run `git lfs pull` in {tmp_path}" in str(error.hint)
    weights.write_text("version 1")
    assert "download the file again" in str(refused(tmp_path, "not readable").hint)


# Shards


@pytest.mark.parametrize("family", FAMILY_CONFIGS)
def test_shards_of_every_family(family: str, tmp_path: Path) -> None:
    """Tensors of one block, and parts of one fused projection's layer, stand in all of them."""
    config = FAMILY_CONFIGS[family]
    items = list(random_weights(config).items())
    whole, parts = (
        load_model(write_checkpoint(tmp_path / str(count), config, pieces), mask_id=MASK_ID)
        for count, pieces in enumerate([None, [dict(items[i::3]) for i in range(3)]])
    )
    tokens = torch.tensor([[3, 18, 18, 0]])
    assert torch.equal(whole.logits(tokens), parts.logits(tokens))


def shards() -> list[dict[str, Tensor]]:
    """Two halves; tensors of one block stand in both, as in published checkpoints."""
    items = list(random_weights(PUBLISHED).items())
    return [dict(items[::2]), dict(items[1::2])]


def test_shards_are_one_model(tmp_path: Path) -> None:
    whole = load_model(write_checkpoint(tmp_path / "whole", PUBLISHED))
    parts = load_model(write_checkpoint(tmp_path / "parts", PUBLISHED, shards()))
    tokens = torch.tensor([[3, 18, 18, 0]])
    assert torch.equal(whole.logits(tokens), parts.logits(tokens))
    assert whole.provenance["weights_sha256"] != parts.provenance["weights_sha256"]


def test_a_single_file_beside_shards(tmp_path: Path) -> None:
    """Nobody can tell which of them is meant."""
    write_checkpoint(tmp_path, PUBLISHED, shards())
    write_checkpoint(tmp_path, PUBLISHED)
    error = refused(tmp_path, "model.safetensors and model.safetensors.index.json are both there")
    assert "remove model.safetensors, or the index" in str(error.hint)
    names = dict.fromkeys(random_weights(PUBLISHED), "model.safetensors")
    write_index(tmp_path, names)  # of that file itself
    load_model(tmp_path)


FIRST, SECOND = (f"model-0000{i}-of-00002.safetensors" for i in (1, 2))


@pytest.mark.parametrize(
    ("stated", "found"),
    [(FIRST, SECOND), (SECOND, FIRST), (..., FIRST), (..., SECOND), (FIRST, ...)],
)
def test_an_index_agrees_with_its_shards(stated: Any, found: Any, tmp_path: Path) -> None:
    pieces = shards()
    write_checkpoint(tmp_path, PUBLISHED, pieces)
    number = 1 if found == SECOND else 0
    name = "lm_head.bias" if found is ... else next(iter(pieces[number]))
    names = dict.fromkeys(pieces[0], FIRST) | dict.fromkeys(pieces[1], SECOND)
    write_index(tmp_path, changed(names, **{name: stated}))
    said, seen = ("no file" if where is ... else where for where in (stated, found))
    index = tmp_path / "model.safetensors.index.json"
    refused(
        tmp_path, f"{index}: $.weight_map: tensor {name!r} should be in {said}, it is in {seen}"
    )


def test_a_tensor_in_two_shards(tmp_path: Path) -> None:
    first, second = shards()
    name = next(iter(first))
    write_checkpoint(tmp_path, PUBLISHED, [first, {**second, name: first[name]}])
    refused(tmp_path, f"tensor {name!r} stands in two shards")


def test_a_shard_that_is_missing(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, PUBLISHED, shards())
    gone = tmp_path / "model-00002-of-00002.safetensors"
    gone.unlink()
    refused(tmp_path, f"{gone}: no such file", error=MissingModelError, code=6)


@pytest.mark.parametrize(
    ("weight_map", "message"),
    [
        (None, "$.weight_map: need an object"),
        ({}, "$.weight_map: need an object"),
        ([], "$.weight_map: need an object"),
        ({HEAD: "../model.safetensors"}, "must be file names, got ['../model.safetensors']"),
        ({HEAD: "/etc/passwd"}, "must be file names, got ['/etc/passwd']"),
        ({HEAD: "."}, "must be file names, got ['.']"),
        ({HEAD: "a/b.safetensors"}, "must be file names, got ['a/b.safetensors']"),
    ],
    ids=str,
)
def test_indices(weight_map: object, message: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path, PUBLISHED)
    write_index(tmp_path, weight_map)
    refused(tmp_path, f"{tmp_path / 'model.safetensors.index.json'}: ", message)


@pytest.mark.parametrize("name", ["", "..", 7, None])
def test_shards_that_are_no_files(name: object, tmp_path: Path) -> None:
    write_checkpoint(tmp_path, PUBLISHED)
    write_index(tmp_path, {HEAD: name})
    refused(tmp_path, "no such file", error=MissingModelError, code=6)


def test_an_index_that_is_no_json(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, PUBLISHED)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text("{")
    refused(tmp_path, f"{index}: $: not JSON")


# What comes with a model


def test_tokenizers(tmp_path: Path) -> None:
    config = published(vocab_size=257, embedding_size=..., mask_token_id=256)
    about = write_checkpoint(tmp_path, config) / "tokenizer_config.json"
    assert load_model(tmp_path).tokenizer is None
    about.write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    assert load_model(tmp_path).tokenizer is None  # another one's; windows of tokens still work
    about.write_text('{"tokenizer_class": "ByteTokenizer"}')
    assert isinstance(load_model(tmp_path).tokenizer, ByteTokenizer)
    about.write_text("{")
    refused(tmp_path, f"{about}: $: not JSON")
    about.write_text('{"tokenizer_class": "ByteTokenizer"}')
    write_checkpoint(tmp_path, PUBLISHED)
    refused(tmp_path, f"{about}: bytes need 256 tokens, the network has 20")


def test_provenance_tells_which_weights(tmp_path: Path) -> None:
    first = load_model(write_checkpoint(tmp_path / "a", PUBLISHED), dtype="bfloat16")
    same = load_model(write_checkpoint(tmp_path / "b", PUBLISHED))
    other = load_model(
        write_checkpoint(tmp_path / "c", PUBLISHED, [random_weights(PUBLISHED, seed=1)])
    )
    digests = [model.provenance["weights_sha256"] for model in (first, same, other)]
    assert digests[0] == digests[1] != digests[2]
    assert first.provenance == {
        "name": str(tmp_path / "a"),
        "weights_sha256": digests[0],
        "dtype": "bfloat16",
        "device": "cpu",
        "mask_id": 18,
    }
    assert (first.eos_id, first.vocab_size, first.max_length) == (17, 20, 16)


# What every family refuses, and what it does not mind

REFUSED: list[tuple[str, str, Any, str]] = [
    *(
        (family, field, value, need)
        for family in ("dream", "a2d-qwen2", "a2d-qwen3", "illada", "llada-moe", "llada2")
        for field, value, need in [
            ("hidden_act", "gelu", "['silu'], got 'gelu'"),
            ("rope_scaling", {"type": "yarn", "factor": 4.0}, "$.rope_scaling.type: "),
            ("rope_scaling", {"rope_type": "linear"}, "$.rope_scaling.rope_type: "),
            ("rope_scaling", {"type": "default", "factor": 2.0}, "$.rope_scaling.factor: "),
            ("rope_scaling", {"mrope_section": [1]}, "$.rope_scaling.mrope_section: unknown"),
            ("rope_scaling", "yarn", "need an object, got 'yarn'"),
            ("rope_parameters", {"rope_theta": 7.0}, "7.0, where the config itself says 50.0"),
            ("use_sliding_window", True, "got True"),
            ("layer_types", ["full_attention", "sliding_attention"], "only 'full_attention'"),
            ("layer_types", "full_attention", "only 'full_attention'"),
            ("use_mrope", True, "got True"),
            ("hidden_size", ..., "got None"),
            ("rope_theta", ..., "got None"),
            ("rms_norm_eps", ..., "got None"),
            ("vocab_size", 0, "got 0"),
            ("max_position_embeddings", None, "got None"),
            ("num_hidden_layers", 2.0, "got 2.0"),
            ("num_key_value_heads", 4, "4 does not divide 6 heads"),
            ("tie_word_embeddings", "yes", "true or false, got 'yes'"),
            ("partial_rotary_factor", 1.5, "<= 1, got 1.5"),
            ("partial_rotary_factor", 0.01, "is no even width"),
            ("n_embd", 24, "unknown option 24"),
            ("cross_attention", True, "unknown option True"),
        ]
    ),
    ("dream", "head_dim", 6, "need one of [None, 4], got 6"),
    ("dream", "attention_bias", False, "unknown option False"),
    ("a2d-qwen3", "head_dim", 9, "need an even width, got 9"),
    ("a2d-qwen3", "attention_bias", None, "need true or false, got None"),
    ("illada", "layer_norm_eps", 1e-5, "need one of [None], got 1e-05"),
    ("illada", "mlp_bias", True, "got True"),
    ("illada", "pretraining_tp", 2, "got 2"),
    ("llada-moe", "clip_qkv", 8.0, "got 8.0"),
    ("llada-moe", "moe_router_score_function", "sigmoid", "got 'sigmoid'"),
    ("llada-moe", "moe_router_enable_expert_bias", True, "got True"),
    ("llada-moe", "moe_layer_freq", [1], "need a 0 or 1 for each of 2 layers"),
    ("llada-moe", "moe_layer_freq", [1, 2], "need a 0 or 1 for each of 2 layers"),
    ("llada-moe", "num_experts_per_tok", 8, "from 1 to 7, got 8"),
    ("llada-moe", "shared_expert_intermediate_size", -1, "got -1"),
    ("llada2", "norm_topk_prob", False, "got False"),
    ("llada2", "norm_head", True, "got True"),
    ("llada2", "score_function", "softmax", "got 'softmax'"),
    ("llada2", "num_nextn_predict_layers", 1, "got 1"),
    ("llada2", "first_k_dense_replace", 3, "from 0 to 2, got 3"),
    ("llada2", "intermediate_size", None, "got None"),
    ("llada2", "n_group", 5, "5 does not divide 12 experts"),
    ("llada2", "n_group", 12, "from 1 to 6, got 12"),
    ("llada2", "topk_group", 4, "from 1 to 3, got 4"),
    ("llada2", "num_experts_per_tok", 9, "$.topk_group: 2 groups hold fewer than 9 experts"),
    ("llada2", "routed_scaling_factor", 0, "got 0"),
    ("llada2", "moe_shared_expert_intermediate_size", 7, "got 7"),
    ("mdlm", "time_conditioning", True, "need false, got true"),
    ("mdlm", "cond_dim", ..., "got None"),
    ("mdlm", "n_heads", 5, "hidden_dim 24 needs 5 heads of an even width"),
    ("mdlm", "scale_by_sigma", True, "unknown option True"),
]


@pytest.mark.parametrize(("family", "field", "value", "need"), REFUSED, ids=str)
def test_configs_of_other_families(
    family: str, field: str, value: object, need: str, tmp_path: Path
) -> None:
    config = changed(FAMILY_CONFIGS[family], **{field: value})
    (tmp_path / "config.json").write_text(json.dumps(config))
    where = "" if "$." in need else field
    refused(tmp_path, f"{tmp_path / 'config.json'}: $.{where}", need, mask_id=MASK_ID)


def test_why_a_noise_level_is_refused(tmp_path: Path) -> None:
    config = FAMILY_CONFIGS["mdlm"] | {"time_conditioning": True}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert "noise level" in str(refused(tmp_path, "$.time_conditioning").hint)


def test_what_transformers_5_writes(tmp_path: Path) -> None:
    """The rotary settings in one object, and the dtype under another name."""
    for family in ("dream", "a2d-qwen3", "llada2"):
        old = FAMILY_CONFIGS[family]
        rope = {"rope_theta": 50.0, "rope_type": "default"}
        if family == "llada2":
            rope["partial_rotary_factor"] = 0.5
        gone = ("rope_theta", "rope_scaling", "partial_rotary_factor", "torch_dtype")
        new = changed(old, **dict.fromkeys(gone, ...)) | {
            "rope_parameters": rope,
            "dtype": "bfloat16",
            "transformers_version": "5.23.0",
        }
        models = [
            load_model(write_checkpoint(tmp_path / str(i), config), mask_id=MASK_ID)
            for i, config in enumerate((old, new))
        ]
        tokens = torch.arange(9)[None]
        assert torch.equal(models[0].logits(tokens), models[1].logits(tokens))


# A config that is written in full, as ``to_dict`` of transformers 4.57 gives it.
FULL: Final = {
    "_name_or_path": "somewhere",
    "add_cross_attention": False,
    "bad_words_ids": None,
    "begin_suppress_tokens": None,
    "chunk_size_feed_forward": 0,
    "cross_attention_hidden_size": None,
    "decoder_start_token_id": None,
    "diversity_penalty": 0.0,
    "do_sample": False,
    "early_stopping": False,
    "encoder_no_repeat_ngram_size": 0,
    "exponential_decay_length_penalty": None,
    "finetuning_task": None,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "id2label": {"0": "LABEL_0", "1": "LABEL_1"},
    "is_decoder": False,
    "is_encoder_decoder": False,
    "label2id": {"LABEL_0": 0, "LABEL_1": 1},
    "length_penalty": 1.0,
    "max_length": 20,
    "min_length": 0,
    "no_repeat_ngram_size": 0,
    "num_beam_groups": 1,
    "num_beams": 1,
    "num_return_sequences": 1,
    "output_attentions": False,
    "output_hidden_states": False,
    "output_scores": False,
    "prefix": None,
    "problem_type": None,
    "pruned_heads": {},
    "remove_invalid_values": False,
    "repetition_penalty": 1.0,
    "return_dict": True,
    "return_dict_in_generate": False,
    "sep_token_id": None,
    "suppress_tokens": None,
    "task_specific_params": None,
    "temperature": 1.0,
    "tf_legacy_loss": False,
    "tie_encoder_decoder": False,
    "tokenizer_class": None,
    "top_k": 50,
    "top_p": 1.0,
    "torchscript": False,
    "typical_p": 1.0,
    "use_bfloat16": False,
}


@pytest.mark.parametrize("family", FAMILY_CONFIGS)
def test_configs_that_are_written_in_full(family: str, tmp_path: Path) -> None:
    config = FAMILY_CONFIGS[family]
    short = load_model(write_checkpoint(tmp_path / "short", config), mask_id=MASK_ID)
    full = load_model(write_checkpoint(tmp_path / "full", FULL | config), mask_id=MASK_ID)
    tokens = torch.arange(9)[None]
    assert torch.equal(short.logits(tokens), full.logits(tokens))


def test_architectures_and_not_model_types_tell_families_apart(tmp_path: Path) -> None:
    assert FAMILY_CONFIGS["llada"]["model_type"] == FAMILY_CONFIGS["llada-moe"]["model_type"]
    config = FAMILY_CONFIGS["llada-moe"] | {"model_type": "lladamoe"}  # as dLLM has it
    load_model(write_checkpoint(tmp_path, config), mask_id=MASK_ID)
    (tmp_path / "config.json").write_text(
        json.dumps(config | {"architectures": FAMILY_CONFIGS["a2d-qwen3"]["architectures"]})
    )
    refused(tmp_path, "$.intermediate_size: need a whole number", mask_id=MASK_ID)


# Tokens


@pytest.mark.parametrize(
    ("family", "mask_id"),
    [
        ("a2d-qwen2", 151665),
        ("a2d-qwen3", 151669),
        ("illada", 5),
        ("llada-moe", 156895),
        ("llada2", 156895),
        ("mdlm", None),
    ],
)
def test_mask_ids_that_no_file_names(family: str, mask_id: int | None, tmp_path: Path) -> None:
    small = FAMILY_CONFIGS[family]
    write_checkpoint(tmp_path, small)
    own = 19 if mask_id is None else mask_id
    if own < 20:
        assert load_model(tmp_path).mask_id == own
    else:
        error = refused(tmp_path, f"need 0..19, got {own} (", error=UsageError, code=2)
        assert "--mask-id" in str(error.hint)
        large = changed(small, vocab_size=own + 1, hidden_size=12, head_dim=...)
        if family == "llada2":
            large["head_dim"] = 4
        write_checkpoint(tmp_path, large)
        assert load_model(tmp_path).mask_id == own
    write_checkpoint(tmp_path, small | {"mask_token_id": 7})  # a file does name it
    assert load_model(tmp_path).mask_id == 7
    assert load_model(tmp_path, mask_id=3).mask_id == 3


def test_every_mask_id_has_a_source() -> None:
    for family in FAMILIES.values():
        assert (family.mask_id is None) == (family.mask_source == "")


def test_tokens_that_end_and_begin_a_text(tmp_path: Path) -> None:
    """BOS matters where no row scores the first position."""
    for family, ends in (("dream", (17, 15)), ("a2d-qwen2", (17, None)), ("mdlm", (None, None))):
        write_checkpoint(tmp_path, FAMILY_CONFIGS[family])
        model = load_model(tmp_path, mask_id=MASK_ID)
        assert (model.eos_id, model.bos_id) == ends
    write_checkpoint(tmp_path, FAMILY_CONFIGS["dream"] | {"eos_token_id": [4, 9]})
    assert load_model(tmp_path).eos_id == 4
    large = changed(FAMILY_CONFIGS["mdlm"], vocab_size=50258, hidden_dim=4, n_heads=2)
    assert load_model(write_checkpoint(tmp_path, large)).eos_id == 50256


@pytest.mark.parametrize(
    ("family", "field"),
    [("dream", "bos_token_id"), ("dream", "eos_token_id"), ("llada", "eos_token_id")],
)
def test_tokens_that_cannot_be(family: str, field: str, tmp_path: Path) -> None:
    outside = (20, 9999)
    for token in (MASK_ID, *(outside if field == "bos_token_id" else ())):
        write_checkpoint(tmp_path, FAMILY_CONFIGS[family] | {field: token})
        need = f"need 0..19 and not the mask token 18, got {token}"
        refused(tmp_path, f"{tmp_path / 'config.json'}: $.{field}: {need}")
    write_checkpoint(tmp_path, FAMILY_CONFIGS["a2d-qwen3"] | {"bos_token_id": 9999})
    assert load_model(tmp_path, mask_id=MASK_ID).bos_id is None  # it needs none
    for token in outside:  # no row of the head can end a text
        write_checkpoint(tmp_path, FAMILY_CONFIGS[family] | {"eos_token_id": token})
        assert load_model(tmp_path).eos_id is None


def test_a_model_without_the_first_token_that_it_needs(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, changed(FAMILY_CONFIGS["dream"], bos_token_id=...))
    model = load_model(tmp_path)
    policy = policy_for("random", block_length=2, steps=2)
    for ask in (
        lambda: self_samples(model, 2, length=4, context=8),
        lambda: sample(model, policy),
        lambda: sample(model, policy, prompt=[[3], []]),
    ):
        with pytest.raises(UsageError, match="no row of this model scores the first token") as told:
            ask()
        assert "bos_token_id in config.json (bos_id= in Python)" in str(told.value.hint)
        assert "--prompt" in str(told.value.hint)
    assert model.usage().passes == 0
    assert len(sample(model, policy, prompt=[3]).tokens[0]) == 3


# Memory, dtypes and hashes


@pytest.mark.parametrize("wrong", [1, 10**9, 4.5])
def test_the_index_promises_as_many_bytes_as_there_are(wrong: float, tmp_path: Path) -> None:
    pieces = shards()
    write_checkpoint(tmp_path, PUBLISHED, pieces)
    index = tmp_path / "model.safetensors.index.json"
    document = json.loads(index.read_text())
    found = document["metadata"]["total_size"]
    assert found == sum(value.nbytes for piece in pieces for value in piece.values())
    write_index(tmp_path, document["weight_map"], wrong)
    refused(tmp_path, f"{index}: $.metadata.total_size: ", f"the shards hold {found}")
    for nothing in (0, None, "many", True):
        write_index(tmp_path, document["weight_map"], nothing)
        load_model(tmp_path)


def test_weights_that_do_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_checkpoint(tmp_path, PUBLISHED)
    needed = 4 * sum(value.numel() for value in random_weights(PUBLISHED).values())
    monkeypatch.setattr(weights_module, "memory_of", lambda device: needed - 1)
    error = refused(
        tmp_path, "the weights need 0.0 GiB on cpu, which has", error=DeviceMemoryError, code=5
    )
    assert "--dtype such as bfloat16" in str(error.hint)
    load_model(tmp_path, dtype="bfloat16")
    monkeypatch.setattr(weights_module, "memory_of", lambda device: needed)
    load_model(tmp_path)

    empty = torch.empty

    def full(*shape: Any, device: torch.device | None = None, **options: Any) -> Tensor:
        if device == torch.device("cpu"):
            raise torch.OutOfMemoryError
        return empty(*shape, device=device, **options)

    monkeypatch.setattr(torch, "empty", full)
    refused(tmp_path, "which has less left", error=DeviceMemoryError, code=5)


def test_memory_of_devices() -> None:
    assert (memory_of(torch.device("cpu")) or 2**40) > 2**28
    assert memory_of(torch.device("meta")) is None


def test_other_faults_of_a_device_are_not_called_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = torch.empty

    def broken(*shape: Any, device: torch.device | None = None, **options: Any) -> Tensor:
        if device == torch.device("cpu"):
            raise RuntimeError("no kernel image")
        return empty(*shape, device=device, **options)

    write_checkpoint(tmp_path, PUBLISHED)
    monkeypatch.setattr(torch, "empty", broken)
    with pytest.raises(RuntimeError, match="no kernel image"):
        load_model(tmp_path)


def test_numbers_that_a_narrow_dtype_does_not_hold(tmp_path: Path) -> None:
    weights = random_weights(PUBLISHED)
    weights[HEAD] = with_value(-1e6)(weights[HEAD])
    write_checkpoint(tmp_path, PUBLISHED, [weights])
    error = refused(tmp_path, f"tensor {HEAD!r}: holds 1e+06", "float16", dtype="float16")
    assert "bfloat16" in str(error.hint)
    load_model(tmp_path, dtype="bfloat16")


def test_only_one_tensor_at_a_time_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read is let go before the next one: the host never holds the model."""
    import weakref

    write_checkpoint(tmp_path, PUBLISHED, shards())
    alive: list[weakref.ref[Tensor]] = []
    most = 0
    read = Checkpoint.read

    def watch(self: Checkpoint, names: Any, place: Any) -> None:
        def watched(name: str, value: Tensor) -> None:
            nonlocal most
            alive.append(weakref.ref(value))
            most = max(most, sum(ref() is not None for ref in alive))
            place(name, value)

        read(self, names, watched)

    monkeypatch.setattr(Checkpoint, "read", watch)
    load_model(tmp_path)
    assert (len(alive), most) == (len(random_weights(PUBLISHED)), 1)


def test_loading_is_quick_about_it() -> None:
    """sympy, which torch would load to emulate start values without storage, takes 2 s."""
    code = (
        "import sys, torch\n"
        "from schedopt.models import load_model\n"
        "load_model('tiny-light').logits(torch.tensor([[1, 257]]))\n"
        "sys.exit('sympy' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_digests(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"a" * 10**5)
    other.write_bytes(b"b")
    with Digest([one, other]) as digest:
        assert digest.hex() == hashlib.sha256(b"a" * 10**5 + b"b").hexdigest()
    with (
        Digest([one, tmp_path / "gone"]) as digest,
        pytest.raises(InputError, match="gone: cannot be read: No such file"),
    ):
        digest.hex()
