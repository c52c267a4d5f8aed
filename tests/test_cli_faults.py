"""Bad input and faults: each has its exit code and a message with the value and the cure.

What is broken is a checkpoint, a text, a disk, a device or an installation; how it gets so is one
function each, and what the command line makes of it one row of a table.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Done, refused, run
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from tokenizer_files import write_fast
from torch import Tensor

from schedopt.models import CallableDenoiser, NetworkDenoiser, load_model
from schedopt.models.hub import ASSETS
from schedopt.models.transformer import Transformer

SHORT = ("--length", 8, "--context", 8, "--passes", 16, "--order", "dilated")
FIT = ("fit", *SHORT)
HEAD = "model.transformer.ff_out.weight"

Arguments = Sequence[str | os.PathLike[str] | int | float]
Setting = Callable[[Path, pytest.MonkeyPatch], Arguments]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# How things break. Each gives the arguments of the command that meets it.


def checkpoint(change: Callable[[dict[str, Tensor]], object], **config: Any) -> Setting:
    """A fit of the bundled model, after a change of its weights and of its config."""

    def broken(folder: Path, _: pytest.MonkeyPatch) -> Arguments:
        copy = folder / "model"
        shutil.copytree(ASSETS / "tiny", copy)
        weights = load_file(copy / "model.safetensors")
        change(weights)
        save_file(weights, copy / "model.safetensors")
        path = copy / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | config))
        return (*FIT, "--model", copy)

    return broken


def overflowing(weights: dict[str, Tensor]) -> None:
    wide = weights[HEAD].float()
    weights[HEAD] = wide * (3e38 / wide.abs().max())


def whole_numbers(weights: dict[str, Tensor]) -> None:
    weights[HEAD] = torch.zeros(weights[HEAD].shape, dtype=torch.int8)


def of_another_width(weights: dict[str, Tensor]) -> None:
    weights[HEAD] = weights[HEAD][:, :64].contiguous()


def cut_off(folder: Path, patch: pytest.MonkeyPatch) -> Arguments:
    arguments = checkpoint(lambda weights: None)(folder, patch)
    path = folder / "model" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100_000])
    return arguments


def a_missing_shard(folder: Path, patch: pytest.MonkeyPatch) -> Arguments:
    arguments = checkpoint(lambda weights: None)(folder, patch)
    index = {"weight_map": {HEAD: "model-00002-of-00002.safetensors"}}
    (folder / "model" / "model.safetensors.index.json").write_text(json.dumps(index))
    return arguments


def a_foreign_tokenizer(folder: Path, patch: pytest.MonkeyPatch) -> Arguments:
    arguments = checkpoint(lambda weights: None)(folder, patch)
    write_fast(folder / "model")
    return arguments


def a_tokenizer_without_its_package(folder: Path, patch: pytest.MonkeyPatch) -> Arguments:
    arguments = a_foreign_tokenizer(folder, patch)
    patch.setitem(sys.modules, "tokenizers", None)
    return arguments


def a_missing_package(folder: Path, patch: pytest.MonkeyPatch) -> Arguments:
    patch.setitem(sys.modules, "huggingface_hub", None)
    return ("fit", *WORK_OF_A_USER)


# What a user of LLaDA-8B types; the text is in the repository of the data set.
WORK_OF_A_USER = (
    *("--model", "llada", "--data", "gsm8k.jsonl", "--block-length", 32),
    *("--steps", 8, "-o", "schedule.json"),
)


def no_network(folder: Path, patch: pytest.MonkeyPatch) -> Arguments:
    patch.setattr(constants, "HF_HUB_CACHE", str(folder / "cache"))
    patch.setattr(constants, "HF_HUB_OFFLINE", True)
    return ("fit", *WORK_OF_A_USER)


def given(*arguments: str | int | float) -> Setting:
    return lambda folder, patch: arguments


def records(*lines: dict[str, str]) -> Setting:
    """A fit of a text of prompts and responses."""

    def written(folder: Path, _: pytest.MonkeyPatch) -> Arguments:
        path = folder / "text.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return ("fit", "--length", 8, "--data", path)

    return written


def a_full_disk(folder: Path, _: pytest.MonkeyPatch) -> Arguments:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    return (*FIT, "-o", "/dev/full")


def a_read_only_folder(folder: Path, patch: pytest.MonkeyPatch) -> Arguments:
    patch.setattr(os, "access", lambda path, mode: False)  # root may write to any
    return (*FIT, "-o", folder / "schedule.json")


def no_memory_for_one(folder: Path, patch: pytest.MonkeyPatch) -> Arguments:
    def hidden(*_: object) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    patch.setattr(Transformer, "hidden", hidden)
    return FIT


LONG = {"prompt": "p" * 260, "response": "r"}

FAULTS: dict[str, tuple[Setting, int, str, str]] = {
    # A model that computes nonsense
    "infinite logits": (
        checkpoint(overflowing),
        3,
        "the model returned NaN or infinite logits (row ",
        "check the checkpoint, or load it with a wider dtype",
    ),
    "a weight that is no number": (
        checkpoint(lambda weights: weights[HEAD].fill_(torch.nan)),
        3,
        f"tensor {HEAD!r}: need finite numbers, got 33024 that are not, the first nan",
        "download the file again",
    ),
    # A checkpoint that is not what was published
    "a truncated shard": (
        cut_off,
        3,
        "model.safetensors: not readable as safetensors",
        "download the file again",
    ),
    "a missing shard": (
        a_missing_shard,
        6,
        "model-00002-of-00002.safetensors: no such file",
        "safetensors only",
    ),
    "a wrong dtype": (
        checkpoint(whole_numbers),
        3,
        f"tensor {HEAD!r}: need one of F32, F64, BF16, F16, got I8",
        "quantised checkpoints are not read",
    ),
    "a missing tensor": (
        checkpoint(lambda weights: weights.pop(HEAD)),
        3,
        f"tensor {HEAD!r} is missing",
        "download the file again",
    ),
    "a tensor too many": (
        checkpoint(lambda weights: weights.update(more=torch.zeros(1))),
        3,
        "tensor 'more' has no place in the network",
        "of the same checkpoint",
    ),
    "another shape": (
        checkpoint(of_another_width),
        3,
        f"tensor {HEAD!r}: need shape (258, 128), got (258, 64)",
        "of the same checkpoint",
    ),
    "an unknown option": (
        checkpoint(lambda weights: None, alibi=True),
        3,
        "$.alibi: ",
        "",
    ),
    "an unknown family": (
        checkpoint(lambda weights: None, architectures=["BertForMaskedLM"]),
        6,
        "$.architectures: need one of",
        "any other model can be brought along from Python",
    ),
    # A tokenizer and texts that do not suit the model
    "a foreign tokenizer": (
        a_foreign_tokenizer,
        3,
        "tokenizer.json: token '<|mdm_mask|>' has the id 405, the network has 258 rows",
        "take the tokenizer files that belong to the checkpoint",
    ),
    "no package tokenizers": (
        a_tokenizer_without_its_package,
        6,
        "the package tokenizers, which would read it, is missing",
        "pip install huggingface_hub tokenizers jinja2",
    ),
    "a prompt longer than the context": (
        given("sample", "--planner", "dus", "--prompt", "p" * 250),
        2,
        "sequence of 282 tokens: this model takes at most 256",
        "",
    ),
    "a longer prompt in a file": (
        records(LONG, LONG),
        3,
        "text.jsonl:1: the prompt has 260 tokens, and this model has room for 248",
        "",
    ),
    "a length that no model takes": (
        given("estimate", "--length", 300),
        2,
        "sequence of 300 tokens: this model takes at most 256",
        "give a smaller --length",
    ),
    # Disks
    "a full disk": (a_full_disk, 1, "cannot write /dev/full: No space left", "name a file"),
    "a read-only folder": (a_read_only_folder, 1, "is read-only", "name a file in a folder"),
    "a folder that is not there": (
        given(*FIT, "-o", "absent/schedule.json"),
        1,
        "there is no folder absent",
        "name a file in a folder",
    ),
    # Devices
    "out of memory for one sequence": (
        no_memory_for_one,
        5,
        "out of memory on cpu for one sequence of 16 tokens",
        "use a smaller --length, a narrower --dtype, or a larger device",
    ),
    "no such device": (given(*FIT, "--device", "abacus"), 2, "device 'abacus'", ""),
    "no such dtype": (
        given(*FIT, "--dtype", "int4"),
        2,
        "unknown dtype 'int4'; one of float32, float64, bfloat16, float16, auto",
        "",
    ),
    # What is not installed, or not there
    "no extra hub": (
        a_missing_package,
        6,
        "huggingface_hub",
        "pip install huggingface_hub tokenizers jinja2",
    ),
    "no network": (no_network, 6, "GSAI-ML/LLaDA-8B-Instruct", "--model /path/to/folder"),
    "an unknown alias": (
        given(*FIT, "--model", "lada"),
        6,
        "no model 'lada': neither a bundled model",
        "did you mean llada",
    ),
    "a revision of a folder": (
        given(*FIT, "--revision", "main"),
        2,
        "revision 'main': the bundled model 'tiny' has no revisions",
        "only a model of the hub",
    ),
    # Estimates
    "a target that is not reached": (
        given(*FIT, "--steps", 2, "--target-stderr", 1e-9, "--max-passes", 1000),
        4,
        "more than the target 1e-09",
        "give about --max-passes",
    ),
    "a bound that is too small": (
        given(*FIT, "--max-passes", 40),
        2,
        "max passes: 40 for the whole fit leave 0 for each part; passes: ",
        "give more --max-passes",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_has_its_exit_code_its_value_and_its_cure(
    fault: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting, code, message, cure = FAULTS[fault]
    done = refused(code, message, *setting(folder, monkeypatch))
    if cure:
        assert f"hint: {cure}" in done.err or cure in done.err.partition("hint: ")[2]
    assert not (folder / "schedule.json").exists()


# What looks like a fault and is none


def test_one_token_of_probability_zero_is_legal(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A logit of -inf says that a token cannot be; only NaN, +inf and a row of -inf are wrong."""
    tiny = load_model("tiny")

    def logits(tokens: Tensor, value: float = -torch.inf) -> Tensor:
        found = tiny.logits(tokens)
        found[..., 0] = value  # no text holds the byte 0
        return found

    def command(function: Callable[[Tensor], Tensor]) -> Done:
        model = CallableDenoiser(
            function, mask_id=257, vocab_size=258, max_length=256, tokenizer=tiny.tokenizer
        )
        monkeypatch.setattr("schedopt.models.load_model", lambda *_, **__: model)
        return run(*FIT, "--steps", 2, "--json", "-o", "schedule.json")

    done = command(logits)
    assert done.code == 0, done.err
    assert 0.0 < done.document["nll"] < 100.0
    for value in (torch.nan, torch.inf):
        wrong = command(partial(logits, value=value))
        assert wrong.code == 3
        assert "NaN or infinite logits" in wrong.err


# A fault in the middle of a run leaves what was done


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), 5, "out of memory on cpu"),
        (OSError(errno.EIO, "Input/output error"), 1, "unexpected OSError"),
    ],
    ids=["memory", "device"],
)
def test_a_run_goes_on_after_a_fault(
    error: Exception, code: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("schedopt.estimators.probe.UNIT_TOKENS", 16 * 4)
    command = (*FIT, "--steps", 2, "-o", "schedule.json", "--quiet")
    whole = run(*command, "--run-dir", "whole")
    assert whole.code == 0, whole.err
    expected = Path("schedule.json").read_bytes()
    Path("schedule.json").unlink()
    score, calls = NetworkDenoiser._score_of_chunk, 0

    def failing(model: NetworkDenoiser, *tensors: Tensor) -> tuple[Tensor, ...]:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise error
        return score(model, *tensors)

    with monkeypatch.context() as patch:
        patch.setattr(NetworkDenoiser, "_score_of_chunk", failing)
        refused(code, message, *command, "--run-dir", "broken")
    assert not Path("schedule.json").exists()
    kept = Path("broken/journal.jsonl").read_bytes()
    assert kept.count(b"\n") == 4  # the header, and three units
    assert run(*command, "--run-dir", "broken").code == 0
    assert Path("broken/journal.jsonl").read_bytes().startswith(kept)
    found = Path("schedule.json").read_bytes()
    assert found.replace(b'"broken"', b'"whole"') == expected
