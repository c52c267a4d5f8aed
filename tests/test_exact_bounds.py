"""The bounds of an exact law: true of it, and the least that as much knowledge allows."""

from __future__ import annotations

from math import log

import bruteforce
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from schedopt.exact import named_law
from schedopt.exact.bounds import scalar_bounds
from theory import curves, guarantees
from theory.divergences import expected_kl

ALWAYS = {*guarantees.SCALARS, "tc_and_dtc", "li_cai", "austin"}
SOMETIMES = {"chen_cong_li_tc", "chen_cong_li_dtc"}


def no_more_than(loss: float, guarantee: float) -> bool:
    return loss <= guarantee + 1e-11 * (1.0 + guarantee)


@given(strategies.tables(), st.data())
def test_every_law_keeps_its_guarantees(table: strategies.Floats, data: st.DataObject) -> None:
    n, curve = table.ndim, curves.conditional_entropy_curve(table)
    steps = data.draw(st.integers(1, n))
    found = scalar_bounds(curve, steps)
    assert ALWAYS <= found.keys() <= ALWAYS | SOMETIMES
    for bound in found.values():
        assert sum(bound["step_sizes"]) == n
        assert len(bound["step_sizes"]) <= steps
        assert bound["loss"] == expected_kl(curve, bound["step_sizes"])
        assert no_more_than(bound["loss"], bound["guarantee"])


@settings(max_examples=25)
@given(strategies.tables(), st.data())
def test_no_sizes_guarantee_less(table: strategies.Floats, data: st.DataObject) -> None:
    # theory 6.6 and 6.7, over all compositions
    n, curve = table.ndim, curves.conditional_entropy_curve(table)
    steps = data.draw(st.integers(1, n))
    found = scalar_bounds(curve, steps)
    every = list(bruteforce.compositions(n, steps))
    for scalar in guarantees.SCALARS:
        ratio = min(float(guarantees.worst_ratio(scalar, sizes)) for sizes in every)
        least = ratio * guarantees.scalar_value(scalar, curve)
        assert found[scalar]["guarantee"] == pytest.approx(least, rel=1e-12)
    both = curves.total_correlation(curve), curves.dual_total_correlation(curve)
    least = min(guarantees.sup_kl(sizes, *both) for sizes in every)
    assert found["tc_and_dtc"]["guarantee"] == pytest.approx(least, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("n", [5, 16, 21])
def test_chen_cong_li_at_the_least_loss_that_fits_the_steps(n: int) -> None:
    curve = named_law("markov", n=n).conditional_entropy_curve()
    value = curves.total_correlation(curve)
    for steps in range(1, n):
        parts = [
            m for m in range(1, 4 * n) if len(guarantees.chen_cong_li_tc_sizes(n, 1, m)) <= steps
        ]
        found = scalar_bounds(curve, steps)
        if parts:
            assert found["chen_cong_li_tc"]["guarantee"] == value / max(parts)
            assert found["tc"]["guarantee"] <= found["chen_cong_li_tc"]["guarantee"]
        else:
            assert "chen_cong_li_tc" not in found


def test_published_bounds() -> None:
    # By hand: parity of 4 has TC = log 2 and DTC = 3 log 2.
    found, bit = scalar_bounds(named_law("parity", n=4).conditional_entropy_curve(), 2), log(2)
    assert found["li_cai"] == {
        "step_sizes": [2, 2],
        "guarantee": pytest.approx(bit),
        "loss": pytest.approx(bit),
    }
    assert found["austin"] == {
        "step_sizes": [1, 3],
        "guarantee": pytest.approx(4.5 * bit),
        "loss": pytest.approx(bit),
    }
    assert found["tc_and_dtc"] == {
        "step_sizes": [3, 1],
        "guarantee": pytest.approx(0.0, abs=1e-15),
        "loss": 0.0,
    }


def test_the_search_with_both_correlations_ends_somewhere() -> None:
    curve = named_law("markov", n=129).conditional_entropy_curve()
    long, short = scalar_bounds(curve, 4), scalar_bounds(curve[:-1], 4)
    assert short.keys() - long.keys() == {"tc_and_dtc"}
