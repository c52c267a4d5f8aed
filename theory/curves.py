"""The curves of a law, and the scalars that are linear in them."""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import ArrayLike

from theory.enumeration import extreme_entropies, subset_entropies
from theory.tables import Floats


def entropy_profile(table: Floats, device: str | None = None) -> Floats:
    r"""Mean entropy of a uniform k-subset of positions, Chen, Cong, Li's average entropy curve.

    .. math:: h(k) = E_{|S| = k} H(X_S), \qquad k = 0 \dots n.

    All subsets share their margins: (q+1)^n terms of p log p in all, on all cores, or on a GPU
    where one is asked for.

    Args:
        table: Joint table, shape (q,) * n.
        device: None for all cores, or a device of torch, ``"cpu"``, ``"cuda"``, ``"cuda:1"``.

    Returns:
        Shape (n + 1,), nats. h(0) = 0 and h(n) = H.

    Raises:
        ValueError: More terms than the machine does in about a minute, or no such device.
        ModuleNotFoundError: A GPU is asked for and Triton is not installed.

    References:
        Chen, Cong, Li, COLT 2026, Definition 12.

    Example:
        >>> entropy_profile(np.array([[0.5, 0.0], [0.0, 0.5]])).round(4)
        array([0.    , 0.6931, 0.6931])
    """
    n = table.ndim
    return subset_entropies(table, device) / [comb(n, k) for k in range(n + 1)]


def conditional_entropy_curve(table: Floats, device: str | None = None) -> Floats:
    r"""Mean conditional entropy of a fresh position given j random ones.

    .. math:: C(j) = h(j+1) - h(j) = E_{|S| = j,\, i \notin S}\, H(X_i | X_S).

    Args:
        table: Joint table, shape (q,) * n.
        device: As for ``entropy_profile``.

    Returns:
        Shape (n,), nats, nonincreasing and >= 0 (Han); it sums to H(X).

    Raises:
        ValueError: More terms than the machine does in about a minute, or no such device.
        ModuleNotFoundError: A GPU is asked for and Triton is not installed.

    References:
        theory, sections 1.1 and 1.3; Lavenant and Zanella (arXiv:2510.25544) call it the
        information profile.

    Example:
        >>> conditional_entropy_curve(np.array([[0.5, 0.0], [0.0, 0.5]])).round(4)
        array([0.6931, 0.    ])
    """
    return without_rounding(np.diff(entropy_profile(table, device)))


def without_rounding(curve: Floats) -> Floats:
    """The curve of a law where rounding made a tie rise or a zero dip: as Han's inequality has it.

    Solvers are faster where C never rises, and a tie of an exact law is a tie.

    Example:
        >>> without_rounding(np.array([0.5, 0.25, 0.25 + 1e-16, -1e-16]))
        array([0.5 , 0.25, 0.25, 0.  ])
    """
    falling = np.minimum.accumulate(curve)
    return np.where(falling > 0.0, falling, 0.0)


def information_curve(curve: ArrayLike) -> Floats:
    """Z[j] = C[0] - C[j], shape (n,), nats: what j random positions tell of a fresh one.

    References:
        Chen, Cong, Li, COLT 2026, Definition 3; their Z_1..Z_n is this, 0-based.

    Example:
        >>> information_curve([2.0, 1.5, 0.0])
        array([0. , 0.5, 2. ])
    """
    c = np.asarray(curve, dtype=np.float64)
    return np.asarray(c[0] - c)


def increments(curve: ArrayLike) -> Floats:
    """D_j = C(j-1) - C(j) for j = 1..n-1, shape (n - 1,), nats; >= 0 for a law.

    Every scalar below is a nonnegative combination of them (theory, section 1.4).
    """
    return np.asarray(-np.diff(np.asarray(curve, dtype=np.float64)))


def total_correlation(curve: ArrayLike) -> float:
    """TC = sum Z = sum_j (n - j) D_j, nats: the loss of revealing everything in one step.

    References:
        Chen, Cong, Li, COLT 2026, Lemma 8.
    """
    return float(information_curve(curve).sum())


def dual_total_correlation(curve: ArrayLike) -> float:
    """DTC = n Z[n-1] - TC = sum_j j D_j, nats.

    References:
        Chen, Cong, Li, COLT 2026, Lemma 8.
    """
    c = np.asarray(curve, dtype=np.float64)
    return float((c - c[-1]).sum())


def unmasking_growth_complexity(curve: ArrayLike) -> float:
    """H^card = sum_j j (n - j) / n D_j, nats; at most TC DTC / (TC + DTC).

    References:
        Wainwright (arXiv:2608.13520), fixed-cardinality UGC; theory, sections 1.4 and 1.5.
    """
    d = increments(curve)
    n, j = len(d) + 1, np.arange(1, len(d) + 1)
    return float(d @ (j * (n - j))) / n


def tse_complexity(curve: ArrayLike) -> float:
    """Tononi-Sporns-Edelman complexity sum_k (h(k) - k/n h(n)), nats; n/2 times H^card.

    References:
        Wainwright (arXiv:2608.13520), Proposition 3; theory, section 9.
    """
    c = np.asarray(curve, dtype=np.float64)
    return 0.5 * len(c) * unmasking_growth_complexity(c)


def total_correlations(table: Floats, device: str | None = None) -> tuple[float, float]:
    r"""TC and DTC of a table without its curve, nats, in O(n q^n).

    .. math:: TC = \sum_i H(X_i) - H(X), \qquad DTC = H(X) - \sum_i H(X_i | X_{-i}).

    Args:
        table: Joint table, shape (q,) * n.
        device: None for numpy, or a device of torch.

    Raises:
        ValueError: No such device.

    Example:
        >>> tc, dtc = total_correlations(np.array([[0.5, 0.0], [0.0, 0.5]]))
        >>> round(tc, 4), round(dtc, 4)
        (0.6931, 0.6931)
    """
    alone, joint, others = extreme_entropies(table, device)
    return float(alone.sum() - joint), float(joint - (joint - others).sum())
