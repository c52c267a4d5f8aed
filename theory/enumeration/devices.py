"""The enumeration through torch: on a GPU with a fused kernel, elsewhere with its own functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from theory.enumeration.margins import decisions, positions_within, summed_out, with_margins
from theory.enumeration.processors import by_size
from theory.tables import Floats

if TYPE_CHECKING:
    import torch

COLUMNS = 6561  # subsets of the last positions side by side: enough for a GPU, 3.4 GB at n = 24
FUSED_SYMBOLS = 4  # the kernel unrolls over them, and with 7 it compiles for minutes


def device_named(name: str) -> torch.device:
    """The device of torch with this name, if it is there and computes in float64.

    Raises:
        ValueError: It is not.
    """
    import torch

    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"there is no device {name!r}: use 'cpu' or 'cuda'") from error
    if device.type not in {"cpu", "cuda"}:
        raise ValueError(f"need a device with float64, got {name!r}: use 'cpu' or 'cuda'")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {name!r} is not there, torch sees {torch.cuda.device_count()} GPUs: "
            "use 'cpu', or None for numpy on all cores"
        )
    return device


def block_on(table: Floats, device: torch.device) -> torch.Tensor:
    """The table, flat, on a device."""
    import torch

    # A copy: tables of laws are read-only, which tensors cannot be.
    return torch.tensor(table.reshape(-1), dtype=torch.float64, device=device)


def entropies_without(law: torch.Tensor, q: int, positions: int) -> Floats:
    """The equal in torch of ``portable.entropies_without``."""
    import torch

    margins = (summed_out(law.reshape(q**position, q, -1)) for position in range(positions))
    return np.array([0.0 - float(torch.special.xlogy(p, p).sum()) for p in margins])


def sums_by_size(table: Floats, device: torch.device, *, fused: bool | None = None) -> Floats:
    """Sum of p log p over all subsets of k positions and their outcomes, shape (n + 1,).

    Args:
        table: Joint table, shape (q,) * n.
        device: Where to compute.
        fused: Whether the Triton kernel does the last positions of the rows; None means on a
            GPU with few symbols. The other way stores every term.

    Raises:
        ModuleNotFoundError: The kernel is asked for and Triton is not installed.
    """
    import torch

    n, q = table.ndim, table.shape[0]
    last = max(1, positions_within(COLUMNS, q, n))
    columns = with_margins(block_on(table, device), q, last, torch.cat)
    if (device.type == "cuda" and q <= FUSED_SYMBOLS) if fused is None else fused:
        totals = _fused_totals(columns, q, n - last)
    else:
        totals = columns.new_zeros(n - last + 1, columns.shape[1])
        for block, kept in decisions(columns, q, n - last, columns.shape[1]):
            totals[kept] += torch.special.xlogy(block, block).sum(0)
    return by_size(np.asarray(totals.cpu()), q, last)


def _fused_totals(columns: torch.Tensor, q: int, positions: int) -> torch.Tensor:
    try:
        from theory.enumeration import cuda
    except ModuleNotFoundError as error:
        if error.name != "triton":
            raise
        raise ModuleNotFoundError(
            "the enumeration on a GPU needs Triton, which comes with PyTorch for CUDA on Linux: "
            "pip install triton, or use device='cpu'",
            name="triton",
        ) from error
    return cuda.totals(columns, q, positions)
