r"""What the known positions around a position are like: features that grow with the known set.

- Products and unions (x + y - xy) of ramps in the log of the distances to the nearest and the
  second known position on either side.
- The share of known positions in dyadic shells around i.
- What a chain tells. With l and r the distances to the nearest known positions and J(d) the
  mutual information at distance d, a stationary chain of order 1 has

  .. math:: H(X_i) - H(X_i | X_S) = J(l) + J(r) - J(l + r), \qquad J(\infty) = 0,

  and J is convex, since J(d) - J(d + 1) = I(X_1; X_{d+1} | X_0) falls with d by data processing.
  So hinges in place of J make it up, and with one at every distance (as up to 32) every such
  chain is a combination of these features with weights >= 0.

References:
    theory, section 11.2 (chains).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from schedopt.errors import UsageError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def nearest_known(known: Bools, before: Bools) -> tuple[Ints, Ints]:
    """Distances to the nearest and to the second known position on the left, shape (M, n).

    Args:
        known: Shape (M, n).
        before: Shape (M,), whether the positions left of the block are known.

    Returns:
        At least 2n where there is none.
    """
    count, n = known.shape
    far = -2 * n
    padded = np.concatenate([np.repeat(before[:, None], 2, axis=1), known], axis=1)
    upto = np.maximum.accumulate(np.where(padded, np.arange(n + 2), far), axis=1)
    earlier = np.concatenate([np.full((count, 1), far), upto[:, :-1]], axis=1)  # strictly before
    first = earlier[:, 2:]
    second = np.take_along_axis(earlier, np.maximum(first, 0), axis=1)
    here = np.arange(2, n + 2)
    return here - first, here - np.where(first >= 0, second, far)


def known_shares(known: Bools, asked: Bools, before: Bools) -> Floats:
    """Known share of the positions at distance 1, 2, 3..4, 5..8, .. on each side, (R, shells)."""
    count, n = known.shape
    left, right = np.repeat(before[:, None], n, axis=1), np.zeros((count, n), dtype=bool)
    wide = np.concatenate([left, known, right], axis=1)
    total = np.concatenate([np.zeros((count, 1)), np.cumsum(wide, axis=1)], axis=1)
    row, at = np.nonzero(asked)
    here = at + n
    shares, low = [], 1
    for high in [min(2**k, n) for k in range((n - 1).bit_length() + 1)]:
        width = high - low + 1
        shares += [
            (total[row, here - low + 1] - total[row, here - high]) / width,
            (total[row, np.minimum(here + high + 1, 3 * n)] - total[row, here + low]) / width,
        ]
        low = high + 1
    return np.stack(shares, axis=1)


def _ramps(distance: Ints, n: int) -> Floats:
    """1 up to a distance of 2^k, then 0 from twice as far, for k = 0, 1, ..; shape (R, knots)."""
    knots = np.arange(max(1, (n - 1).bit_length()))
    log = np.log2(np.maximum(distance, 1))[:, None]
    near = distance[:, None] < 2 * n  # beyond there is nothing known
    return np.asarray(np.clip(1.0 + knots - log, 0.0, 1.0) * near)


def _both(x: Floats, y: Floats) -> Floats:
    return np.asarray((x[:, :, None] * y[:, None, :]).reshape(len(x), x.shape[1] * y.shape[1]))


def _either(x: Floats, y: Floats) -> Floats:
    joined = x[:, :, None] + y[:, None, :] - x[:, :, None] * y[:, None, :]
    return np.asarray(joined.reshape(len(x), x.shape[1] * y.shape[1]))


def _chains(left: Ints, right: Ints, n: int) -> Floats:
    """J(l) + J(r) - J(l + r) for J(d) = max(0, 1 - d / m) and for J = 1, shape (R, hinges + 1)."""
    ends = [m for m in range(2, n) if m % 2 ** max(0, m.bit_length() - 5) == 0]
    ends += [n] if n > 1 else []  # every distance up to 32, then 16 an octave

    def hinges(distance: Ints) -> Floats:
        return np.asarray(np.maximum(0.0, 1.0 - distance[:, None] / np.array(ends, dtype=float)))

    any_known = np.minimum(left, right) < 2 * n
    told = hinges(left) + hinges(right) - hinges(left + right)
    return np.concatenate([told, any_known[:, None]], axis=1)


def nearest_features(left: Ints, right: Ints, n: int) -> Floats:
    """What the distances to the nearest known positions on both sides, shape (R,), tell."""
    x, y = _ramps(left, n), _ramps(right, n)
    return np.concatenate([x, y, _both(x, y), _either(x, y), _chains(left, right, n)], axis=1)


def second_features(first: Ints, second: Ints, n: int) -> Floats:
    """What two known positions on one side at these distances, shape (R,), tell."""
    return _both(_ramps(first, n), _ramps(second, n))


def features(known: Bools, asked: Bools, *, has_context: bool | Bools) -> Floats:
    """Features of every asked position, shape (R, K), each in 0..1 and growing with the known set.

    Args:
        known: Shape (M, n).
        asked: Shape (M, n), of which R are True; none of them known.
        has_context: Whether the positions before the block are known; shape (M,) where that
            differs.

    Raises:
        UsageError: The shapes differ, there are no positions, or a known position is asked.

    Example:
        >>> known = np.array([[False, True, False, False]])
        >>> features(known, ~known, has_context=False).shape
        (3, 30)
    """
    if known.ndim != 2 or known.shape != asked.shape or known.shape[1] < 1:
        raise UsageError(
            f"need known and asked of one shape (M, n), got {known.shape} and {asked.shape}"
        )
    if (known & asked).any():
        row, at = (int(i) for i in np.argwhere(known & asked)[0])
        raise UsageError(f"row {row} asks for position {at}, which is known")
    count, n = known.shape
    before = np.broadcast_to(np.asarray(has_context, dtype=bool), (count,))
    left, second_left = (d[asked] for d in nearest_known(known, before))
    mirrored = nearest_known(known[:, ::-1], np.zeros(count, dtype=bool))
    right, second_right = (d[:, ::-1][asked] for d in mirrored)
    return np.concatenate(
        [
            known_shares(known, asked, before),
            second_features(left, second_left, n),
            second_features(right, second_right, n),
            nearest_features(left, right, n),
        ],
        axis=1,
    )


class FeatureTables:
    """Features times weights, looked up by distances: ten times as fast.

    Args:
        n: Positions, >= 1.
        weights: Shape (K,).

    Example:
        >>> known = np.array([[False, True, False, False]])
        >>> weights = np.arange(30.0)
        >>> told = FeatureTables(4, weights).told(known, ~known, False)
        >>> bool(np.allclose(told, features(known, ~known, has_context=False) @ weights))
        True
    """

    def __init__(self, n: int, weights: Floats) -> None:
        # Up to that of the second position of the context; the last where nothing is known.
        distances = np.append(np.arange(n + 2), 2 * n)
        alone, nothing = np.eye(n, dtype=bool), np.zeros((1, n), dtype=bool)
        shares = known_shares(alone, ~alone, np.zeros(n, dtype=bool))
        seconds = second_features(distances, distances, n).shape[1]
        ends = np.cumsum([shares.shape[1], seconds, seconds])
        of_shares, of_left, of_right, of_nearest = np.split(weights, ends)

        def table(kind: Callable[[Ints, Ints, int], Floats], chosen: Floats) -> Floats:
            return np.stack([kind(np.full(n + 3, d), distances, n) @ chosen for d in distances])

        self.nearest = table(nearest_features, of_nearest)
        self.left, self.right = (table(second_features, w) for w in (of_left, of_right))
        self.shares = np.zeros((n, n))  # of one known position, by it and the one that is asked
        self.shares[~alone] = shares @ of_shares
        self.context = known_shares(nothing, ~nothing, np.ones(1, dtype=bool)) @ of_shares

    def told(self, known: Bools, asked: Bools, has_context: bool) -> Floats:
        """What is known of every asked position, shape (R,), in the order of ``features``.

        Args:
            known: Shape (M, n).
            asked: Shape (M, n), of which R are True; none of them known.
            has_context: Whether the positions before the block are known.
        """
        count, n = known.shape
        before = np.full(count, has_context)

        def places(distances: tuple[Ints, Ints]) -> list[Ints]:
            return [np.minimum(d, n + 2) for d in distances]

        left, second_left = (d[asked] for d in places(nearest_known(known, before)))
        mirrored = places(nearest_known(known[:, ::-1], np.zeros(count, dtype=bool)))
        right, second_right = (d[:, ::-1][asked] for d in mirrored)
        shares = known @ self.shares + (self.context if has_context else 0.0)
        return np.asarray(
            shares[asked]
            + self.left[left, second_left]
            + self.right[right, second_right]
            + self.nearest[left, right]
        )
