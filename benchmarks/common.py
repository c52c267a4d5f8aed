"""What the benchmarks share: how they time, and where results go with machine and versions."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Seconds:
    """How long a call takes.

    Args:
        wall: By the clock on the wall, which also counts what else the machine does.
        processor: By the time that all threads of this process spent, which does not.
    """

    wall: float
    processor: float


def seconds_of(work: Callable[..., object], *arguments: Any, repeats: int = 5) -> Seconds:
    """Median times of a call, after one that is not timed where there are several."""
    if repeats > 1:
        work(*arguments)
    walls, processors = [], []
    for _ in range(repeats):
        wall, processor_time = time.perf_counter(), time.process_time()
        work(*arguments)
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor_time)
    return Seconds(statistics.median(walls), statistics.median(processors))


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def versions_of(packages: Sequence[str]) -> dict[str, str]:
    """Version of each package, or ``"not installed"``."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def write_result(
    name: str,
    document: dict[str, Any],
    *,
    packages: Sequence[str],
    started: float,
    folder: Path = RESULTS,
) -> None:
    """Write ``results/NAME.json`` with the machine and the versions that it was measured with."""
    folder.mkdir(parents=True, exist_ok=True)
    provenance = {
        "command": ["python", *sys.argv],
        "processor": processor(),
        "cores": os.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions_of(["schedopt", *packages]),
        "seconds": round(time.monotonic() - started, 1),
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps({**document, "provenance": provenance}, indent=1) + "\n")
    print(f"wrote {path} after {provenance['seconds']} s", flush=True)
