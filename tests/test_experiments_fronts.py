"""What the studies of samplers compute themselves: fronts, slopes and values at equal entropy."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedopt.data import Windows
from schedopt.evaluation import SamplerScore, evaluate, sequential_policy
from schedopt.models import LawDenoiser
from schedopt.schedule import Order, UnmaskingSchedule
from theory.distributions import build_law

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "experiments"))

import fronts
import matched_entropy
import slope

POINTS = st.lists(
    st.tuples(st.integers(1, 128), st.integers(-50, 50)), min_size=1, max_size=9, unique=True
)


def score(name: str, values: list[float], passes: list[float]) -> SamplerScore:
    documents = np.arange(len(values)) // 2
    ones = np.ones(len(values))
    return SamplerScore(name, 1, np.array(values), np.array(passes)[:, None], documents, ones)


@settings(max_examples=60)
@given(POINTS)
def test_the_front_is_the_best_mixture_of_two_points(points: list[tuple[int, int]]) -> None:
    costs, losses = np.array(points, dtype=float).T
    for at in (1.0, 2.5, 30.0, 128.0):
        best = np.inf
        for a, loss_a in points:
            if a > at:
                continue
            best = min(best, loss_a)
            for b, loss_b in points:
                if b > at:
                    share = np.log(at / a) / np.log(b / a)
                    best = min(best, (1 - share) * loss_a + share * loss_b)
        assert fronts.front_at(at, costs, losses) == pytest.approx(best, abs=1e-9)


def test_a_number_has_the_jackknifes_error_over_documents() -> None:
    rng = np.random.default_rng(0)
    values, passes = rng.normal(size=(2, 10)), rng.integers(4, 9, size=(2, 10)).astype(float)
    scores = [
        score("a", *map(list, (values[0], passes[0]))),
        score("b", list(values[1]), list(passes[1])),
    ]

    def both(costs: np.ndarray, losses: np.ndarray) -> float:
        return float(costs[0] * losses[1] ** 2)

    found, stderr = fronts.jackknifed(both, scores)
    assert found == pytest.approx(passes[0].mean() * values[1].mean() ** 2)
    without = []
    for document in range(5):
        keep = np.arange(10) // 2 != document
        without.append(passes[0][keep].mean() * values[1][keep].mean() ** 2)
    variance = 4 / 5 * sum((w - np.mean(without)) ** 2 for w in without)
    assert stderr == pytest.approx(variance**0.5)
    assert fronts.jackknifed(lambda costs, losses: None, scores) == (None, None)


def test_fronts_differ_where_both_have_points() -> None:
    cheap, dear = score("a", [2.0, 2.0, 2.0, 2.0], [4.0] * 4), score("b", [1.0] * 4, [16.0] * 4)
    assert fronts.difference_at(8.0, [dear], [cheap]) is None
    found = fronts.difference_at(16.0, [dear], [cheap])
    assert found is not None
    assert (found.value, found.stderr) == (-1.0, 0.0)


def test_streams_run_from_left_to_right_all_at_a_time() -> None:
    assert fronts.streams(4, length=8).permutation == (0, 4, 1, 5, 2, 6, 3, 7)


@settings(max_examples=40)
@given(st.integers(1, 40), st.integers(4, 200))
def test_odd_sizes_are_sizes(k: int, n: int) -> None:
    if n < 4 * k:
        return
    sizes = slope.odd_sizes(n, k)
    assert len(sizes) == k
    assert sum(sizes) == n
    assert min(sizes) >= 1


@settings(max_examples=40)
@given(st.floats(0.2, 5.0), st.integers(0, 1000))
def test_a_slope_is_found_without_errors_and_turns_with_the_axes(b: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, var_p, var_m = rng.uniform(0.1, 1.0, (3, 12))
    assert slope.slope_of(p, b * p, var_p, var_m) == pytest.approx(b, rel=1e-6)
    m = b * p + 0.05 * rng.normal(size=12)
    there, back = slope.slope_of(p, m, var_p, var_m), slope.slope_of(m, p, var_m, var_p)
    assert there * back == pytest.approx(1.0, rel=1e-4)  # errors in both: neither axis is special


def test_the_error_of_a_slope_covers_as_often_as_it_says() -> None:
    """100 fits; 0.95 +- 0.022 of them are within 1.96 errors: 86 is missed once in 10^4."""
    rng = np.random.default_rng(1)
    true, inside = np.geomspace(0.1, 1.0, 8), 0
    for _ in range(100):
        both = []
        for _ in range(2):  # 40 documents that the rows share
            noise = 0.3 * true * rng.normal(size=(40, 1)) + 0.1 * rng.normal(size=(40, 8))
            rows = true + noise
            without = (rows.sum(axis=0) - rows) / 39
            both.append(slope.Known(rows.mean(axis=0), slope.jackknife_parts(without)))
        fit = slope.fit_slope(*both)
        inside += abs(fit["slope"] - 1.0) <= 1.96 * fit["stderr"]
    assert inside >= 86


@pytest.mark.parametrize("order", [Order("dilated"), Order("left_to_right")])
def test_a_sweep_predicts_what_the_sampler_loses_on_the_same_text(order: Order) -> None:
    """Plain predictions are the theorem: on the same windows they are the measured excess."""
    law = LawDenoiser(build_law("markov", n=6).table())
    windows = Windows.independent(law.draw(40, np.random.default_rng(0)))
    args = argparse.Namespace(seed=0, batch=16)
    schedules = [UnmaskingSchedule(3, order, sizes) for sizes in ((3,), (1, 2), (2, 1))]
    swept = slope.sweep(law, windows, order, 3, args)
    *scores, last = evaluate(law, windows, [*schedules, sequential_policy(order, 3)])
    for schedule, found in zip(schedules, scores, strict=True):
        predicted = slope.excess_of(swept, schedule) / 6
        assert predicted == pytest.approx(found.values - last.values, abs=1e-12)


def test_joined_numbers_keep_the_errors_of_each_and_share_documents() -> None:
    rng = np.random.default_rng(2)
    one = slope.Known(np.ones(2), rng.normal(size=(3, 2)))
    two = slope.Known(np.ones(1), rng.normal(size=(5, 1)))
    both = slope.joined([one, two])
    assert both.stderr == pytest.approx([*one.stderr, *two.stderr])
    covariance = (both.parts.T @ both.parts)[0, 2]
    assert covariance == pytest.approx(one.parts[:, 0] @ two.parts[:3, 0])


def test_values_are_read_at_one_entropy() -> None:
    entropy = np.array([[3.0, 2.8], [2.0, 2.4]])
    assert matched_entropy.common_entropy(entropy) == pytest.approx(2.6)
    passes, nll = matched_entropy.matched(
        2.6, (np.array([[8.0, 60.0], [8.0, 40.0]]), np.array([[3.0, 2.0], [1.0, 1.0]]), entropy)
    )
    assert passes == pytest.approx([8.0, 50.0])
    assert nll == pytest.approx([2.2, 1.5])
    assert matched_entropy.ratio((passes, nll), 0, [1]) == pytest.approx(50.0 / 8.0)
    assert matched_entropy.ratio((passes, nll), 1, [0]) is None
