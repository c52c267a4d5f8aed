"""Pairwise fields on a ring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from theory.distributions.law import Law
from theory.tables import Floats


@dataclass(frozen=True, eq=False)
class IsingRing(Law):
    r"""Spins on a ring whose neighbours attract or repel each other.

    .. math:: \mu(x) \propto \exp\Big(\sum_i J \sigma_i \sigma_{i+1} + h \sigma_i\Big),
              \qquad \sigma_i = 2 x_i - 1, \quad \sigma_n = \sigma_0.

    Args:
        n: Number of positions, >= 1.
        coupling: J; positive makes neighbours alike.
        field: h; positive makes ones likelier.

    Raises:
        ValueError: n is below 1, or a parameter is not finite.

    Example:
        >>> IsingRing(3, coupling=0.0).conditional_entropy_curve().round(4)
        array([0.6931, 0.6931, 0.6931])
    """

    n: int
    coupling: float
    field: float = 0.0

    def __post_init__(self) -> None:
        if self.n < 1 or not np.isfinite([self.coupling, self.field]).all():
            raise ValueError(
                f"Ising ring: need n >= 1 and finite parameters, got n={self.n}, "
                f"coupling={self.coupling}, field={self.field}"
            )
        object.__setattr__(self, "q", 2)

    def _tabulate(self) -> Floats:
        spins = [2.0 * axis - 1.0 for axis in np.indices((2,) * self.n, sparse=True)]
        bonds = zip(spins, [*spins[1:], spins[0]], strict=True)
        exponent = sum(self.coupling * a * b + self.field * a for a, b in bonds)
        weights = np.exp(exponent - np.max(exponent))
        return np.asarray(weights / weights.sum())
