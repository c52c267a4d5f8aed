"""LLaDA-8B Base and Instruct, LLaDA-1.5, and the bundled models.

``ff_proj`` is the gate, ``up_proj`` the up projection, a block's ``ff_out`` the down projection,
and the transformer's ``ff_out`` the head.
"""

from __future__ import annotations

import re
from typing import Final

from schedopt.models.families.family import Family, read_heads, read_layers
from schedopt.models.fields import Fields
from schedopt.models.transformer import TransformerConfig

# Options of the published config that change the mathematics, and the values implemented here.
_IMPLEMENTED: Final[dict[str, tuple[object, ...]]] = {
    "activation_type": ("silu",),
    "alibi": (False,),
    "attention_layer_norm": (False,),
    "bias_for_layer_norm": (False, None),
    "block_group_size": (1,),
    "block_type": ("llama",),
    "include_bias": (False,),
    "include_qkv_bias": (False, None),
    "input_emb_norm": (False,),
    "layer_norm_type": ("rms",),
    "layer_norm_with_affine": (True,),
    "multi_query_attention": (None, False),
    "rope": (True,),
    "rope_full_precision": (True,),
    "scale_logits": (False,),
}
# Training, kernels, and what an option that is off would have used. The published code ties the
# head by weight_tying alone.
_HARMLESS: Final = frozenset(
    "alibi_bias_max attention_dropout attention_layer_norm_with_affine embedding_dropout "
    "flash_attention init_cutoff_factor init_device init_fn init_std precision residual_dropout "
    "tie_word_embeddings".split()
)
_NAMES: Final = {
    "embed_tokens": "wte",
    "norm": "ln_f",
    "lm_head": "ff_out",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "q_proj",
    "self_attn.k_proj": "k_proj",
    "self_attn.v_proj": "v_proj",
    "self_attn.o_proj": "attn_out",
    "post_attention_layernorm": "ff_norm",
    "mlp.gate_proj": "ff_proj",
    "mlp.up_proj": "up_proj",
    "mlp.down_proj": "ff_out",
}


def read(fields: Fields) -> TransformerConfig:
    """What decides the logits."""
    for name, accepted in _IMPLEMENTED.items():
        fields.only(name, *accepted)
    width = fields.whole("d_model")
    layers = read_layers(fields, "n_layers")
    heads, kv_heads, head_dim = read_heads(
        fields, ("d_model", width), "n_heads", "n_kv_heads", own_head_dim=False
    )
    ratio = fields.whole("mlp_ratio", 4)
    vocab_size = fields.whole("vocab_size")
    return TransformerConfig(
        # The head and the embedding have embedding_size rows where it exceeds the vocabulary.
        vocab_size=max(vocab_size, fields.whole("embedding_size", vocab_size)),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=head_dim,
        intermediate_size=fields.whole("mlp_hidden_size", ratio * width),
        max_position_embeddings=fields.whole("max_sequence_length"),
        rope_theta=fields.positive("rope_theta", 10000.0),
        rms_norm_eps=fields.positive("rms_norm_eps", 1e-5),
        tie_word_embeddings=fields.flag("weight_tying", False),
        rope_full_precision=True,
    )


def published(name: str) -> str:
    """Published name of a tensor.

    Example:
        >>> published("layers.3.mlp.gate_proj.weight")
        'model.transformer.blocks.3.ff_proj.weight'
    """
    stem, _, kind = name.rpartition(".")
    layer = re.fullmatch(r"layers\.(\d+)\.(.+)", stem)
    place = f"blocks.{layer[1]}.{_NAMES[layer[2]]}" if layer else _NAMES[stem]
    return f"model.transformer.{place}.{kind}"


LLADA: Final = Family("LLaDA", read, _HARMLESS, published)
