"""Families that write their configs and tensors as Qwen and Llama do: Dream, A2D-Qwen, iLLaDA."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from schedopt.models.families.family import (
    HARMLESS,
    Family,
    published_as_qwen,
    read_layers,
    read_transformer,
)
from schedopt.models.fields import Fields
from schedopt.models.transformer import TransformerConfig


def _sizes(fields: Fields) -> tuple[int, int]:
    return read_layers(fields, "num_hidden_layers"), fields.whole("intermediate_size")


def read_dream(fields: Fields) -> TransformerConfig:
    """Dream, Dream-Coder, DiffuCoder: grown from Qwen2.5, and row i goes on scoring token i + 1."""
    config = read_transformer(fields, *_sizes(fields), qkv_bias=True, own_head_dim=False)
    return replace(config, shift=1)


def read_qwen2(fields: Fields) -> TransformerConfig:
    """Qwen2 and Qwen2.5 without their causal mask."""
    return read_transformer(fields, *_sizes(fields), qkv_bias=True)


def read_qwen3(fields: Fields) -> TransformerConfig:
    """Qwen3 without its causal mask."""
    bias = fields.flag("attention_bias", False)
    return read_transformer(fields, *_sizes(fields), qkv_bias=bias, o_bias=bias, qk_norm=True)


def read_illada(fields: Fields) -> TransformerConfig:
    """iLLaDA: Llama without its causal mask."""
    fields.only("layer_norm_eps", None)  # with it, layer norms would take the place of RMS norms
    fields.only("mlp_bias", False, None)
    fields.only("pretraining_tp", 1, None)
    bias = fields.flag("attention_bias", False)
    # tie_word_embeddings is written only where it is not true, the default of all configs.
    return read_transformer(
        fields, *_sizes(fields), qkv_bias=bias, o_bias=bias, tied=True, own_head_dim=False
    )


DREAM: Final = Family("Dream", read_dream, HARMLESS, published_as_qwen)
A2D_QWEN2: Final = Family(
    "A2D-Qwen2",
    read_qwen2,
    HARMLESS | {"attention_bias"},  # Qwen2's code has its biases whatever this says
    published_as_qwen,
    mask_id=151665,
    mask_source="the <|mask|> that dLLM adds after the tokens of Qwen2.5",
)
A2D_QWEN3: Final = Family(
    "A2D-Qwen3",
    read_qwen3,
    HARMLESS,
    published_as_qwen,
    mask_id=151669,
    mask_source="the <|mask|> that dLLM adds after the tokens of Qwen3",
)
ILLADA: Final = Family(
    "iLLaDA",
    read_illada,
    HARMLESS | {"embd_pdrop", "resid_pdrop"},
    published_as_qwen,
    mask_id=5,
    mask_source="the <[MASK]> of its published generation code",
)
