"""Speed-up of ``estimate`` when the processes of torchrun share its passes, and equal results.

    python benchmarks/ranks.py --checkpoint FOLDER --out FOLDER

The checkpoint is the one of ``throughput.py`` (random weights at the full size of LLaDA-8B, written
if absent). For each number of processes torchrun starts this script, one process a GPU; the clock
runs from the first pass to the finished curve, loading apart. "--small" does it on the CPU.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import RESULTS, write_result
from throughput import FULL, SMALL, write_checkpoint

from schedopt.data import Windows
from schedopt.estimators import estimate
from schedopt.models import load_model
from schedopt.running import Runner, join
from schedopt.schedule import Order


def work(options: argparse.Namespace) -> None:
    """One process of several: make the estimate together, and let the first one write."""
    with join() as ranks:
        device = "cpu" if options.small else f"cuda:{torch.cuda.current_device()}"
        model = load_model(options.checkpoint, device=device, dtype="bfloat16")
        generator = torch.Generator().manual_seed(0)
        size = (options.passes, options.length)
        tokens = torch.randint(0, model.vocab_size // 2, size, generator=generator)
        windows, order = Windows.independent(tokens), Order("random")
        runner = Runner(ranks=ranks)
        estimate(model, windows, order=order, passes=64 * ranks.world, seed=1, runner=runner)
        ranks.exchange(None)
        begin = time.perf_counter()
        found = estimate(model, windows, order=order, passes=options.passes, runner=runner)
        seconds = time.perf_counter() - begin
        if ranks.first:
            curve = found.measure.conditional_entropy.tolist()
            options.result.write_text(json.dumps({"seconds": seconds, "curve": curve}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a tiny network on the CPU")
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder, written if absent")
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--passes", type=int, default=4096)
    parser.add_argument("--worlds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)  # of one process
    options = parser.parse_args()
    if options.result is not None:
        work(options)
        return
    started = time.monotonic()
    if not (options.checkpoint / "model.safetensors.index.json").exists():
        device = torch.device("cpu" if options.small else "cuda")
        write_checkpoint(options.checkpoint, SMALL if options.small else FULL, device)
        torch.cuda.empty_cache()
    options.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for world in options.worlds:
        result = options.out / "ranks_of_one_run.json"
        torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(world)]
        command = [sys.executable, *torchrun, *sys.argv, "--result", str(result)]
        subprocess.run(command, check=True)
        found = json.loads(result.read_text())
        result.unlink()
        curve = np.array(found.pop("curve"))
        first = rows[0]["curve"] if rows else curve
        rows.append({"world": world, "curve": curve, **found})
        rows[-1]["speed_up"] = rows[0]["seconds"] / found["seconds"]
        rows[-1]["largest_difference"] = float(np.abs(curve - first).max())
        print({key: value for key, value in rows[-1].items() if key != "curve"}, flush=True)
    document = {
        "device": "cpu" if options.small else torch.cuda.get_device_name(),
        "length": options.length,
        "passes": options.passes,
        "results": [{k: v for k, v in row.items() if k != "curve"} for row in rows],
    }
    write_result("ranks", document, packages=["torch"], started=started, folder=options.out)


if __name__ == "__main__":
    main()
