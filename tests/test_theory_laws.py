"""Exact laws: tables from the definition, and closed forms against tables."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, permutations, product
from math import exp, log

import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from theory import curves, tables
from theory.distributions import (
    LAWS,
    IsingRing,
    Law,
    MarkovChain,
    MixtureOfProducts,
    NoisyRepeatedBit,
    Parity,
    Product,
    RandomPermutation,
    ReedSolomon,
    TableLaw,
    build_law,
    law_parameters,
    stationary_law,
)

Floats = strategies.Floats
rates = st.sampled_from([0.0, 0.5, 1.0]) | st.floats(0.01, 0.99)


@st.composite
def products(draw: st.DrawFn) -> Product:
    n, q = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    return Product(np.stack([draw(strategies.probabilities((q,))) for _ in range(n)]))


@st.composite
def chains(draw: st.DrawFn, *, max_order: int = 1) -> MarkovChain:
    """Markov chains with zeros and point masses among their rows, started anywhere."""
    q, order = draw(st.integers(2, 3)), draw(st.integers(1, max_order))
    transition = draw(strategies.stochastic_matrices((q,) * (order + 1)))
    initial = draw(strategies.probabilities((q,) * order))
    return MarkovChain(draw(st.integers(order, 5)), transition, initial)


closed_forms: st.SearchStrategy[Law] = st.one_of(
    products(),
    chains(),
    st.builds(Parity, st.integers(1, 5), st.integers(2, 3)),
    st.sampled_from([(n, d) for n in range(1, 6) for d in range(1, n + 1)]).map(
        lambda nd: ReedSolomon(nd[0], 5, dimension=nd[1])
    ),
    st.builds(NoisyRepeatedBit, st.integers(1, 7), rates),
    st.builds(RandomPermutation, st.integers(1, 5)),
)


@settings(max_examples=150)
@given(closed_forms, st.data())
def test_closed_forms_agree_with_the_table(law: Law, data: st.DataObject) -> None:
    table = TableLaw(law.table())
    assert (law.n, law.q) == (table.n, table.q)
    assert_allclose(law.conditional_entropy_curve(), table.conditional_entropy_curve(), atol=1e-12)
    assert law.entropy() == pytest.approx(table.entropy(), abs=1e-12)
    given = data.draw(st.sets(st.integers(0, law.n - 1)))
    assert_allclose(
        law.conditional_entropies(given), table.conditional_entropies(given), atol=1e-12
    )


@given(closed_forms)
def test_closed_forms_never_rise_and_stay_above_zero(law: Law) -> None:
    curve = law.conditional_entropy_curve()
    assert np.all(np.diff(curve) <= 0.0)
    assert curve[-1] >= 0.0
    assert not np.any(np.signbit(curve))


@settings(max_examples=40)
@given(chains(max_order=3))
def test_a_chain_multiplies_its_transitions(chain: MarkovChain) -> None:
    table = chain.table()
    assert table.sum() == pytest.approx(1.0)
    for x in product(range(chain.q), repeat=chain.n):
        p = np.asarray(chain.initial)[x[: chain.order]]
        for t in range(chain.order, chain.n):
            p *= chain.transition[x[t - chain.order : t + 1]]
        assert table[x] == pytest.approx(p, abs=1e-14)
    as_table = TableLaw(table)
    assert_allclose(
        chain.conditional_entropy_curve(), as_table.conditional_entropy_curve(), atol=1e-12
    )
    assert_allclose(
        chain.conditional_entropies([0]), as_table.conditional_entropies([0]), atol=1e-12
    )
    assert chain.entropy() == pytest.approx(as_table.entropy(), abs=1e-12)


@pytest.mark.parametrize("shape", [(2, 2), (3, 3), (2, 2, 2), (3, 3, 3), (2, 2, 2, 2)])
def test_a_stationary_chain_looks_the_same_everywhere(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(len(shape))
    transition = rng.dirichlet(np.ones(shape[0]), size=shape[:-1])
    m = len(shape) - 1
    table = MarkovChain(m + 2, transition).table()
    for start in range(3):
        window = tables.marginal(table, range(start, start + m))
        assert_allclose(window, stationary_law(transition), atol=1e-12)


def test_stationary_laws_of_special_chains() -> None:
    assert_allclose(stationary_law(np.array([[0.0, 1.0], [1.0, 0.0]])), [0.5, 0.5])  # periodic
    assert_allclose(stationary_law(np.array([[0.5, 0.5], [0.0, 1.0]])), [0.0, 1.0], atol=1e-15)
    with pytest.raises(ValueError, match="several stationary laws: give the initial one"):
        MarkovChain(3, np.eye(2))


def test_a_long_chain_of_order_1() -> None:
    n, transition = 600, np.array([[0.9, 0.1, 0.0], [0.0, 0.5, 0.5], [0.3, 0.3, 0.4]])
    chain = MarkovChain(n, transition, np.array([1.0, 0.0, 0.0]))
    curve = chain.conditional_entropy_curve()
    assert curve.sum() == pytest.approx(chain.entropy(), rel=1e-12)
    # The ends of the curve: nothing known, and all but one.
    assert curve[0] == pytest.approx(chain.conditional_entropies([]).mean(), abs=1e-12)
    others = [
        chain.conditional_entropies([p for p in (i - 1, i + 1) if 0 <= p < n])[i] for i in range(n)
    ]
    assert curve[-1] == pytest.approx(np.mean(others), abs=1e-12)


def test_a_chain_without_memory_is_a_product() -> None:
    row = np.array([0.2, 0.5, 0.3])
    chain = MarkovChain(1000, np.tile(row, (3, 1)))
    independent = Product(np.tile(row, (1000, 1)))
    assert_allclose(
        chain.conditional_entropy_curve(), independent.conditional_entropy_curve(), atol=1e-12
    )


@settings(max_examples=40)
@given(products())
def test_products_lose_nothing(law: Product) -> None:
    for x in product(range(law.q), repeat=law.n):
        p = np.prod([law.marginals[i, x[i]] for i in range(law.n)])
        assert law.table()[x] == pytest.approx(p, abs=1e-15)
    curve = law.conditional_entropy_curve()
    assert curves.total_correlation(curve) == 0.0
    assert curves.dual_total_correlation(curve) == 0.0


@settings(max_examples=40)
@given(st.data())
def test_mixtures(data: st.DataObject) -> None:
    m, n, q = (data.draw(st.integers(1, most)) for most in (4, 4, 3))
    weights = data.draw(strategies.probabilities((m,)))
    marginals = data.draw(strategies.stochastic_matrices((m, n, q)))
    law = MixtureOfProducts(weights, marginals)
    for x in product(range(q), repeat=n):
        p = sum(weights[c] * np.prod([marginals[c, i, x[i]] for i in range(n)]) for c in range(m))
        assert law.table()[x] == pytest.approx(p, abs=1e-14)
    dtc = curves.dual_total_correlation(law.conditional_entropy_curve())
    assert dtc <= log(m) + 1e-11


@pytest.mark.parametrize(("n", "q", "d"), [(5, 5, 2), (4, 5, 3), (4, 7, 1), (3, 3, 3)])
def test_reed_solomon(n: int, q: int, d: int) -> None:
    law = ReedSolomon(n, q, dimension=d)
    words = np.argwhere(law.table() > 0.0)
    assert len(words) == q**d
    for word in words:  # each comes from one polynomial
        fits = [
            c
            for c in product(range(q), repeat=d)
            if all(sum(a * i**e for e, a in enumerate(c)) % q == word[i] for i in range(n))
        ]
        assert len(fits) == 1
    for positions in combinations(range(n), d):  # MDS: any d positions are free
        assert_allclose(tables.marginal(law.table(), positions), float(q) ** -d)
    curve = law.conditional_entropy_curve()
    z = curves.information_curve(curve)
    assert_allclose(z, log(q) * (np.arange(n) >= d), atol=1e-12)
    assert curves.total_correlation(curve) == pytest.approx((n - d) * log(q))
    assert curves.dual_total_correlation(curve) == pytest.approx(d * log(q) if d < n else 0.0)


@pytest.mark.parametrize(("n", "q"), [(1, 2), (4, 2), (3, 3), (2, 5)])
def test_parity(n: int, q: int) -> None:
    law = Parity(n, q)
    for x in product(range(q), repeat=n):
        assert law.table()[x] == pytest.approx(q ** (1 - n) if sum(x) % q == 0 else 0.0)
    curve = law.conditional_entropy_curve()
    assert curves.total_correlation(curve) == pytest.approx(log(q) if n > 1 else 0.0)
    assert curves.dual_total_correlation(curve) == pytest.approx((n - 1) * log(q))


@pytest.mark.parametrize("n", [1, 2, 4])
def test_permutation(n: int) -> None:
    table = RandomPermutation(n).table()
    support = {tuple(int(v) for v in x) for x in np.argwhere(table > 0.0)}
    assert support == set(permutations(range(n)))
    assert_allclose(table[table > 0.0], 1.0 / len(support))
    curve = RandomPermutation(n).conditional_entropy_curve()
    assert_allclose(curve, [log(n - j) for j in range(n)])


@given(st.integers(1, 6), rates)
def test_repeated_bit_is_a_mixture_of_two_products(n: int, eps: float) -> None:
    rows = np.array([[1 - eps, eps], [eps, 1 - eps]])[:, None].repeat(n, axis=1)
    mixture = MixtureOfProducts(np.array([0.5, 0.5]), rows)
    assert_allclose(NoisyRepeatedBit(n, eps).table(), mixture.table(), atol=1e-15)


def test_a_long_repeated_bit_becomes_known() -> None:
    # With many positions known the bit is certain, and only the noise is left.
    curve = NoisyRepeatedBit(2000, 0.1).conditional_entropy_curve()
    noise = -0.1 * log(0.1) - 0.9 * log(0.9)
    assert curve[-1] == pytest.approx(noise, abs=1e-12)
    assert curve[0] == pytest.approx(log(2))
    assert curves.dual_total_correlation(curve) <= log(2) + 1e-9


@pytest.mark.parametrize(("n", "coupling", "field"), [(1, 0.7, 0.3), (2, 0.5, 0.0), (5, -0.8, 0.2)])
def test_ising_ring(n: int, coupling: float, field: float) -> None:
    weights = {}
    for x in product(range(2), repeat=n):
        s = [2 * v - 1 for v in x]
        weights[x] = exp(sum(coupling * s[i] * s[(i + 1) % n] + field * s[i] for i in range(n)))
    table = IsingRing(n, coupling, field).table()
    for x, weight in weights.items():
        assert table[x] == pytest.approx(weight / sum(weights.values()))


def test_a_strong_ising_ring_is_a_copied_spin() -> None:
    assert_allclose(
        IsingRing(4, 400.0).conditional_entropy_curve(), [log(2), 0.0, 0.0, 0.0], atol=1e-12
    )


def test_tables_are_read_only() -> None:
    law = Parity(3)
    with pytest.raises(ValueError, match="read-only"):
        law.table()[0, 0, 0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        law.conditional_entropy_curve()[0] = 1.0


ROW = np.array([0.5, 0.5])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Product(ROW), r"marginals: need 2 axes, none empty, got shape \(2,\)"),
        (lambda: Product(np.zeros((0, 2))), r"got shape \(0, 2\)"),
        (lambda: Product(np.array([[0.5, 0.4]])), "smallest 0.4 and a sum of 0.9"),
        (lambda: Product(np.array([[1.5, -0.5]])), "smallest -0.5"),
        (lambda: Product(np.array([[np.nan, 0.5]])), "smallest nan"),
        (lambda: MixtureOfProducts(ROW, np.ones((1, 2, 1))), "as many weights .* got 2 and 1"),
        (lambda: MarkovChain(3, ROW), r"shape \(q,\) \* \(m \+ 1\) with m >= 1, got \(2,\)"),
        (lambda: MarkovChain(3, np.full((3, 2), 0.5)), r"got \(3, 2\)"),
        (lambda: MarkovChain(1, np.full((2, 2, 2), 0.5)), "order 2 .* got n=1"),
        (lambda: MarkovChain(3, np.eye(2), np.full((2, 2), 0.25)), r"need shape \(2,\), got \(2,"),
        (lambda: MarkovChain(3, np.eye(2), np.array([0.5, 0.4])), "initial: .* sum of 0.9"),
        (lambda: Parity(0), "n >= 1 and q >= 2, got n=0, q=2"),
        (lambda: Parity(3, 1), "got n=3, q=1"),
        (lambda: ReedSolomon(3, 4, dimension=2), "need a prime q .* got q=4"),
        (lambda: ReedSolomon(3, 2**61 - 1, dimension=2), "got q=2305843009213693951"),
        (lambda: ReedSolomon(3, 5, dimension=4), "got dimension=4, n=3, q=5"),
        (lambda: ReedSolomon(3, 5, dimension=0), "got dimension=0"),
        (lambda: ReedSolomon(6, 5, dimension=2), "n=6, q=5"),
        (lambda: NoisyRepeatedBit(0, 0.1), "n=0"),
        (lambda: NoisyRepeatedBit(3, 1.1), "eps=1.1"),
        (lambda: NoisyRepeatedBit(3, float("nan")), "eps=nan"),
        (lambda: RandomPermutation(0), "got n=0"),
        (lambda: IsingRing(0, 0.1), "n=0"),
        (lambda: IsingRing(3, float("inf")), "coupling=inf"),
        (lambda: TableLaw(np.full((2, 3), 1 / 6)), "equal axes"),
        (lambda: Parity(40).table(), r"q\^n = 2\^40 entries"),
        (lambda: RandomPermutation(9).table(), r"9\^9 entries"),
    ],
)
def test_parameters_out_of_range_are_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("name", LAWS)
def test_every_name_builds_a_law_from_n_alone(name: str) -> None:
    assert next(iter(law_parameters(name))) == "n"
    law = build_law(name, n=4)
    assert law.n == 4
    table = TableLaw(law.table())
    assert_allclose(law.conditional_entropy_curve(), table.conditional_entropy_curve(), atol=1e-12)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("product", {"q": 3, "eps": 0.2}),
        ("markov", {"q": 3, "eps": 0.2, "order": 2}),
        ("parity", {"q": 3}),
        ("reed-solomon", {"q": 7, "dimension": 3}),
        ("mixture", {"q": 3, "eps": 0.2, "components": 3, "seed": 5}),
        ("repeated-bit", {"eps": 0.2}),
        ("permutation", {}),
        ("ising-ring", {"coupling": 1.0, "field": -0.5}),
    ],
)
def test_every_parameter_can_be_given(name: str, parameters: dict[str, float]) -> None:
    assert set(law_parameters(name)) == {"n", *parameters}
    changed, plain = build_law(name, n=4, **parameters), build_law(name, n=4)
    if parameters:
        assert changed.q != plain.q or not np.array_equal(changed.table(), plain.table())


def test_named_laws() -> None:
    assert_allclose(build_law("product", n=2, eps=0.1).table(), np.outer([0.9, 0.1], [0.9, 0.1]))
    chain = build_law("markov", n=3, q=3, eps=0.2)
    assert_allclose(tables.marginal(chain.table(), [0]), 1 / 3)
    assert chain.table()[0, 0, 0] == pytest.approx(0.8**2 / 3)
    # Order 2: the next symbol is the sum of the last two but for the noise.
    chain = build_law("markov", n=3, q=3, eps=0.2, order=2)
    assert chain.table()[1, 2, 0] == pytest.approx(0.8 / 9)
    assert chain.table()[1, 2, 1] == pytest.approx(0.1 / 9)
    assert_array_equal(
        build_law("mixture", n=4, seed=1).table(), build_law("mixture", n=4, seed=1).table()
    )
    # Without noise the hidden component is all there is: at most log 3.
    assert build_law("mixture", n=6, eps=0.0, components=3).entropy() <= log(3) + 1e-12


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("ising", {"n": 3}, "unknown law 'ising'; one of product, markov, parity"),
        ("parity", {}, "needs its number of positions n"),
        ("parity", {"n": 3, "eps": 0.1}, "law 'parity' takes n, q, got 'eps'"),
        ("parity", {"n": 0}, "1 <= n <= 16384, got n=0"),
        ("product", {"n": 10**9}, "got n=1000000000"),
        ("product", {"n": 3, "q": 1}, "2 <= q <= 256 and 0 <= eps <= 1, got q=1"),
        ("product", {"n": 3, "q": 10**6}, "got q=1000000"),
        ("product", {"n": 3, "eps": 1.5}, "eps=1.5"),
        ("markov", {"n": 3, "order": 4}, "1 <= order <= 3, got order=4"),
        ("markov", {"n": 30, "order": 25}, r"q\^n = 2\^26 entries"),
        ("mixture", {"n": 3, "components": 0}, "1 <= components <= 1024, got components=0"),
        ("mixture", {"n": 30}, r"q\^n = 2\^30 entries"),
    ],
)
def test_names_and_numbers_out_of_range_are_refused(
    name: str, parameters: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build_law(name, **parameters)
