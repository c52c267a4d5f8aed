"""The exact curve of a law of 24 bits on one GPU, against the bytes of its terms.

    python benchmarks/curves_gpu.py --out FOLDER

3^24 terms of 8 bytes, each written or read once at the bandwidth that a copy reaches in the same
run, are the yardstick. The curve is checked against closed forms at n = 24, and against numpy on
random laws. "--device cpu --positions 10" tries the script where there is no GPU.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import RESULTS, write_result
from numpy.typing import NDArray

from theory import curves
from theory.enumeration import devices, portable, processors

Floats = NDArray[np.float64]
LAWS = [
    (1, 2),
    (4, 2),
    (9, 2),
    (14, 2),
    (15, 2),
    (9, 3),
    (11, 3),
    (8, 4),
    (6, 7),
    (2, 60),
    (1, 999),
]


def random_table(n: int, q: int = 2) -> Floats:
    rng = np.random.default_rng(n)
    weights = rng.random((q,) * n) ** 4 * (rng.random((q,) * n) < 0.9)
    weights[(0,) * n] += 0.5
    return np.asarray(weights / weights.sum())


def seconds_of(work: Callable[[], object], device: torch.device, repeats: int = 3) -> float:
    """Median time on the wall after one call that is not timed, with the device idle at the end."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    times = []
    for _ in range(repeats + 1):
        wait()
        begin = time.perf_counter()
        work()
        wait()
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])


def bandwidth(device: torch.device) -> float:
    """Bytes a second that a copy reads and writes."""
    count = 2**29 if device.type == "cuda" else 2**22
    source = torch.ones(count, dtype=torch.float64, device=device)
    target = torch.empty_like(source)
    return 16 * count / seconds_of(lambda: target.copy_(source), device, repeats=20)


def profile_of(table: Floats, device: torch.device, fused: bool) -> Floats:
    n = table.ndim
    sums = devices.sums_by_size(table, device, fused=fused)
    return np.asarray(-sums / [comb(n, k) for k in range(n + 1)])


def parity(n: int) -> tuple[Floats, Floats]:
    """A uniform even word: any n - 1 bits are uniform."""
    odd = np.zeros((), dtype=bool)
    for _ in range(n):
        odd = np.stack([odd, ~odd])
    profile = np.minimum(np.arange(n + 1), n - 1) * np.log(2.0)
    return np.where(odd, 0.0, 2.0 ** (1 - n)), profile


def independent(n: int) -> tuple[Floats, Floats]:
    """Independent bits, each of another bias."""
    ones = (1 + np.arange(n)) / (n + 2)
    table = np.ones(())
    for p in ones:
        table = np.multiply.outer(table, [1 - p, p])
    entropies = -ones * np.log(ones) - (1 - ones) * np.log1p(-ones)
    return table, np.arange(n + 1) * entropies.mean()


def check(name: str, error: float) -> dict[str, Any]:
    print(f"check  {name:<24} error {error:.1e}", flush=True)
    return {"check": name, "error": error}


def checks(n: int, device: torch.device, fused: bool) -> list[dict[str, Any]]:
    """Largest errors in nats: 1e-12 is what the tests ask for."""
    found = []
    for m, q in LAWS:
        if m <= n:
            table = random_table(m, q)
            expected = -processors.sums_by_size(table, portable.add_p_log_p)
            expected[0] = 0.0
            expected /= [comb(m, k) for k in range(m + 1)]
            kernel = fused and q <= devices.FUSED_SYMBOLS
            error = abs(profile_of(table, device, kernel)[1:] - expected[1:]).max()
            found.append(check(f"random n={m} q={q}", float(error)))
    for law in (parity, independent):
        table, expected = law(n)
        error = abs(profile_of(table, device, fused)[1:] - expected[1:]).max()
        found.append(check(f"{law.__name__} n={n}", float(error)))
        tc, dtc = curves.total_correlations(table, device=str(device))
        first, whole, others = expected[1], expected[n], expected[n - 1]
        error = max(abs(tc - n * first + whole), abs(dtc - n * others + (n - 1) * whole))
        found.append(check(f"TC, DTC of {law.__name__} n={n}", error))
    table = random_table(n)
    again = [profile_of(table, device, fused) for _ in range(2)]
    found.append(check(f"same bits twice, n={n}", float(abs(again[0] - again[1]).max())))
    return found


def tilings(table: Floats, device: torch.device) -> list[dict[str, Any]]:
    """Seconds of the fused part by how the work is cut; those that do not compile say why."""
    import triton

    from theory.enumeration import cuda

    n, q = table.ndim, 2
    last = devices.positions_within(devices.COLUMNS, q, n)
    columns = devices.with_margins(devices.block_on(table, device), q, last, torch.cat)
    cuts = [cuda.Tiling()]
    cuts += [cuda.Tiling(unrolled=u, looped=c) for u in (27, 81) for c in (3, 9, 27)]
    cuts += [cuda.Tiling(unrolled=u, lanes=64, warps=2) for u in (27, 81)]
    cuts += [cuda.Tiling(unrolled=u, lanes=256, warps=w) for u in (27, 81) for w in (4, 8)]
    cuts += [cuda.Tiling(shares=s) for s in (16, 64)]
    found = []
    for cut in dict.fromkeys(cuts):
        try:
            seconds = seconds_of(partial(cuda.totals, columns, q, n - last, cut), device, repeats=2)
        except (RuntimeError, triton.TritonError) as error:
            print(f"tiling {cut} failed: {error}", flush=True)
            continue
        print(f"tiling {cut}: {seconds:.4f} s", flush=True)
        found.append({**vars(cut), "seconds": seconds})
    return found


def fused_kernel_works(device: torch.device) -> bool:
    """Whether the fused kernel runs; a lent GPU's minutes are few: else measure what does."""
    try:
        import triton
    except ModuleNotFoundError as error:
        print(f"measuring without the fused kernel: {error}", flush=True)
        return False
    try:
        profile_of(random_table(16), device, fused=True)
    except (RuntimeError, triton.TritonError) as error:
        print(f"measuring without the fused kernel: {error}", flush=True)
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--positions", type=int, default=24)
    parser.add_argument("--plain", action="store_true", help="without the fused kernel")
    parser.add_argument(
        "--tilings", action="store_true", help="also try other ways to cut the work"
    )
    options = parser.parse_args()
    started = time.monotonic()
    device, n = devices.device_named(options.device), options.positions
    fused = device.type == "cuda" and not options.plain and fused_kernel_works(device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    rate = bandwidth(device)
    floor = 8 * 3**n / rate
    print(f"{name}: copies {rate / 1e12:.2f} TB/s, all terms once: {floor:.3f} s", flush=True)
    document: dict[str, Any] = {
        "device": name,
        "fused": fused,
        "n": n,
        "bytes_a_second": rate,
        "seconds_of_all_terms_once": floor,
    }
    table = random_table(n)
    seconds = seconds_of(partial(profile_of, table, device, fused), device)
    print(f"curve n={n}: {seconds:.3f} s, {seconds / floor:.2f} of all terms once", flush=True)
    document |= {
        "seconds": seconds,
        "ns_a_term": 1e9 * seconds / 3**n,
        "of_all_terms_once": seconds / floor,
        "checks": checks(n, device, fused),
    }
    correlations = partial(curves.total_correlations, table, device=str(device))
    document["seconds_of_total_correlations"] = seconds_of(correlations, device)
    document["growth"] = []
    for q, most in ((2, n), (3, (n * 7) // 12), (4, (n * 6) // 12)):
        for m in range(most - 4 if q > 2 else most - 8, most + 1):
            law = random_table(m, q)
            took = seconds_of(partial(profile_of, law, device, fused), device, repeats=2)
            point = {"q": q, "n": m, "terms": (q + 1) ** m, "seconds": took}
            document["growth"].append(point)
            print(f"growth q={q} n={m}: {took:.4f} s, {1e9 * took / point['terms']:.4f} ns a term")
    if options.tilings and fused:
        document["tilings"] = tilings(table, device)
    packages = ["numpy", "torch", "triton"]
    write_result("curves_gpu", document, packages=packages, started=started, folder=options.out)


if __name__ == "__main__":
    main()
