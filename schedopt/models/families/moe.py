"""The mixtures of experts: LLaDA-MoE and LLaDA2."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from schedopt.models.experts import ExpertsConfig, GroupedSigmoid
from schedopt.models.families.family import (
    HARMLESS,
    Family,
    published_as_qwen,
    read_layers,
    read_transformer,
)
from schedopt.models.fields import Fields
from schedopt.models.transformer import TransformerConfig

# In no file; block_length of the published generation code of LLaDA2.
LLADA2_BLOCK: Final = 32


def _chosen(fields: Fields, experts: int) -> int:
    return fields.whole("num_experts_per_tok", most=experts)


# LLaDA-MoE


def read_llada_moe(fields: Fields) -> TransformerConfig:
    """Softmax over all experts, the k largest, never renormalised."""
    fields.only("clip_qkv", None)
    fields.only("moe_router_score_function", "softmax", None)
    fields.only("moe_router_enable_expert_bias", False, None)
    layers = read_layers(fields, "num_hidden_layers")
    freq = fields.take("moe_layer_freq", [1] * layers)
    if not isinstance(freq, list) or len(freq) != layers or any(x not in (0, 1) for x in freq):
        raise fields.fault("moe_layer_freq", f"need a 0 or 1 for each of {layers} layers")
    dense = 0 if all(freq) else fields.whole("dense_intermediate_size")
    bias = fields.flag("attention_bias", False)
    config = read_transformer(
        fields,
        layers,
        dense,
        qkv_bias=bias,
        o_bias=bias,
        qk_norm=fields.flag("qk_layernorm", True),
        own_head_dim=False,
    )
    experts = fields.whole("num_experts")
    return replace(
        config,
        experts=ExpertsConfig(
            num_experts=experts,
            num_experts_per_tok=_chosen(fields, experts),
            intermediate_size=fields.whole("expert_intermediate_size"),
            shared_intermediate_size=fields.whole("shared_expert_intermediate_size", 0, least=0),
        ),
        moe_layer_freq=tuple(map(bool, freq)),
    )


def published_llada_moe(name: str) -> str:
    """Published name of a tensor: a shared expert stands beside the others, not among them."""
    return published_as_qwen(name.replace(".mlp.shared_experts.", ".shared_expert."))


# LLaDA2


def read_llada2(fields: Fields) -> TransformerConfig:
    """Sigmoid scores, groups, a shared expert, and attention to a block and those before it."""
    fields.only("norm_head", False, None)
    fields.only("norm_softmax", False, None)
    fields.only("norm_topk_prob", True, None)
    fields.only("use_rmsnorm", True, None)
    fields.only("multi_gate", False, None)
    fields.only("using_split_qkv_in_self_attention", False, None)
    fields.only("score_function", "sigmoid", None)
    fields.only("num_nextn_predict_layers", 0, None)
    layers = read_layers(fields, "num_hidden_layers")
    dense_layers = fields.whole("first_k_dense_replace", 0, least=0, most=layers)
    dense = fields.whole("intermediate_size") if dense_layers else 0
    config = read_transformer(
        fields,
        layers,
        dense,
        qkv_bias=fields.flag("use_qkv_bias", False),
        o_bias=fields.flag("use_bias", False),
        qk_norm=fields.flag("use_qk_norm", True),
    )
    experts = fields.whole("num_experts", least=2)
    chosen = _chosen(fields, experts)
    groups = fields.whole("n_group", most=experts // 2)
    open_groups = fields.whole("topk_group", most=groups)
    if experts % groups:
        raise fields.fault("n_group", f"{groups} does not divide {experts} experts")
    if experts // groups * open_groups < chosen:
        raise fields.fault("topk_group", f"{open_groups} groups hold fewer than {chosen} experts")
    width = fields.whole("moe_intermediate_size")
    shared = fields.whole("num_shared_experts", 0, least=0) * width
    fields.only("moe_shared_expert_intermediate_size", None, shared)
    return replace(
        config,
        experts=ExpertsConfig(
            num_experts=experts,
            num_experts_per_tok=chosen,
            intermediate_size=width,
            shared_intermediate_size=shared,
            routing=GroupedSigmoid(
                n_group=groups,
                topk_group=open_groups,
                routed_scaling_factor=fields.positive("routed_scaling_factor"),
            ),
        ),
        moe_layer_freq=(False,) * dense_layers + (True,) * (layers - dense_layers),
        attention_block=LLADA2_BLOCK,
    )


_LLADA2_NAMES: Final = {
    "embed_tokens": "word_embeddings",
    "q_proj": "query_key_value",
    "k_proj": "query_key_value",
    "v_proj": "query_key_value",
    "o_proj": "dense",
    "q_norm": "query_layernorm",
    "k_norm": "key_layernorm",
    "self_attn": "attention",
}
_LLADA2_NAME: Final = re.compile(rf"\b({'|'.join(_LLADA2_NAMES)})\b")


def published_llada2(name: str) -> str:
    """Published name of a tensor; queries, keys and values are one.

    Example:
        >>> published_llada2("layers.3.self_attn.k_proj.weight")
        'model.layers.3.attention.query_key_value.weight'
    """
    return published_as_qwen(_LLADA2_NAME.sub(lambda match: _LLADA2_NAMES[match[0]], name))


LLADA_MOE: Final = Family(
    "LLaDA-MoE",
    read_llada_moe,
    HARMLESS
    | {
        "dense_intermediate_size",  # where no layer is dense
        "output_router_logits",
        "router_aux_loss_coef",
        # The published code stores these and never looks at them.
        "norm_topk_prob",
        "routed_scaling_factor",
        "router_num_group",
        "router_topk_group",
    },
    published_llada_moe,
    mask_id=156895,
    mask_source="the mask_id of its published generation code",
    eos_id=156892,
)
LLADA2: Final = Family(
    "LLaDA2",
    read_llada2,
    HARMLESS
    | {
        "embedding_dropout",
        "intermediate_size",  # where no layer is dense
        "mtp_loss_scaling_factor",
        "output_dropout",
        "output_router_logits",
        "router_aux_loss_coef",
        "router_dtype",  # always float32
        # What the published code has in any case; the tensors say what is there.
        "moe_router_enable_expert_bias",
        "moe_router_enable_routed_scaling",
        "moe_router_enable_shared_expert",
        "rotary_dim",
    },
    published_llada2,
    mask_id=156895,
    mask_source="the mask_id of its published generation code",
    eos_id=156892,
)
