"""Entropies of the whole, of single positions and of all but one: O(n q^n)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from theory.compiled import numba_is_installed
from theory.enumeration import kernels, portable
from theory.enumeration.margins import Block
from theory.enumeration.processors import cores
from theory.tables import Floats

COMPILED_FROM = 2**20  # n q^n; importing numba takes half a second, once


def extreme_entropies(table: Floats, device: str | None = None) -> tuple[Floats, float, Floats]:
    """H(X_i) of every position, H(X), and H of all positions but i.

    Args:
        table: Joint table, shape (q,) * n.
        device: None for all cores, else a device of torch.

    Returns:
        Shapes (n,), () and (n,), nats.

    Raises:
        ValueError: No such device.

    Example:
        >>> alone, joint, others = extreme_entropies(np.array([[0.5, 0.0], [0.0, 0.5]]))
        >>> alone.round(4), round(joint, 4), others.round(4)
        (array([0.6931, 0.6931]), 0.6931, array([0.6931, 0.6931]))
    """
    n, q = table.ndim, table.shape[0]
    block: Block = table.reshape(-1)
    workers = 1  # numpy's calls are too short to gain from threads
    entropies_without: Callable[[Block, int, int], Floats] = portable.entropies_without
    if device is not None:
        from theory.enumeration import devices  # imports torch

        block = devices.block_on(table, devices.device_named(device))
        entropies_without = devices.entropies_without
    elif numba_is_installed() and n * table.size >= COMPILED_FROM:
        workers, entropies_without = min(2, cores()), kernels.entropies_without
    # Half of the positions are summed out of the law, half of the law with its halves swapped:
    # so what is added is never scattered. A single "symbol" summed out is the law itself.
    half = (n + 1) // 2
    swapped = block.reshape(q**half, -1).T.reshape(-1)
    work = [(block, q, half), (swapped, q, n - half), (block, 1, 1)]
    with ThreadPoolExecutor(workers) as pool:
        run = pool.map if workers > 1 else map
        found = run(entropies_without, *zip(*work, strict=True))
        alone = _laws_of_single_positions(block, n, q)
        first, second, joint = found
    log_alone = np.log(np.maximum(alone, portable.SMALLEST))
    return (
        0.0 - (alone * log_alone).sum(axis=1),
        float(joint[0]),
        np.concatenate([first, second]),
    )


def _laws_of_single_positions(block: Block, n: int, q: int) -> Floats:
    laws = np.empty((n, q))
    for i in range(n):
        by_symbol = block.reshape(q, -1)
        laws[i] = by_symbol.sum(1).tolist()
        block = by_symbol.sum(0)
    return laws
