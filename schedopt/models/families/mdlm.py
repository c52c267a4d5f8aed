"""MDLM: the diffusion transformer that its authors publish without a noise level."""

from __future__ import annotations

from typing import Final

from schedopt.models.dit import DiTConfig
from schedopt.models.families.family import Family, even_share, read_layers
from schedopt.models.fields import Fields


def read(fields: Fields) -> DiTConfig:
    """What decides the logits."""
    if fields.flag("time_conditioning", False):
        raise fields.fault(
            "time_conditioning",
            "need false, got true",
            "such a network wants a noise level with every query, and a set of known positions "
            "has none",
        )
    width = fields.whole("hidden_dim")
    heads = fields.whole("n_heads")
    even_share(fields, ("hidden_dim", width), "n_heads", heads)
    return DiTConfig(
        vocab_size=fields.whole("vocab_size"),
        hidden_dim=width,
        n_blocks=read_layers(fields, "n_blocks"),
        n_heads=heads,
        cond_dim=fields.whole("cond_dim"),
        model_length=fields.whole("model_length"),
    )


MDLM: Final = Family(
    "MDLM",
    read,
    frozenset({"dropout", "tie_word_embeddings"}),
    lambda name: f"backbone.{name}",
    mask_id=-1,
    mask_source="the token that its authors add after those of the tokenizer",
    eos_id=50256,  # of GPT-2's tokenizer
)
