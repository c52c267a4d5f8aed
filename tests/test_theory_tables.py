"""Joint tables: what is refused, and marginals and conditionals against loops."""

from __future__ import annotations

import bruteforce
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import ArrayLike

from theory import tables

FAIR = np.full((2, 2), 0.25)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (0.5, r"shape \(q,\) \* n"),
        (np.ones((2, 3)) / 6, r"equal axes, got \(2, 3\)"),
        (np.zeros((0, 0)), "q >= 1 symbols, got n=2, q=0"),
        ([0.5, -0.5, 1.0], r"entry \[1\]: need a probability, got -0.5"),
        ([[0.5, np.nan], [0.5, 0.0]], r"entry \[0, 1\]: need a probability, got nan"),
        ([np.inf, 0.0], r"entry \[0\]: need a probability, got inf"),
        ([0.5, 0.4], "sums to 0.9, need 1 .* divide it by its sum"),
        ([0.5, 0.5 + 1e-8], "sums to 1.00000001"),
        ([0.0, 0.0], "sums to 0.0"),
        (["a", "b"], "real numbers, got dtype <U1"),
        ([1 + 0j, 0j], "real numbers, got dtype complex128"),
        ([True, False], "real numbers, got dtype bool"),
        (np.array([{}, 1], dtype=object), "real numbers, got dtype object"),
        (np.broadcast_to(2.0**-25, (2,) * 25), r"q\^n = 2\^25 entries"),
        (np.broadcast_to(1e-8, (10**8,)), r"q\^n = 100000000\^1 entries"),
    ],
)
def test_what_is_no_law_is_refused(values: ArrayLike, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tables.as_table(values)


def test_a_rounded_table_is_divided_by_its_sum() -> None:
    table = tables.as_table([0.5, 0.5 + 4e-10])
    assert table.sum() == 1.0


def test_the_input_is_left_alone() -> None:
    table = tables.as_table(FAIR)
    table[0, 0] = 7.0
    assert FAIR[0, 0] == 0.25


@given(strategies.tables(), st.data())
def test_marginals(table: strategies.Floats, data: st.DataObject) -> None:
    positions = sorted(data.draw(st.sets(st.integers(0, table.ndim - 1))))
    found = tables.marginal(table, positions)
    for x, p in bruteforce.law_on(table, positions).items():
        assert found[x] == pytest.approx(p, abs=1e-14)
    assert_allclose(found.sum(), 1.0)
    assert tables.entropy(found) == pytest.approx(bruteforce.entropy_on(table, positions))


@given(strategies.tables(), st.data())
def test_conditional_entropies(table: strategies.Floats, data: st.DataObject) -> None:
    given = sorted(data.draw(st.sets(st.integers(0, table.ndim - 1))))
    found = tables.conditional_entropies(table, given)
    wanted = [
        0.0 if i in given else bruteforce.conditional_entropy(table, i, given)
        for i in range(table.ndim)
    ]
    assert_allclose(found, wanted, atol=1e-12)


@given(strategies.tables(), st.data())
def test_conditional_marginals(table: strategies.Floats, data: st.DataObject) -> None:
    n, q = table.ndim, table.shape[0]
    known = data.draw(st.dictionaries(st.integers(0, n - 1), st.integers(0, q - 1)))
    rows = tables.conditional_marginals(table, known)
    consistent = {
        x: p for x, p in bruteforce.outcomes(table) if all(x[i] == v for i, v in known.items())
    }
    for i in range(n):
        if i in known:
            assert_array_equal(rows[i], np.arange(q) == known[i])
        elif consistent:
            wanted = [sum(p for x, p in consistent.items() if x[i] == v) for v in range(q)]
            assert_allclose(rows[i], np.divide(wanted, sum(wanted)), atol=1e-12)
        else:
            assert_array_equal(rows[i], 1.0 / q)


@pytest.mark.parametrize("known", [{2: 0}, {-1: 0}, {0: 2}, {0: -1}])
def test_evidence_out_of_range_is_refused(known: dict[int, int]) -> None:
    with pytest.raises(ValueError, match=r"need positions 0\.\.1 and values 0\.\.1, got"):
        tables.conditional_marginals(FAIR, known)


def test_samples_have_the_law() -> None:
    # Seeded: 20000 draws leave each of 8 frequencies within 5 standard errors.
    table = strategies.random_table(2, 3, seed=1)
    drawn = tables.draw(table, 20_000, np.random.default_rng(0))
    counts = np.zeros_like(table)
    np.add.at(counts, tuple(drawn.T), 1.0)
    stderr = np.sqrt(table * (1 - table) / len(drawn))
    assert np.all(np.abs(counts / len(drawn) - table) < 5 * stderr)
