"""Autoregressive families give the logits of the transformers classes that publish them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from schedopt.errors import InputError, MissingModelError, SchedoptError, UsageError
from schedopt.evaluation.judge import Judge, load_judge
from schedopt.models import (
    NO_MASK,
    ByteTokenizer,
    CallableDenoiser,
    load_autoregressive,
    load_model,
)
from schedopt.models.families import AUTOREGRESSIVE, FAMILIES

# Every size differs from the others, so that no two axes can be taken for each other.
SIZES: dict[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 24,
    "intermediate_size": 14,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 3,
    "max_position_embeddings": 40,
    "rms_norm_eps": 1e-3,
    "bos_token_id": 257,
    "eos_token_id": 256,
    "pad_token_id": None,
}
GPT2_SIZES: dict[str, Any] = {
    "vocab_size": 300,
    "n_embd": 24,
    "n_layer": 2,
    "n_head": 6,
    "n_positions": 40,
    "layer_norm_epsilon": 1e-3,
    "bos_token_id": 257,
    "eos_token_id": 256,
}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen2": ("Qwen2ForCausalLM", SIZES),
    "qwen2-tied": ("Qwen2ForCausalLM", SIZES | {"tie_word_embeddings": True}),
    "qwen3": ("Qwen3ForCausalLM", SIZES | {"head_dim": 10}),
    "qwen3-biases": ("Qwen3ForCausalLM", SIZES | {"head_dim": 10, "attention_bias": True}),
    "llama": ("LlamaForCausalLM", SIZES),
    "llama-wide": ("LlamaForCausalLM", SIZES | {"head_dim": 8, "attention_bias": True}),
    "gpt2": ("GPT2LMHeadModel", GPT2_SIZES),
    "gpt2-narrow": ("GPT2LMHeadModel", GPT2_SIZES | {"n_inner": 10}),
}


def reference(name: str, folder: Path) -> Any:
    """A random network of the published class, saved as its authors save it."""
    transformers = pytest.importorskip("transformers")
    architecture, sizes = CASES[name]
    config_class = re.sub("(ForCausalLM|LMHeadModel)$", "Config", architecture)
    torch.manual_seed(0)
    model = getattr(transformers, architecture)(getattr(transformers, config_class)(**sizes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # large enough to matter, biases and norms too
            parameter.normal_(std=1.0 if parameter.ndim == 1 else 0.4)
    model.save_pretrained(folder)
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "ByteTokenizer"}')
    return model


def some_tokens(batch: int = 3, length: int = 33) -> Tensor:
    return torch.randint(300, (batch, length), generator=torch.Generator().manual_seed(1))


def rewrite(folder: Path, **changes: Any) -> Path:
    """Change fields of a config; those set to ... are left out."""
    path = folder / "config.json"
    config = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not ...}))
    return folder


# The logits


@pytest.mark.parametrize("name", CASES)
def test_logits_are_those_of_the_published_class(name: str, tmp_path: Path) -> None:
    theirs = reference(name, tmp_path)
    ours = load_autoregressive(tmp_path)
    tokens = some_tokens()
    with torch.inference_mode():
        expected, found = theirs(tokens).logits, ours.network(tokens)
    scale = float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=0.0, atol=1e-5 * max(scale, 1.0))
    assert (ours.mask_id, ours.shift, ours.bos_id) == (NO_MASK, 1, 257)


@pytest.mark.parametrize("name", CASES)
def test_nll_is_that_of_the_published_class(name: str, tmp_path: Path) -> None:
    theirs = reference(name, tmp_path)
    texts, prompts = ["ab", "", "def f(x):\n", "né"], ["", "c", "import os\n", ""]
    judged = load_judge(tmp_path).nll(texts, prompts)
    for i, (text, prompt) in enumerate(zip(texts, prompts, strict=True)):
        tokens = torch.tensor([[257, *prompt.encode(), *text.encode()]])
        with torch.inference_mode():
            log_probs = theirs(tokens).logits[0, :-1].double().log_softmax(dim=-1)
        each = log_probs.gather(-1, tokens[0, 1:, None])[len(prompt.encode()) :]
        assert judged.tokens[i] == len(each)
        assert judged.nats[i] == pytest.approx(-float(each.sum()), rel=1e-5, abs=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_padding_at_the_left_changes_nothing(name: str, tmp_path: Path) -> None:
    """The mask that left padding needs, and the kernel without one, are the same attention."""
    reference(name, tmp_path)
    network = load_autoregressive(tmp_path).network
    tokens = some_tokens(2, 20)
    padded = tokens.clone()
    padded[1] = torch.roll(tokens[1], 5)
    with torch.inference_mode():
        plain = network.head(network.hidden(tokens))
        found = network.head(network.hidden(padded, torch.tensor([0, 5])))
    torch.testing.assert_close(found[0], plain[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found[1, 5:], plain[1, :15], rtol=1e-4, atol=1e-4)


def test_the_files_of_openai(tmp_path: Path) -> None:
    """GPT-2's own files have no prefix, hold the causal masks, and a config of their day."""
    theirs = reference("gpt2", tmp_path)
    past = torch.ones(40, 40).tril()[None, None]
    weights = {
        name.removeprefix("transformer."): value.clone()
        for name, value in theirs.state_dict().items()
        if not name.startswith("lm_head.")
    } | {f"h.{layer}.attn.bias": past.clone() for layer in range(2)}
    save_file(weights, tmp_path / "model.safetensors")
    late = ("scale_attn_weights", "scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn")
    rewrite(tmp_path, n_ctx=40, tie_word_embeddings=..., n_inner=..., **dict.fromkeys(late, ...))
    tokens = some_tokens()
    with torch.inference_mode():
        found = load_autoregressive(tmp_path).network(tokens)
        torch.testing.assert_close(found, theirs(tokens).logits, rtol=1e-4, atol=1e-4)
    weights["h.1.attn.bias"][..., 0, 3] = 1.0
    save_file(weights, tmp_path / "model.safetensors")
    refused(InputError, "tensor 'h.1.attn.bias': 1 number differs", load_autoregressive, tmp_path)


def test_a_transformers_model_brought_along(tmp_path: Path) -> None:
    """Any causal model of transformers judges as a function, padded at the right without a mask."""
    theirs = reference("gpt2", tmp_path)
    brought = Judge(
        CallableDenoiser(
            theirs,
            mask_id=NO_MASK,
            shift=1,
            vocab_size=300,
            max_length=40,
            bos_id=257,
            tokenizer=ByteTokenizer(),
        )
    )
    texts = ["a", "bc" * 30, "", "def f():"]
    found, expected = (judge.nll(texts) for judge in (brought, load_judge(tmp_path)))
    assert found.tokens.tolist() == expected.tokens.tolist() == [1, 60, 0, 8]
    torch.testing.assert_close(
        torch.from_numpy(found.nats), torch.from_numpy(expected.nats), rtol=1e-5, atol=1e-4
    )


# Strictness


def refused(error: type[SchedoptError], message: str, call: Any, *args: Any) -> str:
    with pytest.raises(error) as caught:
        call(*args)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value.hint or ""


@pytest.mark.parametrize("name", CASES)
def test_they_are_judges_only(name: str, tmp_path: Path) -> None:
    reference(name, tmp_path)
    architecture = CASES[name][0]
    hint = refused(UsageError, f"{architecture} (", load_model, tmp_path)
    assert "as the judge" in hint
    assert architecture in AUTOREGRESSIVE
    assert architecture not in FAMILIES


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("qwen2", {"use_sliding_window": True}, "use_sliding_window: need one of [False, None]"),
        ("qwen2", {"layer_types": ["sliding_attention"] * 2}, "need only 'full_attention'"),
        ("qwen3", {"hidden_act": "gelu"}, "hidden_act: need one of ['silu'], got 'gelu'"),
        ("qwen3", {"surprise": 1}, "unknown option 1"),
        ("llama", {"mlp_bias": True}, "mlp_bias: need one of [False, None]"),
        ("llama", {"pretraining_tp": 2}, "pretraining_tp: need one of [1, None]"),
        ("llama", {"rope_parameters": {"rope_type": "llama3"}}, "need one of ['default', None]"),
        ("llama", {"bos_token_id": 300}, "bos_token_id: need 0..299, got 300"),
        ("llama", {"eos_token_id": 999}, "eos_token_id: need 0..299, got 999"),
        ("gpt2", {"activation_function": "relu"}, "activation_function: need one of ['gelu_new'"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "need one of [False], got True"),
        ("gpt2", {"tie_word_embeddings": False}, "tie_word_embeddings: need one of [True]"),
        ("gpt2", {"add_cross_attention": True}, "add_cross_attention: need one of [False]"),
        ("gpt2", {"n_ctx": 39}, "n_ctx: need one of [40], got 39"),
        ("gpt2", {"n_head": 7}, "n_head: n_embd 24 needs 7 heads of an even width"),
        ("gpt2", {"n_layer": 3}, "tensor 'transformer.h.2.attn.c_attn.bias' is missing"),
        ("gpt2", {"n_layer": 1}, "tensor 'transformer.h.1.attn.c_attn.bias' has no place"),
    ],
)
def test_what_is_not_understood_is_refused(
    name: str, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    reference(name, tmp_path)
    refused(InputError, message, load_judge, rewrite(tmp_path, **changes))


def test_other_architectures_are_named(tmp_path: Path) -> None:
    reference("qwen2", tmp_path)
    rewrite(tmp_path, architectures=["GemmaForCausalLM"])
    hint = refused(
        MissingModelError, "GPT2LMHeadModel, got ['GemmaForCausalLM']", load_judge, tmp_path
    )
    assert "as a function of token ids" in hint


def test_a_judge_without_a_tokenizer(tmp_path: Path) -> None:
    reference("qwen2", tmp_path)
    (tmp_path / "tokenizer_config.json").unlink()
    hint = refused(UsageError, "has no tokenizer, and a judge reads texts", load_judge, tmp_path)
    assert "tokenizer.json" in hint


def test_a_start_token_that_is_text(tmp_path: Path) -> None:
    reference("qwen2", tmp_path)
    rewrite(tmp_path, bos_token_id=65)
    refused(InputError, "in its tokenizer it is the text 'A'", load_judge, tmp_path)
