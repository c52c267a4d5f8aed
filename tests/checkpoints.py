"""Small checkpoints of every family, in the layout that its authors publish."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file
from torch import Tensor

from schedopt.models.families import FAMILIES
from schedopt.models.fields import Fields
from schedopt.models.weights import published_parts, published_shapes

# Every size differs from the others, so that no two axes can be taken for each other.
PUBLISHED: Final[dict[str, Any]] = {
    "architectures": ["LLaDAModelLM"],
    "model_type": "llada",
    "activation_type": "silu",
    "block_type": "llama",
    "d_model": 24,
    "embedding_size": 20,
    "eos_token_id": 17,
    "layer_norm_type": "rms",
    "mask_token_id": 18,
    "max_sequence_length": 16,
    "mlp_hidden_size": 14,
    "n_heads": 6,
    "n_kv_heads": 6,
    "n_layers": 2,
    "rms_norm_eps": 1e-3,  # large enough to matter
    "rope": True,
    "rope_theta": 50.0,
    "vocab_size": 19,
    "weight_tying": False,
}
# What the configs of Qwen2, Qwen3, Dream and Llama have in common, as transformers 4 writes it.
_QWEN: Final[dict[str, Any]] = {
    "attention_dropout": 0.0,
    "bos_token_id": 15,
    "eos_token_id": 17,
    "hidden_act": "silu",
    "hidden_size": 24,
    "initializer_range": 0.02,
    "intermediate_size": 14,
    "max_position_embeddings": 80,
    "num_attention_heads": 6,
    "num_hidden_layers": 2,
    "num_key_value_heads": 3,
    "pad_token_id": 16,
    "rms_norm_eps": 1e-3,
    "rope_scaling": None,
    "rope_theta": 50.0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.46.3",
    "use_cache": False,
    "vocab_size": 20,
}
_WINDOWS: Final[dict[str, Any]] = {
    "max_window_layers": 2,
    "sliding_window": None,
    "use_sliding_window": False,
}
FAMILY_CONFIGS: Final[dict[str, dict[str, Any]]] = {
    "llada": PUBLISHED,
    "dream": _QWEN
    | _WINDOWS
    | {
        "architectures": ["DreamModel"],
        "auto_map": {"AutoModel": "modeling_dream.DreamModel"},
        "mask_token_id": 18,
        "model_type": "Dream",
        "use_mrope": False,
    },
    "a2d-qwen2": _QWEN
    | _WINDOWS
    | {
        "architectures": ["A2DQwen2LMHeadModel"],
        "layer_types": ["full_attention"] * 2,
        "model_type": "a2d-qwen2",
        "tie_word_embeddings": True,
    },
    "a2d-qwen3": _QWEN
    | _WINDOWS
    | {
        "architectures": ["A2DQwen3LMHeadModel"],
        "attention_bias": False,
        "head_dim": 10,  # wider than 24 / 6
        "layer_types": ["full_attention"] * 2,
        "model_type": "a2d-qwen3",
        "tie_word_embeddings": True,
    },
    "illada": _QWEN
    | {
        "architectures": ["ILLaDAForCausalLM"],
        "attention_bias": False,
        "layer_norm_eps": None,
        "mlp_bias": False,
        "model_type": "illada",
        "resid_pdrop": 0.0,
        "tie_word_embeddings": True,
    },
    "llada-moe": {key: value for key, value in _QWEN.items() if key != "intermediate_size"}
    | {
        "architectures": ["LLaDAMoEModelLM"],
        "attention_bias": False,
        "clip_qkv": None,
        "dense_intermediate_size": 14,
        "expert_intermediate_size": 9,
        "model_type": "llada",
        "moe_layer_freq": [1, 1],
        "moe_router_enable_expert_bias": False,
        "moe_router_score_function": "softmax",
        "norm_topk_prob": None,
        "num_experts": 7,
        "num_experts_per_tok": 3,
        "output_router_logits": False,
        "partial_rotary_factor": 1,
        "qk_layernorm": True,
        "routed_scaling_factor": 1,
        "router_aux_loss_coef": 0.01,
        "router_num_group": None,
        "router_topk_group": None,
        "shared_expert_intermediate_size": None,
    },
    "llada2": _QWEN
    | _WINDOWS
    | {
        "architectures": ["LLaDA2MoeModelLM"],
        "dtype": "bfloat16",
        "embedding_dropout": 0.0,
        "first_k_dense_replace": 1,
        "head_dim": 12,
        "model_type": "llada2_moe",
        "moe_intermediate_size": 9,
        "moe_router_enable_expert_bias": True,
        "n_group": 3,
        "norm_head": False,
        "norm_topk_prob": True,
        "num_experts": 12,
        "num_experts_per_tok": 4,
        "num_shared_experts": 1,
        "output_dropout": 0.0,
        "output_router_logits": False,
        "partial_rotary_factor": 0.5,
        "routed_scaling_factor": 2.5,
        "router_dtype": "fp32",
        "score_function": "sigmoid",
        "topk_group": 2,
        "use_bias": False,
        "use_qk_norm": True,
        "use_qkv_bias": False,
    },
    "mdlm": {
        "architectures": ["MDLM"],
        "cond_dim": 11,
        "dropout": 0.1,
        "hidden_dim": 24,
        "model_length": 80,
        "model_type": "mdlm",
        "n_blocks": 2,
        "n_heads": 6,
        "return_dict": False,
        "time_conditioning": False,
        "torch_dtype": "float32",
        "transformers_version": "4.38.2",
        "vocab_size": 20,
    },
}
MASK_ID: Final = 18  # for the families whose own is beyond so small a vocabulary


def changed(config: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A config with some fields changed; those set to ... are left out."""
    return {key: value for key, value in (config | changes).items() if value is not ...}


def published(**changes: Any) -> dict[str, Any]:
    """``PUBLISHED`` with some fields changed; those set to ... are left out."""
    return changed(PUBLISHED, **changes)


def random_weights(config: dict[str, Any], *, seed: int = 0) -> dict[str, Tensor]:
    """Weights of every tensor that a published config asks for, large enough to matter."""
    generator = torch.Generator().manual_seed(seed)
    family = FAMILIES[config["architectures"][0]]
    with torch.device("meta"):
        network = family.read(Fields(config)).build()
    shapes = published_shapes(network, published_parts(network, family.published))
    return {
        name: torch.randn(shape, generator=generator) * (1.0 if len(shape) == 1 else 0.5)
        for name, shape in shapes.items()
    }


def write_checkpoint(
    folder: Path, config: dict[str, Any], shards: list[dict[str, Tensor]] | None = None
) -> Path:
    """Write ``config.json`` and the weights: random ones, or these shards with an index."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    if shards is None:
        save_file(random_weights(config), folder / "model.safetensors")
        return folder
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_file(shard, folder / name)
        weight_map |= dict.fromkeys(shard, name)
    total = sum(value.nbytes for shard in shards for value in shard.values())
    write_index(folder, weight_map, total)
    return folder


def write_index(folder: Path, weight_map: object, total: object = 0) -> None:
    """Write the index that names the shard of each tensor."""
    document = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(document))
