"""Curves of chains from what positions share with those near to them."""

from __future__ import annotations

import numpy as np
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from theory.curves import conditional_entropy_curve
from theory.distributions import InhomogeneousChain, build_law
from theory.distributions.gaps import curve_of_near_gaps
from theory.tables import Floats, entropy, marginal


def shared_by_definition(table: Floats, distance: int) -> Floats:
    """Sums of I(X_l; X_{l+d}) over l for d = 1..distance, from the joint table."""
    n = table.ndim
    alone = [entropy(marginal(table, (i,))) for i in range(n)]
    shared = np.zeros(distance)
    for d in range(1, distance + 1):
        for start in range(n - d):
            pair = entropy(marginal(table, (start, start + d)))
            shared[d - 1] += alone[start] + alone[start + d] - pair
    return shared


@settings(max_examples=30)
@given(st.data())
def test_near_gaps_give_the_curve_of_a_chain(data: st.DataObject) -> None:
    n, q = data.draw(st.integers(2, 5)), data.draw(st.integers(1, 3))
    initial = data.draw(strategies.stochastic_matrices((1, q)))[0]
    transitions = data.draw(strategies.stochastic_matrices((n - 1, q, q)))
    table = InhomogeneousChain(initial, transitions).table()
    alone = float(np.mean([entropy(marginal(table, (i,))) for i in range(n)]))
    found = curve_of_near_gaps(n, alone, shared_by_definition(table, n - 1))
    assert_allclose(found, conditional_entropy_curve(table), atol=1e-12)


def test_far_gaps_may_be_left_out() -> None:
    step, forget = np.array([[0.9, 0.1], [0.3, 0.7]]), np.array([[0.6, 0.4], [0.6, 0.4]])
    table = InhomogeneousChain([0.5, 0.5], [step, step, forget, step, step, forget, step]).table()
    alone = float(np.mean([entropy(marginal(table, (i,))) for i in range(table.ndim)]))
    found = curve_of_near_gaps(table.ndim, alone, shared_by_definition(table, 2))
    assert_allclose(found, conditional_entropy_curve(table), atol=1e-12)


def test_a_long_chain_is_that_of_all_gaps() -> None:
    chain, near = (build_law("markov", n=n, eps=0.2) for n in (400, 65))
    shared = np.log(2.0) - near.conditional_entropies([0])[1:]
    found = curve_of_near_gaps(400, np.log(2.0), (400.0 - np.arange(1, 65)) * shared)
    assert_allclose(found, chain.conditional_entropy_curve(), rtol=0.0, atol=1e-13)


def test_positions_that_share_nothing_have_a_flat_curve() -> None:
    assert_allclose(curve_of_near_gaps(3, 0.5, np.zeros(0)), [0.5, 0.5, 0.5])
