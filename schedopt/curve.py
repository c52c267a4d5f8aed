"""What is measured: the information curve of the random order and the surface of one order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from schedopt.errors import InputError
from schedopt.schedule import Order

Floats = NDArray[np.float64]

# Exact conditional entropies of deterministic positions come out of floating point as -1e-16.
NEGATIVE_TOLERANCE = 1e-9


def _frozen_floats(name: str, values: ArrayLike, ndim: int) -> Floats:
    array = np.array(values, dtype=np.float64)
    if array.ndim != ndim or array.size == 0:
        raise InputError(
            f"{name}: need a non-empty {ndim}-dimensional array, got shape {array.shape}"
        )
    bad = np.argwhere(~np.isfinite(array) | (array < -NEGATIVE_TOLERANCE))
    if bad.size:
        where = tuple(int(i) for i in bad[0])
        raise InputError(
            f"{name}{list(where)}: need a finite number of nats >= 0, got {array[where]}"
        )
    array.flags.writeable = False
    return array


def _stderr(name: str, values: ArrayLike | None, shape: tuple[int, ...]) -> Floats | None:
    if values is None:
        return None
    array = _frozen_floats(name, values, len(shape))
    if array.shape != shape:
        raise InputError(f"{name}: need the shape of the values {shape}, got {array.shape}")
    return array


@dataclass(frozen=True, eq=False)
class InformationCurve:
    r"""Mean conditional entropy of a fresh position as positions are revealed in random order.

    .. math:: C(j) = E_{|S| = j,\, i \notin S}\, H(X_i | X_S), \qquad j = 0 \dots n-1.

    Under a model, the entropy becomes the model's cross-entropy and everything else stays
    (theory: expected loss of a schedule is linear in C either way).

    Args:
        conditional_entropy: Shape (n,), nats.
        stderr: Shape (n,), nats, the standard error of each entry, or None when exact.

    Raises:
        InputError: An entry is negative or not finite, or the shapes differ.

    References:
        Chen, Cong, Li, COLT 2026, Definition 3 (Z) and Lemma 8; Lavenant and Zanella
        (arXiv:2510.25544) call C the information profile.

    Example:
        >>> parity = InformationCurve([0.6931, 0.6931, 0.0])
        >>> parity.information
        array([0.    , 0.    , 0.6931])
        >>> round(parity.total_correlation, 4), round(parity.dual_total_correlation, 4)
        (0.6931, 1.3862)
    """

    conditional_entropy: Floats
    stderr: Floats | None = None

    def __init__(self, conditional_entropy: ArrayLike, stderr: ArrayLike | None = None) -> None:
        values = _frozen_floats("conditional_entropy", conditional_entropy, 1)
        object.__setattr__(self, "conditional_entropy", values)
        object.__setattr__(self, "stderr", _stderr("stderr", stderr, values.shape))

    @property
    def length(self) -> int:
        """Number of positions n."""
        return int(self.conditional_entropy.size)

    @property
    def information(self) -> Floats:
        """Z, shape (n,), nats: Z[j] = C[0] - C[j], what j known positions tell of a fresh one."""
        known: Floats = self.conditional_entropy[0] - self.conditional_entropy
        return known

    @property
    def entropy(self) -> float:
        """Sum of C, nats: the entropy of the law, or the sequential cross-entropy of a model."""
        return float(self.conditional_entropy.sum())

    @property
    def total_correlation(self) -> float:
        """TC in nats, the loss of revealing everything in one step."""
        return float(self.information.sum())

    @property
    def dual_total_correlation(self) -> float:
        """DTC = n Z[n-1] - TC, nats."""
        return float(self.length * self.information[-1] - self.total_correlation)

    @property
    def is_monotone(self) -> bool:
        """Whether C never rises, as the curve of every exact law does (Han's inequality)."""
        return bool(np.all(np.diff(self.conditional_entropy) <= 0.0))

    def isotonic(self) -> InformationCurve:
        """Nearest nonincreasing curve in least squares, weighted by 1/stderr^2 where known."""
        from scipy.optimize import isotonic_regression

        weights = None
        if self.stderr is not None and np.all(self.stderr > 0.0):
            weights = self.stderr**-2.0
        fitted = isotonic_regression(self.conditional_entropy, weights=weights, increasing=False).x
        return InformationCurve(np.maximum(fitted, 0.0), self.stderr)


@dataclass(frozen=True, eq=False)
class OrderSurface:
    r"""Conditional entropy of each later position of one fixed order, for each revealed prefix.

    .. math:: f(a, j) = H(X_{\pi(j)} | X_{\pi(0)} \dots X_{\pi(a-1)}), \qquad 0 \le a \le j < n.

    Args:
        conditional_entropy: Shape (n, n), nats; entry (a, j) is used for j >= a, the rest is 0.
        order: The order pi the surface belongs to; it fixes the positions without their values.
        stderr: Shape (n, n), nats, or None when exact.

    Raises:
        InputError: An entry is negative or not finite, the array is not square, or the order
            is random, chosen by a planner, or of another length.

    References:
        theory, section 5: the loss of a step from a to b is the sum of f(a, j) - f(j, j).

    Example:
        >>> copy = OrderSurface([[0.6931, 0.6931], [0.0, 0.0]], Order("left_to_right"))
        >>> copy.sequential
        0.6931
    """

    conditional_entropy: Floats
    order: Order
    stderr: Floats | None = None

    def __init__(
        self, conditional_entropy: ArrayLike, order: Order, stderr: ArrayLike | None = None
    ) -> None:
        raw = np.asarray(conditional_entropy, dtype=np.float64)
        if raw.ndim != 2 or raw.shape[0] != raw.shape[1]:
            raise InputError(f"conditional_entropy: need a square array, got shape {raw.shape}")
        if not order.is_fixed:
            raise InputError(
                f"order: a surface needs an order that fixes positions, got {order.name!r}"
            )
        values = _frozen_floats("conditional_entropy", np.triu(raw), 2)
        order.permutation_for(values.shape[0])
        object.__setattr__(self, "conditional_entropy", values)
        object.__setattr__(self, "order", order)
        errors = None if stderr is None else np.triu(np.asarray(stderr, dtype=np.float64))
        object.__setattr__(self, "stderr", _stderr("stderr", errors, values.shape))

    @property
    def length(self) -> int:
        """Number of positions n."""
        return int(self.conditional_entropy.shape[0])

    @property
    def sequential(self) -> float:
        """Sum of f(j, j), nats: the cross-entropy of one position a step in this order."""
        return float(np.trace(self.conditional_entropy))

    @property
    def is_monotone(self) -> bool:
        """Whether f(a, j) never rises with a, as for every exact law."""
        later, earlier = self.conditional_entropy[1:], self.conditional_entropy[:-1]
        return bool(np.all(np.triu(later - earlier, k=1) <= 0.0))
