"""``schedopt solve`` prints and writes the solver's solution, and refuses what it cannot solve."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from command_line import refused, run

import schedopt
from schedopt.curve import InformationCurve, OrderSurface
from schedopt.files import CurveFile, ScheduleFile, SurfaceFile, load, read_schedule, write
from schedopt.schedule import Order
from schedopt.solvers import solve

CURVE = InformationCurve([2.0, 1.0, 0.5, 0.25, 0.2, 0.1, 0.1, 0.05])
ORDER = Order("dilated", base=2)
SURFACE = OrderSurface(np.triu(CURVE.conditional_entropy[:, None] * np.ones(8)), ORDER)
ORIGIN = {"seed": 7, "model": {"name": "tiny"}, "data": {"name": "bundled"}, "command": ["fit"]}


FILES = {
    "curve": CurveFile(CURVE, provenance=ORIGIN),
    "surface": SurfaceFile(SURFACE, provenance=ORIGIN),
}


@pytest.fixture(params=FILES)
def measure(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"{request.param}.json"
    write(path, FILES[request.param])
    return path


def measured(path: Path) -> InformationCurve | OrderSurface:
    return CURVE if path.stem == "curve" else SURFACE


@pytest.mark.parametrize("steps", range(1, 9))
def test_steps(measure: Path, steps: int) -> None:
    found = run("solve", measure, "--steps", steps, "--json").document
    solution = solve(measured(measure), steps=steps)
    assert found["format"] == "schedopt.solution"
    assert found["step_sizes"] == list(solution.schedule.step_sizes)
    assert found["loss"] == solution.loss
    assert found["lower_bound"] == pytest.approx(found["loss"], abs=1e-12)
    assert found["status"] == "optimal"
    assert found["sequential"] + found["loss"] == pytest.approx(solution.sequential + solution.loss)
    assert Order(**found["order"]) == solution.schedule.order


def test_max_loss(measure: Path) -> None:
    found = run("solve", measure, "--max-loss", 0.5, "--json").document
    assert found["loss"] <= 0.5
    fewer = run("solve", measure, "--steps", found["steps"] - 1, "--json").document
    assert fewer["loss"] > 0.5


def test_text(measure: Path) -> None:
    solution = solve(measured(measure), steps=3)
    lines = dict(
        line.split(maxsplit=1) for line in run("solve", measure, "--steps", 3).out.splitlines()
    )
    assert lines["loss"] == f"{solution.loss:.4f} nats over one position a step"
    assert lines["status"] == solution.status.value
    assert lines["steps"].startswith("3 of 8 positions, ")


def test_the_schedule_is_written(measure: Path, tmp_path: Path) -> None:
    path = tmp_path / "schedule.json"
    done = run("solve", measure, "--steps", 3, "-o", path)
    assert (done.code, done.err) == (0, f"wrote {path}\n")
    file = load(path)
    assert isinstance(file, ScheduleFile)
    solution = solve(measured(measure), steps=3)
    assert file.schedule == solution.schedule
    assert file.prediction is not None
    assert file.prediction.loss == solution.loss
    assert file.prediction.per == "block"
    assert file.provenance == {
        **ORIGIN,
        "schedopt_version": schedopt.__version__,
        "command": ["solve", str(measure), "--steps", "3", "-o", str(path)],
        "curve_sha256": sha256(measure.read_bytes()).hexdigest(),
    }
    assert run("validate", path).code == 0


def test_what_comes_through_a_pipe_is_read_once(measure: Path, tmp_path: Path) -> None:
    read, written = os.pipe()
    os.write(written, measure.read_bytes())
    os.close(written)
    path = tmp_path / "schedule.json"
    assert run("solve", f"/dev/fd/{read}", "--steps", 2, "-o", path).code == 0
    os.close(read)
    digest = load(path).provenance["curve_sha256"]
    assert digest == sha256(measure.read_bytes()).hexdigest()


def test_steps_that_no_schedule_has(measure: Path) -> None:
    refused(2, "need a whole number 1 <= steps <= 8, got 9", "solve", measure, "--steps", 9)


def test_a_loss_that_no_schedule_reaches(measure: Path) -> None:
    refused(2, "need max_loss >= 0 nats", "solve", measure, "--max-loss=-0.5")


def test_a_missing_file(tmp_path: Path) -> None:
    done = refused(3, "No such file", "solve", tmp_path / "absent.json", "--steps", 2)
    assert "hint: schedopt estimate" in done.err


def test_a_malformed_file_is_refused_with_its_path_and_value(tmp_path: Path) -> None:
    path = tmp_path / "curve.json"
    write(path, CurveFile(CURVE))
    path.write_text(path.read_text().replace("0.25", "NaN"))
    refused(
        3,
        f"{path}: $.curve.conditional_entropy[3]: need a finite number, got NaN",
        "solve",
        path,
        "--steps",
        2,
    )


def test_a_schedule_is_nothing_to_solve(measure: Path, tmp_path: Path) -> None:
    path = tmp_path / "schedule.json"
    assert run("solve", measure, "--steps", 3, "-o", path).code == 0
    message = '$.format: need one of schedopt.curve, schedopt.surface, got "schedopt.schedule"'
    refused(3, message, "solve", path, "--steps", 2)


def test_an_output_that_cannot_be_written(measure: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    for target, problem in (
        (tmp_path / "absent" / "schedule.json", "there is no folder"),
        (tmp_path, "it is a folder"),
        (measure / "schedule.json", "there is no folder"),
        (tmp_path / ("x" * 300), "File name too long"),
    ):
        refused(1, problem, "solve", measure, "--steps", 3, "-o", target)
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_is_read_only(
    measure: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may write everywhere, so the answer of the system is made up.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    refused(1, "is read-only", "solve", measure, "--steps", 3, "-o", tmp_path / "schedule.json")
    assert [*tmp_path.iterdir()] == [measure]


def test_what_was_there_stays_where_writing_fails(
    measure: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "schedule.json"
    assert run("solve", measure, "--steps", 3, "-o", path).code == 0
    before = path.read_bytes()

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    refused(1, "No space left on device", "solve", measure, "--steps", 4, "-o", path)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([measure.name, "schedule.json"])


def test_the_solution_can_be_read_back_as_a_schedule(measure: Path, tmp_path: Path) -> None:
    path = tmp_path / "schedule.json"
    found = run("solve", measure, "--steps", 3, "-o", path, "--json").document
    assert list(read_schedule(path).step_sizes) == found["step_sizes"]
    assert json.loads(path.read_text())["prediction"]["loss"] == found["loss"]
