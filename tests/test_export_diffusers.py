"""The scheduler of diffusers: real folders, the real pipeline, a dummy model on a CPU."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from schedopt.errors import MissingModelError, UsageError
from schedopt.exporters import Options, export
from schedopt.exporters.diffusers import TARGET
from schedopt.files import ScheduleFile
from schedopt.schedule import ORDER_NAMES, Order, UnmaskingSchedule
from schedopt.sizes import dus_schedule

diffusers = pytest.importorskip("diffusers", reason="needs diffusers >= 0.42")

from schedopt.integrations.diffusers import SchedoptBlockScheduler  # noqa: E402

VOCABULARY, MASK, BLOCK = 40, 39, 32
DUS = dus_schedule(BLOCK)


class Model(torch.nn.Module):
    """Logits are a function of a row's tokens; the mask token is always the likeliest."""

    dtype, device = torch.float32, torch.device("cpu")

    def __init__(self, *, end: int | None = None) -> None:
        super().__init__()
        self.calls, self.end = 0, end

    def forward(self, tokens: Tensor, **_: Any) -> Any:
        self.calls += 1
        logits = torch.stack([self.logits_of(row) for row in tokens])
        return SimpleNamespace(logits=logits)

    def logits_of(self, row: Tensor) -> Tensor:
        seed = int((row * torch.arange(1, len(row) + 1)).sum())
        generator = torch.Generator().manual_seed(seed)
        logits = torch.randn(len(row), VOCABULARY, generator=generator)
        logits[:, MASK] += 10.0
        if self.end is not None:
            logits[:, self.end] += 5.0
        return logits


def save(schedule: UnmaskingSchedule, folder: Path, **options: Any) -> Path:
    artefact, _ = export(ScheduleFile(schedule), TARGET, Options(**options))
    for name, text in artefact.files.items():
        (folder / name).write_text(text)
    return folder


def scheduler_of(schedule: UnmaskingSchedule, folder: Path, **options: Any) -> Any:
    return SchedoptBlockScheduler.from_pretrained(save(schedule, folder, **options))


@dataclass
class Steps:
    """What a pipeline did: tokens after each step of the block it worked at."""

    tokens: list[Tensor] = field(default_factory=list)
    chosen: list[Tensor] = field(default_factory=list)

    def __call__(self, pipeline: Any, step: int, timestep: int, values: dict[str, Any]) -> Any:
        self.tokens.append(values["block_x"].clone())
        self.chosen.append(values["transfer_index"].clone())
        return values


def run(scheduler: Any, prompt: Tensor, *, gen_length: int = 64, **options: Any) -> Any:
    """A text of the real pipeline, with what it did and the passes it took."""
    model, steps = options.pop("model", None) or Model(), Steps()
    pipeline = diffusers.LLaDA2Pipeline(model, scheduler, None)
    pipeline.set_progress_bar_config(disable=True)
    settings = {"num_inference_steps": scheduler.num_inference_steps, "mask_token_id": MASK}
    output = pipeline(
        input_ids=prompt,
        gen_length=gen_length,
        output_type="seq",
        callback_on_step_end=steps,
        callback_on_step_end_tensor_inputs=["block_x", "transfer_index"],
        **(settings | options),
    )
    return SimpleNamespace(sequences=output.sequences, steps=steps, calls=model.calls)


def prompts(rows: int, length: int) -> Tensor:
    return torch.randint(0, MASK, (rows, length), generator=torch.manual_seed(length))


def expected_groups(schedule: UnmaskingSchedule, prompt: int, generated: int) -> Iterator[set[int]]:
    """Positions that each pass reveals: blocks are counted from the start of the prompt."""
    length = schedule.length
    for start in range(prompt - prompt % length, prompt + generated, length):
        for group in schedule.groups():
            masked = {position for position in group if start + position >= prompt}
            if masked:
                yield masked


@pytest.fixture
def scheduler(tmp_path: Path) -> Any:
    return scheduler_of(DUS, tmp_path)


def test_the_folder_holds_the_schedule(tmp_path: Path) -> None:
    config = json.loads((save(DUS, tmp_path) / "scheduler_config.json").read_text())
    assert config["_class_name"] == "SchedoptBlockScheduler"
    assert config["groups"] == [list(group) for group in DUS.groups()]
    assert len(config["schedule_sha256"]) == 64


@pytest.mark.parametrize("prompt", [1, 32, 37, 63])
@pytest.mark.parametrize("rows", [1, 3])
def test_the_pipeline_reveals_the_groups(scheduler: Any, prompt: int, rows: int) -> None:
    # With the pipeline's own defaults of threshold and editing_threshold.
    done = run(scheduler, prompts(rows, prompt))
    expected = list(expected_groups(DUS, prompt, 64))
    assert done.calls == len(expected)
    for chosen, group in zip(done.steps.chosen, expected, strict=True):
        for row in chosen:
            assert set(row.nonzero().flatten().tolist()) == group
    assert done.sequences.shape == (rows, 64)
    assert not (done.sequences == MASK).any()


@pytest.mark.parametrize(
    "options",
    [
        {"editing_threshold": None},
        {"editing_threshold": 0.01, "max_post_steps": 3},
        {"threshold": 0.01},
        {"threshold": 2.0},
        {"minimal_topk": 2},
        {"block_length": BLOCK},
    ],
)
def test_other_settings_of_the_pipeline_change_nothing(
    scheduler: Any, options: dict[str, Any]
) -> None:
    plain, other = run(scheduler, prompts(2, 37)), run(scheduler, prompts(2, 37), **options)
    assert torch.equal(plain.sequences, other.sequences)
    assert plain.calls == other.calls


def test_tokens_are_the_likeliest_of_their_pass(scheduler: Any) -> None:
    done = run(scheduler, prompts(1, 1), gen_length=31)
    before = torch.full((BLOCK,), MASK)
    before[:1] = prompts(1, 1)
    for tokens, chosen in zip(done.steps.tokens, done.steps.chosen, strict=True):
        logits = Model().logits_of(before)
        logits[:, MASK] = -torch.inf
        assert torch.equal(tokens[0], torch.where(chosen[0], logits.argmax(-1), before))
        before = tokens[0]


@pytest.mark.parametrize("order", ORDER_NAMES)
@pytest.mark.parametrize("prompt", [32, 37])
def test_every_order_runs_with_the_sizes_of_the_schedule(
    order: str, prompt: int, tmp_path: Path
) -> None:
    permutation = tuple(reversed(range(BLOCK))) if order == "explicit" else None
    schedule = UnmaskingSchedule(BLOCK, Order(order, permutation=permutation), (4, 12, 16))
    generator = torch.Generator().manual_seed(1)
    done = run(scheduler_of(schedule, tmp_path), prompts(2, prompt), generator=generator)
    if schedule.order.is_fixed:
        sizes = [len(group) for group in expected_groups(schedule, prompt, 64)]
    else:  # the known positions of the first block stand for the first ones to be revealed
        sizes = [4, 12, 16] * 2 if prompt == 32 else [11, 16, 4, 12, 16, 4, 12, 16]
    assert [chosen.sum(-1).tolist() for chosen in done.steps.chosen] == [[s, s] for s in sizes]
    assert not (done.sequences == MASK).any()


def test_a_random_order_is_that_of_the_generator(tmp_path: Path) -> None:
    schedule = UnmaskingSchedule(BLOCK, Order("random"), (4, 12, 16))
    scheduler = scheduler_of(schedule, tmp_path)
    runs = [
        run(scheduler, prompts(2, 32), generator=torch.Generator().manual_seed(seed)).steps.chosen
        for seed in (1, 1, 2)
    ]
    assert all(torch.equal(*pair) for pair in zip(runs[0], runs[1], strict=True))
    assert not torch.equal(runs[0][0], runs[2][0])
    assert not torch.equal(runs[0][0][0], runs[0][0][1])  # rows are drawn apart
    assert not torch.equal(runs[0][0], runs[0][3])  # and so are blocks


def test_confidence_is_that_of_the_untempered_model(tmp_path: Path) -> None:
    scheduler = scheduler_of(UnmaskingSchedule(BLOCK, Order("confidence"), (4, 28)), tmp_path)
    first = [
        run(
            scheduler,
            prompts(1, 32),
            gen_length=32,
            temperature=temperature,
            top_k=3,
            generator=torch.Generator().manual_seed(0),
        ).steps.chosen[0]
        for temperature in (0.0, 5.0)
    ]
    assert torch.equal(*first)
    row = torch.cat([prompts(1, 32)[0], torch.full((BLOCK,), MASK)])
    logits = Model().logits_of(row)[BLOCK:]
    logits[:, MASK] = -torch.inf
    surest = logits.softmax(-1).amax(-1).topk(4).indices
    assert set(first[0][0].nonzero().flatten().tolist()) == set(surest.tolist())


def test_sure_positions_are_set_early_where_that_is_asked_for(tmp_path: Path) -> None:
    folder = save(DUS, tmp_path)
    hybrid = SchedoptBlockScheduler.from_pretrained(folder, max_conf_commit=0.2)
    plain = SchedoptBlockScheduler.from_pretrained(folder)
    more, fewer = (run(each, prompts(1, 32)) for each in (plain, hybrid))
    assert fewer.calls <= more.calls
    assert (fewer.steps.chosen[0] & ~more.steps.chosen[0]).any()
    assert not (more.steps.chosen[0] & ~fewer.steps.chosen[0]).any()
    assert not (fewer.sequences == MASK).any()


def test_a_folder_survives_the_round_trip(scheduler: Any, tmp_path: Path) -> None:
    scheduler.save_pretrained(tmp_path / "again")
    again = SchedoptBlockScheduler.from_pretrained(tmp_path / "again")
    assert again.rule == scheduler.rule
    assert again.config.schedule_sha256 == scheduler.config.schedule_sha256


def test_a_pipeline_loads_with_its_scheduler(scheduler: Any, tmp_path: Path) -> None:
    pipeline = diffusers.LLaDA2Pipeline(None, scheduler, None)
    pipeline.save_pretrained(tmp_path / "pipeline")
    for kind in (diffusers.LLaDA2Pipeline, diffusers.DiffusionPipeline):
        loaded = kind.from_pretrained(tmp_path / "pipeline", model=Model(), tokenizer=None)
        assert isinstance(loaded, diffusers.LLaDA2Pipeline)
        assert loaded.scheduler.rule == scheduler.rule


def test_texts_end_without_mask_tokens(scheduler: Any) -> None:
    end = 3
    options = {"eos_token_id": end, "temperature": 1.0}
    stopped = run(
        scheduler,
        prompts(2, 5),
        model=Model(end=end),
        generator=torch.Generator().manual_seed(0),
        **options,
    )
    for row in stopped.sequences.tolist():
        assert MASK not in row[: row.index(end)]
    whole = run(
        scheduler,
        prompts(2, 5),
        model=Model(end=end),
        eos_early_stop=False,
        generator=torch.Generator().manual_seed(0),
        **options,
    )
    assert not (whole.sequences == MASK).any()
    assert stopped.calls <= whole.calls


def test_a_mask_token_in_a_prompt_stays(scheduler: Any) -> None:
    prompt = prompts(1, 37)
    prompt[0, 34] = MASK
    done = run(scheduler, prompt)
    assert done.steps.tokens[-1][0, :37].tolist() == prompt[0].tolist()
    assert not (done.sequences == MASK).any()


def test_a_step_gives_an_object_or_a_tuple(scheduler: Any) -> None:
    sample = torch.full((1, BLOCK), MASK)
    logits = torch.randn(1, BLOCK, VOCABULARY, generator=torch.manual_seed(0))
    found = scheduler.step(logits, 0, sample, mask_token_id=MASK)
    fields = scheduler.step(logits, torch.tensor(0), sample, mask_token_id=MASK, return_dict=False)
    assert torch.equal(found.prev_sample, fields[0])
    assert len(fields) == 6
    assert scheduler.get_num_transfer_tokens(BLOCK, 5).tolist() == [2, 2, 4, 8, 16]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_inference_steps": 32}, r"num_inference_steps: the schedule has 5 .*got 32"),
        ({"block_length": 16}, r"block_length: the schedule is for 32 positions, got 16"),
        ({"gen_length": 3}, r"got 3 \(the pipeline takes no more than gen_length"),
    ],
)
def test_another_number_of_steps_is_refused(
    scheduler: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        run(scheduler, prompts(1, 5), **options)


def test_a_step_without_a_mask_token_is_refused(scheduler: Any) -> None:
    sample, logits = torch.full((1, BLOCK), MASK), torch.zeros(1, BLOCK, VOCABULARY)
    with pytest.raises(UsageError, match="mask_token_id"):
        scheduler.step(logits, 0, sample)
    with pytest.raises(UsageError, match=r"blocks of 32 positions, got tokens of shape \(1, 8\)"):
        scheduler.step(logits[:, :8], 0, sample[:, :8], mask_token_id=MASK)


@pytest.mark.parametrize("changes", [{"models": (1, 0)}, {"blocks": ((2, 30), (16, 16))}])
def test_what_the_pipeline_cannot_do_is_refused(changes: dict[str, Any]) -> None:
    schedule = UnmaskingSchedule(BLOCK, Order("dilated"), (16, 16), **changes)
    with pytest.raises(UsageError, match=next(iter(changes))):
        export(ScheduleFile(schedule), TARGET)


def test_a_shifted_model_is_refused() -> None:
    file = ScheduleFile(DUS, provenance={"model": {"name": "dream", "mask_id": 151666}})
    with pytest.raises(UsageError, match="shift"):
        export(file, TARGET)


class Tokenizer:
    """Characters as tokens."""

    eos_token_id, mask_token_id, chat_template = None, MASK, None

    def __call__(self, text: str, **_: Any) -> dict[str, Tensor]:
        return {"input_ids": torch.tensor([[ord(c) % MASK for c in text]])}

    def batch_decode(self, rows: Tensor, **_: Any) -> list[str]:
        return [" ".join(str(int(token)) for token in row) for row in rows]


@pytest.mark.parametrize(("source", "length"), [("usage", 32), ("docstring", 64)])
def test_the_lines_that_are_shown_run(
    source: str, length: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("DIR").mkdir()
    save(DUS, Path("DIR"))
    if source == "usage":
        artefact, _ = export(ScheduleFile(DUS), TARGET)
        lines = TARGET.usage_of(artefact, Options(), schedule="schedule.json", output="DIR")
    else:
        module = import_module("schedopt.integrations.diffusers")
        found = re.search(r"::\n\n((?:    .*\n)+)", str(module.__doc__))
        assert found is not None
        lines = dedent(found[1])
    names: dict[str, Any] = {
        "LLaDA2Pipeline": diffusers.LLaDA2Pipeline,
        "model": Model(),
        "tokenizer": Tokenizer(),
        "prompt": "def main():",
    }
    exec(lines, names)
    (text,) = names["texts"]
    assert len(text.split()) == length
    assert str(MASK) not in text.split()
    assert names["model"].calls == len(list(expected_groups(DUS, 11, length)))


def test_other_block_lengths_are_warned_about() -> None:
    _, sentences = export(ScheduleFile(dus_schedule(16)), TARGET)
    assert any("block length: 16" in line and "32 (LLaDA2)" in line for line in sentences)
    assert export(ScheduleFile(DUS), TARGET)[1] == ()


def test_without_diffusers_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "schedopt.integrations.diffusers")
    monkeypatch.setitem(sys.modules, "diffusers.schedulers.scheduling_block_refinement", None)
    with pytest.raises(MissingModelError, match="needs diffusers") as raised:
        import_module("schedopt.integrations.diffusers")
    assert raised.value.hint == "pip install 'diffusers>=0.42'"
