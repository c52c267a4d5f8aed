"""A schedule that names a model for each step gets that model, and counts the passes of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sampler_cases import random_network
from strategies import random_table
from torch import Tensor

from schedopt.errors import MissingModelError, UsageError
from schedopt.models import LawDenoiser, NetworkDenoiser
from schedopt.samplers import SchedulePolicy, sample, unmask
from schedopt.samplers.fills import greedy_tokens, true_tokens
from schedopt.samplers.siblings import check_enough
from schedopt.schedule import Order, UnmaskingSchedule

SWITCHING = UnmaskingSchedule(6, Order("left_to_right"), (1, 2, 1, 2), models=(1, 0, 1, 0))


def networks(*, ahead: bool) -> list[NetworkDenoiser]:
    models = [random_network(vocab_size=7, seed=seed) for seed in range(2)]
    for model in models:
        model.runs_ahead = ahead
    return models


def nll_of_steps(
    models: list[NetworkDenoiser], text: Tensor, steps: list[tuple[int, list[int]]]
) -> Tensor:
    """NLL of a text, each step's positions under the model of that step; the rest is given."""
    nll = torch.zeros(text.shape, dtype=torch.float64)
    x = text.clone()
    x[[column for _, columns in steps for column in columns]] = models[0].mask_id
    for model, columns in steps:
        logits = models[model].logits(x[None])[0].double()
        logits[:, models[model].mask_id] = -torch.inf
        log_probs = logits.log_softmax(dim=-1)
        for column in columns:
            nll[column] = -log_probs[column, text[column]]
            x[column] = text[column]
    return nll


@pytest.mark.parametrize("ahead", [True, False])
def test_each_step_is_of_its_model(ahead: bool) -> None:
    models = networks(ahead=ahead)
    text = torch.randint(0, 6, (3, 12), generator=torch.Generator().manual_seed(0))
    x = torch.full_like(text, 6)
    done = unmask(models, x, SchedulePolicy(SWITCHING), true_tokens(text))
    steps = [(1, [0]), (0, [1, 2]), (1, [3]), (0, [4, 5])]
    steps += [(model, [6 + c for c in columns]) for model, columns in steps]
    for row in range(3):
        wanted = nll_of_steps(models, text[row], steps)
        torch.testing.assert_close(done.nll[row], wanted, atol=1e-5, rtol=1e-5)
    assert done.passes.tolist() == [[4, 4]] * 3
    assert done.nfe.tolist() == [8] * 3


@pytest.mark.parametrize("ahead", [True, False])
def test_rows_that_want_different_models_at_once(ahead: bool) -> None:
    """Given tokens let rows skip steps; each row goes on as if it were alone."""
    models = networks(ahead=ahead)
    text = torch.randint(0, 6, (3, 6), generator=torch.Generator().manual_seed(1))
    masked = [[0, 1, 2, 3, 4, 5], [1, 2, 4, 5], [3, 5]]
    steps = [
        [(1, [0]), (0, [1, 2]), (1, [3]), (0, [4, 5])],
        [(0, [1, 2]), (0, [4, 5])],
        [(1, [3]), (0, [5])],
    ]
    x = text.clone()
    for row, columns in enumerate(masked):
        x[row, columns] = 6
    done = unmask(models, x, SchedulePolicy(SWITCHING), true_tokens(text))
    for row in range(3):
        wanted = nll_of_steps(models, text[row], steps[row])
        torch.testing.assert_close(done.nll[row], wanted, atol=1e-5, rtol=1e-5)
    assert done.passes.tolist() == [[2, 2], [2, 0], [1, 1]]
    assert done.revealed_at.tolist() == [
        [0, 1, 1, 2, 3, 3],
        [-1, 0, 0, -1, 1, 1],
        [-1, -1, -1, 0, -1, 1],
    ]


def test_a_planner_asks_the_model_of_its_step() -> None:
    """Two laws that are sure of different positions: whose step it is decides what is next."""
    first, second = (LawDenoiser(self_sure(position)) for position in (2, 0))
    schedule = UnmaskingSchedule(3, Order("confidence"), (1, 1, 1), models=(1, 0, 0))
    x = torch.full((2, 3), first.mask_id)
    x[1, 0] = 1  # one position known: its first pass is the schedule's second
    done = unmask([first, second], x, SchedulePolicy(schedule), greedy_tokens)
    assert done.revealed_at.tolist() == [[0, 2, 1], [-1, 1, 0]]
    assert done.passes.tolist() == [[2, 1], [2, 0]]


def self_sure(position: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Three bits, of which one is nearly always 1 and the others fair, but for a tie-break."""
    chances = [0.55, 0.5, 0.52]
    chances[position] = 0.95
    pairs = [np.array([1 - p, p]) for p in chances]
    return np.einsum("i,j,k->ijk", *pairs)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
@pytest.mark.parametrize("name", ["random", "confidence"])
def test_samples_count_the_passes_of_each(name: str, batch_size: int) -> None:
    schedule = UnmaskingSchedule(6, Order(name), (1, 2, 3), models=(0, 1, 1))
    heavy, light = networks(ahead=False)
    samples = sample(
        heavy, schedule, siblings=[light], count=5, length=12, guidance=1.0, batch_size=batch_size
    )
    assert samples.passes == ((4, 8),) * 5
    assert samples.nfe == (12,) * 5
    alone = sample(heavy, schedule, siblings=[heavy], count=5, length=12, guidance=1.0)
    assert alone.tokens != samples.tokens
    one = UnmaskingSchedule(6, Order(name), (1, 2, 3))
    assert sample(heavy, one, count=5, length=12, guidance=1.0).tokens == alone.tokens


def test_siblings_by_name() -> None:
    schedule = UnmaskingSchedule(4, Order("dilated"), (2, 2), models=(1, 0))
    samples = sample("tiny", schedule, prompt="import ", siblings=["tiny-light"])
    assert samples.passes == ((1, 1),)


# What is refused


@pytest.mark.parametrize("siblings", [0, 1])
def test_a_model_that_is_not_there(siblings: int) -> None:
    schedule = UnmaskingSchedule(4, Order("random"), (2, 1, 1), models=(0, 2, 1))
    law = LawDenoiser(random_table(2, 4, seed=0))
    with pytest.raises(MissingModelError) as caught:
        sample(law, schedule, siblings=[law] * siblings)
    missing = 1 + siblings
    assert f"calls models 0 to 2, but there is no model {missing}" in str(caught.value)
    assert "--light MODEL" in str(caught.value.hint)
    assert caught.value.exit_code == 6
    assert sample(law, schedule, siblings=[law, law]).passes == ((1, 1, 1),)


def test_a_model_that_is_not_there_by_its_name() -> None:
    policy = SchedulePolicy(SWITCHING)
    with pytest.raises(MissingModelError, match=r"no model 1 \(light\.json\)"):
        check_enough(policy, 1, ["heavy.json", "light.json"])
    check_enough(policy, 2)


@pytest.mark.parametrize(
    ("name", "values"), [("vocab_size", (3, 4)), ("mask_id", (2, 1)), ("eos_id", (None, 1))]
)
def test_models_that_do_not_agree(name: str, values: tuple[int | None, int]) -> None:
    heavy, light = (LawDenoiser(random_table(2, 6, seed=seed)) for seed in range(2))
    setattr(light, name, values[1])
    message = f"models 0 and 1 have {name} {values[0]} and {values[1]}"
    with pytest.raises(UsageError, match=message):
        sample(heavy, SWITCHING, siblings=[light])


def test_no_model_at_all() -> None:
    with pytest.raises(UsageError, match="need a model, got none"):
        unmask([], torch.zeros((1, 6)), SchedulePolicy(SWITCHING), greedy_tokens)
    short = LawDenoiser(random_table(2, 4, seed=0))
    long = LawDenoiser(random_table(2, 6, seed=0))
    with pytest.raises(UsageError, match="sequence of 6 tokens: this model takes exactly 4"):
        sample(long, SWITCHING, siblings=[short])
