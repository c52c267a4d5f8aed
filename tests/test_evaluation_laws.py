"""KL of samplers to exact laws, against the law that each sampler outputs, by enumeration."""

from __future__ import annotations

import math
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sampler_cases import LAWS, explicit, policies_for
from strategies import random_table

from schedopt.data import Windows
from schedopt.errors import MissingModelError, UsageError
from schedopt.evaluation import evaluate, law_kl, match, sequential_policy
from schedopt.evaluation import laws as laws_module
from schedopt.models import LawDenoiser
from schedopt.running import Runner, open_journal
from schedopt.samplers import Policy, SchedulePolicy, policy_for
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.sizes import dus_schedule
from theory.adaptive import adaptive_kl, entropy_bound_policy, expected_rounds
from theory.distributions import Law, TableLaw, build_law
from theory.divergences import expected_kl, partition_kl
from theory.outputs import output_law_kl

Floats = NDArray[np.float64]

every_law = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())


def chances_of(law: Law) -> list[tuple[tuple[int, ...], float]]:
    """Possible outcomes and their probabilities."""
    table = law.table()
    return [(x, float(table[x])) for x in product(range(law.q), repeat=law.n) if table[x] > 0.0]


def log_output(law: Law, x: tuple[int, ...], groups: list[tuple[int, ...]]) -> float:
    """log q(x) of the sampler that reveals these groups, from the joint table."""
    table, total = law.table(), 0.0
    known: list[int] = []
    for group in groups:
        context = _mass(table, x, known)
        for i in group:
            total += math.log(_mass(table, x, [*known, i]) / context)
        known = [*known, *group]
    return total


def _mass(table: Floats, x: tuple[int, ...], positions: list[int]) -> float:
    """Probability that these positions hold the values of x."""
    chosen: tuple[Any, ...] = tuple(
        x[i] if i in positions else slice(None) for i in range(table.ndim)
    )
    return float(np.sum(table[chosen]))


def kl_by_definition(law: Law, groups_of: Any) -> float:
    """sum_x p(x) (log p(x) - log q(x)), with the groups that the sampler takes on x."""
    return sum(p * (math.log(p) - log_output(law, x, groups_of(x))) for x, p in chances_of(law))


@every_law
def test_kl_of_a_partition(law: Law) -> None:
    half = tuple(range(0, law.n, 2)), tuple(range(1, law.n, 2))
    (found,) = law_kl(law, [explicit(half)])
    assert found.documents is None
    assert found.mean.value == pytest.approx(kl_by_definition(law, lambda _: list(half)), abs=1e-9)
    assert found.output_law_kl == found.mean.value
    assert (found.nfe, found.mean.stderr) == (2.0, 0.0)


@pytest.mark.parametrize("name", [name for name, law in LAWS.items() if law.n <= 4])
def test_kl_of_a_random_order_is_the_mean_over_orders(name: str) -> None:
    law = LAWS[name]
    sizes = (1, law.n - 1)
    (found,) = law_kl(law, [UnmaskingSchedule(law.n, Order("random"), sizes)])
    orders = list(permutations(range(law.n)))
    by_order = [kl_by_definition(law, lambda _, o=order: [o[:1], o[1:]]) for order in orders]
    assert found.mean.value == pytest.approx(np.mean(by_order), abs=1e-9)
    # The law of outputs, with all orders mixed.
    mixed = 0.0
    for x, p in chances_of(law):
        q = np.mean([math.exp(log_output(law, x, [o[:1], o[1:]])) for o in orders])
        mixed += p * (math.log(p) - math.log(q))
    assert found.output_law_kl == pytest.approx(mixed, abs=1e-9)
    assert mixed <= found.mean.value + 1e-12


def groups_on(law: Law, policy: Policy, x: tuple[int, ...]) -> list[tuple[int, ...]]:
    """What a policy reveals, step by step, where the outcome is x: by the loop of samplers."""
    from schedopt.samplers import unmask
    from schedopt.samplers.fills import true_tokens

    denoiser = LawDenoiser(law)
    truth = torch.tensor([x])
    done = unmask(denoiser, torch.full_like(truth, law.q), policy, true_tokens(truth))
    steps = done.revealed_at[0]
    return [tuple(np.flatnonzero(steps == t).tolist()) for t in range(int(steps.max()) + 1)]


@every_law
@pytest.mark.parametrize("name", ["confidence", "entropy", "margin", "eb:0.3", "threshold:0.7"])
def test_kl_of_an_adaptive_planner(law: Law, name: str) -> None:
    policy = policy_for(name, block_length=law.n, steps=2)
    (found,) = law_kl(law, [policy])
    wanted = kl_by_definition(law, lambda x: groups_on(law, policy, x))
    assert found.mean.value == pytest.approx(wanted, abs=1e-9)
    assert found.mean.stderr == 0.0
    passes = sum(p * len(groups_on(law, policy, x)) for x, p in chances_of(law))
    assert found.nfe == pytest.approx(passes, abs=1e-9)


@pytest.mark.parametrize("gamma", [0.0, 0.2, 0.7])
def test_kl_of_the_entropy_bound_is_that_of_theory(gamma: float) -> None:
    table = random_table(2, 5, seed=11)
    (found,) = law_kl(TableLaw(table), [policy_for(f"eb:{gamma}", block_length=5)])
    policy = entropy_bound_policy(table, gamma)
    assert found.mean.value == pytest.approx(adaptive_kl(table, policy), abs=1e-9)
    assert found.nfe == pytest.approx(expected_rounds(table, policy), abs=1e-9)


@every_law
def test_nll_of_all_outcomes_is_kl_and_entropy(law: Law) -> None:
    """Sum of p(x) NLL(x) = KL + H, for every kind of policy that has no random order."""
    denoiser = LawDenoiser(law)
    windows = Windows(denoiser.outcomes, np.arange(len(denoiser.outcomes)), 0)
    policies = [p for p in policies_for(law.n) if not laws_module.has_random_order(p)]
    kls = law_kl(law, policies)
    for kl, score in zip(kls, evaluate(denoiser, windows, policies), strict=True):
        nll = float(denoiser.probabilities.numpy() @ score.values) * law.n
        assert nll == pytest.approx(kl.mean.value + law.entropy(), abs=1e-9)
        assert kl.nfe == pytest.approx(
            float(denoiser.probabilities.numpy() @ score.passes.sum(axis=1)), abs=1e-9
        )


def test_formula_and_passes_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    law = build_law("markov", n=6, order=2)
    policies: list[Policy] = [
        policy_for("dilated", block_length=6, steps=3),
        policy_for("dilated", block_length=3, steps=2),
        policy_for("left_to_right", block_length=2, steps=1),
        SchedulePolicy(dus_schedule(6)),
        sequential_policy(Order("dilated"), 6),
    ]
    by_formula = law_kl(law, policies)
    monkeypatch.setattr(laws_module, "_by_formula", lambda run, policy: None)
    by_passes = law_kl(law, policies)
    for one, other in zip(by_formula, by_passes, strict=True):
        assert one.mean.value == pytest.approx(other.mean.value, abs=1e-9)
        assert one.nfe == other.nfe
    assert by_formula[-1].mean.value == pytest.approx(0.0, abs=1e-12)


def test_random_orders_within_blocks_are_drawn() -> None:
    """Within four standard errors of the mean over all orders: a false alarm in 10^4 seeds."""
    law = TableLaw(random_table(2, 4, seed=2))
    policy = policy_for("random", block_length=2, steps=2)
    (found,) = law_kl(law, [policy], samples=60, seed=1)
    assert found.documents is not None
    assert found.nfe == 4.0
    # One position a step loses nothing, whatever the order; two do.
    assert found.mean.value == pytest.approx(0.0, abs=1e-12)
    groups = [(0, 1), (2, 3)]
    (fixed,) = law_kl(law, [policy_for("random", block_length=2, steps=1)], samples=20)
    assert fixed.mean.value == pytest.approx(partition_kl(law, groups), abs=1e-9)
    third = UnmaskingSchedule(3, Order("random"), (1, 2))
    law = TableLaw(random_table(2, 6, seed=2))
    (drawn,) = law_kl(law, [third], samples=150, seed=3)
    every = [
        partition_kl(law, [left[:1], left[1:], right[:1], right[1:]])
        for left in permutations(range(3))
        for right in permutations(range(3, 6))
    ]
    assert abs(drawn.mean.value - np.mean(every)) < 4 * drawn.mean.stderr
    assert set(drawn.values.round(9)) <= set(np.round(every, 9))  # each is a KL of one order
    assert drawn.output_law_kl is None


def test_policies_that_draw_their_steps_are_averaged() -> None:
    """Ancestral sampling in at most two steps: each position's step is a coin."""
    law = TableLaw(random_table(2, 3, seed=5))
    (found,) = law_kl(law, [policy_for("ancestral", block_length=3, steps=2)], samples=300)
    every = []
    for coins in product((0, 1), repeat=3):
        groups = [tuple(i for i in range(3) if coins[i] == t) for t in (0, 1)]
        every.append(partition_kl(law, [group for group in groups if group]))
    assert abs(found.mean.value - np.mean(every)) < 4 * found.mean.stderr


def test_large_laws_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within four standard errors of the exact sum: a false alarm in 10^4 seeds."""
    law = build_law("markov", n=8, order=2)
    policies = [policy_for(name, block_length=8, steps=2) for name in ("confidence", "eb:0.5")]
    exact = law_kl(law, policies)
    monkeypatch.setattr(laws_module, "MOST_OUTCOMES", 8)
    drawn = law_kl(law, policies, samples=800, seed=4)
    for one, other in zip(exact, drawn, strict=True):
        assert one.documents is None
        assert other.documents is not None
        assert abs(one.mean.value - other.mean.value) < 4 * other.mean.stderr
        assert abs(one.nfe - other.nfe) < 0.3
    # Both are of the same draws, so that a difference is paired.
    paired = drawn[0].minus(drawn[1])
    assert paired.stderr < math.hypot(drawn[0].mean.stderr, drawn[1].mean.stderr)


def test_laws_beyond_any_table() -> None:
    law = build_law("markov", n=96)
    fixed, adaptive = law_kl(
        law,
        [policy_for("dilated", block_length=96, steps=4), policy_for("eb:0.05", block_length=96)],
        samples=16,
    )
    groups = policy_for("dilated", block_length=96, steps=4)
    assert isinstance(groups, SchedulePolicy)
    assert fixed.mean.value == pytest.approx(partition_kl(law, groups.schedule.groups()))
    assert (fixed.documents is None, adaptive.documents is None) == (True, False)
    (random,) = law_kl(law, [policy_for("random", block_length=96, steps=4)])
    curve = law.conditional_entropy_curve()
    assert random.mean.value == pytest.approx(expected_kl(curve, (24,) * 4))
    assert random.output_law_kl is None  # no table


def test_a_coarser_model_is_judged_by_the_law() -> None:
    """A sampler that asks marginals alone has the KL of independence, in any order."""
    law = TableLaw(random_table(2, 4, seed=9))
    table = law.table()
    margins = [table.sum(axis=tuple(j for j in range(4) if j != i)) for i in range(4)]
    product_table = np.einsum("a,b,c,d->abcd", *margins)
    light = LawDenoiser(product_table)
    policies = [policy_for(name, block_length=4, steps=4) for name in ("dilated", "confidence")]
    total = float(np.sum(table * np.log(table / product_table)))
    for found in law_kl(law, policies, model=light):
        assert found.mean.value == pytest.approx(total, abs=1e-9)
    # Light for the first half of the positions, the law itself for the rest.
    both = UnmaskingSchedule(4, Order("left_to_right"), (2, 1, 1), models=(1, 0, 0))
    (mixed,) = law_kl(law, [both], siblings=[light])
    pair = table.sum(axis=(2, 3))
    wanted = float(np.sum(pair * np.log(pair / np.outer(margins[0], margins[1]))))
    assert mixed.mean.value == pytest.approx(wanted, abs=1e-9)
    assert mixed.nfe_by_model == (2.0, 1.0)
    assert mixed.flops is None


def test_a_journal_tells_the_truth_and_the_models_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The truth of drawn outcomes is asked by a policy that may be among those to be judged."""
    monkeypatch.setattr(laws_module, "MOST_OUTCOMES", 2)
    law = TableLaw(random_table(2, 3, seed=9))
    policy = sequential_policy(Order("left_to_right"), 3)
    unsure = LawDenoiser(np.full((2, 2, 2), 1 / 8))
    (alone,) = law_kl(law, [policy], model=unsure, samples=20)
    assert alone.mean.value > 0.0
    with open_journal(tmp_path, {}, goals={}, command=[], warn=print) as journal:
        (journaled,) = law_kl(law, [policy], model=unsure, samples=20, runner=Runner(journal))
    assert journaled.mean == alone.mean


def test_exact_scores_match_without_error() -> None:
    law = build_law("markov", n=8, order=2)
    ours, *baseline = law_kl(
        law,
        [
            policy_for("dilated", block_length=8, steps=3),
            *(policy_for("random", block_length=8, steps=k) for k in (2, 4, 8)),
        ],
    )
    found = match(ours, baseline)
    assert found.needed is not None
    assert found.needed > 3
    assert found.needed_stderr == 0.0
    assert found.as_row()["kl"] == ours.mean.value


def test_output_law_kl_is_that_of_theory() -> None:
    law = build_law("markov", n=6, order=2)
    (found,) = law_kl(law, [policy_for("random", block_length=6, steps=3)])
    assert found.output_law_kl == pytest.approx(output_law_kl(law.table(), (2, 2, 2)), abs=1e-12)


def test_refusals() -> None:
    law = build_law("parity", n=4)
    with pytest.raises(UsageError, match="positive multiple of the block length 3"):
        law_kl(law, [dus_schedule(3)])
    with pytest.raises(UsageError, match="samples: a standard error needs at least 2, got 1"):
        law_kl(law, [dus_schedule(4)], samples=1)
    two = UnmaskingSchedule(4, Order("random"), (2, 2), models=(0, 1))
    with pytest.raises(MissingModelError, match="calls models 0 to 1"):
        law_kl(law, [two])
    with pytest.raises(UsageError, match=r"the law has symbols 0\.\.2, the model"):
        law_kl(build_law("product", n=4, q=3, eps=0.4), [dus_schedule(4)], model=LawDenoiser(law))
