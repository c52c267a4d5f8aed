"""What the solver refuses, and the value and cure that it names."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.errors import InfeasibleError, InputError, UsageError
from schedopt.schedule import Order
from schedopt.solvers import loss_of, losses, solve

CURVE = InformationCurve([2.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.1, 0.0])
RISING = InformationCurve([0.0, 1.0, 2.0])


@pytest.mark.parametrize("steps", [0, -1, 9, 2.0, 2.5, math.nan, True, "3"])
def test_steps_outside_the_length(steps: Any) -> None:
    with pytest.raises(UsageError) as caught:
        solve(CURVE, steps=steps)
    assert str(caught.value) == f"need a whole number 1 <= steps <= 8, got {steps!r}"
    with pytest.raises(UsageError, match=r"1 <= max_steps <= 8, got "):
        losses(CURVE, steps)


@pytest.mark.parametrize("three", [np.int64(3), np.uint8(3)])
def test_numpy_integers_are_whole_numbers(three: Any) -> None:
    assert solve(CURVE, steps=three) == solve(CURVE, steps=3)
    assert losses(CURVE, three).shape == (3,)


@pytest.mark.parametrize("request_", [{}, {"steps": 3, "max_loss": 0.1}])
def test_one_request_at_a_time(request_: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="need one of steps and max_loss, got steps="):
        solve(CURVE, **request_)


@pytest.mark.parametrize("max_loss", [math.nan, math.inf, -math.inf, True, "0.1"])
def test_a_loss_that_is_no_finite_number(max_loss: Any) -> None:
    with pytest.raises(UsageError, match="need a finite max_loss in nats, got "):
        solve(CURVE, max_loss=max_loss)


def test_a_loss_that_nothing_reaches() -> None:
    with pytest.raises(InfeasibleError, match=r"need max_loss >= 0 nats.*got -0\.1"):
        solve(CURVE, max_loss=-0.1)
    # Where entropy rises with what is known, steps of more positions gain.
    assert solve(RISING, max_loss=-2.5).schedule.step_sizes == (3,)
    with pytest.raises(InfeasibleError, match=r"need max_loss >= -3 nats.*\(1 of them.*got -3\.5"):
        solve(RISING, max_loss=-3.5)


def test_every_loss_from_nothing_up_is_reached() -> None:
    assert solve(CURVE, max_loss=0.0).loss == 0.0
    assert solve(CURVE, max_loss=0).schedule.steps == 6  # one step for each level of the curve
    assert solve(CURVE, max_loss=1e6).schedule.step_sizes == (8,)


def test_a_printed_loss_is_met() -> None:
    frontier = losses(CURVE)
    for steps in range(1, 7):
        printed = float(f"{frontier[steps - 1]:.10g}")
        assert solve(CURVE, max_loss=printed).schedule.steps == steps


def test_sizes_that_are_no_composition() -> None:
    with pytest.raises(UsageError, match="sizes sum to 7, need the length 8"):
        loss_of(CURVE, (3, 4))
    with pytest.raises(UsageError, match=r"step_sizes\[1\]: need a whole number >= 1, got 0"):
        loss_of(CURVE, (8, 0))


def test_entropies_too_large_to_add() -> None:
    with pytest.raises(InputError, match=r"2 terms of up to 1e\+300 nats overflow"):
        solve(InformationCurve([1e300, 0.0]), steps=1)
    with pytest.raises(InputError, match=r"2 terms of up to 1e\+300 nats overflow"):
        losses(OrderSurface([[0.0, 1e300], [0.0, 0.0]], Order("left_to_right")))


def test_a_list_is_no_measure() -> None:
    values: Any = [2.0, 1.0]
    with pytest.raises(UsageError, match=r"need an InformationCurve or an OrderSurface.*got list"):
        solve(values, steps=1)


def test_the_smallest_numbers() -> None:
    curve = InformationCurve([5e-324, 5e-324, 0.0])
    assert solve(curve, steps=2).loss == 0.0
    assert solve(curve, steps=1).loss == 5e-324
