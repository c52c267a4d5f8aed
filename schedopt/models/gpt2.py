"""GPT-2, whose large size judges published samples: layer norms, learned positions, GELU.

Fields of the config and names of the modules are the published ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from schedopt.models.attention import attend, attention_mask, real_positions
from schedopt.models.backbone import Backbone


@dataclass(frozen=True)
class GPT2Config:
    """What decides the logits, in the words of the published config.

    Example:
        >>> GPT2Config(vocab_size=258, n_embd=64, n_layer=2, n_head=4, n_positions=128,
        ...            n_inner=256, layer_norm_epsilon=1e-5).flops(length=16)
        3805184.0
    """

    vocab_size: int
    n_embd: int
    n_layer: int
    n_head: int
    n_positions: int
    n_inner: int
    layer_norm_epsilon: float

    def flops(self, length: int) -> float:
        """Floating-point operations of one forward pass of one sequence, head included."""
        width = self.n_embd
        block = 8 * width**2 + 4 * width * self.n_inner + 4 * length * width
        return float(length * (self.n_layer * block + 2 * width * self.vocab_size))

    def build(self) -> GPT2:
        """The network, its weights not yet set."""
        return GPT2(self)


class Conv1D(nn.Module):
    """A linear map with a bias, whose matrix is published as (in, out)."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, out))
        self.bias = nn.Parameter(torch.empty(out))

    def forward(self, x: Tensor) -> Tensor:
        """Shape (..., in) to (..., out)."""
        return F.linear(x, self.weight.T, self.bias)


class Attention(nn.Module):
    """Causal attention."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.n_head = config.n_head
        self.c_attn = Conv1D(config.n_embd, 3 * config.n_embd)
        self.c_proj = Conv1D(config.n_embd, config.n_embd)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Shape (B, L, n_embd) to the same."""
        qkv = self.c_attn(x).unflatten(-1, (3, self.n_head, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, H, L, hd)
        out: Tensor = self.c_proj(attend(q, k, v, mask, causal=True))
        return out


class MLP(nn.Module):
    """Two maps with a GELU between them."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.c_fc = Conv1D(config.n_embd, config.n_inner)
        self.c_proj = Conv1D(config.n_inner, config.n_embd)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (B, L, n_embd) to the same."""
        out: Tensor = self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))
        return out


class Block(nn.Module):
    """Attention, then the two maps, each behind a norm and a residual."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, config.layer_norm_epsilon)
        self.attn = Attention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd, config.layer_norm_epsilon)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Shape (B, L, n_embd) to the same."""
        x = x + self.attn(self.ln_1(x), mask)
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out


class GPT2(Backbone):
    """The network; row i scores token i + 1."""

    shift = 1

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.config = config
        self.vocab_size = config.vocab_size
        self.max_length = config.n_positions
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.n_positions, config.n_embd)
        self.h = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd, config.layer_norm_epsilon)

    def flops(self, length: int) -> float:
        """Floating-point operations of one forward pass of one sequence, head included."""
        return self.config.flops(length)

    def hidden(self, tokens: Tensor, padding: Tensor | None = None) -> Tensor:
        """Hidden states before the last norm, shape (B, L, n_embd)."""
        positions = real_positions(tokens, padding)
        mask = attention_mask(positions, 1, padded=padding is not None)
        x: Tensor = self.wte(tokens.clamp(min=0)) + self.wpe(positions.clamp(min=0))
        for block in self.h:
            x = block(x, mask)
        return x

    def rows(self, hidden: Tensor) -> Tensor:
        """The last norm of hidden states."""
        normed: Tensor = self.ln_f(hidden)
        return normed

    @property
    def output(self) -> tuple[Tensor, Tensor | None]:
        """The head's matrix, that of the embedding; it has no bias."""
        return self.wte.weight, None

    def implied(self) -> dict[str, Tensor]:
        """The tied head, and the causal masks that older files store as if they were weights."""
        positions = self.config.n_positions
        past = torch.ones(positions, positions).tril()[None, None]
        masks = {f"h.{layer}.attn.bias": past for layer in range(self.config.n_layer)}
        return {"lm_head.weight": self.output[0], **masks}
