"""The rule that other programs follow reveals what a schedule says, whatever is masked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import unmasking_schedules
from torch import Tensor

from schedopt.errors import UsageError
from schedopt.integrations.reveal import reveal
from schedopt.integrations.rule import BlockRule
from schedopt.samplers.active import ActiveBlocks
from schedopt.samplers.policies import SchedulePolicy
from schedopt.schedule import Order, UnmaskingSchedule

VOCABULARY = 7

SCHEDULES = unmasking_schedules().map(lambda schedule: replace(schedule, blocks=None))


def by_loops(rule: BlockRule, masked: list[bool], scores: list[float]) -> set[int]:
    """What the rule reveals of one row, by its definition."""
    schedule = rule.schedule
    if schedule.order.is_fixed:
        for group in schedule.groups():
            if any(masked[position] for position in group):
                return {position for position in group if masked[position]}
        return set()
    known = masked.count(False)
    ends = np.cumsum(schedule.step_sizes)
    count = next((int(end) - known for end in ends if known < end), 0)
    best = sorted((-scores[p], p) for p in range(schedule.length) if masked[p])
    return {position for _, position in best[:count]}


def masks(schedule: UnmaskingSchedule, rows: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    share = torch.rand(rows, 1, generator=generator)
    masked = torch.rand(rows, schedule.length, generator=generator) < share
    masked[0] = True
    masked[-1] = False
    return masked


@settings(max_examples=40)
@given(SCHEDULES, st.integers(0, 2**31))
def test_a_step_reveals_what_the_definition_does(schedule: UnmaskingSchedule, seed: int) -> None:
    rule = BlockRule.of(schedule, rng=np.random.default_rng(seed))
    masked = masks(schedule, 4, seed)
    logits = torch.randn(4, schedule.length, VOCABULARY, generator=torch.manual_seed(seed))
    chosen = reveal(rule, masked, logits)
    probabilities = logits.softmax(-1).double()
    top = probabilities.topk(2).values
    scores = {
        "confidence": top[..., 0],
        "margin": top[..., 0] - top[..., 1],
        "entropy": (probabilities * probabilities.log()).sum(-1),
    }.get(schedule.order.name, torch.zeros(masked.shape))
    for row in range(4):
        expected = by_loops(rule, masked[row].tolist(), scores[row].tolist())
        assert set(chosen[row].nonzero().flatten().tolist()) == expected


@settings(max_examples=40)
@given(SCHEDULES.filter(lambda schedule: schedule.order.name != "random"), st.integers(0, 2**31))
def test_a_step_reveals_what_our_own_sampler_does(schedule: UnmaskingSchedule, seed: int) -> None:
    masked = masks(schedule, 4, seed)[:-1]
    masked = masked[masked.any(dim=1)]
    logits = torch.randn(*masked.shape, VOCABULARY, generator=torch.manual_seed(seed))
    rows = np.arange(len(masked))
    active = ActiveBlocks(
        rows,
        np.zeros_like(rows),
        masked.numpy(),
        lambda wanted, _: logits[torch.from_numpy(wanted)].log_softmax(-1),
    )
    ours = SchedulePolicy(schedule).chooser(rows.tolist(), 1, 0)(active)
    assert reveal(BlockRule.of(schedule), masked, logits).tolist() == ours.tolist()


@settings(max_examples=40)
@given(SCHEDULES, st.integers(0, 2**31))
def test_a_block_takes_as_many_steps_as_the_schedule(
    schedule: UnmaskingSchedule, seed: int
) -> None:
    rule = BlockRule.of(schedule)
    masked = torch.ones(1, schedule.length, dtype=torch.bool)
    logits = torch.randn(1, schedule.length, VOCABULARY, generator=torch.manual_seed(seed))
    for size in schedule.step_sizes:
        chosen = reveal(rule, masked, logits)
        assert int(chosen.sum()) == size
        assert not (chosen & ~masked).any()
        masked = masked & ~chosen
    assert not masked.any()
    assert not reveal(rule, masked, logits).any()


def test_random_positions_are_drawn_with_the_generator() -> None:
    rule = BlockRule(UnmaskingSchedule(8, Order("random"), (2, 6)))
    masked = torch.ones(4000, 8, dtype=torch.bool)
    masked[:, 3] = False
    logits = torch.zeros(4000, 8, VOCABULARY)
    draws = [reveal(rule, masked, logits, generator=torch.manual_seed(5)) for _ in range(2)]
    assert torch.equal(*draws)
    # One position is known, so one of the other seven completes the first step. Each comes up
    # 4000 / 7 times with a deviation of 22: six of them fail once in 7e7 runs, and the seed is
    # fixed.
    counts = draws[0].sum(0).tolist()
    assert counts[3] == 0
    assert sum(counts) == 4000
    assert all(abs(count - 4000 / 7) < 6 * 22.2 for i, count in enumerate(counts) if i != 3)


def test_sure_positions_are_revealed_as_well() -> None:
    rule = BlockRule(UnmaskingSchedule(4, Order("left_to_right"), (1, 3)), max_conf_commit=0.9)
    logits = torch.zeros(1, 4, VOCABULARY)
    logits[0, 2:, 0] = 20.0
    masked = torch.tensor([[True, True, True, False]])
    assert reveal(rule, masked, logits).tolist() == [[True, False, True, False]]


@settings(max_examples=40)
@given(SCHEDULES)
def test_a_configuration_spells_the_rule(schedule: UnmaskingSchedule) -> None:
    rule = BlockRule.of(schedule)
    assert BlockRule.from_config({**rule.config(), "schedule_sha256": "..."}) == rule
    assert rule.schedule.step_sizes == schedule.step_sizes
    if schedule.order.is_fixed:
        assert rule.schedule.groups() == schedule.groups()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "groups, sizes: need one of them"),
        ({"groups": [[0, 1], [2, 3]], "sizes": [2, 2], "select": "random"}, "need one of them"),
        ({"groups": [[0, 1], [2, 3]], "select": "margin"}, "nothing to select, got 'margin'"),
        ({"sizes": [2, 2]}, "select: need one of .*, got None"),
        ({"sizes": [2, 2], "select": "luck"}, "select: need one of .*, got 'luck'"),
        ({"sizes": [2, 1], "select": "margin"}, "sizes sum to 3, need the length 4"),
        ({"sizes": [4, 0], "select": "margin"}, "need a whole number >= 1, got 0"),
        ({"sizes": "22", "select": "margin"}, "sizes: need a list, got '22'"),
        ({"groups": [[0, 1], [2, 2]]}, r"each of 0\.\.3 once"),
        ({"groups": [[0, 1], [2]]}, "need the length 4|has 3 positions, need 4"),
        ({"groups": [[0, 1], [2, 3], []]}, "need a whole number >= 1, got 0"),
        ({"groups": [0, 1, 2, 3]}, "groups: need a list, got 0"),
        ({"groups": [[0, 1.5], [2, 3]]}, r"each of 0\.\.3 once"),
        ({"groups": [[0, 1], [2, 3]], "max_conf_commit": 1.0}, "need a probability.*got 1.0"),
        ({"groups": [[0, 1], [2, 3]], "max_conf_commit": "x"}, "need a probability.*got 'x'"),
        ({"block_length": None, "groups": [[0]]}, "block_length: the key is missing"),
        ({"block_length": "4", "groups": [[0]]}, "length: need a whole number >= 1, got '4'"),
    ],
)
def test_what_is_no_rule_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        BlockRule.from_config({"block_length": 4} | config)
