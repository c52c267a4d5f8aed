"""The solvers against their nearest peers in the same run, and their growth with n and k.

    pip install ruptures ckwrap
    python benchmarks/solvers.py

The curve is that of a uniformly random permutation, C(j) = log(n - j), and for the rows called
"rough" n sorted cubes of exponential variables. The peers:

- ruptures ``Dynp`` minimises the same sum of the same costs; both losses are compared.
- ckwrap clusters n values in one dimension into k clusters: another loss of the same kind, by a
  published dynamic programme in O(n k). It is the nearest peer for a million positions.

Times are medians, of a peer's long runs one; ratios are of wall time, and next to it of processor
time: there what else the machine does does not count, and the threads of ``losses`` count each.
Compiling is left out and told apart: it happens once a machine. "without fast" is the same source
where numba is missing. Growth is measured in processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import Seconds, seconds_of, write_result
from numpy.typing import NDArray

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.schedule import Order
from schedopt.solvers import losses, solve
from schedopt.solvers.paths import COMPILED

Floats = NDArray[np.float64]

SHORT = (1024, 8)
LONG = (1_000_000, 128)


def permutation(n: int) -> InformationCurve:
    """The curve of a uniformly random permutation."""
    return InformationCurve(np.log(n - np.arange(n)))


def rough(n: int) -> InformationCurve:
    """A curve whose falls differ by orders of magnitude from one position to the next."""
    return InformationCurve(-np.sort(-(np.random.default_rng(0).exponential(size=n) ** 3)))


def noisy(n: int) -> InformationCurve:
    """A curve that rises and falls, as estimates do."""
    return InformationCurve(np.linspace(2.0, 1.0, n) + 0.1 * np.random.default_rng(0).random(n))


def chain(n: int) -> OrderSurface:
    """A monotone surface, as of a chain whose memory fades over 30 positions."""
    distance = np.arange(n) - np.arange(n)[:, None]
    return OrderSurface(1.0 - 0.8 * np.exp(-np.maximum(distance, 0) / 30), Order("left_to_right"))


def dynp_loss(curve: InformationCurve, steps: int) -> float:
    """Least loss as ruptures' dynamic programme finds it."""
    from ruptures.base import BaseCost
    from ruptures.detection import Dynp

    class StepCost(BaseCost):
        """W(a, b), in constant time."""

        model, min_size = "step", 1

        def fit(self, signal: Floats) -> StepCost:
            self.signal = signal
            self.values = signal[:, 0].tolist()
            self.sums = np.append(0.0, np.cumsum(signal[:, 0])).tolist()
            return self

        def error(self, start: int, end: int) -> float:
            known: float = self.values[start]
            return (end - start) * known - (self.sums[end] - self.sums[start])

    search = Dynp(custom_cost=StepCost(), min_size=1, jump=1)
    ends = search.fit(curve.conditional_entropy[:, None]).predict(n_bkps=steps - 1)
    return float(search.cost.sum_of_costs(ends))


def cluster(values: Floats, clusters: int) -> None:
    """K-means in one dimension, as ckwrap finds it."""
    import ckwrap

    ckwrap.ckmeans(values, clusters)


def one_k(measure: InformationCurve | OrderSurface, steps: int) -> object:
    """Work for the clock."""
    return solve(measure, steps=steps)


def ratios() -> list[dict[str, Any]]:
    """Every row of the table: ours and the peer's seconds for the same n and k."""
    rows: list[dict[str, Any]] = []

    def add(
        work: str,
        ours: Seconds,
        peer: str,
        theirs: Seconds,
        must: int | None = None,
        limit: int | None = None,
    ) -> None:
        ratio, of_processor = theirs.wall / ours.wall, theirs.processor / ours.processor
        rows.append(
            {
                "work": work,
                "peer": peer,
                "seconds": asdict(ours),
                "peer_seconds": asdict(theirs),
                "ratio": ratio,
                "ratio_of_processor_time": of_processor,
                "must_reach": must,
                "limit": limit,
            }
        )
        goal = f"{must:,}x" if must else ""
        print(
            f"{work:<40}{ours.wall * 1e3:11.3f} ms  {peer:<9}{theirs.wall:7.2f} s"
            f"{ratio:11,.0f}x{of_processor:11,.0f}x  {goal}",
            flush=True,
        )

    print(f"{'work':<40}{'ours':>14}  {'peer':<18}{'wall ratio':>12}{'processor':>12}  must reach")
    n, k = SHORT
    curve = permutation(n)
    found: list[float] = []
    theirs = seconds_of(lambda: found.append(dynp_loss(curve, k)), repeats=1)
    solution = solve(curve, steps=k)
    if abs(found[0] - solution.loss) > 1e-9 * solution.loss or solution.gap != 0.0:
        sys.exit(f"error: ruptures loses {found[0]}, ours {solution.loss}: they must be the same")
    work = f"one k, n={n}, k={k}"
    add(work, seconds_of(one_k, curve, k, repeats=99), "ruptures", theirs, 50_000)
    ours = Seconds(**alone("--without-fast")["one_k"])
    add(f"{work}, without fast", ours, "ruptures", theirs, 1_000)

    n, k = LONG
    for name, curve, goals in (
        ("", permutation(n), ((400, 25_000), (10, 80))),
        (", rough", rough(n), ((), ())),
    ):
        theirs = seconds_of(cluster, np.sort(curve.conditional_entropy), k, repeats=1)
        ours = seconds_of(one_k, curve, k, repeats=9)
        add(f"one k, n={n}, k={k}{name}", ours, "ckwrap", theirs, *goals[0])
        ours = seconds_of(losses, curve, k, repeats=3)
        add(f"all k <= {k}, n={n}{name}", ours, "ckwrap", theirs, *goals[1])
    return rows


# Numba has to be out of sight before schedopt is imported.
HIDING = """
import runpy, sys
sys.modules["numba"] = None
runpy.run_path("solvers.py", run_name="__main__")
"""


def alone(flag: str, **environment: str) -> dict[str, Any]:
    """What this script prints in a process of its own."""
    here = Path(__file__).resolve()
    script = ["-c", HIDING] if flag == "--without-fast" else [str(here)]
    paths = [str(here.parent), str(here.parent.parent), *sys.path]
    done = subprocess.run(
        [sys.executable, *script, flag],
        cwd=here.parent,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(paths)},
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def without_fast() -> dict[str, Any]:
    """Times of Python's own loops."""
    if COMPILED:
        sys.exit("error: numba is in sight; --without-fast is for this script's own use")
    curve = permutation(SHORT[0])
    series = Series("one k, k=8, without fast", "n", 8, 16, 1.0, permutation, lambda c: one_k(c, 8))
    one = seconds_of(one_k, curve, SHORT[1], repeats=9)
    return {"one_k": asdict(one), "growth": series.measure()}


def first_calls() -> dict[str, float]:
    """Seconds of the first call of each solver, where nothing is compiled yet."""
    works: dict[str, Callable[[], object]] = {
        "curve, one k": lambda: one_k(permutation(600), 8),
        "curve that rises, one k": lambda: one_k(noisy(600), 8),
        "surface, one k": lambda: one_k(chain(600), 8),
        "surface, all k": lambda: losses(chain(600), 8),
    }
    return {name: round(seconds_of(work, repeats=1).wall, 2) for name, work in works.items()}


@dataclass(frozen=True)
class Series:
    """Seconds of some work as n or k doubles, and the exponent that theory predicts.

    Args:
        work: What is done.
        variable: What grows, ``"n"`` or ``"k"``.
        first: Its first value is 2^first.
        end: Its last value is 2^(end - 1).
        predicted: Exponent; logarithms count as 0.
        make: From the value to what the work takes; not timed.
        run: The work.
    """

    work: str
    variable: str
    first: int
    end: int
    predicted: float
    make: Callable[[int], Any]
    run: Callable[[Any], object]

    def measure(self) -> dict[str, Any]:
        """The series, with the exponent of its larger half."""
        values = [2**i for i in range(self.first, self.end)]
        seconds = [seconds_of(self.run, self.make(v), repeats=3).processor for v in values]
        half = len(values) // 2
        exponent = float(np.polyfit(np.log(values[half:]), np.log(seconds[half:]), 1)[0])
        return {
            "work": self.work,
            "variable": self.variable,
            "values": values,
            "seconds": [float(f"{s:.4g}") for s in seconds],
            "exponent": round(exponent, 2),
            "predicted_exponent": self.predicted,
        }


def growth() -> list[dict[str, Any]]:
    """Every series that has loops compiled."""
    long, middle = permutation(2**20), permutation(2**16)
    every = (
        Series("one k, k=128", "n", 10, 22, 1.0, permutation, lambda c: one_k(c, 128)),
        Series("one k, k=128, rough", "n", 10, 22, 1.0, rough, lambda c: one_k(c, 128)),
        Series("one k, n=2^20", "k", 1, 15, 0.0, int, lambda k: one_k(long, k)),
        Series("all k <= 32", "n", 10, 20, 1.0, permutation, lambda c: losses(c, 32)),
        Series("all k, n=2^16", "k", 2, 10, 1.0, int, lambda k: losses(middle, k)),
        Series("all k <= 32, rising", "n", 8, 16, 1.0, noisy, lambda c: losses(c, 32)),
        Series("surface, one k, k=16", "n", 6, 12, 2.0, chain, lambda s: one_k(s, 16)),
        Series("surface, all k", "n", 6, 12, 2.0, chain, losses),
    )
    found = []
    for series in every:
        found.append(series.measure())
        told = f"{series.variable}^{found[-1]['exponent']:.2f}, predicted {series.predicted}"
        print(f"{series.work:<24}{told}", flush=True)
    return found


def main() -> None:
    """Measure everything, print the table and write it."""
    parser = argparse.ArgumentParser(description="Time the solvers against their peers.")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--without-fast", action="store_true", help="Python's own loops alone")
    part.add_argument("--first-calls", action="store_true", help="compiling alone")
    chosen = parser.parse_args()
    if chosen.without_fast:
        print(json.dumps(without_fast()))
        return
    if chosen.first_calls:
        print(json.dumps(first_calls()))
        return
    started = time.monotonic()
    document: dict[str, Any] = {"rows": ratios()}
    with tempfile.TemporaryDirectory() as empty:
        document["first_call_seconds"] = alone("--first-calls", NUMBA_CACHE_DIR=empty)
    print("first calls, compiling included:", document["first_call_seconds"])
    document["growth"] = [*growth(), alone("--without-fast")["growth"]]
    packages = ("numpy", "numba", "ruptures", "ckwrap")
    write_result("solvers", document, packages=packages, started=started)


if __name__ == "__main__":
    main()
