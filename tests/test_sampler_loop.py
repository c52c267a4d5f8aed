"""The loop: what is revealed when, from where it starts, where it ends, and what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from numpy.typing import NDArray
from sampler_cases import certain, groups_of, policies_for, teacher_forced
from strategies import random_table, unmasking_schedules
from torch import Tensor

from schedopt.errors import InputError, MissingModelError, UsageError
from schedopt.models import CallableDenoiser, LawDenoiser, load_model
from schedopt.samplers import (
    GIVEN,
    PAST_END,
    Policy,
    SchedulePolicy,
    policy_for,
    sample,
    unmask,
)
from schedopt.samplers.active import ActiveBlocks, Bools
from schedopt.samplers.fills import drawn_tokens, greedy_tokens
from schedopt.samplers.policies import Chooser
from schedopt.schedule import LONGEST, Order, UnmaskingSchedule
from schedopt.sizes import dus_schedule

MASK = 2  # of laws of bits


class Watched(LawDenoiser):
    """Keeps the number of rows and of queries of each pass."""

    def __init__(self, table: NDArray[np.float64]) -> None:
        super().__init__(table)
        self.asked: list[tuple[int, int]] = []

    def log_probs(self, tokens: Tensor, queries: Tensor) -> Tensor:
        self.asked.append((len(tokens), int(queries.sum())))
        return super().log_probs(tokens, queries)


def uniform_bits(length: int) -> LawDenoiser:
    return LawDenoiser(np.full((2,) * length, 0.5**length))


@st.composite
def infillings(draw: st.DrawFn) -> tuple[UnmaskingSchedule, int, list[int]]:
    """A schedule, a number of blocks, and which positions are known at first."""
    schedule = draw(unmasking_schedules(max_n=4))
    blocks = draw(st.integers(1, 3))
    length = blocks * schedule.length
    known = sorted(draw(st.sets(st.integers(0, length - 1))))
    return schedule, blocks, known


@settings(max_examples=150)
@given(infillings(), st.integers(0, 3))
def test_stateless_rule(case: tuple[UnmaskingSchedule, int, list[int]], row: int) -> None:
    """Blocks from the left; in each, the groups less what is known, and no pass for an empty one;
    a planner reveals what brings it to the next boundary."""
    schedule, blocks, known = case
    if schedule.models is not None:
        schedule = UnmaskingSchedule(schedule.length, schedule.order, schedule.step_sizes)
    n, length = schedule.length, blocks * schedule.length
    tokens = torch.full((1, length), MASK)
    tokens[0, known] = 1
    done = unmask(
        uniform_bits(length), tokens, SchedulePolicy(schedule), greedy_tokens, rows=[row], seed=9
    )
    found = groups_of(done.revealed_at[0]) if len(known) < length else []
    assert (done.revealed_at[0] == GIVEN).nonzero()[0].tolist() == known
    assert int(done.nfe[0]) == len(found)
    for block in range(blocks):
        here = set(range(block * n, (block + 1) * n)) - set(known)
        sizes = list(schedule.sizes_of_block(block))
        if schedule.order.is_fixed:
            groups = [{block * n + p for p in g} & here for g in schedule.groups(block=block)]
            wanted = [sorted(group) for group in groups if group]
            assert found[: len(wanted)] == wanted
            found = found[len(wanted) :]
        elif schedule.order.is_planner:
            boundaries = np.cumsum([0, *sizes])
            while here:
                m = n - len(here)
                reveal = next(b for b in boundaries if b > m) - m
                # Every position is as sure as any other here: ties go to the left.
                assert found.pop(0) == sorted(here)[:reveal]
                here -= set(sorted(here)[:reveal])
        else:
            revealed = 0
            while here:
                step = found.pop(0)
                assert set(step) <= here
                here -= set(step)
                revealed += 1
                assert len(step) <= max(sizes)
            assert revealed <= len(sizes)
    assert found == []


def test_random_groups_have_the_sizes_of_the_schedule() -> None:
    schedule = UnmaskingSchedule(4, Order("random"), (1, 1, 2), blocks=((4,), (3, 1)))
    samples = sample(uniform_bits(12), schedule, length=12, count=20)
    orders = set()
    for steps in samples.revealed_at:
        sizes = [len(group) for group in groups_of(np.array(steps))]
        assert sizes == [4, 3, 1, 1, 1, 2]
        orders.add(steps)
    assert len(orders) > 10  # of 48
    assert set(samples.nfe) == {6}


def test_a_pass_is_only_asked_for_what_it_reveals() -> None:
    law = Watched(random_table(2, 8, seed=0))
    done = teacher_forced(law, law.outcomes[:3], SchedulePolicy(dus_schedule(8)))
    assert law.asked == [(3, 6), (3, 6), (3, 12)]
    assert done.nfe.tolist() == [3, 3, 3]
    law.asked.clear()  # a planner looks at all masked positions, once a pass
    teacher_forced(law, law.outcomes[:3], policy_for("entropy", block_length=8, steps=2))
    assert law.asked == [(3, 24), (3, 12)]


def test_rows_that_are_done_leave_the_batch() -> None:
    law = Watched(random_table(2, 6, seed=3))
    tokens = torch.full((3, 6), MASK)
    tokens[1, :3] = 0
    tokens[2] = 1
    policy = policy_for("left_to_right", block_length=6, steps=6)
    done = unmask(law, tokens, policy, greedy_tokens)
    assert [rows for rows, _ in law.asked] == [2, 2, 2, 1, 1, 1]
    assert done.nfe.tolist() == [6, 3, 0]
    assert done.revealed_at.tolist()[1:] == [[-1, -1, -1, 0, 1, 2], [-1] * 6]


@pytest.mark.parametrize("policy", policies_for(3), ids=lambda policy: policy.label)
def test_rows_do_not_depend_on_the_batch(policy: Policy) -> None:
    law = LawDenoiser(random_table(2, 6, seed=2))
    together = sample(law, policy, length=6, count=9, seed=4)
    for batch_size in (1, 4):
        assert sample(law, policy, length=6, count=9, seed=4, batch_size=batch_size) == together
    assert sample(law, policy, length=6, count=9, seed=5) != together


def test_rows_of_a_network_do_not_depend_on_the_batch() -> None:
    model = load_model("tiny")
    schedule = UnmaskingSchedule(8, Order("random"), (2, 3, 3))
    together = sample(model, schedule, prompt="for x in ", length=16, count=5)
    assert sample(model, schedule, prompt="for x in ", length=16, count=5, batch_size=2) == together
    assert model.mask_id not in np.array(together.tokens)
    assert together.texts is not None
    assert all(text.startswith("for x in ") for text in together.texts)


def test_prompts_of_different_lengths() -> None:
    model = load_model("tiny")
    policy = policy_for("dilated", block_length=8, steps=2)
    prompts = ["def f(x):", "", "import", [100, 101, 102]]
    samples = sample(model, policy, prompt=prompts, count=2)
    assert [len(row) for row in samples.tokens] == [17, 17, 8, 8, 14, 14, 11, 11]
    for row, prompt in enumerate(p for p in prompts for _ in range(2)):
        ids = list(prompt.encode() if isinstance(prompt, str) else prompt)
        assert list(samples.tokens[row][: len(ids)]) == ids
        assert samples.revealed_at[row][: len(ids)] == (GIVEN,) * len(ids)
        assert groups_of(np.array(samples.revealed_at[row][len(ids) :])) == [
            [0, 2, 4, 6],
            [1, 3, 5, 7],
        ]
    # A row is the same whatever stands beside it.
    alone = sample(model, policy, prompt=prompts[0], count=2)
    assert alone.tokens == samples.tokens[:2]


def test_a_list_of_one_prompt_is_that_prompt() -> None:
    model = load_model("tiny")
    policy = policy_for("dilated", block_length=4, steps=2)
    assert sample(model, policy, prompt=["ab"]) == sample(model, policy, prompt="ab")
    assert sample(model, policy, prompt=[97, 98]) == sample(model, policy, prompt="ab")
    assert sample(model, policy, prompt=[]) == sample(model, policy)


def test_infilling_keeps_what_is_given() -> None:
    law = certain([0, 1, 1, 0, 1, 0], symbols=2)
    policy = policy_for("dilated", block_length=6, steps=3)  # 0 3, 1 4, 2 5
    samples = sample(law, policy, tokens=[0, MASK, MASK, 0, MASK, 0])
    assert samples.tokens == ((0, 1, 1, 0, 1, 0),)
    assert samples.revealed_at == ((-1, 0, 1, -1, 0, -1),)
    assert samples.nfe == (2,)
    assert samples.texts is None
    known = sample(law, policy, tokens=[0, 1, 1, 0, 1, 0])
    assert (known.tokens, known.nfe) == (samples.tokens, (0,))


def test_blocks_start_after_the_prompt() -> None:
    law = certain([0, 1, 1, 0, 1], symbols=2)
    policy = policy_for("left_to_right", block_length=2, steps=1)
    samples = sample(law, policy, prompt=[0], length=4)
    assert samples.revealed_at == ((-1, 0, 0, 1, 1),)
    assert samples.tokens == ((0, 1, 1, 0, 1),)


# The end of a text

EOS = 2
ENDING = [0, 1, EOS, 0, 1, EOS, 0, 1]


def test_a_row_ends_where_everything_before_is_revealed() -> None:
    law = certain(ENDING, symbols=3, eos_id=EOS)
    # All positions are equally sure, so that the leftmost is next: the end comes third.
    planned = sample(law, policy_for("confidence", block_length=8, steps=8))
    assert planned.tokens == ((0, 1, *[EOS] * 6),)
    assert planned.revealed_at == ((0, 1, 2, *[PAST_END] * 5),)
    assert planned.nfe == (3,)


def test_a_schedule_looks_for_the_end_after_a_block() -> None:
    """Every pass of the block was made, and counts; what it gave after the end does not."""
    law = certain(ENDING, symbols=3, eos_id=EOS)
    scan = sample(law, policy_for("left_to_right", block_length=8, steps=8))
    assert scan.tokens == ((0, 1, *[EOS] * 6),)
    assert scan.revealed_at == ((0, 1, 2, *[PAST_END] * 5),)
    assert scan.nfe == (8,)
    # 0 4 2 6 1: the end token comes third, but position 1 before it only fifth.
    dilated = sample(law, policy_for("dilated", block_length=8, steps=8))
    assert dilated.tokens == scan.tokens
    assert dilated.revealed_at == ((0, 4, 2, *[PAST_END] * 5),)
    short = sample(law, policy_for("left_to_right", block_length=2, steps=2), length=8)
    assert (short.tokens, short.nfe) == (scan.tokens, (4,))
    assert short.revealed_at == scan.revealed_at


def test_a_row_that_is_revealed_at_once_ends_all_the_same() -> None:
    law = certain(ENDING, symbols=3, eos_id=EOS)
    done = sample(law, policy_for("random", block_length=8, steps=1))
    assert done.tokens == ((0, 1, *[EOS] * 6),)
    assert done.revealed_at == ((0, 0, 0, *[PAST_END] * 5),)
    assert done.nfe == (1,)


def test_blocks_after_the_end_cost_nothing() -> None:
    law = certain(ENDING, symbols=3, eos_id=EOS)
    done = sample(law, policy_for("dilated", block_length=4, steps=2), length=8)
    assert done.nfe == (2,)
    assert done.revealed_at == ((0, 1, 0, *[PAST_END] * 5),)


def test_a_model_without_an_end_token_never_stops() -> None:
    done = sample(certain(ENDING, symbols=3), policy_for("left_to_right", block_length=8, steps=8))
    assert done.tokens == (tuple(ENDING),)
    assert done.nfe == (8,)


def test_a_given_end_token_ends_nothing() -> None:
    law = certain(ENDING, symbols=3, eos_id=EOS)
    policy = policy_for("left_to_right", block_length=1, steps=1)
    done = sample(law, policy, prompt=ENDING[:3], length=5)
    assert done.tokens == ((*ENDING[:5], EOS, EOS, EOS),)
    # Nor does a sampled one before a given token: that would cut the text off from it.
    filled = sample(law, policy, tokens=[3, 3, 3, 3, 1, 3, 3, 3])
    assert filled.tokens == ((*ENDING[:5], EOS, EOS, EOS),)
    assert filled.revealed_at == ((0, 1, 2, 3, GIVEN, 4, PAST_END, PAST_END),)


@pytest.mark.parametrize("name", ["dilated", "entropy"])
def test_rows_that_end_at_different_times(name: str) -> None:
    table = random_table(3, 6, seed=7)
    law = LawDenoiser(table)
    law.eos_id = EOS
    policy = policy_for(name, block_length=2, steps=2)
    together = sample(law, policy, length=6, count=12)
    assert len(set(together.nfe)) >= 3
    for tokens, revealed_at, nfe in zip(
        together.tokens, together.revealed_at, together.nfe, strict=True
    ):
        if EOS in tokens:
            assert set(tokens[tokens.index(EOS) :]) == {EOS}
            assert set(revealed_at[tokens.index(EOS) + 1 :]) <= {PAST_END}
        assert nfe >= 1 + max(revealed_at)
    assert sample(law, policy, length=6, count=12, batch_size=1) == together


def test_past_the_end_nothing_is_scored() -> None:
    law = certain(ENDING, symbols=3, eos_id=EOS)
    policy = policy_for("dilated", block_length=8, steps=4)
    canvas = torch.full((1, 8), law.mask_id)
    done = unmask(law, canvas, policy, greedy_tokens, eos_id=EOS)
    assert done.nll.tolist() == [[0.0] * 8]
    uniform = LawDenoiser(np.full((3,) * 4, 3.0**-4))
    ends = torch.tensor([[0.99, 0.0, 0.99, 0.99]], dtype=torch.float64)
    policy = policy_for("left_to_right", block_length=4, steps=2)
    done = unmask(uniform, canvas[:, :4], policy, drawn_tokens(1.0, ends), eos_id=EOS)
    assert done.revealed_at.tolist() == [[0, PAST_END, PAST_END, PAST_END]]
    assert done.nll[0].tolist() == pytest.approx([np.log(3), 0, 0, 0])
    assert done.nfe.tolist() == [2]


# Drawing


def test_greedy_takes_the_likeliest_and_the_lowest_of_ties() -> None:
    rows = torch.tensor([[0.2, 0.4, 0.4], [0.5, 0.5, 0.0], [0.0, 0.1, 0.9]]).log()
    zeros = torch.zeros(3, dtype=torch.int64)
    fill = drawn_tokens(0.0, torch.zeros((1, 3), dtype=torch.float64))
    assert fill(rows, zeros, torch.arange(3)).tolist() == [1, 0, 2]


def test_drawing_inverts_the_distribution_function() -> None:
    probabilities = [0.0, 0.25, 0.0, 0.5, 0.25, 0.0]
    uniforms = [0.0, 0.2499, 0.25, 0.7499, 0.75, np.nextafter(1.0, 0.0)]
    rows = torch.tensor([probabilities] * 6, dtype=torch.float64).log()
    fill = drawn_tokens(1.0, torch.tensor([uniforms], dtype=torch.float64))
    found = fill(rows, torch.zeros(6, dtype=torch.int64), torch.arange(6))
    assert found.tolist() == [1, 1, 3, 3, 4, 4]


@given(st.floats(0.0, 1.0, exclude_max=True), st.integers(0, 10_000))
def test_nothing_impossible_is_drawn(uniform: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.random(7) * (rng.random(7) < 0.5)
    weights[rng.integers(7)] = 1.0
    log_probs = torch.from_numpy(weights / weights.sum()).log()[None]
    zero = torch.zeros(1, dtype=torch.int64)
    for temperature in (1e-300, 0.3, 1.0, 1e300):
        fill = drawn_tokens(temperature, torch.tensor([[uniform]], dtype=torch.float64))
        assert weights[int(fill(log_probs, zero, zero)[0])] > 0.0


# What is refused


@dataclass(frozen=True)
class Stubborn:
    """Chooses the same positions of the block whatever is masked."""

    positions: tuple[int, ...]
    label: str = "stubborn"
    block_length: int = 4
    models: int = 1
    foreseen: bool = True

    def chooser(self, rows: Sequence[int], blocks: int, seed: int) -> Chooser:
        def choose(active: ActiveBlocks) -> Bools:
            chosen = np.zeros(active.masked.shape, dtype=np.bool_)
            chosen[:, list(self.positions)] = True
            return chosen

        return choose


@pytest.mark.parametrize("positions", [(), (0, 1), (1,)])
def test_a_policy_that_breaks_the_rules(positions: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="'stubborn' must choose one masked position"):
        unmask(uniform_bits(4), torch.tensor([[2, 1, 2, 2]]), Stubborn(positions), greedy_tokens)


def test_a_mask_before_the_start() -> None:
    policy = policy_for("dus", block_length=2)
    with pytest.raises(UsageError, match="position before 2: need given tokens"):
        unmask(uniform_bits(4), torch.tensor([[2, 1, 2, 2]]), policy, greedy_tokens, start=2)


def test_a_model_that_emits_its_mask() -> None:
    class Broken(LawDenoiser):
        def log_probs(self, tokens: Tensor, queries: Tensor) -> Tensor:
            return torch.zeros((int(queries.sum()), 3)).log_softmax(dim=-1)

    law = Broken(np.full((2, 2), 0.25))
    with pytest.raises(InputError, match="mask token 2"):
        sample(law, dus_schedule(2), count=50)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 6}, "positive multiple of the block length 4 of 'dilated', got 6"),
        ({"length": 0}, "positive multiple of the block length 4 of 'dilated', got 0"),
        ({"tokens": [1, 258]}, "token 1: need 0..257, got 258"),
        ({"tokens": [1, 257]}, "positive multiple of the block length 4"),
        ({"tokens": [257] * 4, "length": 8}, "there are 4, but length is 8"),
        ({"prompt": [97, 257]}, "prompt: token 1 is the mask token 257"),
        ({"prompt": [97, -1]}, "token 1: need 0..257, got -1"),
        ({"prompt": "x" * 253}, "sequence of 257 tokens: this model takes at most 256"),
        ({"prompt": ["x", "x" * 253]}, "sequence of 257 tokens: this model takes at most 256"),
        ({"length": 260}, "sequence of 260 tokens: this model takes at most 256"),
        ({"temperature": -0.1}, "temperature: need a finite number >= 0, got -0.1"),
        ({"temperature": float("inf")}, "temperature: need a finite number >= 0, got inf"),
        ({"temperature": float("nan")}, "temperature: need a finite number >= 0, got nan"),
        ({"count": 0}, "count: need a whole number >= 1, got 0"),
        ({"batch_size": 0}, "batch_size: need a whole number >= 1, got 0"),
        ({"seed": -1}, "seed: need a whole number >= 0, got -1"),
        ({"seed": 1.5}, "seed: need a whole number >= 0, got 1.5"),
        ({"count": 1.5}, "count: need a whole number >= 1, got 1.5"),
        ({"count": True}, "count: need a whole number >= 1, got True"),
        ({"batch_size": 2.0}, "batch_size: need a whole number >= 1, got 2.0"),
        ({"length": 4.0}, "length: need a whole number of positions, got 4.0"),
        ({"prompt": [97, 1.5]}, "prompt[1]: need a token id, a whole number, got 1.5"),
        ({"prompt": [[97], [1.0]]}, "prompt[0]: need a token id, a whole number, got 1.0"),
        ({"tokens": [257, 257, None, 1]}, "tokens[2]: need a token id, a whole number, got None"),
        ({"length": 4 * 10**15}, f"sequence of {4 * 10**15} tokens: this model takes at most 256"),
    ],
)
def test_refused_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        sample("tiny-light", dus_schedule(4), **options)
    assert message in str(caught.value)


@pytest.mark.parametrize(("length", "nearest"), [(1, 4), (6, 8), (9, 8), (15, 16)])
def test_a_length_that_fits_is_told(length: int, nearest: int) -> None:
    with pytest.raises(UsageError) as caught:
        sample("tiny-light", dus_schedule(4), length=length)
    assert caught.value.hint == f"take a length of {nearest}, or blocks that divide {length}"
    assert len(sample("tiny-light", dus_schedule(4), length=nearest).tokens[0]) == nearest
    with pytest.raises(UsageError) as caught:
        sample("tiny-light", dus_schedule(4), length=-3)
    assert caught.value.hint == "take a length of 4"


def test_a_law_takes_its_own_length_only() -> None:
    with pytest.raises(UsageError, match="sequence of 2 tokens: this model takes exactly 4"):
        sample(uniform_bits(4), dus_schedule(2))


def test_a_model_without_a_limit_takes_what_fits_in_memory() -> None:
    unsure = torch.zeros(4, 3)
    endless = CallableDenoiser(lambda tokens: unsure, mask_id=2, vocab_size=3)
    assert endless.max_length is None
    with pytest.raises(UsageError) as caught:
        sample(endless, dus_schedule(4), length=4 * 10**15)
    message = f"sequence of {4 * 10**15} tokens: this model takes at most {LONGEST}"
    assert str(caught.value) == message


def test_token_ids_may_be_numbers_of_any_kind() -> None:
    prompts: list[Any] = [[97, 98], np.array([97, 98]), torch.tensor([97, 98]), [97, np.int64(98)]]
    rows = {sample("tiny-light", dus_schedule(4), prompt=prompt).tokens for prompt in prompts}
    assert len(rows) == 1


def test_a_text_needs_a_tokenizer() -> None:
    with pytest.raises(UsageError, match="no tokenizer"):
        sample(uniform_bits(4), dus_schedule(2), prompt="ab")


def test_a_schedule_for_two_models() -> None:
    schedule = UnmaskingSchedule(4, Order("random"), (2, 2), models=(0, 1))
    with pytest.raises(MissingModelError, match="there is no model 1"):
        sample(uniform_bits(4), schedule)
    alone = UnmaskingSchedule(4, Order("random"), (2, 2), models=(0, 0))
    assert sample(uniform_bits(4), alone).nfe == (2,)
