"""Means over windows with standard errors over the documents that they are cut from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schedopt.errors import InputError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Measured:
    """A number that was measured, and its standard error in the same unit."""

    value: float
    stderr: float


def check_documents(documents: Integers) -> None:
    """Refuse values of a single document, over which no standard error can be taken.

    Raises:
        InputError: There is only one document.
    """
    count = len(np.unique(documents))
    if count < 2:
        raise InputError(
            f"{count} document: a standard error needs at least 2",
            hint="give more text, or a .jsonl file with several records",
        )


def document_sums(values: Floats, documents: Integers) -> tuple[Floats, Integers]:
    """Sum of the values of each document, and how many there are, each shape (D,).

    Args:
        values: Shape (N,), one a window.
        documents: Shape (N,), the document of each window.

    Raises:
        InputError: There is only one document.
    """
    check_documents(documents)
    _, index, counts = np.unique(documents, return_inverse=True, return_counts=True)
    sums: Floats = np.bincount(index, weights=values).astype(np.float64, copy=False)
    return sums, counts.astype(np.int64)


def mean_over_documents(values: Floats, documents: Integers) -> Measured:
    r"""Mean over windows, with the linearised standard error of a ratio over D documents.

    With y_d the sum and m_d the number of the values of document d, and r the mean,

    .. math:: se^2 = \frac{D}{D-1} \sum_d (y_d - r\, m_d)^2 \Big/ \Big(\sum_d m_d\Big)^2 ,

    which is the jackknife's where all documents have as many windows.

    Args:
        values: Shape (N,), one a window.
        documents: Shape (N,), the document of each window.

    Returns:
        The mean in the unit of the values; the standard error is infinite where the mean is.

    Raises:
        InputError: There is only one document.

    References:
        Cochran, Sampling Techniques, 3rd ed., sections 6.3 and 9A (ratio, clusters).

    Example:
        >>> mean_over_documents(np.array([0.0, 2.0, 4.0]), np.array([0, 1, 2]))
        Measured(value=2.0, stderr=1.1547...)
    """
    check_documents(documents)
    mean, stderr = mean_by_group(values, np.zeros(len(values), dtype=np.int64), 1, documents)
    return Measured(float(mean[0]), float(stderr[0]) if np.isfinite(mean[0]) else float("inf"))


def mean_by_group(
    values: Floats, groups: Integers, count: int, documents: Integers
) -> tuple[Floats, Floats]:
    """``mean_over_documents`` of each group.

    Args:
        values: Shape (N,).
        groups: Shape (N,), 0..count-1.
        count: Number of groups.
        documents: Shape (N,), the document of each value.

    Returns:
        Means and standard errors, each shape (count,); NaN where a group is empty, and an
        infinite error where it has a single document.

    Example:
        >>> mean_by_group(np.array([0.0, 2.0, 5.0]), np.array([0, 0, 1]), 2, np.arange(3))
        (array([1., 5.]), array([ 1., inf]))
    """
    names, owner = np.unique(documents, return_inverse=True)
    sizes = np.bincount(groups, minlength=count).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.bincount(groups, values, minlength=count) / sizes
        residuals = np.zeros((count, len(names)))
        np.add.at(residuals, (groups, owner), values - means[groups])
        present = np.zeros((count, len(names)), dtype=bool)
        present[groups, owner] = True
        clusters = present.sum(axis=1)
        variance = (residuals**2).sum(axis=1) * clusters / (clusters - 1.0)
        stderr = np.where(clusters == 1, np.inf, np.sqrt(variance) / sizes)
    return means, stderr
