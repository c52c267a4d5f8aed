"""What ``schedopt doctor`` tries out: each check against something that is known."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import combinations, pairwise
from pathlib import Path
from typing import Final

import numpy as np

from schedopt.curve import InformationCurve
from schedopt.errors import SchedoptError
from schedopt.files import CurveFile, read_curve, write
from schedopt.running import Arrays, Runner, open_journal

# SHA-256 of the bundled weights, and what the bundled model made of TEXT on the machine that
# trained it, with every other byte masked: mean nats a masked byte. Float32 on other chips moves
# the last by 1e-6; weights or a network that are not those move it by far more than 1e-3.
WEIGHTS: Final = {
    "tiny": "517b7e6fd581c2a2150f41957cc16d6dcff627b08a9a62d7c9bca122936d7aae",
    "tiny-light": "a0b50ea4f7ce1b4e49503da68ab5893c8506b9b95c30ead19aaab9e2d6cd8f74",
    "tiny-judge": "ed1ad7c0a6f29f967df3852f173b1da3a694dae808a40fe7c082cf367fb3aec2",
}
TEXT: Final = b"def main(argv=None):\n    return 0\n"
TEXT_NLL: Final = 0.369264
TOLERANCE: Final = 1e-3

# What a broken installation, driver, disk or device raises.
FAULTS: Final = (SchedoptError, ImportError, OSError, RuntimeError, ValueError, ArithmeticError)


@dataclass(frozen=True)
class Check:
    """How a check went.

    Args:
        name: What was tried.
        passed: Whether it came out as it must.
        detail: What came out, or what went wrong.
        seconds: How long it took.
    """

    name: str
    passed: bool
    detail: str
    seconds: float


def checks() -> Iterator[Check]:
    """Try everything out, the GPUs that are there among it."""
    yield _tried("solver", _solver)
    yield _tried("bundled weights", _weights)
    yield _tried("bundled model", _model)
    yield _tried("files", _files)
    yield _tried("journal", _journal)
    for index in range(_gpus()):
        yield _tried(f"cuda:{index}", partial(_gpu, f"cuda:{index}"))


def _tried(name: str, check: Callable[[], str]) -> Check:
    began = time.monotonic()
    try:
        passed, detail = True, check()
    except FAULTS as error:
        passed, detail = False, f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    return Check(name, passed, detail, time.monotonic() - began)


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise SchedoptError(otherwise)


def _solver() -> str:
    """Every number of steps against every schedule that has so many."""
    from schedopt.solvers import loss_of, solve

    n = 8
    curve = InformationCurve([2.0, 1.7, 1.1, 0.9, 0.6, 0.5, 0.3, 0.1])
    compared = 0
    for steps in range(1, n + 1):
        every = [
            tuple(b - a for a, b in pairwise((0, *cuts, n)))
            for cuts in combinations(range(1, n), steps - 1)
        ]
        least = min(loss_of(curve, sizes) for sizes in every)
        found = solve(curve, steps=steps).loss
        _must(abs(found - least) < 1e-12, f"{steps} steps lose {found} nats, {least} are possible")
        compared += len(every)
    return f"the best of all {compared} schedules of {n} positions"


def _weights() -> str:
    from schedopt.models import JUDGES, load_autoregressive, load_model

    for name, expected in WEIGHTS.items():
        load = load_autoregressive if name in JUDGES else load_model
        found = load(name).provenance["weights_sha256"]
        _must(
            found == expected, f"{name}: need weights {expected[:12]}..., got {str(found)[:12]}..."
        )
    return f"{len(WEIGHTS)} models with the weights that were published"


def _model() -> str:
    nll = _text_nll("cpu")
    _must(
        abs(nll - TEXT_NLL) < TOLERANCE, f"need {TEXT_NLL:.6f} nats a byte of a text, got {nll:.6f}"
    )
    return f"{nll:.6f} nats a byte of a text, as it must be"


def _files() -> str:
    curve = InformationCurve([2.0, 1.0, 0.5], [0.1, 0.1, 0.1])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "curve.json")
        write(path, CurveFile(curve))
        found = read_curve(path).conditional_entropy
        _must(found.tolist() == curve.conditional_entropy.tolist(), f"wrote a curve, read {found}")
        _must([p.name for p in Path(folder).iterdir()] == [path.name], "a temporary file was left")
    return f"written and read again in {tempfile.gettempdir()}"


def _journal() -> str:
    """A run that is stopped after two of three units computes the third alone."""
    computed: list[int] = []

    def compute(index: int) -> Arrays:
        computed.append(index)
        return (np.array(index / 3.0),)

    def stop(index: int, _: Arrays) -> None:
        if index == 1:
            raise InterruptedError

    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        with suppress(InterruptedError), open_journal(run, {"seed": 0}) as journal:
            Runner(journal).map("thirds", 3, compute, stop)
        with open_journal(run, {"seed": 0}) as journal:
            found = Runner(journal).map("thirds", 3, compute)
    _must(computed == [0, 1, 2], f"computed units {computed}, each once was needed")
    thirds = [float(third) for (third,) in found]
    _must(thirds == [0.0, 1 / 3, 2 / 3], f"need thirds, got {thirds}")
    return "stopped, resumed, and nothing computed twice"


def _gpus() -> int:
    try:
        import torch
    except FAULTS:  # told of by the check of the model
        return 0
    return torch.cuda.device_count()


def _gpu(device: str) -> str:
    """A product and the bundled model, against the CPU."""
    import torch

    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(256, 256, generator=generator, dtype=torch.float64) for _ in "ab")
    off = float(((left.to(device) @ right.to(device)).cpu() - left @ right).abs().max())
    _must(off < 1e-9, f"a product of 256 x 256 is off by {off:.3g}")
    nll = _text_nll(device)
    _must(
        abs(nll - TEXT_NLL) < TOLERANCE, f"need {TEXT_NLL:.6f} nats a byte of a text, got {nll:.6f}"
    )
    return f"a product off by {off:.1g}; {nll:.6f} nats a byte of a text"


def _text_nll(device: str) -> float:
    import torch

    from schedopt.models import load_model

    model = load_model("tiny", device=device)
    tokens = torch.tensor([list(TEXT)])
    masked = torch.arange(len(TEXT))[None] % 2 == 1
    nll, _ = model.score(tokens.masked_fill(masked, model.mask_id), masked, tokens)
    return float(nll.mean())
