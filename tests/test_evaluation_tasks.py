"""Accuracy on tasks: what is right is counted, over the same instances, every pass is told."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sampler_cases import random_network

from schedopt.errors import InputError, MissingModelError, UsageError
from schedopt.evaluation import aup_of, evaluate_task, match, pareto_front
from schedopt.models import CallableDenoiser
from schedopt.samplers import policy_for
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.tasks import Task, make_task

Integers = NDArray[np.int64]

LENGTH = 4


def parity_task() -> Task:
    """Any response whose bits have the parity of the prompt; half of all, and one is drawn."""

    def draw(rng: np.random.Generator, count: int) -> tuple[Integers, Integers]:
        prompts = rng.integers(2, size=(count, 8))
        answers = np.zeros((count, LENGTH), dtype=np.int64)
        answers[:, 0] = prompts.sum(axis=1) % 2
        return prompts, answers

    def check(prompts: Integers, responses: Integers) -> NDArray[np.bool_]:
        return np.asarray(prompts.sum(axis=1) % 2 == responses.sum(axis=1) % 2)

    return Task("parity", ("0", "1", "[MASK]"), 8, LENGTH, draw, check)


def speaking(distribution: list[float]) -> CallableDenoiser:
    """A model that says the same of every position, whatever is known."""

    def logits(tokens: torch.Tensor) -> torch.Tensor:
        return torch.tensor(distribution).log().expand(*tokens.shape, -1)

    return CallableDenoiser(logits, mask_id=2, vocab_size=3)


def test_right_responses_are_those_that_the_checker_takes() -> None:
    task, model = parity_task(), speaking([0.2, 0.8, 0.0])
    policies = [policy_for("dilated", block_length=LENGTH, steps=k) for k in (1, 2, 4)]
    found = evaluate_task(model, task, policies, count=40, seed=3)
    given = task.instances(40, 3)
    # Greedy: always 1111, whose parity is even.
    right = [sum(prompt) % 2 == 0 for prompt in given.prompts.tolist()]
    for score, steps in zip(found, (1, 2, 4), strict=True):
        assert score.values.tolist() == [float(r) for r in right]
        assert score.nfe == steps
        assert score.tokens_per_forward == LENGTH / steps
        assert score.accuracy.value == pytest.approx(np.mean(right))
        assert score.accuracy.stderr == pytest.approx(np.std(right, ddof=1) / np.sqrt(40))
        # Of the answer that was drawn, at most one token is a 1.
        tokens = [float((answer == 1).mean()) for answer in given.answers]
        assert score.right_tokens.tolist() == tokens
        assert score.by_token.mean.value == pytest.approx(np.mean(tokens))
    paired = found[0].minus(found[1])
    assert (paired.value, paired.stderr) == (0.0, 0.0)


def test_temperature_draws_by_instance_and_not_by_batch() -> None:
    task, model = parity_task(), speaking([0.5, 0.5, 0.0])
    policies = [policy_for(name, block_length=2, steps=1) for name in ("random", "confidence")]
    whole = evaluate_task(model, task, policies, count=60, temperature=1.0)
    parts = evaluate_task(model, task, policies, count=60, temperature=1.0, batch_size=7)
    for one, other in zip(whole, parts, strict=True):
        assert one.values.tolist() == other.values.tolist()
        # Fair coins have either parity: within 4 standard errors.
        assert abs(one.accuracy.value - 0.5) < 4 * one.accuracy.stderr
    # The same numbers for each policy: a model that looks at nothing answers the same.
    assert whole[0].values.tolist() == whole[1].values.tolist()
    (reseeded,) = evaluate_task(model, task, policies[:1], count=60, temperature=1.0, seed=1)
    assert reseeded.values.tolist() != whole[0].values.tolist()


def test_guidance_takes_two_passes() -> None:
    task, model = parity_task(), speaking([0.2, 0.8, 0.0])
    policy = policy_for("dilated", block_length=LENGTH, steps=2)
    (plain,) = evaluate_task(model, task, [policy], count=8)
    (guided,) = evaluate_task(model, task, [policy], count=8, guidance=1.5)
    assert (plain.nfe, guided.nfe) == (2.0, 4.0)
    assert guided.tokens_per_forward == plain.tokens_per_forward / 2


def test_models_of_a_schedule_are_counted_apart() -> None:
    task = make_task("copy:4")
    vocabulary = len(task.vocabulary)
    heavy, light = (random_network(vocab_size=vocabulary, seed=seed) for seed in (0, 1))
    n = task.response_length
    both = UnmaskingSchedule(n, Order("dilated"), (1,) * n, models=(1,) * (n - 1) + (0,))
    alone = UnmaskingSchedule(n, Order("dilated"), (1,) * n)
    found, other = evaluate_task(heavy, task, [both, alone], count=6, siblings=[light])
    assert found.nfe_by_model == (1.0, n - 1.0)
    assert other.nfe_by_model == (float(n), 0.0)
    width = task.prompt_length + n
    assert found.cost("flops") == pytest.approx(
        heavy.flops(width) + (n - 1) * light.flops(width), rel=1e-12
    )
    with pytest.raises(MissingModelError, match="calls models 0 to 1"):
        evaluate_task(heavy, task, [both], count=6)


def test_scores_of_tasks_are_matched_and_ranked() -> None:
    task, model = parity_task(), speaking([0.2, 0.8, 0.0])
    ours, *others = evaluate_task(
        model,
        task,
        [policy_for("random", block_length=LENGTH, steps=k) for k in (2, 1, 4)],
        count=32,
    )
    found = match(ours, others)
    assert (found.needed, found.ratio) == (1.0, 0.5)
    assert found.metric.name == "accuracy"
    assert [s.on_front for s in pareto_front([ours, *others])] == [False, True, False]
    # As accurate at 1, 2 and 4 tokens a pass: the area is that of a box.
    per_cent = 100 * ours.accuracy.value
    assert aup_of([ours, *others], best=per_cent).value == pytest.approx(4 * per_cent)


def test_progress_tells_instances() -> None:
    calls: list[tuple[int, int]] = []
    evaluate_task(
        speaking([0.2, 0.8, 0.0]),
        parity_task(),
        [policy_for("dus", block_length=LENGTH)] * 2,
        count=10,
        batch_size=4,
        progress=lambda *now: calls.append(now[:2]),
    )
    assert calls == [(4, 20), (8, 20), (10, 20), (14, 20), (18, 20), (20, 20)]


def test_refusals() -> None:
    task, model = parity_task(), speaking([0.2, 0.8, 0.0])
    policy = policy_for("dus", block_length=LENGTH)
    with pytest.raises(UsageError, match="'parity' has 3 tokens with the mask 2, the model 5"):
        evaluate_task(random_network(vocab_size=5), task, [policy])
    with pytest.raises(UsageError, match="positive multiple of the block length 3"):
        evaluate_task(model, task, [policy_for("dus", block_length=3)])
    with pytest.raises(InputError, match="1 document"):
        evaluate_task(model, task, [policy], count=1)
    with pytest.raises(UsageError, match="temperature: need a finite number >= 0"):
        evaluate_task(model, task, [policy], count=2, temperature=-1.0)
    with pytest.raises(UsageError, match="guidance: need a finite number >= 0"):
        evaluate_task(model, task, [policy], count=2, guidance=-1.0)
    with pytest.raises(UsageError, match="batch size >= 1, got 0"):
        evaluate_task(model, task, [policy], count=2, batch_size=0)
