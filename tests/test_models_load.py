"""Loading is strict: what is not understood, or not there, is refused by name and value."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import PUBLISHED, published, random_weights, write_checkpoint, write_index
from safetensors.torch import save_file
from torch import Tensor

from schedopt.errors import InputError, MissingModelError, SchedoptError, UsageError
from schedopt.models import ByteTokenizer, load_model
from schedopt.models.transformer import LLaDAConfig

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
        ("mlp_hidden_size", ..., "got None"),
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
        ("eos_token_id", [17], "got [17]"),
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
        LLaDAConfig.from_published(published(rope_theta=value))


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
    refused(tmp_path, f"{tmp_path / 'config.json'}: ", message)


def test_fields_without_effect_are_let_through(tmp_path: Path) -> None:
    config = published(torch_dtype="bfloat16", use_cache=False, attention_dropout=0.1)
    assert load_model(write_checkpoint(tmp_path, config)).mask_id == 18


@pytest.mark.parametrize("value", [..., None, [], "LLaDAModelLM", ["DreamModel"]], ids=str)
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
        (lambda t: t.long(), "got torch.int64"),
        (lambda t: t > 0, "got torch.bool"),
        (lambda t: t.to(torch.float8_e4m3fn), "got torch.float8_e4m3fn"),
        (lambda t: t.to(torch.complex64), "got torch.complex64"),
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
    refused(tmp_path, f"{tmp_path}: 2 tensors are missing, the first {HEAD!r}")
    # A tied head is no head, and an untied one must be there.
    write_checkpoint(tmp_path, published(weight_tying=True))
    assert HEAD not in random_weights(published(weight_tying=True))
    load_model(tmp_path)
    save_file(random_weights(PUBLISHED), tmp_path / "model.safetensors")
    refused(tmp_path, f"tensor {HEAD!r} has no place")


@pytest.mark.parametrize("kept", [0, 4, 100, 3000, -1])
def test_files_that_are_cut_off(kept: int, tmp_path: Path) -> None:
    weights = write_checkpoint(tmp_path, PUBLISHED) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:kept])
    refused(tmp_path, f"{weights}: not readable as safetensors: ")


def test_files_that_are_no_safetensors(tmp_path: Path) -> None:
    weights = write_checkpoint(tmp_path, PUBLISHED) / "model.safetensors"
    torch.save(random_weights(PUBLISHED), weights)  # a pickle is never opened
    refused(tmp_path, f"{weights}: not readable as safetensors: ")


# Shards


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


def test_an_index_comes_before_a_single_file(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, PUBLISHED, shards())
    (tmp_path / "model.safetensors").write_bytes(b"left over")
    load_model(tmp_path)


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
