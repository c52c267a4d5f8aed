"""What the studies of samplers share: plans, their measurement, and fronts with their errors."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schedopt.clusters import Measured
from schedopt.data import Windows, load_windows
from schedopt.estimators import estimate
from schedopt.evaluation import SamplerScore, evaluate
from schedopt.evaluation.score import jackknife, leave_one_out
from schedopt.models import load_model
from schedopt.samplers.policies import Policy
from schedopt.schedule import Order
from schedopt.solution import Solution
from schedopt.solvers import solve_blocks
from theory.orders import pipelined_order

Floats = NDArray[np.float64]

LENGTH, CONTEXT = 128, 128
RANDOM, DILATED = Order("random"), Order("dilated", base=2)
LEFT = Order("left_to_right")
ABOUT = f"{LENGTH} tokens after {CONTEXT}; nats per token, sampler NLL at temperature 1"


def load_study(args: argparse.Namespace) -> tuple[Any, Windows, dict[str, Any]]:
    """The model, the windows, and what a result says of the text.

    A byte is a token of the bundled models; of others ``bytes_per_token`` tells how to divide.
    """
    model = load_model(args.model, device=args.device)
    windows, about = load_windows(model, length=LENGTH, context=CONTEXT, limit=args.windows)
    return model, windows, about | {"bytes_per_token": bytes_per_token(model, windows)}


def bytes_per_token(model: Any, windows: Windows) -> float:
    """Mean number of bytes of the tokens that are sampled."""
    rows = windows.tokens[:, windows.context :].tolist()
    return (
        sum(len(model.tokenizer.decode(row).encode()) for row in rows)
        / windows.tokens[:, windows.context :].numel()
    )


def streams(block: int, *, length: int = LENGTH) -> Order:
    """Blocks that are each revealed from left to right, all at a time."""
    positions = pipelined_order(length, block=block, lag=0.0, base=block)
    return Order("explicit", permutation=positions)


def solve_budgets(
    model: Any,
    windows: Windows,
    order: Order,
    block: int,
    budgets: Sequence[int],
    args: argparse.Namespace,
) -> dict[int, Solution]:
    """The best sizes of an order in blocks, for each budget that has a pass a block."""
    blocks = LENGTH // block
    measure = estimate(
        model,
        windows,
        order=order,
        block_length=block,
        passes=args.passes,
        seed=args.seed,
        batch=args.batch,
    ).measure
    return {k: solve_blocks(measure, blocks, steps=k) for k in budgets if k >= blocks}


def measure(
    model: Any, windows: Windows, policies: Sequence[Policy], args: argparse.Namespace
) -> list[SamplerScore]:
    """The scores of the policies, told one by one."""
    scores: list[SamplerScore] = []
    started = time.monotonic()
    for policy in policies:
        scores += evaluate(model, windows, [policy], seed=args.seed, batch_size=args.batch)
        row = scores[-1]
        print(
            f"{time.monotonic() - started:6.0f} s {row.sampler:38s} B={row.block_length:<4d}"
            f"{row.nfe:7.1f} {row.nll.value:.4f} +- {row.nll.stderr:.4f}",
            flush=True,
        )
    return scores


def hull(costs: Floats, losses: Floats) -> tuple[Floats, Floats]:
    """The lower hull of points over the logarithm of the cost, as far as it falls.

    >>> hull(np.array([1.0, 2.0, 4.0, 8.0]), np.array([3.0, 2.9, 1.0, 1.5]))
    (array([1., 4.]), array([3., 1.]))
    """
    kept: list[int] = []
    for i in np.lexsort((losses, costs)):
        while len(kept) > 1 and _above(costs, losses, kept[-2], kept[-1], i):
            kept.pop()
        if not kept or (costs[i] > costs[kept[-1]] and losses[i] < losses[kept[-1]]):
            kept.append(int(i))
    return costs[kept], losses[kept]


def _above(costs: Floats, losses: Floats, a: int, b: int, c: int) -> bool:
    share = np.log(costs[b] / costs[a]) / np.log(costs[c] / costs[a])
    return bool(losses[b] >= losses[a] + share * (losses[c] - losses[a]))


def front_at(at: Any, costs: Floats, losses: Floats) -> Floats:
    """The hull at these costs: straight in their logarithm, infinite below the least cost.

    >>> front_at([0.5, 2.0, 9.0], np.array([1.0, 4.0]), np.array([3.0, 1.0]))
    array([inf,  2.,  1.])
    """
    costs, losses = hull(costs, losses)
    return np.interp(np.log(at), np.log(costs), losses, left=np.inf)


def jackknifed(
    statistic: Callable[[Floats, Floats], float | None], scores: Sequence[SamplerScore]
) -> tuple[float | None, float | None]:
    """A number that is made of passes and NLLs of scores, and its standard error over documents.

    Both are None where there is no such number, the error where some document decides that.
    """
    passes = np.array([score.nfe for score in scores])
    value = statistic(passes, np.array([score.nll.value for score in scores]))
    if value is None:
        return None, None
    without = [
        statistic(np.asarray(costs), np.asarray(means))
        for costs, means in leave_one_out(scores, "nfe")
    ]
    return value, jackknife(without)


def difference_at(
    at: float, ours: Sequence[SamplerScore], others: Sequence[SamplerScore]
) -> Measured | None:
    """The front of ours less that of others at so many passes; None below either's least."""
    split = len(ours)

    def gap(costs: Floats, losses: Floats) -> float | None:
        found = front_at(at, costs[:split], losses[:split]) - front_at(
            at, costs[split:], losses[split:]
        )
        return float(found) if np.isfinite(found) else None

    value, stderr = jackknifed(gap, [*ours, *others])
    return None if value is None or stderr is None else Measured(value, stderr)
