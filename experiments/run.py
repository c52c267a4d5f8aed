"""Rerun the experiments that need no GPU, and say of the others which command made them where.

    python experiments/run.py                     # all: a quarter of an hour on two idle cores
    python experiments/run.py guarantees oracles  # these

Each script runs in a process of its own, on one thread, ``--jobs`` of them at a time. Afterwards
each result is compared with what it was before: seeds make the numbers the same, but for rounding.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"

# Result: the arguments of the script that makes it; the longest first, so that no core waits.
WITHOUT_GPU: dict[str, list[str]] = {
    "resume": ["resume.py", "--runs", "200"],
    "curve_precision": ["curve_precision.py"],
    "fit_regret_tiny": ["fit_regret.py"],
    "oracles": ["oracles.py"],
    "orders_chains": ["orders_chains.py"],
    "dus_optimum": ["dus_optimum.py"],
    "geometry": ["geometry.py"],
    "dus_ablation_laws": ["dus_ablation_laws.py", "--seeds", "12"],
    "scale": ["scale.py"],
    "riemann": ["riemann.py"],
    "entropy_bound": ["entropy_bound.py"],
    "permutations": ["permutations.py"],
    "guarantees": ["guarantees.py"],
    "hardness": ["hardness.py", "--n", "6", "--field", "7", "--probes", "1,2,5"],
}
# What no seed fixes: times, and where a kill falls.
UNSTEADY = {"provenance", "seconds", "done_at_the_kill", "in_the_work", "kills", "torn"}


def read(name: str) -> Any:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def same(a: Any, b: Any) -> bool:
    """Whether two results hold the same numbers, but for rounding and what no seed fixes."""
    if isinstance(a, dict) and isinstance(b, dict):
        keys = (a.keys() | b.keys()) - UNSTEADY
        return all(key in a and key in b and same(a[key], b[key]) for key in keys)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9) or (math.isnan(a) and math.isnan(b))
    return bool(a == b)


def rerun(name: str) -> bool:
    """Run the script of a result; whether it ended well."""
    before, started = read(name), time.monotonic()
    script, *arguments = WITHOUT_GPU[name]
    done = subprocess.run(
        [sys.executable, f"experiments/{script}", *arguments],
        cwd=HERE.parent,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    took = f"{time.monotonic() - started:5.0f} s"
    if done.returncode != 0:
        print(f"{name:24s} {took}  failed with exit code {done.returncode}\n{done.stdout[-2000:]}")
        return False
    verdict = "new" if before is None else "the same" if same(before, read(name)) else "differs"
    print(f"{name:24s} {took}  {verdict}", flush=True)
    return True


def origins() -> list[str]:
    """A line for each result that is not made again here."""
    lines = []
    for path in sorted(RESULTS.glob("*.json")):
        if path.stem not in WITHOUT_GPU:
            made = read(path.stem)["provenance"]
            command = " ".join(made["command"])
            lines.append(f"{path.stem:24s} {made['machine']}, {made['seconds']:.0f} s: {command}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="RESULT", help="of these; default all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    unknown = set(args.names) - WITHOUT_GPU.keys()
    if unknown:
        parser.error(f"no such result {sorted(unknown)}; need some of {', '.join(WITHOUT_GPU)}")
    names = args.names or list(WITHOUT_GPU)
    with ThreadPoolExecutor(args.jobs) as pool:
        ended_well = list(pool.map(rerun, names))
    if not args.names:
        print("\nnot made again, since they need a GPU, other models or more time:")
        print(*origins(), sep="\n")
        print("\nwaiting for a GPU: experiments/h200.sh")
    return 0 if all(ended_well) else 1


if __name__ == "__main__":
    sys.exit(main())
