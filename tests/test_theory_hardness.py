"""Hidden jumps, theory section 7.3: codes by enumeration, and the demonstration as it is run."""

from __future__ import annotations

import importlib
import json
import runpy
import sys
from collections.abc import Callable
from itertools import combinations, product
from math import ceil, log
from pathlib import Path

import bruteforce
import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from theory import hardness, tables
from theory.distributions import ReedSolomon, TableLaw
from theory.divergences import expected_kl
from theory.guarantees import curve_of_jumps, least_theta
from theory.outputs import output_law, partition_law

EXPERIMENTS = Path(__file__).resolve().parent.parent / "experiments"
few = settings(max_examples=40)
CODES = [(4, 5, d) for d in range(1, 5)] + [(5, 5, 2), (4, 7, 3)]
every_code = pytest.mark.parametrize(("n", "q", "d"), CODES)


# What a probe can see


@every_code
def test_answers_until_the_jump_are_those_of_the_uniform_law(n: int, q: int, d: int) -> None:
    table = ReedSolomon(n, q, dimension=d).table()
    for known in range(n):
        for given_positions in combinations(range(n), known):
            for values in product(range(q), repeat=known):
                answers = tables.conditional_marginals(
                    table, dict(zip(given_positions, values, strict=True))
                )
                fresh = np.delete(answers, given_positions, axis=0)
                if known < d:
                    assert_allclose(fresh, 1.0 / q, atol=1e-12)
                elif tables.marginal(table, given_positions)[values] > 0.0:
                    assert_allclose(fresh.max(axis=1), 1.0)
                else:  # no word of the code: by convention uniform, as of any law
                    assert_allclose(fresh, 1.0 / q)


@every_code
def test_marginals_of_d_positions_are_uniform_and_determine_the_others(
    n: int, q: int, d: int
) -> None:
    table = ReedSolomon(n, q, dimension=d).table()
    for positions in combinations(range(n), d):
        assert_allclose(tables.marginal(table, positions), float(q) ** -d)
        assert_allclose(tables.conditional_entropies(table, positions), 0.0, atol=1e-12)


@every_code
def test_largest_bias(n: int, q: int, d: int) -> None:
    code = ReedSolomon(n, q, dimension=d)
    found = [hardness.largest_bias(code, known) for known in range(n)]
    assert_allclose(found, np.where(np.arange(n) < d, 0.0, 1.0 - 1.0 / q), atol=1e-12)


@few
@given(strategies.tables(max_entries=27))
def test_largest_bias_by_loops(table: strategies.Floats) -> None:
    n, q = table.ndim, len(table)
    for known in range(n):
        largest = 0.0
        for positions in combinations(range(n), known):
            for values in bruteforce.law_on(table, positions):
                given_values = dict(zip(positions, values, strict=True))
                answers = tables.conditional_marginals(table, given_values)
                for i in set(range(n)) - set(positions):
                    largest = max(largest, float(np.abs(answers[i] - 1 / q).sum()) / 2)
        assert hardness.largest_bias(TableLaw(table), known) == pytest.approx(largest, abs=1e-12)


@few
@given(st.integers(1, 7), st.data())
def test_classes_are_the_codes_of_equal_readings(n: int, data: st.DataObject) -> None:
    probes = data.draw(st.sets(st.integers(0, n - 1)))
    readings: dict[tuple[float, ...], list[int]] = {}
    for d in range(1, n + 1):
        curve = ReedSolomon(n, 7, dimension=d).conditional_entropy_curve()
        readings.setdefault(tuple(float(curve[probe]) for probe in probes), []).append(d)
    wanted = sorted(tuple(members) for members in readings.values())
    assert list(hardness.indistinguishable_jumps(n, probes)) == wanted


# What the sampler then outputs


@every_code
def test_total_variation_of_the_sampler(n: int, q: int, d: int) -> None:
    code = ReedSolomon(n, q, dimension=d)
    mu = code.table()
    for k in range(1, n + 1):
        for sizes in bruteforce.compositions(n, k):
            predicted = hardness.code_total_variation(q, d, sizes)
            loss = hardness.overshoot(d, sizes) * log(q)
            assert expected_kl(code.conditional_entropy_curve(), sizes) == pytest.approx(loss)
            order = np.random.default_rng(k).permutation(n)
            ends = np.cumsum(sizes)
            groups = [order[end - s : end].tolist() for end, s in zip(ends, sizes, strict=True)]
            nu = partition_law(mu, groups)
            assert float(np.abs(mu - nu).sum()) / 2 == pytest.approx(predicted, abs=1e-12)
            # A random order hides nothing: the mixture is as far off.
            mixed = output_law(mu, sizes)
            assert float(np.abs(mu - mixed).sum()) / 2 == pytest.approx(predicted, abs=1e-12)


@pytest.mark.parametrize("n", range(1, 10))
def test_no_composition_does_better_than_the_hedged_sizes(n: int) -> None:
    everything = range(1, n + 1)
    for k in range(1, n + 1):
        by_sizes = {
            sizes: [hardness.overshoot(d, sizes) for d in everything]
            for used in range(1, k + 1)
            for sizes in bruteforce.compositions(n, used)
        }
        # theory 7.3
        assert min(max(row) for row in by_sizes.values()) == ceil(n / k) - 1
        assert least_theta("height", n, k) == ceil(n / k) - 1
        for first, last in combinations(everything, 2):
            jumps = range(first, last + 1, 1 + n % 2)
            least = min(max(row[d - 1] for d in jumps) for row in by_sizes.values())
            sizes = hardness.hedged_sizes(n, k, jumps)
            assert len(sizes) <= k
            assert max(hardness.overshoot(d, sizes) for d in jumps) == least


@few
@given(st.integers(2, 30), st.data())
def test_a_known_jump_costs_nothing_in_two_steps(n: int, data: st.DataObject) -> None:
    d = data.draw(st.integers(1, n - 1))
    sizes = hardness.hedged_sizes(n, 2, [d])
    assert sizes == (d, n - d)
    assert expected_kl(curve_of_jumps(n, {d: 1.0}), sizes) == 0.0


@few
@given(st.integers(2, 12).flatmap(strategies.compositions), st.data())
def test_overshoot_is_the_loss_of_a_jump(sizes: tuple[int, ...], data: st.DataObject) -> None:
    n = sum(sizes)
    d = data.draw(st.integers(1, n - 1))
    loss = expected_kl(curve_of_jumps(n, {d: 1.0}), sizes)
    assert hardness.overshoot(d, sizes) == pytest.approx(loss)
    assert hardness.overshoot(n, sizes) == 0  # the uniform law


def test_what_is_refused() -> None:
    for probes in ([-1], [4]):
        with pytest.raises(ValueError, match=r"need probes of 0\.\.3 known positions"):
            hardness.indistinguishable_jumps(4, probes)
    with pytest.raises(ValueError, match="need n >= 1"):
        hardness.indistinguishable_jumps(0, [])
    for jump in (0, 5):
        with pytest.raises(ValueError, match=r"jumps in 1\.\.4, got"):
            hardness.overshoot(jump, (2, 2))
        with pytest.raises(ValueError, match=r"jumps in 1\.\.4, got"):
            hardness.hedged_sizes(4, 2, [jump])
        with pytest.raises(ValueError, match=r"jumps in 1\.\.4, got"):
            hardness.code_total_variation(5, jump, (2, 2))
    with pytest.raises(ValueError, match="need n >= 1 and k >= 1"):
        hardness.hedged_sizes(4, 0, [1])
    for known in (-1, 4):
        with pytest.raises(ValueError, match=r"need 0\.\.3 known positions"):
            hardness.largest_bias(ReedSolomon(4, 5, dimension=2), known)


# The demonstration


@pytest.fixture
def demonstrate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Run it as a script that writes its results to a folder of the test."""
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    monkeypatch.setattr(importlib.import_module("common"), "RESULTS", tmp_path)

    def run(*arguments: str) -> Path:
        monkeypatch.setattr(sys, "argv", ["hardness.py", *arguments])
        runpy.run_path(str(EXPERIMENTS / "hardness.py"), run_name="__main__")
        return tmp_path / "hardness.json"

    return run


def test_demonstration(
    demonstrate: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    result = demonstrate("--n", "4", "--field", "5", "--probes", "1,3")
    found = json.loads(result.read_text())
    assert [group["dimensions"] for group in found["classes"]] == [[1], [2, 3], [4]]
    hidden = found["classes"][1]
    assert max(row["total_variation"] for row in hidden["hedged"]) == pytest.approx(0.8)
    assert max(row["total_variation"] for row in hidden["known"]) == pytest.approx(0.0)
    by_dimension = {row["dimension"]: row["answers_differ_by"] for row in found["codes"]}
    assert_allclose(by_dimension[2], [0.0, 0.8], atol=1e-12)
    assert_allclose(by_dimension[4], [0.0, 0.0], atol=1e-12)
    assert "2, 3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--field", "6"], "need a prime"),
        (["--n", "8"], "need 1 <= dimension <= n <= q"),
        (["--probes", "1;2"], "need whole numbers with commas, got '1;2'"),
        (["--probes", "9"], "need probes of 0..5"),
        (["--steps", "0"], "need n >= 1 and k >= 1, got n=6, k=0"),
    ],
)
def test_demonstration_says_what_is_wrong(
    arguments: list[str],
    message: str,
    demonstrate: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        demonstrate(*arguments)
    assert message in capsys.readouterr().err
