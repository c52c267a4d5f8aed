"""The curves of a law, and the scalars that are linear in them."""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory.tables import Floats, conditional_entropies, entropy

TERM_LIMIT = 2**32  # (q + 1)^n terms at about 5 ns: n = 20 binary in under half a minute
BLOCK_COLUMNS = 1024  # subsets of the last positions that are held side by side
CACHED_TERMS = 2**15  # p and log p of a slab stay in the second-level cache
SMALLEST = float(np.finfo(np.float64).tiny)


def _with_margins(rows: Floats, q: int, axes: int) -> tuple[Floats, NDArray[np.intp]]:
    """Extend each row, a table over ``axes`` positions, by all its margins.

    Returns:
        The rows, shape (R, (q+1)^axes), and how many positions each column keeps.
    """
    extended, kept = rows.reshape(len(rows), 1, -1), np.zeros(1, dtype=np.intp)
    keeps = np.append(np.ones(q, dtype=np.intp), 0)  # the margin does not keep the position
    for _ in range(axes):
        by_symbol = extended.reshape(len(rows), extended.shape[1], q, -1)
        margin = by_symbol.sum(axis=2, keepdims=True)
        joined = np.concatenate([by_symbol, margin], axis=2)  # (R, done, q + 1, left)
        extended = joined.reshape(len(rows), -1, joined.shape[-1])
        kept = (kept[:, None] + keeps).ravel()
    return extended.reshape(len(rows), -1), kept


def _p_log_p(block: Floats) -> Floats:
    """Column sums of p log p, shape (columns,)."""
    rows = max(1, CACHED_TERMS // block.shape[1])
    buffer = np.empty((rows, block.shape[1]))
    total = np.zeros(block.shape[1])
    for start in range(0, len(block), rows):
        p = block[start : start + rows]
        log_p = np.maximum(p, SMALLEST, out=buffer[: len(p)])  # 0 log tiny = 0
        total += np.einsum("rc,rc->c", p, np.log(log_p, out=log_p))
    return total


def entropy_profile(table: Floats) -> Floats:
    r"""Mean entropy of a uniform k-subset of positions, Chen, Cong, Li's average entropy curve.

    .. math:: h(k) = E_{|S| = k} H(X_S), \qquad k = 0 \dots n.

    Positions are decided one after the other, summed out or kept, and all subsets that agree so
    far share the marginal: (q+1)^n terms of p log p in all. The last few positions are decided
    at once, side by side, so that memory stays near that of the table.

    Args:
        table: Joint table, shape (q,) * n.

    Returns:
        Shape (n + 1,), nats. h(0) = 0 and h(n) = H.

    Raises:
        ValueError: More than 2^32 terms.

    References:
        Chen, Cong, Li, COLT 2026, Definition 12.

    Example:
        >>> entropy_profile(np.array([[0.5, 0.0], [0.0, 0.5]])).round(4)
        array([0.    , 0.6931, 0.6931])
    """
    n, q = table.ndim, table.shape[0]
    if (q + 1) ** n > TERM_LIMIT:
        raise ValueError(
            f"the curve of n={n} positions with q={q} symbols needs (q+1)^n = {(q + 1) ** n:.1e} "
            f"terms, over the limit of {TERM_LIMIT:.1e}: use fewer positions or symbols"
        )
    last = next(m for m in range(n, 0, -1) if m == 1 or (q + 1) ** m <= BLOCK_COLUMNS)
    columns, kept_last = _with_margins(table.reshape(-1, q**last), q, last)
    width = columns.shape[1]
    sums = np.zeros((n - last + 1, width))  # of p log p, by positions kept among the first
    # A block has shape (q^kept, q^undecided, width).
    stack = [(columns.reshape(1, -1, width), n - last, 0)]
    while stack:
        block, undecided, kept = stack.pop()
        if undecided == 0:
            sums[kept] += _p_log_p(block.reshape(-1, width))
            continue
        by_symbol = block.reshape(q**kept, q, -1, width)
        stack.append((by_symbol.sum(axis=1), undecided - 1, kept))
        stack.append((by_symbol.reshape(q ** (kept + 1), -1, width), undecided - 1, kept + 1))
    profile = np.zeros(n + 1)
    for kept, row in enumerate(sums):
        profile[kept : kept + last + 1] -= np.bincount(kept_last, weights=row)
    profile[0] = 0.0  # whatever rounding left of the sum of all probabilities
    return np.asarray(profile / [comb(n, k) for k in range(n + 1)])


def conditional_entropy_curve(table: Floats) -> Floats:
    r"""Mean conditional entropy of a fresh position given j random ones.

    .. math:: C(j) = h(j+1) - h(j) = E_{|S| = j,\, i \notin S}\, H(X_i | X_S).

    Args:
        table: Joint table, shape (q,) * n.

    Returns:
        Shape (n,), nats, nonincreasing and >= 0 (Han); it sums to H(X).

    Raises:
        ValueError: More than 2^32 terms.

    References:
        theory, sections 1.1 and 1.3; Lavenant and Zanella (arXiv:2510.25544) call it the
        information profile.

    Example:
        >>> conditional_entropy_curve(np.array([[0.5, 0.0], [0.0, 0.5]])).round(4)
        array([0.6931, 0.    ])
    """
    return without_rounding(np.diff(entropy_profile(table)))


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


def total_correlations(table: Floats) -> tuple[float, float]:
    r"""TC and DTC of a table without its curve, nats, in O(n q^n).

    .. math:: TC = \sum_i H(X_i) - H(X), \qquad DTC = H(X) - \sum_i H(X_i | X_{-i}).

    Example:
        >>> tc, dtc = total_correlations(np.array([[0.5, 0.0], [0.0, 0.5]]))
        >>> round(tc, 4), round(dtc, 4)
        (0.6931, 0.6931)
    """
    joint = entropy(table)
    alone = conditional_entropies(table, ()).sum()
    others = [entropy(np.asarray(table.sum(axis=i))) for i in range(table.ndim)]
    return float(alone - joint), float(joint - sum(joint - h for h in others))
