"""Agreement with golden/theory.json to 1e-10, for tables and for closed forms."""

from __future__ import annotations

from itertools import chain

import bruteforce
import numpy as np
import pytest
from golden_laws import CASES, GOLDEN, TABLES
from numpy.testing import assert_allclose

from theory import curves, divergences, outputs
from theory.distributions import Law, MarkovChain, Parity, RandomPermutation, ReedSolomon, TableLaw
from theory.orders import dilated_groups

DIGITS = 1e-10

CLOSED_FORMS: dict[str, Law] = {
    "markov_2_n8": MarkovChain(8, np.array([[0.9, 0.1], [0.3, 0.7]])),
    "parity_n6": Parity(6),
    "rs_gf5_n5_k2": ReedSolomon(5, 5, dimension=2),
    "permutation_n5": RandomPermutation(5),
}
LAWS = [(name, TableLaw(table)) for name, table in TABLES.items()] + list(CLOSED_FORMS.items())

every_law = pytest.mark.parametrize(
    ("name", "law"), LAWS, ids=[f"{name}-{type(law).__name__}" for name, law in LAWS]
)
every_case = pytest.mark.parametrize("name", CASES)


def test_every_case_is_built() -> None:
    assert set(TABLES) == set(CASES)


@every_law
def test_table(name: str, law: Law) -> None:
    case, table = CASES[name], law.table()
    assert table.shape == (case["q"],) * case["n"]
    assert int((table > 0.0).sum()) == case["support"]
    assert_allclose(table, TABLES[name], atol=1e-15)
    assert float(table.max()) == pytest.approx(case["p_max"], abs=DIGITS)


@every_law
def test_curve_and_scalars(name: str, law: Law) -> None:
    case, curve = CASES[name], law.conditional_entropy_curve()
    assert_allclose(curve, case["C"], atol=DIGITS)
    assert_allclose(curves.information_curve(curve), case["Z"], atol=DIGITS)
    assert_allclose(curves.entropy_profile(law.table()), case["h"], atol=DIGITS)
    scalars = [
        law.entropy(),
        curves.total_correlation(curve),
        curves.dual_total_correlation(curve),
        curves.unmasking_growth_complexity(curve),
        curves.tse_complexity(curve),
    ]
    assert_allclose(scalars, [case[k] for k in ("H", "TC", "DTC", "H_card", "TSE")], atol=DIGITS)


@every_law
def test_expected_kl_of_named_sizes(name: str, law: Law) -> None:
    curve = law.conditional_entropy_curve()
    for schedule, wanted in CASES[name]["expected_KL_random_order"].items():
        found = divergences.expected_kl(curve, wanted["sizes"])
        assert found == pytest.approx(wanted["KL"], abs=DIGITS), schedule


@every_law
def test_optimal_sizes_of_the_random_order(name: str, law: Law) -> None:
    curve = law.conditional_entropy_curve()
    for k, wanted in CASES[name]["optimal_random_order"].items():
        losses = {
            sizes: divergences.expected_kl(curve, sizes)
            for sizes in bruteforce.compositions(law.n, int(k))
        }
        best = min(losses.values())
        assert best == pytest.approx(wanted["KL"], abs=DIGITS)
        ties = {sizes for sizes, loss in losses.items() if loss <= best + 1e-9}
        assert ties == {tuple(sizes) for sizes in wanted["all_optimal_sizes"]}


@every_law
def test_dus(name: str, law: Law) -> None:
    wanted = CASES[name]["DUS_base2"]
    groups = dilated_groups(law.n)
    assert [list(group) for group in groups] == wanted["partition"]
    assert divergences.dus_kl(law) == pytest.approx(wanted["KL"], abs=DIGITS)
    # A round alone, all other positions one by one, pays that round's gap.
    for t, gap in enumerate(wanted["per_round_gap"]):
        others = chain(((i,) for g in groups[:t] for i in g), [groups[t]])
        rest = ((i,) for g in groups[t + 1 :] for i in g)
        found = divergences.partition_kl(law, [*others, *rest])
        assert found == pytest.approx(gap, abs=DIGITS)


@every_law
@pytest.mark.parametrize("key", ["fixed_order_left_to_right", "fixed_order_dus_order"])
def test_fixed_orders(name: str, law: Law, key: str) -> None:
    wanted = CASES[name][key]
    surface = divergences.order_surface(law, wanted["order"])
    for a, row in enumerate(wanted["surface_rows"]):
        assert_allclose(surface[a, a:], row, atol=DIGITS)
    for k, least in wanted["opt_KL"].items():
        sizes = bruteforce.compositions(law.n, int(k))
        best = min(divergences.surface_kl(surface, s) for s in sizes)
        assert best == pytest.approx(least, abs=DIGITS)
        chosen = divergences.surface_kl(surface, wanted["opt_sizes"][k])
        assert chosen == pytest.approx(least, abs=DIGITS)


@every_law
def test_best_ordered_partitions(name: str, law: Law) -> None:
    wanted = CASES[name]["best_ordered_partition"]
    for k, groups in wanted["one_optimal_partition"].items():
        found = divergences.partition_kl(law, groups)
        assert found == pytest.approx(wanted["KL"][k], abs=DIGITS)


@every_case
def test_output_law_of_two_even_steps(name: str) -> None:
    sizes = CASES[name]["expected_KL_random_order"]["uniform_k2"]["sizes"]
    found = outputs.output_law_kl(TABLES[name], sizes)
    assert found == pytest.approx(CASES[name]["uniform_k2_mixture_law_KL"], abs=DIGITS)


def test_partitions_whose_value_is_not_convex() -> None:
    example = GOLDEN["extras"]["nonconvex_partition_example"]
    weights = np.zeros((2,) * 5)
    for word, weight in example["integer_weights"].items():
        weights[tuple(map(int, word))] = weight
    law = TableLaw(weights / weights.sum())
    for k, groups in example["partitions"].items():
        found = divergences.partition_kl(law, groups)
        assert found == pytest.approx(example["best_partition_KL"][k], abs=DIGITS)
