"""Every figure is a function of committed results, committed as it is drawn, and explained."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FIGURES, RESULTS = ROOT / "figures", ROOT / "experiments" / "results"
NAMES = sorted(path.stem for path in FIGURES.glob("fig_*.py"))
KINDS = ("pdf", "svg", "png")


def test_figures_are_committed_as_they_are_drawn(tmp_path: Path) -> None:
    command = [sys.executable, FIGURES / "draw.py", "--into", tmp_path, "--jobs", "2"]
    subprocess.run(command, check=True, capture_output=True)
    files = [f"{name}.{kind}" for name in NAMES for kind in KINDS]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)
    stale = [f for f in files if (tmp_path / f).read_bytes() != (FIGURES / f).read_bytes()]
    assert not stale, "these are not what their results say: make figures"


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_explained(name: str) -> None:
    tree = ast.parse((FIGURES / f"{name}.py").read_text(encoding="utf-8"))
    about = ast.get_docstring(tree) or ""
    assert "Reads" in about
    assert "Caption:" in about
    section = " ".join(gallery()[name].split())
    assert "![" in section
    assert f"({name}.png)" in section
    for part in ("**Message.**", "**Made by**", "**Against the published figure:**"):
        assert part in section, f"{name} lacks {part}"
    for script in re.findall(r"(?:experiments|benchmarks|figures)/[\w/]+\.py", section):
        assert (ROOT / script).is_file(), script


def test_the_gallery_and_the_folder_hold_the_same() -> None:
    assert sorted(gallery()) == NAMES
    images = {path.stem for path in FIGURES.iterdir() if path.suffix.lstrip(".") in KINDS}
    assert images == set(NAMES)


def test_a_figure_has_no_title() -> None:
    for name in NAMES:
        assert not re.search(
            r"\b(set_title|suptitle|plt\.title)\(", (FIGURES / f"{name}.py").read_text()
        )


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_a_result_says_how_it_was_made(path: Path) -> None:
    made = json.loads(path.read_text(encoding="utf-8"))["provenance"]
    assert made["command"][0] == "python"
    assert (ROOT / made["command"][1]).is_file()
    assert made["seconds"] >= 0
    assert made["machine"]
    assert not re.search(r"/(tmp|home|root|work)/", json.dumps(made))


def gallery() -> dict[str, str]:
    """The sections of the gallery, by figure."""
    text = (FIGURES / "README.md").read_text(encoding="utf-8")
    parts = re.split(r"^### (fig_\w+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
