"""GPT-2 in all sizes: a judge."""

from __future__ import annotations

from typing import Final

from schedopt.models.families.family import Family, even_share, read_layers
from schedopt.models.fields import Fields
from schedopt.models.gpt2 import GPT2Config

# What the published names of all tensors but the head begin with, unless the file is OpenAI's.
PREFIX: Final = "transformer."


def read(fields: Fields) -> GPT2Config:
    """What decides the logits."""
    fields.only("activation_function", "gelu_new", "gelu_pytorch_tanh")
    fields.only("scale_attn_weights", True)
    fields.only("scale_attn_by_inverse_layer_idx", False)
    fields.only("reorder_and_upcast_attn", False)
    fields.only("tie_word_embeddings", True)
    width = fields.whole("n_embd")
    heads = fields.whole("n_head")
    even_share(fields, ("n_embd", width), "n_head", heads)
    positions = fields.whole("n_positions")
    fields.only("n_ctx", positions)
    return GPT2Config(
        vocab_size=fields.whole("vocab_size"),
        n_embd=width,
        n_layer=read_layers(fields, "n_layer"),
        n_head=heads,
        n_positions=positions,
        n_inner=fields.whole("n_inner", 4 * width),
        layer_norm_epsilon=fields.positive("layer_norm_epsilon", 1e-5),
    )


def published(name: str) -> str:
    """Published name of a tensor: the head stands alone.

    Example:
        >>> published("h.3.attn.c_attn.weight"), published("lm_head.weight")
        ('transformer.h.3.attn.c_attn.weight', 'lm_head.weight')
    """
    return name if name.startswith("lm_head.") else f"{PREFIX}{name}"


GPT2: Final = Family(
    "GPT-2",
    read,
    frozenset(
        "attn_pdrop embd_pdrop resid_pdrop summary_activation summary_first_dropout "
        "summary_proj_to_labels summary_type summary_use_proj".split()
    ),
    published,
    prefix=PREFIX,
)
