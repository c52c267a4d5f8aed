"""``schedopt report`` writes one page that holds every file it was given, and needs no other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from command_line import refused, run
from test_cli_show import DUS, PARITY

from schedopt.curve import OrderSurface
from schedopt.files import CurveFile, ScheduleFile, SurfaceFile, write
from schedopt.files.formats import AnyFile
from schedopt.schedule import Order, UnmaskingSchedule

SURFACE = OrderSurface(np.triu(np.ones((3, 3))), Order("dilated"))
RANDOM = UnmaskingSchedule(8, Order("random"), (3, 5))
EVALUATION = {
    "format": "schedopt.evaluation",
    "schema_version": 1,
    "judgement": "text",
    "unit": "nats per token",
    "length": 8,
    "context": 0,
    "ragged": False,
    "windows": 4,
    "documents": 2,
    "rows": [
        {
            "sampler": "dus <8>",
            "nfe": 3.0,
            "nll": 1.5,
            "stderr": 0.1,
            "block_length": 8,
            "nfe_by_model": [3.0],
            "pareto": True,
            "pareto_close": [],
        },
        {
            "sampler": "eb",
            "nfe": 4.0,
            "nll": None,  # infinite
            "stderr": None,
            "block_length": 8,
            "nfe_by_model": [4.0],
            "pareto": False,
            "pareto_close": [],
        },
    ],
    "matches": [],
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    files: dict[str, AnyFile] = {
        "curve": CurveFile(PARITY),
        "surface": SurfaceFile(SURFACE),
        "dus": ScheduleFile(DUS),
        "random": ScheduleFile(RANDOM),
    }
    for name, file in files.items():
        write(f"{name}.json", file)
    Path("evaluation.json").write_text(json.dumps(EVALUATION))
    return tmp_path


def test_a_page_of_everything(here: Path) -> None:
    names = ["curve.json", "surface.json", "dus.json", "random.json", "evaluation.json"]
    found = run("report", *names, "--json", "-o", "page.html").document
    assert found["files"] == names
    page = (here / "page.html").read_text()
    assert page.count("<svg") == len(names)
    assert "total correlation" in page  # what show says
    assert "2 windows of 2 documents" not in page
    assert "4 windows of 2 documents" in page  # what evaluate says
    assert "dus &lt;8&gt;" in page
    assert "dus <8>" not in page
    # Nothing is fetched, and ids of one drawing are not those of another.
    assert not re.search(r"(src|href)=\"http", page.replace("xlink:href", ""))
    ids = re.findall(r'clipPath id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for drawing in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(drawing)


def test_the_same_bytes_each_time(here: Path) -> None:
    pages = []
    for _ in range(2):
        run("report", "surface.json", "evaluation.json")
        pages.append((here / "report.html").read_bytes())
    assert pages[0] == pages[1]


def test_the_same_file_twice(here: Path) -> None:
    run("report", "dus.json", "dus.json")
    assert (here / "report.html").read_text().count("<h2>dus.json</h2>") == 2


@pytest.mark.parametrize(
    "change",
    [
        {"rows": None},
        {"rows": [{"sampler": "dus"}]},
        {"rows": [{**EVALUATION["rows"][0], "nll": "many"}]},
        {"unit": None, "rows": [3]},
        {"judgement": "taste"},
        {"rows": []},
        {"schema_version": 2},
        {"rows": [{**EVALUATION["rows"][0], "nfe": 0}]},
    ],
)
def test_what_evaluate_never_printed(here: Path, change: dict[str, object]) -> None:
    Path("bad.json").write_text(json.dumps({**EVALUATION, **change}))
    (here / "report.html").write_text("before")
    refused(3, "need what schedopt evaluate --json prints", "report", "bad.json")
    assert (here / "report.html").read_text() == "before"


def test_what_is_no_file(here: Path) -> None:
    Path("not.json").write_text("{")
    refused(3, "not.json: $", "report", "not.json")
    Path("other.json").write_text('{"format": "else", "schema_version": 1}')
    refused(3, "$.format", "report", "other.json")
    refused(3, "absent.json", "report", "absent.json")
    refused(2, "required", "report")
    refused(2, "the same file", "report", "curve.json", "-o", "curve.json")
    refused(1, "cannot write", "report", "curve.json", "-o", "no/such/folder.html")
