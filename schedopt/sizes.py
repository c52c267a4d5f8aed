"""Step sizes that are known before anything is measured: uniform, MaskGIT's, and DUS's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schedopt.errors import UsageError
from schedopt.schedule import Order, UnmaskingSchedule
from theory.orders import dilated_groups, merge_last_group

Floats = NDArray[np.float64]

# n * cos(pi / 3) is n / 2 plus rounding: a tie that must not depend on the last bit.
TIE: Final = 1e-9


def _check_steps(length: int, steps: int) -> None:
    if not 1 <= steps <= length:
        raise UsageError(f"need 1 <= k <= n, got k={steps}, n={length}")


def doublings(length: int) -> tuple[int, ...]:
    """Numbers of steps to list where all would be too many: 1, 2, 4, ..., and the length.

    Example:
        >>> doublings(12)
        (1, 2, 4, 8, 12)
    """
    return (*(2**i for i in range((length - 1).bit_length())), length)


def uniform_sizes(length: int, steps: int) -> tuple[int, ...]:
    r"""Step sizes as equal as they can be, with boundaries :math:`N_t = \lfloor t n / k \rfloor`.

    Args:
        length: Number of positions n.
        steps: Number of steps k.

    Returns:
        k sizes that sum to n.

    Raises:
        UsageError: Not 1 <= k <= n.

    Example:
        >>> uniform_sizes(8, 3)
        (2, 3, 3)
    """
    _check_steps(length, steps)
    ends = [t * length // steps for t in range(steps + 1)]
    return tuple(int(size) for size in np.diff(ends))


def llada_sizes(length: int, steps: int) -> tuple[int, ...]:
    """LLaDA's table: as equal as they can be, the larger ones first.

    Args:
        length: Number of positions n.
        steps: Number of steps k.

    Returns:
        k sizes that sum to n.

    Raises:
        UsageError: Not 1 <= k <= n.

    References:
        Nie et al., LLaDA (arXiv:2502.09992), ``get_num_transfer_tokens`` of its code.

    Example:
        >>> llada_sizes(8, 3)
        (3, 3, 2)
    """
    _check_steps(length, steps)
    least, more = divmod(length, steps)
    return (least + 1,) * more + (least,) * (steps - more)


# Of the positions, the share that stays masked once a share r of the steps is made. The first five
# are MaskGIT's; the last is that of the Halton sampler.
MASKED_SHARES: Final[Mapping[str, Callable[[Floats], Floats]]] = {
    "cosine": lambda r: np.cos(np.pi / 2 * r),
    "linear": lambda r: 1.0 - r,
    "square": lambda r: 1.0 - r**2,
    "cubic": lambda r: 1.0 - r**3,
    "root": lambda r: 1.0 - np.sqrt(r),
    "arccos": lambda r: 2 / np.pi * np.arccos(r),
}


def shared_sizes(name: str, length: int, steps: int) -> tuple[int, ...]:
    r"""Step sizes that leave :math:`n \gamma(t / k)` positions masked after step t.

    gamma is ``cosine`` cos(pi r / 2), ``linear`` 1 - r, ``square`` 1 - r^2, ``cubic`` 1 - r^3,
    ``root`` 1 - sqrt(r) or ``arccos`` (2 / pi) arccos r. What remains is rounded to the nearest
    whole number, a tie downwards (published samplers cut it off); each step reveals at least one
    position.

    Args:
        name: One of ``MASKED_SHARES``.
        length: Number of positions n.
        steps: Number of steps k.

    Returns:
        k sizes that sum to n.

    Raises:
        UsageError: An unknown name, or not 1 <= k <= n.

    References:
        Chang et al., MaskGIT (arXiv:2202.04200), section 3.3: mask scheduling functions; Besnier
        et al., Halton scheduler (arXiv:2503.17076), for ``arccos``.

    Example:
        >>> shared_sizes("square", 8, 4), shared_sizes("root", 8, 4)
        ((1, 1, 3, 3), (4, 2, 1, 1))
    """
    if name not in MASKED_SHARES:
        raise UsageError(f"unknown sizes {name!r}; one of {', '.join(MASKED_SHARES)}")
    return sizes_of_share(MASKED_SHARES[name], length, steps)


def sizes_of_share(share: Callable[[Floats], Floats], length: int, steps: int) -> tuple[int, ...]:
    """Step sizes that leave a given share of the positions masked, rounded as ``shared_sizes``.

    Args:
        share: From the share of steps made to that of masked positions; falls from 1 to 0.
        length: Number of positions n.
        steps: Number of steps k.

    Returns:
        k sizes that sum to n.

    Raises:
        UsageError: Not 1 <= k <= n.

    Example:
        >>> sizes_of_share(lambda r: (1.0 - r) ** 2, 8, 4)
        (4, 2, 1, 1)
    """
    _check_steps(length, steps)
    t = np.arange(steps + 1)
    left = np.ceil(length * share(t / steps) - 0.5 - TIE)
    # One position a step at least: ends rise by one, and leave one for each step to come.
    ends = np.maximum.accumulate(length - left - t) + t
    ends = np.minimum(ends, length - (steps - t))
    return tuple(int(size) for size in np.diff(ends))


SizeRule = Callable[[int, int], tuple[int, ...]]

# Sizes by name, of a length and a number of steps.
SIZE_RULES: Final[Mapping[str, SizeRule]] = {
    "uniform": uniform_sizes,
    "llada": llada_sizes,
    **{name: partial(shared_sizes, name) for name in MASKED_SHARES},
}


def dus_schedule(
    length: int, *, base: int = 2, skip: int = 1, merge: bool = False
) -> UnmaskingSchedule:
    """DUS with its own groups: the dilated order, cut where its spacing shrinks.

    Args:
        length: Block length B.
        base: Spacings shrink by this factor, >= 2.
        skip: The first spacing is floor(B / base^skip), >= 1.
        merge: Merge a last group that is smaller than its neighbour into it, as the reference
            does; that changes none where B is a multiple of 8 up to 64.

    Returns:
        A schedule whose groups are DUS's.

    Raises:
        UsageError: An argument below its least value.

    References:
        DUS, arXiv:2506.19037, section 3.

    Example:
        >>> dus_schedule(32).step_sizes
        (2, 2, 4, 8, 16)
        >>> dus_schedule(5).step_sizes, dus_schedule(5, merge=True).step_sizes
        ((3, 2), (5,))
    """
    order = Order("dilated", base=base, skip=skip)
    if length < 1:
        raise UsageError(f"length: need a whole number >= 1, got {length}")
    groups = dilated_groups(length, base=base, skip=skip)
    if merge:
        groups = merge_last_group(groups)
    return UnmaskingSchedule(length, order, tuple(len(group) for group in groups))
