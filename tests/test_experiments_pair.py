"""The errors of what two models lose together, against loops over documents."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schedopt.data import load_windows
from schedopt.estimators import Estimate, estimate
from schedopt.evaluation import SamplerScore
from schedopt.models import load_model
from schedopt.schedule import Order, UnmaskingSchedule

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "experiments"))
from pair import prediction_stderr, saving

ORDERS = (Order("random"), Order("dilated", base=2))
SIZES = (1, 3, 4)


@pytest.fixture(scope="module", params=ORDERS, ids=lambda order: order.name)
def found(request: pytest.FixtureRequest) -> list[Estimate]:
    models = [load_model(name) for name in ("tiny", "tiny-light")]
    windows, _ = load_windows(models[0], length=sum(SIZES), context=8, limit=40)
    return [estimate(model, windows, order=request.param, passes=64, seed=1) for model in models]


def schedule_of(found: list[Estimate], models: tuple[int, ...] | None) -> UnmaskingSchedule:
    order = getattr(found[0].measure, "order", ORDERS[0])
    return UnmaskingSchedule(sum(SIZES), order, SIZES, models=models)


def test_one_model_alone_has_the_error_of_its_estimate(found: list[Estimate]) -> None:
    for models in (None, (0, 0, 0)):
        error = prediction_stderr(found, schedule_of(found, models))
        assert error == pytest.approx(found[0].loss(SIZES).stderr)


def test_a_mixture_adds_the_errors_of_one_document(found: list[Estimate]) -> None:
    models = (1, 0, 1)
    heavy, light = (each.deviations for each in found)
    assert heavy is not None
    assert light is not None
    curve = heavy.ndim == 2
    own, other = np.zeros(len(heavy)), np.zeros(len(light))
    for model, start, size in zip(models, (0, 1, 4), SIZES, strict=True):
        for j in range(start, start + size):
            own -= heavy[:, j] if curve else heavy[:, j, j]
            parts, error = (light, other) if model else (heavy, own)
            error += parts[:, start] if curve else parts[:, start, j]
    rows = found[0].documents if curve else len(heavy)
    expected = (
        ((own + other)[:rows] ** 2).sum() + (own[rows:] ** 2).sum() + (other[rows:] ** 2).sum()
    )
    assert prediction_stderr(found, schedule_of(found, models)) == pytest.approx(expected**0.5)


def test_an_estimate_that_is_not_smooth_is_refused(found: list[Estimate]) -> None:
    rough = [replace(each, deviations=None) for each in found]
    with pytest.raises(ValueError, match="smooth"):
        prediction_stderr(rough, schedule_of(found, (0, 1, 0)))


def scored(values: list[float]) -> SamplerScore:
    count = len(values)
    more: dict[str, Any] = {"documents": np.array([0, 0, 1, 2]), "tokens": np.full(count, 8.0)}
    return SamplerScore("random", 8, np.array(values), np.ones((count, 1)), **more)


def test_what_is_saved_and_its_jackknife() -> None:
    joint, base, single = [1.2, 1.4, 1.1, 1.6], [1.6, 1.9, 1.5, 1.9], [1.0, 1.3, 0.9, 1.5]
    measured = saving(scored(joint), scored(base), scored(single))

    def share(rows: list[int]) -> float:
        a, b, c = (sum(values[r] for r in rows) for values in (joint, base, single))
        return 1.0 - (a - c) / (b - c)

    without = np.array([share(rows) for rows in ([2, 3], [0, 1, 3], [0, 1, 2])])
    assert measured.value == pytest.approx(share([0, 1, 2, 3]))
    spread = sum((value - without.mean()) ** 2 for value in without)
    assert measured.stderr == pytest.approx((2.0 / 3.0 * spread) ** 0.5)
