"""The Pareto front and AUP, against their definitions."""

from __future__ import annotations

import math
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from schedopt.errors import UsageError
from schedopt.evaluation import SamplerScore, TaskScore, aup, aup_of, pareto_front
from schedopt.evaluation.aup import DROP


def score(values: list[float], nfe: float, label: str = "s") -> SamplerScore:
    n = len(values)
    return SamplerScore(
        label, 8, np.array(values), np.full((n, 1), nfe), np.arange(n), np.full(n, 8.0)
    )


def solved(values: list[float], nfe: float, tokens: float = 8.0) -> TaskScore:
    n = len(values)
    right = np.array(values)
    return TaskScore("t", 8, right, np.full((n, 1), nfe), np.arange(n), np.full(n, tokens), right)


# The front

losses = st.tuples(st.integers(1, 4), st.integers(0, 3))


@given(st.lists(losses, min_size=1, max_size=7))
def test_the_front_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    scores = [replace(score([float(y)], nfe), documents=None) for nfe, y in points]
    for (nfe, y), standing in zip(points, pareto_front(scores), strict=True):
        beaten = False
        for other_nfe, other_y in points:
            if other_nfe <= nfe and other_y <= y and (other_nfe < nfe or other_y < y):
                beaten = True
        assert standing.on_front == (not beaten)


@given(st.lists(losses, min_size=1, max_size=7))
def test_more_is_better_where_it_is(points: list[tuple[int, int]]) -> None:
    lower = [replace(score([y / 3], nfe), documents=None) for nfe, y in points]
    higher = [replace(solved([1.0 - y / 3], nfe), documents=None) for nfe, y in points]
    fronts = zip(pareto_front(lower), pareto_front(higher), strict=True)
    assert all(one.on_front == other.on_front for one, other in fronts)


def test_a_difference_within_two_errors_is_told() -> None:
    noisy = [0.1, 0.2, -0.2, -0.1]
    best = score([1.0, 1.0, 1.0, 1.0], 4, "best")
    near = score([1.01 + x for x in noisy], 8, "near")  # beaten, by less than its error
    far = score([2.0 + x for x in noisy], 8, "far")
    found = {each.score.sampler: each for each in pareto_front([best, near, far])}
    assert found["best"].on_front
    assert found["best"].close == ()  # nothing is as cheap
    assert not found["near"].on_front
    assert found["near"].close == (best,)
    assert found["near"].as_row() == {
        "pareto": False,
        "pareto_close": [{"sampler": "best", "nfe": 4.0}],
    }
    assert (found["far"].on_front, found["far"].close) == (False, ())  # beaten for sure
    # One on the front, that is better by less than its error than one that costs less.
    dear = score([0.99 + x for x in noisy], 8, "dear")
    standing = pareto_front([dear, best])[0]
    assert (standing.on_front, standing.close) == (True, (best,))


def test_what_is_the_same_in_every_case_leaves_no_doubt() -> None:
    cheap, twin, dear = score([1.0, 2.0], 4), score([1.0, 2.0], 4), score([1.0, 2.0], 8)
    found = [(each.on_front, each.close) for each in pareto_front([cheap, twin, dear])]
    assert found == [(True, ()), (True, ()), (False, ())]


def test_a_sure_defeat_outweighs_an_unsure_one() -> None:
    noisy = [0.1, 0.2, -0.2, -0.1]
    lost = score([1.0 + x for x in noisy], 8)
    unsure, sure = score([0.99] * 4, 4), score([0.1 + x for x in noisy], 6)
    assert pareto_front([lost, unsure, sure])[0].close == ()


def test_the_front_of_operations_is_another() -> None:
    many = replace(score([1.0, 1.0], 8), flops=np.array([1.0, 1.0]))
    few = replace(score([1.0, 1.0], 4), flops=np.array([2.0, 2.0]))
    by_nfe, by_flops = pareto_front([many, few]), pareto_front([many, few], cost="flops")
    assert [s.on_front for s in by_nfe] == [False, True]
    assert [s.on_front for s in by_flops] == [True, False]


# AUP


def test_aup_by_hand() -> None:
    # 1*80 + 0.5*(2-1)*(80*1 + 78*exp(-3*(1-78/80))) + 0.5*(4-2)*(78 W + 76 exp(-3*(1-76/80)))
    second, third = 78 * math.exp(-0.075), 76 * math.exp(-0.15)
    area = 80 + 0.5 * (80 + second) + (second + third)
    points = [(1.0, 80.0), (2.0, 78.0), (4.0, 76.0)]
    assert aup(points, best=80.0) == pytest.approx(area, rel=1e-12)
    assert area == pytest.approx(80 + 76.181 + 137.779, abs=0.01)
    assert aup(points[::-1], best=80.0) == aup(points, best=80.0)  # in any order


def test_aup_of_one_point_is_its_product() -> None:
    assert aup([(2.5, 60.0)], best=90.0) == 150.0  # rho_1 y_1, without a weight


def test_points_far_below_the_slowest_are_dropped() -> None:
    kept = [(1.0, 70.0), (3.0, 66.0)]
    low = 66.0 * math.exp(-3.0 * (1 - 66 / 70))
    assert aup(kept, best=70.0) == pytest.approx(70 + 70 + low)
    assert aup([*kept, (2.0, 64.9)], best=70.0) == aup(kept, best=70.0)  # joined over it
    assert aup([*kept, (9.0, 64.9)], best=70.0) == aup(kept, best=70.0)  # the last: ends before
    assert aup([*kept, (9.0, 65.0)], best=70.0) > aup(kept, best=70.0)  # exactly 5 below stays


def test_better_than_the_best_weighs_one() -> None:
    assert aup([(1.0, 90.0), (2.0, 90.0)], best=80.0) == 180.0
    assert aup([(1.0, 80.0), (2.0, 78.0)], best=80.0, alpha=0.0) == 80.0 + 79.0


def test_of_the_same_parallelism_the_most_accurate_counts() -> None:
    assert aup([(1.0, 80.0), (1.0, 50.0), (2.0, 80.0)], best=80.0) == 160.0


curves = st.lists(st.tuples(st.floats(0.5, 32.0), st.floats(0.0, 100.0)), min_size=1, max_size=6)


@given(curves, st.floats(1.0, 100.0), st.floats(0.0, 5.0))
def test_aup_lies_between_its_first_point_and_the_box(
    points: list[tuple[float, float]], best: float, alpha: float
) -> None:
    found = aup(points, best=best, alpha=alpha)
    first = min(rho for rho, _ in points)
    slowest = max(y for rho, y in points if rho == first)
    top = max(y for _, y in points if y >= slowest - DROP)
    assert first * slowest - 1e-9 <= found <= max(rho for rho, _ in points) * top + 1e-9
    assert found <= aup(points, best=best, alpha=0.0) + 1e-9


@pytest.mark.parametrize(
    ("points", "options"),
    [
        ([], {}),
        ([(0.0, 50.0)], {}),
        ([(1.0, 101.0)], {}),
        ([(1.0, -1.0)], {}),
        ([(1.0, math.nan)], {}),
        ([(1.0, 50.0)], {"best": 0.0}),
        ([(1.0, 50.0)], {"best": math.inf}),
        ([(1.0, 50.0)], {"alpha": -1.0}),
    ],
)
def test_refused_points(points: list[tuple[float, float]], options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="AUP: need"):
        aup(points, **({"best": 80.0} | options))


def test_aup_of_scores_and_its_jackknife() -> None:
    slow = solved([1.0, 1.0, 1.0, 0.0, 1.0], nfe=8)
    fast = solved([1.0, 1.0, 1.0, 0.0, 0.9], nfe=2)
    best = 85.0

    def area(keep: list[int]) -> float:
        points = [(1.0, 100 * slow.values[keep].mean()), (4.0, 100 * fast.values[keep].mean())]
        return aup(points, best=best)

    found = aup_of([fast, slow], best=best)
    assert found.value == pytest.approx(area([0, 1, 2, 3, 4]), rel=1e-12)
    left = [area([i for i in range(5) if i != d]) for d in range(5)]
    spread = sum((x - np.mean(left)) ** 2 for x in left)
    assert found.stderr == pytest.approx(math.sqrt(4 / 5 * spread))


def test_aup_is_of_accuracies() -> None:
    with pytest.raises(UsageError, match="need accuracies, got the nll"):
        aup_of([score([1.0, 2.0], 4)], best=80.0)
    with pytest.raises(UsageError, match="AUP: need points"):
        aup_of([], best=80.0)
