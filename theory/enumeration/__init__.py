"""Entropies of all subsets of positions, summed by size: (q+1)^n terms of p log p.

``margins`` says how subsets share work. One module a machine computes with it: ``portable`` in
numpy and ``kernels`` compiled, both on all cores through ``processors``; ``devices`` through
torch, with a fused Triton kernel for GPUs in ``cuda``. ``extremes`` holds the subsets of size 1,
n - 1 and n alone, which is O(n q^n).
"""

from __future__ import annotations

from theory.compiled import numba_is_installed
from theory.enumeration import kernels, portable, processors
from theory.enumeration.extremes import extreme_entropies
from theory.tables import Floats

__all__ = ["extreme_entropies", "subset_entropies"]

COMPILED_FROM = 2**24  # terms; below, numpy is done before numba is imported
# What takes about a minute on two cores, and seconds on one GPU of a data centre.
TERM_LIMIT = {"numpy or torch": 2**35, "numba": 2**37, "a GPU": 2**40}
CURE = {
    "numpy or torch": ", install numba (the extra `fast`) or ask for device='cuda'",
    "numba": " or ask for device='cuda'",
    "a GPU": "",
}


def subset_entropies(table: Floats, device: str | None = None) -> Floats:
    r"""Entropy summed over all subsets of k positions, for every k.

    .. math:: \sum_{|S| = k} H(X_S), \qquad k = 0 \dots n.

    Args:
        table: Joint table, shape (q,) * n.
        device: None for all cores, with numba where it is installed and worth its import; else
            a device of torch, ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.

    Returns:
        Shape (n + 1,), nats.

    Raises:
        ValueError: More terms than the machine does in about a minute, or no such device.
        ModuleNotFoundError: A GPU is asked for and Triton is not installed.

    Example:
        >>> import numpy as np
        >>> subset_entropies(np.array([[0.5, 0.0], [0.0, 0.5]])).round(4)
        array([0.    , 1.3863, 0.6931])
    """
    n, q = table.ndim, table.shape[0]
    if device is not None:
        from theory.enumeration import devices  # imports torch

        where = devices.device_named(device)
        _check_terms(n, q, "a GPU" if where.type == "cuda" else "numpy or torch")
        sums = devices.sums_by_size(table, where)
    else:
        fast = numba_is_installed()
        _check_terms(n, q, "numba" if fast else "numpy or torch")
        worth_it = fast and (q + 1) ** n >= COMPILED_FROM
        machine = kernels if worth_it else portable
        sums = processors.sums_by_size(table, machine.add_p_log_p)
    sums[0] = 0.0  # whatever rounding left of the sum of all probabilities
    return 0.0 - sums


def _check_terms(n: int, q: int, machine: str) -> None:
    terms, limit = (q + 1) ** n, TERM_LIMIT[machine]
    if terms > limit:
        raise ValueError(
            f"the curve of n={n} positions with q={q} symbols needs (q+1)^n = {terms:.1e} terms, "
            f"over the limit of {limit:.1e} with {machine}: use fewer positions or symbols"
            f"{CURE[machine]}"
        )
