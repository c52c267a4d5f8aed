"""The lines that each exporter shows are code that runs, and reveals what the schedule says."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import export_consumers as consumers
import pytest
import torch

from schedopt.exporters import TARGETS, Options, dllm, dream, dus, export, llada
from schedopt.files import ScheduleFile, write
from schedopt.schedule import Order
from schedopt.sizes import dus_schedule

MODULES = {"llada": llada, "dream": dream, "dllm": dllm, "dus": dus}
PROMPT = torch.arange(5)[None]
DUS = dus_schedule(32)


def file_for(target: str) -> ScheduleFile:
    order = Order("dilated") if target in {"dream", "dus"} else Order("confidence")
    return ScheduleFile(type(DUS)(32, order, DUS.step_sizes))


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, target: str) -> dict[str, Any]:
    """What the lines may name, in a folder that holds the schedule."""
    monkeypatch.chdir(tmp_path)
    write("schedule.json", file_for(target))
    packages = {"llada": consumers.llada, "dus": consumers.dus}
    monkeypatch.setitem(sys.modules, "generate", packages.get(target, consumers.llada)())
    monkeypatch.setitem(sys.modules, "dllm", consumers.dllm())
    model = consumers.Dream() if target == "dream" else consumers.Network()
    mask = torch.ones_like(PROMPT)
    return {"model": model, "prompt": PROMPT, "inputs": PROMPT, "mask": mask, "tokenizer": None}


def check(lines: str, names: dict[str, Any], target: str) -> None:
    exec(lines, names)
    tokens, model = names["tokens"], names["model"]
    found = consumers.blocks_of(model.reveals(tokens)[0], 5)
    assert [len(group) for group in found] == 2 * list(DUS.step_sizes)
    assert not (tokens == consumers.MASK).any()
    if target in {"dream", "dus"}:
        groups = [sorted(group) for group in DUS.groups()]
        assert found == groups + [[p + 32 for p in group] for group in groups]


@pytest.mark.parametrize("target", MODULES)
def test_usage(target: str, names: dict[str, Any]) -> None:
    chosen, options = TARGETS[target], Options(gen_length=64)
    artefact, sentences = export(file_for(target), chosen, options)
    assert sentences == ()
    lines = chosen.usage_of(artefact, options, schedule="schedule.json")
    assert len(lines.splitlines()) == 3
    check(lines, names, target)


@pytest.mark.parametrize("target", MODULES)
def test_docstring(target: str, names: dict[str, Any]) -> None:
    module: ModuleType = MODULES[target]
    found = re.search(r"::\n\n((?:    .*\n)+)", f"{module.__doc__}\n")
    assert found is not None
    check(dedent(found[1]), names, target)


def test_options_become_arguments() -> None:
    file = ScheduleFile(type(DUS)(32, Order("random"), DUS.step_sizes))
    for target, options, line in (
        ("llada", Options(sizes_only=True), "'s.json', gen_length=32, sizes_only=True)"),
        ("dllm", Options(sizes_only=True), "'s.json', sizes_only=True))"),
        ("dus", Options(seed=4), "'s.json', seed=4)"),
    ):
        artefact, _ = export(file, TARGETS[target], options)
        lines = TARGETS[target].usage_of(artefact, options, schedule="s.json").splitlines()
        assert lines[1].endswith(line)


def test_every_target_tells_how_it_is_used() -> None:
    for name, target in TARGETS.items():
        assert target.name == name
        assert len(target.usage.splitlines()) == 3
        assert target.about
        assert set(target.options) <= {*Options.__dataclass_fields__}
