"""Dream's loop with the hook reveals exactly the schedule's positions and leaves no mask."""

from __future__ import annotations

import math
from typing import Any

import export_consumers as consumers
import pytest
import torch
from hypothesis import given, settings
from strategies import unmasking_schedules

from schedopt.errors import InputError, UsageError
from schedopt.exporters.dream import dream_hook
from schedopt.exporters.hook import DreamHook
from schedopt.models import CallableDenoiser
from schedopt.samplers import sample
from schedopt.samplers.active import SCORES
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.sizes import dus_schedule

PROMPT = torch.arange(10).view(2, 5)
SIZES = (1, 2, 4, 1)


def run(hook: DreamHook, prompt: torch.Tensor = PROMPT) -> tuple[list[Any], torch.Tensor]:
    """The positions of each pass of each row, from the end of the prompt, and the tokens."""
    dream = consumers.Dream()
    tokens = dream.diffusion_generate(prompt, **hook.arguments)
    assert not (tokens == consumers.MASK).any()
    assert torch.equal(tokens[:, : prompt.shape[1]], prompt)
    rows = dream.reveals(tokens)
    # Each token is the likeliest one of the pass that revealed it.
    for asked, step in zip(dream.asked, range(hook.steps), strict=True):
        logits = dream.aligned(asked)
        logits[..., consumers.MASK] = -math.inf
        for row, groups in enumerate(rows):
            if hook.temperature == 0.0:
                best = logits.argmax(-1)[row, groups[step]]
                assert torch.equal(tokens[row, groups[step]], best)
    return [consumers.blocks_of(groups, prompt.shape[1]) for groups in rows], tokens


def groups(schedule: UnmaskingSchedule, blocks: int) -> list[list[int]]:
    return [
        sorted(block * schedule.length + position for position in group)
        for block in range(blocks)
        for group in schedule.groups(block=block)
    ]


@given(unmasking_schedules(max_n=8))
@settings(max_examples=40)
def test_every_schedule(schedule: UnmaskingSchedule) -> None:
    if len(set(schedule.models or (0,))) > 1:
        with pytest.raises(UsageError, match="models: the schedule switches between models"):
            dream_hook(schedule, prompt_length=5)
        return
    hook = DreamHook(schedule, 5, 3 * schedule.length, 0.0, 0)
    found, _ = run(hook)
    sizes = [size for block in range(3) for size in schedule.sizes_of_block(block)]
    for row in found:
        assert list(map(len, row)) == sizes
        if schedule.order.is_fixed:
            assert row == groups(schedule, 3)
        for block in range(3):  # one block after the other
            steps = [len(schedule.sizes_of_block(b)) for b in range(block + 1)]
            mine = row[sum(steps[:-1]) : sum(steps)]
            of_block = range(block * schedule.length, (block + 1) * schedule.length)
            assert sorted(p for group in mine for p in group) == list(of_block)


@pytest.mark.parametrize("name", ["dilated", "confidence", "entropy"])
def test_the_loop_gives_the_tokens_of_our_own_sampler(name: str) -> None:
    schedule = UnmaskingSchedule(8, Order(name), SIZES)
    model = CallableDenoiser(
        consumers.Dream(), mask_id=consumers.MASK, vocab_size=consumers.VOCABULARY, shift=1
    )
    ours = sample(model, schedule, prompt=PROMPT.tolist(), length=24, temperature=0.0)
    _, tokens = run(dream_hook(schedule, prompt_length=5, gen_length=24))
    assert torch.equal(torch.as_tensor(ours.tokens), tokens)


@pytest.mark.parametrize("name", SCORES)
def test_planners_reveal_the_surest_positions(name: str) -> None:
    hook = dream_hook(UnmaskingSchedule(8, Order(name), SIZES), prompt_length=5)
    dream = consumers.Dream()
    tokens = dream.diffusion_generate(PROMPT, **hook.arguments)
    rows = dream.reveals(tokens)
    for step, asked in enumerate(dream.asked):
        logits = dream.aligned(asked)[:, 5:].double()
        logits[..., consumers.MASK] = -math.inf
        for row in range(2):
            scores = SCORES[name](logits[row].log_softmax(-1))
            scores[asked[row, 5:] != consumers.MASK] = -math.inf
            best = scores.topk(SIZES[step]).indices + 5
            assert sorted(best.tolist()) == rows[row][step]


def test_random_orders_differ_by_row_and_by_call_and_come_again() -> None:
    schedule = UnmaskingSchedule(8, Order("random"), SIZES)
    hook = dream_hook(schedule, prompt_length=5, seed=3)
    first, second = run(hook)[0], run(hook)[0]
    assert len({str(row) for row in (*first, *second)}) == 4
    again = dream_hook(schedule, prompt_length=5, seed=3)
    assert [run(again)[0], run(again)[0]] == [first, second]


def test_texts_do_not_depend_on_the_batch() -> None:
    schedule = UnmaskingSchedule(8, Order("random"), SIZES)
    together = run(dream_hook(schedule, prompt_length=5, temperature=1.0))[1]
    hook = dream_hook(schedule, prompt_length=5, temperature=1.0)
    alone = [run(hook, PROMPT[row : row + 1])[1] for row in range(2)]
    assert torch.equal(torch.cat(alone), together)


def test_tokens_are_drawn_at_the_temperature() -> None:
    schedule = UnmaskingSchedule(1, Order("left_to_right"), (1,))
    hook = dream_hook(schedule, prompt_length=5, temperature=2.0, seed=1)
    dream = consumers.Dream()
    prompts = PROMPT[:1].expand(4000, -1)
    tokens = dream.diffusion_generate(prompts, **hook.arguments)[:, -1]
    logits = dream.aligned(dream.asked[0][:1])[0, -1]
    logits[consumers.MASK] = -math.inf
    law = (logits / 2.0).softmax(-1)
    counts = torch.bincount(tokens, minlength=consumers.VOCABULARY) / 4000
    # Total variation of 4000 draws of 22 tokens is below 0.06 but for one seed in 1e6.
    assert 0.5 * (counts - law).abs().sum() < 0.06


def test_a_path_is_read(tmp_path: Any) -> None:
    from schedopt.files import ScheduleFile, write

    path = tmp_path / "schedule.json"
    write(path, ScheduleFile(dus_schedule(16)))
    found, _ = run(dream_hook(path, prompt_length=5, gen_length=32))
    assert found == 2 * [groups(dus_schedule(16), 2)]


def hook_of(**options: Any) -> DreamHook:
    return dream_hook(dus_schedule(8), **{"prompt_length": 5, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt_length": 0}, "prompt_length: need at least 1, got 0: no row of Dream's logits"),
        ({"temperature": -1.0}, "temperature: need a finite number >= 0, got -1.0"),
        ({"seed": -1}, "seed: need a whole number >= 0, got -1"),
        ({"gen_length": 12}, "block length: 12 positions are no whole number of the schedule's"),
    ],
)
def test_arguments_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        hook_of(**options)


def test_another_length_is_refused() -> None:
    with pytest.raises(UsageError, match="for 5 known positions and 8 more, got 21 in all"):
        consumers.Dream().diffusion_generate(
            PROMPT, **{**hook_of().arguments, "max_new_tokens": 16}
        )


def test_a_prompt_with_masks_is_refused() -> None:
    prompt = PROMPT.clone()
    prompt[1, 2] = consumers.MASK
    with pytest.raises(UsageError, match="got token 22 at position 2 of row 1"):
        run(hook_of(), prompt)


def test_another_prompt_length_is_refused() -> None:
    hook = hook_of(prompt_length=4, gen_length=8)
    with pytest.raises(UsageError, match="got token 4 at position 4 of row 0"):
        consumers.Dream().diffusion_generate(PROMPT, **{**hook.arguments, "max_new_tokens": 7})


def test_more_steps_than_the_schedule_has_are_refused() -> None:
    with pytest.raises(UsageError, match="steps: Dream made step 3, where the schedule has 3"):
        consumers.Dream().diffusion_generate(PROMPT, **{**hook_of().arguments, "steps": 4})


def test_a_step_out_of_turn_is_refused() -> None:
    hook = hook_of()
    x = hook(None, torch.full((1, 13), 22).index_fill(1, torch.arange(5), 1), None)
    with pytest.raises(UsageError, match="steps: Dream made step 1, where the schedule has 3"):
        hook(1, x, torch.zeros(1, 13, 23))


def test_logits_that_are_no_numbers() -> None:
    hook = hook_of()
    x = hook(None, torch.full((1, 13), 22).index_fill(1, torch.arange(5), 1), None)
    with pytest.raises(InputError, match="NaN or infinite logits"):
        hook(0, x, torch.full((1, 13, 23), math.nan))
