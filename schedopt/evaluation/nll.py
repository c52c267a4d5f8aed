"""The sampler NLL of policies on held-out text: teacher-forced and exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from schedopt.clusters import Measured, check_documents
from schedopt.data import Windows, check_tokens
from schedopt.evaluation.score import Metric, Score
from schedopt.evaluation.units import batch_for, flops_of, for_each_policy, name_of, policies_of
from schedopt.models import Denoiser
from schedopt.running import LOCAL, Arrays, Progress, Runner, fingerprint
from schedopt.samplers.fills import true_tokens
from schedopt.samplers.policies import Policy, SchedulePolicy
from schedopt.samplers.unmask import unmask
from schedopt.schedule import Order, UnmaskingSchedule

Floats = NDArray[np.float64]

NLL: Final = Metric("nll", "nats per token")


@dataclass(frozen=True, eq=False, repr=False)
class SamplerScore(Score):
    r"""What one policy makes of held-out windows.

    With S_t the positions it reveals at step t, which depend only on what is revealed,

    .. math:: NLL(x) = -\sum_t \sum_{i \in S_t} \log p(x_i | x_{\text{revealed}})

    is the exact negative log-probability that the sampler outputs x at temperature 1 (for a
    random order: given the order that was drawn for this window). The values are nats per token.
    """

    metric: ClassVar[Metric] = NLL

    @property
    def nll(self) -> Measured:
        """Mean NLL, nats per token, with its standard error over documents."""
        return self.mean

    def joined(self, *others: SamplerScore) -> SamplerScore:
        """One score of these windows and those of others, of the same sampler."""
        scores = (self, *others)
        flops = [score.flops for score in scores if score.flops is not None]
        return replace(
            self,
            values=np.concatenate([score.values for score in scores]),
            passes=np.concatenate([score.passes for score in scores]),
            documents=np.concatenate([score.documents for score in scores]),
            tokens=np.concatenate([score.tokens for score in scores]),
            flops=np.concatenate(flops) if len(flops) == len(scores) else None,
        )


def evaluate(
    denoiser: Denoiser,
    windows: Windows,
    policies: Sequence[UnmaskingSchedule | Policy],
    *,
    siblings: Sequence[Denoiser] = (),
    seed: int = 0,
    batch_size: int | None = None,
    progress: Progress | None = None,
    runner: Runner = LOCAL,
) -> tuple[SamplerScore, ...]:
    """Score policies on the same windows.

    A random order is drawn once for each window and block, from the seed: two policies of
    random order share it, so that their difference is that of their sizes.

    Args:
        denoiser: The model.
        windows: Held-out text; the context is given, the rest is to be sampled.
        policies: Schedules and planners.
        siblings: Models 1, 2, ... of schedules that switch models; the denoiser is model 0.
        seed: Of random orders, >= 0.
        batch_size: Windows that go through the model at once, one unit of work; no result
            depends on it beyond rounding. By default 64, or fewer where a pass has many tokens or
            the model is large.
        progress: Called with the number of windows that are done and their total, over all
            policies, and the standard error over documents of the NLL so far, nats a token.
        runner: Shares and journals the units.

    Returns:
        One score for each policy, in order.

    Raises:
        UsageError: The windows do not suit the model, or are no whole number of blocks, or
            models disagree about tokens.
        MissingModelError: A policy calls a model that is not there.
        InputError: A window holds the mask token or one outside the vocabulary, or all are of
            one document.

    Example:
        >>> from schedopt.models import LawDenoiser
        >>> from schedopt.sizes import dus_schedule
        >>> parity = LawDenoiser([[0.5, 0.0], [0.0, 0.5]])
        >>> windows = Windows(parity.outcomes, np.arange(2), 0)
        >>> one_step, = evaluate(parity, windows, [dus_schedule(2)])
        >>> one_step.nfe, round(one_step.nll.value, 4)
        (1.0, 0.6931)
    """
    batch_size = batch_for(denoiser, len(windows), windows.tokens.shape[1], batch_size)
    models = (denoiser, *siblings)
    for model in models:
        check_tokens(windows, model)
    check_documents(windows.documents)  # before the work, not after
    plans = policies_of(policies, models, windows.length)

    def compute(policy: Policy, rows: slice) -> Arrays:
        nll, passes = teacher_forced(
            models,
            windows.tokens[rows],
            policy,
            context=windows.context,
            rows=range(rows.start, rows.stop),
            seed=seed,
        )
        return nll / windows.length, passes

    found = for_each_policy(
        f"evaluate {fingerprint(windows.tokens.cpu().numpy(), str(seed), *map(name_of, plans))}",
        plans,
        windows.documents,
        compute,
        batch_size=batch_size,
        progress=progress,
        runner=runner,
    )
    return tuple(
        SamplerScore(
            policy.label,
            policy.block_length,
            nll,
            passes,
            windows.documents,
            np.full(len(windows), float(windows.length)),
            flops=flops_of(passes, models, windows.tokens),
        )
        for policy, (nll, passes) in zip(plans, found, strict=True)
    )


def teacher_forced(
    models: Sequence[Denoiser],
    truth: Tensor,
    policy: Policy,
    *,
    context: int,
    rows: Sequence[int],
    seed: int,
) -> tuple[Floats, Floats]:
    """NLL of each row of a text after its context, nats, and its forward passes by model.

    Args:
        models: Those of the policy.
        truth: Shape (B, L), token ids.
        policy: Chooses what is revealed next.
        context: How many leading positions are given.
        rows: Shape (B,), by which random orders are seeded.
        seed: Of random orders.
    """
    truth = truth.to(models[0].device)
    canvas = truth.clone()
    canvas[:, context:] = models[0].mask_id
    result = unmask(models, canvas, policy, true_tokens(truth), start=context, rows=rows, seed=seed)
    return result.nll.sum(dim=-1).cpu().numpy(), result.passes.astype(np.float64)


def sequential_policy(order: Order, block_length: int) -> SchedulePolicy:
    """One position a step in this order: the sampler that loses nothing to parallel steps.

    The excess of a schedule is its score less that of the sequential sampler of the same order.

    Example:
        >>> sequential_policy(Order("random"), 4).schedule.step_sizes
        (1, 1, 1, 1)
    """
    schedule = UnmaskingSchedule(block_length, order, (1,) * block_length)
    return SchedulePolicy(schedule, f"sequential {order.name}")
