"""Entropies of the whole, of single positions and of all but one: O(n q^n)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from theory.compiled import numba_is_installed
from theory.enumeration import kernels, portable
from theory.enumeration.margins import Block
from theory.enumeration.processors import cores
from theory.tables import Floats, entropy

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
    entropy_of_margin: Callable[[Block], float] = portable.entropy_of_margin
    if device is not None:
        from theory.enumeration import devices  # imports torch

        block = devices.block_on(table, devices.device_named(device))
        entropy_of_margin = devices.entropy_of_margin
    elif numba_is_installed() and n * table.size >= COMPILED_FROM:
        workers, entropy_of_margin = cores(), kernels.entropy_of_margin

    to_sum_out = _to_sum_out(block, n, q)
    found = np.zeros(n + 1)

    def fill(share: int) -> None:
        for i in range(share, n + 1, workers):
            found[i] = entropy_of_margin(to_sum_out[i])

    with ThreadPoolExecutor(workers) as pool:
        done = pool.map(fill, range(workers))
        laws = _laws_of_single_positions(block, n, q)
        list(done)  # raises what a share raised
    return np.array([entropy(law) for law in laws]), float(found[0]), found[1:]


def _to_sum_out(block: Block, n: int, q: int) -> list[Block]:
    """The law, and the law by position, each with what is to be summed out in the middle."""
    # Half of the positions are summed out of the law with its halves swapped: so what is added
    # is never scattered.
    half = (n + 1) // 2
    swapped = block.reshape(q**half, -1).T.reshape(-1)
    first = [block.reshape(q**axis, q, -1) for axis in range(half)]
    second = [swapped.reshape(q**axis, q, -1) for axis in range(n - half)]
    return [block.reshape(1, 1, -1), *first, *second]


def _laws_of_single_positions(block: Block, n: int, q: int) -> Floats:
    laws = np.empty((n, q))
    for i in range(n):
        by_symbol = block.reshape(q, -1)
        laws[i] = by_symbol.sum(1).tolist()
        block = by_symbol.sum(0)
    return laws
