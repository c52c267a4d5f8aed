"""Attention, over all positions or those so far, and the rotary positions it sees."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def real_positions(tokens: Tensor, padding: Tensor | None) -> Tensor:
    """Position of each token among those that exist; what does not exist has a negative one.

    Args:
        tokens: Shape (B, L).
        padding: Shape (B,), leading tokens of each row that do not exist, or None.

    Returns:
        Shape (1, L), or (B, L) with padding.

    Example:
        >>> real_positions(torch.zeros(2, 3), torch.tensor([0, 2]))
        tensor([[ 0,  1,  2],
                [-2, -1,  0]])
    """
    positions = torch.arange(tokens.shape[1], device=tokens.device)[None]
    return positions if padding is None else positions - padding[:, None].to(positions.device)


def attention_mask(positions: Tensor, block: int | None, *, padded: bool) -> Tensor | None:
    """Which position sees which: True at [b, 0, i, j] where i sees j.

    Args:
        positions: Shape (B, L), as of ``real_positions``.
        block: A position sees its own block of so many and all blocks before it; None: all.
        padded: Whether some positions do not exist.

    Returns:
        Shape (B, 1, 1 or L, L), or None where no mask need be built: where all see all, and with
        blocks of one position, which ``attend`` calls causal.
    """
    exists = positions >= 0
    if block is None:
        return exists[:, None, None, :] if padded else None
    if block == 1 and not padded:
        return None
    blocks = positions // block
    seen = blocks[:, :, None] >= blocks[:, None, :]
    if padded:  # a row without any key would be NaN, so what does not exist sees all that does
        seen = (seen | ~exists[:, :, None]) & exists[:, None, :]
    return seen[:, None]


def inverse_frequencies(
    width: int,
    theta: float,
    dtype: torch.dtype = torch.float32,
    device: torch.device | None = None,
) -> Tensor:
    """Angle per position of each pair of dimensions, theta^(-2 p / width), shape (width / 2,)."""
    return 1.0 / theta ** (torch.arange(0, width, 2, dtype=dtype, device=device) / width)


def rotations(
    positions: Tensor, width: int, theta: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Cosine and sine of each position's angles, computed in float32 at least.

    Args:
        positions: Shape (B, L).
        width: Dimensions that are rotated, even.
        theta: Base of the frequencies.
        dtype: What the cosines are rounded to, and in which ``rotate`` will compute.

    Returns:
        Two tensors of shape (B, 1, L, width / 2).
    """
    wide = torch.promote_types(dtype, torch.float32)
    frequencies = inverse_frequencies(width, theta, wide, positions.device)
    angles = positions[:, None, :, None].to(wide) * frequencies
    return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the pairs (p, p + r / 2) of the first r dimensions, in the precision of the cosines.

    Args:
        x: Shape (B, H, L, head_dim).
        cos: Shape (B or 1, 1, L, r / 2).
        sin: The same.

    Returns:
        Shape and dtype of x; dimensions from r on are as they were.
    """
    width = 2 * cos.shape[-1]
    left, right = x[..., :width].to(cos.dtype).chunk(2, dim=-1)
    turned = torch.cat([left * cos - right * sin, right * cos + left * sin], dim=-1).to(x.dtype)
    return turned if width == x.shape[-1] else torch.cat([turned, x[..., width:]], dim=-1)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, causal: bool = False) -> Tensor:
    """Softmax attention, where neighbouring heads may share keys and values.

    Args:
        q: Shape (B, H, L, head_dim).
        k: Shape (B, K, L, head_dim), K a divisor of H.
        v: The same.
        mask: As of ``attention_mask``.
        causal: Whether, without a mask, a position sees itself and those before alone.

    Returns:
        Shape (B, L, H * head_dim).
    """
    shared = q.shape[1] // k.shape[1]
    if shared > 1 and mask is not None:  # no fast kernel takes both a mask and shared heads
        k, v = k.repeat_interleave(shared, dim=1), v.repeat_interleave(shared, dim=1)
    attended = F.scaled_dot_product_attention(
        q,
        k,
        v,
        attn_mask=mask,
        is_causal=causal and mask is None,
        enable_gqa=q.shape[1] != k.shape[1],
    )
    return attended.transpose(1, 2).flatten(2)
