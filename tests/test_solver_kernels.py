"""Compiled loops and Python's compute the same, and each algorithm what another one does."""

from __future__ import annotations

import math
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.schedule import Order
from schedopt.solvers import frontier, losses, paths, solve
from schedopt.solvers.dense import SurfaceCosts, extend_dense
from schedopt.solvers.envelope import CurveCosts, settle_falling
from schedopt.solvers.frontier import convex_frontier
from schedopt.solvers.layers import best_path, least_losses
from schedopt.solvers.lichao import lowest_lines, tree_size
from schedopt.solvers.monge import extend_monge
from schedopt.solvers.paths import Floats
from theory.compiled import numba_is_installed

ROOT = Path(__file__).resolve().parent.parent
anything = (
    strategies.information_curves()
    | strategies.falling_curves()
    | strategies.order_surfaces()
    | strategies.falling_surfaces()
)
prices = st.sampled_from([0.0, 0.1, 1.0]) | st.floats(0.0, 50.0, allow_subnormal=False)


def cheapest_by_definition(values: Floats, price: float) -> float:
    """Least loss + price * edges over all paths, by the recursion itself."""
    n = len(values)
    best = [0.0] + [math.inf] * n
    for b in range(1, n + 1):
        for a in range(b):
            loss = sum(values[a] - values[j] for j in range(a, b))
            best[b] = min(best[b], best[a] + loss + price)
    return best[n]


def by_queue(kernel: Any, values: Any, price: float) -> list[int]:
    n = len(values)
    room = np.empty(n, np.int32), np.empty(n), np.empty(n), np.zeros(n + 1, np.int32)
    kernel(values, price, *room)
    return [int(a) for a in room[3]]


def by_tree(kernel: Any, values: Any, price: float) -> list[int]:
    n = len(values)
    costs, parents = np.zeros(n + 1), np.zeros(n + 1, np.int32)
    tree = np.full(tree_size(n), -1, np.int32)
    kernel(values, costs, costs, parents, tree, price, 0)
    return [int(a) for a in parents]


def loss_and_steps(values: Floats, parents: list[int]) -> tuple[float, int]:
    loss, steps, b = 0.0, 0, len(values)
    while b > 0:
        a = parents[b]
        loss += sum(values[a] - values[j] for j in range(a, b))
        steps, b = steps + 1, a
    return loss, steps


@given(strategies.falling_curves(max_n=24), prices)
def test_a_queue_of_lines_finds_the_cheapest_path(curve: InformationCurve, price: float) -> None:
    values = curve.conditional_entropy
    best = cheapest_by_definition(values, price)
    for kernel in (settle_falling, settle_falling.python):
        loss, steps = loss_and_steps(values, by_queue(kernel, values, price))
        assert loss + price * steps == pytest.approx(best, rel=1e-12, abs=1e-10)


@given(strategies.information_curves(max_n=24), prices)
def test_a_tree_of_lines_finds_the_cheapest_path(curve: InformationCurve, price: float) -> None:
    values = curve.conditional_entropy
    best = cheapest_by_definition(values, price)
    for kernel in (lowest_lines, lowest_lines.python):
        loss, steps = loss_and_steps(values, by_tree(kernel, values, price))
        assert loss + price * steps == pytest.approx(best, rel=1e-12, abs=1e-10)


@given(strategies.falling_surfaces(max_n=12), st.data())
def test_divide_and_conquer_extends_as_the_whole_matrix_does(
    surface: OrderSurface, data: st.DataObject
) -> None:
    n = surface.length
    costs = SurfaceCosts(surface)
    assert costs.falls
    layer = np.append(0.0, np.full(n, np.inf))
    for edges in range(1, data.draw(st.integers(1, n)) + 1):
        expected = extend_dense(layer, costs._costs, edges - 1)
        for kernel in (extend_monge, extend_monge.python):
            after, starts = np.full(n + 1, np.inf), np.zeros(n + 1, np.int32)
            kernel(layer, costs._costs, after, starts, edges - 1)
            np.testing.assert_allclose(after, expected, rtol=1e-12, atol=1e-12)
        layer = expected


def test_a_surface_that_is_not_monotone_takes_the_whole_matrix() -> None:
    # Its costs are not Monge, and divide and conquer would look in the wrong places.
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(20):
        surface = OrderSurface(rng.random((12, 12)), Order("left_to_right"))
        costs = SurfaceCosts(surface)
        assert not costs.falls
        exact = list(least_losses(costs))
        costs.falls = True
        wrong += not np.allclose(list(least_losses(costs)), exact)
    assert wrong > 10


@given(anything, st.data())
def test_compiled_loops_solve_as_python_does(
    measure: InformationCurve | OrderSurface, data: st.DataObject
) -> None:
    steps = data.draw(st.integers(1, measure.length))
    slack = 1e-13 * measure.length * float(np.ptp(measure.conditional_entropy))
    found = []
    for few in (0, measure.length):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(paths, "FEW", few)
            found.append((solve(measure, steps=steps).loss, losses(measure)))
    (one, all_), (one_in_python, all_in_python) = found
    assert abs(one - one_in_python) <= slack
    np.testing.assert_allclose(all_, all_in_python, rtol=0, atol=slack)


@given(strategies.falling_curves(max_n=40))
def test_prices_and_layers_find_one_frontier(curve: InformationCurve) -> None:
    costs = CurveCosts(curve)
    slack = 1e-13 * curve.length * float(np.ptp(curve.conditional_entropy))
    by_layers = list(least_losses(costs))
    for most in {1, 2, curve.length}:
        found = convex_frontier(costs, min(most, curve.length))
        np.testing.assert_allclose(found, by_layers[: found.size], rtol=0, atol=slack)


def test_threads_find_what_one_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    n = 600
    smooth = InformationCurve(np.log(n - np.arange(n)))
    rough = InformationCurve(-np.sort(-(np.random.default_rng(0).exponential(size=n) ** 3)))
    alone = [losses(smooth), losses(rough)]
    monkeypatch.setattr(frontier, "COMPILED", True)
    monkeypatch.setattr(frontier, "LONG", 1)
    np.testing.assert_array_equal(losses(smooth), alone[0])
    np.testing.assert_array_equal(losses(rough), alone[1])


@pytest.mark.parametrize("steps", [1, 2, 3, 15, 16, 17, 60])
def test_a_path_is_found_again_from_the_layers_that_were_kept(steps: int) -> None:
    curve = InformationCurve(np.random.default_rng(1).random(60))
    path = best_path(CurveCosts(curve), steps)
    assert path.steps == steps
    expected = next(islice(least_losses(CurveCosts(curve)), steps - 1, None))
    assert path.loss == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "values",
    [
        np.log(200_000 - np.arange(200_000)),
        1.0 - (np.arange(200_000) / 200_000) ** 2,
        np.exp(-np.arange(200_000) / 30_000),
    ],
)
def test_a_smooth_curve_takes_one_pass(values: Floats, monkeypatch: pytest.MonkeyPatch) -> None:
    # The price comes from the curve read at some of its positions; each of the others is read
    # for the pass that certifies it.
    passes = []
    cheapest = CurveCosts.cheapest

    def counted(self: CurveCosts, price: float) -> Any:
        passes.append(self.length)
        return cheapest(self, price)

    monkeypatch.setattr(CurveCosts, "cheapest", counted)
    assert solve(InformationCurve(values), steps=20).gap == 0.0
    assert passes.count(200_000) == 1


def test_a_step_starts_only_where_the_curve_falls() -> None:
    rng = np.random.default_rng(2)
    curve = InformationCurve(np.repeat(-np.sort(-rng.random(20)), rng.integers(1, 9, 20)))
    values = curve.conditional_entropy
    for steps in range(2, 21):
        for b in solve(curve, steps=steps).schedule.boundaries[1:-1]:
            assert values[b] < values[b - 1]


WITHOUT_NUMBA = """
import sys
sys.modules["numba"] = None  # as where it is not installed
import numpy as np
from schedopt.curve import InformationCurve, OrderSurface
from schedopt.schedule import Order
from schedopt.solvers import losses, solve
rng = np.random.default_rng(3)
falling, rising = -np.sort(-rng.random(300)), rng.random(300)
for values in (falling, rising):
    print(losses(InformationCurve(values), 9).tolist())
    print(solve(InformationCurve(values), steps=7).schedule.step_sizes)
square = rng.random((300, 300))
for values in (-np.sort(-square, axis=0), square):
    print(losses(OrderSurface(values, Order("left_to_right")), 4).tolist())
"""


@pytest.mark.skipif(not numba_is_installed(), reason="there is nothing to compare with")
def test_results_without_numba_are_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-W", "error", "-c", WITHOUT_NUMBA]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    exec(WITHOUT_NUMBA.replace('sys.modules["numba"] = None', "pass"), {})
    here = capsys.readouterr().out.splitlines()
    for alone, compiled in zip(done.stdout.splitlines(), here, strict=True):
        assert eval(alone) == pytest.approx(eval(compiled), rel=1e-12, abs=1e-12)
