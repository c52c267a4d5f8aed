"""Kill runs at random times, resume them, and compare every byte of what they write.

    python experiments/resume.py --runs 200
    python experiments/resume.py --runs 4 --print      # into no file

Each run is a process that SIGKILL ends once or several times at random moments of its work, the
same command each time, until it is let finish; alternately an ``estimate`` and a ``fit`` of the
bundled model. Processes are forked from one that has imported everything, so that the kills fall
on the work and not on Python's start.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from common import write_result

from schedopt.cli import main as schedopt

OUTPUTS: Final = {"estimate": ("out.json", "entropy.json"), "fit": ("out.json", "measure.json")}
# What the verbs load where they need it.
IMPORTS: Final = (
    *("schedopt.fitting", "schedopt.texts", "schedopt.solvers.robust"),
    *("scipy.optimize", "torch._dynamo"),
)
JOURNAL: Final = Path("run") / "journal.jsonl"


def commands(args: argparse.Namespace) -> dict[str, list[str]]:
    shared = ["--length", "16", "--context", "16", "--run-dir", "run", "-o", "out.json", "--quiet"]
    estimate = ["--order", "random", "--entropy", "entropy.json", "--passes", str(32 * args.passes)]
    fit = ["--steps", "4", "--measure", "measure.json", "--passes", str(args.passes)]
    return {"estimate": ["estimate", *estimate, *shared], "fit": ["fit", *fit, *shared]}


def run(command: list[str], folder: Path, seconds: float | None = None) -> bool:
    """Run the command in a folder, and kill it after so many seconds; whether it came to its end.

    Raises:
        RuntimeError: It failed by itself.
    """
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os._exit(schedopt(command))
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in (0, -signal.SIGKILL):
        raise RuntimeError(f"{command} in {folder} ended with {status}")
    return status == 0


def outputs(folder: Path, verb: str) -> list[bytes]:
    return [(folder / name).read_bytes() for name in OUTPUTS[verb]]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--kills", type=int, default=2, help="of one run, at most")
    parser.add_argument("--verb", choices=OUTPUTS, action="append", help="of one kind only")
    parser.add_argument("--passes", type=int, default=32, help="of a part of a fit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--print", action="store_true", help="write no file")
    args = parser.parse_args()
    started = time.monotonic()
    for module in IMPORTS:
        import_module(module)
    rng = np.random.default_rng(args.seed)
    verbs: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as place:
        for verb in args.verb or OUTPUTS:
            command = commands(args)[verb]
            folder = Path(place) / verb
            folder.mkdir()
            began = time.monotonic()
            run(command, folder)
            seconds = time.monotonic() - began
            units = len((folder / JOURNAL).read_bytes().splitlines()) - 1
            verbs[verb] = {"seconds": seconds, "units": units, "truth": outputs(folder, verb)}
            run(command, folder)  # all of it from the journal
            assert outputs(folder, verb) == verbs[verb]["truth"]
        counts = dict.fromkeys(("runs", "identical", "kills", "in_the_work", "torn"), 0)
        shares: list[float] = []
        for index in range(args.runs):
            verb = list(verbs)[index % len(verbs)]
            folder = Path(place) / f"run-{index}"
            folder.mkdir()
            for _ in range(int(rng.integers(1, args.kills + 1))):
                if run(commands(args)[verb], folder, rng.random() * verbs[verb]["seconds"]):
                    break
                counts["kills"] += 1
                path = folder / JOURNAL
                data = path.read_bytes() if path.exists() else b""
                done = data.count(b"\n") - 1
                counts["in_the_work"] += 0 < done < verbs[verb]["units"]
                counts["torn"] += data[-1:] not in (b"", b"\n")
                shares.append(max(0, done) / verbs[verb]["units"])
            run(commands(args)[verb], folder)
            counts["runs"] += 1
            counts["identical"] += outputs(folder, verb) == verbs[verb]["truth"]
            if index % 20 == 19:
                print(counts, f"{time.monotonic() - started:.0f} s", flush=True)
    document = {
        **counts,
        "done_at_the_kill": np.quantile(shares, [0.0, 0.25, 0.5, 0.75, 1.0]).round(3).tolist(),
        "verbs": {
            verb: {
                "command": ["schedopt", *commands(args)[verb]],
                "units": about["units"],
                "seconds": round(about["seconds"], 2),
            }
            for verb, about in verbs.items()
        },
    }
    if args.print:
        print(json.dumps(document))
    else:
        write_result("resume", document, started)


if __name__ == "__main__":
    main()
