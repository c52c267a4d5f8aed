"""What judgements share: their work in units, policies and models, and what passes cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from schedopt.clusters import mean_over_documents
from schedopt.errors import UsageError
from schedopt.models import Denoiser, NetworkDenoiser
from schedopt.models.denoiser import NO_TOKEN
from schedopt.running import Arrays, Progress, Runner, even_batch
from schedopt.samplers.policies import Policy, as_policy
from schedopt.samplers.siblings import check_enough, check_siblings
from schedopt.samplers.unmask import block_count
from schedopt.schedule import UnmaskingSchedule

Floats = NDArray[np.float64]
Compute: TypeAlias = Callable[[Policy, slice], Arrays]

# A unit of work makes all passes of its cases: of few, so that several processes have a share of
# the few that a schedule is checked on; of so many that a pass keeps a GPU busy, which large
# models do with fewer tokens.
MOST_CASES: Final = 64
UNIT_TOKENS: Final = 2**13
UNIT_FLOPS: Final = 2e13  # of one pass: 43 ms at the 4.7e14 a second of benchmarks/throughput.py


def policies_of(
    policies: Sequence[UnmaskingSchedule | Policy], models: Sequence[Denoiser], length: int
) -> list[Policy]:
    """The policies, which these models can follow over so many positions.

    Args:
        policies: Schedules and planners.
        models: Models 0, 1, ... of those that switch models.
        length: Positions to be revealed.

    Raises:
        UsageError: The length is no whole number of blocks, or models disagree about tokens.
        MissingModelError: A policy calls a model that is not there.

    Example:
        >>> from schedopt.models import LawDenoiser
        >>> from schedopt.sizes import dus_schedule
        >>> parity = LawDenoiser([[0.5, 0.0], [0.0, 0.5]])
        >>> [policy.label for policy in policies_of([dus_schedule(2)], [parity], 2)]
        ['dilated']
    """
    check_siblings(models)
    found = [as_policy(policy) for policy in policies]
    for policy in found:
        block_count(length, policy)
        check_enough(policy, len(models))
    return found


def batch_for(denoiser: Denoiser, count: int, width: int, batch_size: int | None) -> int:
    """Cases that go through the model at once: those given, or as suits the model.

    Args:
        denoiser: The largest model.
        count: How many cases there are.
        width: Tokens of each.
        batch_size: What the caller asks for, or None.

    Raises:
        UsageError: It is below 1.

    Example:
        >>> from schedopt.models import LawDenoiser
        >>> parity = LawDenoiser([[0.5, 0.0], [0.0, 0.5]])
        >>> batch_for(parity, 100, 2, None), batch_for(parity, 100, 2, 7)
        (50, 7)
    """
    if batch_size is None:
        most = min(MOST_CASES, UNIT_TOKENS // width)
        if isinstance(denoiser, NetworkDenoiser):
            most = min(most, int(UNIT_FLOPS / denoiser.flops(width)))
        return even_batch(count, most)
    if batch_size < 1:
        raise UsageError(f"need batch size >= 1, got {batch_size}")
    return batch_size


def for_each_policy(
    label: str,
    policies: Sequence[Policy],
    documents: NDArray[np.int64],
    compute: Compute,
    *,
    batch_size: int,
    progress: Progress | None,
    runner: Runner,
    spread: bool = True,
) -> list[Arrays]:
    """Arrays of all cases, for each policy, computed in units of a batch.

    Args:
        label: What sets the call apart.
        policies: Each gets the same cases.
        documents: Shape (N,), the document of each case.
        compute: Arrays of some cases, cases first.
        batch_size: Cases of one unit.
        progress: Called with the number of cases done and their total, over all policies.
        runner: Shares and journals the units.
        spread: Whether progress is told the error of the mean of the first array, over documents.
    """
    size = len(documents)
    units = [
        (policy, slice(first, min(first + batch_size, size)))
        for policy in policies
        for first in range(0, size, batch_size)
    ]
    per_policy = -(-size // batch_size)
    seen: list[NDArray[Any]] = []  # of the policy that is being scored

    def told(unit: int, found: Arrays) -> None:
        if progress is None:
            return
        _, rows = units[unit]
        if rows.start == 0:
            seen.clear()
        seen.append(found[0])
        owners, stderr = documents[: rows.stop], None
        if spread and owners.min() < owners.max():
            stderr = mean_over_documents(np.concatenate(seen), owners).stderr
        progress(unit // per_policy * size + rows.stop, len(policies) * size, stderr)

    done = runner.map(label, len(units), lambda unit: compute(*units[unit]), told)
    by_policy = [done[i * per_policy : (i + 1) * per_policy] for i in range(len(policies))]
    return [
        tuple(np.concatenate(parts) for parts in zip(*of_one, strict=True)) for of_one in by_policy
    ]


def name_of(policy: Policy) -> str:
    """What sets a policy apart from others, on every rank alike."""
    return repr(policy) if is_dataclass(policy) else f"{policy.label} {policy.block_length}"


def flops_of(passes: Floats, models: Sequence[Denoiser], tokens: Tensor) -> Floats | None:
    """Floating-point operations of each case, or None where a model that is used does not say.

    Args:
        passes: Shape (N, M), of each case by each model.
        models: The first M of them make passes.
        tokens: Shape (N, L): what the passes see, ``NO_TOKEN`` where there is none.
    """
    used = np.flatnonzero(passes.any(axis=0))
    lengths = (tokens != NO_TOKEN).sum(dim=1).cpu().numpy()
    total = np.zeros(len(passes))
    for index in used.tolist():
        model = models[index]
        if not isinstance(model, NetworkDenoiser):
            return None
        by_length = {int(length): model.flops(int(length)) for length in np.unique(lengths)}
        total += passes[:, index] * np.array([by_length[int(length)] for length in lengths])
    return total
