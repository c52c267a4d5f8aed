"""``schedopt compare`` gives every schedule the loss that the solver's formula gives it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import refused, run

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.files import CurveFile, ScheduleFile, SurfaceFile, write
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.sizes import shared_sizes, uniform_sizes
from schedopt.solvers import loss_of, solve

CURVE = InformationCurve([2.0, 1.0, 0.5, 0.25, 0.2, 0.1, 0.1, 0.05])
SURFACE = OrderSurface(
    np.triu(CURVE.conditional_entropy[:, None] * np.arange(16, 8, -1) / 16), Order("dilated")
)


@pytest.fixture
def curve(tmp_path: Path) -> Path:
    path = tmp_path / "curve.json"
    write(path, CurveFile(CURVE))
    return path


@pytest.fixture
def surface(tmp_path: Path) -> Path:
    path = tmp_path / "surface.json"
    write(path, SurfaceFile(SURFACE))
    return path


def schedule_file(tmp_path: Path, schedule: UnmaskingSchedule) -> Path:
    path = tmp_path / "schedule.json"
    write(path, ScheduleFile(schedule))
    return path


def test_named_schedules_on_a_curve(curve: Path) -> None:
    rows = run("compare", curve, "--steps", "2,4", "--json").document["rows"]
    expected = {
        (name, k): sizes
        for k in (2, 4)
        for name, sizes in (
            ("uniform", uniform_sizes(8, k)),
            ("cosine", shared_sizes("cosine", 8, k)),
            ("optimal", solve(CURVE, steps=k).schedule.step_sizes),
        )
    }
    assert {(row["schedule"], row["steps"]): tuple(row["step_sizes"]) for row in rows} == expected
    for row in rows:
        assert row["loss"] == loss_of(CURVE, row["step_sizes"])
        least = solve(CURVE, steps=row["steps"]).loss
        assert row["over_optimal"] == pytest.approx(row["loss"] - least)
        assert row["over_optimal"] >= -1e-12


def test_all_numbers_of_steps_by_default(curve: Path) -> None:
    rows = run("compare", curve, "--json").document["rows"]
    assert {row["steps"] for row in rows} == {1, 2, 4, 8}


def test_dus_is_there_where_the_order_is_its_own(surface: Path, curve: Path) -> None:
    rows = run("compare", surface, "--steps", "2", "--json").document["rows"]
    dus = next(row for row in rows if row["schedule"] == "DUS")
    assert dus["step_sizes"] == [2, 2, 4]
    assert dus["loss"] == loss_of(SURFACE, (2, 2, 4))
    best = next(row for row in rows if row["schedule"] == "optimal" and row["steps"] == 3)
    assert dus["over_optimal"] == pytest.approx(dus["loss"] - best["loss"])
    assert "DUS" not in run("compare", curve).out


def test_given_sizes_and_schedule_files(surface: Path, tmp_path: Path) -> None:
    # An explicit order with the same positions is the same order.
    order = Order("explicit", permutation=(0, 4, 2, 6, 1, 5, 3, 7))
    path = schedule_file(tmp_path, UnmaskingSchedule(8, order, (1, 1, 6)))
    options = ("--sizes", "4,4", "--sizes", "1,7", "--schedule", path, "--steps", 2)
    rows = run("compare", surface, *options, "--json").document["rows"]
    found = {tuple(row["step_sizes"]): row["schedule"] for row in rows}
    assert found[1, 7] == "given"
    assert found[1, 1, 6] == str(path)
    assert [row["loss"] for row in rows if row["schedule"] == "given"] == sorted(
        loss_of(SURFACE, sizes) for sizes in ((4, 4), (1, 7))
    )


def test_text_is_sorted_by_steps_and_loss(curve: Path) -> None:
    head, columns, *lines = run("compare", curve, "--sizes", "1,7").out.splitlines()
    assert head == "8 positions, random order; loss over one position a step, nats"
    assert columns.split() == ["steps", "schedule", "loss", "over", "best", "step", "sizes"]
    keys = [(int(line.split()[0]), float(line.split()[2])) for line in lines]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (
            UnmaskingSchedule(4, Order("random"), (2, 2)),
            "$.schedule.length: need 8, the length in",
        ),
        (
            UnmaskingSchedule(8, Order("dilated"), (4, 4)),
            "got the dilated order, base 2",
        ),
        (
            UnmaskingSchedule(8, Order("confidence"), (4, 4)),
            "got the order chosen by confidence",
        ),
        (
            UnmaskingSchedule(8, Order("random"), (4, 4), blocks=((4, 4), (8,))),
            "need one block and one model",
        ),
        (
            UnmaskingSchedule(8, Order("random"), (4, 4), models=(0, 1)),
            "need one block and one model",
        ),
    ],
)
def test_a_schedule_for_something_else(
    schedule: UnmaskingSchedule, message: str, curve: Path, tmp_path: Path
) -> None:
    path = schedule_file(tmp_path, schedule)
    done = refused(3, message, "compare", curve, "--schedule", path)
    assert f"hint: schedopt solve {curve} --steps 2 -o {path}" in done.err


def test_usage(curve: Path) -> None:
    refused(2, "need 1 <= k <= n, got k=9, n=8", "compare", curve, "--steps", "2,9")
    refused(2, "sizes sum to 7, need the length 8", "compare", curve, "--sizes", "3,4")


def test_missing_and_malformed_files(curve: Path, tmp_path: Path) -> None:
    refused(3, "No such file", "compare", tmp_path / "absent")
    refused(3, "No such file", "compare", curve, "--schedule", tmp_path / "absent")
    refused(3, "$.format: need schedopt.schedule", "compare", curve, "--schedule", curve)
