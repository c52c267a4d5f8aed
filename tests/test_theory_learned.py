"""Imperfect models: theory section 3 against the sampler's law, outcome by outcome."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from math import comb, inf, log

import bruteforce
import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from theory import curves, divergences, learned, tables
from theory.distributions import TableLaw

Floats = strategies.Floats
Groups = Sequence[Sequence[int]]

small = {"max_n": 4, "max_entries": 27}


def inconsistent_answers(n: int, q: int, seed: int) -> Floats:
    """Laws drawn apart for every evidence: no joint law has them as its conditionals."""
    return np.random.default_rng(seed).dirichlet(np.ones(q), size=(*(q + 1,) * n, n))


def model_probability(model: learned.Model, groups: Groups, x: tuple[int, ...]) -> float:
    """Probability that the model's sampler outputs x, group by group."""
    known: dict[int, int] = {}
    probability = 1.0
    for group in groups:
        rows = model(dict(known))
        probability *= float(np.prod([rows[i, x[i]] for i in group]))
        known |= {i: x[i] for i in group}
    return probability


def divergence(table: Floats, model: learned.Model, groups: Groups) -> float:
    return sum(
        p * log(p / model_probability(model, groups, x)) for x, p in bruteforce.outcomes(table)
    )


@settings(max_examples=40)
@given(strategies.tables_with(strategies.ordered_partitions, **small), st.integers(0, 2**16))
def test_partition_kl_is_the_kl_of_the_sampler(drawn: tuple[Floats, Groups], seed: int) -> None:
    table, groups = drawn
    n, q = table.ndim, table.shape[0]
    model = learned.tabled_model(inconsistent_answers(n, q, seed))
    whole = sum(model_probability(model, groups, x) for x in product(range(q), repeat=n))
    assert whole == pytest.approx(1.0)
    found = learned.model_partition_kl(table, model, groups)
    assert found == pytest.approx(divergence(table, model, groups), abs=1e-11)


@settings(max_examples=30)
@given(strategies.tables_with(strategies.compositions, **small), st.integers(0, 2**16))
def test_sampler_kl_is_the_mean_over_orders(
    drawn: tuple[Floats, tuple[int, ...]], seed: int
) -> None:
    # theory 3.1
    table, sizes = drawn
    model = learned.tabled_model(inconsistent_answers(table.ndim, table.shape[0], seed))
    partitions = list(bruteforce.ordered_partitions(table.ndim, sizes))
    mean = sum(divergence(table, model, groups) for groups in partitions) / len(partitions)
    curve = learned.cross_entropy_curve(table, model)
    found = learned.sampler_kl(curve, sizes, tables.entropy(table))
    assert found == pytest.approx(mean, abs=1e-11)


@settings(max_examples=40)
@given(strategies.tables(**small), st.integers(0, 2**16))
def test_curve_is_the_mean_loss_of_a_fresh_position(table: Floats, seed: int) -> None:
    n = table.ndim
    model = learned.tabled_model(inconsistent_answers(n, table.shape[0], seed))
    wanted = np.zeros(n)
    for x, p in bruteforce.outcomes(table):
        for j in range(n):
            for given_ in combinations(range(n), j):
                rows = model({i: x[i] for i in given_})
                fresh = [i for i in range(n) if i not in given_]
                wanted[j] -= p * sum(log(rows[i, x[i]]) for i in fresh) / (comb(n, j) * len(fresh))
    found = learned.cross_entropy_curve(table, model)
    assert_allclose(found, wanted, atol=1e-11)
    assert np.all(found >= curves.conditional_entropy_curve(table) - 1e-11)


@settings(max_examples=40)
@given(strategies.tables(max_entries=32), st.data())
def test_the_exact_model_has_the_law_s_own_curve(table: Floats, data: st.DataObject) -> None:
    model = learned.exact_model(table)
    curve = learned.cross_entropy_curve(table, model)
    assert_allclose(curve, curves.conditional_entropy_curve(table), atol=1e-11)
    groups = data.draw(strategies.ordered_partitions(table.ndim))
    found = learned.model_partition_kl(table, model, groups)
    wanted = divergences.partition_kl(TableLaw(table), groups)
    assert found == pytest.approx(wanted, abs=1e-11)


@settings(max_examples=60)
@given(strategies.tables_with(strategies.compositions, **small), st.integers(0, 2**16))
def test_loss_is_factorisation_error_plus_learning_error(
    drawn: tuple[Floats, tuple[int, ...]], seed: int
) -> None:
    # theory 3.2 and 3.3
    table, sizes = drawn
    joint, n = tables.entropy(table), table.ndim
    model = learned.tabled_model(inconsistent_answers(n, table.shape[0], seed))
    curve, c = learned.cross_entropy_curve(table, model), curves.conditional_entropy_curve(table)
    whole = learned.sampler_kl(curve, sizes, joint)
    factorisation = divergences.expected_kl(c, sizes)
    error = learned.learning_error(curve, c, sizes)
    assert error >= -1e-11
    assert whole == pytest.approx(factorisation + error, abs=1e-11)
    excess = divergences.expected_kl(curve, sizes)
    sequential = learned.sampler_kl(curve, [1] * n, joint)
    assert whole == pytest.approx(excess + sequential, abs=1e-11)


@settings(max_examples=40)
@given(strategies.tables_with(strategies.ordered_partitions, **small), st.integers(0, 2**16))
def test_the_model_s_sampler_is_the_worse_one(drawn: tuple[Floats, Groups], seed: int) -> None:
    # Chen, Cong, Li's Lemma 35 with the sign put right: KL(mu || nu) + error = KL(mu || nu_hat).
    table, groups = drawn
    model = learned.tabled_model(inconsistent_answers(table.ndim, table.shape[0], seed))
    error = 0.0
    for x, p in bruteforce.outcomes(table):
        known: dict[int, int] = {}
        for group in groups:
            truth, rows = tables.conditional_marginals(table, known), model(known)
            # KL(mu(. | x_T) || m(. | x_T)) summed over the group
            error += p * sum(
                t * log(t / m)
                for i in group
                for t, m in zip(truth[i], rows[i], strict=True)
                if t > 0.0
            )
            known |= {i: x[i] for i in group}
    exact = divergence(table, learned.exact_model(table), groups)
    assert error >= 0.0
    assert divergence(table, model, groups) == pytest.approx(exact + error, abs=1e-11)


def test_lemma_35_as_printed_fails() -> None:
    # One step of independent fair bits is exact, so KL(mu || nu) = 0; a model that says 0.9 pays.
    table = np.full((2, 2), 0.25)
    groups = [[0, 1]]

    def model(known: object) -> Floats:
        return np.array([[0.9, 0.1]] * 2)

    error = 2 * 0.5 * (log(0.5 / 0.9) + log(0.5 / 0.1))  # two positions, KL(1/2 || 0.9) each
    assert divergence(table, learned.exact_model(table), groups) == pytest.approx(0.0)
    assert learned.model_partition_kl(table, model, groups) == pytest.approx(error)
    assert error > 0.0  # so KL(mu || nu) = KL(mu || nu_hat) + error cannot hold


def test_excess_over_the_sequential_sampler_can_be_negative() -> None:
    # theory 3.3: a model that knows the marginals and is lost once it sees a token.
    table = np.full((2, 2, 2), 0.125)
    answers = np.full((3, 3, 3, 3, 2), [0.9, 0.1])
    answers[2, 2, 2] = 0.5  # nothing is known
    curve = learned.cross_entropy_curve(table, learned.tabled_model(answers))
    assert curve[0] < curve[1]
    assert divergences.expected_kl(curve, [3]) < 0.0
    assert learned.sampler_kl(curve, [3], 3 * log(2)) == pytest.approx(0.0)


def test_what_the_model_rules_out_costs_infinity() -> None:
    table = np.full((2, 2), 0.25)
    copies = learned.exact_model(np.array([[0.5, 0.0], [0.0, 0.5]]))
    assert learned.cross_entropy_curve(table, copies).tolist() == [pytest.approx(log(2)), inf]
    assert learned.model_partition_kl(table, copies, [[0, 1]]) == pytest.approx(0.0)
    assert learned.model_partition_kl(table, copies, [[0], [1]]) == inf


def test_a_model_may_rule_out_what_the_data_lacks() -> None:
    table = np.array([[0.5, 0.0], [0.0, 0.5]])
    curve = learned.cross_entropy_curve(table, learned.exact_model(table))
    assert_allclose(curve, [log(2), 0.0], atol=1e-15)


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([0.5, 0.5], r"need answers of shape \(q\+1,\) \* n \+ \(n, q\), got \(2,\)"),
        (np.full((2, 1, 2), 0.5), r"got \(2, 1, 2\)"),
        (np.full((3, 2, 2), 0.5), r"got \(3, 2, 2\)"),
        (np.full((3, 1, 2), 0.6), "answers: need probabilities >= 0 that sum to one"),
        (np.tile([1.5, -0.5], (3, 1, 1)), "smallest -0.5"),
        (np.full((3, 1, 2), np.nan), "answers: need probabilities"),
    ],
)
def test_answers_that_are_no_laws_are_refused(answers: Floats, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        learned.tabled_model(answers)


def test_models_of_another_size_are_refused() -> None:
    table, wide = np.full((2, 2), 0.25), np.full((2, 3), 1 / 3)
    for refused in (
        lambda: learned.cross_entropy_curve(table, lambda known: wide),
        lambda: learned.model_partition_kl(table, lambda known: wide, [[0, 1]]),
    ):
        with pytest.raises(ValueError, match=r"shape \(2, 2\), got \(2, 3\)"):
            refused()


def test_sizes_groups_and_curves_that_do_not_fit_are_refused() -> None:
    table = np.full((2, 2), 0.25)
    with pytest.raises(ValueError, match="need sizes >= 1 that sum to n=2"):
        learned.sampler_kl([1.0, 0.5], [3], 0.0)
    with pytest.raises(ValueError, match=r"need curves of one length, got \(2,\) and \(3,\)"):
        learned.learning_error([1.0, 0.5], [1.0, 0.5, 0.0], [2])
    with pytest.raises(ValueError, match=r"need each of the positions 0\.\.1 once"):
        learned.model_partition_kl(table, learned.exact_model(table), [[0]])
