"""What SGLang reads of a schedule, and its loops with it: the real ones where it is installed.

``pip install --no-deps sglang==0.5.23`` installs the loops; the rest of this package's
environment is enough to run them.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from sglang_runtime import Runner, StandIn, batch_of, real_sglang, run_fdfo, run_sync
from torch import Tensor

from schedopt.errors import SchedoptError, UsageError
from schedopt.exporters import Options, export
from schedopt.exporters.sglang import TARGET
from schedopt.files import ScheduleFile
from schedopt.integrations.sglang import ALGORITHM, algorithm, register
from schedopt.schedule import ORDER_NAMES, Order, UnmaskingSchedule
from schedopt.sizes import dus_schedule

VOCABULARY, MASK, BLOCK = 40, 39, 32
DUS = dus_schedule(BLOCK)
PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"

needs_sglang = pytest.mark.skipif(
    find_spec("sglang") is None,
    reason="needs SGLang's loops: pip install --no-deps sglang==0.5.23",
)


@pytest.fixture(params=["stand-in", pytest.param("real", marks=needs_sglang)])
def build(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Makes the algorithm of a configuration, on a stand-in or on SGLang's own base class."""
    if request.param == "stand-in":
        yield lambda config, **options: algorithm(StandIn)(dllm_config(config, **options))
        return
    with real_sglang():
        from sglang.srt.dllm.algorithm import algo_name_to_cls, get_algorithm
        from sglang.srt.dllm.config import DllmConfig

        register()
        assert {"LowConfidence", "JointThreshold", ALGORITHM} <= algo_name_to_cls.keys()
        yield lambda config, **options: get_algorithm(
            dllm_config(config, make=DllmConfig, **options)
        )


def dllm_config(
    config: dict[str, Any],
    *,
    make: Callable[..., Any] = SimpleNamespace,
    fdfo: bool = False,
    block_size: int = BLOCK,
    mask_id: int = MASK,
) -> Any:
    return make(
        algorithm=ALGORITHM,
        algorithm_config=config,
        block_size=block_size,
        mask_id=mask_id,
        max_running_requests=4,
        first_done_first_out_mode=fdfo,
    )


def exported(schedule: UnmaskingSchedule, **options: Any) -> dict[str, Any]:
    """The configuration as SGLang reads it."""
    artefact, _ = export(ScheduleFile(schedule), TARGET, Options(**options))
    (text,) = artefact.files.values()
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def blocks(*prompts: int) -> Tensor:
    """A masked block for each number, with so many prompt tokens at its start."""
    rows = torch.full((len(prompts), BLOCK), MASK)
    for row, known in zip(rows, prompts, strict=True):
        row[:known] = torch.arange(known) % (VOCABULARY - 1)
    return rows


def runner() -> Runner:
    return Runner(VOCABULARY, MASK, BLOCK)


def set_in_each_pass(seen: list[Tensor], row: int) -> list[set[int]]:
    """Positions of a row that each pass but the last has set."""
    known = [set((tokens[row] != MASK).nonzero().flatten().tolist()) for tokens in seen]
    return [after - before for before, after in pairwise(known)]


def test_the_configuration_holds_the_schedule() -> None:
    config = exported(DUS)
    assert config["block_length"] == BLOCK
    assert config["groups"] == [list(group) for group in DUS.groups()]
    assert len(config["schedule_sha256"]) == 64
    # SGLang would run a model at blocks of this size, whatever it was trained with.
    assert "block_size" not in config


@pytest.mark.parametrize("order", ORDER_NAMES)
def test_every_order_has_a_form(order: str) -> None:
    permutation = (
        tuple(np.random.default_rng(0).permutation(BLOCK)) if order == "explicit" else None
    )
    schedule = UnmaskingSchedule(BLOCK, Order(order, permutation=permutation), (4, 12, 16))
    config = exported(schedule, seed=7 if order == "random" else None)
    if schedule.order.is_planner:
        assert (config["sizes"], config["select"]) == ([4, 12, 16], order)
    else:
        groups = schedule.groups(rng=np.random.default_rng(7))
        assert config["groups"] == [list(group) for group in groups]


def test_a_random_order_is_drawn_once_and_said_so() -> None:
    file = ScheduleFile(UnmaskingSchedule(BLOCK, Order("random"), (16, 16)))
    with pytest.raises(UsageError, match=r"order: random .*positions in advance"):
        export(file, TARGET)
    _, sentences = export(file, TARGET, Options(seed=3))
    assert any("drawn once with seed 3" in sentence for sentence in sentences)


def test_sizes_alone_take_the_surest_positions() -> None:
    config = exported(DUS, sizes_only=True)
    assert (config["sizes"], config["select"]) == ([2, 2, 4, 8, 16], "confidence")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": (1, 0)}, "models"),
        ({"blocks": ((2, 30), (16, 16))}, "blocks"),
    ],
)
def test_what_the_loop_cannot_do_is_refused(changes: dict[str, Any], message: str) -> None:
    schedule = UnmaskingSchedule(BLOCK, Order("dilated"), (16, 16), **changes)
    with pytest.raises(UsageError, match=message):
        export(ScheduleFile(schedule), TARGET)


def test_other_block_lengths_are_warned_about() -> None:
    _, sentences = export(ScheduleFile(dus_schedule(16)), TARGET)
    assert any(
        "block length: 16" in line and "32 (LLaDA2) or 4 (SDAR)" in line for line in sentences
    )
    assert export(ScheduleFile(dus_schedule(4)), TARGET)[1] == ()


def test_a_shifted_model_is_refused() -> None:
    file = ScheduleFile(DUS, provenance={"model": {"name": "dream", "mask_id": 151666}})
    with pytest.raises(UsageError, match="shift"):
        export(file, TARGET)


def test_a_block_takes_a_pass_a_group_and_one(build: Callable[..., Any]) -> None:
    model, rows = runner(), blocks(0, 5)
    out = run_sync(build(exported(DUS)), model, rows)
    assert len(model.seen) == DUS.steps + 1
    for row, prompt in enumerate((0, 5)):
        expected = [set(group) - set(range(prompt)) for group in DUS.groups()]
        assert set_in_each_pass(model.seen, row) == expected
    assert not (out == MASK).any()
    assert torch.equal(out[1, :5], rows[1, :5])


@pytest.mark.parametrize("prompts", [(0,), (0, 5), (0, 31, 32, 17), (32,)])
@pytest.mark.parametrize("changes", [{}, {"max_conf_commit": 0.5}], ids=["fixed", "hybrid"])
def test_both_loops_leave_the_same_blocks(
    build: Callable[..., Any], prompts: tuple[int, ...], changes: dict[str, Any]
) -> None:
    config, rows = exported(DUS) | changes, blocks(*prompts)
    sync = run_sync(build(config), runner(), rows)
    fdfo, passes = run_fdfo(build(config, fdfo=True), runner(), rows)
    assert torch.equal(sync, fdfo)
    assert not (sync == MASK).any()
    for prompt, taken in zip(prompts, passes, strict=True):
        groups = sum(bool(set(group) - set(range(prompt))) for group in DUS.groups())
        assert taken <= groups + 1 if changes else taken == groups + 1


@pytest.mark.parametrize("select", ["confidence", "entropy", "margin"])
def test_sizes_reveal_the_best_positions(build: Callable[..., Any], select: str) -> None:
    sizes, prompt = (2, 6, 8, 16), 5
    model = runner()
    out = run_sync(
        build(exported(UnmaskingSchedule(BLOCK, Order(select), sizes))), model, blocks(0, prompt)
    )
    assert not (out == MASK).any()
    for row, expected in enumerate([[2, 6, 8, 16], [3, 8, 16, 0]]):
        revealed = set_in_each_pass(model.seen, row)
        assert [len(positions) for positions in revealed] == expected
    # Of the first pass, by the definition.
    logits = model.logits(model.seen[0][0])
    logits[:, MASK] = -torch.inf
    probabilities = logits.softmax(-1)
    top = probabilities.topk(2).values
    score = {
        "confidence": top[:, 0],
        "entropy": (probabilities * probabilities.clamp(min=1e-30).log()).sum(-1),
        "margin": top[:, 0] - top[:, 1],
    }[select]
    assert set_in_each_pass(model.seen, 0)[0] == set(score.topk(2).indices.tolist())


def test_the_hybrid_sets_sure_positions_early(build: Callable[..., Any]) -> None:
    fixed, hybrid = runner(), runner()
    run_sync(build(exported(DUS)), fixed, blocks(0))
    run_sync(build(exported(DUS) | {"max_conf_commit": 0.2}), hybrid, blocks(0))
    assert len(hybrid.seen) <= len(fixed.seen)
    logits = hybrid.logits(hybrid.seen[0][0])
    logits[:, MASK] = -torch.inf
    sure = (logits.softmax(-1).amax(-1) > 0.2).nonzero().flatten().tolist()
    assert set(sure) - set(DUS.groups()[0])  # else nothing is tested
    assert set_in_each_pass(hybrid.seen, 0)[0] == set(DUS.groups()[0]) | set(sure)


def test_tokens_are_the_likeliest_of_their_pass(build: Callable[..., Any]) -> None:
    model = runner()
    out = run_sync(build(exported(DUS)), model, blocks(0))
    for tokens, positions in zip(model.seen, set_in_each_pass(model.seen, 0), strict=False):
        logits = model.logits(tokens[0])
        logits[:, MASK] = -torch.inf
        for position in positions:
            assert out[0, position] == logits[position].argmax()


def test_a_mask_token_in_a_prompt_stays(build: Callable[..., Any]) -> None:
    rows = blocks(5)
    rows[0, 2] = MASK
    batch = batch_of(rows)
    batch.dllm_prompt_mask = (torch.arange(BLOCK) < 5).unsqueeze(0)
    algorithm_ = build(exported(DUS))
    model = runner()
    for _ in range(DUS.steps):
        logits = model.forward(batch, pp_proxy_tensors=None).logits_output.full_logits
        assert algorithm_.step(batch, logits, [None]) == [False]
    logits = model.forward(batch, pp_proxy_tensors=None).logits_output.full_logits
    assert algorithm_.step(batch, logits, [None]) == [True]
    assert (batch.input_ids == MASK).nonzero().flatten().tolist() == [2]


def test_a_step_takes_logits_or_what_holds_them(build: Callable[..., Any]) -> None:
    batches = [batch_of(blocks(0, 5)) for _ in range(2)]
    for batch, get in zip(batches, [lambda o: o, lambda o: o.full_logits], strict=True):
        output = runner().forward(batch, pp_proxy_tensors=None).logits_output
        build(exported(DUS)).step(batch, get(output), [None, None])
    assert torch.equal(batches[0].input_ids, batches[1].input_ids)


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        ({}, {"block_size": 4}, "blocks of 32 positions, the model's have 4"),
        ({}, {"mask_id": -1}, "no mask token"),
        ({"groups": None, "sizes": [16, 16], "select": "random"}, {}, "different positions"),
        ({"block_length": None}, {}, "block_length: the key is missing"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(
    build: Callable[..., Any], config: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SchedoptError, match=message):
        build(exported(DUS) | config, **options)


def test_the_plug_in_is_light() -> None:
    # SGLang loads it in every process, whatever it serves.
    code = "import sys, schedopt.integrations.sglang; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"cvxpy", "matplotlib", "scipy", "numba", "transformers", "diffusers"}
    assert not set(done.stdout.split()) & heavy


def test_without_sglang_there_is_nothing_to_register_with() -> None:
    if find_spec("sglang") is not None:
        pytest.skip("SGLang is installed")
    with pytest.raises(ImportError, match="sglang"):
        register()


@needs_sglang
def test_sglang_finds_the_plug_in(monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    (name, value), *_ = project["entry-points"]["sglang.srt.plugins"].items()
    entry = EntryPoint(name, value, "sglang.srt.plugins")
    with real_sglang():
        from sglang.srt import plugins
        from sglang.srt.dllm.algorithm import algo_name_to_cls

        monkeypatch.setattr(plugins, "entry_points", lambda *, group: [entry])
        assert ALGORITHM not in algo_name_to_cls
        plugins.load_plugins()
        assert ALGORITHM in algo_name_to_cls


def flags(command: str) -> dict[str, str]:
    """Arguments of a server by their names, as a shell would split its command."""
    program, verb, *words = shlex.split(command.replace("\\\n", ""))
    assert (program, verb) == ("sglang", "serve")
    return {
        flag.removeprefix("--").replace("-", "_"): value
        for flag, value in zip(words[::2], words[1::2], strict=True)
    }


def test_the_lines_that_are_shown_are_one_command() -> None:
    found = re.search(r"::\n\n((?:    .*\n)+)", str(import_module(register.__module__).__doc__))
    assert found is not None
    shown = {**flags(TARGET.usage.format(output="dllm.yaml")), "model_path": ""}
    assert {**flags(dedent(found[1])), "model_path": ""} == shown
    assert len(TARGET.usage.splitlines()) == 3


@needs_sglang
@pytest.mark.parametrize(
    ("architecture", "fits"), [("LLaDA2MoeModelLM", True), ("SDARForCausalLM", False)]
)
def test_sglang_starts_with_the_file_or_the_plug_in_refuses(
    architecture: str, fits: bool, tmp_path: Path
) -> None:
    artefact, _ = export(ScheduleFile(DUS), TARGET)
    path = str(tmp_path / "dllm.yaml")
    Path(path).write_text(artefact.files["dllm.yaml"])
    shown = flags(TARGET.usage_of(artefact, Options(), schedule="schedule.json", output=path))
    arguments = SimpleNamespace(revision=None, dllm_fdfo=True, max_running_requests=2, **shown)
    model = SimpleNamespace(hf_config=SimpleNamespace(architectures=[architecture]))
    with real_sglang():
        from sglang.srt.dllm import config
        from sglang.srt.dllm.algorithm.base import DllmAlgorithm

        config.ModelConfig = SimpleNamespace(from_server_args=lambda *_, **__: model)
        register()
        if fits:
            assert DllmAlgorithm.from_server_args(arguments).rule.schedule.groups() == DUS.groups()
        else:
            with pytest.raises(UsageError, match="blocks of 32 positions, the model's have 4"):
                DllmAlgorithm.from_server_args(arguments)
