"""What a family of checkpoints is, and what the readers of several families share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from schedopt.models.dit import DiTConfig
from schedopt.models.fields import MOST_LAYERS, Fields
from schedopt.models.gpt2 import GPT2Config
from schedopt.models.transformer import TransformerConfig

NetworkConfig = TransformerConfig | DiTConfig | GPT2Config


@dataclass(frozen=True)
class Family:
    """How one published architecture is read.

    Attributes:
        name: As in papers and on the hub.
        read: Takes from the fields of a config what decides the logits.
        harmless: Fields of the family that do not bear on the logits, beside ``GENERIC``.
        published: Published name of a tensor of ours; several of ours may share one, of which
            the published tensor is the concatenation, along rows, in our order.
        mask_id: Token of an unknown position where no file names it; -1 is the last one.
        mask_source: Where that is known from.
        eos_id: Token that ends a text where the config does not name it.
        prefix: What published names begin with, unless no name of a checkpoint does.
    """

    name: str
    read: Callable[[Fields], NetworkConfig]
    harmless: frozenset[str]
    published: Callable[[str], str]
    mask_id: int | None = None
    mask_source: str = ""
    eos_id: int | None = None
    prefix: str = ""

    def names_of(self, tensors: Iterable[str]) -> Callable[[str], str]:
        """Published name of a tensor of ours in a checkpoint that has these."""
        if any(name.startswith(self.prefix) for name in tensors):
            return self.published
        return lambda name: self.published(name).removeprefix(self.prefix)


# Bookkeeping that the base class of every published config writes: versions, dtypes, settings of
# generation and of other kinds of models. None of it reaches the forward pass of these networks.
GENERIC: Final = frozenset(
    "_attn_implementation _attn_implementation_autoset _attn_implementation_internal _commit_hash "
    "_name_or_path architectures attn_implementation auto_map bad_words_ids begin_suppress_tokens "
    "chunk_size_feed_forward cross_attention_hidden_size decoder_start_token_id "
    "diversity_penalty do_sample dtype early_stopping encoder_no_repeat_ngram_size "
    "exponential_decay_length_penalty finetuning_task forced_bos_token_id forced_eos_token_id "
    "id2label initializer_range is_decoder label2id length_penalty max_length "
    "min_length model_type no_repeat_ngram_size num_beam_groups num_beams num_labels "
    "num_return_sequences output_attentions output_hidden_states output_scores pad_token_id prefix "
    "problem_type remove_invalid_values repetition_penalty return_dict return_dict_in_generate "
    "sep_token_id suppress_tokens task_specific_params temperature tf_legacy_loss "
    "tie_encoder_decoder tokenizer_class top_k top_p torch_dtype torchscript transformers_version "
    "typical_p use_bfloat16 use_cache".split()
)


def refuse_generic_options(fields: Fields) -> None:
    """Refuse the settings of the base class that would be another network."""
    fields.only("is_encoder_decoder", False)
    fields.only("add_cross_attention", False)
    fields.only("pruned_heads", {}, None)


def read_layers(fields: Fields, name: str) -> int:
    """The number of blocks."""
    return fields.whole(name, most=MOST_LAYERS)


def read_heads(
    fields: Fields, width: tuple[str, int], heads: str, kv_heads: str, *, own_head_dim: bool
) -> tuple[int, int, int]:
    """Heads of queries, heads of keys and values, and the width of a head.

    Args:
        fields: Of the config.
        width: Name and value of the width of the residual stream.
        heads: Name of the field.
        kv_heads: Name of the field; as many as heads where it is not there.
        own_head_dim: Whether ``head_dim`` decides the width of a head, where it is there.
    """
    count = fields.whole(heads)
    kv_count = fields.whole(kv_heads, count)
    if count % kv_count:
        raise fields.fault(kv_heads, f"{kv_count} does not divide {count} heads")
    if own_head_dim and fields.has("head_dim"):
        head_dim = fields.whole("head_dim")
        if head_dim % 2:
            raise fields.fault("head_dim", f"need an even width, got {head_dim}")
        return count, kv_count, head_dim
    head_dim = even_share(fields, width, heads, count)
    fields.only("head_dim", None, head_dim)
    return count, kv_count, head_dim


def even_share(fields: Fields, width: tuple[str, int], heads: str, count: int) -> int:
    """Width of a head where all of them together are as wide as the residual stream."""
    name, value = width
    if value % count or value // count % 2:
        raise fields.fault(heads, f"{name} {value} needs {count} heads of an even width")
    return value // count


def read_rope(fields: Fields) -> tuple[float, float]:
    """Base of the rotary frequencies, and the share of a head that is rotated.

    Transformers 4 writes ``rope_theta``, ``partial_rotary_factor`` and ``rope_scaling``;
    transformers 5 writes ``rope_parameters``, which holds them all.
    """
    for name in ("rope_scaling", "rope_parameters"):
        inner = fields.take(name, {})
        if not isinstance(inner, dict):
            raise fields.fault(name, f"need an object, got {inner!r}")
        rope = Fields(inner, fields.where, f"$.{name}")
        for kind in ("rope_type", "type"):
            rope.only(kind, "default", None)
        rope.only("factor", 1.0, 1, None)
        for value in ("rope_theta", "partial_rotary_factor"):
            found = rope.take(value)
            if found is not None and fields.left.setdefault(value, found) != found:
                stated = fields.left[value]
                raise rope.fault(value, f"{found!r}, where the config itself says {stated!r}")
        rope.finish(harmless=())
    return fields.positive("rope_theta"), fields.positive("partial_rotary_factor", 1.0, most=1.0)


def refuse_windows(fields: Fields) -> None:
    """Refuse windows of attention that are in use; their sizes alone mean nothing."""
    fields.only("use_sliding_window", False, None)
    kinds = fields.take("layer_types", [])
    if not isinstance(kinds, list) or any(kind != "full_attention" for kind in kinds):
        raise fields.fault("layer_types", f"need only 'full_attention', got {kinds!r}")


# Fields of the readers below that do not bear on the logits.
HARMLESS: Final = frozenset({"attention_dropout", "max_window_layers", "sliding_window"})


def read_transformer(
    fields: Fields,
    layers: int,
    intermediate_size: int,
    *,
    qkv_bias: bool = False,
    o_bias: bool = False,
    qk_norm: bool = False,
    tied: bool = False,
    own_head_dim: bool = True,
) -> TransformerConfig:
    """A config that names its fields as Qwen and Llama do.

    Args:
        fields: Of the config.
        layers: The number of blocks.
        intermediate_size: Width of the SwiGLU.
        qkv_bias: Whether queries, keys and values have biases.
        o_bias: Whether the projection after attention has one.
        qk_norm: Whether queries and keys are normed.
        tied: Whether the head is the embedding where the config does not say.
        own_head_dim: Whether ``head_dim`` decides the width of a head.
    """
    fields.only("hidden_act", "silu")
    fields.only("use_mrope", False, None)
    refuse_windows(fields)
    width = fields.whole("hidden_size")
    heads, kv_heads, head_dim = read_heads(
        fields,
        ("hidden_size", width),
        "num_attention_heads",
        "num_key_value_heads",
        own_head_dim=own_head_dim,
    )
    theta, partial = read_rope(fields)
    config = TransformerConfig(
        vocab_size=fields.whole("vocab_size"),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=head_dim,
        intermediate_size=intermediate_size,
        max_position_embeddings=fields.whole("max_position_embeddings"),
        rope_theta=theta,
        rms_norm_eps=fields.positive("rms_norm_eps"),
        tie_word_embeddings=fields.flag("tie_word_embeddings", tied),
        partial_rotary_factor=partial,
        qkv_bias=qkv_bias,
        o_bias=o_bias,
        qk_norm=qk_norm,
    )
    if config.rotary_dim % 2 or not config.rotary_dim:
        raise fields.fault("partial_rotary_factor", f"{partial} of {head_dim} is no even width")
    return config


def published_as_qwen(name: str) -> str:
    """Published name of a tensor: the head stands alone, all else is below ``model``.

    Example:
        >>> published_as_qwen("layers.3.mlp.gate_proj.weight"), published_as_qwen("lm_head.weight")
        ('model.layers.3.mlp.gate_proj.weight', 'lm_head.weight')
    """
    return name if name.startswith("lm_head.") else f"model.{name}"
