"""Accuracy of policies on tasks whose responses are checked exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import torch
from numpy.typing import NDArray

from schedopt.clusters import Measured, check_documents
from schedopt.errors import UsageError
from schedopt.evaluation.score import Metric, Score
from schedopt.evaluation.units import batch_for, flops_of, for_each_policy, name_of, policies_of
from schedopt.models import Denoiser
from schedopt.running import LOCAL, Arrays, Progress, Runner, fingerprint
from schedopt.samplers.drawing import draw
from schedopt.samplers.policies import Policy
from schedopt.schedule import UnmaskingSchedule
from schedopt.tasks import Task

Floats = NDArray[np.float64]

ACCURACY: Final = Metric("accuracy", "share of instances", "higher")
TOKEN_ACCURACY: Final = Metric("token_accuracy", "share of tokens", "higher")
COUNT: Final = 256


@dataclass(frozen=True, eq=False, repr=False)
class TokenScore(Score):
    """Of each instance, the share of its tokens that are those of the answer."""

    metric: ClassVar[Metric] = TOKEN_ACCURACY


@dataclass(frozen=True, eq=False, repr=False)
class TaskScore(Score):
    """Which instances of a task one policy solves: 1 where the response is right, else 0.

    Args:
        right_tokens: Shape (N,), the share of each response that agrees with the one answer that
            was drawn; there may be other right ones.

    Example:
        >>> right = np.array([1.0, 0.0, 1.0, 1.0])
        >>> passes, tokens = np.full((4, 1), 2.0), np.full(4, 8.0)
        >>> score = TaskScore("eb:1", 8, right, passes, np.arange(4), tokens, right)
        >>> score.accuracy, score.tokens_per_forward, score.family
        (Measured(value=0.75, stderr=0.25), 4.0, 'eb')
    """

    metric: ClassVar[Metric] = ACCURACY

    right_tokens: Floats

    @property
    def accuracy(self) -> Measured:
        """Share of instances that are right, with its standard error over instances."""
        return self.mean

    @property
    def by_token(self) -> TokenScore:
        """The second metric: how many tokens are those of the answer."""
        return self.beside(TokenScore, self.right_tokens)


def evaluate_task(
    denoiser: Denoiser,
    task: Task,
    policies: Sequence[UnmaskingSchedule | Policy],
    *,
    count: int = COUNT,
    seed: int = 0,
    temperature: float = 0.0,
    guidance: float = 0.0,
    siblings: Sequence[Denoiser] = (),
    batch_size: int | None = None,
    progress: Progress | None = None,
    runner: Runner = LOCAL,
) -> tuple[TaskScore, ...]:
    """Let policies solve the same instances of a task.

    Instances are independent of each other: each is a document of its own.

    Args:
        denoiser: A model of the task's vocabulary.
        task: Draws instances and checks responses.
        policies: Schedules and planners.
        count: How many instances, >= 2.
        seed: Of instances, orders and tokens, >= 0.
        temperature: T of p^(1/T), >= 0; 0 takes the likeliest token.
        guidance: Weight of classifier-free guidance, which takes a second pass each; 0 for none.
        siblings: Models 1, 2, ... of schedules that switch models.
        batch_size: Instances that go through the model at once; no result depends on it.
        progress: Called with the number of instances done and their total, over all policies, and
            the standard error of the accuracy so far.
        runner: Shares and journals the work.

    Returns:
        One score for each policy, in order.

    Raises:
        UsageError: The vocabulary of a model is not the task's, the response is no whole number
            of blocks, or a number is out of range.
        MissingModelError: A policy calls a model that is not there.
        InputError: There are fewer than 2 instances.

    Example:
        >>> from schedopt.models import CallableDenoiser
        >>> from schedopt.sizes import dus_schedule
        >>> from schedopt.tasks import make_task
        >>> task = make_task("copy:4")
        >>> size = len(task.vocabulary)
        >>> def unsure(tokens):
        ...     return torch.zeros(*tokens.shape, size)
        >>> model = CallableDenoiser(unsure, mask_id=task.mask_id, vocab_size=size)
        >>> (score,) = evaluate_task(model, task, [dus_schedule(4)], count=8)
        >>> score.nfe, score.accuracy.value
        (2.0, 0.0)
    """
    models = (denoiser, *siblings)
    for model in models:
        _check_vocabulary(task, model)
    plans = policies_of(policies, models, task.response_length)
    given = task.instances(count, seed)
    cases = np.arange(len(given))
    check_documents(cases)
    start, width = task.prompt_length, task.prompt_length + task.response_length
    canvas = np.full((len(cases), width), task.mask_id)
    canvas[:, :start] = given.prompts

    def compute(policy: Policy, rows: slice) -> Arrays:
        result = draw(
            models,
            torch.from_numpy(canvas[rows]),
            policy,
            start=start,
            rows=range(rows.start, rows.stop),
            seed=seed,
            temperature=temperature,
            guidance=guidance,
        )
        responses = result.tokens[:, start:].cpu().numpy()
        right = task.correct(given.prompts[rows], responses).astype(np.float64)
        return (
            right,
            (responses == given.answers[rows]).mean(axis=1),
            result.passes.astype(np.float64),
        )

    asked = (f"{task.name} {seed} {temperature} {guidance}", *map(name_of, plans))
    found = for_each_policy(
        f"task {fingerprint(canvas, *asked)}",
        plans,
        cases,
        compute,
        batch_size=batch_for(denoiser, len(cases), width, batch_size),
        progress=progress,
        runner=runner,
    )
    return tuple(
        TaskScore(
            policy.label,
            policy.block_length,
            right,
            passes,
            cases,
            np.full(len(cases), float(task.response_length)),
            right_tokens,
            flops=flops_of(passes, models, torch.from_numpy(canvas)),
        )
        for policy, (right, right_tokens, passes) in zip(plans, found, strict=True)
    )


def _check_vocabulary(task: Task, model: Denoiser) -> None:
    if (model.vocab_size, model.mask_id) != (len(task.vocabulary), task.mask_id):
        raise UsageError(
            f"task {task.name!r} has {len(task.vocabulary)} tokens with the mask {task.mask_id}, "
            f"the model {model.vocab_size} with the mask {model.mask_id}",
            hint="give the folder of a model that was trained on this task: --model FOLDER",
        )
