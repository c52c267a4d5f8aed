"""Curves of long laws in closed form, and the partitions that a loss is averaged over."""

from __future__ import annotations

import importlib
from math import comb
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from theory.distributions import build_law
from theory.divergences import expected_kl, partition_kl

EXPERIMENTS = Path(__file__).resolve().parent.parent / "experiments"


@pytest.fixture
def experiment(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> ModuleType:
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    return importlib.import_module(request.param)


scale = pytest.mark.parametrize("experiment", ["scale"], indirect=True)
riemann = pytest.mark.parametrize("experiment", ["riemann"], indirect=True)


@scale
@pytest.mark.parametrize("name", ["slow chain", "fast chain", "urn", "code with erasures"])
def test_closed_forms_are_the_curves_of_the_laws(experiment: Any, name: str) -> None:
    for n in (2, 33, 100):
        experiment.agrees(name, experiment.CURVES[name](n))


@scale
def test_another_curve_is_refused(experiment: Any) -> None:
    curve = experiment.CURVES["urn"](20)
    with pytest.raises(RuntimeError, match="urn: curve off by"):
        experiment.agrees("urn", curve + 1e-6)


@scale
def test_fewest_equal_steps(experiment: Any) -> None:
    curve = build_law("markov", n=24, eps=0.1).conditional_entropy_curve()
    losses = [experiment.loss(curve, experiment.uniform_sizes(24, k)) for k in range(1, 25)]
    for allowed in (0.0, 0.05, 0.7, 100.0):
        enough = next(k for k, loss in enumerate(losses, 1) if loss <= allowed + 1e-9)
        assert experiment.fewest_equal(lambda s: experiment.loss(curve, s), 24, allowed) == enough


@scale
def test_a_curve_scaled_by_one_is_itself(experiment: Any) -> None:
    curve = np.array([3.0, 2.0, 1.5, 1.0])
    assert_allclose(experiment.scaled(curve, 4), curve)
    assert_allclose(experiment.scaled(curve, 8)[[0, 1, 2, 7]], [3.0, 2.75, 2.25, 1.0])


@scale
def test_share_of_the_last_step(experiment: Any) -> None:
    curve = np.array([4.0, 3.0, 3.0, 2.0, 0.0])  # falls by 1, 0, 1, 2
    # Sizes (2, 3): overshoots 1, 0, 2, 1, so that 1 of 5 nats is lost in the first step.
    assert experiment.last_step(curve, (2, 3)) == pytest.approx(4.0 / 5.0)
    assert experiment.last_step(curve, (1,) * 5) is None


@riemann
def test_partitions_are_all_there(experiment: Any) -> None:
    found = list(experiment.partitions(range(6), (3, 1, 2)))
    assert len(found) == len(set(found)) == comb(6, 3) * 3
    assert all(sorted(sum(groups, ())) == list(range(6)) for groups in found)


@riemann
def test_area_is_the_mean_over_partitions(experiment: Any) -> None:
    law = experiment.Remembered(build_law("mixture", n=5, components=3))
    curve = law.conditional_entropy_curve()
    found = experiment.measure(law, curve, (2, 2, 1))
    assert found["area"] == pytest.approx(expected_kl(curve, (2, 2, 1)))
    groups = ((0, 3), (1, 4), (2,))
    assert partition_kl(law, groups) == pytest.approx(partition_kl(law.law, groups))
    with pytest.raises(RuntimeError, match="disagree"):
        experiment.measure(law, curve**2, (2, 2, 1))
