"""fit = estimate + solve: on exact laws it tells the exact loss, and what it promises holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
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
from schedopt.fitting.check import evenly
from schedopt.models import CallableDenoiser, LawDenoiser
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
    on = checked_on.take(evenly(len(checked_on))[: 512 // 13])
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
    assert (found.measure,) == found.measures == found.candidates[0].measures
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
            "total_passes": 2 * 128 + 128 // 11 * 11,
            "length": 8,
            "context": 0,
            "block_length": 4,
            "per_block": False,
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


@pytest.mark.parametrize(
    "options",
    [{}, {"steps": 6, "block_length": "auto"}, {"max_loss": 1.0}, {"target_stderr": 0.15}],
    ids=str,
)
def test_progress_ends_at_its_total(options: dict[str, Any]) -> None:
    denoiser, windows = sparse_oracle(200)
    seen: list[tuple[int, int, float | None]] = []

    def progress(done: int, total: int, stderr: float | None = None, /) -> None:
        seen.append((done, total, stderr))

    found = fit(denoiser, windows, passes=300, progress=progress, **options)
    done, totals, stderrs = zip(*seen, strict=True)
    assert list(done) == sorted(done)
    assert all(0 < d <= total for d, total in zip(done, totals, strict=True))
    assert done[-1] == totals[-1] == found.passes
    if "target_stderr" in options:  # the next round is told what the last one came to
        assert stderrs[-1] is not None
        assert found.loss.stderr <= 0.15 < stderrs[-1]


def test_a_model_without_a_tokenizer_is_fitted_to_its_own_samples() -> None:
    denoiser, _ = oracle(GENERIC)
    found = fit(denoiser, "self", texts=400, steps=3, order=LEFT, passes=2048)
    assert found.provenance["data"]["documents"] == 400
    assert (found.length, found.context) == (8, 0)
    assert abs(found.loss.value - exact_loss(GENERIC, found)) <= 4.0 * found.loss.stderr


def test_a_function_of_tokens_is_fitted() -> None:
    law, windows = oracle(GENERIC)
    brought = CallableDenoiser(law.logits, mask_id=2, vocab_size=3)
    options: dict[str, Any] = {"order": LEFT, "steps": 3, "passes": 128}
    found, expected = (fit(model, windows, **options) for model in (brought, law))
    assert found.schedule == expected.schedule
    assert found.loss.value == pytest.approx(expected.loss.value, abs=1e-4)
    assert found.provenance["model"]["name"] == "callable"


# A loss that is known as well as it is to be


def test_windows_are_added_until_the_loss_is_known() -> None:
    denoiser, windows = oracle(GENERIC)
    options: dict[str, Any] = {"order": RANDOM, "steps": 3, "passes": 64}
    plain = fit(denoiser, windows, **options)
    target = 0.6 * fit(denoiser, windows, **options, target_stderr=100.0).loss.stderr
    found = fit(denoiser, windows, **options, target_stderr=target)
    assert found.loss.stderr <= target
    assert found.solution == plain.solution  # chosen once, as its documents are other ones
    assert found.candidates[0].measures[0].conditional_entropy == pytest.approx(
        plain.measure.conditional_entropy
    )
    assert plain.checked_documents == 8
    assert 32 < found.checked_documents < 400
    assert found.passes == 2 * 64 + found.checked_documents * 11
    assert abs(found.loss.value - exact_loss(GENERIC, found)) <= 4.0 * found.loss.stderr


def test_a_target_that_is_met_at_once_takes_no_more() -> None:
    denoiser, windows = oracle(GENERIC)
    options: dict[str, Any] = {"order": LEFT, "steps": 3, "passes": 1024}
    plain = fit(denoiser, windows, **options)
    assert fit(denoiser, windows, **options, target_stderr=10.0).loss == plain.loss


def test_what_is_added_changes_nothing_that_was_measured() -> None:
    """In a fixed order the rounds come to what one round over the same windows does."""
    denoiser, windows = oracle(GENERIC)
    options: dict[str, Any] = {"order": LEFT, "steps": 3, "passes": 64, "seed": 2}
    _, checked_on = windows.split(0.5, seed=2)
    found = fit(denoiser, windows, **options, target_stderr=0.06)
    on = checked_on.take(evenly(400)[: found.checked_documents])
    (score,) = evaluate(denoiser, on, [found.schedule])
    assert found.checked_documents > 64
    assert found.nll.value == pytest.approx(8 * score.nll.value)
    assert found.nll.stderr == pytest.approx(8 * score.nll.stderr)


def test_documents_that_run_out() -> None:
    """The error carries the fit, for who wants to look at it all the same."""
    denoiser, windows = oracle(GENERIC, 100)
    with pytest.raises(NoisyEstimateError) as caught:
        fit(denoiser, windows, order=LEFT, steps=3, passes=128, target_stderr=1e-3)
    found = caught.value.estimate
    assert caught.value.exit_code == 4
    assert isinstance(found, Fit)
    assert found.checked_documents == 50
    assert f"standard error {found.loss.stderr:.4g}" in str(caught.value)
    assert "more than the target 0.001" in str(caught.value)
    assert "all 50 held-out documents are used: give about" in str(caught.value.hint)


@pytest.mark.parametrize("max_passes", [600, 1000, 2000])
def test_passes_that_run_out(max_passes: int) -> None:
    denoiser, windows = oracle(GENERIC)
    options: dict[str, Any] = {"order": LEFT, "steps": 3, "target_stderr": 1e-3}
    with pytest.raises(NoisyEstimateError) as caught:
        fit(denoiser, windows, passes=128, max_passes=max_passes, **options)
    found = caught.value.estimate
    assert isinstance(found, Fit)
    assert max_passes - 11 < found.passes <= max_passes
    # Twice the passes that the hint names would do, were there the text.
    need = int(str(caught.value.hint).split("--max-passes ")[1].split(",")[0])
    ratio = (found.loss.stderr / 1e-3) ** 2
    assert need - 256 == pytest.approx((found.passes - 256) * ratio, rel=1e-3)


def test_the_expected_end_is_that_of_the_target() -> None:
    """After the first round of 32 windows, not that of the round."""
    denoiser, windows = oracle(GENERIC)
    totals: dict[int, int] = {}

    def progress(done: int, total: int, stderr: float | None = None, /) -> None:
        if stderr is not None:
            totals[done] = total

    options: dict[str, Any] = {"order": LEFT, "steps": 3, "passes": 128, "progress": progress}
    with pytest.raises(NoisyEstimateError):
        fit(denoiser, windows, target_stderr=1e-3, max_passes=2000, **options)
    later = [total for done, total in totals.items() if done > 256 + 32 * 11]
    assert len(later) > 3
    assert all(1990 <= total <= 2000 for total in later)
    totals.clear()
    found = fit(denoiser, windows, target_stderr=0.08, **options)
    later = [total for done, total in totals.items() if done > 256 + 32 * 11]
    assert later[0] == pytest.approx(found.passes, rel=0.5)


@pytest.mark.parametrize("max_passes", [1000, 5000])
@pytest.mark.parametrize("options", [{}, {"block_length": "auto"}, {"order": LEFT}], ids=str)
def test_the_whole_fit_keeps_within_its_passes(max_passes: int, options: dict[str, Any]) -> None:
    denoiser, windows = sparse_oracle(200)
    found = fit(denoiser, windows, steps=4, max_passes=max_passes, **options)
    assert max_passes / 2 < found.passes <= max_passes


def test_documents_of_many_windows_are_added_in_twos() -> None:
    """Each round needs two documents: where the rest is of one, it is left out."""
    denoiser, windows = oracle(GENERIC, 200)
    owners = np.where(np.arange(200) < 20, np.arange(200), 20 + np.arange(200) % 2)
    with pytest.raises(NoisyEstimateError, match="more than the target") as caught:
        fit(
            denoiser,
            replace(windows, documents=owners),
            order=LEFT,
            steps=3,
            passes=256,
            target_stderr=1e-6,
        )
    assert "held-out documents are used" in str(caught.value.hint)


@given(st.integers(1, 300), st.integers(1, 300))
def test_every_beginning_is_spread_evenly(count: int, first: int) -> None:
    order = evenly(count)
    assert sorted(order) == list(range(count))
    chosen = np.sort(order[: min(first, count)])
    gaps = np.diff(np.concatenate([[-1], chosen, [count]]))
    assert gaps.max() <= 2.7 * count / len(chosen) + 2


# Sizes of each block's own


def test_each_block_has_its_own_measure_and_sizes() -> None:
    denoiser, windows = oracle(GENERIC)
    options: dict[str, Any] = {"order": LEFT, "block_length": 4, "passes": 512, "seed": 3}
    found = fit(denoiser, windows, steps=5, per_block=True, **options)
    chosen_on, checked_on = windows.split(0.5, seed=3)
    fitted, check = (
        [
            estimate(
                denoiser, on, order=LEFT, block_length=4, block=b, passes=512, seed=seed
            ).measure
            for b in range(2)
        ]
        for on, seed in ((chosen_on, 3), (checked_on, 4))
    )
    for own, expected in zip(found.measures, fitted, strict=True):
        assert (own.conditional_entropy == expected.conditional_entropy).all()
    solution = solve_blocks(fitted, 2, steps=5)
    assert found.solution == solution
    least = solve_blocks(check, 2, steps=5).loss
    assert found.regret == pytest.approx(loss_of_blocks(check, found.schedule, 2) / least - 1)
    assert abs(found.loss.value - exact_loss(GENERIC, found)) <= 4.0 * found.loss.stderr
    assert found.provenance["estimate"]["per_block"] is True
    with pytest.raises(UsageError, match="each of the 2 blocks has a measure of its own"):
        _ = found.measure


def test_blocks_that_differ_get_steps_where_they_gain() -> None:
    """Four free bits, then a bit four times: equal sizes for both would waste steps."""
    table = np.zeros((2,) * 8)
    for word in np.ndindex((2,) * 5):
        table[word[:4] + word[4:] * 4] = 1 / 32
    denoiser, windows = oracle(TableLaw(table), 400)
    options: dict[str, Any] = {"order": LEFT, "block_length": 4, "steps": 3, "smoothing": "raw"}
    found = fit(denoiser, windows, per_block=True, **options)
    assert found.schedule.blocks == ((4,), (1, 3))
    assert found.loss.value == pytest.approx(0.0, abs=1e-9)
    assert fit(denoiser, windows, **options).loss.value >= 0.0


def test_one_block_of_its_own_is_the_whole() -> None:
    denoiser, windows = oracle(GENERIC)
    options: dict[str, Any] = {"order": LEFT, "block_length": 8, "steps": 3, "passes": 128}
    whole, alone = (fit(denoiser, windows, per_block=own, **options) for own in (False, True))
    assert whole.solution == alone.solution
    assert alone.measure is alone.measures[0]


def test_the_fewest_steps_of_blocks_with_their_own_sizes() -> None:
    denoiser, windows = oracle(GENERIC)
    options: dict[str, Any] = {"order": LEFT, "block_length": 4, "passes": 512}
    found = fit(denoiser, windows, max_loss=0.3, per_block=True, **options)
    steps = found.schedule.total_steps(8)
    assert found.solution.loss <= 0.3
    assert solve_blocks(found.measures, 2, steps=steps - 1).loss > 0.3


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
        ({"per_block": True}, "--per-block needs --block-length"),
        ({"per_block": True, "block_length": "auto"}, "needs --block-length as a number, got auto"),
        (
            {"per_block": True, "block_length": 4, "robust": 0.9, "steps": 4},
            "one measure for all blocks",
        ),
        ({"target_stderr": 0.0}, "target stderr: need nats > 0, got 0.0"),
        ({"target_stderr": float("nan")}, "need nats > 0, got nan"),
        ({"max_passes": 64}, "max passes: 64 for the whole fit leave 0 for each part"),
        ({"max_passes": 0}, "max passes: 0 for the whole fit leave 0 for each part"),
        ({"texts": 4}, "texts: 4 are to be drawn, but the data are windows"),
    ],
    ids=str,
)
def test_usage(options: dict[str, Any], message: str) -> None:
    _, windows = oracle(GENERIC)
    denoiser = Untouched(GENERIC.table())
    with pytest.raises(UsageError) as caught:
        fit(denoiser, windows, **options)
    assert message in str(caught.value)
    if "divisor" in message or "per_block" in options or "at least 16" in message:
        assert "--" in str(caught.value.hint)


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
