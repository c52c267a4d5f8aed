"""The exact curve of a law against dit, and its growth with n and q against (q+1)^n.

    pip install '.[bench]'
    python benchmarks/curves.py

dit has no curve: its peer is the entropy of each of the 2^n subsets, averaged by size. Times are
medians, of dit's curve one run: by the clock on the wall, and of all threads together, which tells
of the work where the machine is busy with something else. Compiling is left out: it happens once a
machine. Set OMP_NUM_THREADS to use fewer cores than there are.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict
from itertools import product
from math import comb
from typing import Any

import numpy as np
from common import Seconds, seconds_of, write_result
from numpy.typing import NDArray

from theory import curves
from theory.enumeration import extremes, kernels, portable, processors

Floats = NDArray[np.float64]
MACHINES: dict[str, Callable[[Floats, int, Floats], None]] = {
    "numba": kernels.add_p_log_p,
    "numpy": portable.add_p_log_p,
}
SIZES = {1: range(16, 25), 2: range(10, 19), 3: range(7, 15), 4: range(6, 13), 7: range(5, 10)}
GROWTH_FROM = 1e6  # terms; below, starting threads is what takes time


def random_table(n: int, q: int = 2) -> Floats:
    weights = np.random.default_rng(n).random((q,) * n)
    return np.asarray(weights / weights.sum())


def profile_on(machine: str, table: Floats) -> Floats:
    """As ``curves.entropy_profile``, on a machine of our choice."""
    n = table.ndim
    sums = processors.sums_by_size(table, MACHINES[machine])
    return np.asarray(-sums / [comb(n, k) for k in range(n + 1)])


def profile_by_dit(law: Any, n: int) -> Floats:
    import dit

    profile = np.zeros(n + 1)
    for code in range(1, 2**n):
        subset = [i for i in range(n) if code >> i & 1]
        profile[len(subset)] += dit.shannon.entropy(law, subset)
    return np.asarray(profile * np.log(2.0) / [comb(n, k) for k in range(n + 1)])


def correlations_by_dit(law: Any) -> tuple[float, float]:
    import dit

    tc = dit.multivariate.total_correlation(law)
    return tc * np.log(2.0), dit.multivariate.dual_total_correlation(law) * np.log(2.0)


def correlations_on(machine: str, table: Floats) -> tuple[float, float]:
    """As ``curves.total_correlations``, on a machine of our choice."""
    extremes.COMPILED_FROM = 0 if machine == "numba" else table.ndim * table.size + 1
    return curves.total_correlations(table)


def row(work: str, how: str, time_of: Seconds, **more: Any) -> dict[str, Any]:
    numbers = "  ".join(f"{key} {value:.4g}" for key, value in more.items())
    print(f"{work:<16} {how:<6} {time_of.wall:10.5f} s  {numbers}", flush=True)
    return {"work": work, "how": how, "seconds": asdict(time_of), **more}


def against(peer: Seconds, ours: Seconds) -> dict[str, float]:
    return {
        "times_faster": peer.wall / ours.wall,
        "times_less_processor": peer.processor / ours.processor,
    }


def against_dit(n: int) -> list[dict[str, Any]]:
    import dit

    table = random_table(n)
    law = dit.Distribution(list(product(range(2), repeat=n)), table.ravel().tolist())
    found: list[Floats] = []
    curve = seconds_of(lambda: found.append(profile_by_dit(law, n)), repeats=1)
    correlations = seconds_of(correlations_by_dit, law, repeats=5)
    expected = correlations_by_dit(law)
    rows = [row(f"curve n={n}", "dit", curve), row(f"TC + DTC n={n}", "dit", correlations)]
    for machine in MACHINES:
        ours = seconds_of(profile_on, machine, table, repeats=15)
        error = float(abs(profile_on(machine, table) - found[0]).max())
        rows.append(row(f"curve n={n}", machine, ours, error=error, **against(curve, ours)))
    for machine in MACHINES:
        ours = seconds_of(correlations_on, machine, table, repeats=50)
        error = float(np.abs(np.subtract(correlations_on(machine, table), expected)).max())
        more = against(correlations, ours)
        rows.append(row(f"TC + DTC n={n}", machine, ours, error=error, **more))
    return rows


def large(n: int) -> list[dict[str, Any]]:
    table, rows = random_table(n), []
    for machine, repeats in (("numba", 3), ("numpy", 1)):
        ours = seconds_of(profile_on, machine, table, repeats=repeats)
        ns, busy = (1e9 * seconds / 3**n for seconds in (ours.wall, ours.processor))
        rows.append(row(f"curve n={n}", machine, ours, ns_a_term=ns, processor_ns_a_term=busy))
    return rows


def growth(machine: str) -> dict[str, Any]:
    """Seconds by n and q, and what one position more costs: (q+1) times, says the count."""
    points = []
    for q, sizes in SIZES.items():
        for n in sizes:
            ours = seconds_of(profile_on, machine, random_table(n, q), repeats=3)
            points.append({"q": q, "n": n, "terms": (q + 1) ** n, "seconds": asdict(ours)})
    a_position = []
    for q in SIZES:
        long = [p for p in points if p["q"] == q and p["terms"] >= GROWTH_FROM]
        logs = np.log([p["seconds"]["processor"] for p in long])
        factor = float(np.exp(np.polyfit([p["n"] for p in long], logs, 1)[0]))
        a_position.append({"q": q, "predicted": q + 1, "measured": factor})
        print(f"growth   {machine} q={q}: a position costs x{factor:.2f}, predicted x{q + 1}")
    return {"machine": machine, "points": points, "factor_a_position": a_position}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--no-dit", action="store_true", help="leave the peer out (minutes)")
    parser.add_argument("--no-growth", action="store_true")
    parser.add_argument("--large", type=int, default=20, help="positions of the large law")
    options = parser.parse_args()
    started = time.monotonic()
    profile_on("numba", random_table(12))  # compiles
    correlations_on("numba", random_table(12))
    rows = large(options.large)
    if not options.no_dit:
        rows += against_dit(16)
    document: dict[str, Any] = {"cores_used": processors.cores(), "rows": rows}
    if not options.no_growth:
        document["growth"] = [growth(machine) for machine in MACHINES]
    write_result("curves", document, packages=["numpy", "numba", "dit"], started=started)


if __name__ == "__main__":
    main()
