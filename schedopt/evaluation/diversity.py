r"""How varied samples are: what a judge's perplexity must stand beside.

A sampler that repeats itself pleases any judge, so that its perplexity alone says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from schedopt.errors import UsageError

Floats = NDArray[np.float64]
Tokens = Sequence[int] | NDArray[np.int64]


def token_entropy(rows: Iterable[Tokens]) -> Floats:
    r"""Entropy of the tokens of each sample, nats.

    With c_v how often token v stands in a sample of L tokens,

    .. math:: H = -\sum_v \frac{c_v}{L} \log \frac{c_v}{L} \le \log L .

    Published tables print the mean over samples.

    Args:
        rows: N samples, each of any number of tokens.

    Returns:
        Shape (N,), nats: 0 where a sample repeats one token, log L where all its L tokens differ,
        and 0 where it has none.

    References:
        Zheng et al. 2025, Masked Diffusion Models are Secretly Time-Agnostic Masked Models
        (arXiv:2409.02908); Wang et al. 2025, Remasking Discrete Diffusion Models (ReMDM,
        arXiv:2503.00307) prints it beside perplexity.

    Example:
        >>> token_entropy([[7, 7, 7], [1, 2], []]).round(3)
        array([0.   , 0.693, 0.   ])
    """
    return np.array([_entropy(np.asarray(row, dtype=np.int64)) for row in rows], dtype=np.float64)


def _entropy(row: NDArray[np.int64]) -> float:
    _, counts = np.unique(row, return_counts=True)
    shares = counts / max(len(row), 1)
    return float(max(0.0, -(shares * np.log(shares)).sum()))


def distinct_n(rows: Iterable[Tokens], n: int) -> Floats:
    r"""Share of the n-grams of each sample that differ from each other.

    .. math:: \text{distinct-}n = \frac{|\{x_{i:i+n}\}|}{L - n + 1}

    Args:
        rows: N samples, each of any number of tokens.
        n: Tokens of one n-gram.

    Returns:
        Shape (N,): 1 where none comes twice, and where the sample is shorter than n.

    Raises:
        UsageError: n is not positive.

    References:
        Li et al. 2016, A Diversity-Promoting Objective Function for Neural Conversation Models
        (arXiv:1510.03055). They pool all samples: see ``pooled_distinct_n``.

    Example:
        >>> distinct_n([[1, 2, 1, 2, 1], [1, 2, 3, 4, 5]], 2)
        array([0.5, 1. ])
    """
    _check(n)
    return np.array([_distinct([row], n) for row in rows], dtype=np.float64)


def pooled_distinct_n(rows: Iterable[Tokens], n: int) -> float:
    r"""Share of the n-grams of all samples together that differ from each other.

    It falls with the number of samples: compare it between equally many, equally long ones only.
    Unlike ``distinct_n`` it sees that samples repeat each other.

    Args:
        rows: Samples, each of any number of tokens; no n-gram reaches from one into the next.
        n: Tokens of one n-gram.

    Returns:
        1 where no n-gram comes twice, and where there is none.

    Raises:
        UsageError: n is not positive.

    References:
        Li et al. 2016 (arXiv:1510.03055).

    Example:
        >>> pooled_distinct_n([[1, 2, 3], [1, 2, 3]], 2)
        0.5
    """
    _check(n)
    return _distinct(rows, n)


def _check(n: int) -> None:
    if n < 1:
        raise UsageError(f"distinct-n: need n >= 1, got {n}")


def _distinct(rows: Iterable[Tokens], n: int) -> float:
    grams = [tuple(row[i : i + n]) for row in map(list, rows) for i in range(len(row) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 1.0
