"""What the training scripts share: how a network begins, its optimisers, and its folder.

Rates run on the clock, so that a run ends on time whatever the machine's speed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from schedopt.models.transformer import Transformer, TransformerConfig

WARM_UP = 100  # steps
FALL = 0.6  # share of the time in which rates fall to 0


def build(config: TransformerConfig, generator: torch.Generator) -> Transformer:
    """A network on the generator's device, whose residual branches start silent."""
    network = config.build().to(generator.device)
    for name, parameter in network.named_parameters():
        if parameter.ndim < 2:
            continue
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            torch.nn.init.zeros_(parameter)
        else:
            std = 0.02 if "embed" in name else parameter.shape[1] ** -0.5
            torch.nn.init.normal_(parameter, std=std, generator=generator)
    if generator.device.type == "cuda":
        for layer in network.layers:
            layer.compile(dynamic=False)
    return network


class Optimisers:
    """Muon for the matrices of the layers, AdamW for all else."""

    def __init__(
        self, network: Transformer, *, muon_lr: float, adam_lr: float, weight_decay: float = 0.01
    ) -> None:
        matrices, others = [], []
        for name, parameter in network.named_parameters():
            own = parameter.ndim == 2 and name.startswith("layers.")
            (matrices if own else others).append(parameter)
        self._network, self._steps = network, 0
        self._optimisers: dict[torch.optim.Optimizer, float] = {
            torch.optim.Muon(
                matrices, lr=muon_lr, momentum=0.95, weight_decay=weight_decay
            ): muon_lr,
            torch.optim.AdamW(others, lr=adam_lr, betas=(0.9, 0.95), weight_decay=0.0): adam_lr,
        }

    def step(self, loss: Tensor, progress: float) -> None:
        """Take a step down the loss, when so much of the time is over, 0 to 1."""
        self._steps += 1
        rate = min(1.0, self._steps / WARM_UP) * min(1.0, (1.0 - progress) / FALL)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
        for optimiser, base in self._optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = base * rate
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)


def weighted_nll(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Mean over rows of the weighted sum of NLL; logits (B, L, V), the rest (B, L)."""
    nll = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none")
    return (nll.view_as(weights) * weights).sum() / len(weights)


def save_model(
    folder: Path,
    network: Transformer,
    published: Callable[[str], str],
    config: dict[str, object],
    record: dict[str, object],
) -> None:
    """Write weights in fp16 under their published names, the config, and what training was."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {published(k): v.half().contiguous().cpu() for k, v in network.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", config)
    write_json(folder / "training.json", record)


def write_json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=1) + "\n")
