"""Laws by name, each from a few numbers, as a command line gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from itertools import count
from typing import Final

import numpy as np

from theory.distributions.chains import MarkovChain
from theory.distributions.codes import Parity, ReedSolomon, is_prime
from theory.distributions.exchangeable import NoisyRepeatedBit, RandomPermutation
from theory.distributions.law import Law
from theory.distributions.products import MixtureOfProducts, Product
from theory.distributions.rings import IsingRing
from theory.tables import Floats, check_size

POSITION_LIMIT = 2**14  # a closed-form curve takes O(n^2): seconds
SYMBOL_LIMIT = 2**8
COMPONENT_LIMIT = 2**10


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


LAWS: Final[Mapping[str, Callable[..., Law]]] = {
    "product": noisy_zeros,
    "markov": noisy_sum_chain,
    "parity": Parity,
    "reed-solomon": reed_solomon,
    "mixture": noisy_prototypes,
    "repeated-bit": repeated_bit,
    "permutation": RandomPermutation,
    "ising-ring": ising_ring,
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
