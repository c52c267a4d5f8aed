"""DUS's sampler follows an exported schedule, which its own merge of levels would corrupt."""

from __future__ import annotations

from types import ModuleType

import export_consumers as consumers
import pytest
import torch
from hypothesis import given, settings
from strategies import ordered_partitions

from schedopt.errors import UsageError
from schedopt.exporters import dus
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.sizes import dus_schedule
from theory.orders import dilated_groups

SIZES = (1, 1, 2, 4, 8, 10, 6)  # the last step is smaller than the one before
SHORT = UnmaskingSchedule(32, Order("dilated"), SIZES)
PROMPT = torch.arange(5)[None]


def groups_of(module: ModuleType, length: int = 64) -> list[list[int]]:
    """Positions that each pass reveals, in a run of blocks of 32."""
    network = consumers.Network()
    tokens, stages = module.generate_scheduled(
        network, PROMPT, gen_length=length, block_length=32, scheduler="dilated", remasking="none"
    )
    assert not (tokens == consumers.MASK).any()
    found = consumers.blocks_of(network.reveals(tokens)[0], 5)
    for stage, group in enumerate(found):
        assert (stages[0, 5:][group] == stage).all()
    return found


def expected(schedule: UnmaskingSchedule, blocks: int = 2) -> list[list[int]]:
    return [
        sorted(block * schedule.length + position for position in group)
        for block in range(blocks)
        for group in schedule.groups()
    ]


def test_the_sampler_itself_is_the_reference() -> None:
    assert groups_of(consumers.dus(), 32) == [list(group) for group in dilated_groups(32)]


def test_a_schedule_is_followed() -> None:
    module = consumers.dus()
    dus.install(module, SHORT)
    assert groups_of(module) == expected(SHORT)


def test_the_merge_would_corrupt_it() -> None:
    module = consumers.dus()
    module.dilated_unmask_levels = dus.unmask_levels(SHORT)
    assert [len(group) for group in groups_of(module, 32)] == [1, 1, 2, 4, 8, 16]


def test_remasking_would_leave_masks() -> None:
    module = consumers.dus()
    dus.install(module, SHORT)
    tokens, _ = module.generate_scheduled(
        consumers.Network(),
        PROMPT,
        gen_length=32,
        block_length=32,
        scheduler="dilated",
        confidence_threshold=0.9,
    )
    assert (tokens == consumers.MASK).any()


@given(ordered_partitions(12))
@settings(max_examples=50)
def test_levels_are_sorted_groups_at_their_place(groups: tuple[tuple[int, ...], ...]) -> None:
    order = Order("explicit", permutation=tuple(p for group in groups for p in group))
    schedule = UnmaskingSchedule(12, order, tuple(map(len, groups)))
    levels = dus.keep_last_level(dus.unmask_levels(schedule)(100, 111, 2, 1))
    assert levels == [[100 + p for p in sorted(group)] for group in groups]


def test_each_block_gets_levels_of_its_own() -> None:
    levels = dus.unmask_levels(dus_schedule(8))
    first = levels(0, 7, 2, 1)
    first[0].append(99)
    assert levels(0, 7, 2, 1)[0] == [0, 4]


def test_a_random_order_is_drawn_once() -> None:
    schedule = UnmaskingSchedule(32, Order("random"), (4, 28))
    with pytest.raises(UsageError, match="order: random in the schedule, DUS's sampler needs pos"):
        dus.unmask_levels(schedule)
    module = consumers.dus()
    with pytest.warns(UserWarning, match="here drawn once with seed 7 for all blocks and texts"):
        dus.install(module, schedule, seed=7)
    found = groups_of(module)
    assert [len(group) for group in found] == [4, 28, 4, 28]
    assert [p + 32 for p in found[0]] == found[2]


def test_a_planner_is_refused() -> None:
    with pytest.raises(UsageError, match="order: margin in the schedule, which depends on values"):
        dus.unmask_levels(UnmaskingSchedule(4, Order("margin"), (2, 2)))


def test_a_block_of_another_length() -> None:
    module = consumers.dus()
    dus.install(module, dus_schedule(16))
    with pytest.raises(UsageError, match="block_length: the schedule is for 16 positions, got 32"):
        groups_of(module)


def test_another_module_is_refused() -> None:
    with pytest.raises(UsageError, match="module generate has no dilated_unmask_levels and no mer"):
        dus.install(consumers.llada(), SHORT)
