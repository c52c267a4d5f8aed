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
from schedopt.files import (
    CurveFile,
    ScheduleFile,
    SurfaceFile,
    load,
    read_measure,
    read_schedule,
    write,
)
from schedopt.schedule import Order
from schedopt.solvers import loss_of, solve
from schedopt.solvers.models import solve_models
from schedopt.solvers.robust import solve_uncertain

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


# ---- several models


LIGHT = InformationCurve([2.1, 1.3, 0.9, 0.6, 0.6, 0.5, 0.3, 0.3])


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "heavy.json", tmp_path / "light.json"
    write(paths[0], FILES["curve"])
    write(paths[1], CurveFile(LIGHT, provenance={**ORIGIN, "model": {"name": "tiny-light"}}))
    return paths


def test_models_under_a_budget(two: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "schedule.json"
    arguments = (*two, "--flops", "1,0.31", "--budget", 3.5, "-o", path)
    found = run("solve", *arguments, "--json").document
    solution = solve_models([CURVE, LIGHT], [1, 0.31], budget=3.5)
    assert set(found["models"]) == {0, 1}
    assert tuple(found["models"]) == solution.schedule.models
    assert found["step_sizes"] == list(solution.schedule.step_sizes)
    assert (found["loss"], found["lower_bound"]) == (solution.loss, solution.lower_bound)
    assert found["sequential"] == CURVE.entropy
    assert found["status"] == "optimal"
    assert "duality gap of" in found["certificate"]["detail"]
    light = found["models"].count(1)
    assert found["flops"] == pytest.approx(len(found["models"]) - 0.69 * light)
    assert found["flops"] <= found["budget"] == 3.5
    file = load(path)
    assert isinstance(file, ScheduleFile)
    assert file.schedule == solution.schedule
    assert file.prediction is not None
    assert file.prediction.loss == solution.loss
    assert file.provenance["model"] == {"name": "tiny"}
    assert file.provenance["curve_sha256"] == sha256(two[0].read_bytes()).hexdigest()
    models = file.extensions["models"]
    assert isinstance(models, list)
    assert [model["file"] for model in models] == [str(one) for one in two]
    assert models[1]["sha256"] == sha256(two[1].read_bytes()).hexdigest()
    assert [model["steps"] for model in models] == [len(found["models"]) - light, light]
    assert run("validate", path).code == 0


def test_the_heaviest_model_is_the_reference_wherever_it_stands(two: tuple[Path, Path]) -> None:
    forth = run("solve", *two, "--flops", "1,0.31", "--budget", 3, "--json").document
    back = run("solve", *two[::-1], "--flops", "0.31,1", "--budget", 3, "--json").document
    assert back["loss"] == pytest.approx(forth["loss"])
    assert back["sequential"] == forth["sequential"]
    assert sum(back["models"]) == len(forth["models"]) - sum(forth["models"])


def test_models_as_text(two: tuple[Path, Path]) -> None:
    lines = run("solve", *two, "--flops", "1,0.31", "--budget", 3.5).out.splitlines()
    solution = solve_models([CURVE, LIGHT], [1, 0.31], budget=3.5)
    assert solution.schedule.models is not None
    heavy = solution.schedule.models.count(0)
    assert f"loss         {solution.loss:.4f} nats over one position a step of {two[0]}" in lines
    assert f"model 0      {heavy} steps of 1 FLOPs, {two[0]}" in lines
    assert lines[-1].endswith(" of 3.5")


def test_models_of_an_order(tmp_path: Path) -> None:
    paths = tmp_path / "heavy.json", tmp_path / "light.json"
    light = OrderSurface(SURFACE.conditional_entropy + 0.1, ORDER)
    for path, surface in zip(paths, (SURFACE, light), strict=True):
        write(path, SurfaceFile(surface))
    found = run("solve", *paths, "--flops", "2,1", "--budget", 7, "--json").document
    solution = solve_models([SURFACE, light], [2, 1], budget=7)
    assert found["loss"] == pytest.approx(solution.loss)
    assert Order(**found["order"]) == ORDER


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("h", "--flops", "1", "--budget", "3"), "--flops needs a file for each of the models"),
        (("h", "l"), "2 measures, one a model, need --flops and --budget"),
        (("h", "l", "--steps", "3"), "2 measures, one a model, need --flops and --budget"),
        (("h", "l", "--flops", "1,0.3"), "--flops and --budget belong together"),
        (("h", "l", "--budget", "3"), "--flops and --budget belong together"),
        (("h", "l", "--flops", "1", "--budget", "3"), "for each of the 2 measures, got 1"),
        (("h", "l", "--flops", "1,2,3", "--budget", "3"), "for each of the 2 measures, got 3"),
        (("h", "l", "--flops", "1,0", "--budget", "3"), "flops[1]: need a finite number > 0"),
        (("h", "l", "--flops", "1,x", "--budget", "3"), "with commas between, got '1,x'"),
        (("h", "l", "--flops", "1,0.3", "--budget", "0.2"), "need a budget >= 0.3 FLOPs"),
        (("h", "l", "--flops", "1,0.3", "--budget", "-1"), "budget: need a finite number > 0"),
        (("h", "l", "--flops", "1,0.3", "--budget", "3", "--steps", "2"), "are not allowed with"),
        (("h", "l", "--flops", "1,0.3", "--budget", "3", "--robust"), "--robust takes one measure"),
        (("h", "s", "--flops", "1,0.3", "--budget", "3"), "need curves only or surfaces only"),
        (("h", "4", "--flops", "1,0.3", "--budget", "3"), "need the same length, got [8, 4]"),
        (("s", "r", "--flops", "1,0.3", "--budget", "3"), "need the order of the first surface"),
    ],
)
def test_models_that_are_refused(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write("h", CurveFile(CURVE))
    write("l", CurveFile(LIGHT))
    write("s", SurfaceFile(SURFACE))
    write("r", SurfaceFile(OrderSurface(np.eye(8), Order("left_to_right"))))
    write("4", CurveFile(InformationCurve([1.0, 0.5, 0.2, 0.1])))
    refused(2, message, "solve", *arguments, "--json")


def test_no_measure_is_overwritten(two: tuple[Path, Path]) -> None:
    before = two[1].read_bytes()
    arguments = (*two, "--flops", "1,0.31", "--budget", 3, "-o", two[1])
    refused(2, "FILE and output are the same file", "solve", *arguments)
    assert two[1].read_bytes() == before


# ---- uncertain measures


@pytest.fixture(params=["curve", "surface"])
def uncertain(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"{request.param}.json"
    errors = 0.02 * np.ones(8)
    if request.param == "curve":
        write(path, CurveFile(InformationCurve(CURVE.conditional_entropy, errors)))
    else:
        values = SURFACE.conditional_entropy
        write(path, SurfaceFile(OrderSurface(values, ORDER, errors * np.ones((8, 8)))))
    return path


@pytest.mark.parametrize("confidence", [None, 0.8])
def test_robust(uncertain: Path, confidence: float | None, tmp_path: Path) -> None:
    path = tmp_path / "schedule.json"
    given = () if confidence is None else ("--confidence", confidence)
    arguments = (uncertain, "--steps", 3, "--robust", *given, "-o", path)
    found = run("solve", *arguments, "--json").document
    measure = read_measure(uncertain)
    solution = solve_uncertain(measure, steps=3, confidence=confidence or 0.95)
    assert found["loss"] == solution.loss
    assert found["step_sizes"] == list(solution.schedule.step_sizes)
    assert found["status"] == "optimal"
    assert found["confidence"] == (confidence or 0.95)
    estimated = loss_of(measure, solution.schedule.step_sizes)
    assert found["estimated_loss"] == estimated < found["loss"]
    file = load(path)
    assert isinstance(file, ScheduleFile)
    assert file.prediction is not None
    assert file.prediction.loss == solution.loss
    assert file.prediction.assumes is not None
    assert file.prediction.assumes.startswith("the worst case in the ")
    assert run("validate", path).code == 0


def test_robust_as_text(uncertain: Path) -> None:
    lines = run("solve", uncertain, "--steps", 3, "--robust").out.splitlines()
    assert lines[-1].startswith("worst case   the loss is that in the 95 % band of its standard ")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--max-loss", "1", "--robust"), 2, "--robust needs --steps"),
        (("--robust",), 2, "one of the arguments --steps --max-loss is required"),
        (("--steps", "3", "--confidence", "0.9"), 2, "--confidence is that of --robust"),
        (("--steps", "3", "--robust", "--confidence", "1"), 2, "need 0 < confidence < 1, got 1.0"),
        (("--steps", "9", "--robust"), 2, "8 positions need 1 <= steps <= 8, got 9"),
    ],
)
def test_robust_requests_that_are_refused(
    uncertain: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    refused(code, message, "solve", uncertain, *arguments)


def test_a_measure_without_standard_errors_has_no_band(measure: Path) -> None:
    done = refused(2, "has no standard errors", "solve", measure, "--steps", 3, "--robust")
    assert "hint: estimate it" in done.err


def test_a_band_that_crosses(tmp_path: Path) -> None:
    path = tmp_path / "curve.json"
    write(path, CurveFile(InformationCurve([1.0, 2.0], [0.1, 0.1])))
    done = refused(3, "the band crosses at index 0", "solve", path, "--steps", 1, "--robust")
    assert "raise --confidence" in done.err
