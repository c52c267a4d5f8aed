"""The enumeration fused into one Triton kernel: no term reaches the GPU's memory.

A lane holds one column. A program reads q^M rows of its lanes, forms the (q+1)^M margins over
the M positions they stand for in registers, and adds p log p by number of positions kept. L more
positions are looped over, one program a choice of symbol or sum for each, so that their margins
come out of the second-level cache. Only the positions before those pass through memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import triton
import triton.language as tl

from theory.enumeration import logarithm
from theory.enumeration.margins import decisions, positions_within

if TYPE_CHECKING:
    import torch

F = TypeVar("F", bound=Callable[..., Any])

A = tl.constexpr(logarithm.SERIES)
TERMS = tl.constexpr(len(logarithm.SERIES))
LOG_2 = tl.constexpr(logarithm.LOG_2)
LOG_SCALE = tl.constexpr(logarithm.LOG_SCALE)
SPLIT_BITS = tl.constexpr(logarithm.bits_of(logarithm.SPLIT) - logarithm.ONE)
SCALE = tl.constexpr(logarithm.SCALE)
MANTISSA_BITS = tl.constexpr(logarithm.MANTISSA_BITS)
MANTISSA = tl.constexpr(logarithm.MANTISSA)
ONE = tl.constexpr(logarithm.ONE)
SHIFTED = tl.constexpr(logarithm.SHIFTED)
SHIFTED_BIAS = tl.constexpr(logarithm.SHIFTED_BIAS)


@dataclass(frozen=True)
class Tiling:
    """How the work is cut; ``benchmarks/curves_gpu.py --tilings`` compares.

    Attributes:
        unrolled: Margins formed in registers, at most: (q+1)^M of them.
        looped: Choices for the positions that are looped over, at most: (q+1)^L of them.
        lanes: Columns a program.
        warps: Warps a program.
        shares: Programs that share the rows.
    """

    unrolled: int = 81
    looped: int = 9
    lanes: int = 128
    warps: int = 4
    shares: int = 32


def _jit(function: F) -> F:
    return cast(F, triton.jit(function))


# Triton knows no unpacking (RUF005) and decides an if with an else as it compiles (RET505).


@_jit
def _p_log_p(p: tl.tensor) -> tl.tensor:
    bits = p.to(tl.int64, bitcast=True)
    exponent = ((bits >> MANTISSA_BITS) | SHIFTED).to(tl.float64, bitcast=True) - SHIFTED_BIAS
    over = (bits & MANTISSA) >= SPLIT_BITS
    mantissa = ((bits & MANTISSA) | ONE).to(tl.float64, bitcast=True)
    # A number is float32 where both are; SCALE is one exactly, LOG_SCALE is not.
    t = mantissa * tl.where(over, SCALE, 1.0).to(tl.float64) - 1.0
    log_p = exponent * LOG_2 - tl.where(over, tl.full((), LOG_SCALE, tl.float64), 0.0)
    series = t * A[TERMS - 1] + A[TERMS - 2]
    for i in tl.static_range(3, TERMS + 1):
        series = series * t + A[TERMS - i]
    return p * (log_p + t * series)


@_jit
def _zeros(count: tl.constexpr, lanes: tl.constexpr) -> tl.tuple:
    if count == 0:
        return ()
    else:  # noqa: RET505
        return _zeros(count - 1, lanes) + (tl.zeros((lanes,), tl.float64),)  # noqa: RUF005


@_jit
def _summed_out(
    values: tl.tuple, q: tl.constexpr, left: tl.constexpr, right: tl.constexpr
) -> tl.tuple:
    """The margins of values of shape (left, q, right) over the middle axis."""
    margins = values[:0]
    for i in tl.static_range(left):
        for j in tl.static_range(right):
            margin = values[i * q * right + j]
            for symbol in tl.static_range(1, q):
                margin += values[(i * q + symbol) * right + j]
            margins = margins + (margin,)  # noqa: RUF005
    return margins


@_jit
def _add_margins(
    totals: tl.tuple, values: tl.tuple, q: tl.constexpr, undecided: tl.constexpr, kept: tl.constexpr
) -> tl.tuple:
    """The totals with p log p of all margins of values of shape (q^kept, q^undecided)."""
    if undecided == 0:
        total = _p_log_p(values[0])  # summed apart, so that less is lost in a long sum
        for i in tl.static_range(1, q**kept):
            total += _p_log_p(values[i])
        return totals[:kept] + (totals[kept] + total,) + totals[kept + 1 :]  # noqa: RUF005
    else:  # noqa: RET505
        totals = _add_margins(totals, values, q, undecided - 1, kept + 1)
        margins = _summed_out(values, q, q**kept, q ** (undecided - 1))
        return _add_margins(totals, margins, q, undecided - 1, kept)


def _add_rows(
    rows: tl.tensor,
    groups: tl.tensor,
    width: tl.tensor,
    totals_of: tl.tensor,
    sizes: tl.tensor,
    kept_before: tl.tensor,
    q: tl.constexpr,
    M: tl.constexpr,
    L: tl.constexpr,
    lanes: tl.constexpr,
) -> None:
    """Rows have shape (groups, q^L, q^M, width), totals (choices, shares, sizes, width)."""
    choice, share, shares = tl.program_id(0), tl.program_id(2), tl.num_programs(2)
    lane = tl.program_id(1) * lanes + tl.arange(0, lanes)
    inside = lane < width
    members, kept = 1, kept_before  # of the q^L rows, those that the choice sums
    for i in tl.static_range(L):
        summed = choice // (q + 1) ** i % (q + 1) == q
        members = tl.where(summed, members * q, members)
        kept = tl.where(summed, kept, kept + 1)
    totals = _zeros(M + 1, lanes)
    for group in range(share, groups, shares):
        values = _zeros(q**M, lanes)
        for member in range(members):
            row, rest = group, member
            for i in tl.static_range(L):
                symbol = choice // (q + 1) ** (L - 1 - i) % (q + 1)
                row = row * q + tl.where(symbol == q, rest % q, symbol)
                rest = tl.where(symbol == q, rest // q, rest)
            first = rows + tl.cast(row, tl.int64) * q**M * width + lane
            added = values[:0]
            for i in tl.static_range(q**M):
                value = tl.load(first + i * width, mask=inside, other=0.0)
                added = added + (values[i] + value,)  # noqa: RUF005
            values = added
        totals = _add_margins(totals, values, q, M, 0)
    slot = tl.cast((choice * shares + share) * sizes + kept, tl.int64)
    to = totals_of + slot * width + lane
    for k in tl.static_range(M + 1):
        before = tl.load(to + k * width, mask=inside, other=0.0)
        tl.store(to + k * width, before + totals[k], mask=inside)


# Compiling takes seconds: not once more for a number that is 1 or a multiple of 16.
_rows_kernel: Any = triton.jit(
    _add_rows, do_not_specialize=["groups", "width", "sizes", "kept_before"]
)


def totals(
    columns: torch.Tensor, q: int, positions: int, tiling: Tiling | None = None
) -> torch.Tensor:
    """Sum of p log p over all margins of the rows, by number of positions kept and by column.

    Args:
        columns: Shape (q^positions, width), float64, contiguous.
        q: Alphabet size.
        positions: How many positions the rows stand for.
        tiling: How the work is cut.

    Returns:
        Shape (positions + 1, width).
    """
    cut = tiling or Tiling()
    width = columns.shape[1]
    in_registers = positions_within(cut.unrolled, q, positions)
    looped = positions_within(cut.looped, q, positions - in_registers)
    before = positions - in_registers - looped
    choices = (q + 1) ** looped
    # Every program adds to its own slot: no atomics, so the same bits each time.
    found = columns.new_zeros(choices, cut.shares, positions + 1, width)
    launch = _rows_kernel[(choices, triton.cdiv(width, cut.lanes), cut.shares)]
    for rows, kept in decisions(columns, q, before, q ** (in_registers + looped) * width):
        launch(
            rows,
            len(rows),
            width,
            found,
            positions + 1,
            kept,
            q=q,
            M=in_registers,
            L=looped,
            lanes=cut.lanes,
            num_warps=cut.warps,
        )
    return found.sum((0, 1))
