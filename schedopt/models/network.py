"""A trained network as a denoiser."""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch
from torch import Tensor

from schedopt.models.backbone import Backbone
from schedopt.models.batches import BatchedDenoiser
from schedopt.models.head import project, reduce_rows
from schedopt.models.tokenizer import Tokenizer


class NetworkDenoiser(BatchedDenoiser):
    """A network that predicts every position at once, queried only where asked.

    Args:
        network: The network, on its device and in its dtype.
        mask_id: Token of an unknown position.
        eos_id: Token that ends a text, or None.
        tokenizer: Text to tokens and back, or None.
        provenance: Name, hash and the like, for files.
        bos_id: Token to stand first where row i of the network scores token i + 1, or None.
    """

    def __init__(
        self,
        network: Backbone,
        *,
        mask_id: int,
        eos_id: int | None,
        tokenizer: Tokenizer | None,
        provenance: Mapping[str, str | int],
        bos_id: int | None = None,
    ) -> None:
        self.network = network.eval().requires_grad_(False)
        weight, _ = network.output
        on_cpu = weight.device.type == "cpu"
        super().__init__(
            vocab_size=network.vocab_size,
            max_length=network.max_length,
            mask_id=mask_id,
            eos_id=eos_id,
            bos_id=bos_id,
            shift=network.shift,
            tokenizer=tokenizer,
            provenance=provenance,
            device=weight.device,
            dtype=weight.dtype,
            pads=True,
            threads=min(torch.get_num_threads(), os.cpu_count() or 1) if on_cpu else None,
        )

    def flops(self, length: int) -> float:
        """Floating-point operations of one forward pass of one sequence, all rows asked for."""
        return self.network.flops(length)

    def _states(self, tokens: Tensor, padding: Tensor | None) -> Tensor:
        return self.network.hidden(tokens, padding)

    def _head(self, states: Tensor) -> Tensor:
        return project(self.network.rows(states), *self.network.output)

    def _reduce(self, states: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        rows = self.network.rows(states)
        return reduce_rows(rows, *self.network.output, targets, mask_id=self.mask_id)

    def _cost(self, sequences: int, length: int, rows: int) -> float:
        spared = sequences * length - rows  # rows that the head did not see
        weight, _ = self.network.output
        return sequences * self.network.flops(length) - 2.0 * spared * weight.numel()

    def _bytes_a_token(self) -> float:
        # Residual, norm, heads, gate and products: within 64 times the width in the networks here.
        weight, _ = self.network.output
        return 64.0 * weight.shape[1] * weight.element_size()
