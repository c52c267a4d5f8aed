"""Imports go one way, and what is light stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Which of our own trees each tree may import.
TREES = {
    "theory": {"theory"},
    "schedopt": {"schedopt", "theory"},
    "experiments": {"experiments", "schedopt", "theory"},
    "figures": {"figures"},  # a figure is a function of the results' files
}

# Inside schedopt: a module imports its own package and what stands above it here.
LAYERS = (
    ("errors",),
    ("clusters",),
    ("schedule",),
    ("sizes",),
    ("curve",),
    ("solution",),
    ("files",),
    ("running",),
    ("solvers", "models"),
    ("data", "tasks"),
    ("estimators", "samplers", "exact"),
    ("integrations",),
    ("texts",),
    ("evaluation",),
    ("fitting",),
    ("report", "plot", "exporters", "harness"),
    ("cli",),
    ("__main__",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

# The package's own name serves its users; inside it, only these may be taken from there.
FROM_ROOT = {"__version__"}

HEAVY = {"torch", "scipy", "cvxpy", "matplotlib", "transformers", "numba"}


def modules(tree: str) -> list[Path]:
    return sorted((ROOT / tree).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Dotted names that a module imports anywhere, ``from a import b`` as ``a.b``."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            prefix = ".".join([*base, *filter(None, [node.module])])
            yield from (f"{prefix}.{alias.name}" for alias in node.names)


def loaded(*arguments: str) -> set[str]:
    """Top-level packages that a fresh interpreter imports when run with these arguments."""
    command = [sys.executable, "-X", "importtime", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {line.split("|")[-1].strip().split(".")[0] for line in lines}


@pytest.mark.parametrize("tree", TREES)
def test_trees(tree: str) -> None:
    for path in modules(tree):
        ours = {name.split(".")[0] for name in imports(path)} & TREES.keys()
        assert ours <= TREES[tree], f"{path.relative_to(ROOT)} imports {ours - TREES[tree]}"


def test_every_part_of_schedopt_has_a_layer() -> None:
    parts = {path.relative_to(ROOT / "schedopt").parts[0] for path in modules("schedopt")}
    assert {part.removesuffix(".py") for part in parts} - {"__init__"} <= LEVEL.keys()


def test_layers() -> None:
    for path in modules("schedopt"):
        part = path.relative_to(ROOT / "schedopt").parts[0].removesuffix(".py")
        if part == "__init__":
            continue
        for name in imports(path):
            top, _, rest = f"{name}.".partition(".")
            other = rest.split(".")[0]
            if top != "schedopt" or other in FROM_ROOT or other == part:
                continue
            where = f"{path.relative_to(ROOT)} imports {name}"
            assert other in LEVEL, f"{where}, which is not a part of schedopt with a layer"
            assert LEVEL[other] < LEVEL[part], f"{where}, which is not above it in LAYERS"


@pytest.mark.parametrize(
    "module", ["schedopt", "schedopt.files", "schedopt.schedule", "schedopt.curve", "theory"]
)
def test_light_imports(module: str) -> None:
    assert not loaded("-c", f"import {module}") & HEAVY


@pytest.mark.skipif(not (ROOT / "schedopt" / "cli").exists(), reason="there is no command line")
def test_light_help() -> None:
    packages = loaded("-m", "schedopt", "--help")
    assert "schedopt" in packages
    assert not packages & HEAVY


def test_the_scan_sees_every_way_to_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "schedopt" / "files" / "example.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import a.b, c as d\n"
        "from e import f, g\n"
        "from . import h\n"
        "from .. import curve\n"
        "from ..models.i import j\n"
        "def late():\n    import torch\n"
    )
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert list(imports(path)) == [
        "a.b",
        "c",
        "e.f",
        "e.g",
        "schedopt.files.h",
        "schedopt.curve",
        "schedopt.models.i.j",
        "torch",
    ]
