"""The dilated order of DUS and its groups."""

from __future__ import annotations

from collections.abc import Sequence


def dilated_strides(length: int, *, base: int = 2, skip: int = 1) -> tuple[int, ...]:
    """Spacings floor(length / base^skip), each next one floor(previous / base), down to >= 1.

    Example:
        >>> dilated_strides(48)
        (24, 12, 6, 3, 1)
    """
    if length < 1:
        raise ValueError(f"need length >= 1, got {length}")
    if base < 2:
        raise ValueError(f"need base >= 2, got {base}")
    if skip < 1:
        raise ValueError(f"need skip >= 1, got {skip}")
    strides = []
    # A power above the length gives 0 whatever its size; the bound keeps it from growing huge.
    stride = length // base ** min(skip, length.bit_length())
    while stride >= 1:
        strides.append(stride)
        stride //= base
    return tuple(strides)


def dilated_groups(length: int, *, base: int = 2, skip: int = 1) -> tuple[tuple[int, ...], ...]:
    """Groups of DUS: each round reveals the multiples of its spacing that are still masked.

    Positions that no spacing reaches form a last group.

    Args:
        length: Block length B >= 1.
        base: Spacings shrink by this factor, >= 2.
        skip: The first spacing is floor(B / base^skip), >= 1.

    Returns:
        Non-empty groups of ascending positions that partition 0..B-1. For B = base^R and
        skip 1 there are R groups of sizes base, base(base-1), base^2 (base-1), ...

    Raises:
        ValueError: An argument below its least value.

    References:
        DUS, arXiv:2506.19037; the groups are those of its section 3 for any B.

    Example:
        >>> dilated_groups(8)
        ((0, 4), (2, 6), (1, 3, 5, 7))
    """
    groups: list[tuple[int, ...]] = []
    known: set[int] = set()
    for stride in (*dilated_strides(length, base=base, skip=skip), 1):
        fresh = tuple(p for p in range(0, length, stride) if p not in known)
        if fresh:
            groups.append(fresh)
            known.update(fresh)
    return tuple(groups)


def dilated_order(length: int, *, base: int = 2, skip: int = 1) -> tuple[int, ...]:
    """The order whose prefixes at DUS's group ends are DUS's groups, evenly spread in between.

    Inside a group, positions are swept by their distance to the nearest multiple of the
    previous spacing on their left, and for equal distance in the order in which those
    multiples were revealed. For length = base^R this is the base's van der Corput order.

    Args:
        length: Block length B >= 1.
        base: As for ``dilated_groups``.
        skip: As for ``dilated_groups``.

    Returns:
        A permutation of 0..B-1.

    Raises:
        ValueError: An argument below its least value.

    References:
        theory, section 11.1: DUS is a digit-reversal order with boundaries base, base^2, ...

    Example:
        >>> dilated_order(8)
        (0, 4, 2, 6, 1, 5, 3, 7)
        >>> dilated_order(9, base=3)
        (0, 3, 6, 1, 4, 7, 2, 5, 8)
    """
    rank: dict[int, int] = {}
    previous = length
    for stride in (*dilated_strides(length, base=base, skip=skip), 1):
        fresh = [p for p in range(0, length, stride) if p not in rank]
        # (distance to the left anchor, when that anchor was revealed); no anchors at first.
        swept = [(p % previous, rank.get(p - p % previous, 0), p) for p in fresh]
        for _, _, position in sorted(swept):
            rank[position] = len(rank)
        previous = stride
    return tuple(rank)


def pipelined_order(length: int, *, block: int, lag: float, base: int = 2) -> tuple[int, ...]:
    """Dilated blocks that start one after the other, each before the last one has ended.

    Position p is revealed at time r / block + lag * (p // block), where r is its place in the
    dilated order of its block. With lag 0 all blocks go in parallel; with lag 1 one follows the
    other, as semi-autoregressive decoding has it; in between they overlap.

    Args:
        length: Number of positions >= 1; the last block may be shorter.
        block: Positions of one block, >= 1.
        lag: Start of a block after the one before it, in durations of a block; 0..1.
        base: As for ``dilated_groups``.

    Returns:
        A permutation of 0..length-1.

    Raises:
        ValueError: An argument out of its range.

    Example:
        >>> pipelined_order(8, block=4, lag=0.5)
        (0, 2, 1, 4, 3, 6, 5, 7)
        >>> pipelined_order(8, block=4, lag=1)
        (0, 2, 1, 3, 4, 6, 5, 7)
    """
    if length < 1 or block < 1:
        raise ValueError(f"need length >= 1 and block >= 1, got {length} and {block}")
    if not 0.0 <= lag <= 1.0:
        raise ValueError(f"need a lag in 0..1, got {lag}")
    rank = {p: r for r, p in enumerate(dilated_order(block, base=base))}
    times = [rank[p % block] / block + lag * (p // block) for p in range(length)]
    return tuple(sorted(range(length), key=lambda p: (times[p], p)))


def merge_last_group(groups: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """What DUS's reference sampler makes of groups: a last one smaller than its neighbour joins it.

    It changes none of DUS's own groups at practical lengths, but schedules with a short last step
    (and DUS's at length 5), so a schedule and the reference may differ by one step.

    References:
        ``merge_last_level`` of the DUS reference implementation.

    Example:
        >>> merge_last_group(dilated_groups(5))
        ((0, 2, 4, 1, 3),)
    """
    *before, last = (tuple(group) for group in groups)
    if before and len(last) < len(before[-1]):
        return (*before[:-1], before[-1] + last)
    return (*before, last)
