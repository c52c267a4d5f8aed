"""The verbs that run a model agree with the functions that they call, and refuse bad input."""

from __future__ import annotations

import inspect
import json
import shutil
from pathlib import Path

import pytest
import torch
from command_line import refused, run
from safetensors.torch import load_file, save_file

import schedopt
from schedopt.cli.options import PASSES
from schedopt.cli.output import sizes_text
from schedopt.curve import InformationCurve
from schedopt.data import read_corpus
from schedopt.files import (
    CurveFile,
    Prediction,
    ScheduleFile,
    SurfaceFile,
    load,
    read_curve,
    read_schedule,
    read_surface,
    write,
)
from schedopt.models import load_model
from schedopt.models.checkpoint import Checkpoint
from schedopt.models.hub import ASSETS
from schedopt.samplers import GIVEN, sample
from schedopt.schedule import Order, UnmaskingSchedule

SHORT = ("--length", 16, "--context", 8)
DUS = UnmaskingSchedule(16, Order("dilated"), (2, 2, 4, 8))
SAMPLE = ("sample", "--planner", "dus", "--block-length", 16)
ESTIMATE = ("estimate", *SHORT, "--passes", 32)
FIT = ("fit", *SHORT, "--passes", 32)
EVALUATE = ("evaluate", *SHORT, "--planner", "dus", "--windows", 2)
VERBS = [ESTIMATE, FIT, EVALUATE]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # fit writes schedule.json


@pytest.fixture
def schedule(tmp_path: Path) -> Path:
    path = tmp_path / "dus.json"
    origin = {"estimate": {"length": 32, "context": 8}}
    write(path, ScheduleFile(DUS, Prediction(0.8, 0.16), provenance=origin))
    return path


# estimate


def test_estimate_of_the_random_order_is_a_curve(tmp_path: Path) -> None:
    path, own = tmp_path / "curve.json", tmp_path / "entropy.json"
    done = run(*ESTIMATE, "--order", "random", "-o", path, "--entropy", own, "--json")
    assert done.code == 0
    assert done.document == json.loads(path.read_text())
    curve = read_curve(path)
    assert (curve.length, read_curve(own).length) == (16, 16)
    assert curve.stderr is not None
    file = load(path)
    assert file.provenance["seed"] == 0
    settings = file.provenance["estimate"]
    assert isinstance(settings, dict)
    expected = {"length": 16, "context": 8, "block_length": 16, "passes": 32, "fit": "smooth"}
    assert {key: settings[key] for key in expected} == expected
    assert "32 passes over" in done.err


def test_estimate_of_an_order_is_a_surface(tmp_path: Path) -> None:
    path = tmp_path / "surface.json"
    done = run(*ESTIMATE, "--order", "dilated:4", "--block-length", 8, "-o", path)
    assert done.code == 0
    assert done.out.startswith("order surface of 8 positions, dilated order, base 4; nats\n")
    surface = read_surface(path)
    assert (surface.length, surface.order) == (8, Order("dilated", base=4))
    assert run("solve", path, "--steps", 4).code == 0


def test_estimate_of_one_block() -> None:
    options = (*ESTIMATE, "--block-length", 8, "--json")
    mean, first, second = (
        run(*options, *block).document for block in ((), ("--block", 0), ("--block", 1))
    )
    assert first["surface"] != mean["surface"] != second["surface"] != first["surface"]
    assert [found["provenance"]["estimate"]["block"] for found in (mean, first, second)] == [
        *(None, 0, 1)
    ]
    refused(2, "block", *options, "--block", 2)


def test_estimates_depend_on_the_seed_alone(tmp_path: Path) -> None:
    first, again, other = (run(*ESTIMATE, "--json", "--seed", seed).document for seed in (1, 1, 2))
    assert first["surface"] == again["surface"] != other["surface"]


# fit


def test_fit_writes_a_schedule_with_its_prediction(tmp_path: Path) -> None:
    path, measure = tmp_path / "s.json", tmp_path / "m.json"
    done = run(*FIT, "--steps", 4, "-o", path, "--measure", measure, "--json")
    assert done.code == 0
    found, file = done.document, load(path)
    wrote, *warnings, usage = done.err.splitlines()[1:]
    assert done.err.startswith(f"wrote {measure}\n")
    assert wrote == f"wrote {path}"
    assert usage.split()[1:3] == ["passes", "of"]
    # Equal sizes that would have done better are told of, and nothing else is.
    assert [line[:9] for line in warnings] == ["warning: "] * (
        found["uniform_regret"] < found["regret"]
    )
    assert isinstance(file, ScheduleFile)
    assert isinstance(load(measure), SurfaceFile)
    assert file.schedule.step_sizes == tuple(found["step_sizes"])
    assert (file.schedule.length, file.schedule.steps) == (16, 4)
    assert file.prediction is not None
    assert (file.prediction.loss, file.prediction.stderr) == (found["loss"], found["stderr"])
    assert file.prediction.per == "block"
    assert found["provenance"] == file.provenance
    assert run("validate", path, measure).code == 0


def test_fit_on_samples_of_the_model_itself() -> None:
    options = ("--length", 8, "--passes", 16, "--order", "dilated", "--data", "self")
    done = run("fit", *options, "--texts", 12, "--context", 0, "--steps", 2, "--json")
    assert done.code == 0, done.err
    assert done.document["provenance"]["data"]["name"] == "self"
    assert done.document["provenance"]["data"]["documents"] == 12
    refused(2, "texts: 4 are to be drawn, but the data are a file", *FIT, "--texts", 4)


def test_fit_without_an_output_writes_schedule_json(tmp_path: Path) -> None:
    done = run(*FIT)
    assert (done.code, done.err.splitlines()[0]) == (0, "wrote schedule.json")
    assert read_schedule(tmp_path / "schedule.json").steps == 2  # an eighth of the length
    assert done.out.startswith("step sizes ")


def test_fit_of_blocks_predicts_the_loss_of_one(tmp_path: Path) -> None:
    done = run(*FIT, "--steps", 4, "--block-length", 8, "--json")
    file = load(tmp_path / "schedule.json")
    assert isinstance(file, ScheduleFile)
    assert file.prediction is not None
    assert file.schedule.blocks is None  # two passes for each of two blocks
    assert file.prediction.per == "block"
    assert 2 * file.prediction.loss == pytest.approx(done.document["loss"])
    done = run(*FIT, "--steps", 5, "--block-length", 8, "--json")
    file = load(tmp_path / "schedule.json")
    assert isinstance(file, ScheduleFile)
    assert file.prediction is not None
    assert file.schedule.blocks is not None  # as five passes are not shared equally
    assert file.prediction.per == "sequence"
    assert file.prediction.loss == done.document["loss"]


def test_fit_tries_block_lengths(tmp_path: Path) -> None:
    done = run(*FIT, "--steps", 4, "--block-length", "auto")
    assert done.code == 0
    assert "runner-up dilated, base 2" in done.out
    assert "nats behind" in done.out
    assert read_schedule(tmp_path / "schedule.json").length in (8, 16)


def test_defaults_are_those_of_the_functions() -> None:
    for function in (schedopt.fit, schedopt.estimate):
        parameters = inspect.signature(function).parameters
        assert parameters["passes"].default == PASSES
        assert parameters["smoothing"].default == "smooth"


def test_a_loss_that_is_known_too_badly(tmp_path: Path) -> None:
    text = tmp_path / "text.jsonl"
    lines = read_corpus().texts
    text.write_text("".join(json.dumps({"text": line[:320]}) + "\n" for line in lines[:8]))
    options = ("--order", "dilated", "--steps", 4, "--data", text, "--target-stderr", 1e-9)
    done = refused(4, "more than the target 1e-09", *FIT, *options)
    assert "hint: all 4 held-out documents are used" in done.err
    done = refused(4, "with standard error", *FIT, *options, "--max-passes", 1000)
    assert "hint: give about --max-passes" in done.err
    assert list(tmp_path.iterdir()) == [text]


def test_a_loss_that_is_known_well_enough() -> None:
    options = ("--order", "dilated", "--steps", 4, "--target-stderr", 0.5, "--json")
    found = run(*FIT, *options).document
    assert found["stderr"] <= 0.5
    assert found["passes"] == found["provenance"]["estimate"]["total_passes"]


def test_fit_of_blocks_by_themselves(tmp_path: Path) -> None:
    options = ("--block-length", 8, "--steps", 5, "--per-block", "--measure", tmp_path / "m.json")
    done = run(*FIT, *options, "--json")
    assert done.code == 0, done.err
    schedule = read_schedule(tmp_path / "schedule.json")
    assert schedule.blocks is not None
    assert sum(map(len, schedule.blocks)) == 5
    assert done.document["blocks"] == [list(sizes) for sizes in schedule.blocks]
    first, second = (read_surface(tmp_path / f"m-{block}.json") for block in range(2))
    assert (first.conditional_entropy != second.conditional_entropy).any()
    assert not (tmp_path / "m.json").exists()
    for block, sizes in enumerate(schedule.blocks):
        assert f"block {block}      {sizes_text(sizes)}\n" in run(*FIT, *options).out
    refused(2, "--per-block needs --block-length", *FIT, "--per-block")
    refused(2, "one measure for all blocks", *FIT, *options, "--robust")


def test_prompts_that_differ_in_length_are_told_as_such(tmp_path: Path) -> None:
    text = tmp_path / "prompts.jsonl"
    records = [{"prompt": "p" * (4 + i % 3), "response": f"return {i}"} for i in range(12)]
    text.write_text("".join(json.dumps(record) + "\n" for record in records))
    target = tmp_path / "schedule.json"
    options = ("--data", text, "--length", 8, "--quiet")
    done = run("fit", *options, "--steps", 2, "--order", "dilated", "--passes", 32, "-o", target)
    assert done.code == 0, done.err
    told = read_schedule(target)
    assert told.blocks is None
    assert "(held-out text after prompts of up to 6 tokens)" in run("show", target).out
    out = run("evaluate", *options, "--planner", "random", "--nfe", 2).out
    assert "8 positions after up to 6 known ones; nats per token" in out


def test_a_regret_over_next_to_nothing_is_not_told() -> None:
    """With a step for each position, the best sizes lose nothing."""
    done = run(*FIT, "--order", "dilated", "--steps", 16)
    assert done.code == 0, done.err
    assert (
        "regret       n/a: the best sizes for the held-out documents lose 0.0000 nats" in done.out
    )
    assert "regret       n/a" not in run(*FIT, "--order", "dilated", "--steps", 2).out


# sample


def test_sample_is_what_the_function_samples(schedule: Path) -> None:
    options = ("--prompt", "import ", "--count", 2, "--seed", 3, "--temperature", 0.5)
    found = run("sample", "--schedule", schedule, *options, "--json").document
    samples = sample("tiny", DUS, prompt="import ", count=2, seed=3, temperature=0.5)
    assert found["format"] == "schedopt.samples"
    assert [tuple(row["tokens"]) for row in found["samples"]] == list(samples.tokens)
    assert samples.texts is not None
    assert [row["text"] for row in found["samples"]] == list(samples.texts)
    first = found["samples"][0]
    assert {key: found[key] for key in first} == first
    assert first["text"].startswith("import ")
    assert first["nfe"] == 4
    assert first["revealed_at"][:7] == [GIVEN] * 7
    assert sorted(set(first["revealed_at"][7:])) == [0, 1, 2, 3]


def test_sample_prints_the_text() -> None:
    done = run(*SAMPLE, "--prompt", "import ", "--length", 32)
    assert done.code == 0
    assert done.out.startswith("import ")
    assert done.err == "8 forward passes a text\n"
    done = run("sample", "--planner", "confidence", "--steps", 2, "--count", 2)
    assert done.out.startswith("--- 1\n")
    assert "\n--- 2\n" in done.out


def test_what_a_terminal_would_obey_is_escaped() -> None:
    done = run(*SAMPLE, "--prompt", "\x1b[31mé\tnew\nline")
    assert done.out.startswith("\\x1b[31mé\tnew\nline")
    found = run(*SAMPLE, "--prompt", "\x1b[31m", "--json").document
    assert found["text"].startswith("\x1b[31m")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sample",), "one of the arguments --schedule --planner is required"),
        (("sample", "--planner", "confident", "--steps", 2), "unknown planner 'confident'"),
        (("sample", "--planner", "confidence"), "need its number of steps"),
        (
            ("sample", "--planner", "random", "--steps", 33),
            "need 1 <= steps <= the block length 32, got 33",
        ),
        ((*SAMPLE, "--length", 17), "need a positive multiple of the block length 16"),
        ((*SAMPLE, "--length", 512), "this model takes at most 256"),
        ((*SAMPLE, "--temperature", -1), "temperature: need a finite number >= 0, got -1"),
        ((*SAMPLE, "--temperature", "nan"), "need a finite number, got 'nan'"),
    ],
)
def test_sample_usage(arguments: tuple[str | int, ...], message: str) -> None:
    refused(2, message, *arguments)


# evaluate


def test_evaluate_gives_a_row_for_each_number_of_passes(schedule: Path) -> None:
    planners = ("--planner", "confidence", "--planner", "dus:8")
    options = ("--schedule", schedule, *planners, "--nfe", "4,8", "--windows", 4, "--excess")
    found = run("evaluate", *options, "--json").document
    assert found["format"] == "schedopt.evaluation"
    # What the schedule was fitted for is what it is evaluated on.
    assert (found["length"], found["context"], found["windows"]) == (32, 8, 4)
    rows = {(row["sampler"], row["nfe"]): row for row in found["rows"]}
    assert rows.keys() == {
        (str(schedule), 8.0),
        ("confidence", 4.0),
        ("confidence", 8.0),
        ("dus:8", 12.0),
        ("sequential dilated", 32.0),
    }
    assert all(row["nll"] > 0 and row["stderr"] > 0 for row in rows.values())
    ours, sequential = rows[str(schedule), 8.0], rows["sequential dilated", 32.0]
    assert ours["excess"] == pytest.approx(ours["nll"] - sequential["nll"])
    assert ours["predicted_excess"] == pytest.approx(0.8 / 16)  # nats a token
    assert ours["predicted_excess_stderr"] == pytest.approx(0.16 / 16)
    assert {match["baseline"] for match in found["matches"]} == {"confidence", "dus"}


def test_evaluate_prints_a_table(schedule: Path) -> None:
    options = ("--schedule", schedule, "--planner", "eb", "--windows", 2, "--length", 16)
    done = run("evaluate", *options)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].endswith("16 positions after 8 known ones; nats per token")
    assert lines[1].split() == "sampler block passes nll difference predicted excess front".split()
    assert "passes that a planner needs for the NLL of a schedule" in lines


def test_a_prediction_for_blocks_is_per_token(tmp_path: Path) -> None:
    path = tmp_path / "blocks.json"
    blocks = UnmaskingSchedule(8, Order("dilated"), (8,), blocks=((8,), (4, 4)))
    write(path, ScheduleFile(blocks, Prediction(1.6, per="sequence")))
    found = run("evaluate", *SHORT, "--schedule", path, "--windows", 2, "--json").document
    assert found["rows"][0]["predicted_excess"] == pytest.approx(0.1)
    assert "predicted_excess_stderr" not in found["rows"][0]


def test_evaluate_usage() -> None:
    refused(2, "need at least one --schedule or --planner", "evaluate")
    refused(2, "unknown planner 'x'", "evaluate", "--planner", "x")
    options = ("--planner", "random", "--block-length", 8, "--length", 32)
    refused(2, "--nfe: need a multiple of the 4 blocks, got 6", "evaluate", *options, "--nfe", 6)
    refused(
        2, "need a divisor of the 32 positions, got 5", "evaluate", *options, "--block-length", 5
    )


# Bad input, whichever verb reads it


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_bad_texts(verb: tuple[str | int, ...], tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    refused(3, "cannot be read: No such file", *verb, "--data", text)
    text.write_text("")
    refused(3, "the text is empty", *verb, "--data", text)
    text.write_text("too short\n")
    done = refused(3, "has 10 tokens, a window needs 24", *verb, "--data", text)
    assert "--length" in done.err
    text.write_bytes(b"\xff" * 100)
    refused(3, "not UTF-8 at byte 0", *verb, "--data", text)
    records = tmp_path / "text.jsonl"
    records.write_text('{"text": 1}\n')
    refused(3, f"{records}:1: need an object with a string 'text'", *verb, "--data", records)
    refused(2, "need a .txt or .jsonl file", *verb, "--data", tmp_path / "text.pdf")


@pytest.mark.parametrize("verb", [SAMPLE, *VERBS], ids=lambda verb: verb[0])
def test_bad_models(verb: tuple[str | int, ...], tmp_path: Path) -> None:
    done = refused(6, "no model 'llada-9b'", *verb, "--model", "llada-9b")
    assert "hint: " in done.err
    refused(2, "unknown dtype 'float31'", *verb, "--dtype", "float31")
    refused(2, "'abacus'", *verb, "--device", "abacus")
    refused(2, "mask id: need 0..257, got 999", *verb, "--mask-id", 999)
    broken = tmp_path / "broken"
    shutil.copytree(ASSETS / "tiny", broken)
    weights = load_file(broken / "model.safetensors")
    name, tensor = next(iter(weights.items()))
    weights[name] = torch.full_like(tensor, torch.nan)
    save_file(weights, broken / "model.safetensors")
    refused(3, f"tensor {name!r}: need finite", *verb, "--model", broken)


@pytest.mark.parametrize("verb", ["sample", "evaluate"])
def test_bad_schedules(verb: str, schedule: Path, tmp_path: Path) -> None:
    done = refused(
        3,
        f"{schedule}: $.schedule.length: need a divisor of the 24 positions, got 16",
        *(verb, "--schedule", schedule, "--length", 24),
    )
    assert "hint: --length 32" in done.err
    refused(3, "No such file", verb, "--schedule", tmp_path / "absent.json")
    curve = tmp_path / "curve.json"
    write(curve, CurveFile(InformationCurve([1.0, 0.5])))
    refused(3, "$.format: need schedopt.schedule", verb, "--schedule", curve)


@pytest.mark.parametrize("verb", [ESTIMATE, FIT], ids=lambda verb: verb[0])
def test_orders_and_budgets(verb: tuple[str | int, ...], tmp_path: Path) -> None:
    refused(2, "unknown order 'diluted'", *verb, "--order", "diluted")
    refused(2, "depends on values", *verb, "--order", "confidence")
    refused(2, "the explicit order has 2 positions, need 16", *verb, "--order", "explicit:0,1")
    refused(2, "invalid choice: 'rough'", *verb, "--smoothing", "rough")
    refused(2, "at least 16, got 3", *verb, "--passes", 3)
    refused(1, "there is no folder", *verb, "-o", tmp_path / "absent" / "x.json")
    assert not list(tmp_path.iterdir())


def test_budgets_that_no_schedule_meets(tmp_path: Path) -> None:
    refused(2, "got 17", *FIT, "--steps", 17)
    refused(2, "need max_loss >= ", *FIT, "--max-loss=-1000")
    assert not list(tmp_path.iterdir())


def test_a_surface_is_measured_in_its_order() -> None:
    found = run(*ESTIMATE, "--order", "left_to_right", "--json").document
    rows = found["surface"]["rows"]
    assert len(rows) == 16


def test_parts_of_a_text_share_no_document(schedule: Path) -> None:
    def documents(part: str) -> int:
        options = (*SHORT, "--part", part, "--windows", 500, "--json")
        done = run("evaluate", "--schedule", schedule, *options)
        count = done.document["documents"]
        assert isinstance(count, int)
        return count

    assert documents("1/2") + documents("2/2") == documents("1/1")
    for part in ("0/2", "3/2", "2", "a/b", "1/2/3"):
        refused(2, "need I/N with 1 <= I <= N", "evaluate", "--planner", "dus", "--part", part)


def test_files_that_would_overwrite_each_other(tmp_path: Path) -> None:
    same = tmp_path / "same.json"
    refused(2, "output and measure are the same file", *FIT, "-o", same, "--measure", same)
    refused(2, "output and entropy are the same file", *ESTIMATE, "-o", same, "--entropy", same)
    curve = tmp_path / "curve.json"
    assert run(*ESTIMATE, "--order", "random", "-o", curve).code == 0
    before = curve.read_bytes()
    refused(2, "FILE and output are the same file", "solve", curve, "--steps", 2, "-o", curve)
    assert curve.read_bytes() == before


def test_a_sample_takes_no_option_in_vain(schedule: Path) -> None:
    given = ("sample", "--schedule", schedule)
    own = read_schedule(schedule)
    for option, value in (("--steps", own.steps), ("--block-length", own.length)):
        message = f"{option}: {schedule} brings its own, {value}, got 3"
        assert f"hint: leave out {option}" in refused(2, message, *given, option, 3).err
    message = "--steps: planner 'eb' sets its number of steps itself, got 4"
    done = refused(2, message, "sample", "--planner", "eb", "--steps", 4)
    assert "hint: leave out --steps, or take a planner that is told" in done.err


@pytest.mark.parametrize(
    ("options", "message", "cure"),
    [
        (("--planner", "dilated"), "need its number of steps", "--steps K"),
        (
            ("--planner", "dilated", "--steps", 33),
            "planner 'dilated': need 1 <= steps <= the block length 32, got 33",
            "--steps 32 or fewer, or a larger --block-length",
        ),
        (
            ("--planner", "eb", "--temperature", -1),
            "temperature: need a finite number >= 0, got -1.0",
            "0 takes the likeliest token",
        ),
        (("--planner", "eb", "--guidance", -1), "guidance: need a finite number", "0 is none"),
        (("--planner", "eb", "--guidance", 1e7), "guidance: need at most 1e+06", "1 or 2 are"),
    ],
)
def test_a_sample_that_cannot_be_has_its_cure(
    options: tuple[str | int, ...], message: str, cure: str
) -> None:
    assert f"hint: {cure}" in refused(2, message, "sample", *options).err


@pytest.mark.parametrize("length", [1_600_000_000, 10**12, 32 * 10**15])
def test_a_huge_length_is_refused_before_it_is_laid_out(length: int, schedule: Path) -> None:
    message = f"sequence of {length} tokens: this model takes at most 256"
    done = refused(2, message, "sample", "--schedule", schedule, "--length", length)
    assert "hint: give a prompt and a --length" in done.err
    for planner in (("eb",), ("dilated", "--steps", 4), ("random", "--steps", length)):
        options = ("--planner", *planner, "--block-length", length)
        done = refused(2, f"need at most 1048576 positions, got {length}", "sample", *options)
        assert "hint: a smaller --block-length" in done.err
    refused(2, f"positions, got {length}", "sample", "--planner", f"dus:{length}")


def test_settings_of_a_file_that_cannot_be(schedule: Path, tmp_path: Path) -> None:
    edited = json.loads(schedule.read_text())
    edited["provenance"]["estimate"]["length"] = -32
    path = tmp_path / "edited.json"
    path.write_text(json.dumps(edited))
    refused(3, "$.provenance.estimate.length: cannot be -32", "evaluate", "--schedule", path)


# Where a model runs, where nothing is said


def test_on_a_cpu_weights_are_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    model = run(*ESTIMATE, "--json").document["provenance"]["model"]
    assert (model["device"], model["dtype"]) == ("cpu", "float32")
    narrow = load_model("tiny", dtype="bfloat16").provenance
    assert (narrow["device"], narrow["dtype"]) == ("cpu", "bfloat16")


def test_a_gpu_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a pretended one here, which the first use finds out."""
    if torch.cuda.is_available():
        assert load_model("tiny", device="auto", dtype="auto").provenance["dtype"] == "float16"
        return
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    refused(2, "device 'cuda' is not usable here", *ESTIMATE)


def test_elsewhere_weights_are_what_the_checkpoint_has() -> None:
    assert Checkpoint([ASSETS / "tiny" / "model.safetensors"]).dtype == "float16"
