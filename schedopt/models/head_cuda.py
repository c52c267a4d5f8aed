"""The vocabulary head and its reduction in one Triton kernel: no logit leaves the registers.

A program multiplies a tile of rows with a tile of the vocabulary, reduces the tile to the peak,
total and moment of each row, and goes on to the next tile, whose first operands are on their way
meanwhile. A second kernel merges the tiles of a row and adds the logit of its target. For GPUs and
numbers that this is not for, a third one reads a piece of logits once.
"""

from __future__ import annotations

from typing import Any, Final

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.tools.tensor_descriptor import TensorDescriptor

# What a matrix product of Hopper wants: two groups of warps with 64 x 256 sums each.
ROWS: Final = 128
COLUMNS: Final = 256
DEPTH: Final = 64
GROUP: Final = 16  # tiles of rows that go through the vocabulary together: they stay in cache
WARPS: Final = 8
STAGES: Final = 3
BLOCK: Final = 4096  # logits of a row that are read at once where they come in pieces
CAPABILITY: Final = (9, 0)  # of the tensor memory accelerator, which fetches the operands

LOWEST = tl.constexpr(-3e38)  # not -inf, from which -inf cannot be subtracted
NOTHING_LEFT = tl.constexpr(-1e4)  # e to it is 0, and it may be multiplied


def _reduce_tiles(
    rows: tl.tensor_descriptor,
    weight: tl.tensor_descriptor,
    bias: tl.tensor,
    sums: tl.tensor,
    count: tl.tensor,
    vocab_size: tl.tensor,
    width: tl.tensor,
    mask_id: tl.tensor,
    HAS_BIAS: tl.constexpr,
    PROGRAMS: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
    BK: tl.constexpr,
    GROUP: tl.constexpr,
) -> None:
    """Rows have shape (count, width), weight (vocab_size, width), sums (3, count, tiles)."""
    row_tiles, tiles = tl.cdiv(count, BM), tl.cdiv(vocab_size, BN)
    steps = tl.cdiv(width, BK)
    for task in tl.range(tl.program_id(0), row_tiles * tiles, PROGRAMS, flatten=True):
        first = task // (GROUP * tiles) * GROUP
        high = tl.minimum(row_tiles - first, GROUP)
        i = first + (task - first * tiles) % high
        j = (task - first * tiles) // high
        logits = tl.zeros((BM, BN), tl.float32)
        for step in range(steps):
            a = rows.load([i * BM, step * BK])
            b = weight.load([j * BN, step * BK])
            logits = tl.dot(a, b.T, logits)
        column = j * BN + tl.arange(0, BN)
        if HAS_BIAS:
            added = tl.load(bias + column, mask=column < vocab_size, other=0.0)
            logits += added.to(tl.float32)[None, :]
        seen = (column < vocab_size) & (column != mask_id)
        logits = tl.where(seen[None, :], logits, -float("inf"))
        peak = tl.maximum(tl.max(logits, 1), LOWEST)
        below = logits - peak[:, None]
        odds = tl.exp(below)  # NaN where the logit is, whatever the maximum made of it
        total = tl.sum(odds, 1)
        moment = tl.sum(tl.where(odds == 0, 0.0, odds * below), 1)  # 0 log 0 = 0
        row = i * BM + tl.arange(0, BM)
        to = sums + row.to(tl.int64) * tiles + j
        apart = count.to(tl.int64) * tiles
        tl.store(to, peak, mask=row < count)
        tl.store(to + apart, total, mask=row < count)
        tl.store(to + 2 * apart, moment, mask=row < count)


def _merge_tiles(
    sums: tl.tensor,
    rows: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    targets: tl.tensor,
    scores: tl.tensor,
    count: tl.tensor,
    tiles: tl.tensor,
    width: tl.tensor,
    mask_id: tl.tensor,
    HAS_BIAS: tl.constexpr,
    TILES: tl.constexpr,
    BK: tl.constexpr,
) -> None:
    """Scores have shape (2, count): NLL and entropy. A program takes one row."""
    row = tl.program_id(0).to(tl.int64)
    tile = tl.arange(0, TILES)
    there = tile < tiles
    at = sums + row * tiles + tile
    apart = count.to(tl.int64) * tiles
    peaks = tl.load(at, mask=there, other=LOWEST)
    totals = tl.load(at + apart, mask=there, other=0.0)
    moments = tl.load(at + 2 * apart, mask=there, other=0.0)
    peak = tl.max(peaks, 0)
    step = tl.maximum(peaks - peak, NOTHING_LEFT)
    total = tl.sum(totals * tl.exp(step), 0)
    moment = tl.sum((moments + step * totals) * tl.exp(step), 0)
    target = tl.load(targets + row)
    products = tl.zeros((BK,), tl.float32)
    for start in range(0, width, BK):
        k = start + tl.arange(0, BK)
        a = tl.load(rows + row * width + k, mask=k < width, other=0.0).to(tl.float32)
        b = tl.load(weight + target * width + k, mask=k < width, other=0.0).to(tl.float32)
        products += a * b
    chosen = tl.sum(products, 0)
    if HAS_BIAS:
        chosen += tl.load(bias + target).to(tl.float32)
    chosen = tl.where(target == mask_id, -float("inf"), chosen)
    tl.store(scores + row, tl.log(total) + (peak - chosen))
    tl.store(scores + count + row, tl.log(total) - moment / total)


def _absorb_row(
    sums: tl.tensor,
    apart: tl.tensor,
    logits: tl.tensor,
    targets: tl.tensor,
    width: tl.tensor,
    first: tl.tensor,
    mask_id: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    """Sums have shape (4, rows), logits (rows, width). A program takes one row."""
    row = tl.program_id(0)
    logits += row.to(tl.int64) * width
    sums += row
    peak, total, moment = tl.load(sums), tl.load(sums + apart), tl.load(sums + 2 * apart)
    for start in range(0, width, BLOCK):
        column = start + tl.arange(0, BLOCK)
        seen = (column < width) & (column != mask_id - first)
        x = tl.load(logits + column, mask=seen, other=-float("inf"))
        highest = tl.maximum(peak, tl.max(x, 0))
        step = tl.where(total > 0, tl.maximum(peak - highest, NOTHING_LEFT), 0.0)
        odds = tl.exp(x - highest)
        moments = tl.where(odds == 0, 0.0, odds * (x - highest))
        moment = (moment + step * total) * tl.exp(step) + tl.sum(moments, 0)
        total = total * tl.exp(step) + tl.sum(odds, 0)
        peak = highest
    tl.store(sums, peak)
    tl.store(sums + apart, total)
    tl.store(sums + 2 * apart, moment)
    target = tl.load(targets + row)
    if (target >= first) & (target < first + width) & (target != mask_id):
        tl.store(sums + 3 * apart, tl.load(logits + (target - first)))


# Compiling takes a second: not once more for a number that is 1 or a multiple of 16.
_tiles_kernel: Any = triton.jit(
    _reduce_tiles, do_not_specialize=["count", "vocab_size", "width", "mask_id"]
)
_merge_kernel: Any = triton.jit(
    _merge_tiles, do_not_specialize=["count", "tiles", "width", "mask_id"]
)
_absorb_kernel: Any = triton.jit(
    _absorb_row, do_not_specialize=["apart", "width", "first", "mask_id"]
)


def fits(rows: Tensor, weight: Tensor) -> bool:
    """Whether the kernel takes these: narrow numbers, on a device that can, in aligned rows."""
    return (
        rows.dtype == weight.dtype
        and rows.dtype in (torch.bfloat16, torch.float16)
        and torch.cuda.get_device_capability(rows.device) >= CAPABILITY
        and rows.shape[1] % 8 == 0
        and all(part.is_contiguous() and part.data_ptr() % 16 == 0 for part in (rows, weight))
    )


def reduce_rows(
    rows: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, mask_id: int
) -> tuple[Tensor, Tensor]:
    """NLL and entropy as ``head.reduce_rows``; the entropy is NaN where there is none."""
    (count, width), vocab_size = rows.shape, len(weight)
    tiles = triton.cdiv(vocab_size, COLUMNS)
    sums = rows.new_empty((3, count, tiles), dtype=torch.float32)
    scores = rows.new_empty((2, count), dtype=torch.float32)
    programs = torch.cuda.get_device_properties(rows.device).multi_processor_count
    added = weight if bias is None else bias
    _tiles_kernel[(min(programs, triton.cdiv(count, ROWS) * tiles),)](
        TensorDescriptor.from_tensor(rows, [ROWS, DEPTH]),
        TensorDescriptor.from_tensor(weight, [COLUMNS, DEPTH]),
        added,
        sums,
        count,
        vocab_size,
        width,
        mask_id,
        HAS_BIAS=bias is not None,
        PROGRAMS=programs,
        BM=ROWS,
        BN=COLUMNS,
        BK=DEPTH,
        GROUP=GROUP,
        num_warps=WARPS,
        num_stages=STAGES,
    )
    _merge_kernel[(count,)](
        sums,
        rows,
        weight,
        added,
        targets,
        scores,
        count,
        tiles,
        width,
        mask_id,
        HAS_BIAS=bias is not None,
        TILES=triton.next_power_of_2(tiles),
        BK=1024,
    )
    return scores[0], scores[1]


def absorb(sums: Tensor, logits: Tensor, targets: Tensor, first: int, mask_id: int) -> None:
    """As ``head.absorb``, but leaves the logits, which must be contiguous, as they are."""
    _absorb_kernel[(len(logits),)](
        sums,
        sums.stride(0),
        logits,
        targets,
        logits.shape[1],
        first,
        mask_id,
        BLOCK=BLOCK,
        num_warps=WARPS,
    )
