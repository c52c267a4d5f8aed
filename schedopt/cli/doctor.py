"""``schedopt doctor``: what is installed, what it runs on, and whether it works."""

from __future__ import annotations

import os
import platform
from argparse import Namespace
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from schedopt import __version__
from schedopt.cli.output import document, emit
from schedopt.cli.parser import Verbs, add_verb
from schedopt.cli.selftest import FAULTS, Check, checks
from schedopt.errors import SchedoptError

REQUIRED: Final = ("numpy", "scipy", "torch", "cvxpy", "matplotlib", "safetensors", "tqdm")
EXTRAS: Final[Mapping[str, tuple[str, ...]]] = {
    "fast": ("numba",),
    "hub": ("huggingface_hub", "tokenizers", "jinja2"),
    "lm-eval": ("lm-eval",),
}
_PURPOSE: Final = {
    "fast": "loops of the solvers, compiled",
    "hub": "models and tokenizers of the Hugging Face hub",
    "lm-eval": "tasks of lm-evaluation-harness",
}


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    add_verb(
        verbs,
        "doctor",
        run,
        help="what is installed and what it runs on, with a self-test",
        example="schedopt doctor --json",
    )


def run(args: Namespace) -> int:
    """Print versions, devices, extras and checks; exit code 1 if a check fails."""
    versions = {"schedopt": __version__, "python": platform.python_version()} | {
        name: _version(name) for name in REQUIRED
    }
    extras = {name: _extra(name, packages) for name, packages in EXTRAS.items()}
    tried = [*_installed(versions), *checks()]
    passed = all(check.passed for check in tried)
    result = document(
        "doctor",
        passed=passed,
        platform=platform.platform(),
        versions=versions,
        devices=list(_devices()),
        extras=extras,
        checks=[
            {"name": c.name, "passed": c.passed, "detail": c.detail, "seconds": c.seconds}
            for c in tried
        ],
    )
    emit(args, result, _lines(result))
    return 0 if passed else SchedoptError.exit_code


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _installed(versions: Mapping[str, str | None]) -> Iterator[Check]:
    missing = [name for name, found in versions.items() if found is None]
    detail = f"pip install {' '.join(missing)}" if missing else "all that is required"
    yield Check("packages", not missing, detail, 0.0)


def _extra(name: str, packages: tuple[str, ...]) -> dict[str, object]:
    found = {package: _version(package) for package in packages}
    return {
        "present": None not in found.values(),
        "for": _PURPOSE[name],
        "packages": found,
        "install": f"pip install {' '.join(packages)}",
    }


def _devices() -> Iterator[dict[str, object]]:
    """The CPU and each GPU, with memory in bytes; null where that cannot be known."""
    cpu: dict[str, object] = {
        "device": "cpu",
        "name": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
    }
    try:
        import torch

        from schedopt.models.weights import memory_of
    except FAULTS:  # the check of the model tells why
        yield cpu
        return
    memory = memory_of(torch.device("cpu"))
    yield {**cpu, "threads": torch.get_num_threads(), "memory": memory}
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        yield {
            "device": f"cuda:{index}",
            "name": facts.name,
            "memory": facts.total_memory,
            "free": torch.cuda.mem_get_info(index)[0],
        }


def _lines(result: Mapping[str, Any]) -> Iterator[str]:
    yield f"platform  {result['platform']}"
    found = (f"{name} {number or 'missing'}" for name, number in result["versions"].items())
    yield f"versions  {', '.join(found)}"
    for device in result["devices"]:
        facts = [_gib(device, "memory", ""), _gib(device, "free", " free")]
        facts += [f"{device[key]} {key}" for key in ("cores", "threads") if device.get(key)]
        yield f"{device['device']:<8}  {device['name']}, {', '.join(filter(None, facts))}"
    for name, extra in result["extras"].items():
        packages = ", ".join(
            f"{key} {value or 'missing'}" for key, value in extra["packages"].items()
        )
        cure = "" if extra["present"] else f"; for {extra['for']}: {extra['install']}"
        yield f"extra     {name}: {packages}{cure}"
    for check in result["checks"]:
        state = "ok" if check["passed"] else "FAILED"
        yield f"check     {check['name']}: {state}, {check['detail']} ({check['seconds']:.1f} s)"


def _gib(device: Mapping[str, Any], key: str, what: str) -> str:
    return f"{device[key] / 2**30:.1f} GiB{what}" if device.get(key) else ""
