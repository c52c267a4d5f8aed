"""fit = estimate + solve: on exact laws it tells the exact loss, and what it promises holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from strategies import random_table
from torch import Tensor

from schedopt.clusters import Measured
from schedopt.curve import OrderSurface
from schedopt.data import Windows
from schedopt.errors import InfeasibleError, InputError, NoisyEstimateError, UsageError
from schedopt.estimators import estimate
from schedopt.evaluation import evaluate
from schedopt.fitting import Fit, block_lengths, fit
from schedopt.models import LawDenoiser
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.sizes import uniform_sizes
from schedopt.solvers import loss_of_blocks, losses, solve_blocks
from schedopt.solvers.robust import solve_uncertain
from theory.distributions import Law, MarkovChain, TableLaw
from theory.divergences import expected_kl, partition_kl

Floats = NDArray[np.float64]

CHAIN = MarkovChain(8, np.array([[0.9, 0.1], [0.3, 0.7]]))
GENERIC = TableLaw(random_table(2, 8, seed=2))
DILATED, RANDOM, LEFT = Order("dilated"), Order("random"), Order("left_to_right")


def oracle(law: Law, count: int = 800, seed: int = 0) -> tuple[LawDenoiser, Windows]:
    """A law and independent draws of it, each a document."""
    denoiser = LawDenoiser(law.table())
    tokens = denoiser.draw(count, np.random.default_rng(seed))
    return denoiser, Windows(tokens, np.arange(count), 0)


def sparse_oracle(count: int = 60) -> tuple[LawDenoiser, Windows]:
    """Sixteen bits that take only a few of their values, in runs."""
    rng = np.random.default_rng(4)
    words = np.cumsum(rng.random((count, 16)) < 0.2, axis=1) % 2
    table = np.zeros((2,) * 16)
    np.add.at(table, tuple(words.T), 1.0 / count)
    denoiser = LawDenoiser(table)
    return denoiser, Windows(torch.from_numpy(words), np.arange(count), 0)


def exact_loss(law: Law, found: Fit) -> float:
    """KL of the schedule that was found, from the theory."""
    schedule = found.schedule
    blocks = law.n // schedule.length
    if schedule.order.name == "random":
        assert blocks == 1
        return expected_kl(law.conditional_entropy_curve(), schedule.step_sizes)
    groups = [
        [block * schedule.length + p for p in group]
        for block in range(blocks)
        for group in schedule.groups(block=block)
    ]
    return partition_kl(law, groups)


# The loss is that of documents which the schedule was not chosen by. Fixed seeds: within four
# standard errors, which chance leaves about once in 10^4 times.


@pytest.mark.parametrize(
    ("order", "block_length", "steps"),
    [
        (DILATED, None, 3),
        (LEFT, None, 4),
        (RANDOM, None, 3),
        (DILATED, 4, 4),
        (DILATED, 4, 5),
        (LEFT, 2, 5),
        (Order("explicit", permutation=(3, 0, 2, 1)), 4, 3),
    ],
    ids=lambda value: getattr(value, "name", None),
)
@pytest.mark.parametrize("law", [CHAIN, GENERIC], ids=["chain", "generic"])
def test_the_loss_is_the_exact_one(
    law: Law, order: Order, block_length: int | None, steps: int
) -> None:
    denoiser, windows = oracle(law)
    found = fit(denoiser, windows, order=order, block_length=block_length, steps=steps, passes=4096)
    loss, exact = found.loss, exact_loss(law, found)
    assert found.schedule.total_steps(8) == steps
    assert found.schedule.order == order
    assert 0.0 < loss.stderr < 0.15
    assert abs(loss.value - exact) <= 4.0 * loss.stderr
    assert abs(found.nll.value - (law.entropy() + exact)) <= 4.0 * found.nll.stderr
    assert found.solution.loss == pytest.approx(exact, abs=0.3)
    assert found.regret >= -1e-9
    assert found.checked_documents == min(400, 4096 // (8 + steps))


def test_a_law_that_every_schedule_samples_exactly() -> None:
    denoiser, windows = oracle(TableLaw(np.full((2,) * 4, 1 / 16)), count=100)
    found = fit(denoiser, windows, steps=1, passes=64)
    assert (found.loss.value, found.loss.stderr) == pytest.approx((0.0, 0.0), abs=1e-12)
    assert (found.regret, found.uniform_regret) == (0.0, 0.0)
    assert found.nll.value == pytest.approx(4 * np.log(2))


# Regret


@pytest.mark.parametrize("order", [DILATED, RANDOM], ids=lambda order: order.name)
@pytest.mark.parametrize("block_length", [8, 4])
def test_regret_is_over_the_best_sizes_of_the_other_documents(
    order: Order, block_length: int
) -> None:
    denoiser, windows = oracle(GENERIC)
    options: dict[str, Any] = {"order": order, "block_length": block_length, "passes": 512}
    found = fit(denoiser, windows, steps=5, seed=3, **options)
    chosen_on, checked_on = windows.split(0.5, seed=3)
    fitted = estimate(denoiser, chosen_on, seed=3, **options).measure
    check = estimate(denoiser, checked_on, seed=4, **options).measure
    blocks = 8 // block_length
    own = solve_blocks(fitted, blocks, steps=5)
    assert found.schedule == own.schedule
    assert found.solution.loss == own.loss
    assert (found.measure.conditional_entropy == fitted.conditional_entropy).all()
    least = solve_blocks(check, blocks, steps=5).loss
    assert found.regret == pytest.approx(loss_of_blocks(check, own.schedule, blocks) / least - 1)
    equal = [
        uniform_sizes(block_length, len(own.schedule.sizes_of_block(b))) for b in range(blocks)
    ]
    uniform = replace(own.schedule, step_sizes=equal[0], blocks=tuple(equal))
    expected = loss_of_blocks(check, uniform, blocks) / least - 1
    assert found.uniform_regret == pytest.approx(expected)
    # What is measured is measured on those documents alone.
    on = checked_on.take(np.linspace(0, len(checked_on) - 1, 512 // 13).round().astype(np.int64))
    (score,) = evaluate(denoiser, on, [own.schedule], seed=3)
    assert found.nll.value == pytest.approx(8 * score.nll.value)
    assert found.nll.stderr == pytest.approx(8 * score.nll.stderr)


# Budgets


@pytest.mark.parametrize("max_loss", [0.05, 0.5, 2.0, 100.0])
@pytest.mark.parametrize("block_length", [None, 4])
def test_the_fewest_steps_within_a_loss(max_loss: float, block_length: int | None) -> None:
    denoiser, windows = oracle(CHAIN)
    found = fit(denoiser, windows, block_length=block_length, max_loss=max_loss, passes=512)
    steps, blocks = found.schedule.total_steps(8), 8 // found.schedule.length
    assert found.solution.loss <= max_loss + 1e-9
    if steps > blocks:
        fewer = solve_blocks(found.measure, blocks, steps=steps - 1)
        assert fewer.loss > max_loss
    else:
        assert max_loss > 1.0


def test_steps_are_an_eighth_of_the_length_where_nothing_is_said() -> None:
    denoiser, windows = sparse_oracle()
    assert fit(denoiser, windows, passes=64).schedule.steps == 2
    denoiser, windows = oracle(CHAIN)
    found = fit(denoiser, windows, passes=64)
    assert (found.schedule.steps, found.schedule.order) == (1, DILATED)


# Block lengths


@pytest.mark.parametrize(
    ("length", "block_length", "steps", "expected"),
    [
        (64, None, 4, [64]),
        (64, 16, 4, [16]),
        (64, "auto", 64, [64, 32, 16, 8]),
        (64, "auto", 4, [64, 32, 16]),
        (64, "auto", 1, [64]),
        (60, "auto", 60, [60, 30, 20, 15, 12, 10]),
        (4, "auto", 4, [4]),
        (13, "auto", 13, [13]),
    ],
)
def test_block_lengths_to_try(
    length: int, block_length: int | Literal["auto"] | None, steps: int, expected: list[int]
) -> None:
    assert block_lengths(length, block_length, steps) == expected


def test_the_best_block_length_is_kept() -> None:
    denoiser, windows = sparse_oracle()
    found = fit(denoiser, windows, block_length="auto", steps=6, passes=600)
    assert sorted(c.solution.schedule.length for c in found.candidates) == [8, 16]
    assert found.schedule == found.candidates[0].solution.schedule
    assert found.measure is found.candidates[0].measure
    chosen_on, _ = windows.split(0.5, seed=0)
    schedules = [candidate.solution.schedule for candidate in found.candidates]
    assert [schedule.total_steps(16) for schedule in schedules] == [6, 6]
    scores = evaluate(denoiser, chosen_on, schedules)
    for candidate, score in zip(found.candidates, scores, strict=True):
        behind = found.behind(candidate)
        assert behind.value >= 0.0
        assert behind.value == pytest.approx(16 * (score.nll.value - scores[0].nll.value))
        assert behind.stderr == pytest.approx(16 * score.minus(scores[0]).stderr)
    alone = fit(denoiser, windows, block_length=8, steps=6, passes=600)
    assert alone.behind(alone.candidates[0]) == Measured(0.0, 0.0)


# Order, blocks and boundaries together


def repeating_oracle() -> tuple[TableLaw, LawDenoiser, Windows]:
    """Four symbols of a chain, written twice: what is far apart tells most."""
    half = MarkovChain(4, np.array([[0.9, 0.1], [0.2, 0.8]])).table()
    table = np.zeros((2,) * 8)
    for word in np.ndindex(half.shape):
        table[word + word] = half[word]
    law = TableLaw(table)
    return law, *oracle(law, count=400)


def test_a_plan_must_be_surely_better_than_the_plain_one() -> None:
    chain = MarkovChain(16, np.array([[0.9, 0.1], [0.3, 0.7]]))
    denoiser = LawDenoiser(chain)
    windows = Windows.independent(denoiser.draw(800, np.random.default_rng(0)))
    found = fit(denoiser, windows, steps=3, passes=600)
    names = [candidate.name for candidate in found.candidates]
    assert "dilated, base 2" in names
    assert len(set(names)) == len(names) > 1
    chosen_on, _ = windows.split(0.5, seed=0)
    on = chosen_on.at_most(600 // 3)
    scores = evaluate(denoiser, on, [c.solution.schedule for c in found.candidates])
    levels = [score.nll.value for score in scores]
    assert levels[1:] == sorted(levels[1:])
    plain = names.index("dilated, base 2")
    if plain == 0:  # no other is better by two standard errors
        ahead = scores[0].minus(scores[1])
        assert ahead.value <= 2.0 * ahead.stderr
    else:
        assert levels[0] == min(levels)
        ahead = scores[plain].minus(scores[0])
        assert ahead.value > 2.0 * ahead.stderr


def test_chosen_together_it_is_no_worse_than_the_dilated_order() -> None:
    law, denoiser, windows = repeating_oracle()
    together = fit(denoiser, windows, steps=2, passes=2048)
    dilated = fit(denoiser, windows, steps=2, passes=2048, order=DILATED)
    assert exact_loss(law, together) <= exact_loss(law, dilated) + 1e-9


@pytest.mark.parametrize("option", [{"order": DILATED}, {"block_length": 8}, {"max_loss": 2.0}])
def test_what_is_given_is_not_searched(option: dict[str, Any]) -> None:
    denoiser, windows = oracle(CHAIN)
    steps = {} if "max_loss" in option else {"steps": 3}
    found = fit(denoiser, windows, passes=128, **steps, **option)
    assert len(found.candidates) == 1
    assert found.schedule.order == DILATED


# Robust


def test_robust_sizes_are_those_of_the_worst_measure_in_the_band() -> None:
    denoiser, windows = oracle(CHAIN)
    options: dict[str, Any] = {"order": RANDOM, "steps": 3, "passes": 128}
    found = fit(denoiser, windows, robust=0.9, **options)
    expected = solve_uncertain(found.measure, steps=3, confidence=0.9)
    assert found.solution == expected
    assert found.solution.loss > fit(denoiser, windows, **options).solution.loss


# The rest of what it tells


def test_fits_depend_on_the_seed_alone() -> None:
    denoiser, windows = oracle(GENERIC)
    first, again, other = (
        fit(denoiser, windows, steps=3, passes=128, seed=seed) for seed in (1, 1, 2)
    )
    assert first.solution == again.solution
    assert (first.regret, first.nll, first.provenance) == (
        again.regret,
        again.nll,
        again.provenance,
    )
    assert first.loss.value != other.loss.value


def test_provenance() -> None:
    denoiser, windows = oracle(GENERIC)
    found = fit(denoiser, windows, steps=3, passes=128, block_length=4, seed=5, smoothing="raw")
    assert found.provenance == {
        "seed": 5,
        "model": {"name": "table", "mask_id": 2},
        "data": {"name": "windows", "documents": 800},
        "estimate": {
            "documents": 400,
            "checked_documents": 128 // 11,
            "passes": 128,
            "length": 8,
            "context": 0,
            "block_length": 4,
            "fit": "raw",
        },
    }
    assert (found.length, found.context) == (8, 0)
    assert isinstance(found.measure, OrderSurface)


def test_a_context_is_given_and_not_sampled() -> None:
    denoiser, windows = oracle(GENERIC)
    found = fit(denoiser, replace(windows, context=4), order=LEFT, steps=2, passes=2048)
    assert (found.length, found.context) == (4, 4)
    sizes = found.schedule.step_sizes
    alone = UnmaskingSchedule(8, LEFT, (1, 1, 1, 1, *sizes))
    exact = partition_kl(GENERIC, alone.groups())
    assert abs(found.loss.value - exact) <= 4.0 * found.loss.stderr


@pytest.mark.parametrize("options", [{}, {"steps": 6, "block_length": "auto"}, {"max_loss": 1.0}])
def test_progress_rises_to_its_total(options: dict[str, Any]) -> None:
    denoiser, windows = sparse_oracle()
    seen: list[tuple[int, int]] = []
    fit(denoiser, windows, passes=300, progress=lambda *now: seen.append(now), **options)
    done, totals = zip(*seen, strict=True)
    assert len(set(totals)) == 1
    assert list(done) == sorted(done)
    assert done[0] > 0
    assert done[-1] == totals[0]


def test_a_loss_that_is_not_known_well_enough() -> None:
    """The error carries the fit, for who wants to look at it all the same."""
    denoiser, windows = oracle(GENERIC)
    plain = fit(denoiser, windows, steps=3, passes=128)
    known = plain.loss.stderr
    accepted = fit(denoiser, windows, steps=3, passes=128, max_stderr=known * 1.01)
    assert accepted.solution == plain.solution
    with pytest.raises(NoisyEstimateError) as caught:
        fit(denoiser, windows, steps=3, passes=128, max_stderr=known * 0.99)
    assert caught.value.exit_code == 4
    assert isinstance(caught.value.estimate, Fit)
    assert caught.value.estimate.solution == plain.solution
    assert f"with standard error {known:.4g}, more than {known * 0.99:g}" in str(caught.value)
    assert "--passes 256" in str(caught.value.hint)


# Refusals, before the passes that it would take to find out


class Untouched(LawDenoiser):
    """A law that must not be asked."""

    def score(self, tokens: Tensor, queries: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        raise AssertionError("a pass was made")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 9}, "8 positions need 1 <= steps <= 8, got 9"),
        ({"steps": 0}, "got 0"),
        ({"steps": -1, "block_length": "auto"}, "got -1"),
        ({"steps": 1, "block_length": 4}, "2 blocks of 4 positions need 2 <= steps <= 8, got 1"),
        ({"steps": 3, "max_loss": 1.0}, "need one of steps and max_loss, got steps=3"),
        ({"max_loss": 1.0, "robust": 0.95}, "a robust fit needs a budget of steps"),
        ({"max_loss": 1.0, "block_length": "auto"}, "block length auto needs a budget of steps"),
        ({"steps": 3, "block_length": 3}, "block length 3: need a divisor of the 8 positions"),
        ({"steps": 3, "block_length": 0}, "block length 0: need a divisor"),
        ({"max_loss": 3.0, "block_length": 16}, "block length 16: need a divisor"),
        ({"order": Order("confidence")}, "planner 'confidence' depends on values"),
        ({"length": 16}, "the windows have length 8 and context 0: leave these out"),
        ({"context": 4}, "got None and 4"),
        ({"passes": 8}, "at least 16, got 8"),
        ({"smoothing": "rough"}, "unknown smoothing 'rough'"),
        ({"seed": -1}, "seed: need a whole number >= 0, got -1"),
    ],
    ids=str,
)
def test_usage(options: dict[str, Any], message: str) -> None:
    _, windows = oracle(GENERIC)
    denoiser = Untouched(GENERIC.table())
    with pytest.raises(UsageError) as caught:
        fit(denoiser, windows, **options)
    assert message in str(caught.value)


@pytest.mark.parametrize("documents", [1, 2, 3])
def test_too_few_documents(documents: int) -> None:
    """Each half needs two."""
    _, windows = oracle(GENERIC)
    few = replace(windows, documents=np.arange(800) % documents)
    with pytest.raises(InputError, match="document"):
        fit(LawDenoiser(GENERIC.table()), few, steps=3, passes=64)


def test_length_zero_is_no_default() -> None:
    with pytest.raises(UsageError, match="need length >= 1 and context >= 0, got 0"):
        fit("tiny-light", length=0)


@pytest.mark.parametrize("block_length", [None, 4])
def test_losses_that_no_schedule_meets(block_length: int | None) -> None:
    denoiser, windows = oracle(GENERIC)
    with pytest.raises(InfeasibleError, match="need max_loss >= "):
        fit(denoiser, windows, block_length=block_length, max_loss=-5.0, passes=64)


def test_a_frontier_is_what_fits_promise() -> None:
    """More steps never promise more loss."""
    denoiser, windows = oracle(CHAIN)
    fits = [fit(denoiser, windows, order=DILATED, steps=k, passes=256) for k in range(1, 9)]
    promised = [found.solution.loss for found in fits]
    assert promised == sorted(promised, reverse=True)
    measure = fits[0].measure
    assert promised == pytest.approx(losses(measure).tolist())
    assert promised[-1] == 0.0
