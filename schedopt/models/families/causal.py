"""Autoregressive families: Qwen2, Qwen3 and Llama as published, with their causal mask.

They judge texts and denoise nothing: see ``load_autoregressive``. So does ``gpt2``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from schedopt.models.families.family import (
    HARMLESS,
    Family,
    published_as_qwen,
    read_layers,
    read_transformer,
)
from schedopt.models.families.qwen import read_qwen2, read_qwen3
from schedopt.models.fields import Fields
from schedopt.models.transformer import TransformerConfig


def causal(
    read: Callable[[Fields], TransformerConfig],
) -> Callable[[Fields], TransformerConfig]:
    """The reader of the same network with its causal mask; row i scores token i + 1."""

    def read_causal(fields: Fields) -> TransformerConfig:
        return replace(read(fields), attention_block=1, shift=1)

    return read_causal


def read_llama(fields: Fields) -> TransformerConfig:
    """Llama without its causal mask."""
    fields.only("mlp_bias", False, None)
    fields.only("pretraining_tp", 1, None)  # more of them only sum in another order
    bias = fields.flag("attention_bias", False)
    layers = read_layers(fields, "num_hidden_layers")
    width = fields.whole("intermediate_size")
    return read_transformer(fields, layers, width, qkv_bias=bias, o_bias=bias)


QWEN2: Final = Family(
    "Qwen2",
    causal(read_qwen2),
    HARMLESS | {"attention_bias"},  # its code has its biases whatever this says
    published_as_qwen,
)
QWEN3: Final = Family("Qwen3", causal(read_qwen3), HARMLESS, published_as_qwen)
LLAMA: Final = Family("Llama", causal(read_llama), HARMLESS, published_as_qwen)
