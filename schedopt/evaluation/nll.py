"""The sampler NLL of policies on held-out text: teacher-forced and exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schedopt.clusters import Measured, check_documents, mean_over_documents
from schedopt.data import Windows, check_tokens
from schedopt.errors import UsageError
from schedopt.models import Denoiser, NetworkDenoiser
from schedopt.running import LOCAL, Arrays, Progress, Runner, even_batch, fingerprint
from schedopt.samplers.fills import true_tokens
from schedopt.samplers.policies import Policy, SchedulePolicy, as_policy
from schedopt.samplers.unmask import unmask
from schedopt.schedule import Order, UnmaskingSchedule

Floats = NDArray[np.float64]

# A unit of work makes all passes of its windows: of few, so that several processes have a share of
# the few that a schedule is checked on; of so many that a pass keeps a GPU busy, which large
# models do with fewer tokens.
MOST_WINDOWS: Final = 64
UNIT_TOKENS: Final = 2**13
UNIT_FLOPS: Final = 2e13  # of one pass: 43 ms at the 4.7e14 a second of benchmarks/throughput.py


@dataclass(frozen=True, eq=False)
class SamplerScore:
    r"""What one policy makes of held-out windows.

    With S_t the positions it reveals at step t, which depend only on what is revealed,

    .. math:: NLL(x) = -\sum_t \sum_{i \in S_t} \log p(x_i | x_{\text{revealed}})

    is the exact negative log-probability that the sampler outputs x at temperature 1 (for a
    random order: given the order that was drawn for this window).

    Args:
        sampler: Label of the policy.
        block_length: Positions of one block.
        window_nll: Shape (N,), nats per token of each window.
        window_nfe: Shape (N,), forward passes of each window.
        documents: Shape (N,), the document of each window.
    """

    sampler: str
    block_length: int
    window_nll: Floats
    window_nfe: NDArray[np.int64]
    documents: NDArray[np.int64]

    @property
    def family(self) -> str:
        """The label without its parameter: ``eb`` of ``eb:0.5``."""
        return self.sampler.partition(":")[0]

    @property
    def nfe(self) -> float:
        """Forward passes, mean over windows."""
        return float(self.window_nfe.mean())

    @property
    def nll(self) -> Measured:
        """Mean NLL, nats per token, with its standard error over documents."""
        return mean_over_documents(self.window_nll, self.documents)

    def minus(self, other: SamplerScore) -> Measured:
        """Paired difference of NLL to another score of the same windows, nats per token.

        Raises:
            UsageError: The other score is of other windows.
        """
        if not np.array_equal(self.documents, other.documents):
            raise UsageError(
                f"{self.sampler!r} and {other.sampler!r} were scored on different windows: "
                "a paired difference needs the same ones"
            )
        with np.errstate(invalid="ignore"):  # of two infinite losses, neither is the larger
            difference = self.window_nll - other.window_nll
        return mean_over_documents(difference, self.documents)


def evaluate(
    denoiser: Denoiser,
    windows: Windows,
    policies: Sequence[UnmaskingSchedule | Policy],
    *,
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
        UsageError: The windows do not suit the model, or are no whole number of blocks.
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
    if batch_size is None:
        width = windows.tokens.shape[1]
        most = min(MOST_WINDOWS, UNIT_TOKENS // width)
        if isinstance(denoiser, NetworkDenoiser):
            most = min(most, int(UNIT_FLOPS / denoiser.flops(width)))
        batch_size = even_batch(len(windows), most)
    if batch_size < 1:
        raise UsageError(f"need batch size >= 1, got {batch_size}")
    check_tokens(windows, denoiser)
    check_documents(windows.documents)  # before the work, not after
    plans = [as_policy(policy) for policy in policies]
    size = len(windows)
    units = [
        (policy, slice(first, min(first + batch_size, size)))
        for policy in plans
        for first in range(0, size, batch_size)
    ]
    per_policy = len(units) // max(1, len(plans))

    def compute(unit: int) -> Arrays:
        return _score(denoiser, windows, *units[unit], seed=seed)

    seen: list[Floats] = []  # of the policy that is being scored

    def told(unit: int, scores: Arrays) -> None:
        if progress is None:
            return
        _, rows = units[unit]
        if rows.start == 0:
            seen.clear()
        seen.append(scores[0])
        owners, spread = windows.documents[: rows.stop], None
        if owners.min() < owners.max():
            spread = mean_over_documents(np.concatenate(seen), owners).stderr
        progress(unit // per_policy * size + rows.stop, len(plans) * size, spread)

    told_apart = fingerprint(windows.tokens.cpu().numpy(), str(seed), *map(_name, plans))
    scores = runner.map(f"evaluate {told_apart}", len(units), compute, told)
    found = []
    for index, policy in enumerate(plans):
        parts = scores[index * per_policy : (index + 1) * per_policy]
        nll, nfe = (np.concatenate(values) for values in zip(*parts, strict=True))
        found.append(SamplerScore(policy.label, policy.block_length, nll, nfe, windows.documents))
    return tuple(found)


def _name(policy: Policy) -> str:
    """What sets a policy apart from others."""
    plan = policy.schedule if isinstance(policy, SchedulePolicy) else policy.block_length
    return f"{policy.label} {plan}"


def _score(
    denoiser: Denoiser, windows: Windows, policy: Policy, rows: slice, *, seed: int
) -> tuple[Floats, NDArray[np.int64]]:
    """NLL per token and forward passes of some windows."""
    truth = windows.tokens[rows].to(denoiser.device)
    canvas = truth.clone()
    canvas[:, windows.context :] = denoiser.mask_id
    result = unmask(
        denoiser,
        canvas,
        policy,
        true_tokens(truth),
        start=windows.context,
        rows=range(rows.start, rows.stop),
        seed=seed,
    )
    return result.nll.sum(dim=-1).cpu().numpy() / windows.length, result.nfe


def sequential_policy(order: Order, block_length: int) -> SchedulePolicy:
    """One position a step in this order: the sampler that loses nothing to parallel steps.

    The excess of a schedule is its score less that of the sequential sampler of the same order.
    """
    schedule = UnmaskingSchedule(block_length, order, (1,) * block_length)
    return SchedulePolicy(schedule, f"sequential {order.name}")
