"""The evaluator: standard errors, pairs, matches, and that it measures what it says."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import ClassVar

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from numpy.typing import NDArray
from sampler_cases import policies_for
from strategies import random_table

from schedopt.clusters import Measured, mean_over_documents
from schedopt.data import Windows, cut_windows, read_corpus
from schedopt.errors import InputError, MissingModelError, UsageError
from schedopt.evaluation import (
    Metric,
    SamplerScore,
    Score,
    evaluate,
    match,
    nfe_to_match,
    score_row,
    sequential_policy,
)
from schedopt.models import LawDenoiser, load_model
from schedopt.models.denoiser import NO_TOKEN
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
        np.full((len(nll), 1), float(nfe)),
        np.arange(len(nll)) if documents is None else np.array(documents),
        np.full(len(nll), 8.0),
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
        np.testing.assert_allclose(one.values, other.values, atol=1e-12)
        assert (one.passes == other.passes).all()
    assert [s.sampler for s in together] == [policy.label for policy in policies]


def test_scores_of_a_network_do_not_depend_on_the_batch() -> None:
    model = load_model("tiny-light")
    assert model.tokenizer is not None
    windows = cut_windows(read_corpus(), model.tokenizer, context=16, length=16, limit=20)
    policies = [policy_for("random", block_length=16, steps=4), dus_schedule(8)]
    together = evaluate(model, windows, policies)
    apart = evaluate(model, windows, policies, batch_size=3)
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_allclose(one.values, other.values, atol=1e-5)
        assert one.nfe == other.nfe
    assert together[1].nfe == 6


def test_the_context_is_given_and_not_scored() -> None:
    law = LawDenoiser(random_table(2, 5, seed=8))
    truth = law.draw(6, np.random.default_rng(1))
    (found,) = evaluate(law, Windows(truth, np.arange(6), 3), [dus_schedule(2)])
    for x, nll in zip(truth.numpy(), found.values, strict=True):
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
    assert (one.values == other.values).all()
    (reseeded,) = evaluate(law, windows, [unit], seed=1)
    # One position a step, an exact law gives -log mu(x) in any order.
    np.testing.assert_allclose(one.values, reseeded.values, atol=1e-12)
    (half,) = evaluate(law, windows, [policy_for("random", block_length=6, steps=2)])
    (other_half,) = evaluate(law, windows, [policy_for("random", block_length=6, steps=2)], seed=1)
    assert (half.values != other_half.values).any()


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


def test_models_of_a_schedule_are_scored_and_counted_apart() -> None:
    """Model 1 knows the margins alone, so that what it reveals is independent of what is known."""
    table = random_table(2, 4, seed=3)
    margins = [table.sum(axis=tuple(j for j in range(4) if j != i)) for i in range(4)]
    heavy, light = LawDenoiser(table), LawDenoiser(np.einsum("a,b,c,d->abcd", *margins))
    windows = drawn_windows(heavy, 12)
    schedule = UnmaskingSchedule(4, Order("left_to_right"), (1, 1, 2), models=(0, 1, 0))
    (found,) = evaluate(heavy, windows, [schedule], siblings=[light])
    for x, nll in zip(windows.tokens.tolist(), found.values, strict=True):
        first = margins[0][x[0]]
        second = margins[1][x[1]]
        rest = table[x[0], x[1]] / table[x[0], x[1]].sum()
        third, fourth = rest.sum(axis=1)[x[2]], rest.sum(axis=0)[x[3]]
        assert nll == pytest.approx(-math.log(first * second * third * fourth) / 4, abs=1e-12)
    assert found.nfe_by_model == (2.0, 1.0)
    assert score_row(found)["nfe_by_model"] == [2.0, 1.0]
    assert found.flops is None  # a law does not say
    with pytest.raises(MissingModelError, match="calls models 0 to 1"):
        evaluate(heavy, windows, [schedule])
    other = LawDenoiser(random_table(3, 4, seed=3))
    with pytest.raises(UsageError, match="models 0 and 1 have vocab_size 3 and 4"):
        evaluate(heavy, windows, [schedule], siblings=[other])


def test_operations_are_those_of_the_models() -> None:
    heavy, light = load_model("tiny"), load_model("tiny-light")
    assert heavy.tokenizer is not None
    windows = cut_windows(read_corpus(), heavy.tokenizer, context=8, length=8, limit=4)
    both = UnmaskingSchedule(8, Order("dilated"), (2, 2, 4), models=(1, 1, 0))
    mixed, alone = evaluate(heavy, windows, [both, dus_schedule(8)], siblings=[light])
    assert mixed.cost("flops") == pytest.approx(heavy.flops(16) + 2 * light.flops(16))
    assert alone.cost("flops") == pytest.approx(3 * heavy.flops(16))
    assert match(mixed, [alone], cost="flops").spent == mixed.cost("flops")
    # Tokens that are not there are not computed with.
    ragged = windows.tokens.clone()
    ragged[:2, :4] = NO_TOKEN
    (short,) = evaluate(heavy, Windows(ragged, windows.documents, 8), [dus_schedule(8)])
    assert short.flops is not None
    assert short.flops == pytest.approx([3 * heavy.flops(12)] * 2 + [3 * heavy.flops(16)] * 2)


def test_scores_of_parts_are_joined() -> None:
    law = LawDenoiser(random_table(2, 4, seed=0))
    windows = drawn_windows(law, 8)
    whole = evaluate(law, windows, [dus_schedule(4)])[0]
    parts = [
        evaluate(law, windows.take(rows), [dus_schedule(4)])[0]
        for rows in ([0, 1, 2], [3, 4, 5, 6, 7])
    ]
    joined = parts[0].joined(parts[1])
    assert joined.values.tolist() == whole.values.tolist()
    assert joined.nll == whole.nll
    assert joined.nfe == whole.nfe


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
    with pytest.raises(UsageError, match="were scored on different cases"):
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
        "tokens_per_forward": 2.0,
        "nfe_by_model": [4.0],
        "flops": None,
        "difference": 0.5,
        "difference_stderr": pytest.approx(0.5 / math.sqrt(3)),
        "excess": 0.0,
        "excess_stderr": 0.0,
    }
    assert {"sampler", "nfe", "nll", "stderr"} <= score_row(ours).keys()
    assert not {"difference", "excess"} & score_row(ours).keys()


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
            values=common + loss + 0.02 * rng.normal(size=10),
            passes=rng.integers(nfe - 1, nfe + 2, size=(10, 1)).astype(float),
            documents=documents,
        )
        for nfe, loss in ((6, 0.3), (4, 0.5), (8, 0.2), (16, 0.1))
    ]
    ours, *baseline = scores
    found = match(ours, baseline)
    assert (found.sampler, found.baseline) == ("eb:6", "eb")
    assert found.needed is not None
    assert found.ratio == pytest.approx(found.needed / ours.nfe)
    assert 4 < found.needed < 8
    left, ratios = [], []
    for d in range(6):
        keep = documents != d
        curve = [(s.passes[keep].mean(), s.values[keep].mean()) for s in baseline]
        needed = nfe_to_match(curve, ours.values[keep].mean())
        assert needed is not None
        left.append(needed)
        ratios.append(needed / ours.passes[keep].mean())
    for wanted, replicates in ((found.needed_stderr, left), (found.ratio_stderr, ratios)):
        spread = sum((x - np.mean(replicates)) ** 2 for x in replicates)
        assert wanted == pytest.approx(math.sqrt(5 / 6 * spread))
    row = found.as_row()
    assert (row["nfe"], row["nll"]) == (ours.nfe, ours.nll.value)
    assert (row["baseline_nfe"], row["baseline_nfe_stderr"]) == (found.needed, found.needed_stderr)
    assert (row["nfe_ratio"], row["nfe_ratio_stderr"]) == (found.ratio, found.ratio_stderr)
    spans = [score.nfe for score in baseline]
    assert row["baseline_nfe_range"] == [min(spans), max(spans)]


def test_a_baseline_that_never_gets_there() -> None:
    ours = score([1.0, 1.2])
    worse = score([1.5, 1.6], nfe=64)
    found = match(ours, [worse])
    assert (found.needed, found.needed_stderr, found.ratio_stderr) == (None, None, None)
    assert found.ratio is None
    assert found.measured == (64.0, 64.0)
    # Where one document decides it, there is a number but no error.
    split = match(score([1.0, 1.0, 1.0]), [score([2.0, 2.0, 2.0]), score([0.0, 1.2, 1.2], nfe=9)])
    assert split.needed is not None
    assert split.needed_stderr is None


@dataclass(frozen=True, eq=False)
class Share(Score):
    """A metric of which more is better."""

    metric: ClassVar[Metric] = Metric("share", "of all", "higher")


def shares(values: list[float], nfe: float) -> Share:
    loss = score(values, nfe)
    return Share(f"s:{nfe}", 8, loss.values, loss.passes, loss.documents, loss.tokens)


def test_more_of_what_is_better_takes_as_many_passes_as_less_of_what_is_worse() -> None:
    values = [[0.2, 0.4, 0.1], [0.5, 0.3, 0.4], [0.9, 0.5, 1.0]]
    ours, *others = [shares(v, nfe) for v, nfe in zip(values, (6, 4, 16), strict=True)]
    mine, *theirs = [
        replace(score([-x for x in v], nfe), sampler=f"s:{nfe}")
        for v, nfe in zip(values, (6, 4, 16), strict=True)
    ]
    found, mirror = match(ours, others), match(mine, theirs)
    assert (found.needed, found.needed_stderr) == (mirror.needed, mirror.needed_stderr)
    assert (found.value, found.as_row()["share"]) == (ours.mean.value, ours.mean.value)


def test_operations_take_the_place_of_passes() -> None:
    fast, slow = score([1.0, 1.4], nfe=4), score([1.2, 1.0], nfe=8)
    fast, slow = (replace(s, flops=100.0 / s.passes.sum(axis=1)) for s in (fast, slow))
    found = match(fast, [slow], cost="flops")
    assert (found.spent, found.needed) == (25.0, 12.5)
    assert found.as_row()["flops_ratio"] == 0.5
    with pytest.raises(UsageError, match="does not say how many operations"):
        match(fast, [score([1.0, 1.0])], cost="flops")


def test_exact_scores_have_no_error() -> None:
    exact = [
        replace(score([value], nfe), documents=None)
        for value, nfe in ((0.5, 4), (0.7, 2), (0.3, 8))
    ]
    ours, *others = exact
    assert ours.mean == Measured(0.5, 0.0)
    difference = ours.minus(others[0])
    assert difference.value == pytest.approx(-0.2)
    assert difference.stderr == 0.0
    found = match(ours, others)
    assert found.needed == pytest.approx(4.0)
    assert (found.needed_stderr, found.ratio_stderr) == (0.0, 0.0)
    # Beside one that is measured, the error is its own.
    measured = score([0.2, 0.4, 0.9], nfe=4)
    assert ours.minus(measured).stderr == measured.mean.stderr
    assert match(measured, others).needed_stderr == pytest.approx(
        match(
            measured, [replace(s, values=np.repeat(s.values, 3)) for s in _spread(others)]
        ).needed_stderr
    )


def _spread(scores: list[SamplerScore]) -> list[SamplerScore]:
    """Exact scores as if every document had the same value."""
    return [
        replace(s, documents=np.arange(3), passes=np.repeat(s.passes, 3, axis=0), tokens=np.ones(3))
        for s in scores
    ]


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 9), st.floats(0.1, 3.0)),
        min_size=2,
        max_size=9,
    ).filter(lambda cases: len({document for document, *_ in cases}) > 1)
)
def test_a_weighted_mean_has_the_error_of_a_ratio(cases: list[tuple[int, int, float]]) -> None:
    """Texts that differ in length: sums over texts, and residuals of sums over documents."""
    documents, tokens, nats = (np.array(column) for column in zip(*cases, strict=True))
    found = SamplerScore(
        "ratio",
        8,
        nats,
        np.ones((len(nats), 1)),
        documents,
        np.ones(len(nats)),
        weights=tokens.astype(float),
    )
    ratio = (nats * tokens).sum() / tokens.sum()
    names = set(documents.tolist())
    residuals = [((nats - ratio) * tokens)[documents == d].sum() for d in names]
    clusters = len(names)
    wanted = math.sqrt(clusters / (clusters - 1) * sum(r**2 for r in residuals)) / tokens.sum()
    assert found.mean.value == pytest.approx(ratio, rel=1e-12)
    assert found.mean.stderr == pytest.approx(wanted, abs=1e-12)
    # The difference of two ratios, as the delta method has it.
    other = replace(found, values=nats**2, weights=np.ones(len(nats)))
    plain = (nats**2).mean()
    gaps = [
        ((nats - ratio) * tokens / tokens.sum() - (nats**2 - plain) / len(nats))[
            documents == d
        ].sum()
        for d in names
    ]
    difference = found.minus(other)
    assert difference.value == pytest.approx(ratio - plain, abs=1e-12)
    assert difference.stderr == pytest.approx(
        math.sqrt(clusters / (clusters - 1) * sum(g**2 for g in gaps)), abs=1e-12
    )


def test_a_match_of_ratios_leaves_out_sums() -> None:
    rng = np.random.default_rng(3)
    weights = rng.integers(1, 9, size=6).astype(float)
    ours, few, many = [
        replace(score(list(rng.uniform(size=6) + high), nfe), weights=weights)
        for high, nfe in ((0.5, 6), (1.0, 4), (0.0, 16))
    ]
    left: list[float] = []
    for d in range(6):
        keep = np.arange(6) != d
        means = [np.average(s.values[keep], weights=weights[keep]) for s in (ours, few, many)]
        needed = nfe_to_match([(4, means[1]), (16, means[2])], means[0])
        assert needed is not None
        left.append(needed)
    spread = sum((x - np.mean(left)) ** 2 for x in left)
    assert match(ours, [few, many]).needed_stderr == pytest.approx(math.sqrt(5 / 6 * spread))


def test_an_impossible_window_decides_no_match_without_it() -> None:
    ours, lost = score([1.0, 1.2, 1.1]), score([math.inf, 0.5, 0.4], nfe=8)
    found = match(ours, [lost])
    assert (found.needed, found.needed_stderr) == (None, None)
    # With it the baseline never gets there; without its document it would.
    kept = match(ours, [score([0.5, 0.5, 0.5], nfe=16), lost])
    assert kept.needed == 16.0
    left = [8.0, 16.0, 16.0]
    spread = sum((x - np.mean(left)) ** 2 for x in left)
    assert kept.needed_stderr == pytest.approx(math.sqrt(2 / 3 * spread))


@pytest.mark.parametrize(
    ("label", "family"),
    [
        ("eb:0.5", "eb"),
        ("eb:0.5,rank=dilated", "eb,rank=dilated"),
        ("eb,rank=dilated", "eb,rank=dilated"),
        ("confidence", "confidence"),
        ("dus:32,gate=0.3", "dus,gate=0.3"),
    ],
)
def test_families_differ_in_the_number_after_the_colon(label: str, family: str) -> None:
    assert replace(score([1.0, 2.0]), sampler=label).family == family


def test_tokens_per_forward_is_the_ratio_of_means() -> None:
    uneven = replace(
        score([1.0, 1.0]), passes=np.array([[1.0, 2.0], [4.0, 1.0]]), tokens=np.array([8.0, 16.0])
    )
    assert uneven.tokens_per_forward == 24 / 8
    assert (uneven.nfe, uneven.nfe_by_model) == (4.0, (2.5, 1.5))


def test_a_metric_is_compared_with_itself_only() -> None:
    with pytest.raises(UsageError, match="needs the same metric"):
        score([1.0, 2.0]).minus(shares([1.0, 2.0], 4))


def test_refused_matches() -> None:
    with pytest.raises(UsageError, match="at least one score"):
        match(score([1.0, 1.0]), [])
    with pytest.raises(UsageError, match="different cases"):
        match(score([1.0, 1.0]), [score([1.0, 1.0, 1.0])])
