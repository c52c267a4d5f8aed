"""``schedopt evaluate``: one judgement a call, and each agrees with the function behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import FAMILY_CONFIGS, changed, published, write_checkpoint
from command_line import refused, run

from schedopt.cli.options import PLANNERS
from schedopt.cli.scores import lines_of
from schedopt.data import load_windows
from schedopt.evaluation import evaluate, evaluate_task, evaluate_texts, law_kl, load_judge
from schedopt.files import Prediction, ScheduleFile, write
from schedopt.models import load_model
from schedopt.samplers import POLICY_NAMES, policy_for
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.sizes import dus_schedule
from schedopt.tasks import make_task
from theory.distributions import build_law

TASK = "copy:4"
TEXT = ("evaluate", "--length", 16, "--context", 8, "--windows", 4)
LAW = ("evaluate", "--law", "markov", "--n", 8, "--order", 2)
SOLVE = ("evaluate", "--task", TASK, "--count", 12)
PLANNER = ("--planner", "dus")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def checkpoint(folder: Path, task: str = TASK, **changes: Any) -> Path:
    """A model of a task's vocabulary with random weights."""
    made = make_task(task)
    size, width = len(made.vocabulary), made.prompt_length + made.response_length
    config = published(
        **{
            "vocab_size": size,
            "embedding_size": size,
            "mask_token_id": made.mask_id,
            "eos_token_id": None,
            "pad_token_id": None,
            "max_sequence_length": width,
        }
        | changes
    )
    return write_checkpoint(folder, config)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return checkpoint(tmp_path / "model")


def schedule(path: str, length: int, *sizes: int, **more: Any) -> str:
    write(path, ScheduleFile(UnmaskingSchedule(length, Order("dilated"), sizes, **more)))
    return path


def by_name(found: Any) -> dict[tuple[str, float], Any]:
    return {(row["sampler"], row["nfe"]): row for row in found["rows"]}


# Text


def test_rows_of_text_keep_their_contract_and_tell_the_front() -> None:
    options = ("--planner", "random", "--planner", "dilated", "--nfe", "2,4,16", "--json")
    found = run(*TEXT, *options).document
    assert found["judgement"] == "text"
    for row in found["rows"]:
        assert {"sampler", "nfe", "nll", "stderr"} <= row.keys()
        assert row["tokens_per_forward"] == 16 / row["nfe"]
        assert row["nfe_by_model"] == [row["nfe"]]
        assert row["flops"] == pytest.approx(row["nfe"] * load_model("tiny").flops(24))
        cheaper = [other for other in found["rows"] if other["nfe"] <= row["nfe"]]
        assert row["pareto"] == all(other["nll"] >= row["nll"] for other in cheaper)


def test_models_of_a_schedule_are_compared_at_equal_operations() -> None:
    both = schedule("both.json", 16, 4, 4, 8, models=(1, 1, 0))
    command = (*TEXT, "--schedule", both, "--planner", "dilated", "--nfe", "1,2,4")
    done = run(*command, "--light", "tiny-light", "--cost", "flops", "--json")
    assert done.code == 0, done.err
    rows = by_name(done.document)
    heavy, light = load_model("tiny"), load_model("tiny-light")
    ours = rows[both, 3.0]
    assert ours["nfe_by_model"] == [1.0, 2.0]
    assert ours["flops"] == pytest.approx(heavy.flops(24) + 2 * light.flops(24))
    (matched,) = done.document["matches"]
    assert matched["flops"] == ours["flops"]
    assert "flops_ratio" in matched
    provenance = done.document["provenance"]
    assert [m["name"] for m in provenance["siblings"]] == [light.provenance["name"]]
    lines = run(*command, "--light", "tiny-light", "--cost", "flops").out.splitlines()
    assert "by model" in lines[1]
    assert any(line.startswith("operations that a planner needs for the NLL") for line in lines)
    refused(6, "calls models 0 to 1, but there is no model 1", *command)


def test_a_schedule_with_sizes_of_its_own_for_each_block() -> None:
    ours = schedule("ours.json", 8, 2, 2, 4, blocks=((4, 4), (8,)))
    options = ("--length", 24, "--context", 8, "--windows", 4, "--json")
    (row,) = run("evaluate", "--schedule", ours, *options).document["rows"]
    assert (row["nfe"], row["block_length"]) == (2 + 1 + 3, 8)
    windows, _ = load_windows(load_model("tiny"), length=24, context=8, limit=4)
    policy = UnmaskingSchedule(8, Order("dilated"), (2, 2, 4), blocks=((4, 4), (8,)))
    (wanted,) = evaluate(load_model("tiny"), windows, [policy])
    assert row["nll"] == pytest.approx(wanted.nll.value, abs=1e-6)


def test_siblings_decide_whether_a_run_goes_on() -> None:
    both = schedule("both.json", 16, 8, 8, models=(1, 0))
    command = (*TEXT, "--schedule", both, "--run-dir", "run", "--light")
    assert run(*command, "tiny-light").code == 0
    assert run(*command, "tiny-light").code == 0
    refused(2, "light was", *command, "tiny")


# Laws


def test_kl_of_a_law() -> None:
    options = ("--planner", "random", "--planner", "confidence", "--planner", "eb:0.5")
    found = run(*LAW, *options, "--nfe", "2,4", "--json").document
    assert (found["judgement"], found["unit"]) == ("law", "nats per sequence")
    rows = by_name(found)
    policies = [policy_for("random", block_length=8, steps=2), policy_for("eb:0.5", block_length=8)]
    random, eb = law_kl(build_law("markov", n=8, order=2), policies)
    row = rows["random", 2.0]
    assert row["kl"] == pytest.approx(random.mean.value)
    assert row["output_law_kl"] == pytest.approx(random.output_law_kl)
    assert row["output_law_kl"] < row["kl"]
    assert (row["stderr"], row["exact"]) == (0.0, True)
    assert rows["eb:0.5", eb.nfe]["kl"] == pytest.approx(eb.mean.value)
    lines = run(*LAW, *options).out.splitlines()
    assert lines[0] == "markov: 8 positions; KL, nats per sequence"
    assert lines[1].split() == "sampler block passes kl output law kl front".split()


def test_a_schedule_is_matched_on_a_law() -> None:
    ours = schedule("ours.json", 8, 2, 2, 4)
    command = (*LAW, "--schedule", ours, "--planner", "random", "--nfe", "2,4,8")
    (found,) = run(*command, "--json").document["matches"]
    assert found["baseline_nfe"] > 3
    assert (found["nfe_ratio"], found["nfe_ratio_stderr"]) == (found["baseline_nfe"] / 3, 0.0)
    assert "passes that a planner needs for the KL of a schedule" in run(*command).out


def test_the_seed_of_a_law_is_that_of_the_verb() -> None:
    command = ("evaluate", "--law", "mixture", "--n", 6, "--planner", "dilated", "--nfe", 2)
    found = run(*command, "--seed", 3, "--json").document
    assert found["parameters"] == {"n": 6, "seed": 3}
    (wanted,) = law_kl(
        build_law("mixture", n=6, seed=3), [policy_for("dilated", block_length=6, steps=2)]
    )
    assert found["rows"][0]["kl"] == pytest.approx(wanted.mean.value)


# Tasks


def test_accuracy_of_a_task(model: Path) -> None:
    options = (
        "--model",
        model,
        "--planner",
        "dilated",
        "--planner",
        "threshold:0.4",
        "--nfe",
        "1,4",
    )
    found = run(*SOLVE, *options, "--seed", 5, "--json").document
    assert (found["judgement"], found["task"], found["count"]) == ("task", TASK, 12)
    assert (found["length"], found["temperature"]) == (4, 0.0)
    task = make_task(TASK)
    policies = [policy_for("dilated", block_length=4, steps=k) for k in (1, 4)]
    scores = evaluate_task(load_model(model), task, policies, count=12, seed=5)
    for score, steps in zip(scores, (1.0, 4.0), strict=True):
        row = by_name(found)["dilated", steps]
        assert row["accuracy"] == score.accuracy.value
        assert row["stderr"] == score.accuracy.stderr
        assert row["token_accuracy"] == score.by_token.mean.value
        assert row["tokens_per_forward"] == 4 / steps


def test_aup_is_told_where_something_is_solved(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--model", model, "--planner", "dilated", "--planner", "random", "--nfe", "1,2,4")
    unsolved = run(*SOLVE, *options, "--json").document
    assert unsolved["aup"] == []  # weights are random: no accuracy is the best
    monkeypatch.setattr("schedopt.tasks.task.Task.correct", lambda self, p, r: np.ones(len(p)) > 0)
    found = run(*SOLVE, *options, "--json").document
    assert [(area["sampler"], area["points"]) for area in found["aup"]] == [
        ("dilated", 3),
        ("random", 3),
    ]
    # All right at 1, 2 and 4 tokens a pass.
    assert [area["aup"] for area in found["aup"]] == pytest.approx([400.0, 400.0])
    lines = run(*SOLVE, *options).out.splitlines()
    assert "AUP, tokens per pass times per cent; best accuracy 100 %" in lines
    monkeypatch.setattr(
        "schedopt.tasks.task.Task.correct", lambda self, p, r: np.arange(len(p)) > 3
    )
    alone = run(*SOLVE, *options, "--json").document["aup"][0]
    beside = run(*SOLVE, *options, "--best", 100, "--json").document["aup"][0]
    assert beside["best"] == 100 > alone["best"]
    assert beside["aup"] < alone["aup"]
    for best in (0, 101):
        message = f"--best: need per cent, 0 < best <= 100, got {best}"
        refused(2, message, *SOLVE, *options, "--best", best)


def test_guidance_is_counted(model: Path) -> None:
    options = ("--model", model, *PLANNER, "--json")
    plain = run(*SOLVE, *options).document["rows"][0]
    guided = run(*SOLVE, *options, "--guidance", 1).document["rows"][0]
    assert guided["nfe"] == 2 * plain["nfe"]


# A judge


def test_samples_are_judged_beside_the_nll() -> None:
    options = (
        "--planner",
        "dilated",
        "--planner",
        "eb:0.5",
        "--nfe",
        "2,8",
        "--judge",
        "tiny-judge",
    )
    found = run(*TEXT, *options, "--samples", 6, "--temperature", 0.9, "--json").document
    assert (found["judgement"], found["samples"], found["temperature"]) == ("judge", 6, 0.9)
    assert found["provenance"]["judge"] == dict(load_judge("tiny-judge").provenance)
    model = load_model("tiny")
    windows, _ = load_windows(model, length=16, context=8, limit=4)
    policies = [policy_for("dilated", block_length=16, steps=2)]
    (text,) = evaluate(model, windows, policies)
    (judged,) = evaluate_texts(
        model,
        load_judge("tiny-judge"),
        policies,
        length=16,
        prompts=windows.tokens[:, :8],
        documents=windows.documents,
        count=6,
        temperature=0.9,
    )
    row = by_name(found)["dilated", 2.0]
    assert row["nll"] == pytest.approx(text.nll.value, abs=1e-5)
    for key, value in judged.as_row().items():
        assert row["judged"][key] == pytest.approx(value, abs=1e-4), key
    for each in found["rows"]:  # never a judge's number alone
        assert {"judge_nll", "perplexity", "token_entropy", "distinct_1", "distinct_2"} <= each[
            "judged"
        ].keys()
    lines = run(*TEXT, *options).out.splitlines()
    assert "4 samples of each, read by tiny-judge; nats" in lines
    assert any("perplexity" in line and "token entropy" in line for line in lines)


def test_a_match_of_a_judge_tells_both_varieties() -> None:
    ours = schedule("ours.json", 16, 8, 8)
    command = (*TEXT, "--schedule", ours, "--planner", "random", "--nfe", "1,4")
    done = run(*command, "--judge", "tiny-judge", "--json")
    (matched,) = [row for row in done.document["matches"] if "judge_nll" in row]
    low, high = matched["baseline_token_entropy_range"]
    assert low <= high
    rows = by_name(done.document)
    assert matched["token_entropy"] == rows[ours, 2.0]["judged"]["token_entropy"]
    assert "planner's entropy" in run(*command, "--judge", "tiny-judge").out


def test_free_texts_are_judged_without_a_context() -> None:
    command = ("evaluate", "--length", 16, "--context", 0, "--windows", 2, "--planner", "dus")
    found = run(*command, "--judge", "tiny-judge", "--samples", 5, "--json").document
    assert found["samples"] == 5
    assert found["rows"][0]["judged"]["stderr"] > 0


def test_a_shifted_model_without_a_first_token_is_judged_after_contexts(tmp_path: Path) -> None:
    """No row scores its first token, but contexts stand before what it writes."""
    config = changed(
        FAMILY_CONFIGS["dream"],
        bos_token_id=...,
        eos_token_id=256,
        mask_token_id=257,
        vocab_size=258,
    )
    folder = write_checkpoint(tmp_path / "dream", config)
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "ByteTokenizer"}')
    command = ("evaluate", "--model", folder, "--length", 4, "--context", 4, "--windows", 2)
    done = run(*command, "--planner", "dus", "--judge", "tiny-judge", "--json")
    assert done.code == 0, done.err
    assert done.document["samples"] == 2


# Bad input


@pytest.mark.parametrize(
    ("code", "message", "command"),
    [
        (2, "not allowed with", (*LAW, *PLANNER, "--task", "copy")),
        (2, "not allowed with", (*TEXT, *PLANNER, "--judge", "tiny", "--law", "parity")),
        (2, "unknown law 'ising2'", ("evaluate", "--law", "ising2", "--n", 4, *PLANNER)),
        (2, "needs its number of positions n", ("evaluate", "--law", "parity", *PLANNER)),
        (2, "takes n", ("evaluate", "--law", "parity", "--n", 4, "--eps", 0.1, *PLANNER)),
        (2, "unknown task 'cpy'", ("evaluate", "--task", "cpy", *PLANNER)),
        (2, "need a whole number after the colon", ("evaluate", "--task", "sort:x", *PLANNER)),
        (2, "task 'copy:4' has", (*SOLVE, *PLANNER)),  # the bundled model has bytes
        (2, "need at least one --schedule or --planner", LAW),
        (2, "need at least one --schedule or --planner", ("evaluate", "--task", "copy")),
        (2, "--n is no option of the NLL of a text", (*TEXT, *PLANNER, "--n", 4)),
        (2, "--count is no option of --law markov", (*LAW, *PLANNER, "--count", 9)),
        (2, "--model is no option of --law markov", (*LAW, *PLANNER, "--model", "tiny")),
        (2, "--windows is no option of --task copy:4", (*SOLVE, *PLANNER, "--windows=4")),
        (2, "--guidance is no option of the NLL", (*TEXT, *PLANNER, "--guidance", 1)),
        (2, "--temperature is no option of --law", (*LAW, *PLANNER, "--temperature", 1)),
        (2, "--samples is no option of --task", (*SOLVE, *PLANNER, "--samples", 4)),
        (2, "--count: need a whole number >= 2", (*SOLVE, *PLANNER, "--count", 1)),
        (2, "need a finite number", (*SOLVE, *PLANNER, "--temperature", "nan")),
        (2, "unknown planner 'x'", (*LAW, "--planner", "x")),
        (
            2,
            "--nfe: need a multiple of the 2 blocks, got 3",
            (*LAW, "--planner", "random", "--block-length", 4, "--nfe", 3),
        ),
        (
            2,
            "--nfe: need at most one pass a position, 8, got 17",
            (*LAW, "--planner", "random", "--nfe", 17),
        ),
        (
            2,
            "--block-length: need a divisor of the 8 positions, got 3",
            (*LAW, "--planner", "random", "--block-length", 3),
        ),
        (6, "no-such-judge", (*TEXT, *PLANNER, "--judge", "no-such-judge")),
    ],
)
def test_bad_input(code: int, message: str, command: tuple[str | int, ...]) -> None:
    refused(code, message, *command)


def test_a_schedule_for_another_length_is_refused_by_every_judgement(model: Path) -> None:
    path = schedule("three.json", 3, 3)
    message = "three.json: $.schedule.length: need a divisor of the"
    for command in (TEXT, LAW, (*SOLVE, "--model", model)):
        refused(3, message, *command, "--schedule", path)


@pytest.mark.parametrize("command", [TEXT, SOLVE, (*TEXT, "--judge", "tiny-judge")])
def test_a_missing_light_model_is_found_before_any_is_loaded(command: tuple[Any, ...]) -> None:
    told = [{"file": "heavy.json"}, {"file": "light.json"}]
    both = UnmaskingSchedule(4, Order("dilated"), (2, 2), models=(0, 1))
    write("both.json", ScheduleFile(both, extensions={"models": told}))
    message = "there is no model 1 (measured in light.json)"
    refused(6, message, *command, "--schedule", "both.json", "--model", "not-there")


def test_what_is_infinite_is_shown_so() -> None:
    options = ("--planner", "dus", "--judge", "tiny-judge", "--json")
    found = run(*TEXT, *options).document
    nothing = dict.fromkeys(("judge_nll", "stderr", "perplexity", "perplexity_stderr"))
    found["rows"][0]["judged"] |= nothing  # all texts are empty
    row = list(lines_of(found))[-1].split()
    assert row[:5] == ["dus", "16", f"{found['rows'][0]['judged']['nfe']:.4g}", "inf", "inf"]


def test_a_law_is_one_model() -> None:
    both = schedule("both.json", 8, 4, 4, models=(1, 0))
    done = refused(
        2, "policy 'both.json' calls 2 models, but a law is one", *LAW, "--schedule", both
    )
    assert "hint: judge it on text or a task" in done.err


def test_a_schedule_of_another_vocabulary_is_refused(model: Path) -> None:
    ours = UnmaskingSchedule(4, Order("dilated"), (2, 2))
    for told, code in (({"mask_id": 99}, 3), ({"name": "other", "weights_sha256": "0"}, 0)):
        write("ours.json", ScheduleFile(ours, provenance={"model": told}))
        done = run(*SOLVE, "--model", model, "--schedule", "ours.json")
        assert done.code == code
        wanted = "measured with mask token 99" if code else "warning: ours.json was measured on"
        assert wanted in done.err


def test_a_light_model_of_another_vocabulary_is_refused(model: Path, tmp_path: Path) -> None:
    other = checkpoint(tmp_path / "other", "addition:2")
    both = schedule("both.json", 4, 2, 2, models=(0, 1))
    command = (*SOLVE, "--model", model, "--schedule", both)
    refused(2, "task 'copy:4' has", *command, "--light", other)
    refused(6, "calls models 0 to 1, but there is no model 1", *command)


def test_a_judge_needs_a_model_that_writes_text(model: Path) -> None:
    command = ("evaluate", "--model", model, "--data", "self", "--texts", 4, "--length", 4)
    refused(6, "no tokenizer", *command, *PLANNER, "--context", 0, "--judge", "tiny-judge")


def test_predictions_are_for_text_alone() -> None:
    write(
        "ours.json",
        ScheduleFile(UnmaskingSchedule(8, Order("dilated"), (4, 4)), Prediction(0.5, 0.1)),
    )
    assert "predicted_excess" not in run(*LAW, "--schedule", "ours.json", "--json").out


def test_help_names_every_planner() -> None:
    missing = [name for name in POLICY_NAMES if name not in PLANNERS]
    assert not missing
    assert "--law NAME" in run("evaluate", "--help").out


def test_a_schedule_that_is_judged_on_its_own_text_is_told_of() -> None:
    sha256 = run(*TEXT, *PLANNER, "--json").document["provenance"]["data"]["sha256"]
    data = {"name": "bundled, part 1/2", "sha256": sha256}
    path = "own.json"
    write(path, ScheduleFile(dus_schedule(8), provenance={"data": data}))
    command = ("evaluate", "--length", 8, "--context", 8, "--windows", 4, "--schedule", path)
    told = "own.json was chosen on documents of this text (bundled, part 1/2)"
    assert told in run(*command).err
    assert told in run(*command, "--part", "1/2").err
    assert told not in run(*command, "--part", "2/2").err
