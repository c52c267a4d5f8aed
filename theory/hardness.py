r"""Why a curve must be measured: a jump that no probe meets cannot be scheduled for.

The curve of a Reed-Solomon code of dimension d falls once, from log q to 0 at d known positions.

- Until d positions are known, the conditional marginals of any others are uniform, whatever
  the values: every answer is also that of the uniform law.
- Once d positions are known, they determine all others.

Sizes therefore lose :math:`(\lceil d \rceil - d) \log q` on the code, nothing if d is one of their
boundaries, and nothing on the uniform law. Who does not know d has to try all of them.

References:
    theory, section 7.3; Chen, Cong, Li, COLT 2026, Theorems 5 and 24, have the lower bound for
    samplers that also adapt to the answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

from theory.distributions.law import Law
from theory.divergences import boundaries
from theory.guarantees.greedy import check_length
from theory.tables import Floats, marginal


def _checked_jumps(n: int, jumps: Iterable[int]) -> list[int]:
    found = sorted(set(jumps))
    if n < 1 or (found and not 1 <= found[0] <= found[-1] <= n):
        raise ValueError(f"need n >= 1 and jumps in 1..{n}, got {found}")
    return found


def indistinguishable_jumps(n: int, probes: Iterable[int]) -> tuple[tuple[int, ...], ...]:
    """Dimensions that a curve known at some numbers of positions cannot tell apart.

    Two codes d < d' differ on the curve at d..d'-1 known positions and nowhere else, and n
    stands for the uniform law. Codes of one class are told apart only by a probe of a size in
    between, however often the others are repeated.

    Args:
        n: Number of positions.
        probes: Numbers of known positions, 0..n-1, at which the curve is read.

    Returns:
        The classes of 1..n, in ascending order.

    Raises:
        ValueError: A probe is out of range.

    References:
        theory, section 7.3.

    Example:
        >>> indistinguishable_jumps(6, [1, 2, 5])
        ((1,), (2,), (3, 4, 5), (6,))
    """
    check_length(n)
    read = sorted({0, *probes})
    if not 0 <= read[0] <= read[-1] < n:
        raise ValueError(f"need probes of 0..{n - 1} known positions, got {read}")
    ends = [*read[1:], n]
    return tuple(tuple(range(a + 1, b + 1)) for a, b in zip(read, ends, strict=True))


def overshoot(jump: int, sizes: Sequence[int]) -> int:
    r""":math:`\lceil d \rceil - d`: how far the step that meets a jump goes beyond it.

    Raises:
        ValueError: A size is below 1, or the jump is not in 1..n.

    Example:
        >>> overshoot(3, (2, 4)), overshoot(2, (2, 4))
        (3, 0)
    """
    ends = boundaries(sizes, sum(sizes))
    _checked_jumps(ends[-1], [jump])
    return next(end for end in ends if end >= jump) - jump


def hedged_sizes(n: int, steps: int, jumps: Iterable[int]) -> tuple[int, ...]:
    r"""Sizes of at most k steps whose largest overshoot over some jumps is least.

    Args:
        n: Number of positions.
        steps: k >= 1.
        jumps: Where the jump may be, 1..n; n is no jump at all.

    Returns:
        Sizes that sum to n. They overshoot a single jump by 0 from two steps on, and one that
        may be anywhere by :math:`\lceil n/k \rceil - 1`.

    Raises:
        ValueError: n or k is below 1, or a jump is out of range.

    References:
        theory, section 7.3.

    Example:
        >>> hedged_sizes(6, 2, [4]), hedged_sizes(6, 2, [3, 4, 5]), hedged_sizes(6, 2, range(1, 7))
        ((4, 2), (4, 2), (3, 3))
    """
    check_length(n, steps)
    hidden = _checked_jumps(n, jumps)
    overshoots = (_covering_sizes(n, hidden, most) for most in range(n))
    return next(sizes for sizes in overshoots if len(sizes) <= steps)


def _covering_sizes(n: int, jumps: Sequence[int], most: int) -> tuple[int, ...]:
    """The fewest steps that overshoot no jump by more than ``most``."""
    ends = [0]
    for jump in jumps:
        if jump > ends[-1] and jump + most < n:
            ends.append(jump + most)
    return tuple(int(size) for size in np.diff([*ends, n]))


def code_total_variation(q: int, jump: int, sizes: Sequence[int]) -> float:
    r"""Total variation between a code and its sampler, in any order of positions.

    .. math:: TV = 1 - q^{-r}, \qquad KL = r \log q, \qquad r = \lceil d \rceil - d:

    the step that meets the jump draws r positions too many as if they were free, and a word of
    the code comes out with probability q^-r, each the same.

    Args:
        q: Order of the field.
        jump: Dimension d, 1..n.
        sizes: s_1..s_k >= 1; their sum is n.

    Returns:
        0..1. 0 where d is a boundary.

    Raises:
        ValueError: As ``overshoot``.

    References:
        theory, section 7.3.

    Example:
        >>> code_total_variation(5, 2, (2, 2)), code_total_variation(5, 2, (3, 1))
        (0.0, 0.8)
    """
    return 1.0 - float(q) ** -overshoot(jump, sizes)


def largest_bias(law: Law, known: int) -> float:
    """The most that an answer about so many known positions differs from the uniform law's.

    Args:
        law: With a table.
        known: Number of known positions, 0..n-1.

    Returns:
        Largest total variation, over sets S of this size, values x_S that the law can take and
        positions outside S, between the conditional marginal and the uniform law.

    Raises:
        ValueError: ``known`` is out of range, or the table is too large.

    References:
        Chen, Cong, Li, COLT 2026, conditional marginal oracle.

    Example:
        >>> from theory.distributions import ReedSolomon
        >>> code = ReedSolomon(4, 5, dimension=2)
        >>> [round(largest_bias(code, known), 6) for known in range(4)]
        [0.0, 0.0, 0.8, 0.8]
    """
    table = law.table()
    if not 0 <= known < law.n:
        raise ValueError(f"need 0..{law.n - 1} known positions, got {known}")
    sets = combinations(range(law.n), known + 1)
    return max(_bias(table, positions, at) for positions in sets for at in range(known + 1))


def _bias(table: Floats, positions: tuple[int, ...], at: int) -> float:
    """Of answers about ``positions[at]`` given the values of the others."""
    q = len(table)
    joint = np.moveaxis(marginal(table, positions), at, -1).reshape(-1, q)
    evidence = joint.sum(axis=1, keepdims=True)
    possible = evidence[:, 0] > 0.0
    answers = joint[possible] / evidence[possible]
    return float(np.abs(answers - 1.0 / q).sum(axis=1).max()) / 2.0
