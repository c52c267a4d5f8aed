"""Planners reveal what their papers' rules say, written here position by position."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from sampler_cases import groups_of, teacher_forced
from strategies import random_table

from schedopt.models import LawDenoiser
from schedopt.samplers import (
    AllMasked,
    ConfidenceFactor,
    ConfidenceThreshold,
    EntropyBound,
    EntropySum,
    Klass,
    Planner,
    Policy,
    SchedulePolicy,
    policy_for,
    sample,
)
from schedopt.schedule import Order, UnmaskingSchedule
from theory.orders import dilated_order

# The distributions of the masked positions of a block (in block coordinates), to those revealed.
Rule = Callable[[dict[int, list[float]]], list[int]]


def confidence(p: list[float]) -> float:
    return max(p)


def certainty(p: list[float]) -> float:
    return sum(x * math.log(x) for x in p if x > 0.0)


def margin(p: list[float]) -> float:
    first, second = sorted(p, reverse=True)[:2]
    return first - second


SCORES = {"confidence": confidence, "entropy": certainty, "margin": margin}


Sort = Callable[[dict[int, list[float]]], list[int]]


def by(name: str) -> Sort:
    """Positions, the surest first, the left one of ties."""
    return lambda laws: sorted(laws, key=lambda i: -SCORES[name](laws[i]))


def along(order: tuple[int, ...]) -> Sort:
    return lambda laws: [i for i in order if i in laws]


def top_k(name: str, boundaries: list[int]) -> Rule:
    """Bring the number of known positions to the next boundary, surest positions first."""

    def rule(laws: dict[int, list[float]]) -> list[int]:
        known = boundaries[-1] - len(laws)
        count = min(b for b in boundaries if b > known) - known
        return by(name)(laws)[:count]

    return rule


def largest_prefix(sort: Sort, fits: Callable[[list[list[float]]], bool]) -> Rule:
    """The longest start of the ranking that fits, or its first position."""

    def rule(laws: dict[int, list[float]]) -> list[int]:
        ranking = sort(laws)
        sizes = [n for n in range(1, len(laws) + 1) if fits([laws[i] for i in ranking[:n]])]
        return ranking[: max(sizes, default=1)]

    return rule


def entropy_bound(gamma: float) -> Callable[[list[list[float]]], bool]:
    def fits(laws: list[list[float]]) -> bool:
        entropies = [-certainty(p) for p in laws]
        return sum(entropies) - max(entropies) <= gamma

    return fits


def entropy_sum(budget: float) -> Callable[[list[list[float]]], bool]:
    return lambda laws: sum(-certainty(p) for p in laws) <= budget


def factor(f: float) -> Callable[[list[list[float]]], bool]:
    return lambda laws: (len(laws) + 1) * (1 - min(max(p) for p in laws)) < f


def sure(tau: float) -> Callable[[list[list[float]]], bool]:
    return lambda laws: all(max(p) >= tau for p in laws)


def threshold(tau: float, otherwise: str = "confidence") -> Rule:
    def rule(laws: dict[int, list[float]]) -> list[int]:
        return [i for i in laws if max(laws[i]) >= tau] or by(otherwise)(laws)[:1]

    return rule


def klass(tau: float, epsilon: float, history: int, length: int) -> Rule:
    """Confident, and with small changes over the last passes of this block."""
    seen: list[dict[int, list[float]]] = []

    def change(now: list[float], before: list[float]) -> float:
        return sum(p * math.log(p / q) for p, q in zip(now, before, strict=True) if p > 0.0)

    def rule(laws: dict[int, list[float]]) -> list[int]:
        if len(laws) == length:
            seen.clear()
        seen.append(laws)
        ready = [
            i
            for i in laws
            if max(laws[i]) > tau
            and len(seen) > history
            and all(change(seen[-r][i], seen[-r - 1][i]) < epsilon for r in range(1, history + 1))
        ]
        return ready or by("confidence")(laws)[:1]

    return rule


def within(rule: Rule, sort: Sort, boundaries: list[int], *, cap: bool) -> Rule:
    """No more, or no fewer, than bring the number of known positions to the next boundary."""

    def bounded(laws: dict[int, list[float]]) -> list[int]:
        known = boundaries[-1] - len(laws)
        count = min(b for b in boundaries if b > known) - known
        ready = sorted(rule(laws), key=sort(laws).index)
        if cap:
            return ready[:count]
        return ready + [i for i in sort(laws) if i not in ready][: max(0, count - len(ready))]

    return bounded


def spaced(rule: Rule, sort: Sort, first_gap: int, length: int) -> Rule:
    def filtered(laws: dict[int, list[float]]) -> list[int]:
        gap, kept = max(2, len(laws) * first_gap // length), list[int]()
        for i in sorted(rule(laws), key=sort(laws).index):
            if all(abs(i - j) >= gap for j in kept):
                kept.append(i)
        return kept

    return filtered


def gated(rule: Rule, sort: Sort, gate: float) -> Rule:
    def filtered(laws: dict[int, list[float]]) -> list[int]:
        return [i for i in rule(laws) if max(laws[i]) >= gate] or sort(laws)[:1]

    return filtered


def replay(law: LawDenoiser, x: list[int], block: int, rule: Rule) -> list[list[int]]:
    """Groups that the rule reveals on its way to the sequence x, by plain loops."""
    state, groups = [law.mask_id] * len(x), []
    while law.mask_id in state:
        first = state.index(law.mask_id) // block * block
        masked = [i for i in range(first, first + block) if state[i] == law.mask_id]
        marginals = law.logits(torch.tensor([state]))[0].exp()
        group = rule({i - first: marginals[i, : law.symbols].tolist() for i in masked})
        for i in group:
            state[first + i] = x[first + i]
        groups.append(sorted(first + i for i in group))
    return groups


def planned(name: str, *sizes: int) -> Policy:
    return SchedulePolicy(UnmaskingSchedule(sum(sizes), Order(name), sizes))


def sizes(*step_sizes: int) -> UnmaskingSchedule:
    return UnmaskingSchedule(sum(step_sizes), Order("random"), step_sizes)


N = 6
DILATED, LEFT = Order("dilated"), Order("left_to_right")
WALK = along(dilated_order(N))
EB, SUM = EntropyBound(0.8), EntropySum(1.5)

CASES: dict[str, tuple[Policy, Rule]] = {
    **{
        f"{name}-{split}": (planned(name, *split), top_k(name, np.cumsum(split).tolist()))
        for name in SCORES
        for split in [(1, 2, 3), (2, 2, 2), (1, 1, 1)]
    },
    **{
        f"eb-{name}-{gamma}": (
            Planner(N, EntropyBound(gamma), Order(name)),
            largest_prefix(by(name), entropy_bound(gamma)),
        )
        for name in SCORES
        for gamma in (0.0, 0.4, 1.0, 100.0)
    },
    **{
        f"sum-{name}-{budget}": (
            Planner(N, EntropySum(budget), Order(name)),
            largest_prefix(by(name), entropy_sum(budget)),
        )
        for name in SCORES
        for budget in (0.0, 1.0, 2.0)
    },
    **{
        f"factor-{name}-{f}": (
            Planner(N, ConfidenceFactor(f), Order(name)),
            largest_prefix(by(name), factor(f)),
        )
        for name in SCORES
        for f in (0.5, 1.0, 2.5)
    },
    **{
        f"threshold-{tau}-{block}": (Planner(block, ConfidenceThreshold(tau)), threshold(tau))
        for tau in (0.3, 0.6, 0.9, 1.0)
        for block in (3, 6)
    },
    "threshold-entropy": (
        Planner(N, ConfidenceThreshold(0.6), Order("entropy")),
        threshold(0.6, otherwise="entropy"),
    ),
    **{
        f"klass-{tau}-{epsilon}-{history}-{block}": (
            Planner(block, Klass(tau, epsilon, history)),
            klass(tau, epsilon, history, block),
        )
        for tau, epsilon, history in [(0.5, 0.05, 1), (0.4, 0.2, 2), (0.6, 10.0, 2), (0.9, 0.1, 1)]
        for block in (3, 6)
    },
    "eb-dilated": (Planner(N, EB, DILATED), largest_prefix(WALK, entropy_bound(0.8))),
    "sum-dilated": (Planner(N, SUM, DILATED), largest_prefix(WALK, entropy_sum(1.5))),
    "factor-left": (
        Planner(N, ConfidenceFactor(1.5), LEFT),
        largest_prefix(along(tuple(range(N))), factor(1.5)),
    ),
    "threshold-dilated": (
        Planner(N, ConfidenceThreshold(0.5), DILATED),
        largest_prefix(WALK, sure(0.5)),
    ),
    "eb-cap": (
        Planner(N, EB, cap=sizes(1, 2, 3)),
        within(
            largest_prefix(by("entropy"), entropy_bound(0.8)), by("entropy"), [1, 3, 6], cap=True
        ),
    ),
    "eb-floor": (
        Planner(N, EB, floor=sizes(1, 1, 2, 2)),
        within(
            largest_prefix(by("entropy"), entropy_bound(0.8)),
            by("entropy"),
            [1, 2, 4, 6],
            cap=False,
        ),
    ),
    "eb-dilated-cap-floor": (
        Planner(N, EB, DILATED, cap=sizes(3, 3), floor=sizes(1, 1, 2, 2)),
        within(
            within(largest_prefix(WALK, entropy_bound(0.8)), WALK, [3, 6], cap=True),
            WALK,
            [1, 2, 4, 6],
            cap=False,
        ),
    ),
    "threshold-spacing": (
        Planner(N, ConfidenceThreshold(0.4), spacing=4),
        spaced(threshold(0.4), by("confidence"), 4, N),
    ),
    "top-k-spacing": (
        Planner(N, AllMasked(), Order("margin"), cap=sizes(3, 3), spacing=3),
        spaced(top_k("margin", [3, 6]), by("margin"), 3, N),
    ),
    "eb-gate": (
        Planner(N, EB, gate=0.5),
        gated(largest_prefix(by("entropy"), entropy_bound(0.8)), by("entropy"), 0.5),
    ),
    "threshold-spacing-floor": (
        Planner(N, ConfidenceThreshold(0.8), spacing=4, floor=sizes(1, 2, 3)),
        within(
            spaced(threshold(0.8), by("confidence"), 4, N), by("confidence"), [1, 3, 6], cap=False
        ),
    ),
}


# No two positions of this law are equally sure, whatever is known, and many are nearly certain.
TABLE = random_table(3, N, seed=11) ** 4
LAW = LawDenoiser(TABLE / TABLE.sum())
TRUTH = LAW.draw(12, np.random.default_rng(0))
# These reveal all at once, or as many a step whatever the values.
UNMOVED = {"threshold-0.3-3", "threshold-0.3-6"} | {
    name for name in CASES if name.endswith(("-100.0", "-2.5"))
}


@pytest.mark.parametrize("case", CASES)
def test_rule(case: str) -> None:
    policy, rule = CASES[case]
    done = teacher_forced(LAW, TRUTH, policy)
    for x, revealed_at in zip(TRUTH.tolist(), done.revealed_at, strict=True):
        assert groups_of(revealed_at) == replay(LAW, x, policy.block_length, rule)
    assert (len(np.unique(done.revealed_at, axis=0)) > 1) == (case not in UNMOVED)


def test_extremes() -> None:
    law = LawDenoiser(random_table(3, 5, seed=2))
    for one_a_step in ("eb:0", "threshold:1"):
        done = teacher_forced(law, law.outcomes[:4], policy_for(one_a_step, block_length=5))
        assert done.nfe.tolist() == [5] * 4
    for at_once in ("eb:1000", "threshold:0.01"):
        done = teacher_forced(law, law.outcomes[:4], policy_for(at_once, block_length=5))
        assert done.nfe.tolist() == [1] * 4


def test_certain_positions_are_revealed_together() -> None:
    table = np.zeros((2, 2, 2, 2))
    table[0, 1, 0, 1], table[0, 1, 1, 0] = 0.6, 0.4
    law = LawDenoiser(table)
    # EB takes one uncertain position along: alone it makes no joint error.
    for name, steps in (("eb:0", [0, 0, 0, 1]), ("threshold:1", [0, 0, 1, 2])):
        done = teacher_forced(law, law.outcomes, policy_for(name, block_length=4))
        assert done.revealed_at.tolist() == [steps, steps]


@pytest.mark.parametrize("name", ["confidence", "entropy", "margin"])
def test_ties_go_to_the_left(name: str) -> None:
    for symbols in (2, 3):
        law = LawDenoiser(np.full((symbols,) * 6, float(symbols) ** -6))
        done = teacher_forced(law, law.outcomes, planned(name, 1, 2, 3))
        assert (done.revealed_at == [0, 1, 1, 2, 2, 2]).all()


def test_planners_choose_by_the_untempered_model() -> None:
    law = LawDenoiser(random_table(3, 4, seed=5))
    policy = policy_for("confidence", block_length=4, steps=4)
    for temperature in (0.0, 0.3, 5.0):
        samples = sample(law, policy, count=20, temperature=temperature)
        for tokens, revealed_at in zip(samples.tokens, samples.revealed_at, strict=True):
            rule = top_k("confidence", [1, 2, 3, 4])
            assert groups_of(np.array(revealed_at)) == replay(law, list(tokens), 4, rule)
