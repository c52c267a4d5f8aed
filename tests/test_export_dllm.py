"""dLLM's sampler with the exported scheduler reveals exactly the sizes of the schedule."""

from __future__ import annotations

import export_consumers as consumers
import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from strategies import compositions

from schedopt.errors import UsageError
from schedopt.exporters.dllm import TableAlpha, alpha
from schedopt.schedule import Order, UnmaskingSchedule

PROMPT = torch.arange(10).view(2, 5)


@given(st.integers(1, 64).flatmap(compositions))
@settings(max_examples=100)
def test_every_schedule_is_reproduced(sizes: tuple[int, ...]) -> None:
    masked = torch.ones(2, sum(sizes), dtype=torch.bool)
    numbers = consumers.dllm_numbers(masked, len(sizes), TableAlpha(sizes))
    assert numbers.tolist() == [list(sizes), list(sizes)]


def test_long_blocks_are_reproduced() -> None:
    rng = np.random.default_rng(0)
    for steps in (1, 3, 500, 2000):
        cuts = np.sort(rng.choice(np.arange(1, 50_000), steps - 1, replace=False))
        sizes = tuple(np.diff([0, *cuts, 50_000]).tolist())
        masked = torch.ones(1, 50_000, dtype=torch.bool)
        numbers = consumers.dllm_numbers(masked, steps, TableAlpha(sizes))
        assert tuple(numbers[0].tolist()) == sizes


@given(st.integers(1, 40).flatmap(compositions), st.integers(1, 40))
@settings(max_examples=60)
def test_partly_filled_blocks_end_without_masks(sizes: tuple[int, ...], masked: int) -> None:
    masks = torch.arange(sum(sizes))[None] < masked
    numbers = consumers.dllm_numbers(masks, len(sizes), TableAlpha(sizes))
    assert numbers.sum() == masks.sum()


@given(st.integers(1, 30).flatmap(compositions))
@settings(max_examples=40)
def test_alpha_is_the_share_that_is_known(sizes: tuple[int, ...]) -> None:
    table, steps = TableAlpha(sizes), len(sizes)
    for done in range(steps + 1):
        known = sum(sizes[:done]) / sum(sizes)
        assert table(1 - done / steps) == pytest.approx(known, abs=1e-12)
    for done in range(steps):
        t, s = (steps - done) / steps, (steps - done - 1) / steps
        share = (1 - table.alpha(s)) / (1 - table.alpha(t))
        assert table.reverse_mask_prob(s=s, t=t) == pytest.approx(share, abs=1e-9)


@pytest.mark.parametrize("order", ["confidence", "random"])
def test_the_sampler(order: str) -> None:
    sizes = (1, 2, 9, 4)
    schedule, network = UnmaskingSchedule(16, Order(order), sizes), consumers.Network()
    if order == "random":
        with pytest.warns(UserWarning, match='order: random in the schedule; pass remasking="ra'):
            scheduler = alpha(schedule)
    else:
        scheduler = alpha(schedule)
    sampler = consumers.MDLMSampler(model=network, tokenizer=None, scheduler=scheduler)
    how = "random" if order == "random" else "low_confidence"
    tokens = sampler.sample(PROMPT, steps=12, max_new_tokens=48, block_size=16, remasking=how)
    found = [[len(group) for group in row] for row in network.reveals(tokens)]
    assert found == 2 * [3 * list(sizes)]
    assert not (tokens == consumers.MASK).any()


def test_a_last_block_that_is_not_full() -> None:
    network = consumers.Network()
    sampler = consumers.MDLMSampler(
        model=network, tokenizer=None, scheduler=TableAlpha((1, 2, 9, 4))
    )
    tokens = sampler.sample(PROMPT, steps=8, max_new_tokens=20, block_size=16)
    assert not (tokens == consumers.MASK).any()
    found = [len(group) for group in network.reveals(tokens)[0]]
    assert found == [1, 2, 9, 4, 1, 2, 1]  # in proportion, 0.25 of 1 rounded to none


@pytest.mark.parametrize("steps", [3, 5, 8, 12])
def test_another_number_of_steps_is_refused(steps: int) -> None:
    masked = torch.ones(1, 16, dtype=torch.bool)
    with pytest.raises(UsageError, match="is not one of the schedule's 4 steps a block"):
        consumers.dllm_numbers(masked, steps, TableAlpha((1, 2, 9, 4)))


@pytest.mark.parametrize("time", [-0.1, 1.1, float("nan")])
def test_times_out_of_range(time: float) -> None:
    with pytest.raises(UsageError, match=r"t: need a time in 0\.\.1"):
        TableAlpha((1, 2)).alpha(time)


@pytest.mark.parametrize("sizes", [(), (2, 0)])
def test_sizes_that_are_none(sizes: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="sizes: need at least one, each >= 1"):
        TableAlpha(sizes)


def test_blocks_with_sizes_of_their_own_are_refused() -> None:
    schedule = UnmaskingSchedule(4, Order("confidence"), (2, 2), blocks=((1, 3), (3, 1)))
    with pytest.raises(UsageError, match="blocks: the schedule lists blocks with sizes of their"):
        alpha(schedule)
