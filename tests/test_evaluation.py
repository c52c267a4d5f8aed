"""The evaluator: standard errors, pairs, matches, and that it measures what it says."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from numpy.typing import NDArray
from sampler_cases import policies_for
from strategies import random_table

from schedopt.clusters import mean_over_documents
from schedopt.data import Windows, cut_windows, read_corpus
from schedopt.errors import InputError, UsageError
from schedopt.evaluation import (
    SamplerScore,
    evaluate,
    match,
    nfe_to_match,
    score_row,
    sequential_policy,
)
from schedopt.models import LawDenoiser, load_model
from schedopt.samplers import SchedulePolicy, policy_for
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.sizes import dus_schedule, uniform_sizes
from theory.distributions import TableLaw
from theory.divergences import expected_kl

Floats = NDArray[np.float64]


def drawn_windows(law: LawDenoiser, count: int, *, per_document: int = 1) -> Windows:
    tokens = law.draw(count, np.random.default_rng(0))
    return Windows(tokens, np.arange(count) // per_document, 0)


def score(nll: list[float], nfe: float = 4, documents: list[int] | None = None) -> SamplerScore:
    return SamplerScore(
        "ours",
        8,
        np.array(nll),
        np.full(len(nll), nfe, dtype=np.int64),
        np.arange(len(nll)) if documents is None else np.array(documents),
    )


# Standard errors


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=8))
def test_documents_of_one_window_have_the_usual_error(values: list[float]) -> None:
    found = mean_over_documents(np.array(values), np.arange(len(values)))
    assert found.value == pytest.approx(np.mean(values), abs=1e-12)
    assert found.stderr == pytest.approx(np.std(values, ddof=1) / math.sqrt(len(values)), abs=1e-12)


@given(st.lists(st.floats(-5, 5), min_size=4, max_size=12), st.integers(2, 4))
def test_equal_documents_have_the_jackknife_error(values: list[float], size: int) -> None:
    values = values[: len(values) // 2 * 2]
    documents = [i % 2 for i in range(len(values))]  # not in one piece
    left = [np.mean([v for v, d in zip(values, documents, strict=True) if d != k]) for k in (0, 1)]
    jackknife = math.sqrt(sum((x - np.mean(left)) ** 2 for x in left) / 2)
    found = mean_over_documents(np.array(values), np.array(documents))
    assert found.stderr == pytest.approx(jackknife, abs=1e-12)
    # Windows that are copies of one another say nothing new.
    again = mean_over_documents(np.repeat(values, size), np.repeat(documents, size))
    assert again.value == pytest.approx(found.value, abs=1e-12)
    assert again.stderr == pytest.approx(found.stderr, abs=1e-12)


def test_the_error_of_unequal_documents_covers() -> None:
    # Documents of 1 to 5 windows that share an effect: 95 % intervals of 2000 means. Fixed seed;
    # another one would leave the bounds below about once in 10^5 times.
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(2000):
        sizes = rng.integers(1, 6, size=60)
        documents = np.repeat(np.arange(60), sizes)
        values = rng.normal(size=60)[documents] + 0.3 * rng.normal(size=len(documents))
        found = mean_over_documents(values, documents)
        inside += abs(found.value) < 1.96 * found.stderr
    assert 0.92 < inside / 2000 < 0.965


def test_one_document_has_no_error() -> None:
    with pytest.raises(InputError, match="1 document: a standard error needs at least 2"):
        mean_over_documents(np.ones(3), np.zeros(3, dtype=np.int64))


def test_an_impossible_window_is_an_infinite_loss() -> None:
    lost = score([math.inf, 1.0])
    assert (lost.nll.value, lost.nll.stderr) == (math.inf, math.inf)
    assert math.isnan(lost.minus(lost).value)
    row = score_row(lost, reference=lost)
    assert row["nll"] is row["stderr"] is row["difference"] is None


# Scores


def test_scores_do_not_depend_on_the_batch() -> None:
    law = LawDenoiser(random_table(2, 6, seed=4))
    windows = drawn_windows(law, 23, per_document=2)
    policies = policies_for(3)
    together = evaluate(law, windows, policies, seed=3)
    apart = evaluate(law, windows, policies, seed=3, batch_size=5)
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_allclose(one.window_nll, other.window_nll, atol=1e-12)
        assert (one.window_nfe == other.window_nfe).all()
    assert [s.sampler for s in together] == [policy.label for policy in policies]


def test_scores_of_a_network_do_not_depend_on_the_batch() -> None:
    model = load_model("tiny-light")
    assert model.tokenizer is not None
    windows = cut_windows(read_corpus(), model.tokenizer, context=16, length=16, limit=20)
    policies = [policy_for("random", block_length=16, steps=4), dus_schedule(8)]
    together = evaluate(model, windows, policies)
    apart = evaluate(model, windows, policies, batch_size=3)
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_allclose(one.window_nll, other.window_nll, atol=1e-5)
        assert one.nfe == other.nfe
    assert together[1].nfe == 6


def test_the_context_is_given_and_not_scored() -> None:
    law = LawDenoiser(random_table(2, 5, seed=8))
    truth = law.draw(6, np.random.default_rng(1))
    (found,) = evaluate(law, Windows(truth, np.arange(6), 3), [dus_schedule(2)])
    for x, nll in zip(truth.numpy(), found.window_nll, strict=True):
        context = tuple(x[:3])
        pair = law.table[context]
        first, second = pair.sum(axis=1), pair.sum(axis=0)
        probability = first[x[3]] * second[x[4]] / pair.sum() ** 2
        assert nll == pytest.approx(-math.log(probability) / 2, abs=1e-12)


def test_measured_excess_is_the_predicted_one() -> None:
    """On the law's own samples, within four standard errors: a false alarm in 10^4 seeds."""
    table = random_table(2, 6, seed=6)
    curve = TableLaw(table).conditional_entropy_curve()
    law = LawDenoiser(table)
    windows = drawn_windows(law, 3000)
    for steps in (1, 2, 3):
        sizes = uniform_sizes(6, steps)
        schedule = UnmaskingSchedule(6, Order("random"), sizes)
        found, sequential = evaluate(
            law, windows, [schedule, sequential_policy(Order("random"), 6)]
        )
        excess = found.minus(sequential)
        assert abs(6 * excess.value - expected_kl(curve, sizes)) < 4 * 6 * excess.stderr


def test_policies_of_random_order_share_their_orders() -> None:
    law = LawDenoiser(random_table(2, 6, seed=6))
    windows = drawn_windows(law, 40)
    unit = SchedulePolicy(UnmaskingSchedule(6, Order("random"), (1,) * 6), "again")
    one, other = evaluate(law, windows, [sequential_policy(Order("random"), 6), unit])
    assert (one.window_nll == other.window_nll).all()
    (reseeded,) = evaluate(law, windows, [unit], seed=1)
    # One position a step, an exact law gives -log mu(x) in any order.
    np.testing.assert_allclose(one.window_nll, reseeded.window_nll, atol=1e-12)
    (half,) = evaluate(law, windows, [policy_for("random", block_length=6, steps=2)])
    (other_half,) = evaluate(law, windows, [policy_for("random", block_length=6, steps=2)], seed=1)
    assert (half.window_nll != other_half.window_nll).any()


def test_more_passes_lose_less_on_the_bundled_model() -> None:
    model = load_model("tiny")
    assert model.tokenizer is not None
    windows = cut_windows(read_corpus(), model.tokenizer, context=32, length=32, limit=32)
    policies = [policy_for("dilated", block_length=32, steps=k) for k in (1, 4, 32)]
    one, four, all_steps = evaluate(model, windows, policies)
    assert (one.nfe, four.nfe, all_steps.nfe) == (1, 4, 32)
    for more, fewer in ((four, one), (all_steps, four)):
        gain = fewer.minus(more)
        assert gain.value > 4 * gain.stderr > 0


def test_progress() -> None:
    law = LawDenoiser(random_table(2, 4, seed=0))
    calls: list[tuple[int, int]] = []
    evaluate(
        law,
        drawn_windows(law, 5),
        [dus_schedule(4), dus_schedule(2)],
        batch_size=2,
        progress=lambda *now: calls.append(now[:2]),
    )
    assert calls == [(2, 10), (4, 10), (5, 10), (7, 10), (9, 10), (10, 10)]


def test_refused_windows() -> None:
    law = LawDenoiser(random_table(2, 4, seed=0))
    windows = drawn_windows(law, 6)
    too_long = Windows(torch.zeros((2, 8), dtype=torch.int64), np.arange(2), 0)
    with pytest.raises(UsageError, match="positive multiple of the block length 3"):
        evaluate(law, windows, [dus_schedule(3)])
    with pytest.raises(UsageError, match="need batch size >= 1, got 0"):
        evaluate(law, windows, [dus_schedule(4)], batch_size=0)
    with pytest.raises(InputError, match="holds the mask token 2"):
        evaluate(law, Windows(torch.full((2, 4), 2), np.arange(2), 0), [dus_schedule(4)])
    with pytest.raises(InputError, match="1 document"):
        evaluate(law, drawn_windows(law, 6, per_document=6), [dus_schedule(4)])
    with pytest.raises(UsageError, match="this model takes exactly 4"):
        evaluate(law, too_long, [dus_schedule(4)])


# Comparisons


def test_a_difference_needs_the_same_windows() -> None:
    with pytest.raises(UsageError, match="were scored on different windows"):
        score([1.0, 2.0]).minus(score([1.0, 2.0], documents=[0, 2]))


def test_rows() -> None:
    ours, base = score([1.0, 2.0, 3.0]), score([0.5, 1.0, 3.0], nfe=8)
    row = score_row(ours, reference=base, sequential=ours)
    assert json.loads(json.dumps(row)) == {
        "sampler": "ours",
        "nfe": 4.0,
        "nll": 2.0,
        "stderr": pytest.approx(1 / math.sqrt(3)),
        "block_length": 8,
        "difference": 0.5,
        "difference_stderr": pytest.approx(0.5 / math.sqrt(3)),
        "excess": 0.0,
        "excess_stderr": 0.0,
    }
    assert set(score_row(ours)) == {"sampler", "nfe", "nll", "stderr", "block_length"}


points = st.dictionaries(
    st.integers(1, 500), st.floats(0.0, 5.0, allow_subnormal=False), min_size=1, max_size=6
).map(lambda found: list(found.items()))


@given(points, st.floats(0.0, 5.0), st.floats(0.0, 5.0))
def test_passes_to_match(curve: list[tuple[int, float]], low: float, high: float) -> None:
    low, high = min(low, high), max(low, high)
    hard, easy = nfe_to_match(curve, low), nfe_to_match(curve, high)
    assert (hard is None) == (min(nll for _, nll in curve) > low)
    if hard is not None:
        assert easy is not None
        assert easy <= hard * (1 + 1e-12)  # a better loss never takes fewer passes
        assert min(nfe for nfe, _ in curve) <= hard <= max(nfe for nfe, _ in curve) * (1 + 1e-12)
    for nfe, nll in curve:  # a measured point is enough for itself
        enough = nfe_to_match(curve, nll)
        assert enough is not None
        assert enough <= nfe * (1 + 1e-12)


def test_passes_between_points() -> None:
    curve = [(32, 0.9), (2, 1.3), (8, 1.1)]
    assert nfe_to_match(curve, 1.2) == pytest.approx(4.0)  # half way in the logarithm
    assert nfe_to_match(curve, 1.0) == pytest.approx(16.0)
    assert nfe_to_match(curve, 1.1) == pytest.approx(8.0)
    assert nfe_to_match(curve, 1.5) == 2.0  # the fewest measured are enough
    assert nfe_to_match(curve, 0.89) is None
    # A point that does worse with more passes is as if it were not there.
    assert nfe_to_match([*curve, (16, 1.4)], 1.0) == pytest.approx(16 * math.sqrt(2))


@pytest.mark.parametrize("bad", [[], [(0, 1.0)], [(4, 1.0), (-1, 1.0)]])
def test_refused_points(bad: list[tuple[float, float]]) -> None:
    with pytest.raises(UsageError, match="need points"):
        nfe_to_match(bad, 1.0)


def test_match_and_its_jackknife() -> None:
    rng = np.random.default_rng(0)
    documents = np.array([0, 0, 1, 2, 2, 2, 3, 4, 5, 5])
    common = rng.normal(1.0, 0.2, size=10)
    scores = [
        replace(
            score([0.0] * 10),
            sampler=f"eb:{nfe}",
            window_nll=common + loss + 0.02 * rng.normal(size=10),
            window_nfe=rng.integers(nfe - 1, nfe + 2, size=10),
            documents=documents,
        )
        for nfe, loss in ((6, 0.3), (4, 0.5), (8, 0.2), (16, 0.1))
    ]
    ours, *baseline = scores
    found = match(ours, baseline)
    assert (found.sampler, found.baseline) == ("eb:6", "eb")
    assert found.baseline_nfe is not None
    assert found.ratio == pytest.approx(found.baseline_nfe / ours.nfe)
    assert 4 < found.baseline_nfe < 8
    left = []
    for d in range(6):
        keep = documents != d
        curve = [(s.window_nfe[keep].mean(), s.window_nll[keep].mean()) for s in baseline]
        left.append(nfe_to_match(curve, ours.window_nll[keep].mean()))
    wanted = math.sqrt(5 / 6 * sum((x - np.mean(left)) ** 2 for x in left))
    assert found.stderr == pytest.approx(wanted)
    assert found.as_row()["nfe_ratio"] == found.ratio
    assert found.baseline_nfe_range == (min(s.nfe for s in baseline), max(s.nfe for s in baseline))


def test_a_baseline_that_never_gets_there() -> None:
    ours = score([1.0, 1.2])
    worse = score([1.5, 1.6], nfe=64)
    found = match(ours, [worse])
    assert (found.baseline_nfe, found.stderr, found.ratio) == (None, None, None)
    assert found.baseline_nfe_range == (64.0, 64.0)
    # Where one document decides it, there is a number but no error.
    split = match(score([1.0, 1.0, 1.0]), [score([2.0, 2.0, 2.0]), score([0.0, 1.2, 1.2], nfe=9)])
    assert split.baseline_nfe is not None
    assert split.stderr is None


def test_refused_matches() -> None:
    with pytest.raises(UsageError, match="at least one score"):
        match(score([1.0, 1.0]), [])
    with pytest.raises(UsageError, match="different windows"):
        match(score([1.0, 1.0]), [score([1.0, 1.0, 1.0])])
