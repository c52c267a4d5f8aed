"""Whatever the model says, planners go on, stay within their schedules, and bound their error."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from numpy.typing import NDArray
from sampler_cases import groups_of, teacher_forced
from strategies import compositions, random_table, tables
from torch import Tensor

from schedopt.errors import UsageError
from schedopt.models import LawDenoiser
from schedopt.samplers import (
    AllMasked,
    Ancestral,
    ConfidenceFactor,
    ConfidenceThreshold,
    EntropyBound,
    EntropySum,
    GatedSchedule,
    Klass,
    Planner,
    Policy,
    Rule,
    SchedulePolicy,
)
from schedopt.samplers.active import ActiveBlocks
from schedopt.samplers.spacing import gaps
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.sizes import dus_schedule, uniform_sizes
from theory.adaptive import policy_rounds

Floats = NDArray[np.float64]
Groups = list[list[int]]

B = 12
NAMES = ("random", "left_to_right", "dilated", "confidence", "entropy", "margin")
named_orders = st.sampled_from(NAMES).map(Order)
known_orders = st.sampled_from(NAMES[:3]).map(Order)
rules: st.SearchStrategy[Rule] = st.one_of(
    st.floats(0.0, 8.0).map(EntropyBound),
    st.floats(0.0, 8.0).map(EntropySum),
    st.floats(0.01, 1.0).map(ConfidenceThreshold),
    st.floats(0.01, 8.0).map(ConfidenceFactor),
    st.builds(Klass, st.floats(0.01, 1.0), st.floats(0.01, 9.0), st.integers(1, 3)),
    st.just(AllMasked()),
)
schedules = compositions(B).map(lambda sizes: UnmaskingSchedule(B, Order("random"), sizes))
seeds = st.integers(0, 2**16)


def play(
    policy: Policy, *, seed: int, blocks: int = 1, rows: int = 2, given: float = 0.0
) -> list[list[Groups]]:
    """Groups of each row and block, where the model says something else in each pass."""
    rng = np.random.default_rng(seed)
    masked = rng.random((rows, blocks, policy.block_length)) >= given
    groups: list[list[Groups]] = [[[] for _ in range(blocks)] for _ in range(rows)]
    choose = policy.chooser(range(rows), blocks, seed)
    while masked.any():
        own = np.flatnonzero(masked.any(axis=(1, 2)))
        at = masked[own].any(axis=2).argmax(axis=1)

        def query(positions: NDArray[np.bool_], models: NDArray[np.int64]) -> Tensor:
            sharpness = rng.uniform(0.0, 6.0, size=(int(positions.sum()), 1))
            return torch.from_numpy(rng.normal(size=(len(sharpness), 4)) * sharpness).log_softmax(
                -1
            )

        active = ActiveBlocks(own, at, masked[own, at], query)
        chosen = choose(active)
        assert chosen.any(axis=1).all(), "no progress"
        assert not np.any(chosen & ~active.masked), "a known position"
        assert active.log_probs(chosen).shape == (chosen.sum(), 4)
        for row, block, positions in zip(own, at, chosen, strict=True):
            groups[row][block].append(np.flatnonzero(positions).tolist())
            masked[row, block] &= ~positions
    return groups


def bounded(
    rule: Rule,
    order: Order | None,
    cap: UnmaskingSchedule | None,
    floor: UnmaskingSchedule | None,
    spacing: int | None,
    gate: float | None,
) -> Planner:
    return Planner(B, rule, order, cap=cap, floor=floor, spacing=spacing, gate=gate)


planners = st.builds(
    bounded,
    rules,
    st.none() | named_orders,
    st.none() | schedules,
    st.none() | schedules,
    st.none() | st.integers(1, 40),
    st.none() | st.floats(0.01, 1.0),
)
gated = st.builds(
    lambda order, sizes, gate, extra: GatedSchedule(
        UnmaskingSchedule(B, order, sizes), gate, extra
    ),
    known_orders,
    compositions(B),
    st.floats(0.01, 1.0),
    st.integers(0, 4),
)


@settings(max_examples=80)
@given(planners | gated | st.integers(1, B).map(lambda k: Ancestral(B, k)), seeds, st.booleans())
def test_every_pass_reveals_masked_positions_only(
    policy: Policy, seed: int, some_are_given: bool
) -> None:
    for row in play(policy, seed=seed, blocks=2, given=0.5 * some_are_given):
        for groups in row:
            assert len(groups) <= B
            assert len({p for group in groups for p in group}) == sum(map(len, groups))


@settings(max_examples=40)
@given(planners, schedules, seeds)
def test_a_floor_bounds_the_passes_from_above(
    policy: Planner, floor: UnmaskingSchedule, seed: int
) -> None:
    held = bounded(policy.rule, policy.order, policy.cap, floor, policy.spacing, policy.gate)
    for row in play(held, seed=seed, blocks=2, given=0.3):
        assert all(len(groups) <= floor.steps for groups in row)


@settings(max_examples=40)
@given(planners, schedules, seeds)
def test_a_cap_bounds_the_passes_from_below(
    policy: Planner, cap: UnmaskingSchedule, seed: int
) -> None:
    held = bounded(policy.rule, policy.order, cap, None, policy.spacing, policy.gate)
    for row in play(held, seed=seed, blocks=2):
        for groups in row:
            ends = set(np.cumsum([len(group) for group in groups]).tolist())
            assert ends >= set(cap.boundaries[1:])  # so there are as many passes or more


NOTHING: Rule = EntropyBound(0.0)
EVERYTHING: Rule = EntropyBound(1e9)


@settings(max_examples=20)
@given(compositions(B), named_orders, seeds)
def test_the_ends_of_the_dial_are_the_schedule(
    sizes: tuple[int, ...], order: Order, seed: int
) -> None:
    """A floor under a rule that takes nothing, or a cap over one that takes everything."""
    schedule = UnmaskingSchedule(B, order, sizes)
    wanted = play(SchedulePolicy(schedule), seed=seed, blocks=2)
    assert play(Planner(B, NOTHING, order, floor=schedule), seed=seed, blocks=2) == wanted
    for rule in (EVERYTHING, AllMasked()):
        assert play(Planner(B, rule, order, cap=schedule), seed=seed, blocks=2) == wanted


def test_the_ends_of_the_dial_without_bounds() -> None:
    dilated = Order("dilated")
    assert play(Planner(B, NOTHING, dilated), seed=0)[0][0] == [
        [p] for p in dilated.permutation_for(B)
    ]
    assert play(Planner(B, EVERYTHING, dilated), seed=0)[0][0] == [list(range(B))]


@settings(max_examples=40)
@given(rules, st.none() | schedules, st.none() | schedules, st.permutations(range(B)), seeds)
def test_what_is_revealed_along_an_order_is_its_beginning(
    rule: Rule,
    cap: UnmaskingSchedule | None,
    floor: UnmaskingSchedule | None,
    positions: list[int],
    seed: int,
) -> None:
    order = Order("explicit", permutation=tuple(positions))
    for groups in play(Planner(B, rule, order, cap=cap, floor=floor), seed=seed, blocks=2)[0]:
        known: set[int] = set()
        for group in groups:
            known |= set(group)
            assert known == set(positions[: len(known)])


@settings(max_examples=30)
@given(rules, named_orders, st.integers(1, 20), seeds)
def test_spacing(rule: Rule, order: Order, first_gap: int, seed: int) -> None:
    for row in play(Planner(B, rule, order, spacing=first_gap), seed=seed, rows=1, blocks=2):
        for groups in row:
            left = B
            for group in groups:
                gap = max(2, left * first_gap // B)
                assert all(b - a >= gap for a, b in pairwise(group))
                left -= len(group)


@settings(max_examples=30)
@given(gated, seeds, st.booleans())
def test_a_gate_takes_as_many_passes_as_there_are_groups_and_the_extra_ones(
    policy: GatedSchedule, seed: int, some_are_given: bool
) -> None:
    share = 0.5 * some_are_given
    free = play(SchedulePolicy(policy.schedule), seed=seed, blocks=2, given=share)
    held = play(policy, seed=seed, blocks=2, given=share)
    for row, wanted in zip(held, free, strict=True):
        for groups, known in zip(row, wanted, strict=True):
            assert len(known) <= len(groups) <= len(known) + policy.extra


@settings(max_examples=30)
@given(st.floats(0.0, 6.0), seeds)
def test_the_entropy_sum_takes_no_more_than_the_entropy_bound(budget: float, seed: int) -> None:
    (first,) = play(Planner(B, EntropySum(budget)), seed=seed, rows=1)[0]
    (other,) = play(Planner(B, EntropyBound(budget)), seed=seed, rows=1)[0]
    assert set(first[0]) <= set(other[0])


# The error of a round


def first_choice(table: Floats, planner: Planner) -> Callable[[dict[int, int]], list[int]]:
    """What the planner reveals next, given the values of some positions."""
    law = LawDenoiser(table)

    def choose(known: dict[int, int]) -> list[int]:
        state = torch.full((1, law.length), law.mask_id)
        for position, value in known.items():
            state[0, position] = value
        masked = (state == law.mask_id).numpy()

        def query(positions: NDArray[np.bool_], models: NDArray[np.int64]) -> Tensor:
            return law.log_probs(state, torch.from_numpy(positions))

        active = ActiveBlocks(np.array([0]), np.array([0]), masked, query)
        return np.flatnonzero(planner.chooser([0], 1, 0)(active)[0]).tolist()

    return choose


@settings(max_examples=40)
@given(
    tables(max_n=4),
    st.floats(0.0, 2.0),
    st.sampled_from(("entropy", "confidence", "dilated", "left_to_right")),
    st.sampled_from((EntropyBound, EntropySum)),
)
def test_the_total_correlation_of_a_round_is_bounded(
    table: Floats, bound: float, order: str, rule: Callable[[float], Rule]
) -> None:
    planner = Planner(table.ndim, rule(bound), Order(order))
    for round_ in policy_rounds(table, first_choice(table, planner)):
        assert round_.total_correlation <= bound + 1e-9


def test_a_threshold_bounds_nothing() -> None:
    """Two fair coins that agree, each sure enough alone: their round loses log 2."""
    table = np.array([[0.5, 0.0], [0.0, 0.5]])
    planner = Planner(2, ConfidenceThreshold(0.5))
    (only,) = policy_rounds(table, first_choice(table, planner))
    assert only.total_correlation == pytest.approx(np.log(2))


# Schedules that switch models


def models_used(policy: Policy) -> list[tuple[int, int]]:
    """(number of known positions, model) of each pass, of one row."""
    choose, masked, found = policy.chooser([0], 1, 0), np.ones((1, policy.block_length), bool), []

    def query(positions: NDArray[np.bool_], models: NDArray[np.int64]) -> Tensor:
        return torch.zeros((int(positions.sum()), 3)).log_softmax(-1)

    while masked.any():
        active = ActiveBlocks(np.array([0]), np.array([0]), masked, query)
        chosen = choose(active)
        found.append((int((~masked).sum()), int(active.models[0])))
        masked = masked & ~chosen
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_model_of_each_step(name: str) -> None:
    schedule = UnmaskingSchedule(6, Order(name), (1, 2, 3), models=(2, 0, 1))
    policy = SchedulePolicy(schedule)
    assert (policy.models, policy.foreseen) == (3, name in NAMES[:3])
    assert models_used(policy) == [(0, 2), (1, 0), (3, 1)]
    if policy.foreseen:
        gate = GatedSchedule(schedule, gate=1.0)
        assert (gate.models, gate.foreseen) == (3, False)
        assert [model for _, model in models_used(gate)] == [2, 0, 1]


def test_a_model_is_named_before_the_pass() -> None:
    def query(positions: NDArray[np.bool_], models: NDArray[np.int64]) -> Tensor:
        return torch.zeros((int(positions.sum()), 3))

    masked = np.ones((1, 2), dtype=np.bool_)
    active = ActiveBlocks(np.array([0]), np.array([0]), masked, query)
    active.use(np.array([1]))
    assert active.distributions().shape == (2, 3)
    with pytest.raises(UsageError, match=r"models \[0\]: the pass is made already"):
        active.use(np.array([0]))


# DUS with a gate


@pytest.mark.parametrize("extra", [0, 1, 2, 8])
def test_unsure_positions_join_the_next_group(extra: int) -> None:
    table = random_table(3, 8, seed=4) ** 6
    law = LawDenoiser(table / table.sum())
    groups = dus_schedule(8).groups()
    truth = law.draw(20, np.random.default_rng(1))
    done = teacher_forced(law, truth, GatedSchedule(dus_schedule(8), gate=0.8, extra=extra))
    late = 0
    for x, revealed_at in zip(truth.tolist(), done.revealed_at, strict=True):
        state, due, found, step = [law.mask_id] * 8, list[int](), [], 0
        while law.mask_id in state:
            due = sorted([*due, *groups[step]] if step < len(groups) else due)
            sure = law.logits(torch.tensor([state]))[0].exp().max(dim=-1).values.tolist()
            least = 1
            if step >= len(groups) - 1:
                passes_left = len(groups) + extra - step
                least = math.ceil(len(due) / passes_left)
            now = [p for p in due if sure[p] >= 0.8]
            for p in sorted(due, key=lambda p: -sure[p]):
                if p not in now and len(now) < least:
                    now.append(p)
            due = [p for p in due if p not in now]
            late += len(due)
            for p in now:
                state[p] = x[p]
            found.append(sorted(now))
            step += 1
        assert groups_of(revealed_at) == found
    assert late > 0


def test_a_low_gate_changes_nothing() -> None:
    schedule = UnmaskingSchedule(B, Order("random"), uniform_sizes(B, 5))
    assert play(GatedSchedule(schedule, gate=1e-9), seed=3, blocks=2) == play(
        SchedulePolicy(schedule), seed=3, blocks=2
    )


# Ancestral sampling


def test_steps_of_the_ancestral_sampler_are_uniform_and_independent() -> None:
    """Means over 4000 draws; a bound of five standard deviations fails once in a million."""
    counts = np.zeros(4)
    for row in play(Ancestral(B, 4), seed=1, rows=2000, blocks=2):
        for groups in row:
            assert len(groups) <= 4
            counts[len(groups) - 1] += 1
    # All four steps reveal something but for inclusion and exclusion of empty ones.
    all_four = sum((-1) ** j * math.comb(4, j) * (1 - j / 4) ** B for j in range(4))
    spread = np.sqrt(all_four * (1 - all_four) / 4000)
    assert abs(counts[3] / 4000 - all_four) < 5 * spread


def test_an_ancestral_sampler_of_one_step() -> None:
    assert play(Ancestral(B, 1), seed=0)[0][0] == [list(range(B))]


def test_a_gap_wider_than_any_block_reveals_one_position_a_pass() -> None:
    masked = np.array([[True, False, True], [False, False, True]])
    for gap in (9, 10**18, 10**30):
        assert (gaps(masked, gap) >= 3).all()
