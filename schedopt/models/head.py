r"""NLL and entropy under the vocabulary head, without the logits ever being there at once.

Of the V logits of a row two numbers are wanted. The head is applied to a piece of the vocabulary
at a time, and each piece is absorbed into running sums. With m the largest logit so far,

.. math:: s = \sum_v e^{x_v - m}, \qquad t = \sum_v (x_v - m) e^{x_v - m},

the NLL of token y is m + log s - x_y and the entropy is log s - t / s; a larger logit rescales
both sums. On a GPU of the Hopper generation or later one kernel does both, see ``head_cuda``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from types import ModuleType
from typing import Final

import torch
from torch import Tensor

from schedopt.models.denoiser import no_distribution

PIECE: Final = 1 << 22  # numbers of a piece, 16 MiB of float32: they stay in cache
PIECE_ROWS: Final = 1024
ALIGNED: Final = 256  # pieces begin at multiples of it, since matrix products want aligned operands
NOTHING_LEFT: Final = -1e4  # e to it is 0 in every dtype, and it may be multiplied


def project(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Logits of rows, in float32 at least: narrower ones are wrong by up to 0.1 nats.

    Args:
        rows: Shape (R, d).
        weight: Shape (V, d), of the same dtype.
        bias: Shape (V,), or None.

    Returns:
        Shape (R, V).
    """
    wide = torch.promote_types(rows.dtype, torch.float32)
    if rows.dtype == wide:
        logits = rows @ weight.T
    elif rows.is_cuda and hasattr(torch.ops.aten.mm, "dtype"):  # torch 2.8 and later
        logits = torch.mm(rows, weight.T, out_dtype=wide)
    else:  # the same numbers, only slower
        logits = rows.to(wide) @ weight.T.to(wide)
    return logits if bias is None else logits.add_(bias)


def reduce_rows(
    rows: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, *, mask_id: int
) -> tuple[Tensor, Tensor]:
    """NLL of each target and entropy of each row, the mask token excluded.

    Args:
        rows: Shape (R, d), what the head reads.
        weight: Shape (V, d), the head, of the same dtype.
        bias: Shape (V,), or None.
        targets: Shape (R,), tokens 0..V-1.
        mask_id: The token that gets probability 0.

    Returns:
        Two tensors of shape (R,), nats, float32 at least. A target of probability 0 has infinite
        NLL.

    Raises:
        InputError: A row of logits holds NaN, or infinity other than -inf, or only -inf.

    References:
        Milakov, Gimelshein 2018, Online normalizer calculation for softmax, algorithm 3.

    Example:
        >>> uniform = torch.zeros(5, 2)
        >>> nll, entropy = reduce_rows(torch.eye(2), uniform, None, torch.tensor([0, 4]), mask_id=4)
        >>> nll.exp(), entropy.exp()
        (tensor([4., inf]), tensor([4., 4.]))
    """
    fused = kernels() if rows.is_cuda and len(rows) else None
    if fused is not None and fused.fits(rows, weight):
        return _checked(*fused.reduce_rows(rows, weight, bias, targets, mask_id))

    def piece(part: slice, columns: slice) -> Tensor:
        return project(rows[part], weight[columns], None if bias is None else bias[columns])

    return _reduce(piece, targets, len(weight), mask_id, rows.dtype)


def reduce_logits(logits: Tensor, targets: Tensor, *, mask_id: int) -> tuple[Tensor, Tensor]:
    """The same of logits that are there, shape (R, V), without a copy of them all.

    Raises:
        InputError: A row holds NaN, or infinity other than -inf, or only -inf.
    """
    wide = torch.promote_types(logits.dtype, torch.float32)

    def piece(part: slice, columns: slice) -> Tensor:
        return logits[part, columns].to(wide, copy=True, memory_format=torch.contiguous_format)

    return _reduce(piece, targets, logits.shape[1], mask_id, logits.dtype)


@torch.no_grad()
def _reduce(
    piece: Callable[[slice, slice], Tensor],
    targets: Tensor,
    vocab_size: int,
    mask_id: int,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    wide = torch.promote_types(dtype, torch.float32)
    sums = torch.zeros((4, len(targets)), dtype=wide, device=targets.device)
    sums[0] = torch.finfo(wide).min  # not -inf, from which -inf cannot be subtracted
    sums[3] = -torch.inf
    fused = kernels() if targets.is_cuda else None
    take_in = absorb if fused is None else fused.absorb
    for rows, columns in pieces(len(targets), vocab_size):
        take_in(sums[:, rows], piece(rows, columns), targets[rows], columns.start, mask_id)
    peak, total, moment, chosen = sums
    return _checked(total.log() + (peak - chosen), total.log() - moment / total)


def _checked(nll: Tensor, entropy: Tensor) -> tuple[Tensor, Tensor]:
    """Both, unless an entropy is NaN: no sum, or the sum of what is no number, makes it so."""
    bad = torch.isnan(entropy)
    if bool(bad.any()):
        raise no_distribution(int(bad.nonzero()[0, 0]), len(bad))
    return nll, entropy


def pieces(count: int, vocab_size: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of each piece: all columns of some rows, then of the next ones."""
    blocks = -(-count // PIECE_ROWS)
    for block in range(blocks):
        rows = slice(count * block // blocks, count * (block + 1) // blocks)
        width = max(PIECE // (rows.stop - rows.start) // ALIGNED, 1) * ALIGNED
        for first in range(0, vocab_size, width):
            yield rows, slice(first, min(first + width, vocab_size))


def absorb(sums: Tensor, logits: Tensor, targets: Tensor, first: int, mask_id: int) -> None:
    """Update running sums, shape (4, R), by columns ``first`` to ``first + w - 1``.

    Args:
        sums: Peak, total, moment and target's logit; changed in place.
        logits: Shape (R, w), overwritten.
        targets: Shape (R,).
        first: The token of the first column.
        mask_id: The token that is left out.
    """
    width = logits.shape[1]
    if first <= mask_id < first + width:
        logits[:, mask_id - first] = -torch.inf
    peak, total, moment, chosen = sums
    column = targets - first
    found = logits.gather(1, column.clamp(0, width - 1)[:, None])[:, 0]
    chosen.copy_(torch.where((column >= 0) & (column < width), found, chosen))
    highest = torch.maximum(peak, logits.amax(dim=1))
    step = torch.where(total > 0, peak - highest, 0.0).clamp(min=NOTHING_LEFT)
    odds = logits.sub_(highest[:, None]).exp()
    moments = logits.mul_(odds).masked_fill_(odds == 0, 0.0)  # 0 log 0 = 0
    moment.add_(step * total).mul_(step.exp()).add_(moments.sum(dim=1))
    total.mul_(step.exp()).add_(odds.sum(dim=1))
    peak.copy_(highest)


@cache
def kernels() -> ModuleType | None:
    """``head_cuda``, where Triton is: it comes with torch for CUDA."""
    try:
        from schedopt.models import head_cuda
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "triton":
            raise
        return None
    return head_cuda
