r"""Curves averaged over laws that are themselves drawn at random.

A loss is linear in the curve, so that the mean curve of a family of laws is as good as a law; and
where one member takes ranks of all subsets or thousands of components, the mean takes counts.
"""

from __future__ import annotations

import numpy as np

from theory.curves import without_rounding
from theory.distributions.counting import counter_laws
from theory.tables import Floats

NEGLIGIBLE = 1e-15  # probability of a number of flips


def random_code_curve(n: int, dimension: int, p: int = 2) -> Floats:
    r"""Mean curve of ``linear_code`` over its generators, shape (n,), nats, exact.

    The columns of G are independent uniform vectors of GF(p)^k, so that a new one misses the span
    of rank r of the others with probability 1 - p^{r - k}:

    .. math:: C(j) = \log p \;\, E\bigl[1 - p^{\operatorname{rank}_j - k}\bigr].

    Args:
        n: Number of positions, >= 1.
        dimension: Rows k of the generator, 0..n.
        p: Order of the field, a prime.

    Raises:
        ValueError: The dimension is not in 0..n, or n is below 1.

    References:
        Wainwright (arXiv:2608.13520), Lemma 2 and Figure 6, with dimension alpha n: the dense
        random XORSAT ensemble.

    Example:
        >>> random_code_curve(3, 1).round(4)  # log 2 / 2, unless another column is not zero
        array([0.3466, 0.1733, 0.0866])
    """
    if n < 1 or not 0 <= dimension <= n:
        raise ValueError(f"need 0 <= dimension <= n and n >= 1, got dimension={dimension}, n={n}")

    def misses(_: int, rank: Floats) -> Floats:
        return np.asarray(-np.expm1((rank - dimension) * np.log(p)))

    ranks = counter_laws(n, misses, most=dimension)
    means = [float(law @ misses(0, np.arange(len(law), dtype=np.float64))) for law in ranks]
    return without_rounding(np.log(p) * np.array(means))


def random_mixture_increments(
    n: int, components: int, eps: float, count: int, rng: np.random.Generator
) -> Floats:
    r"""Draws of D_1..D_{n-1} of a mixture of M uniform prototypes of bits, averaged over these.

    .. math:: D_{j+1} = E\, I(X_i; X_k \mid X_S), \qquad |S| = j,

    where a prototype matters only by the flips that it needs on S and by its bits at i and k:
    the other M - 1 are counted by these instead of drawn, and the flips that the true one needs
    are summed over. Every draw is >= 0 and of the mean wanted, and independent for each j.

    Args:
        n: Number of positions, >= 2.
        components: M >= 1.
        eps: Probability that a bit is flipped, in (0, 1/2].
        count: Number of draws for each j.
        rng: Draws the counts.

    Returns:
        Shape (count, n - 1), nats.

    Raises:
        ValueError: A number is out of range.

    References:
        Wainwright (arXiv:2608.13520), Figures 2 and 4, with M = 2^{n/4} and eps = 0.02.

    Example:
        >>> alone = random_mixture_increments(4, 1, 0.1, 2, np.random.default_rng(0))
        >>> bool(np.all(alone == 0.0))  # one prototype: independent positions
        True
    """
    if n < 2 or components < 1 or not 0.0 < eps <= 0.5 or count < 0:
        raise ValueError(
            "need n >= 2, components >= 1, eps in (0, 1/2] and count >= 0, "
            f"got n={n}, components={components}, eps={eps}, count={count}"
        )
    odds = eps / (1.0 - eps)
    draws = np.empty((count, n - 1))
    for j in range(n - 1):
        *_, fair = counter_laws(j + 1, lambda _, __: 0.5)
        *_, flips = counter_laws(j + 1, lambda _, __: eps)
        alike = rng.multinomial(components - 1, fair, size=count)  # (count, flips on S)
        differ = rng.binomial(alike, 0.5)  # from the true prototype at i
        split = np.stack([alike - differ, differ])
        both = rng.binomial(split, 0.5)  # and at k
        weights = np.stack([split - both, both]) @ odds ** np.arange(j + 1.0)  # (k, i, count)
        total = np.zeros(count)
        for needed in np.flatnonzero(flips > NEGLIGIBLE):
            held = weights.copy()
            held[0, 0] += odds ** float(needed)
            total += flips[needed] * _pair_information(held / held.sum(axis=(0, 1)), eps)
        draws[:, j] = total
    return draws


def _pair_information(prototype: Floats, eps: float) -> Floats:
    """I(X_i; X_k) of two bits, each flipped with rate eps, from a law of shape (2, 2, B)."""
    keep = 1.0 - 2.0 * eps
    spins = np.array([1.0, -1.0])
    first = keep * (spins @ prototype.sum(axis=1))
    second = keep * (spins @ prototype.sum(axis=0))
    together = keep**2 * np.einsum("a,b,abB->B", spins, spins, prototype)
    found = np.zeros(prototype.shape[-1])
    for s in spins:
        for t in spins:
            joint = np.maximum(1.0 + s * first + t * second + s * t * together, 0.0) / 4.0
            apart = (1.0 + s * first) * (1.0 + t * second) / 4.0
            found += joint * np.log(np.where(joint > 0.0, joint, 1.0) / apart)
    return np.maximum(found, 0.0)
