"""``schedopt sample``: several prompts, several models, guidance, and schedules of other models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import refused, run

from schedopt.files import Prediction, ScheduleFile, write
from schedopt.models import load_model
from schedopt.samplers import sample
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.sizes import dus_schedule

SWITCHING = UnmaskingSchedule(8, Order("dilated"), (2, 2, 4), models=(1, 0, 1))
MODELS = [
    {"file": "heavy.json", "sha256": "0" * 64, "flops": 1.0, "steps": 1},
    {"file": "light.json", "sha256": "1" * 64, "flops": 0.3, "steps": 2},
]


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    """What a file says of the bundled model."""
    return dict(load_model("tiny").provenance)


def schedule_file(
    folder: Path, schedule: UnmaskingSchedule, model: object = None, models: object = None
) -> Path:
    path = folder / "schedule.json"
    write(
        path,
        ScheduleFile(
            schedule,
            Prediction(0.1, None, assumes="nothing"),
            provenance={} if model is None else {"model": model},
            extensions={} if models is None else {"models": models},
        ),
    )
    return path


def test_several_prompts_in_batches(tmp_path: Path) -> None:
    path = schedule_file(tmp_path, dus_schedule(8))
    prompts = ("--prompt", "import ", "--prompt", "", "--prompt", "def f(x):")
    found = run("sample", "--schedule", path, *prompts, "--count", 2, "--json", "--batch", 4)
    samples = sample("tiny", dus_schedule(8), prompt=["import ", "", "def f(x):"], count=2)
    rows = found.document["samples"]
    assert [tuple(row["tokens"]) for row in rows] == list(samples.tokens)
    assert [row["text"] for row in rows] == list(samples.texts or ())
    assert [row["nfe"] for row in rows] == [3] * 6
    assert found.document["text"].startswith("import ")
    lines = run("sample", "--schedule", path, *prompts).out.splitlines()
    assert [line for line in lines if line.startswith("--- ")] == ["--- 1", "--- 2", "--- 3"]


def test_several_models(tmp_path: Path) -> None:
    path = schedule_file(tmp_path, SWITCHING, models=MODELS)
    options = ("--schedule", path, "--prompt", "import ", "--light", "tiny-light")
    done = run("sample", *options, "--json")
    assert done.code == 0, done.err
    wanted = sample("tiny", SWITCHING, prompt="import ", siblings=["tiny-light"])
    assert tuple(done.document["tokens"]) == wanted.tokens[0]
    assert (done.document["nfe"], done.document["passes"]) == (3, [1, 2])
    assert run("sample", *options).err == "3 forward passes a text, by model 1 + 2\n"


def test_a_light_model_that_is_missing(tmp_path: Path) -> None:
    path = schedule_file(tmp_path, SWITCHING, models=MODELS)
    done = refused(
        6,
        "'dilated' calls models 0 to 1, but there is no model 1 (measured in light.json)",
        *("sample", "--schedule", path),
    )
    assert "each with --light MODEL" in done.err
    bare = schedule_file(tmp_path, SWITCHING)
    refused(6, "but there is no model 1", "sample", "--schedule", bare)
    for told in ([], "light.json", [1, 2], [{}, {}]):
        odd = schedule_file(tmp_path, SWITCHING, models=told)
        refused(6, "but there is no model 1", "sample", "--schedule", odd)
    refused(6, "no model 'absent'", "sample", "--schedule", path, "--light", "absent")


def test_a_light_model_in_vain(tmp_path: Path) -> None:
    path = schedule_file(tmp_path, dus_schedule(8))
    message = "--light: there are 2 models, but no policy calls more than 1"
    for command in (("sample",), ("evaluate", "--length", 8)):
        done = refused(2, message, *command, "--schedule", path, "--light", "tiny-light")
        assert "hint: leave out --light tiny-light" in done.err
    several = schedule_file(tmp_path, SWITCHING)
    lights = ("--light", "tiny-light", "--light", "tiny")
    refused(2, "there are 3 models", "sample", "--schedule", several, *lights)


def test_guidance(tmp_path: Path) -> None:
    path = schedule_file(tmp_path, dus_schedule(8))
    options = ("--schedule", path, "--prompt", "import ", "--guidance", 1.5)
    found = run("sample", *options, "--json").document
    wanted = sample("tiny", dus_schedule(8), prompt="import ", guidance=1.5)
    assert tuple(found["tokens"]) == wanted.tokens[0]
    assert found["nfe"] == 6
    assert sorted(set(found["revealed_at"])) == [-1, 0, 1, 2]
    refused(2, "guidance: need a finite number >= 0, got -1.0", *("sample", *options[:-1], -1))


# A schedule that was measured on another model


def test_a_schedule_of_another_mask_token(tmp_path: Path, measured: dict[str, Any]) -> None:
    path = schedule_file(tmp_path, dus_schedule(8), measured | {"mask_id": 126336})
    done = refused(
        3,
        f"{path}: $.provenance.model.mask_id: the schedule was measured with mask token 126336, "
        "but the model has 257",
        *("sample", "--schedule", path),
    )
    assert "hint: take the model that it was measured on: tiny" in done.err
    nameless = schedule_file(tmp_path, dus_schedule(8), {"mask_id": 126336})
    done = refused(3, "mask token 126336", "sample", "--schedule", nameless)
    assert done.err.endswith("measured on\n")


def test_a_schedule_of_another_model_is_told_of(tmp_path: Path, measured: dict[str, Any]) -> None:
    path = schedule_file(tmp_path, dus_schedule(8), measured)
    assert run("sample", "--schedule", path).err == "3 forward passes a text\n"
    done = run("sample", "--schedule", path, "--model", "tiny-light", "--json")
    assert done.code == 0
    assert json.loads(done.out)["nfe"] == 3
    assert done.err.startswith(f"warning: {path} was measured on tiny, not on tiny-light:")
    quiet = run("sample", "--schedule", path, "--model", "tiny-light", "--quiet")
    assert quiet.err == ""
    # Weights tell models apart; a name does where there are no weights, and nothing else does.
    other = schedule_file(tmp_path, dus_schedule(8), measured | {"name": "elsewhere/tiny"})
    assert not run("sample", "--schedule", other).err.startswith("warning")
    named = schedule_file(tmp_path, dus_schedule(8), {"name": "llada"})
    assert run("sample", "--schedule", named).err.startswith("warning")
    silent = schedule_file(tmp_path, dus_schedule(8), {"dtype": "bfloat16"})
    assert not run("sample", "--schedule", silent).err.startswith("warning")


def test_any_model_of_several_may_be_the_measured_one(
    tmp_path: Path, measured: dict[str, Any]
) -> None:
    path = schedule_file(tmp_path, SWITCHING, measured)
    options = ("--schedule", path, "--model", "tiny-light", "--light", "tiny")
    assert not run("sample", *options).err.startswith("warning")


def test_a_batch_of_none() -> None:
    refused(2, "--batch", "sample", "--planner", "dus", "--batch", 0)
