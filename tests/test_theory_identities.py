"""Identities of theory sections 1 and 2 that tie the curve, its scalars and the losses together.

Laws are generic, with zeros, with ties, and point masses; ``bruteforce`` has the definitions.
The other halves are in ``test_theory_curves`` and ``test_theory_divergences``.
"""

from __future__ import annotations

from itertools import combinations, pairwise
from math import comb, log, sqrt

import bruteforce
import numpy as np
import pytest
import strategies
from golden_laws import TABLES
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from theory import curves, divergences, outputs, tables
from theory.distributions import ReedSolomon, TableLaw

Floats = strategies.Floats
Groups = tuple[tuple[int, ...], ...]

some = settings(max_examples=30)
small = {"max_n": 4, "max_entries": 27}
any_curves = strategies.information_curves().map(lambda c: np.asarray(c.conditional_entropy))
falling = strategies.falling_curves().map(lambda c: np.asarray(c.conditional_entropy))


def information(table: Floats, i: int, given_: tuple[int, ...]) -> float:
    """I(X_i; X_S) as a divergence from the product of its marginals."""
    joint = bruteforce.law_on(table, (*given_, i))
    first, second = bruteforce.law_on(table, given_), bruteforce.law_on(table, (i,))
    return sum(p * log(p / (first[x[:-1]] * second[x[-1:]])) for x, p in joint.items())


def step_cost(curve: Floats, a: int, b: int) -> float:
    """theory 2.3: w(a, b) = sum of (b - j) D_j over a < j < b."""
    return sum((b - j) * (curve[j - 1] - curve[j]) for j in range(a + 1, b))


def overshoot(p: int, sizes: tuple[int, ...]) -> int:
    """theory 2.3: how far the next boundary lies above p."""
    return min(end - p for end in (0, *np.cumsum(sizes)) if end >= p)


def total_variation(first: Floats, second: Floats) -> float:
    return 0.5 * float(np.abs(first - second).sum())


@settings(max_examples=40)
@given(strategies.tables(max_entries=32))
def test_information_curve_is_the_mean_information(table: Floats) -> None:
    # 1.1: Z_j = E I(X_i; X_S) = h(1) + h(j-1) - h(j), here with j-1 positions known at index j-1.
    n, h = table.ndim, curves.entropy_profile(table)
    z = curves.information_curve(curves.conditional_entropy_curve(table))
    for j in range(n):
        pairs = [(i, s) for s in combinations(range(n), j) for i in range(n) if i not in s]
        mean = sum(information(table, i, s) for i, s in pairs) / (comb(n, j) * (n - j))
        assert z[j] == pytest.approx(mean, abs=1e-11)
        assert z[j] == pytest.approx(h[1] + h[j] - h[j + 1], abs=1e-11)


@some
@given(strategies.tables())
def test_entropy_is_what_the_positions_hold_less_what_they_share(table: Floats) -> None:
    # 1.2: H = n h(1) - TC = sum C; and 1.1: no position tells more of another than it holds.
    n, h = table.ndim, curves.entropy_profile(table)
    curve = curves.conditional_entropy_curve(table)
    held = n * h[1] - curves.total_correlation(curve)
    assert tables.entropy(table) == pytest.approx(held, abs=1e-11)
    assert tables.entropy(table) == pytest.approx(curve.sum(), abs=1e-11)
    assert curves.information_curve(curve)[-1] <= h[1] + 1e-12


@some
@given(any_curves)
def test_scalars_are_linear_in_the_curve(curve: Floats) -> None:
    # 1.4, for any curve: (n-j), j, n and j (n-j) / n are the weights of the increments.
    n, d = len(curve), -np.diff(curve)
    j = np.arange(1, n)
    scale = 1e-12 * (1.0 + n * n * float(np.abs(curve).max()))
    tc, dtc = curves.total_correlation(curve), curves.dual_total_correlation(curve)
    assert tc == pytest.approx(float(((n - j) * d).sum()), abs=scale)
    assert dtc == pytest.approx(float((j * d).sum()), abs=scale)
    assert tc + dtc == pytest.approx(n * (curve[0] - curve[-1]), abs=scale)
    by_card = float((j * (n - j) / n * d).sum())
    assert curves.unmasking_growth_complexity(curve) == pytest.approx(by_card, abs=scale)
    assert curves.tse_complexity(curve) == pytest.approx(n / 2 * by_card, abs=n * scale)


@some
@given(falling)
def test_parallel_sum_of_correlations_bounds_the_growth_complexity(curve: Floats) -> None:
    # 1.5: each increment attains x y / (x + y), which is superadditive.
    n, d = len(curve), -np.diff(curve)
    j = np.arange(1, n)
    x, y = (n - j) * d, j * d
    parallel = np.divide(x * y, x + y, out=np.zeros(n - 1), where=d > 0.0)
    growth = curves.unmasking_growth_complexity(curve)
    tc, dtc = curves.total_correlation(curve), curves.dual_total_correlation(curve)
    assert growth == pytest.approx(float(parallel.sum()), abs=1e-9)
    whole = tc * dtc / (tc + dtc) if tc + dtc > 0.0 else 0.0
    assert growth <= whole + 1e-9
    assert whole <= min(tc, dtc) + 1e-9


def test_the_parallel_sum_is_attained_by_one_jump() -> None:
    # 1.5 is an equality for MDS codes, where TC = (n-d) log q and DTC = d log q.
    n, d = 7, 3
    curve = ReedSolomon(n, 7, dimension=d).conditional_entropy_curve()
    assert curves.unmasking_growth_complexity(curve) == pytest.approx(d * (n - d) / n * log(7))
    assert curves.total_correlation(curve) == pytest.approx((n - d) * log(7))
    assert curves.dual_total_correlation(curve) == pytest.approx(d * log(7))


@some
@given(any_curves, st.data())
def test_forms_of_the_loss_need_no_law(curve: Floats, data: st.DataObject) -> None:
    # 2.2 and 2.3 are identities of sums: for estimated and learned curves too.
    n = len(curve)
    sizes = data.draw(strategies.compositions(n))
    ends = (0, *(int(end) for end in np.cumsum(sizes)))
    found = divergences.expected_kl(curve, sizes)
    scale = 1e-12 * (1.0 + n * n * float(np.abs(curve).max()))
    starts = sum(size * curve[a] for size, a in zip(sizes, ends, strict=False))
    assert found == pytest.approx(starts - curve.sum(), abs=scale)
    steps = sum(step_cost(curve, a, b) for a, b in pairwise(ends))
    assert found == pytest.approx(steps, abs=scale)
    waits = sum(overshoot(j, sizes) * (curve[j - 1] - curve[j]) for j in range(1, n))
    assert found == pytest.approx(waits, abs=scale)
    a = data.draw(st.integers(0, n - 1))
    b = data.draw(st.integers(a + 1, n))
    closed = (b - a) * curve[a] - curve[a:b].sum()
    assert step_cost(curve, a, b) == pytest.approx(closed, abs=scale)


@settings(max_examples=50)
@given(strategies.tables_with(strategies.ordered_partitions, **small))
def test_pinsker_for_a_partition(drawn: tuple[Floats, Groups]) -> None:
    # 2.6
    table, groups = drawn
    loss = divergences.partition_kl(TableLaw(table), groups)
    sampled = outputs.partition_law(table, groups)
    assert total_variation(table, sampled) <= sqrt(loss / 2) + 1e-7


@settings(max_examples=40)
@given(strategies.tables_with(strategies.compositions, **small))
def test_mixing_orders_is_convex(drawn: tuple[Floats, tuple[int, ...]]) -> None:
    # 2.4 and 2.6: KL of the mean law <= mean KL, and TV of the mean law <= mean TV.
    table, sizes = drawn
    partitions = list(bruteforce.ordered_partitions(table.ndim, sizes))
    laws = [outputs.partition_law(table, groups) for groups in partitions]
    mixture = np.mean(laws, axis=0)
    mean_loss = np.mean([outputs.kl_divergence(table, law) for law in laws])
    expected = divergences.expected_kl(curves.conditional_entropy_curve(table), sizes)
    assert expected == pytest.approx(mean_loss, abs=1e-11)
    assert outputs.kl_divergence(table, mixture) <= expected + 1e-11
    apart = np.mean([total_variation(table, law) for law in laws])
    assert total_variation(table, mixture) <= apart + 1e-12
    assert apart <= sqrt(expected / 2) + 1e-7


def test_redrawing_the_order_can_help() -> None:
    # 2.4: the gap to the loss given the order is real.
    table, sizes = TABLES["product_copy_n6"], (3, 3)
    expected = divergences.expected_kl(curves.conditional_entropy_curve(table), sizes)
    assert expected - outputs.output_law_kl(table, sizes) > 0.1


@some
@given(strategies.tables_with(strategies.ordered_partitions, max_entries=64))
def test_a_partition_pays_for_each_group_alone(drawn: tuple[Floats, Groups]) -> None:
    # 2.1: the loss is a sum over groups, and a group's part is that of it in one step, rest single.
    table, groups = drawn
    law = TableLaw(table)
    parts = []
    for t, group in enumerate(groups):
        before = [(i,) for earlier in groups[:t] for i in earlier]
        after = [(i,) for later in groups[t + 1 :] for i in later]
        parts.append(divergences.partition_kl(law, [*before, group, *after]))
    assert_allclose(divergences.partition_kl(law, groups), sum(parts), atol=1e-10)
