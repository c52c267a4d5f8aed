"""LLaDA's loop with the exported table reveals what the schedule says, in every block."""

from __future__ import annotations

from typing import Any

import export_consumers as consumers
import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from strategies import compositions

from schedopt.errors import UsageError
from schedopt.exporters.llada import num_transfer_tokens, transfer_table
from schedopt.models import CallableDenoiser
from schedopt.samplers import sample
from schedopt.schedule import Order, UnmaskingSchedule

SIZES = (1, 1, 2, 8, 3, 1)
PROMPT = torch.arange(10).view(2, 5)
CONFIDENCE = UnmaskingSchedule(16, Order("confidence"), SIZES)


def run(
    schedule: UnmaskingSchedule, *, stops: bool = False, **options: Any
) -> tuple[consumers.Network, torch.Tensor]:
    """Three blocks of the schedule in LLaDA's loop."""
    module, network = consumers.llada(stops=stops), consumers.Network()
    module.get_num_transfer_tokens = transfer_table(schedule, **options)
    width = len(num_transfer_tokens(schedule, 3)[0])
    how = "random" if schedule.order.name == "random" else "low_confidence"
    tokens = module.generate(
        network, PROMPT, steps=3 * width, gen_length=48, block_length=16, remasking=how
    )
    return network, tokens


def counts(network: consumers.Network, tokens: torch.Tensor) -> list[list[int]]:
    return [[len(group) for group in row] for row in network.reveals(tokens)]


def test_confidence() -> None:
    network, tokens = run(CONFIDENCE)
    assert counts(network, tokens) == 2 * [3 * list(SIZES)]
    assert not (tokens == consumers.MASK).any()


def test_the_loop_gives_the_tokens_of_our_own_sampler() -> None:
    _, tokens = run(CONFIDENCE)
    model = CallableDenoiser(
        consumers.Network(), mask_id=consumers.MASK, vocab_size=consumers.VOCABULARY
    )
    ours = sample(model, CONFIDENCE, prompt=PROMPT.tolist(), length=48, temperature=0.0)
    assert torch.equal(torch.as_tensor(ours.tokens), tokens)


def test_random() -> None:
    schedule = UnmaskingSchedule(16, Order("random"), SIZES)
    with pytest.warns(UserWarning, match='order: random in the schedule; pass remasking="random"'):
        network, tokens = run(schedule)
    assert counts(network, tokens) == 2 * [3 * list(SIZES)]
    rows = network.reveals(tokens)
    assert rows[0] != rows[1]


def test_without_the_table_the_sizes_are_equal() -> None:
    network = consumers.Network()
    tokens = consumers.llada().generate(network, PROMPT, steps=6, gen_length=16, block_length=16)
    assert counts(network, tokens) == 2 * [[3, 3, 3, 3, 2, 2]]


def test_blocks_with_sizes_of_their_own() -> None:
    blocks = ((4, 12), (1, 1, 14))
    schedule = UnmaskingSchedule(16, Order("confidence"), (8, 8), blocks=blocks)
    assert num_transfer_tokens(schedule, 3) == ((4, 12, 0), (1, 1, 14), (8, 8, 0))
    with pytest.warns(UserWarning, match=r"blocks: they have \[2, 3\] steps; LLaDA's loop makes"):
        network, tokens = run(schedule, gen_length=48)
    assert counts(network, tokens) == 2 * [[4, 12, 0, 1, 1, 14, 8, 8, 0]]
    with pytest.warns(UserWarning, match="blocks: they have"):
        network, tokens = run(schedule, gen_length=48, stops=True)  # Fast-dLLM
    assert counts(network, tokens) == 2 * [[4, 12, 1, 1, 14, 8, 8]]


def test_a_second_generation_begins_with_the_first_block_again() -> None:
    schedule = UnmaskingSchedule(4, Order("confidence"), (2, 2), blocks=((1, 3), (3, 1)))
    table = transfer_table(schedule, gen_length=8)
    masked = torch.ones(1, 4, dtype=torch.bool)
    with pytest.raises(UsageError, match="steps: the schedule takes 2 a block, got 3"):
        table(masked, 3)  # a call that is refused is no turn
    found = [table(masked, 2).tolist()[0] for _ in range(4)]
    assert found == [[1, 3], [3, 1], [1, 3], [3, 1]]


def test_blocks_of_their_own_need_to_be_counted() -> None:
    schedule = UnmaskingSchedule(4, Order("confidence"), (2, 2), blocks=((1, 3), (3, 1)))
    with pytest.raises(UsageError, match="so their number is needed") as caught:
        transfer_table(schedule)
    assert caught.value.hint == "gen_length=8"


@given(
    compositions(12),
    st.lists(st.lists(st.booleans(), min_size=12, max_size=12), min_size=1, max_size=4),
)
@settings(max_examples=60)
def test_partly_filled_blocks(sizes: tuple[int, ...], rows: list[list[bool]]) -> None:
    schedule = UnmaskingSchedule(12, Order("confidence"), sizes)
    numbers = transfer_table(schedule)(torch.tensor(rows), len(sizes))
    assert numbers.dtype == torch.int64
    for masked, found in zip(rows, numbers.tolist(), strict=True):
        known, expected = 12 - sum(masked), []
        for end in schedule.boundaries[1:]:
            if end > known:
                expected.append(end - known)
                known = end
        assert found == expected + [0] * (len(sizes) - len(expected))


def test_an_order_that_the_loop_does_not_follow() -> None:
    schedule = UnmaskingSchedule(16, Order("dilated"), SIZES)
    with pytest.raises(UsageError, match="order: dilated in the schedule, but LLaDA's loop"):
        transfer_table(schedule)
    with pytest.warns(UserWarning, match="order: dilated in the schedule"):
        network, tokens = run(schedule, sizes_only=True)
    assert counts(network, tokens) == 2 * [3 * list(SIZES)]


def test_a_block_of_another_length() -> None:
    with pytest.raises(UsageError, match="block_length: the schedule is for 16 positions, got 8"):
        transfer_table(CONFIDENCE)(torch.ones(1, 8, dtype=torch.bool), 6)


def test_another_number_of_steps() -> None:
    with pytest.raises(UsageError, match="steps: the schedule takes 6 a block, got 8") as caught:
        transfer_table(CONFIDENCE)(torch.ones(1, 16, dtype=torch.bool), 8)
    assert caught.value.hint == "call generate with steps=6 * gen_length // 16"


def test_a_length_that_is_no_whole_number_of_blocks() -> None:
    with pytest.raises(UsageError, match="block length: 40 positions are no whole number"):
        transfer_table(CONFIDENCE, gen_length=40)
