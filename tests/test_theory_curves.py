"""The curves of a law: the definition by loops, and the identities of theory section 1."""

from __future__ import annotations

from itertools import pairwise
from math import comb

import bruteforce
import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from numpy.testing import assert_allclose

from theory import curves, tables

LOG2 = np.log(2.0)
Floats = strategies.Floats


@settings(max_examples=40)
@given(strategies.tables(max_entries=32))
def test_curve_is_the_mean_conditional_entropy(table: Floats) -> None:
    found = curves.conditional_entropy_curve(table)
    assert_allclose(found, bruteforce.conditional_entropy_curve(table), atol=1e-12)


@given(strategies.tables())
def test_profile_is_the_mean_subset_entropy(table: Floats) -> None:
    n = table.ndim
    profile = np.zeros(n + 1)
    for code in range(2**n):
        subset = [i for i in range(n) if code >> i & 1]
        profile[len(subset)] += tables.entropy(tables.marginal(table, subset))
    profile /= [comb(n, k) for k in range(n + 1)]
    assert_allclose(curves.entropy_profile(table), profile, atol=1e-12)


@given(strategies.tables())
def test_curve_is_the_increment_of_the_profile_and_sums_to_the_entropy(table: Floats) -> None:
    profile, curve = curves.entropy_profile(table), curves.conditional_entropy_curve(table)
    assert profile[0] == 0.0
    assert_allclose(np.cumsum(curve), profile[1:], atol=1e-12)
    assert profile[-1] == pytest.approx(tables.entropy(table), abs=1e-12)


@given(strategies.tables())
def test_han(table: Floats) -> None:
    # theory 1.3, from the profile: the curve itself is cleaned of rounding.
    rises = np.diff(curves.entropy_profile(table))
    assert np.all(rises >= -1e-12)
    assert np.all(np.diff(rises) <= 1e-12)
    curve = curves.conditional_entropy_curve(table)
    assert all(later <= earlier for earlier, later in pairwise(curve))
    assert curve[-1] >= 0.0
    assert curves.information_curve(curve)[0] == 0.0


@given(strategies.tables())
def test_total_correlations_by_definition(table: Floats) -> None:
    # theory 1.2
    n, whole = table.ndim, tables.entropy(table)
    alone = sum(bruteforce.entropy_on(table, [i]) for i in range(n))
    last = sum(
        bruteforce.conditional_entropy(table, i, [p for p in range(n) if p != i]) for i in range(n)
    )
    curve = curves.conditional_entropy_curve(table)
    z = curves.information_curve(curve)
    assert curves.total_correlation(curve) == pytest.approx(alone - whole, abs=1e-11)
    assert curves.dual_total_correlation(curve) == pytest.approx(whole - last, abs=1e-11)
    assert curves.dual_total_correlation(curve) == pytest.approx(n * z[-1] - z.sum(), abs=1e-11)
    assert_allclose(curves.total_correlations(table), (alone - whole, whole - last), atol=1e-11)


@given(strategies.tables())
def test_scalars_are_linear_in_the_increments(table: Floats) -> None:
    # theory 1.4
    curve = curves.conditional_entropy_curve(table)
    n, d = table.ndim, curves.increments(curve)
    j = np.arange(1, n)
    tc, dtc = curves.total_correlation(curve), curves.dual_total_correlation(curve)
    assert np.all(d >= 0.0)
    assert tc == pytest.approx((n - j) @ d, abs=1e-12)
    assert dtc == pytest.approx(j @ d, abs=1e-12)
    assert tc + dtc == pytest.approx(n * (curve[0] - curve[-1]), abs=1e-12)
    h = np.append(0.0, np.cumsum(curve))
    by_profile = sum(h[k] - k / n * h[n] for k in range(n + 1))
    assert curves.tse_complexity(curve) == pytest.approx(by_profile, abs=1e-11)


@given(strategies.tables())
def test_growth_complexity_is_below_both_correlations(table: Floats) -> None:
    # theory 1.5
    curve = curves.conditional_entropy_curve(table)
    tc, dtc = curves.total_correlation(curve), curves.dual_total_correlation(curve)
    ugc = curves.unmasking_growth_complexity(curve)
    assert 0.0 <= ugc <= min(tc, dtc) + 1e-12
    assert ugc * (tc + dtc) <= tc * dtc + 1e-12


@given(strategies.tables(max_entries=16), strategies.tables(max_entries=16))
def test_curves_of_coordinatewise_products_add(first: Floats, second: Floats) -> None:
    # theory 1.6; position i of the product law holds the pair (x_i, y_i).
    n = min(first.ndim, second.ndim)
    first, second = (tables.marginal(t, range(n)) for t in (first, second))
    pairs = np.multiply.outer(first, second)
    interleaved = pairs.transpose([axis for i in range(n) for axis in (i, n + i)])
    joint = interleaved.reshape((first.shape[0] * second.shape[0],) * n)
    added = curves.conditional_entropy_curve(first) + curves.conditional_entropy_curve(second)
    assert_allclose(curves.conditional_entropy_curve(joint), added, atol=1e-11)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_globally_switched_code(p: float) -> None:
    # theory 1.6: with probability p a codeword of the [4, 2] code over GF(5), else all erased.
    q, n, dimension = 5, 4, 2
    table = np.zeros((q + 1,) * n)
    table[(q,) * n] = 1.0 - p
    for a in range(q):
        for b in range(q):
            table[tuple((a + b * i) % q for i in range(n))] = p / q**dimension
    switch = -p * np.log(p) - (1 - p) * np.log(1 - p)
    known = np.arange(n)
    z = switch * (known >= 1) + p * np.log(q) * (known >= dimension)
    curve = curves.conditional_entropy_curve(table)
    assert_allclose(curves.information_curve(curve), z, atol=1e-12)


def test_a_point_mass_knows_everything() -> None:
    table = np.zeros((3, 3, 3))
    table[2, 0, 1] = 1.0
    curve = curves.conditional_entropy_curve(table)
    assert curve.tolist() == [0.0, 0.0, 0.0]
    assert not np.any(np.signbit(curve))
    assert curves.total_correlation(curve) == 0.0


def test_sixteen_bits_fit() -> None:
    parity = np.where(np.indices((2,) * 16, dtype=np.int8).sum(axis=0) % 2, 0.0, 2.0**-15)
    assert_allclose(curves.conditional_entropy_curve(parity), [LOG2] * 15 + [0.0], atol=1e-12)
