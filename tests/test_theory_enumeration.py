"""The enumeration of subsets: each machine against the definition, and their common pieces."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from itertools import combinations
from math import comb

import numpy as np
import pytest
import strategies
import torch
from hypothesis import given, settings
from numpy.testing import assert_allclose, assert_array_equal

from theory import curves, enumeration, tables
from theory.enumeration import devices, extremes, kernels, logarithm, margins, portable, processors

Floats = strategies.Floats
Machine = Callable[[Floats], Floats]

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def on_numpy(table: Floats) -> Floats:
    return processors.sums_by_size(table, portable.add_p_log_p)


def compiled(table: Floats) -> Floats:
    return processors.sums_by_size(table, kernels.add_p_log_p)


def uncompiled(table: Floats) -> Floats:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "add_slab", kernels.add_slab.python)
        return compiled(table)


def on_torch(table: Floats) -> Floats:
    return devices.sums_by_size(table, torch.device("cpu"))


def on_gpu(table: Floats) -> Floats:
    return devices.sums_by_size(table, torch.device("cuda"))


MACHINES = [on_numpy, compiled, on_torch, pytest.param(on_gpu, marks=needs_gpu)]

LAWS = [(1, 1), (6, 1), (1, 2), (2, 2), (8, 2), (11, 2), (6, 3), (5, 4), (4, 5), (2, 40), (1, 3000)]


def by_definition(table: Floats) -> Floats:
    """Sum of p log p over all marginals of k positions, one marginal at a time."""
    n = table.ndim
    sums = np.zeros(n + 1)
    for k in range(1, n + 1):
        for subset in combinations(range(n), k):
            sums[k] -= tables.entropy(tables.marginal(table, subset))
    return sums


def assert_mean_entropies(found: Floats, expected: Floats) -> None:
    subsets = [comb(len(found) - 1, k) for k in range(len(found))]
    assert_allclose(found / subsets, expected / subsets, rtol=0, atol=1e-12)


def sparse_table(n: int, q: int) -> Floats:
    """A law with zeros, a few large entries and some of the order of 1e-300."""
    rng = np.random.default_rng(n + 100 * q)
    weights = rng.random((q,) * n) ** 9 * (rng.random((q,) * n) < 0.7)
    weights[rng.random((q,) * n) < 0.1] = 1e-300
    weights[(0,) * n] += 1.0
    return np.asarray(weights / weights.sum())


# ---- every machine


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("n", "q"), LAWS)
def test_sums_are_those_of_the_definition(n: int, q: int, machine: Machine) -> None:
    table = sparse_table(n, q)
    assert_mean_entropies(machine(table), by_definition(table))


@pytest.mark.parametrize("machine", [*MACHINES, uncompiled])
@pytest.mark.parametrize(("n", "q"), [(5, 1), (5, 2), (3, 3), (2, 5)])
def test_a_point_mass_has_no_entropy(n: int, q: int, machine: Machine) -> None:
    table = np.zeros((q,) * n)
    table[(q - 1,) * n] = 1.0
    assert_array_equal(machine(table), np.zeros(n + 1))


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("n", [3, 9, 12])
def test_fair_bits(n: int, machine: Machine) -> None:
    sums = machine(np.full((2,) * n, 0.5**n))
    expected = [-comb(n, k) * k * np.log(2.0) for k in range(n + 1)]
    assert_mean_entropies(sums, np.array(expected))


@settings(max_examples=30)
@given(strategies.tables(max_entries=64))
def test_machines_agree(table: Floats) -> None:
    expected = by_definition(table)
    for machine in (on_numpy, compiled, on_torch):
        assert_mean_entropies(machine(table), expected)


@settings(max_examples=5)
@given(strategies.tables(max_entries=9))
def test_the_kernel_means_the_same_in_python(table: Floats) -> None:
    assert_mean_entropies(uncompiled(table), compiled(table))


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("n", "q"), LAWS)
def test_sums_do_not_depend_on_how_the_work_is_cut(
    n: int, q: int, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = sparse_table(n, q)
    at_once = machine(table)
    monkeypatch.setattr(processors, "COLUMNS", 9)
    monkeypatch.setattr(processors, "PARALLEL_FROM", 1)
    monkeypatch.setattr(portable, "CACHED_TERMS", 10)
    monkeypatch.setattr(kernels, "CACHED_VALUES", 40)
    monkeypatch.setattr(devices, "COLUMNS", 3)
    assert_mean_entropies(machine(table), at_once)


@pytest.mark.parametrize("machine", [on_numpy, compiled])
def test_sums_are_the_same_bits_on_any_number_of_cores(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = sparse_table(11, 2)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    alone = machine(table)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert_array_equal(machine(table), alone)


@pytest.mark.parametrize("worth_it", [True, False])
@pytest.mark.parametrize("numba", [True, False])
def test_the_machine_is_chosen_by_what_is_installed_and_by_size(
    numba: bool, worth_it: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []

    def note(name: str, add: Callable[[Floats, int, Floats], None]) -> None:
        def noting(columns: Floats, q: int, sums: Floats) -> None:
            used.append(name)
            add(columns, q, sums)

        monkeypatch.setattr(f"theory.enumeration.{name}.add_p_log_p", noting)

    note("kernels", kernels.add_p_log_p)
    note("portable", portable.add_p_log_p)
    monkeypatch.setattr(enumeration, "numba_is_installed", lambda: numba)
    monkeypatch.setattr(enumeration, "COMPILED_FROM", 0 if worth_it else 2**40)
    table = sparse_table(4, 2)
    found = enumeration.subset_entropies(table)
    assert set(used) == {"kernels" if numba and worth_it else "portable"}
    assert_mean_entropies(-found, by_definition(table))


# ---- the logarithm


@pytest.mark.parametrize("of", [kernels.add_slab, kernels.add_slab.python], ids=["numba", "python"])
def test_p_log_p_to_the_last_digits(of: Callable[..., None]) -> None:
    rng = np.random.default_rng(0)
    mantissas = np.concatenate([np.linspace(1.0, 2.0, 501), 1.0 + rng.random(500)])
    split = logarithm.SPLIT
    mantissas = np.append(mantissas, np.nextafter(split, [1.0, 2.0]))
    p = np.concatenate([mantissas * 2.0**e for e in (-1, -2, -7, -60, -1000)])
    p = np.append(p[p <= 1.0], [1.0, np.finfo(float).tiny])
    found = np.zeros((1, len(p)))
    of(p, np.empty(len(p)), 2, 0, found)
    # log p = e log 2 + log m: of the order of one rounding of each
    assert_allclose(found[0] / p, np.log(p), rtol=5e-16, atol=1.5e-15)
    assert found[0, p == 1.0].tolist() == [0.0] * int((p == 1.0).sum())


def test_p_log_p_of_nothing_is_nothing() -> None:
    p = np.array([0.0, 5e-324, 1e-310])
    found = np.zeros((1, 3))
    kernels.add_slab(p, np.empty(3), 2, 0, found)
    assert found[0, 0] == 0.0
    assert_allclose(found[0], 0.0, atol=1e-300)


def test_the_series_interpolates_log1p() -> None:
    nodes = 0.5 * (1 + np.cos(np.pi * (2 * np.arange(13) + 1) / 26)) * 0.414215087890625
    series = np.polynomial.Polynomial(logarithm.SERIES)
    assert_allclose(series(nodes), np.log1p(nodes) / nodes, rtol=4e-16)


# ---- common pieces


@pytest.mark.parametrize(("q", "axes"), [(1, 2), (2, 3), (3, 2), (4, 1), (2, 0)])
def test_columns_are_the_margins_of_the_last_positions(q: int, axes: int) -> None:
    law = np.random.default_rng(0).random((q,) * (axes + 1))
    found = margins.with_margins(law.reshape(-1), q, axes, np.concatenate)
    kept = margins.kept_positions(q, axes)
    assert found.shape == (q, (q + 1) ** axes)
    for column, digits in enumerate(np.ndindex((q + 1,) * axes)):
        taken = tuple(slice(None) if digit == q else digit for digit in digits)
        expected = law[(slice(None), *taken)].reshape(q, -1).sum(axis=1)
        assert_allclose(found[:, column], expected, rtol=1e-15)
        assert kept[column] == sum(digit < q for digit in digits)


@pytest.mark.parametrize(
    ("limit", "q", "at_most", "m"), [(81, 2, 9, 4), (80, 2, 9, 3), (2, 2, 9, 0)]
)
def test_positions_within(limit: int, q: int, at_most: int, m: int) -> None:
    assert margins.positions_within(limit, q, at_most) == m
    assert margins.positions_within(limit, q, 1) == min(m, 1)


@pytest.mark.parametrize("asked", ["", "0", "many", "2,1"])
def test_cores_are_those_we_may_use(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert processors.cores() == 3
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert processors.cores() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert processors.cores() == 5


# ---- single positions and all but one


@pytest.mark.parametrize("how", ["numpy", "numba", "cpu", pytest.param("cuda", marks=needs_gpu)])
@pytest.mark.parametrize(("n", "q"), LAWS)
def test_extreme_entropies_by_definition(
    n: int, q: int, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extremes, "COMPILED_FROM", 0 if how == "numba" else 2**40)
    table = sparse_table(n, q)
    device = how if how in {"cpu", "cuda"} else None
    alone, joint, others = enumeration.extreme_entropies(table, device)
    for i in range(n):
        rest = [position for position in range(n) if position != i]
        assert alone[i] == pytest.approx(tables.entropy(tables.marginal(table, [i])), abs=1e-12)
        assert others[i] == pytest.approx(tables.entropy(tables.marginal(table, rest)), abs=1e-12)
    assert joint == pytest.approx(tables.entropy(table), abs=1e-12)


@settings(max_examples=10)
@given(strategies.tables(max_entries=27))
def test_the_kernel_of_one_margin_means_the_same_in_python(table: Floats) -> None:
    n, q = table.ndim, table.shape[0]
    expected = [
        tables.entropy(tables.marginal(table, set(range(n)) - {position})) for position in range(n)
    ]
    for entropies_without in (kernels.entropies_without, kernels.entropies_without.python):
        found = entropies_without(table.reshape(-1), q, n)
        assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cores", ["1", "2"])
def test_long_runs_are_cut(cores: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", cores)
    table = sparse_table(13, 2)
    fast = enumeration.extreme_entropies(table)
    monkeypatch.setattr(extremes, "COMPILED_FROM", 0)
    for found, expected in zip(enumeration.extreme_entropies(table), fast, strict=True):
        assert_allclose(found, expected, rtol=0, atol=1e-12)


# ---- devices and refusals


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
def test_curves_do_not_depend_on_the_device(device: str) -> None:
    table = sparse_table(9, 2)
    table.flags.writeable = False  # nor on whether the law may be written to
    for quantity in (
        curves.entropy_profile,
        curves.conditional_entropy_curve,
        curves.total_correlations,
    ):
        assert_allclose(quantity(table, device=device), quantity(table), rtol=0, atol=1e-12)


@pytest.mark.parametrize("device", ["tpu", "meta", "cpu0"])
def test_unknown_devices_are_refused(device: str) -> None:
    with pytest.raises(ValueError, match=f"{device}.*use 'cpu' or 'cuda'"):
        curves.entropy_profile(np.array([0.5, 0.5]), device=device)
    with pytest.raises(ValueError, match=f"{device}.*use 'cpu' or 'cuda'"):
        curves.total_correlations(np.array([0.5, 0.5]), device=device)


def test_gpus_that_are_not_there_are_refused() -> None:
    absent = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(ValueError, match=f"'{absent}' is not there, torch sees . GPUs: use"):
        curves.entropy_profile(np.array([0.5, 0.5]), device=absent)


@pytest.mark.skipif(find_spec("triton") is not None, reason="Triton is installed")
def test_the_fused_kernel_needs_triton() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"needs Triton, .* pip install triton"):
        devices.sums_by_size(np.array([0.5, 0.5]), torch.device("cpu"), fused=True)


def test_an_error_inside_triton_is_not_taken_for_its_absence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str, *_: object) -> None:
        raise ModuleNotFoundError(name="something_else")

    monkeypatch.setattr("builtins.__import__", missing)
    with pytest.raises(ModuleNotFoundError) as caught:
        devices._fused_totals(torch.ones(1, 3), 2, 0)
    assert caught.value.name == "something_else"


@pytest.mark.parametrize(
    ("n", "numba", "device", "message"),
    [
        (23, False, None, r"over .* 3\.4e\+10 with numpy or torch: use fewer .*install numba"),
        (24, True, None, r"= 2\.8e\+11 terms, over .* 1\.4e\+11 with numba: .*device='cuda'"),
        (24, True, "cpu", r"n=24 positions with q=2 symbols .* with numpy or torch"),
        pytest.param(26, True, "cuda", r"2\.5e\+12 .*with a GPU: .* symbols$", marks=needs_gpu),
    ],
)
def test_too_many_terms_are_refused(
    n: int, numba: bool, device: str | None, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enumeration, "numba_is_installed", lambda: numba)
    with pytest.raises(ValueError, match=message):
        curves.entropy_profile(np.broadcast_to(0.5**n, (2,) * n), device=device)
