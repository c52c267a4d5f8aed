"""Planners reveal what their papers' rules say, written here position by position."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from sampler_cases import groups_of, teacher_forced
from strategies import random_table

from schedopt.errors import UsageError
from schedopt.models import LawDenoiser
from schedopt.samplers import (
    POLICY_NAMES,
    ConfidenceThreshold,
    EntropyBound,
    Policy,
    SchedulePolicy,
    policy_for,
    sample,
    takes_steps,
)
from schedopt.schedule import Order, UnmaskingSchedule

Rule = Callable[[dict[int, list[float]], int], list[int]]


def confidence(p: list[float]) -> float:
    return max(p)


def certainty(p: list[float]) -> float:
    return sum(x * math.log(x) for x in p if x > 0.0)


def margin(p: list[float]) -> float:
    first, second = sorted(p, reverse=True)[:2]
    return first - second


SCORES = {"confidence": confidence, "entropy": certainty, "margin": margin}


def top_k(score: Callable[[list[float]], float], boundaries: list[int], length: int) -> Rule:
    """Bring the number of known positions to the next boundary, surest positions first."""

    def rule(laws: dict[int, list[float]], masked: int) -> list[int]:
        known = length - masked
        count = min(b for b in boundaries if b > known) - known
        return sorted(sorted(laws, key=lambda i: -score(laws[i]))[:count])

    return rule


def entropy_bound(score: Callable[[list[float]], float], gamma: float) -> Rule:
    """The largest prefix of the surest positions whose entropies less their largest fit."""

    def rule(laws: dict[int, list[float]], masked: int) -> list[int]:
        ranking = sorted(laws, key=lambda i: -score(laws[i]))
        count = 1
        for size in range(1, masked + 1):
            entropies = [-certainty(laws[i]) for i in ranking[:size]]
            if sum(entropies) - max(entropies) <= gamma:
                count = size
        return sorted(ranking[:count])

    return rule


def threshold(tau: float) -> Rule:
    def rule(laws: dict[int, list[float]], masked: int) -> list[int]:
        sure = [i for i in laws if max(laws[i]) >= tau]
        return sure or [max(laws, key=lambda i: max(laws[i]))]

    return rule


def replay(law: LawDenoiser, x: list[int], block: int, rule: Rule) -> list[list[int]]:
    """Groups that the rule reveals on its way to the sequence x, by plain loops."""
    state, groups = [law.mask_id] * len(x), []
    while law.mask_id in state:
        first = state.index(law.mask_id) // block * block
        masked = [i for i in range(first, first + block) if state[i] == law.mask_id]
        marginals = law.logits(torch.tensor([state]))[0].exp()
        group = rule({i: marginals[i, : law.symbols].tolist() for i in masked}, len(masked))
        for i in group:
            state[i] = x[i]
        groups.append(group)
    return groups


def planned(name: str, *sizes: int) -> Policy:
    return SchedulePolicy(UnmaskingSchedule(sum(sizes), Order(name), sizes))


CASES: dict[str, tuple[Policy, Rule]] = {
    **{
        f"{name}-{sizes}": (
            planned(name, *sizes),
            top_k(score, np.cumsum(sizes).tolist(), sum(sizes)),
        )
        for name, score in SCORES.items()
        for sizes in [(1, 2, 3), (2, 2, 2), (1, 1, 1)]
    },
    **{
        f"eb-{proxy}-{gamma}": (
            EntropyBound(6, gamma, proxy=proxy),
            entropy_bound(score, gamma),
        )
        for proxy, score in SCORES.items()
        for gamma in (0.0, 0.4, 1.0, 100.0)
    },
    **{
        f"threshold-{tau}-{block}": (ConfidenceThreshold(block, tau), threshold(tau))
        for tau in (0.3, 0.6, 0.9, 1.0)
        for block in (3, 6)
    },
}


@pytest.mark.parametrize("case", CASES)
def test_rule(case: str) -> None:
    policy, rule = CASES[case]
    # No two positions of this law are equally sure, whatever is known.
    law = LawDenoiser(random_table(3, 6, seed=11))
    truth = law.draw(12, np.random.default_rng(0))
    done = teacher_forced(law, truth, policy)
    for x, revealed_at in zip(truth.tolist(), done.revealed_at, strict=True):
        assert groups_of(revealed_at) == replay(law, x, policy.block_length, rule)


def test_choices_depend_on_the_values() -> None:
    law = LawDenoiser(random_table(3, 6, seed=11))
    truth = law.draw(12, np.random.default_rng(0))
    for name in ("confidence-(1, 2, 3)", "margin-(2, 2, 2)", "eb-entropy-1.0", "threshold-0.6-3"):
        done = teacher_forced(law, truth, CASES[name][0])
        assert len(np.unique(done.revealed_at, axis=0)) > 1


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
            rule = top_k(confidence, [1, 2, 3, 4], 4)
            assert groups_of(np.array(revealed_at)) == replay(law, list(tokens), 4, rule)


# Names


@pytest.mark.parametrize("name", POLICY_NAMES)
def test_every_name(name: str) -> None:
    policy = policy_for(name, block_length=16, steps=4)
    assert (policy.label, policy.block_length) == (name, 16)
    law = LawDenoiser(np.full((2,) * 4, 1 / 16))
    done = teacher_forced(law, law.outcomes, policy_for(name, block_length=4, steps=2))
    if takes_steps(name):
        assert set(done.nfe.tolist()) == {2}


def test_parameters_after_the_colon() -> None:
    assert policy_for("eb:0.5", block_length=8) == EntropyBound(8, 0.5, label="eb:0.5")
    assert policy_for("eb:0.5", block_length=8) == EntropyBound(8, 0.5)
    assert policy_for("threshold:0.8", block_length=8) == ConfidenceThreshold(8, 0.8)
    dus = policy_for("dus:4", block_length=8)
    assert (dus.block_length, dus.label) == (4, "dus:4")
    assert [takes_steps(name) for name in ("cosine", "margin", "eb", "dus:4")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("spelling", "steps", "message"),
    [
        ("dusk", 2, "unknown planner 'dusk'; one of random, cosine, left_to_right, dilated"),
        ("", 2, "unknown planner ''"),
        ("random", None, "planner 'random': need its number of steps"),
        ("random:3", 2, "planner 'random:3': 'random' takes no parameter"),
        ("random", 9, "need 1 <= k <= n, got k=9, n=8"),
        ("entropy", 0, "need 1 <= k <= n, got k=0, n=8"),
        ("eb:", None, "planner 'eb:': need a number after the colon, got ''"),
        ("eb:x", None, "planner 'eb:x': need a number after the colon, got 'x'"),
        ("dus:4.5", None, "planner 'dus:4.5': need a number after the colon, got '4.5'"),
        ("dus:0", None, "length: need a whole number >= 1, got 0"),
        ("eb:-1", None, "gamma: need a finite number of nats >= 0, got -1.0"),
        ("eb:nan", None, "gamma: need a finite number of nats >= 0, got nan"),
        ("eb:inf", None, "gamma: need a finite number of nats >= 0, got inf"),
        ("threshold:0", None, "tau: need a probability, 0 < tau <= 1, got 0.0"),
        ("threshold:1.1", None, "tau: need a probability, 0 < tau <= 1, got 1.1"),
        ("threshold:nan", None, "tau: need a probability, 0 < tau <= 1, got nan"),
    ],
)
def test_refused_names(spelling: str, steps: int | None, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        policy_for(spelling, block_length=8, steps=steps)
    assert message in str(caught.value)


def test_the_unknown_name_is_told_what_there_is() -> None:
    with pytest.raises(UsageError) as caught:
        policy_for("magic", block_length=8)
    assert all(name in str(caught.value) for name in POLICY_NAMES)


def test_refused_proxies_and_blocks() -> None:
    with pytest.raises(UsageError, match="unknown error proxy 'kl'; one of confidence, entropy"):
        EntropyBound(8, 0.1, proxy="kl")
    with pytest.raises(UsageError, match="block length: need a whole number >= 1, got 0"):
        EntropyBound(0, 0.1)
    with pytest.raises(UsageError, match="block length: need a whole number >= 1, got -2"):
        ConfidenceThreshold(-2, 0.9)
