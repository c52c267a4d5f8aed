"""A budget shared among blocks goes where it gains most."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from schedopt.curve import InformationCurve
from schedopt.errors import InputError, UsageError
from schedopt.solvers import allocate, losses, solve
from schedopt.solvers.allocation import Allocation

nats = st.floats(-5.0, 5.0, allow_subnormal=False)
frontiers = st.lists(st.lists(nats, min_size=1, max_size=4), min_size=1, max_size=4)
TOLERANCE = 1e-12


def best_split(blocks: list[Any], steps: int) -> float:
    best = math.inf
    for split in itertools.product(*(range(1, len(block) + 1) for block in blocks)):
        if sum(split) == steps:
            best = min(best, sum(block[k - 1] for block, k in zip(blocks, split, strict=True)))
    return best


def check(blocks: list[Any], steps: int) -> Allocation:
    result = allocate(blocks, steps)
    best = best_split(blocks, steps)
    assert sum(result.steps) == steps
    spent = sum(block[k - 1] for block, k in zip(blocks, result.steps, strict=True))
    assert spent == pytest.approx(result.loss, abs=TOLERANCE)
    assert result.loss == pytest.approx(best, abs=TOLERANCE)
    assert result.loss - TOLERANCE <= result.certificate.lower_bound <= result.loss
    return result


@given(frontiers)
def test_no_split_loses_less(blocks: list[list[float]]) -> None:
    for steps in range(len(blocks), sum(map(len, blocks)) + 1):
        check(blocks, steps)


@given(st.lists(strategies.falling_curves(max_n=4), min_size=1, max_size=4))
def test_gains_of_monotone_blocks_close_the_dual(curves: list[Any]) -> None:
    blocks = [losses(curve) for curve in curves]
    for steps in range(len(blocks), sum(map(len, blocks)) + 1):
        assert check(blocks, steps).certificate.method == "Lagrangian dual"


def test_a_frontier_that_is_not_convex_is_searched() -> None:
    # The first gain of the left block is nothing, its second is all; gains alone miss it.
    result = check([[4.0, 4.0, 0.0], [3.0, 2.0, 1.0]], 4)
    assert result.steps == (3, 1)
    assert result.certificate.method == "exhaustive DP"


def test_blocks_of_one_law_share_evenly() -> None:
    curve = InformationCurve(np.linspace(1.0, 0.0, 32))
    result = allocate([losses(curve)] * 8, 32)
    assert result.steps == (4,) * 8
    assert result.loss == pytest.approx(8 * solve(curve, steps=4).loss)


@pytest.mark.parametrize("steps", [1, 6, 2.0, True])
def test_a_budget_out_of_range(steps: Any) -> None:
    with pytest.raises(UsageError) as caught:
        allocate([[1.0, 0.0], [1.0, 0.5, 0.0]], steps)
    assert str(caught.value) == f"need a whole number 2 <= steps <= 5, got {steps!r}"


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([], "need at least one block, got none"),
        ([[1.0], []], r"frontiers\[1\]: need finite losses"),
        ([[1.0, math.nan]], r"frontiers\[0\]: need finite losses for 1, 2, ... steps, got \[1.0"),
        ([[[1.0]]], r"frontiers\[0\]: need finite losses"),
        ([[1e300], [1.0]], "overflow"),
    ],
)
def test_frontiers_that_are_none(blocks: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        allocate(blocks, 2)
