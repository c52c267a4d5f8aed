"""What forward passes cost: time, arithmetic as a share of what the chip can do, and memory."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import torch

_NARROW: Final = (torch.bfloat16, torch.float16)

# Dense matrix products by words of the device's name, 10^12 FLOP/s: bfloat16 and float16 with
# float32 sums, then float32 outside the matrix units. From the data sheets of NVIDIA; those that
# give rates with structured sparsity are halved. The first row that fits counts.
_PEAKS: Final[tuple[tuple[frozenset[str], float, float], ...]] = tuple(
    (frozenset(words.split()), narrow, single)
    for words, narrow, single in (
        ("B200", 2250.0, 75.0),
        ("H200", 989.5, 66.9),
        ("GH200", 989.5, 66.9),
        ("H100 PCIe", 756.0, 51.2),
        ("H100 NVL", 835.5, 60.0),
        ("H100", 989.5, 66.9),
        ("H800", 989.5, 66.9),
        ("A100", 312.0, 19.5),
        ("A800", 312.0, 19.5),
        ("L40S", 362.0, 91.6),
        ("L4", 121.0, 30.3),
        ("A10", 125.0, 31.2),
        ("4090", 165.2, 82.6),
        ("3090", 71.0, 35.6),
    )
)


def peak_flops(device_name: str, dtype: torch.dtype) -> float | None:
    """Floating-point operations a second of dense matrix products, None where unknown.

    Example:
        >>> peak_flops("NVIDIA H100 80GB HBM3", torch.bfloat16)
        989500000000000.0
        >>> peak_flops("NVIDIA H100 80GB HBM3", torch.float64) is None
        True
    """
    words = set(re.split(r"[^A-Za-z0-9]+", device_name))
    for needed, narrow, single in _PEAKS:
        if needed <= words:
            if dtype in _NARROW:
                return narrow * 1e12
            return single * 1e12 if dtype == torch.float32 else None
    return None


@dataclass(frozen=True)
class Usage:
    """What the forward passes of a model have cost so far.

    Args:
        passes: Sequences that went through the network.
        tokens: Their tokens.
        flops: Floating-point operations in all, None where unknown.
        seconds: Wall time in the model, transfers included.
        batch: Most sequences that went through at once.
        device: Name of the device.
        dtype: Of the weights, such as ``bfloat16``; None where unknown.
        peak_flops: What the device can do in this type, FLOP/s; None where unknown.
        peak_memory: Most bytes held: on a GPU by torch, else by the process; None where unknown.
    """

    passes: int
    tokens: int
    flops: float | None
    seconds: float
    batch: int
    device: str
    dtype: str | None
    peak_flops: float | None
    peak_memory: int | None

    @property
    def flops_per_second(self) -> float | None:
        """Arithmetic a second of wall time, None where unknown or nothing ran."""
        return None if self.flops is None or not self.seconds else self.flops / self.seconds

    @property
    def share(self) -> float | None:
        """``flops_per_second`` over ``peak_flops``, None where either is unknown."""
        if self.flops_per_second is None or self.peak_flops is None:
            return None
        return self.flops_per_second / self.peak_flops

    def lines(self) -> Iterator[str]:
        """For people, a fact a line; nothing where nothing ran."""
        if not self.passes:
            return
        yield (
            f"{self.passes} passes of {self.tokens / self.passes:.0f} tokens in "
            f"{self.seconds:.1f} s ({self.passes / max(self.seconds, 1e-9):.3g}/s), "
            f"up to {self.batch} at once on {self.device}"
        )
        if self.flops is not None and self.flops_per_second is not None:
            share = f", {self.share:.0%} of the {self.dtype} peak" if self.share is not None else ""
            yield (
                f"{self.flops / self.passes:.3g} FLOP a pass, "
                f"{self.flops_per_second:.3g} FLOP/s{share}"
            )
        if self.peak_memory is not None:
            yield f"peak memory {self.peak_memory / 2**30:.2f} GiB"


def peak_memory(device: torch.device) -> int | None:
    """Most bytes held so far: by torch on a GPU, by the process on a CPU; None where unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def device_name(device: torch.device) -> str:
    """Name of a GPU, or the type of another device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
