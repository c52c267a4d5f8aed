"""The pre-norm RMSNorm / SwiGLU / RoPE transformer of nearly all families.

It has no causal mask, unless a config asks for blocks of one position: then it is autoregressive.

Fields of the config and names of the modules are those that Qwen and Llama publish; what other
families call them is in ``families``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from schedopt.models.attention import attend, attention_mask, real_positions, rotate, rotations
from schedopt.models.backbone import Backbone
from schedopt.models.experts import Experts, ExpertsConfig, SwiGLU


@dataclass(frozen=True)
class TransformerConfig:
    """What decides the logits.

    Attributes:
        vocab_size: Rows of the embedding and of the head.
        hidden_size: Width of the residual stream.
        num_hidden_layers: Blocks.
        num_attention_heads: Heads of the queries.
        num_key_value_heads: Heads of keys and values, which neighbouring queries share.
        head_dim: Width of a head; all heads together may be wider than ``hidden_size``.
        intermediate_size: Width of the SwiGLU in layers without experts.
        max_position_embeddings: Longest sequence.
        rope_theta: Base of the rotary frequencies.
        rms_norm_eps: Added to the mean square in every norm.
        tie_word_embeddings: Whether the head is the embedding.
        partial_rotary_factor: Share of each head that is rotated.
        rope_full_precision: Whether heads are rotated in float32, or in the dtype of the weights.
        qkv_bias: Whether queries, keys and values have biases.
        o_bias: Whether the projection after attention has one.
        qk_norm: Whether each head of queries and keys is normed before it is rotated.
        attention_block: A position sees its own block of so many and those before; None: all;
            1: a causal mask.
        shift: 1 where row i scores token i + 1, as in a model grown from an autoregressive one.
        experts: Experts of the layers that have them.
        moe_layer_freq: For each layer whether it has experts; () for none.

    Example:
        >>> TransformerConfig(
        ...     vocab_size=258, hidden_size=64, num_hidden_layers=2, num_attention_heads=4,
        ...     num_key_value_heads=2, head_dim=16, intermediate_size=96,
        ...     max_position_embeddings=128, rope_theta=10000.0, rms_norm_eps=1e-5,
        ... ).flops(length=16)
        2625536.0
    """

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    intermediate_size: int
    max_position_embeddings: int
    rope_theta: float
    rms_norm_eps: float
    tie_word_embeddings: bool = False
    partial_rotary_factor: float = 1.0
    rope_full_precision: bool = False
    qkv_bias: bool = False
    o_bias: bool = False
    qk_norm: bool = False
    attention_block: int | None = None
    shift: int = 0
    experts: ExpertsConfig | None = None
    moe_layer_freq: tuple[bool, ...] = ()

    @property
    def rotary_dim(self) -> int:
        """Dimensions of a head that are rotated."""
        return int(self.head_dim * self.partial_rotary_factor)

    def experts_of(self, layer: int) -> ExpertsConfig | None:
        """Experts of a layer, or None where it has one SwiGLU."""
        return self.experts if self.moe_layer_freq and self.moe_layer_freq[layer] else None

    def flops(self, length: int) -> float:
        """Floating-point operations of one forward pass of one sequence, head included."""
        width = self.num_attention_heads * self.head_dim
        kv_width = self.num_key_value_heads * self.head_dim
        projections = 2 * self.hidden_size * (2 * width + 2 * kv_width)
        scores = 4 * length * width  # and their product with the values
        dense = 6 * self.hidden_size * self.intermediate_size
        per_token = 2 * self.hidden_size * self.vocab_size
        for layer in range(self.num_hidden_layers):
            experts = self.experts_of(layer)
            feed_forward = dense if experts is None else experts.flops(self.hidden_size)
            per_token += projections + scores + feed_forward
        return float(length * per_token)

    def build(self) -> Transformer:
        """The network, its weights not yet set."""
        return Transformer(self)


class RMSNorm(nn.Module):
    """Root-mean-square norm with a scale, computed in float32 at least."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        scale = torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + self.eps)
        return self.weight * (wide * scale).to(x.dtype)


class Attention(nn.Module):
    """Attention of rotated heads, each of which may be normed first."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.head_dim = config.head_dim
        self.causal = config.attention_block == 1
        width = config.num_attention_heads * config.head_dim
        kv_width = config.num_key_value_heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, width, bias=config.qkv_bias)
        self.k_proj = nn.Linear(config.hidden_size, kv_width, bias=config.qkv_bias)
        self.v_proj = nn.Linear(config.hidden_size, kv_width, bias=config.qkv_bias)
        self.o_proj = nn.Linear(width, config.hidden_size, bias=config.o_bias)
        self.q_norm, self.k_norm = (
            RMSNorm(config.head_dim, config.rms_norm_eps) if config.qk_norm else nn.Identity()
            for _ in range(2)
        )

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        """Shape (B, L, hidden_size) to the same."""
        batch, length, _ = x.shape

        def heads(projected: Tensor) -> Tensor:
            return projected.view(batch, length, -1, self.head_dim).transpose(1, 2)  # (B, H, L, hd)

        q = rotate(self.q_norm(heads(self.q_proj(x))), cos, sin)
        k = rotate(self.k_norm(heads(self.k_proj(x))), cos, sin)
        attended = attend(q, k, heads(self.v_proj(x)), mask, causal=self.causal)
        out: Tensor = self.o_proj(attended)
        return out


class Block(nn.Module):
    """Attention, then SwiGLU or experts, each behind a norm and a residual."""

    def __init__(self, config: TransformerConfig, layer: int) -> None:
        super().__init__()
        experts = config.experts_of(layer)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp: nn.Module = (
            SwiGLU(config.hidden_size, config.intermediate_size)
            if experts is None
            else Experts(config.hidden_size, experts)
        )

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        """Shape (B, L, hidden_size) to the same."""
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Transformer(Backbone):
    """The network."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.vocab_size = config.vocab_size
        self.max_length = config.max_position_embeddings
        self.shift = config.shift
        # How many tokens an expert gets is for the tokens to decide.
        self.is_static = not any(config.moe_layer_freq)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Block(config, i) for i in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        if not config.tie_word_embeddings:
            self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    def flops(self, length: int) -> float:
        """Floating-point operations of one forward pass of one sequence, head included."""
        return self.config.flops(length)

    def hidden(self, tokens: Tensor, padding: Tensor | None = None) -> Tensor:
        """Hidden states before the last norm, shape (B, L, hidden_size)."""
        config = self.config
        x: Tensor = self.embed_tokens(tokens.clamp(min=0))  # a token that does not exist may be -1
        positions = real_positions(tokens, padding)
        mask = attention_mask(positions, config.attention_block, padded=padding is not None)
        precision = (
            torch.promote_types(x.dtype, torch.float32) if config.rope_full_precision else x.dtype
        )
        cos, sin = rotations(positions, config.rotary_dim, config.rope_theta, precision)
        for block in self.layers:
            x = block(x, cos, sin, mask)
        return x

    def rows(self, hidden: Tensor) -> Tensor:
        """The last norm of hidden states."""
        normed: Tensor = self.norm(hidden)
        return normed

    @property
    def output(self) -> tuple[Tensor, Tensor | None]:
        """The head's matrix; it has no bias."""
        head = self.embed_tokens if self.config.tie_word_embeddings else self.lm_head
        return head.weight, None

    def implied(self) -> dict[str, Tensor]:
        """A tied head."""
        return {"lm_head.weight": self.output[0]} if self.config.tie_word_embeddings else {}
