"""Checkpoints of the LLaDA layout that the tests of loading and of the network share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file
from torch import Tensor

from schedopt.models.transformer import LLaDA, LLaDAConfig

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


def published(**changes: Any) -> dict[str, Any]:
    """``PUBLISHED`` with some fields changed; those set to ... are left out."""
    return {key: value for key, value in (PUBLISHED | changes).items() if value is not ...}


def random_weights(config: dict[str, Any], *, seed: int = 0) -> dict[str, Tensor]:
    """Weights of every tensor that a published config asks for, large enough to matter."""
    generator = torch.Generator().manual_seed(seed)
    shapes = LLaDA(LLaDAConfig.from_published(config)).state_dict()
    return {
        name: torch.randn(value.shape, generator=generator) * (1.0 if value.ndim == 1 else 0.5)
        for name, value in shapes.items()
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
    write_index(folder, weight_map)
    return folder


def write_index(folder: Path, weight_map: object) -> None:
    """Write the index that names the shard of each tensor."""
    document = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(document))
