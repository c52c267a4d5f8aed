"""Whatever the policy and the request: no mask is left, and each position is revealed once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from sampler_cases import random_network
from strategies import unmasking_schedules
from torch import Tensor

from schedopt.errors import InputError, UsageError
from schedopt.models import LawDenoiser, NetworkDenoiser, load_model
from schedopt.models.denoiser import NO_TOKEN
from schedopt.samplers import (
    GIVEN,
    PAST_END,
    POLICY_NAMES,
    Policy,
    SchedulePolicy,
    policy_for,
    sample,
    takes_steps,
    unmask,
)
from schedopt.samplers.fills import drawn_tokens
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.sizes import dus_schedule

VOCABULARY = 5
MASK = VOCABULARY - 1
MODELS = [random_network(vocab_size=VOCABULARY, seed=seed) for seed in range(4)]

SPELLINGS = (
    *POLICY_NAMES,
    "random,sizes=cosine",
    "confidence,sizes=square,spacing=2",
    "margin,gate=0.6",
    "dilated,gate=0.9",
    "dus,gate=0.9",
    "eb:0.5,rank=dilated,cap=2",
    "eb:0.01,rank=margin,floor=2",
    "threshold:0.3,spacing=2",
    "factor:0.5,rank=left_to_right",
    "klass:0.3,eps=0.5",
    "entropy_sum:2,cap=1",
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Policies by name with keys, and schedules of every order, also of several models."""
    if draw(st.booleans()):
        schedule = draw(unmasking_schedules(max_n=6))
        return SchedulePolicy(schedule)
    length = draw(st.integers(2, 6))
    spelling = draw(st.sampled_from(SPELLINGS))
    steps = draw(st.integers(1, length)) if takes_steps(spelling) else None
    return policy_for(spelling, block_length=length, steps=steps)


@st.composite
def batches(draw: st.DrawFn, length: int) -> Tensor:
    """Prompts at the left of which there is no token, then positions of which some are given."""
    rows = draw(st.integers(1, 4))
    start = draw(st.integers(0, 4))
    tokens = draw(
        st.lists(
            st.lists(st.integers(0, MASK), min_size=start + length, max_size=start + length),
            min_size=rows,
            max_size=rows,
        )
    )
    batch = torch.tensor(tokens).reshape(rows, start + length)
    batch[:, :start] %= MASK  # a prompt is known
    for row in range(rows):
        batch[row, : draw(st.integers(0, start))] = NO_TOKEN
    return batch


class Once:
    """A fill that counts how often each position gets a token."""

    def __init__(self, shape: torch.Size, temperature: float) -> None:
        rng = np.random.default_rng(8)
        self.inner = drawn_tokens(temperature, torch.from_numpy(rng.random(shape)))
        self.seen: Counter[tuple[int, int]] = Counter()

    def __call__(self, log_probs: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        self.seen.update(zip(rows.tolist(), columns.tolist(), strict=True))
        return self.inner(log_probs, rows, columns)


@settings(max_examples=150)
@given(
    st.data(),
    policies(),
    st.integers(1, 2),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([0.0, 2.0]),
    st.none() | st.integers(0, MASK - 1),
    st.booleans(),
)
def test_no_mask_is_left_and_each_position_is_revealed_once(
    data: st.DataObject,
    policy: Policy,
    blocks: int,
    temperature: float,
    guidance: float,
    eos_id: int | None,
    ahead: bool,
) -> None:
    length = blocks * policy.block_length
    batch = data.draw(batches(length))
    start = batch.shape[1] - length
    for model in MODELS:
        model.runs_ahead = ahead
    fill = Once(batch.shape, temperature)
    done = unmask(
        MODELS, batch, policy, fill, start=start, seed=2, eos_id=eos_id, guidance=guidance
    )
    tokens = done.tokens.numpy()
    assert not (tokens == MASK).any()
    masked, known = (batch == MASK).numpy(), (batch != MASK).numpy()
    assert np.array_equal(tokens[known], batch.numpy()[known])
    assert np.array_equal(done.revealed_at == GIVEN, known)
    revealed = done.revealed_at >= 0
    past = done.revealed_at == PAST_END
    for row, column in zip(*np.nonzero(masked), strict=True):
        assert fill.seen[row, column] <= 1
        assert fill.seen[row, column] == 1 or past[row, column]
    assert set(fill.seen) <= set(zip(*np.nonzero(masked), strict=True))
    # Every pass counts, and reveals something, if only something past the end.
    passes_a_step = 2 if guidance else 1
    for row, nfe in enumerate(done.nfe):
        steps = nfe // passes_a_step
        assert nfe == steps * passes_a_step
        found = set(done.revealed_at[row][revealed[row]].tolist())
        assert found <= set(range(steps))
        if not past[row].any():
            assert found == set(range(steps))
        assert (steps == 0) == (not masked[row].any())
    if eos_id is None:
        assert not past.any()
    else:
        assert (tokens[past] == eos_id).all()
    assert done.passes.shape == (len(batch), len(MODELS))
    assert not done.passes[:, policy.models :].any()
    nll = done.nll.numpy()
    assert (nll[revealed] >= 0).all()
    assert (nll[~revealed] == 0).all()


@settings(max_examples=25)
@given(
    policies(),
    st.lists(st.lists(st.integers(0, MASK - 1), max_size=4), min_size=1, max_size=4),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.8]),
    st.booleans(),
)
def test_a_row_is_the_same_in_every_batch(
    policy: Policy, prompts: list[list[int]], batch_size: int, temperature: float, ahead: bool
) -> None:
    for model in MODELS:
        model.runs_ahead = ahead
    options: dict[str, Any] = {"temperature": temperature, "siblings": MODELS[1:], "seed": 5}
    together = sample(MODELS[0], policy, prompt=prompts, batch_size=batch_size, **options)
    alone = sample(MODELS[0], policy, prompt=prompts, batch_size=1, **options)
    assert together == alone


# One request of each odd kind, and its one outcome


def model_of_length(most: int, *, shift: int = 0, bos_id: int | None = None) -> NetworkDenoiser:
    model = random_network(vocab_size=VOCABULARY)
    model.max_length, model.shift, model.bos_id = most, shift, bos_id
    return model


def test_a_prompt_that_leaves_no_room() -> None:
    with pytest.raises(UsageError, match="sequence of 9 tokens: this model takes at most 8"):
        sample(model_of_length(8), dus_schedule(4), prompt=[1] * 5)
    assert sample(model_of_length(8), dus_schedule(4), prompt=[1] * 4).nfe == (2,)
    with pytest.raises(UsageError, match="sequence of 12 tokens: this model takes at most 8"):
        sample(model_of_length(8), dus_schedule(4), prompt=[[1], [1] * 8])


def test_a_prompt_of_the_length_of_a_block_fills_none() -> None:
    """Blocks begin after the prompt, however long it is."""
    samples = sample(model_of_length(64), dus_schedule(4), prompt=[[1] * n for n in range(9)])
    for given_tokens, row in enumerate(samples.revealed_at):
        assert row[:given_tokens] == (GIVEN,) * given_tokens
        assert row[given_tokens:] == (0, 1, 0, 1)


def test_all_positions_are_given() -> None:
    for name in ("dus", "random", "confidence", "eb"):
        policy = policy_for(name, block_length=4, steps=2 if takes_steps(name) else None)
        samples = sample(MODELS[0], policy, prompt=[3], tokens=[0, 1, 2, 3], count=2, guidance=1.0)
        assert samples.tokens == ((3, 0, 1, 2, 3),) * 2
        assert samples.nfe == (0, 0)
        assert samples.revealed_at == ((GIVEN,) * 5,) * 2


def test_an_empty_prompt() -> None:
    assert sample(MODELS[0], dus_schedule(4)).revealed_at == ((0, 1, 0, 1),)
    begun = sample(model_of_length(8, shift=1, bos_id=2), dus_schedule(4), prompt=["", [1]])
    assert [row[:1] for row in begun.tokens] == [(2,), (1,)]
    with pytest.raises(UsageError, match="no bos_token_id says what to begin with"):
        sample(model_of_length(8, shift=1), dus_schedule(4))


def test_a_prompt_with_a_mask() -> None:
    with pytest.raises(UsageError, match=f"prompt: token 1 is the mask token {MASK}"):
        sample(MODELS[0], dus_schedule(4), prompt=[1, MASK])


def test_a_token_that_is_none() -> None:
    with pytest.raises(UsageError, match=r"token 0: need 0\.\.4, got -1"):
        sample(MODELS[0], dus_schedule(4), tokens=[NO_TOKEN, 1, MASK, MASK])


def test_a_schedule_of_another_length() -> None:
    with pytest.raises(UsageError, match="multiple of the block length 4 of 'dilated', got 6"):
        sample(MODELS[0], dus_schedule(4), length=6)
    with pytest.raises(UsageError, match="multiple of the block length 8 of 'dilated', got 4"):
        sample(MODELS[0], dus_schedule(8), tokens=[MASK] * 4)


def test_sequences_of_other_lengths_do_not_suit_a_law() -> None:
    law = LawDenoiser(np.full((2,) * 4, 2.0**-4))
    with pytest.raises(UsageError, match="sequence of 3 tokens: this model takes exactly 4"):
        unmask(
            law,
            torch.tensor([[0, 2, 2, 2], [NO_TOKEN, 2, 2, 2]]),
            SchedulePolicy(UnmaskingSchedule(3, Order("random"), (3,))),
            drawn_tokens(0.0, torch.zeros((2, 4))),
            start=1,
        )


def test_a_text_of_true_masks() -> None:
    """A fill that gives a mask is refused, not believed."""

    def fill(log_probs: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        return torch.full_like(columns, MASK)

    for ahead in (False, True):
        MODELS[0].runs_ahead = ahead
        with pytest.raises(InputError, match=f"mask token {MASK}"):
            unmask(MODELS[0], torch.full((1, 4), MASK), SchedulePolicy(dus_schedule(4)), fill)


def test_a_policy_that_is_not_foreseen() -> None:
    """A rule that says so and asks all the same would have been played without the model."""
    policy = policy_for("confidence", block_length=4, steps=2)

    class Boastful:
        label, block_length, models, foreseen = "boastful", 4, 1, True
        chooser = policy.chooser

    with pytest.raises(UsageError, match="'boastful' says that its steps are foreseen"):
        sample("tiny", Boastful())


def test_the_bundled_model_never_gives_a_mask() -> None:
    model = load_model("tiny-light")
    samples = sample(model, dus_schedule(32), prompt=["", "import "], count=4, length=64)
    assert model.mask_id not in {token for row in samples.tokens for token in row}
