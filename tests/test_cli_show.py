"""``schedopt show`` says of every good file what it holds; ``validate`` says what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import refused, run
from hypothesis import given
from malformed_corpus import CORPUS
from strategies import information_curves, order_surfaces, unmasking_schedules

from schedopt.cli.picture import BAR, STEPS, reveal_map, size_bars
from schedopt.curve import InformationCurve, OrderSurface
from schedopt.files import CurveFile, Prediction, ScheduleFile, SurfaceFile, write
from schedopt.files.formats import AnyFile
from schedopt.schedule import Order, UnmaskingSchedule

PARITY = InformationCurve(np.log(2) * np.array([1, 1, 0]), [0.1, 0.2, 0.3])
DUS = UnmaskingSchedule(8, Order("dilated"), (2, 2, 4))


def saved(tmp_path: Path, file: AnyFile) -> Path:
    path = tmp_path / "file.json"
    write(path, file)
    return path


def test_a_curve(tmp_path: Path) -> None:
    path = saved(tmp_path, CurveFile(PARITY))
    lines = [line.split() for line in run("show", path).out.splitlines()]
    assert lines[2][:3] == ["total", "correlation", "0.6931"]
    assert lines[3] == ["dual", "total", "correlation", "1.3863"]
    assert ["known", "entropy", "information", "stderr"] in lines
    assert lines[-1] == ["2", "0.0000", "0.6931", "0.3000"]
    found = run("show", path, "--json").document
    assert (found["format"], found["of"]) == ("schedopt.summary", "schedopt.curve")
    assert found["entropy"] == pytest.approx(2 * np.log(2))
    assert found["monotone"] is True


def test_a_surface(tmp_path: Path) -> None:
    values = [[0.7, 0.7, 0.5], [0.0, 0.6, 0.3], [0.0, 0.0, 0.1]]
    path = saved(tmp_path, SurfaceFile(OrderSurface(values, Order("left_to_right"))))
    found = run("show", path, "--json").document
    assert found["entropy"] == pytest.approx(0.7 + 0.6 + 0.1)
    assert found["total_correlation"] == pytest.approx(1.9 - 1.4)  # of one step for all
    out = run("show", path).out
    assert "order surface of 3 positions, left-to-right order" in out
    assert out.splitlines()[-1].split() == ["2", "0.5000", "0.1000"]


def test_what_rises_is_said(tmp_path: Path) -> None:
    path = saved(tmp_path, CurveFile(InformationCurve([0.1, 0.2])))
    assert "It rises somewhere" in run("show", path).out
    assert run("show", path, "--json").document["monotone"] is False


def test_a_schedule(tmp_path: Path) -> None:
    provenance = {
        "schedopt_version": "0.1.0",
        "command": ["fit", "--steps", "3"],
        "model": {"name": "tiny"},
        "data": None,
    }
    prediction = Prediction(0.25, 0.5, assumes="held-out text")
    path = saved(tmp_path, ScheduleFile(DUS, prediction, provenance=provenance))
    out = run("show", path).out
    assert "schedule of 8 positions in 3 steps, dilated order, base 2" in out
    assert "predicted   0.2500 ± 0.5000 nats a block (held-out text)" in out
    assert "   0 13231323" in out
    assert out.endswith("made by schedopt 0.1.0: schedopt fit --steps 3\nmodel tiny\n")
    found = run("show", path, "--json").document
    assert found["groups"] == [[0, 4], [2, 6], [1, 5, 3, 7]]
    assert found["schedule"]["step_sizes"] == [2, 2, 4]
    assert found["prediction"]["loss"] == 0.25


def test_blocks_and_models(tmp_path: Path) -> None:
    order = Order("random")
    path = saved(tmp_path, ScheduleFile(UnmaskingSchedule(4, order, (2, 2), blocks=((1, 3), (4,)))))
    out = run("show", path).out
    assert "schedule of 8 positions in 3 steps, random order, 2 blocks of 4\n" in out
    assert "block 0     1 3\nblock 1     4\nany later   2 2\n" in out
    assert "block 1: positions that each step reveals\nstep 1          4 ####" in out
    path = saved(tmp_path, ScheduleFile(UnmaskingSchedule(4, order, (2, 2), models=(1, 0))))
    out = run("show", path).out
    assert "models      1 0\n" in out
    assert "which step reveals" not in out  # as each sample draws its own order


def test_every_block_is_drawn_or_counted(tmp_path: Path) -> None:
    blocks = ((1, 1, 2), (2, 2), (4,), (1, 3), (3, 1), (2, 2))
    schedule = UnmaskingSchedule(4, Order("left_to_right"), (4,), blocks=blocks)
    path = saved(tmp_path, ScheduleFile(schedule))
    out = run("show", path).out
    for block, marks in enumerate(("1233", "1122", "1111", "1222")):
        assert f"block {block}: which step reveals each position" in out
        assert f"   0 {marks}\n" in out
    assert "\nand 2 more blocks\n" in out
    found = run("show", path, "--json").document
    assert found["steps"] == len(found["groups"]) == 12
    assert found["groups"][:4] == [[0], [1], [2, 3], [4, 5]]
    assert sorted(p for group in found["groups"] for p in group) == list(range(24))


@given(unmasking_schedules(max_n=200))
def test_bars(schedule: UnmaskingSchedule) -> None:
    shown = 0
    for line in size_bars(schedule):
        steps, size, bar = line.split(maxsplit=1)[1].split()
        first, _, last = steps.partition("-")
        shown += int(size) * (int(last or first) - int(first) + 1)
        assert 1 <= len(bar) <= BAR
    assert shown == schedule.length


@pytest.mark.parametrize("sizes", [(1,) * 130, (2,) * 65, (130,), (64, 66)], ids=str)
def test_the_map_says_which_step_reveals_a_position(sizes: tuple[int, ...]) -> None:
    schedule = UnmaskingSchedule(130, Order("dilated"), sizes)
    lines = [line.split() for line in reveal_map(schedule)]
    assert [int(start) for start, _ in lines] == [0, 64, 128]
    marks = "".join(marks for _, marks in lines)
    for step, group in enumerate(schedule.groups()):
        mark = STEPS[step] if step < len(STEPS) else "+"
        assert {marks[position] for position in group} == {mark}


def test_a_map_with_more_steps_than_characters_says_so(tmp_path: Path) -> None:
    path = saved(tmp_path, ScheduleFile(UnmaskingSchedule(99, Order("dilated"), (1,) * 99)))
    assert "+ is any later one" in run("show", path).out


@given(file=information_curves().map(CurveFile))
def test_every_curve_is_shown(file: CurveFile, tmp_path_factory: pytest.TempPathFactory) -> None:
    shown_and_valid(tmp_path_factory.getbasetemp(), file)


@given(file=order_surfaces().map(SurfaceFile))
def test_every_surface_is_shown(
    file: SurfaceFile, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shown_and_valid(tmp_path_factory.getbasetemp(), file)


@given(file=unmasking_schedules().map(ScheduleFile))
def test_every_schedule_is_shown(
    file: ScheduleFile, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shown_and_valid(tmp_path_factory.getbasetemp(), file)


def shown_and_valid(folder: Path, file: AnyFile) -> None:
    path = saved(folder, file)
    done = run("show", path)
    assert (done.code, done.err) == (0, "")
    assert len(done.out.splitlines()) >= 3
    assert run("show", path, "--json").document["of"] == file.format
    done = run("validate", path)
    assert (done.code, done.out, done.err) == (0, "", f"{path}: valid\n")


# Files that are not good


@pytest.mark.parametrize("name", [*CORPUS][::7])
def test_a_malformed_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(CORPUS[name].data)
    refused(3, f"{path}: {CORPUS[name].json_path}: ", "show", path)
    done = run("validate", path)
    assert (done.code, done.err) == (3, "")
    assert all(line.startswith(f"{path}: $") for line in done.out.splitlines())


def test_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "absent"
    refused(3, "No such file", "show", path)
    done = run("validate", path)
    assert (done.code, done.out) == (3, f"cannot read {path}: No such file or directory\n")


def test_validate_tells_the_good_from_the_bad(tmp_path: Path) -> None:
    good, bad = saved(tmp_path, ScheduleFile(DUS)), tmp_path / "bad.json"
    bad.write_text(good.read_text().replace('"length": 8', '"length": 9, "size": 1'))
    done = run("validate", good, bad)
    assert done.code == 3
    assert done.err == f"{good}: valid\n"
    assert done.out.startswith(f"{bad}: $.schedule.size: unknown key")
    found = run("validate", good, bad, "--json").document
    assert found["format"] == "schedopt.validation"
    assert [file["valid"] for file in found["files"]] == [True, False]
    assert found["files"][1]["faults"] == done.out.splitlines()
