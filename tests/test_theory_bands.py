"""The worst case over a band is that of its curves one by one, of a linear program, and golden."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from theory import bands
from theory.bands import Band, worst_case_kl, worst_case_lp, worst_curve, worst_surface
from theory.divergences import boundaries, expected_kl, surface_kl

Floats = np.ndarray[Any, np.dtype[np.float64]]

GOLDEN = json.loads((Path(__file__).parent / "golden" / "theory.json").read_text())["extras"][
    "band"
]


def scale(*arrays: Floats) -> float:
    return 1.0 + max(float(np.abs(array).max()) for array in arrays)


@st.composite
def bands_with_sizes(
    draw: st.DrawFn, /, **limits: Any
) -> tuple[tuple[Floats, Floats], tuple[int, ...]]:
    """Bounds, and step sizes for them."""
    bounds = draw(strategies.bands(**limits))
    return bounds, draw(strategies.compositions(bounds[0].size))


def whole_curves(lower: Floats, upper: Floats) -> Iterator[Floats]:
    """Falling curves of whole numbers within the bounds; the band's corners are among them."""
    ranges = [range(int(a), int(b) + 1) for a, b in zip(lower, upper, strict=True)]
    for values in product(*ranges):
        if all(a >= b for a, b in pairwise(values)):
            yield np.array(values, dtype=np.float64)


def loss_by_definition(curve: Floats, sizes: tuple[int, ...]) -> float:
    total, known = 0.0, 0
    for size in sizes:
        for j in range(known, known + size):
            total += float(curve[known] - curve[j])
        known += size
    return total


@pytest.mark.parametrize("known", GOLDEN["sup_KL"])
def test_golden(known: dict[str, Any]) -> None:
    band = Band(GOLDEN["lower"], GOLDEN["upper"])
    assert worst_case_kl(band, known["sizes"]) == pytest.approx(known["KL"], abs=1e-12)
    assert worst_case_lp(band, known["sizes"]) == pytest.approx(known["KL"], abs=1e-7)


@settings(max_examples=40)
@given(bands_with_sizes(max_n=5, whole=True))
def test_no_curve_of_the_band_loses_more(
    case: tuple[tuple[Floats, Floats], tuple[int, ...]],
) -> None:
    (lower, upper), sizes = case
    worst = max(loss_by_definition(curve, sizes) for curve in whole_curves(lower, upper))
    assert worst_case_kl(Band(lower, upper), sizes) == pytest.approx(worst, abs=1e-9)


@settings(max_examples=40)
@given(bands_with_sizes(max_n=12))
def test_the_worst_curve_is_one_of_the_band(
    case: tuple[tuple[Floats, Floats], tuple[int, ...]],
) -> None:
    (lower, upper), sizes = case
    curve, slack = worst_curve(Band(lower, upper), sizes), 1e-12 * scale(lower, upper)
    assert np.all((curve >= lower - slack) & (curve <= upper + slack))
    assert np.all(np.diff(curve) <= slack)
    worst = worst_case_kl(Band(lower, upper), sizes)
    assert expected_kl(curve, sizes) == pytest.approx(worst, abs=slack * curve.size)


@settings(max_examples=15)
@given(bands_with_sizes(max_n=8))
def test_the_linear_program_agrees(
    case: tuple[tuple[Floats, Floats], tuple[int, ...]],
) -> None:
    band, sizes = Band(*case[0]), case[1]
    slack = 1e-7 * scale(band.lower, band.upper) * band.length
    assert worst_case_lp(band, sizes) == pytest.approx(worst_case_kl(band, sizes), abs=slack)


@settings(max_examples=15)
@given(bands_with_sizes(max_n=8), st.floats(0.0, 1.0))
def test_the_linear_program_agrees_where_the_entropy_is_known(
    case: tuple[tuple[Floats, Floats], tuple[int, ...]], share: float
) -> None:
    band, sizes = Band(*case[0]), case[1]
    entropy = float((band.lower + share * (band.upper - band.lower)).sum())
    slack = 1e-7 * scale(band.lower, band.upper) * band.length
    worst = worst_case_kl(band, sizes, entropy=entropy)
    assert worst_case_lp(band, sizes, entropy=entropy) == pytest.approx(worst, abs=slack)
    curve = worst_curve(band, sizes, entropy=entropy)
    assert curve.sum() == pytest.approx(entropy, abs=slack)
    assert np.all((curve >= band.lower - slack) & (curve <= band.upper + slack))
    assert np.all(np.diff(curve) <= slack)
    assert worst <= worst_case_kl(band, sizes) + slack


@pytest.mark.parametrize("sizes", [(6,), (3, 3), (1, 2, 3), (2, 2, 2), (1, 1, 4)])
def test_a_known_total_correlation_gives_the_sharp_constant(sizes: tuple[int, ...]) -> None:
    # Theory 6.6: the worst curve of a total correlation has one jump, the greatest of
    # (next boundary - j) / (n - j).
    n, ends = 6, boundaries(sizes, 6)
    ratio = max((min(e for e in ends if e >= j) - j) / (n - j) for j in range(1, n))
    band = Band(np.zeros(n), np.full(n, 50.0))
    worst = worst_case_lp(band, sizes, total_correlation=(2.0, 2.0))
    assert worst == pytest.approx(2.0 * ratio, abs=1e-6)
    assert worst_case_lp(band, sizes, total_correlation=(0.0, 2.0)) == pytest.approx(worst)


@settings(max_examples=15)
@given(bands_with_sizes(max_n=6), st.floats(0.0, 1.0), st.floats(0.0, 2.0))
def test_what_is_known_keeps_every_curve_that_has_it(
    case: tuple[tuple[Floats, Floats], tuple[int, ...]], share: float, width: float
) -> None:
    band, sizes = Band(*case[0]), case[1]
    curve = band.lower + share * (band.upper - band.lower)
    correlation = float(band.length * curve[0] - curve.sum())
    interval = (correlation - width, correlation + width)
    slack = 1e-6 * scale(band.lower, band.upper) * band.length
    worst = worst_case_lp(band, sizes, total_correlation=interval)
    assert expected_kl(curve, sizes) - slack <= worst <= worst_case_kl(band, sizes) + slack
    both = worst_case_lp(
        band, sizes, entropy=float(curve.sum()), total_correlation=(interval[0] - slack, math.inf)
    )
    assert expected_kl(curve, sizes) - slack <= both
    assert both <= worst_case_kl(band, sizes, entropy=float(curve.sum())) + slack


@settings(max_examples=40)
@given(bands_with_sizes(max_n=9))
def test_bounds_that_are_one_curve_leave_the_expected_kl(
    case: tuple[tuple[Floats, Floats], tuple[int, ...]],
) -> None:
    (lower, upper), sizes = case
    curve = np.minimum.accumulate(lower)
    slack = 1e-12 * scale(curve) * curve.size
    exact = worst_case_kl(Band(curve, curve), sizes)
    assert exact == pytest.approx(expected_kl(curve, sizes), abs=slack)
    assert exact <= worst_case_kl(Band(np.minimum(curve, lower), upper), sizes) + slack
    assert worst_case_kl(Band(lower, upper), (1,) * curve.size) == 0.0


@settings(max_examples=40)
@given(strategies.bands(max_n=9))
def test_a_band_is_as_tight_as_falling_curves_allow(bounds: tuple[Floats, Floats]) -> None:
    lower, upper = bounds
    band = Band(lower, upper)
    for tight in (band.lower, band.upper):  # each is a falling curve within the bounds
        assert np.all(np.diff(tight) <= 0.0)
        assert np.all((tight >= lower) & (tight <= upper))
    again = Band(band.lower, band.upper)
    np.testing.assert_array_equal(again.lower, band.lower)
    np.testing.assert_array_equal(again.upper, band.upper)


@settings(max_examples=40)
@given(strategies.nats((9,)), st.lists(st.integers(0, 8), min_size=2, max_size=12))
def test_windows_slide_to_their_first_maximum(values: Floats, ends: list[int]) -> None:
    values = np.round(values)  # ties
    first, last = np.sort(ends[::2]), np.sort(ends[: len(ends[::2])])
    last = np.maximum(first, np.sort(last))
    expected = [int(a + np.argmax(values[a : b + 1])) for a, b in zip(first, last, strict=True)]
    for kernel in (bands._slide, bands._slide.python):
        places = np.empty(len(first), dtype=np.int64)
        kernel(values, first, last, places)
        assert places.tolist() == expected


def test_the_bounds_cannot_be_changed() -> None:
    band = Band([0.0, 0.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="read-only"):
        band.lower[0] = 2.0


# ---- surfaces


@settings(max_examples=40)
@given(st.integers(1, 3), st.data())
def test_no_surface_of_a_band_loses_more_than_the_worst_one(n: int, data: st.DataObject) -> None:
    numbers = st.integers(0, 2)
    columns = []
    lower, upper = np.zeros((n, n)), np.zeros((n, n))
    for j in range(n):
        a = sorted(data.draw(st.lists(numbers, min_size=j + 1, max_size=j + 1)), reverse=True)
        b = data.draw(st.lists(numbers, min_size=j + 1, max_size=j + 1))
        lower[: j + 1, j], upper[: j + 1, j] = a, np.add(a, b)
        columns.append(list(whole_curves(lower[: j + 1, j], upper[: j + 1, j])))
    sizes = data.draw(strategies.compositions(n))
    losses = []
    for chosen in product(*columns):
        surface = np.zeros((n, n))
        for j, column in enumerate(chosen):
            surface[: j + 1, j] = column
        losses.append(surface_kl(surface, sizes))
    assert surface_kl(worst_surface(lower, upper), sizes) == pytest.approx(max(losses))


@settings(max_examples=40)
@given(bands_with_sizes(max_n=7))
def test_a_curve_loses_less_than_the_surface_with_a_curve_for_each_position(
    case: tuple[tuple[Floats, Floats], tuple[int, ...]],
) -> None:
    (lower, upper), sizes = case
    square = (lower.size, 1)
    apart = worst_surface(np.tile(lower, square).T, np.tile(upper, square).T)
    slack = 1e-12 * scale(lower, upper) * lower.size
    assert worst_case_kl(Band(lower, upper), sizes) <= surface_kl(apart, sizes) + slack


# ---- what is refused


@pytest.mark.parametrize(
    ("lower", "upper", "message"),
    [
        ([], [], r"need two bounds of the same shape \(n,\), got \(0,\) and \(0,\)"),
        ([0.0], [1.0, 1.0], r"got \(1,\) and \(2,\)"),
        ([[0.0]], [[1.0]], r"got \(1, 1\) and \(1, 1\)"),
        ([0.0, math.nan], [1.0, 1.0], r"lower\[1\]: need a finite number, got nan"),
        ([0.0, 0.0], [math.inf, 1.0], r"upper\[0\]: need a finite number, got inf"),
        (
            [0.0, 2.0, 0.0],
            [3.0, 1.5, 1.0],
            r"the band crosses at index 1: .* at least lower\[1\] = 2 there and at most "
            r"upper\[1\] = 1.5; widen it",
        ),
        (
            # Each index has room, but what falls below 1 at 0 cannot be 2 again at 2.
            [0.0, 0.0, 2.0],
            [1.0, 9.0, 9.0],
            r"crosses at index 0: .* at least lower\[2\] = 2 there and at most upper\[0\] = 1;",
        ),
    ],
)
def test_bounds_that_hold_no_falling_curve(lower: Any, upper: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Band(lower, upper)


@pytest.mark.parametrize("entropy", [-0.1, 3.6, math.nan])
def test_an_entropy_that_no_curve_has(entropy: float) -> None:
    band = Band([1.0, 0.5], [2.0, 1.5])
    with pytest.raises(ValueError, match=r"need an entropy from 1.5 to 3.5 nats, .* got"):
        worst_case_kl(band, (2,), entropy=entropy)


def test_a_program_that_no_curve_solves() -> None:
    band = Band([1.0, 0.5], [2.0, 1.5])
    with pytest.raises(ValueError, match=r"no curve of the band has entropy 9 nats: widen"):
        worst_case_lp(band, (2,), entropy=9.0)
    message = r"has entropy 2 and total correlation from 5 to 6 nats"
    with pytest.raises(ValueError, match=message):
        worst_case_lp(band, (2,), entropy=2.0, total_correlation=(5.0, 6.0))
    for wrong in ((2.0, 1.0), (math.nan, 1.0)):
        with pytest.raises(ValueError, match=r"need total_correlation \(least, most\), got \("):
            worst_case_lp(band, (2,), total_correlation=wrong)


def test_sizes_that_are_none_of_the_band() -> None:
    band = Band([1.0, 0.5], [2.0, 1.5])
    for judge in (worst_case_kl, worst_curve, worst_case_lp):
        with pytest.raises(ValueError, match="need sizes >= 1 that sum to n=2"):
            judge(band, (1, 2))


@pytest.mark.parametrize(
    ("lower", "upper", "message"),
    [
        ([[0.0, 0.0]], [[1.0, 1.0]], r"need two bounds of shape \(n, n\), got \(1, 2\)"),
        (np.zeros((2, 2)), np.ones((3, 3)), r"got \(2, 2\) and \(3, 3\)"),
        (
            [[0.0, 0.0], [0.0, 2.0]],
            [[1.0, 1.0], [0.0, 3.0]],
            r"column 1: the band crosses at index 0",
        ),
    ],
)
def test_bounds_of_no_surface(lower: Any, upper: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        worst_surface(lower, upper)
