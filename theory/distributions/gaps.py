"""Order-1 dependence on a line: known positions enter only through the gaps between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from theory.curves import without_rounding
from theory.tables import Floats

Positions = NDArray[np.intp]


def entropies_in_gaps(
    given: Iterable[int], alone: Floats, forward: Callable[[Positions, Positions], Floats]
) -> Floats:
    r"""H(X_i | X_S) for every position i, shape (n,), nats; 0 for i in S.

    With l and r the known neighbours of i,

    .. math:: H(X_i | X_l, X_r) = H(X_i | X_l) + H(X_r | X_i) - H(X_r | X_l).

    Args:
        given: S, positions.
        alone: H(X_i), shape (n,), nats.
        forward: H(X_end | X_start) of positions start <= end, any number of pairs at a time.
    """
    n, at = len(alone), np.arange(len(alone))
    known = np.zeros(n, dtype=bool)
    known[list(given)] = True
    left = np.maximum.accumulate(np.where(known, at, -1))
    right = np.minimum.accumulate(np.where(known, at, n)[::-1])[::-1]

    def between(start: Positions, end: Positions) -> Floats:
        """H(X_end | X_start), where nothing is known at -1, and there is nothing at n."""
        found = forward(start.clip(min=0), end.clip(max=n - 1))
        found = np.where(start < 0, alone[end.clip(max=n - 1)], found)
        return np.where(end == n, 0.0, found)

    found = between(left, at) + between(at, right) - between(left, right)
    return np.where(known, 0.0, np.maximum(found, 0.0))


def curve_of_gaps(alone: Floats, pairs: Floats) -> Floats:
    r"""C, shape (n,), nats, in O(n^2), and not as a difference of entropies.

    A uniform j-subset S of the n - 1 positions other than i avoids d of them with probability
    R(d) = binom(n-1-d, j) / binom(n-1, j), avoids d - 1 and holds one more with
    P(d) = binom(n-1-d, j-1) / binom(n-1, j), avoids d - 2 and holds two more with
    Q(d) = binom(n-1-d, j-2) / binom(n-1, j). A gap l, l + d of the formula of
    ``entropies_in_gaps`` is met when S avoids its inside and i is its right end, or its left end,
    or one of the d - 1 inside; the gap before the first position likewise. So, with A_d the sum
    of H(X_{l+d} | X_l) over l,

    .. math:: n C(j) = \sum_{d=0}^{n-1} H(X_d) R(d) + (2 A_d - d H(X_d)) P(d)
              - (d-1) A_d Q(d), \qquad A_0 = 0.

    Args:
        alone: H(X_i), shape (n,), nats.
        pairs: A, shape (n,), nats.
    """
    n, d = len(alone), np.arange(len(alone), dtype=np.float64)
    one_weight = 2.0 * pairs - d * alone
    two_weight = (d - 1.0) * pairs
    curve = np.array(
        [alone @ none + one_weight @ one - two_weight @ two for none, one, two in _holding(n, d)]
    )
    return without_rounding(curve / n)


def _holding(n: int, d: Floats) -> Iterator[tuple[Floats, Floats, Floats]]:
    """R, P and Q of ``curve_of_gaps`` at these d, for j = 0..n-1."""
    none, one, two = np.ones(len(d)), np.zeros(len(d)), np.zeros(len(d))
    for j in range(n):
        yield none, one, two
        others = max(n - 1 - j, 1)  # binom(n-1, j+1) / binom(n-1, j) = others / (j + 1)
        two = one * ((j + 1) / others)
        one = none * ((j + 1) / others)
        none = none * (np.maximum(n - 1 - j - d, 0.0) / others)


def curve_of_near_gaps(n: int, alone: float, shared: Floats) -> Floats:
    r"""C, shape (n,), nats, in O(n D) where positions more than D apart are independent.

    The curve is linear in the entropies of gaps, and of independent positions it is flat. With
    B_d the sum of I(X_l; X_{l+d}) over l, and P, Q of ``curve_of_gaps``,

    .. math:: n C(j) = \sum_i H(X_i) - \sum_{d=1}^{D} B_d (2 P(d) - (d-1) Q(d)).

    Args:
        n: Number of positions.
        alone: Mean of H(X_i), nats.
        shared: B_1 .. B_D, nats, D < n.

    References:
        theory, section 1.1.

    Example:
        >>> curve_of_near_gaps(3, 1.0, np.array([0.5])).round(4)
        array([1.    , 0.8333, 0.6667])
    """
    d = np.arange(1.0, len(shared) + 1.0)
    one_weight, two_weight = 2.0 * shared, (d - 1.0) * shared
    known = np.array([one_weight @ one - two_weight @ two for _, one, two in _holding(n, d)])
    return without_rounding(alone - known / n)
