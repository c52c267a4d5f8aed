"""The dilated order of DUS: its groups, and the order whose prefixes they are."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from theory.orders import (
    dilated_groups,
    dilated_order,
    dilated_strides,
    merge_last_group,
    pipelined_order,
)

LEVELS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "golden" / "dus_levels.json").read_text()
)["entries"]

lengths, bases, skips = st.integers(1, 200), st.integers(2, 7), st.integers(1, 4)


def test_there_are_thirty_levels() -> None:
    assert len(LEVELS) == 30


@pytest.mark.parametrize("entry", LEVELS, ids=lambda e: f"{e['B']}-{e['base']}-{e['skip']}")
def test_groups_of_the_reference(entry: dict[str, Any]) -> None:
    options = {"base": entry["base"], "skip": entry["skip"]}
    groups = dilated_groups(entry["B"], **options)
    assert [set(group) for group in groups] == [set(group) for group in entry["groups"]]
    assert [len(group) for group in groups] == entry["sizes"]
    # The last stride, if the groups need it, stands for all that is left.
    strides = [stride for stride in entry["strides"] if stride > 0]
    assert list(dilated_strides(entry["B"], **options)) == strides
    assert merge_last_group(groups) == groups


def test_strides_are_floored_twice() -> None:
    assert dilated_strides(50, base=3) == (16, 5, 1)
    assert dilated_strides(8, base=3, skip=2) == ()
    assert dilated_groups(8, base=3, skip=2) == (tuple(range(8)),)


@given(lengths, bases, skips)
def test_groups_by_the_rule(length: int, base: int, skip: int) -> None:
    strides, stride = [], length // base**skip
    while stride:
        strides.append(stride)
        stride //= base
    groups, left = [], list(range(length))
    for stride in strides:
        groups.append([p for p in left if p % stride == 0])
        left = [p for p in left if p % stride]
    wanted = [tuple(group) for group in (*groups, left) if group]
    assert list(dilated_groups(length, base=base, skip=skip)) == wanted


@given(lengths, bases, skips)
def test_prefixes_of_the_order_are_the_groups(length: int, base: int, skip: int) -> None:
    groups = dilated_groups(length, base=base, skip=skip)
    order = dilated_order(length, base=base, skip=skip)
    assert sorted(order) == list(range(length))
    ends = list(accumulate(map(len, groups)))
    for group, end in zip(groups, ends, strict=True):
        assert set(order[end - len(group) : end]) == set(group)
        assert list(group) == sorted(group)


@given(st.integers(2, 5), st.integers(1, 5))
def test_powers_give_the_van_der_corput_order(base: int, digits: int) -> None:
    length = base**digits
    if length > 1024:
        length, digits = base**2, 2

    def reversed_digits(p: int) -> int:
        value = 0
        for _ in range(digits):
            p, digit = divmod(p, base)
            value = value * base + digit
        return value

    assert dilated_order(length, base=base) == tuple(reversed_digits(p) for p in range(length))
    sizes = [len(group) for group in dilated_groups(length, base=base)]
    assert sizes == [base, *(base**t * (base - 1) for t in range(1, digits))]


@given(st.integers(1, 20).flatmap(strategies.ordered_partitions))
def test_merging_a_smaller_last_group(groups: tuple[tuple[int, ...], ...]) -> None:
    merged = merge_last_group(groups)
    assert [p for group in merged for p in group] == [p for group in groups for p in group]
    if len(groups) > 1 and len(groups[-1]) < len(groups[-2]):
        assert merged == (*groups[:-2], groups[-2] + groups[-1])
    else:
        assert merged == groups


def test_the_reference_reveals_five_positions_at_once() -> None:
    assert merge_last_group(dilated_groups(5)) == ((0, 2, 4, 1, 3),)


@given(lengths, st.integers(1, 40), st.integers(0, 8), bases)
def test_pipelined_blocks_by_the_rule(length: int, block: int, eighths: int, base: int) -> None:
    """Sorted by exact times; where those tie, rounding may choose."""
    order = pipelined_order(length, block=block, lag=eighths / 8, base=base)
    assert sorted(order) == list(range(length))
    rank = {p: r for r, p in enumerate(dilated_order(block, base=base))}
    times = [Fraction(rank[p % block], block) + Fraction(eighths, 8) * (p // block) for p in order]
    assert times == sorted(times)
    if block & (block - 1) == 0:  # exact in floating point
        steps = zip(pairwise(times), pairwise(order), strict=True)
        assert all(s < t or p < q for (s, t), (p, q) in steps)


@given(lengths, st.integers(1, 40), st.floats(0.0, 1.0), bases)
def test_pipelined_blocks_are_dilated(length: int, block: int, lag: float, base: int) -> None:
    order = pipelined_order(length, block=block, lag=lag, base=base)
    for start in range(0, length, block):
        end = min(start + block, length)
        inside = [p - start for p in order if start <= p < end]
        assert inside == [p for p in dilated_order(block, base=base) if p < end - start]


@given(st.integers(1, 12), st.integers(1, 12), bases)
def test_pipelines_of_no_lag_and_of_all(block: int, blocks: int, base: int) -> None:
    """In parallel, one rank of all blocks after the other; in a row, one block after the other."""
    dilated, starts = dilated_order(block, base=base), range(0, block * blocks, block)
    together = pipelined_order(block * blocks, block=block, lag=0.0, base=base)
    assert together == tuple(start + p for p in dilated for start in starts)
    in_a_row = pipelined_order(block * blocks, block=block, lag=1.0, base=base)
    assert in_a_row == tuple(start + p for start in starts for p in dilated)


@pytest.mark.parametrize(
    ("length", "block", "lag", "base", "message"),
    [
        (0, 4, 0.5, 2, "length >= 1 and block >= 1, got 0 and 4"),
        (8, 0, 0.5, 2, "length >= 1 and block >= 1, got 8 and 0"),
        (8, 4, -0.1, 2, r"lag in 0\.\.1, got -0.1"),
        (8, 4, 1.5, 2, r"lag in 0\.\.1, got 1.5"),
        (8, 4, float("nan"), 2, r"lag in 0\.\.1, got nan"),
        (8, 4, 0.5, 1, "base >= 2, got 1"),
    ],
)
def test_pipelines_out_of_range_are_refused(
    length: int, block: int, lag: float, base: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        pipelined_order(length, block=block, lag=lag, base=base)


@pytest.mark.parametrize(
    ("length", "base", "skip", "message"),
    [(0, 2, 1, "length >= 1, got 0"), (8, 1, 1, "base >= 2, got 1"), (8, 2, 0, "skip >= 1, got 0")],
)
def test_arguments_out_of_range_are_refused(
    length: int, base: int, skip: int, message: str
) -> None:
    for refused in (dilated_strides, dilated_groups, dilated_order):
        with pytest.raises(ValueError, match=message):
            refused(length, base=base, skip=skip)
