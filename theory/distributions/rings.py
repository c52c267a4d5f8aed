"""Pairwise fields on a ring."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from theory.curves import without_rounding
from theory.distributions.law import HELD_NUMBERS, Law, Tokens, draw_symbols
from theory.tables import Floats, entropy

Positions = NDArray[np.intp]

EXPONENT_LIMIT = 1e6  # beyond it, sums of n exponents keep less than nine digits


def _normalised(exponents: Floats, axis: int | tuple[int, ...]) -> Floats:
    """Probabilities along the axes from their logarithms but for a constant."""
    weights = np.exp(exponents - exponents.max(axis=axis, keepdims=True))
    return np.asarray(weights / weights.sum(axis=axis, keepdims=True))


@dataclass(frozen=True, eq=False)
class Ring(Law):
    r"""A law of positions on a ring, each of which depends on its two neighbours only.

    .. math:: \mu(x) \propto \exp \sum_i b_i(x_i, x_{i+1}), \qquad x_n = x_0.

    Given S, what is between two neighbours in S is independent of the rest, so that transfer
    matrices give everything in polynomial time: the arcs between all pairs of positions take
    O(n^2 q^3) once, O(n q^3) where every b_i is the same.
    """

    @abstractmethod
    def _bonds(self) -> Floats:
        """Exponents b, shape (n, q, q), or (1, q, q) where they are all the same."""

    def _tabulate(self) -> Floats:
        bonds, at = self._bonds(), np.indices((self.q,) * self.n, sparse=True)
        exponents = sum(bonds[i % len(bonds)][at[i], at[(i + 1) % self.n]] for i in range(self.n))
        return _normalised(np.asarray(exponents), tuple(range(self.n)))

    @cached_property
    def _arcs(self) -> Floats:
        """Log-weights of X_{l+d} given X_l, but for a constant each, shape (q, q, n + 1, p).

        By distance d and start l; p = 1 where all starts are alike. Logarithms, since a ring may
        be frustrated: the weights of all that is possible may be too small for a number.
        """
        bonds = self._bonds()
        p, q = bonds.shape[:2]
        bonds = np.moveaxis(bonds, 0, -1)  # what is many comes last: numpy is fastest so
        arcs = np.empty((q, q, self.n + 1, p))
        arcs[:, :, 0] = np.where(np.eye(q, dtype=bool), 0.0, -np.inf)[..., None]
        starts = np.arange(p)
        for d in range(self.n):
            paths = arcs[:, :, None, d] + bonds[:, :, (starts + d) % p]  # (q, q, q, p)
            ends = np.logaddexp.reduce(paths, axis=1)
            arcs[:, :, d + 1] = ends - ends.max(axis=(0, 1))
        return arcs

    def _arc(self, start: Positions, distance: Positions) -> Floats:
        """Arcs of these starts and distances, shape (q, q, ...)."""
        return np.asarray(self._arcs[:, :, distance, start % self._arcs.shape[3]])

    @cached_property
    def _marginals(self) -> Floats:
        """Law of each position, shape (n, q)."""
        around = self._arc(np.arange(self.n), np.asarray(self.n))
        return _normalised(np.diagonal(around), -1)

    def _entropies_between(self, left: Positions, before: Positions, after: Positions) -> Floats:
        """H(X_i | X_l, X_r), nats, for i = l + before and r = i + after, which may be l again."""
        middle = left + before
        back = self._arc(middle + after, self.n - before - after).swapaxes(0, 1)
        ends = _normalised(self._arc(left, before + after) + back, (0, 1))  # x_l, x_r
        paths = self._arc(left, before)[:, :, None] + self._arc(middle, after)
        paths -= paths.max(axis=1, keepdims=True)  # x_l, x_i, x_r
        weights = np.exp(paths)
        totals = weights.sum(axis=1)
        found = np.log(totals) - (weights * paths).sum(axis=1) / totals
        return np.asarray((ends * found).sum(axis=(0, 1)))

    def entropy(self) -> float:
        """H(X), nats: of the first position, and of each later one given it and the one before."""
        later = np.arange(1, self.n)
        steps = self._entropies_between(later - 1, np.ones_like(later), self.n - later)
        return entropy(self._marginals[0]) + float(steps.sum())

    def conditional_entropies(self, given: Iterable[int]) -> Floats:
        """H(X_i | X_S) for every position i, shape (n,), nats; from the gaps of S."""
        known = np.zeros(self.n, dtype=bool)
        known[list(given)] = True
        if not known.any():
            return np.array([entropy(row) for row in self._marginals])
        fresh = np.flatnonzero(~known)
        before, after = (distances[fresh] for distances in _distances(known))
        found = np.zeros(self.n)
        found[fresh] = self._entropies_between(fresh - before, before, after)
        return found

    def conditional_entropy_curve(self) -> Floats:
        r"""C, shape (n,), nats, in O(n^2 q^3), or O(n^3 q^3) where the exponents differ.

        A uniform j-subset S of the n - 1 positions other than i has the neighbours l and r of i
        that are d apart, and none between, with probability binom(n-1-d, j-2) / binom(n-1, j) for
        d < n; a single known position is both, at d = n. So, with G_d the mean over l of the sum
        of H(X_i | X_l, X_{l+d}) over the d - 1 positions i between,

        .. math:: C(0) = H(X_i), \quad C(1) = \frac{G_n}{n-1}, \quad
                  C(j) = \sum_{d=2}^{n-1} \frac{\binom{n-1-d}{j-2}}{\binom{n-1}{j}} G_d.
        """
        n, p = self.n, self._arcs.shape[3]
        sums = np.zeros(n + 1)  # G
        block = max(1, HELD_NUMBERS // self.q**3)
        for d in range(2, n + 1):
            left, before = (a.ravel() for a in np.indices((p, d - 1)))
            for start in range(0, len(left), block):
                part = slice(start, start + block)
                inside = before[part] + 1
                sums[d] += self._entropies_between(left[part], inside, d - inside).sum() / p
        curve = np.full(n, np.mean([entropy(row) for row in self._marginals]))
        curve[1:2] = sums[n] / max(n - 1, 1)
        apart = np.arange(n, dtype=np.float64)  # d
        share = np.ones(n) / max((n - 1) * (n - 2) / 2, 1)  # binom(n-1-d, j-2) / binom(n-1, j)
        for j in range(2, n):
            curve[j] = share[2:] @ sums[2:n]
            # binom(m, j-1) / binom(m, j-2) = (m - j + 2) / (j - 1), with m = n - 1 - d
            share *= np.maximum(n + 1 - apart - j, 0.0) / (j - 1) * (j + 1) / max(n - 1 - j, 1)
        return without_rounding(curve)

    def draw(self, count: int, rng: np.random.Generator) -> Tokens:
        """Independent samples of the law, shape (count, n), symbol by symbol."""
        found = np.empty((count, self.n), dtype=np.int64)
        found[:, 0] = draw_symbols(np.broadcast_to(self._marginals[0], (count, self.q)), rng)
        for i in range(1, self.n):
            bond = self._arc(np.asarray(i - 1), np.asarray(1))[found[:, i - 1]]
            back = self._arc(np.asarray(i), np.asarray(self.n - i))[:, found[:, 0]].T
            found[:, i] = draw_symbols(_normalised(bond + back, -1), rng)
        return found

    def _weights(self, tokens: Tokens) -> Floats:
        known = tokens < self.q
        before, after = _distances(known)
        at = np.arange(self.n)
        left = np.take_along_axis(tokens, (at - before) % self.n, axis=1) % self.q
        right = np.take_along_axis(tokens, (at + after) % self.n, axis=1) % self.q
        p = self._arcs.shape[3]
        exponents = self._arcs[left, :, before, (at - before) % p]  # (B, n, q)
        exponents += np.moveaxis(self._arcs[:, right, after, at % p], 0, -1)
        weights = np.exp(exponents - exponents.max(axis=-1, keepdims=True))
        return np.where(np.asarray(known.any(axis=1))[:, None, None], weights, self._marginals)

    def _numbers_per_row(self) -> int:
        return 4 * self.n * self.q


def _distances(known: NDArray[np.bool_]) -> tuple[Positions, Positions]:
    """How far back and ahead on the ring the next known position is, each shape (..., n).

    Both are 0 for a known position. Where nothing is known they are n.
    """
    n, at = known.shape[-1], np.arange(known.shape[-1])

    def back(seen: NDArray[np.bool_]) -> Positions:
        twice = np.concatenate([np.where(seen, at, -n), np.where(seen, at + n, -n)], axis=-1)
        latest = np.maximum.accumulate(twice, axis=-1)[..., n:]
        return np.asarray(np.minimum(at + n - latest, n))

    return back(known), back(known[..., ::-1])[..., ::-1]


@dataclass(frozen=True, eq=False)
class RingField(Ring):
    r"""A general pairwise field on a ring.

    .. math:: \mu(x) \propto \exp \sum_i J_i(x_i, x_{i+1}) + h_i(x_i), \qquad x_n = x_0.

    Args:
        n: Number of positions, >= 1.
        potential: J, shape (q, q) where all pairs are alike, or (n, q, q).
        field: h, shape (q,) where all positions are alike, or (n, q); 0 where left out.

    Raises:
        ValueError: n is below 1, the shapes do not fit, or an exponent is not within 10^6; a large
            negative one does for a pair that is forbidden.

    Example:
        >>> apart = RingField(3, -50.0 * np.eye(3))  # three colours, none beside itself
        >>> apart.conditional_entropy_curve().round(4)
        array([1.0986, 0.6931, 0.    ])
    """

    n: int
    potential: Floats
    field: Floats | None = None

    def __post_init__(self) -> None:
        potential = np.array(self.potential, dtype=np.float64)
        q = potential.shape[-1] if potential.ndim else 0
        field = np.zeros(q) if self.field is None else np.array(self.field, dtype=np.float64)
        if (
            self.n < 1
            or q < 1
            or potential.shape not in {(q, q), (self.n, q, q)}
            or field.shape not in {(q,), (self.n, q)}
        ):
            raise ValueError(
                f"ring: need n >= 1, a potential of shape (q, q) or (n, q, q) and a field of shape "
                f"(q,) or (n, q), got n={self.n}, {potential.shape} and {field.shape}"
            )
        largest = max(np.abs(potential).max(), np.abs(field).max())
        if not largest <= EXPONENT_LIMIT:
            raise ValueError(f"ring: need exponents within {EXPONENT_LIMIT:g}, got {largest:g}")
        object.__setattr__(self, "potential", potential)
        object.__setattr__(self, "field", field)
        object.__setattr__(self, "q", q)

    def _bonds(self) -> Floats:
        bonds: Floats = self.potential + np.asarray(self.field)[..., None]
        return bonds if bonds.ndim == 3 else bonds[None]


@dataclass(frozen=True, eq=False)
class IsingRing(Ring):
    r"""Spins on a ring whose neighbours attract or repel each other.

    .. math:: \mu(x) \propto \exp\Big(\sum_i J \sigma_i \sigma_{i+1} + h \sigma_i\Big),
              \qquad \sigma_i = 2 x_i - 1, \quad \sigma_n = \sigma_0.

    Args:
        n: Number of positions, >= 1.
        coupling: J; positive makes neighbours alike.
        field: h; positive makes ones likelier.

    Raises:
        ValueError: n is below 1, or a parameter is not within 10^6.

    Example:
        >>> IsingRing(512, coupling=0.0).conditional_entropy_curve()[[0, 511]].round(4)
        array([0.6931, 0.6931])
    """

    n: int
    coupling: float
    field: float = 0.0

    def __post_init__(self) -> None:
        within = np.abs([self.coupling, self.field]) <= EXPONENT_LIMIT
        if self.n < 1 or not within.all():
            raise ValueError(
                f"Ising ring: need n >= 1 and parameters within {EXPONENT_LIMIT:g}, got "
                f"n={self.n}, coupling={self.coupling}, field={self.field}"
            )
        object.__setattr__(self, "q", 2)

    def _bonds(self) -> Floats:
        spins = np.array([-1.0, 1.0])
        return np.asarray(self.coupling * np.outer(spins, spins) + self.field * spins[:, None])[
            None
        ]
