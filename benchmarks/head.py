"""The vocabulary head: online log-sum-exp, against all logits at once and the bare product.

    python benchmarks/head.py --out FOLDER

The shape is LLaDA's (d = 4096, V = 126464, bfloat16). All run in turn in one process. Memory is
the most that a call holds beyond its inputs. "pieces" is the way of older GPUs.
"--small" tries the script where there is no GPU.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from common import RESULTS, write_result
from torch import Tensor

from schedopt.models import head
from schedopt.models.denoiser import normalise, reduce_scores

Work = Callable[[], object]


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(works: dict[str, Work], device: torch.device, repeats: int) -> dict[str, float]:
    """Median wall time of each, taken in turn so that all see the same clocks."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            wait(device)
            begin = time.perf_counter()
            work()
            wait(device)
            times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(values) for name, values in times.items()}


def memory_of(work: Work, device: torch.device) -> int | None:
    """Bytes that a call holds at most beyond what is held before it."""
    if device.type != "cuda":
        return None
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work()
    return torch.cuda.max_memory_allocated(device) - before


def bare(rows: Tensor, weight: Tensor) -> Tensor:
    return rows @ weight.T


def naive(rows: Tensor, weight: Tensor, targets: Tensor, mask_id: int) -> tuple[Tensor, Tensor]:
    """Float32 logits, their log-softmax, and what is wanted of it."""
    logits = (rows @ weight.T).float()
    logits[:, mask_id] = -torch.inf
    log_probs = torch.log_softmax(logits, dim=-1)
    del logits
    return reduce_scores(log_probs, targets)


def by_pieces(rows: Tensor, weight: Tensor, targets: Tensor, mask_id: int) -> tuple[Tensor, Tensor]:
    kernels = head.kernels()
    if kernels is None:
        return head.reduce_rows(rows, weight, None, targets, mask_id=mask_id)
    with mock.patch.object(kernels, "fits", return_value=False):
        return head.reduce_rows(rows, weight, None, targets, mask_id=mask_id)


def error_of(rows: Tensor, weight: Tensor, targets: Tensor, mask_id: int) -> float:
    """Largest difference from float64, nats."""
    found = head.reduce_rows(rows, weight, None, targets, mask_id=mask_id)
    worst = 0.0
    for part in range(0, len(rows), 16):
        some = slice(part, part + 16)
        logits = torch.cat([rows[some].double() @ w.double().T for w in weight.split(4096)], dim=1)
        exact = reduce_scores(normalise(logits, mask_id), targets[some])
        for one, other in zip(exact, found, strict=True):
            worst = max(worst, float((one - other[some]).abs().max()))
    return worst


def measure(count: int, weight: Tensor, repeats: int) -> dict[str, Any]:
    device, (V, d) = weight.device, weight.shape
    rows = torch.randn((count, d), device=device).to(weight.dtype)
    targets = torch.randint(0, V - 1, (count,), device=device)
    works: dict[str, Work] = {
        "bare": partial(bare, rows, weight),
        "online": partial(head.reduce_rows, rows, weight, None, targets, mask_id=V - 1),
        "naive": partial(naive, rows, weight, targets, V - 1),
        "pieces": partial(by_pieces, rows, weight, targets, V - 1),
    }
    seconds_of(works, device, 3)
    seconds = seconds_of(works, device, repeats)
    memory = {name: memory_of(work, device) for name, work in works.items()}
    strict = 8 * count * V  # float32 logits and their log-softmax, and not a byte more
    result: dict[str, Any] = {
        "rows": count,
        "seconds": seconds,
        "time_over_bare": {name: took / seconds["bare"] for name, took in seconds.items()},
        "flops_per_second_of_bare": 2.0 * count * V * d / seconds["bare"],
        "bytes": memory,
        "error": error_of(rows[:64], weight, targets[:64], V - 1),
    }
    line = f"R={count:5}  error {result['error']:.1e}  over bare:"
    line += "".join(f"  {name} {r:.3f}" for name, r in result["time_over_bare"].items())
    if memory["online"] and memory["naive"]:
        result["naive_over_online_bytes"] = memory["naive"] / memory["online"]
        result["two_float32_over_online_bytes"] = strict / memory["online"]
        line += f"  {memory['online'] / 2**20:.1f} MiB: 1/{memory['naive'] / memory['online']:.0f}"
        line += f" of naive, 1/{strict / memory['online']:.0f} of two float32 copies"
    print(line, flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a small head on the CPU")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    started = time.monotonic()
    device = torch.device("cpu" if options.small else "cuda")
    V, d, repeats = (5000, 64, 3) if options.small else (126464, 4096, 30)
    torch.manual_seed(0)
    weight = (torch.randn((V, d), device=device) / d**0.5).to(torch.bfloat16)

    begin = time.perf_counter()
    one = torch.zeros(1, dtype=torch.int64, device=device)
    head.reduce_rows(weight[:1], weight, None, one, mask_id=V - 1)
    wait(device)
    first_call = time.perf_counter() - begin
    counts = [64, 100] if options.small else [64, 256, 1024, 2048, 4096, 8192]
    results = [measure(count, weight, repeats) for count in counts]
    document = {
        "device": "cpu" if options.small else torch.cuda.get_device_name(device),
        "shape": {"V": V, "d": d, "dtype": "bfloat16"},
        "fused": device.type == "cuda" and head.kernels() is not None,
        "first_call_seconds": first_call,
        "results": results,
    }
    write_result(
        "head", document, packages=["torch", "triton"], started=started, folder=options.out
    )


if __name__ == "__main__":
    main()
