"""``schedopt export`` writes what a target reads, and says on stderr what has to be known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import refused, run

from schedopt.exporters import TARGETS
from schedopt.files import Prediction, ScheduleFile, write
from schedopt.schedule import Order, UnmaskingSchedule

DILATED = ScheduleFile(UnmaskingSchedule(8, Order("dilated"), (2, 2, 3, 1)), Prediction(0.25))
CONFIDENCE = ScheduleFile(UnmaskingSchedule(8, Order("confidence"), (2, 2, 3, 1)))
FILES = ("llada", "dream", "dllm", "dus", "sglang")


@pytest.fixture
def dilated(tmp_path: Path) -> Path:
    path = tmp_path / "schedule.json"
    write(path, DILATED)
    return path


@pytest.fixture
def confidence(tmp_path: Path) -> Path:
    path = tmp_path / "confidence.json"
    write(path, CONFIDENCE)
    return path


def test_llada(confidence: Path) -> None:
    done = run("export", confidence, "--to", "llada", "--gen-length", 16)
    assert done.code == 0
    table = done.document
    assert table["format"] == "schedopt.export"
    assert table["target"] == "llada"
    assert table["num_transfer_tokens"] == [[2, 2, 3, 1], [2, 2, 3, 1]]
    assert (table["steps"], table["gen_length"], table["block_length"]) == (8, 16, 8)
    assert table["remasking"] == "low_confidence"


def test_dream(dilated: Path) -> None:
    plan = run("export", dilated, "--to", "dream", "--gen-length", 16).document
    groups = [list(group) for group in DILATED.schedule.groups()]
    assert plan["groups"] == groups + [[8 + p for p in group] for group in groups]
    assert plan["sizes"] == [2, 2, 3, 1, 2, 2, 3, 1]
    assert (plan["steps"], plan["max_new_tokens"], plan["alg"]) == (8, 16, "origin")
    assert plan["order"] == {"name": "dilated", "base": 2}


def test_dream_without_positions(confidence: Path) -> None:
    plan = run("export", confidence, "--to", "dream").document
    assert plan["groups"] is None
    assert plan["sizes"] == [2, 2, 3, 1]


def test_dllm(confidence: Path) -> None:
    table = run("export", confidence, "--to", "dllm", "--gen-length", 16).document
    assert table["alpha"] == [0.0, 0.25, 0.5, 0.875, 1.0]
    assert table["sizes"] == [2, 2, 3, 1]
    assert (table["steps"], table["block_size"]) == (8, 8)


@pytest.mark.parametrize("target", ["llada", "dream", "dllm", "dus"])
def test_a_huge_generation_is_refused_before_it_is_laid_out(
    target: str, confidence: Path, dilated: Path
) -> None:
    path = confidence if target in {"llada", "dllm"} else dilated
    message = "gen_length: need at most 1048576 positions, got 32000000000"
    done = refused(2, message, "export", path, "--to", target, "--gen-length", 32_000_000_000)
    assert "hint: a smaller --gen-length" in done.err


def test_dus(dilated: Path) -> None:
    levels = run("export", dilated, "--to", "dus").document
    assert levels["groups"] == [[0, 4], [2, 6], [1, 3, 5], [7]]
    assert levels["steps"] == 4


@pytest.mark.parametrize("target", FILES)
def test_a_file_holds_what_is_printed(target: str, dilated: Path, tmp_path: Path) -> None:
    path = tmp_path / "out"
    options = ("--sizes-only",) if target in {"llada", "dllm"} else ()
    printed = run("export", dilated, "--to", target, *options)
    path.write_text("what was there before")
    done = run("export", dilated, "--to", target, *options, "-o", path)
    assert (done.code, done.out) == (0, "")
    assert path.read_text() == printed.out
    lines = done.err.splitlines()
    assert f"wrote {path}" in lines
    assert lines[-4] == "use it so:"


def test_a_folder(dilated: Path, tmp_path: Path) -> None:
    path = tmp_path / "scheduler"
    for _ in range(2):  # a new folder, and one that is there
        assert run("export", dilated, "--to", "diffusers", "-o", path).code == 0
        assert [inside.name for inside in path.iterdir()] == ["scheduler_config.json"]


def test_a_folder_needs_a_name(dilated: Path) -> None:
    done = refused(2, "--to diffusers makes a folder", "export", dilated, "--to", "diffusers")
    assert "hint: name it with -o FOLDER" in done.err


def test_a_folder_where_a_file_is(dilated: Path, confidence: Path) -> None:
    before = confidence.read_bytes()
    arguments = ("export", dilated, "--to", "diffusers", "-o", confidence)
    refused(1, "it is a file", *arguments)
    assert confidence.read_bytes() == before


def test_json(dilated: Path, tmp_path: Path) -> None:
    arguments = ("export", dilated, "--to", "llada", "--sizes-only")
    found = run(*arguments, "--json").document
    assert found["format"] == "schedopt.exported"
    assert (found["target"], found["output"]) == ("llada", None)
    assert found["files"] == {"llada.json": run(*arguments).out}
    (warning,) = found["warnings"]
    assert warning.startswith("order: dilated in the schedule, but LLaDA's loop")
    assert len(found["usage"]) == 3
    path = tmp_path / "llada.json"
    assert run(*arguments, "--json", "-o", path).document["output"] == str(path)
    assert json.loads(path.read_text())["target"] == "llada"


def test_warnings_and_usage_go_to_stderr(dilated: Path) -> None:
    done = run("export", dilated, "--to", "llada", "--sizes-only")
    lines = done.err.splitlines()
    assert lines[0].startswith("warning: order: dilated in the schedule")
    assert lines[1] == "use it so:"
    assert f"llada.transfer_table('{dilated}', gen_length=8, sizes_only=True)" in lines[3]
    assert run("export", dilated, "--to", "llada", "--sizes-only", "--quiet").err == ""


def test_an_order_that_a_target_does_not_follow(dilated: Path, tmp_path: Path) -> None:
    path = tmp_path / "llada.json"
    message = "order: dilated in the schedule, but LLaDA's loop reveals the surest positions"
    done = refused(2, message, "export", dilated, "--to", "llada", "-o", path)
    assert "hint: --sizes-only" in done.err
    assert not path.exists()


def test_options_of_other_targets(dilated: Path) -> None:
    for option in ("--sizes-only", "--seed=1"):
        name = option.split("=")[0]
        refused(2, f"{name} is no option of the target dream", "export", dilated, "--to", "dream",
                option)  # fmt: skip


def test_unknown_targets(dilated: Path) -> None:
    refused(2, "invalid choice: 'vllm'", "export", dilated, "--to", "vllm")
    refused(2, "required: --to", "export", dilated)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    refused(3, "cannot read", "export", tmp_path / "absent.json", "--to", "dus")
    (tmp_path / "schedule.json").write_text('{"format": "schedopt.curve"}')
    refused(3, "$.format: need schedopt.schedule", "export", tmp_path / "schedule.json", "--to",
            "dus")  # fmt: skip


def test_the_schedule_is_not_overwritten(dilated: Path) -> None:
    before = dilated.read_bytes()
    message = "FILE and output are the same file"
    refused(2, message, "export", dilated, "--to", "dus", "-o", dilated)
    assert dilated.read_bytes() == before


def test_an_output_that_cannot_be_written(dilated: Path, tmp_path: Path) -> None:
    for target in ("dus", "diffusers"):
        absent = tmp_path / "absent" / "out"
        refused(1, "there is no folder", "export", dilated, "--to", target, "-o", absent)


def test_a_folder_that_cannot_be_made(dilated: Path, tmp_path: Path) -> None:
    path = f"{tmp_path}/a\0b"
    refused(1, "embedded null byte", "export", dilated, "--to", "diffusers", "-o", path)


def test_help_lists_the_targets() -> None:
    done = run("export", "--help")
    assert done.code == 0
    for name, target in TARGETS.items():
        assert f"  {name:<10} {target.about}" in done.out
