"""What step sizes guarantee that know a scalar or two of a curve, and what they lose on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from math import floor
from typing import Any, Final, TypeAlias

from numpy.typing import ArrayLike

from theory import curves
from theory.divergences import expected_kl
from theory.guarantees import (
    SCALARS,
    Scalar,
    austin_bound,
    austin_sizes,
    chen_cong_li_dtc_sizes,
    chen_cong_li_tc_sizes,
    greedy_sizes,
    least_theta,
    li_cai_bound,
    minimax_sizes,
    scalar_value,
    sup_kl,
)

Sizes: TypeAlias = tuple[int, ...]

# Beyond these, the exact searches take longer than a second for 1, 2, 4, ... steps.
MOST_STEPS: Final = 128
LONGEST_MINIMAX: Final = 128  # positions

PUBLISHED: Final[dict[Scalar, Callable[[int, int, int], Sizes]]] = {
    "tc": chen_cong_li_tc_sizes,
    "dtc": chen_cong_li_dtc_sizes,
}


def scalar_bounds(curve: ArrayLike, steps: int) -> dict[str, dict[str, Any]]:
    """Sizes of at most k steps that each know less than the curve, with what they promise.

    ``tc``, ``dtc``, ``odds`` and ``height`` know that scalar, ``tc_and_dtc`` both correlations,
    and no sizes of as many steps promise less from as much. ``chen_cong_li_tc``,
    ``chen_cong_li_dtc``, ``li_cai`` and ``austin`` are published sizes with published bounds.

    Args:
        curve: C of a law, shape (n,), nats.
        steps: k, 1 <= k <= n; beyond 128, expect to wait.

    Returns:
        By name, ``step_sizes``, their ``guarantee`` and their ``loss`` on this curve, nats.
        Without ``tc_and_dtc`` for n > 128, and without Chen, Cong, Li's where none of their
        sizes take so few steps.

    References:
        theory, section 6.

    Example:
        >>> scalar_bounds([0.7, 0.7, 0.0], 2)["dtc"]  # a law that DTC = 1.4 says all of
        {'step_sizes': [1, 2], 'guarantee': 0.7, 'loss': 0.7}
    """
    return {
        name: {
            "step_sizes": list(sizes),
            "guarantee": guarantee,
            "loss": expected_kl(curve, sizes),
        }
        for name, sizes, guarantee in _bounds(curve, steps)
    }


def _bounds(curve: ArrayLike, steps: int) -> Iterator[tuple[str, Sizes, float]]:
    tc, dtc = curves.total_correlation(curve), curves.dual_total_correlation(curve)
    n = len(curves.information_curve(curve))
    thetas = {scalar: least_theta(scalar, n, steps) for scalar in SCALARS}
    sizes = {scalar: greedy_sizes(scalar, n, theta) for scalar, theta in thetas.items()}
    for scalar, theta in thetas.items():
        yield scalar, sizes[scalar], float(theta) * scalar_value(scalar, curve)
    if n <= LONGEST_MINIMAX:
        best = minimax_sizes(n, steps, tc, dtc)
        yield "tc_and_dtc", best, sup_kl(best, tc, dtc)
    for scalar, sizes_for in PUBLISHED.items():
        for parts in range(_most_parts(thetas[scalar]), 0, -1):
            published = sizes_for(n, 1, parts)  # it depends on value / eps alone
            if len(published) <= steps:
                value = scalar_value(scalar, curve)
                yield f"chen_cong_li_{scalar}", published, value / parts
                break
    yield "li_cai", sizes["height"], li_cai_bound(sizes["height"], tc, dtc)
    yield "austin", austin_sizes(n, steps), austin_bound(n, steps, dtc)


def _most_parts(theta: Fraction) -> int:
    """The largest m for which k steps can keep the loss within the m-th part of a scalar.

    0 also for theta = 0, where one position a step is all there is to say.
    """
    return floor(1 / theta) if theta > 0 else 0
