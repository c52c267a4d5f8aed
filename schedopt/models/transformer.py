"""The pre-norm RMSNorm / SwiGLU / RoPE transformer without causal mask, as LLaDA publishes it.

Module names are the published tensor names, so a state dict needs no renaming:
``ff_proj`` is the gate, ``up_proj`` the up projection, a block's ``ff_out`` the down
projection, and the transformer's ``ff_out`` the vocabulary head.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from schedopt.errors import InputError

ARCHITECTURE: Final = "LLaDAModelLM"

# Options of the published config that change the mathematics, and the values implemented here.
_IMPLEMENTED: Final[Mapping[str, tuple[object, ...]]] = {
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
# Larger sizes are no network but a broken config, and building it would take forever.
LARGEST_SIZE: Final = 2**24
MOST_LAYERS: Final = 2**10
# Fields that do not bear on the logits of inference (training, kernels, bookkeeping).
_WITHOUT_EFFECT: Final = frozenset(
    "alibi_bias_max architectures attention_dropout attention_layer_norm_with_affine auto_map "
    "bos_token_id dtype embedding_dropout flash_attention init_cutoff_factor init_device init_fn "
    "init_std mlp_ratio model_type pad_token_id precision residual_dropout torch_dtype "
    "transformers_version use_cache _name_or_path".split()
)


@dataclass(frozen=True)
class LLaDAConfig:
    """What of a published LLaDA config decides the logits.

    Example:
        >>> LLaDAConfig(d_model=64, n_layers=2, n_heads=4, n_kv_heads=4, mlp_hidden_size=96,
        ...             vocab_size=258).flops(length=16) > 0
        True
    """

    d_model: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    mlp_hidden_size: int
    vocab_size: int
    max_sequence_length: int = 4096
    rope_theta: float = 500000.0
    rms_norm_eps: float = 1e-5
    weight_tying: bool = False
    mask_token_id: int | None = None
    eos_token_id: int | None = None

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.d_model // self.n_heads

    def flops(self, length: int) -> float:
        """Floating-point operations of one forward pass of one sequence, head included."""
        attention = self.d_model * (2 * self.d_model + 2 * self.n_kv_heads * self.head_dim)
        per_token = self.n_layers * (
            2 * (attention + 3 * self.d_model * self.mlp_hidden_size)
            + 4 * length * self.d_model  # scores and their product with the values
        )
        return float(length * (per_token + 2 * self.d_model * self.vocab_size))

    @classmethod
    def from_published(
        cls, published: Mapping[str, Any], where: str = "config.json"
    ) -> LLaDAConfig:
        """Read a published config strictly.

        Args:
            published: The parsed ``config.json``.
            where: Named in errors.

        Raises:
            InputError: A field is missing, unknown, of the wrong type, or asks for an
                option that this class does not implement.
        """
        fields = dict(published)
        for name, accepted in _IMPLEMENTED.items():
            value = fields.pop(name, accepted[0])
            if (type(value), value) not in [(type(a), a) for a in accepted]:  # 0 is not false
                raise InputError(
                    f"{where}: $.{name}: need one of {list(accepted)}, got {value!r}",
                    hint="this checkpoint uses an option of the family that is not implemented",
                )
        for name in _WITHOUT_EFFECT:
            fields.pop(name, None)

        def whole(
            name: str, *, default: int | None = None, least: int = 1, most: int = LARGEST_SIZE
        ) -> int:
            value = fields.pop(name, default)
            if value is None:
                value = default
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise InputError(
                    f"{where}: $.{name}: need a whole number from {least} to {most}, got {value!r}"
                )
            return value

        def positive(name: str, default: float) -> float:
            value = fields.pop(name, default)
            real = isinstance(value, int | float) and not isinstance(value, bool)
            if not real or not 0 < value < math.inf:
                raise InputError(f"{where}: $.{name}: need a finite number > 0, got {value!r}")
            return float(value)

        def token(name: str) -> int | None:
            return whole(name, least=0) if fields.get(name) is not None else fields.pop(name, None)

        heads = whole("n_heads")
        vocab_size = whole("vocab_size")
        tying = fields.pop("weight_tying", False)
        if not isinstance(tying, bool):
            raise InputError(f"{where}: $.weight_tying: need true or false, got {tying!r}")
        config = cls(
            d_model=whole("d_model"),
            n_layers=whole("n_layers", most=MOST_LAYERS),
            n_heads=heads,
            n_kv_heads=whole("n_kv_heads", default=heads),
            mlp_hidden_size=whole("mlp_hidden_size"),
            # The head and the embedding have embedding_size rows where it exceeds the vocabulary.
            vocab_size=max(vocab_size, whole("embedding_size", default=vocab_size)),
            max_sequence_length=whole("max_sequence_length"),
            rope_theta=positive("rope_theta", 10000.0),
            rms_norm_eps=positive("rms_norm_eps", 1e-5),
            weight_tying=tying,
            mask_token_id=token("mask_token_id"),
            eos_token_id=token("eos_token_id"),
        )
        if fields:
            name = sorted(fields)[0]
            raise InputError(
                f"{where}: $.{name}: unknown option {fields[name]!r}",
                hint="an option that is not understood may change the logits, so it is refused",
            )
        if config.d_model % config.n_heads or config.head_dim % 2:
            raise InputError(
                f"{where}: d_model {config.d_model} needs {config.n_heads} heads of an even width"
            )
        if config.n_heads % config.n_kv_heads:
            raise InputError(
                f"{where}: $.n_kv_heads: {config.n_kv_heads} does not divide {config.n_heads} heads"
            )
        return config


def rotary_angles(length: int, head_dim: int, theta: float, device: torch.device) -> Tensor:
    """Rotation angle of each position and dimension pair, shape (length, head_dim / 2), float32."""
    exponents = torch.arange(0, head_dim, 2, dtype=torch.float32, device=device) / head_dim
    positions = torch.arange(length, dtype=torch.float32, device=device)
    return torch.outer(positions, 1.0 / theta**exponents)


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Rotate the pairs (i, i + head_dim / 2) of x, shape (B, H, L, head_dim), in float32."""
    cos, sin = angles.cos(), angles.sin()  # (L, head_dim / 2)
    left, right = x.float().chunk(2, dim=-1)
    return torch.cat([left * cos - right * sin, right * cos + left * sin], dim=-1).to(x.dtype)


class RMSNorm(nn.Module):
    """Root-mean-square norm with a scale, computed in float32."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension."""
        wide = x.float()
        scale = torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + self.eps)
        return self.weight * (wide * scale).to(x.dtype)


class Block(nn.Module):
    """Attention over all positions, then SwiGLU, each behind a norm and a residual."""

    def __init__(self, config: LLaDAConfig) -> None:
        super().__init__()
        width, kv_width = config.d_model, config.n_kv_heads * config.head_dim
        self.head_dim = config.head_dim
        self.attn_norm = RMSNorm(width, config.rms_norm_eps)
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, kv_width, bias=False)
        self.v_proj = nn.Linear(width, kv_width, bias=False)
        self.attn_out = nn.Linear(width, width, bias=False)
        self.ff_norm = RMSNorm(width, config.rms_norm_eps)
        self.ff_proj = nn.Linear(width, config.mlp_hidden_size, bias=False)
        self.up_proj = nn.Linear(width, config.mlp_hidden_size, bias=False)
        self.ff_out = nn.Linear(config.mlp_hidden_size, width, bias=False)

    def forward(self, x: Tensor, angles: Tensor) -> Tensor:
        """Shape (B, L, d_model) to the same."""
        batch, length, width = x.shape
        h = self.attn_norm(x)

        def heads(projected: Tensor) -> Tensor:
            return projected.view(batch, length, -1, self.head_dim).transpose(1, 2)  # (B, H, L, hd)

        q = rotate(heads(self.q_proj(h)), angles)
        k = rotate(heads(self.k_proj(h)), angles)
        attended = F.scaled_dot_product_attention(
            q, k, heads(self.v_proj(h)), enable_gqa=k.shape[1] != q.shape[1]
        )
        x = x + self.attn_out(attended.transpose(1, 2).reshape(batch, length, width))
        h = self.ff_norm(x)
        out: Tensor = x + self.ff_out(F.silu(self.ff_proj(h)) * self.up_proj(h))
        return out


class LLaDA(nn.Module):
    """The network; its state dict has exactly the published tensor names."""

    def __init__(self, config: LLaDAConfig) -> None:
        super().__init__()
        self.config = config
        parts: dict[str, nn.Module] = {
            "wte": nn.Embedding(config.vocab_size, config.d_model),
            "blocks": nn.ModuleList(Block(config) for _ in range(config.n_layers)),
            "ln_f": RMSNorm(config.d_model, config.rms_norm_eps),
        }
        if not config.weight_tying:
            parts["ff_out"] = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.model = nn.ModuleDict({"transformer": nn.ModuleDict(parts)})

    @property
    def _parts(self) -> nn.ModuleDict:
        parts = self.model["transformer"]
        assert isinstance(parts, nn.ModuleDict)
        return parts

    def hidden(self, tokens: Tensor) -> Tensor:
        """Last hidden states before the final norm, shape (B, L, d_model)."""
        config = self.config
        angles = rotary_angles(tokens.shape[1], config.head_dim, config.rope_theta, tokens.device)
        x: Tensor = self._parts["wte"](tokens)
        blocks = self._parts["blocks"]
        assert isinstance(blocks, nn.ModuleList)
        for block in blocks:
            x = block(x, angles)
        return x

    def head(self, hidden: Tensor) -> Tensor:
        """Logits of hidden states, shape (..., d_model) to (..., vocab_size)."""
        normed = self._parts["ln_f"](hidden)
        if self.config.weight_tying:
            embedding = self._parts["wte"]
            assert isinstance(embedding, nn.Embedding)
            return F.linear(normed, embedding.weight)
        logits: Tensor = self._parts["ff_out"](normed)
        return logits

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of every position, shape (B, L) to (B, L, vocab_size)."""
        return self.head(self.hidden(tokens))
