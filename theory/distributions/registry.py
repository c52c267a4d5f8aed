"""Laws by name, each from a few numbers, as a command line gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from itertools import count
from math import isqrt
from typing import Final

import numpy as np

from theory.distributions.affine import AffineSubspace, linear_code, xorsat
from theory.distributions.blocks import IndependentCopies, one_hot_blocks
from theory.distributions.chains import InhomogeneousChain, MarkovChain
from theory.distributions.codes import Parity, ReedSolomon
from theory.distributions.erasure import Erased, GloballySwitched
from theory.distributions.exchangeable import (
    BalancedStrings,
    NoisyRepeatedBit,
    PolyaUrn,
    RandomPermutation,
)
from theory.distributions.hidden import HiddenMarkov
from theory.distributions.law import Law
from theory.distributions.pairs import CoordinatewiseProduct
from theory.distributions.products import MixtureOfProducts, Product
from theory.distributions.prototypes import HierarchicalPrototypes
from theory.distributions.ranks import is_prime
from theory.distributions.rings import IsingRing, RingField
from theory.distributions.walks import BernoulliWalk
from theory.tables import Floats, check_size

POSITION_LIMIT = 2**14  # a closed-form curve takes O(n^2): seconds
SYMBOL_LIMIT = 2**8
COMPONENT_LIMIT = 2**10
LEVEL_LIMIT = 2**6
MOST_CHECKS = 4.0  # for each position: from 1 on the solution is unique


def _noise(q: int, eps: float) -> Floats:
    """Symbol y from symbol x with probability 1 - eps, else any other one; shape (q, q)."""
    if not (2 <= q <= SYMBOL_LIMIT and 0.0 <= eps <= 1.0):
        raise ValueError(f"need 2 <= q <= {SYMBOL_LIMIT} and 0 <= eps <= 1, got q={q}, eps={eps}")
    return np.where(np.eye(q, dtype=bool), 1.0 - eps, eps / (q - 1))


def _check(name: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise ValueError(f"need 1 <= {name} <= {most}, got {name}={value}")


def noisy_zeros(n: int, q: int = 2, eps: float = 0.5) -> Product:
    """Independent positions, each 0 with probability 1 - eps, else any other symbol."""
    return Product(np.tile(_noise(q, eps)[0], (n, 1)))


def noisy_sum_chain(n: int, q: int = 2, eps: float = 0.1, order: int = 1) -> MarkovChain:
    """Stationary chain: the sum of the last ``order`` symbols modulo q, changed with rate eps.

    For order 1 this is the symmetric chain that stays with probability 1 - eps.

    Example:
        >>> noisy_sum_chain(8, order=2).table().shape
        (2, 2, 2, 2, 2, 2, 2, 2)
    """
    _check("order", order, n)
    noise = _noise(q, eps)
    check_size(order + 1, q)
    # Fair symbols stay fair under sums; without noise there are other stationary laws too.
    initial = np.full((q,) * order, float(q) ** -order)
    return MarkovChain(n, noise[np.indices((q,) * order).sum(axis=0) % q], initial)


def reed_solomon(n: int, q: int | None = None, dimension: int | None = None) -> ReedSolomon:
    """Reed-Solomon code, by default of dimension n / 2 over the smallest field that has n points.

    Example:
        >>> reed_solomon(6)
        ReedSolomon(n=6, q=7, dimension=3)
    """
    field = next(p for p in count(max(n, 2)) if is_prime(p)) if q is None else q
    return ReedSolomon(n, field, dimension=max(1, n // 2) if dimension is None else dimension)


def noisy_prototypes(
    n: int, q: int = 2, eps: float = 0.1, components: int = 2, seed: int = 0
) -> MixtureOfProducts:
    """One of some random prototypes, each position of it changed with rate eps.

    References:
        Wainwright (arXiv:2608.13520), Figure 2: random mixtures.
    """
    _check("components", components, COMPONENT_LIMIT)
    check_size(n, q)
    noise = _noise(q, eps)
    prototypes = np.random.default_rng(seed).integers(q, size=(components, n))
    return MixtureOfProducts(np.full(components, 1.0 / components), noise[prototypes])


def repeated_bit(n: int, eps: float = 0.1) -> NoisyRepeatedBit:
    """One fair bit seen n times, each time flipped with rate eps."""
    return NoisyRepeatedBit(n, eps)


def ising_ring(n: int, coupling: float = 0.5, field: float = 0.0) -> IsingRing:
    """Spins on a ring; positive coupling makes neighbours alike."""
    return IsingRing(n, coupling, field)


def random_mixture(n: int, eps: float = 0.02, seed: int = 0) -> MixtureOfProducts:
    """One of 2^(n/4) random prototypes of bits, each position of it flipped with rate eps.

    References:
        Wainwright (arXiv:2608.13520), Figure 2.
    """
    check_size(n, 2)
    return noisy_prototypes(n, 2, eps, components=round(2.0 ** (n / 4)), seed=seed)


def hierarchical_prototypes(
    n: int, q: int = 2, eps: float = 0.25, levels: int = 2, ratio: int = 16
) -> HierarchicalPrototypes:
    """A path down a tree of prototypes, on blocks that shrink by a ratio from level to level.

    What the ratio leaves over goes to the root; n = 34952 with 4 levels has the figure's sizes.

    Example:
        >>> hierarchical_prototypes(4369, levels=4).sizes
        (4096, 256, 16, 1)
    """
    _check("levels", levels, min(n, LEVEL_LIMIT))
    _check("ratio", ratio, POSITION_LIMIT)
    _check("q", q, SYMBOL_LIMIT)
    whole = sum(ratio**level for level in range(levels))
    small = [max(1, n * ratio**level // whole) for level in range(levels - 1)]
    if sum(small) >= n:
        raise ValueError(f"levels={levels} at ratio={ratio} need more positions than n={n}")
    return HierarchicalPrototypes((n - sum(small), *reversed(small)), eps, symbols=q)


def polya_urn(n: int, q: int = 2, mass: float = 1.0) -> PolyaUrn:
    """Symbols from an urn that starts with this mass of each of them."""
    _check("q", q, SYMBOL_LIMIT)
    return PolyaUrn(n, np.full(q, mass))


def one_hot(n: int, block: int | None = None) -> IndependentCopies:
    """Blocks with a single one each; the block is by default the first divisor of n from sqrt(n).

    Example:
        >>> one_hot(12).block.n
        4
    """
    size = next(b for b in count(isqrt(n - 1) + 1) if n % b == 0) if block is None else block
    _check("block", size, n)
    if n % size:
        raise ValueError(f"need a block that divides n={n}, got block={size}")
    return one_hot_blocks(size, n // size)


def random_code(n: int, q: int = 2, dimension: int | None = None, seed: int = 0) -> AffineSubspace:
    """Words of a random linear code over GF(q), by default with a generator of n / 2 rows."""
    return linear_code(n, q, n // 2 if dimension is None else dimension, seed=seed)


def random_checks(n: int, density: float = 0.5, width: int = 3, seed: int = 0) -> AffineSubspace:
    """Solutions of ``density`` n random parity checks of ``width`` bits each."""
    if not 0.0 <= density <= MOST_CHECKS:
        raise ValueError(f"need 0 <= density <= {MOST_CHECKS}, got density={density}")
    return xorsat(n, round(density * n), width=width, seed=seed)


def switched_code(
    n: int, q: int | None = None, dimension: int | None = None, eps: float = 0.5
) -> GloballySwitched:
    """A Reed-Solomon code, all of which is erased with probability eps."""
    return GloballySwitched(reed_solomon(n, q, dimension), 1.0 - eps)


def erased_code(
    n: int, q: int | None = None, dimension: int | None = None, eps: float = 0.1
) -> Erased:
    """A Reed-Solomon code, each symbol of which is erased with probability eps."""
    return Erased(reed_solomon(n, q, dimension), eps)


def chain_with_parity(n: int, eps: float = 0.1) -> CoordinatewiseProduct:
    """The symmetric binary chain, and beside it bits of even parity: near and far dependence."""
    return CoordinatewiseProduct(noisy_sum_chain(n, eps=eps), Parity(n))


def drifting_chain(n: int, q: int = 2, eps: float = 0.5) -> InhomogeneousChain:
    """Symmetric chain whose rate of change grows evenly, from 0 at its start to eps at its end."""
    _check("n - 1", n - 1, POSITION_LIMIT)
    _noise(q, eps)  # the bounds
    steps = np.stack([_noise(q, rate) for rate in np.linspace(0.0, eps, n - 1)])
    return InhomogeneousChain(np.full(q, 1.0 / q), steps)


def hidden_chain(n: int, q: int = 2, eps: float = 0.1) -> HiddenMarkov:
    """Stationary symmetric chain with rate of change eps, each symbol seen with as much noise."""
    noise = _noise(q, eps)
    return HiddenMarkov(n, noise, noise, np.full(q, 1.0 / q))


def potts_ring(n: int, q: int = 3, coupling: float = 0.5) -> RingField:
    """Symbols on a ring; positive coupling makes neighbours alike."""
    _check("q", q, SYMBOL_LIMIT)
    return RingField(n, coupling * np.eye(q))


LAWS: Final[Mapping[str, Callable[..., Law]]] = {
    "product": noisy_zeros,
    "markov": noisy_sum_chain,
    "parity": Parity,
    "reed-solomon": reed_solomon,
    "mixture": noisy_prototypes,
    "repeated-bit": repeated_bit,
    "permutation": RandomPermutation,
    "ising-ring": ising_ring,
    "random-mixture": random_mixture,
    "hierarchical-prototypes": hierarchical_prototypes,
    "balanced": BalancedStrings,
    "polya-urn": polya_urn,
    "one-hot-blocks": one_hot,
    "bernoulli-walk": BernoulliWalk,
    "linear-code": random_code,
    "xorsat": random_checks,
    "switched-code": switched_code,
    "erased-code": erased_code,
    "chain-with-parity": chain_with_parity,
    "drifting-chain": drifting_chain,
    "hidden-markov": hidden_chain,
    "potts-ring": potts_ring,
}


def law_parameters(name: str) -> dict[str, int | float | None]:
    """Parameters that a named law takes, with their defaults; n has none and comes first.

    Raises:
        ValueError: No law has this name.

    Example:
        >>> law_parameters("markov")
        {'n': None, 'q': 2, 'eps': 0.1, 'order': 1}
    """
    if name not in LAWS:
        raise ValueError(f"unknown law {name!r}; one of {', '.join(LAWS)}")
    parameters = signature(LAWS[name]).parameters.values()
    return {p.name: None if p.default is Parameter.empty else p.default for p in parameters}


def build_law(name: str, **parameters: float) -> Law:
    """The named law with these parameters.

    Raises:
        ValueError: No law has this name, it does not take a parameter, n is missing or over 2^14,
            or a value is out of range.

    Example:
        >>> build_law("parity", n=3).conditional_entropy_curve().round(4)
        array([0.6931, 0.6931, 0.    ])
    """
    known = law_parameters(name)
    for parameter in parameters:
        if parameter not in known:
            raise ValueError(f"law {name!r} takes {', '.join(known)}, got {parameter!r}")
    if "n" not in parameters:
        raise ValueError(f"law {name!r} needs its number of positions n")
    _check("n", int(parameters["n"]), POSITION_LIMIT)
    return LAWS[name](**parameters)
