"""The small diffusion transformer of mdlm, at noise level zero.

Its blocks are modulated by the noise level. What mdlm publishes is trained without: the level is
always zero, so that the modulation is a constant of the checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from schedopt.models.attention import (
    attend,
    attention_mask,
    inverse_frequencies,
    real_positions,
    rotate,
    rotations,
)
from schedopt.models.backbone import Backbone

ROPE_THETA: Final = 10000.0
LAYER_NORM_EPS: Final = 1e-5
MLP_RATIO: Final = 4
FREQUENCIES: Final = 256  # numbers that encode the noise level: half of them cosines, half sines


@dataclass(frozen=True)
class DiTConfig:
    """What decides the logits, in the words of the published config.

    Example:
        >>> DiTConfig(vocab_size=258, hidden_dim=64, n_blocks=2, n_heads=4, cond_dim=32,
        ...           model_length=128).flops(length=16)
        3805184.0
    """

    vocab_size: int
    hidden_dim: int
    n_blocks: int
    n_heads: int
    cond_dim: int
    model_length: int

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.hidden_dim // self.n_heads

    def flops(self, length: int) -> float:
        """Floating-point operations of one forward pass of one sequence, head included."""
        width = self.hidden_dim
        block = (8 + 4 * MLP_RATIO) * width**2 + 4 * length * width
        return float(length * (self.n_blocks * block + 2 * width * self.vocab_size))

    def build(self) -> DiT:
        """The network, its weights not yet set."""
        return DiT(self)


class ScaleNorm(nn.Module):
    """Layer norm in float32 with a scale and no bias."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        normed = F.layer_norm(wide, wide.shape[-1:], eps=LAYER_NORM_EPS)
        return (normed * self.weight).to(x.dtype)


class NoiseLevel(nn.Module):
    """The embedding of a noise level, of which only that of zero is asked for."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))

    def zero(self) -> Tensor:
        """Conditioning of noise level zero, shape (cond_dim,)."""
        half = FREQUENCIES // 2
        weight = next(self.parameters())
        level = torch.cat([weight.new_ones(half), weight.new_zeros(half)])  # cos 0 and sin 0
        return F.silu(self.mlp(level))


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """x (1 + scale) + shift."""
    return x * (1 + scale) + shift


class DiTBlock(nn.Module):
    """Attention, then a GELU network, each modulated before and gated after."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        width = config.hidden_dim
        self.n_heads = config.n_heads
        self.norm1 = ScaleNorm(width)
        self.attn_qkv = nn.Linear(width, 3 * width, bias=False)
        self.attn_out = nn.Linear(width, width, bias=False)
        self.norm2 = ScaleNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, MLP_RATIO * width),
            nn.GELU(approximate="tanh"),
            nn.Linear(MLP_RATIO * width, width),
        )
        self.adaLN_modulation = nn.Linear(config.cond_dim, 6 * width)

    def forward(
        self, x: Tensor, condition: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None
    ) -> Tensor:
        """Shape (B, L, hidden_dim) to the same."""
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(condition).chunk(6)
        qkv = self.attn_qkv(modulate(self.norm1(x), shift1, scale1))
        q, k, v = qkv.unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)  # (B, H, L, hd)
        attended = attend(rotate(q, cos, sin), rotate(k, cos, sin), v, mask)
        x = x + gate1 * self.attn_out(attended)
        out: Tensor = x + gate2 * self.mlp(modulate(self.norm2(x), shift2, scale2))
        return out


class LastLayer(nn.Module):
    """The modulated last norm and the head."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.norm_final = ScaleNorm(config.hidden_dim)
        self.linear = nn.Linear(config.hidden_dim, config.vocab_size)
        self.adaLN_modulation = nn.Linear(config.cond_dim, 2 * config.hidden_dim)


class VocabularyEmbedding(nn.Module):
    """The embedding, a bare matrix."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.empty(config.vocab_size, config.hidden_dim))


class DiT(Backbone):
    """The network; module names are the published ones."""

    shift = 0

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.config = config
        self.vocab_size = config.vocab_size
        self.max_length = config.model_length
        self.vocab_embed = VocabularyEmbedding(config)
        self.sigma_map = NoiseLevel(config.cond_dim)
        self.blocks = nn.ModuleList(DiTBlock(config) for _ in range(config.n_blocks))
        self.output_layer = LastLayer(config)

    def flops(self, length: int) -> float:
        """Floating-point operations of one forward pass of one sequence, head included."""
        return self.config.flops(length)

    def hidden(self, tokens: Tensor, padding: Tensor | None = None) -> Tensor:
        """Hidden states before the last norm, shape (B, L, hidden_dim)."""
        x = F.embedding(tokens.clamp(min=0), self.vocab_embed.embedding)
        positions = real_positions(tokens, padding)
        mask = attention_mask(positions, None, padded=padding is not None)
        precision = torch.promote_types(x.dtype, torch.float32)
        cos, sin = rotations(positions, self.config.head_dim, ROPE_THETA, precision)
        condition = self.sigma_map.zero()
        for block in self.blocks:
            x = block(x, condition, cos, sin, mask)
        return x

    def rows(self, hidden: Tensor) -> Tensor:
        """The modulated last norm of hidden states."""
        last = self.output_layer
        shift, scale = last.adaLN_modulation(self.sigma_map.zero()).chunk(2)
        return modulate(last.norm_final(hidden), shift, scale)

    @property
    def output(self) -> tuple[Tensor, Tensor | None]:
        """The head's matrix and bias."""
        return self.output_layer.linear.weight, self.output_layer.linear.bias

    def implied(self) -> dict[str, Tensor]:
        """The rotary frequencies, which the published code stores."""
        return {"rotary_emb.inv_freq": inverse_frequencies(self.config.head_dim, ROPE_THETA)}
