"""The document behind ``schedopt exact``: golden cases, brute force, and laws of any length."""

from __future__ import annotations

import json

import bruteforce
import numpy as np
import pytest
import strategies
import torch
from golden_laws import CASES, TABLES
from hypothesis import given
from numpy.testing import assert_allclose
from numpy.typing import ArrayLike

from schedopt.errors import (
    DeviceMemoryError,
    InputError,
    MissingModelError,
    SchedoptError,
    UsageError,
)
from schedopt.exact import exact_report, named_law
from theory import curves, divergences, tables
from theory.distributions import LAWS, TableLaw

KEYS = {
    "format",
    "schema_version",
    "law",
    "length",
    "alphabet",
    "unit",
    "conditional_entropy",
    "entropy",
    "total_correlation",
    "dual_total_correlation",
    "tse_complexity",
    "unmasking_growth_complexity",
    "optimal",
    "bounds",
    "dus",
    "best_partition",
}
SCALARS = (
    "entropy",
    "total_correlation",
    "dual_total_correlation",
    "tse_complexity",
    "unmasking_growth_complexity",
)


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    case, report = CASES[name], exact_report(TABLES[name])
    assert set(report) == KEYS
    assert (report["length"], report["alphabet"]) == (case["n"], case["q"])
    assert_allclose(report["conditional_entropy"], case["C"], atol=1e-10)
    wanted = [case[k] for k in ("H", "TC", "DTC", "TSE", "H_card")]
    assert_allclose([report[k] for k in SCALARS], wanted, atol=1e-10)
    assert list(report["optimal"]) == [str(k) for k in range(1, case["n"] + 1)]
    for k, best in case["optimal_random_order"].items():
        found = report["optimal"][k]
        assert found["loss"] == pytest.approx(best["KL"], abs=1e-10)
        assert found["step_sizes"] in best["all_optimal_sizes"]
    assert report["dus"]["groups"] == case["DUS_base2"]["partition"]
    assert report["dus"]["loss"] == pytest.approx(case["DUS_base2"]["KL"], abs=1e-10)
    best, rounds = report["best_partition"], len(report["dus"]["groups"])
    assert len(best["groups"]) == rounds
    least = case["best_ordered_partition"]["KL"][str(rounds)]
    assert best["loss"] == pytest.approx(least, abs=1e-10)


@given(strategies.tables())
def test_optimal_against_every_composition(table: strategies.Floats) -> None:
    n, report = table.ndim, exact_report(table)
    curve = curves.conditional_entropy_curve(tables.as_table(table))
    for k in range(1, n + 1):
        found = report["optimal"][str(k)]
        assert len(found["step_sizes"]) == k
        least = min(divergences.expected_kl(curve, s) for s in bruteforce.compositions(n, k))
        assert found["loss"] == pytest.approx(least, abs=1e-12)
        assert divergences.expected_kl(curve, found["step_sizes"]) == found["loss"]
    assert report["dus"]["loss"] == pytest.approx(divergences.dus_kl(TableLaw(table)), abs=1e-12)


@pytest.mark.parametrize("name", LAWS)
def test_a_named_law_and_its_table_get_the_same_report(name: str) -> None:
    law = named_law(name, n=6)
    by_law, by_table = exact_report(law, name=name), exact_report(law.table(), name=name)
    json.dumps(by_law, allow_nan=False)
    for key in ("law", "length", "alphabet"):
        assert by_law[key] == by_table[key]
    for key in ("conditional_entropy", *SCALARS):
        assert_allclose(by_law[key], by_table[key], atol=1e-11)
    for k, best in by_table["optimal"].items():
        assert by_law["optimal"][k]["loss"] == pytest.approx(best["loss"], abs=1e-11)
    assert by_law["dus"]["groups"] == by_table["dus"]["groups"]
    assert by_law["dus"]["loss"] == pytest.approx(by_table["dus"]["loss"], abs=1e-11)
    for k, bounds in by_table["bounds"].items():
        assert by_law["bounds"][k].keys() == bounds.keys()
        for bound, promised in bounds.items():
            found = by_law["bounds"][k][bound]["guarantee"]
            assert found == pytest.approx(promised["guarantee"], abs=1e-9)


def test_a_law_of_one_position() -> None:
    report = exact_report([0.25, 0.75])
    assert report["optimal"] == {"1": {"step_sizes": [1], "loss": 0.0}}
    assert report["dus"] == {"groups": [[0]], "loss": 0.0}
    assert report["total_correlation"] == report["tse_complexity"] == 0.0
    assert report["best_partition"] == report["dus"]
    assert {bound["guarantee"] for bound in report["bounds"]["1"].values()} == {0.0}


def test_a_long_chain() -> None:
    law = named_law("markov", n=1024, eps=0.05)
    report = exact_report(law, name="markov")
    assert list(report["optimal"]) == [str(2**i) for i in range(11)]
    losses = [best["loss"] for best in report["optimal"].values()]
    assert losses[0] == pytest.approx(report["total_correlation"])
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == 0.0
    # theory 11.2: DUS loses only I(X_0; X_512), which is nothing at this distance.
    assert report["dus"]["loss"] == pytest.approx(0.0, abs=1e-9)
    assert sum(map(len, report["dus"]["groups"])) == 1024
    assert report["best_partition"] is None
    assert list(report["bounds"]) == [str(2**i) for i in range(8)]
    assert report["bounds"]["8"]["odds"]["loss"] >= report["optimal"]["8"]["loss"]


def test_the_longest_lists_end_with_n() -> None:
    report = exact_report(named_law("product", n=300))
    assert list(report["optimal"]) == ["1", "2", "4", "8", "16", "32", "64", "128", "256", "300"]
    assert list(exact_report(named_law("parity", n=256))["optimal"])[-2:] == ["255", "256"]


def test_only_the_steps_asked_for() -> None:
    report = exact_report(named_law("parity", n=5), steps=[2, 4])
    assert list(report["optimal"]) == list(report["bounds"]) == ["2", "4"]
    report = exact_report(named_law("parity", n=200), steps=[3, 150])
    assert (list(report["optimal"]), list(report["bounds"])) == (["3", "150"], ["3"])


@pytest.mark.parametrize("steps", [[0], [6], [2, -1]])
def test_steps_out_of_range_are_refused(steps: list[int]) -> None:
    with pytest.raises(UsageError, match="1 <= steps <= 5"):
        exact_report(named_law("parity", n=5), steps=steps)


def test_a_law_whose_table_is_too_large_is_a_matter_of_usage() -> None:
    with pytest.raises(UsageError, match=r"hidden-markov: the joint table has q\^n = 2\^40 "):
        exact_report(named_law("hidden-markov", n=40), name="hidden-markov")
    with pytest.raises(UsageError, match=r"n=24 positions with q=2 symbols needs"):
        exact_report(named_law("hidden-markov", n=24))


@pytest.mark.parametrize("name", ["hidden-markov", "parity"])
def test_a_device_enumerates_the_table(name: str) -> None:
    law = named_law(name, n=7)
    by_device, by_law = exact_report(law, device="cpu"), exact_report(law)
    for key in ("conditional_entropy", *SCALARS):
        assert_allclose(by_device[key], by_law[key], atol=1e-11)
    by_table = exact_report(law.table(), device="cpu")["conditional_entropy"]
    assert_allclose(by_table, by_device["conditional_entropy"], atol=1e-14)


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cuda:99", r"device 'cuda:99' is not there, torch sees \d+ GPUs: use 'cpu'"),
        ("tpu", "there is no device 'tpu': use 'cpu' or 'cuda'"),
        ("meta", "need a device with float64, got 'meta'"),
    ],
)
def test_a_device_that_is_not_there_is_a_matter_of_usage(device: str, message: str) -> None:
    for source in (named_law("parity", n=3), [0.5, 0.5]):
        with pytest.raises(UsageError, match=message) as caught:
            exact_report(source, device=device)
        assert (caught.value.exit_code, caught.value.hint) == (
            2,
            "leave out --device to use all cores",
        )


def test_a_device_needs_a_table() -> None:
    with pytest.raises(UsageError, match=r"chain: the joint table has q\^n = 2\^64 entries"):
        exact_report(named_law("markov", n=64), device="cpu", name="chain")


@pytest.mark.parametrize(
    ("problem", "error", "code"),
    [
        (ModuleNotFoundError("needs Triton"), MissingModelError, 6),
        (torch.OutOfMemoryError("CUDA out of memory"), DeviceMemoryError, 5),
    ],
)
def test_a_device_that_cannot(
    problem: Exception, error: type[SchedoptError], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise problem

    monkeypatch.setattr(curves, "conditional_entropy_curve", fail)
    with pytest.raises(error, match=r"needs Triton|cpu has too little memory .* 2\^3") as caught:
        exact_report(named_law("parity", n=3), device="cpu")
    assert caught.value.exit_code == code


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([[0.5, 0.5]], "table: need shape .* equal axes"),
        ([[0.5, 0.5], [0.5]], "table: "),
        ([0.5, 0.4], r"table: the table sums to 0.9, need 1 within 1e-09: divide it by its sum"),
        ([1.5, -0.5], r"table: entry \[1\]: need a probability, got -0.5"),
        ([0.5, np.nan], r"table: entry \[1\]: need a probability, got nan"),
        (np.array(["x"]), "table: need an array of real numbers"),
        (np.broadcast_to(2.0**-24, (2,) * 24), "table: the curve of n=24 positions"),
    ],
)
def test_what_is_no_law_is_an_input_error(table: ArrayLike, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        exact_report(table)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("nonesuch", {"n": 3}, "unknown law 'nonesuch'; one of product"),
        ("parity", {}, "needs its number of positions n"),
        ("reed-solomon", {"n": 4, "q": 6}, "need a prime q"),
    ],
)
def test_a_law_named_wrongly_is_a_usage_error(
    name: str, parameters: dict[str, float], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        named_law(name, **parameters)
    assert caught.value.exit_code == 2
