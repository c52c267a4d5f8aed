"""Combinatorial laws: tables from the definition, and closed forms against tables."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, pairwise, product
from math import comb, log

import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from theory import curves, divergences
from theory.distributions import (
    LAWS,
    AffineSubspace,
    BalancedStrings,
    BernoulliWalk,
    CoordinatewiseProduct,
    Erased,
    ExchangeableBits,
    GloballySwitched,
    HierarchicalPrototypes,
    IndependentCopies,
    Law,
    MarkovChain,
    MixtureOfProducts,
    Parity,
    PolyaUrn,
    Product,
    ReedSolomon,
    TableLaw,
    build_law,
    linear_code,
    one_hot_blocks,
    ranks,
    xorsat,
)
from theory.distributions.counting import counter_laws
from theory.distributions.ranks import eliminate, narrow_order, null_space, rank_sums

Floats = strategies.Floats
rates = st.sampled_from([0.0, 0.5, 1.0]) | st.floats(0.01, 0.99)


@st.composite
def matrices(draw: st.DrawFn, *, max_n: int = 6) -> tuple[list[list[int]], int]:
    """Integer matrices and a prime; rows may depend on each other or be missing."""
    p, n = draw(st.sampled_from([2, 2, 3, 5])), draw(st.integers(1, max_n))
    n = min(n, {2: max_n, 3: 5, 5: 4}[p])
    row = st.lists(st.integers(-p, 2 * p), min_size=n, max_size=n)
    return draw(st.lists(row, min_size=1, max_size=n)), p


affine_subspaces = st.builds(
    lambda drawn, seed: AffineSubspace(
        drawn[0], drawn[1], np.random.default_rng(seed).integers(drawn[1], size=len(drawn[0][0]))
    ),
    matrices(),
    st.integers(0, 9),
)
small_laws: st.SearchStrategy[Law] = st.one_of(
    strategies.tables(max_n=3).map(TableLaw),
    st.integers(1, 3).map(Parity),
    st.just(ReedSolomon(3, 3, dimension=2)),
    strategies.stochastic_matrices((2, 2)).map(lambda t: MarkovChain(3, t, np.array([0.5, 0.5]))),
)


@st.composite
def pairs(draw: st.DrawFn) -> CoordinatewiseProduct:
    first = draw(small_laws)
    tables = strategies.probabilities((2,) * first.n)
    return CoordinatewiseProduct(first, TableLaw(draw(tables)))


closed_forms: st.SearchStrategy[Law] = st.one_of(
    st.integers(1, 7).flatmap(lambda n: strategies.probabilities((n + 1,))).map(ExchangeableBits),
    st.sampled_from([2, 4, 6]).map(BalancedStrings),
    st.builds(PolyaUrn, st.integers(1, 5), st.lists(st.floats(0.01, 50.0), min_size=1, max_size=3)),
    st.integers(1, 5).map(BernoulliWalk),
    st.builds(one_hot_blocks, st.integers(1, 4), st.integers(1, 3)),
    st.builds(IndependentCopies, small_laws, st.integers(1, 2)),
    affine_subspaces,
    st.builds(xorsat, st.integers(3, 9), st.integers(0, 9), seed=st.integers(0, 99)),
    st.builds(GloballySwitched, small_laws, rates),
    st.builds(Erased, small_laws, rates),
    pairs(),
    st.builds(
        HierarchicalPrototypes,
        st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple),
        rates,
        st.integers(2, 3),
    ).filter(lambda law: law.n <= 7),
)


@settings(max_examples=150)
@given(closed_forms, st.data())
def test_closed_forms_agree_with_the_table(law: Law, data: st.DataObject) -> None:
    table = TableLaw(law.table())
    assert (law.n, law.q) == (table.n, table.q)
    curve = law.conditional_entropy_curve()
    assert_allclose(curve, table.conditional_entropy_curve(), atol=2e-12)
    assert np.all(np.diff(curve) <= 0.0)
    assert curve[-1] >= 0.0
    assert not np.any(np.signbit(curve))
    assert law.entropy() == pytest.approx(table.entropy(), abs=1e-12)
    known = data.draw(st.sets(st.integers(0, law.n - 1)))
    assert_allclose(
        law.conditional_entropies(iter(known)), table.conditional_entropies(known), atol=1e-12
    )


@given(st.integers(1, 7).flatmap(lambda n: strategies.probabilities((n + 1,))))
def test_exchangeable_bits(counts: Floats) -> None:
    law = ExchangeableBits(counts)
    for x in product(range(2), repeat=law.n):
        assert law.table()[x] == pytest.approx(counts[sum(x)] / comb(law.n, sum(x)), abs=1e-15)


def test_balanced_strings() -> None:
    table = BalancedStrings(6).table()
    for x in product(range(2), repeat=6):
        assert table[x] == (pytest.approx(1 / 20) if sum(x) == 3 else 0.0)
    # With all but one known the last is determined; TC counts what n fair bits would have more.
    curve = BalancedStrings(4096).conditional_entropy_curve()
    assert curve[-1] == 0.0
    half = sum(log(2048 + k) - log(k) for k in range(1, 2049))
    assert curve.sum() == pytest.approx(half, rel=1e-12)


@pytest.mark.parametrize(("n", "masses"), [(4, [0.3, 2.0]), (3, [1.0, 1.0, 0.5])])
def test_polya_urn(n: int, masses: list[float]) -> None:
    law = PolyaUrn(n, masses)
    for x in product(range(len(masses)), repeat=n):
        p, urn = 1.0, list(masses)
        for symbol in x:
            p *= urn[symbol] / sum(urn)
            urn[symbol] += 1.0
        assert law.table()[x] == pytest.approx(p)


def test_an_urn_of_much_mass_forgets_and_one_of_little_repeats() -> None:
    much = PolyaUrn(50, [1e9, 1e9]).conditional_entropy_curve()
    assert_allclose(much, log(2), atol=1e-6)
    little = PolyaUrn(50, [1e-9, 1e-9]).conditional_entropy_curve()
    assert little[0] == pytest.approx(log(2))
    assert_allclose(little[1:], 0.0, atol=1e-6)
    # Equal masses of two symbols, 1 each: the number of ones is uniform.
    uniform = ExchangeableBits(np.full(31, 1 / 31)).conditional_entropy_curve()
    assert_allclose(PolyaUrn(30, [1.0, 1.0]).conditional_entropy_curve(), uniform, atol=1e-12)


def test_bernoulli_walk() -> None:
    table = BernoulliWalk(4).table()
    for x in product(range(5), repeat=4):
        steps = np.diff([0, *x])
        assert table[x] == (2.0**-4 if set(steps) <= {0, 1} else 0.0)


def test_between_known_places_a_walk_is_hypergeometric() -> None:
    n, left, right, i = 40, 3, 17, 8
    gap, draws = right - left, i - left
    mean = 0.0
    for heads in range(gap + 1):
        rows = [comb(draws, k) * comb(gap - draws, heads - k) for k in range(heads + 1)]
        p = np.array([r for r in rows if r]) / comb(gap, heads)
        mean += comb(gap, heads) / 2**gap * float(-(p * np.log(p)).sum())
    found = BernoulliWalk(n).conditional_entropies([left, right, 30])
    assert found[i] == pytest.approx(mean, abs=1e-12)


def test_bisection_of_a_walk_is_exact() -> None:
    # Wen, Liang, Lu, Theorem 3: ceil(log2(n + 1)) rounds, the last positions first.
    n = 31
    law = BernoulliWalk(n)
    groups = [tuple(range(2 ** (5 - t) - 1, n, 2 ** (6 - t))) for t in range(1, 6)]
    assert sorted(i for g in groups for i in g) == list(range(n))
    assert divergences.partition_kl(law, groups) == pytest.approx(0.0, abs=1e-11)
    left_to_right = [tuple(range(t, min(t + 7, n))) for t in range(0, n, 7)]
    assert divergences.partition_kl(law, left_to_right) > 1.0


def test_one_hot_blocks() -> None:
    table = one_hot_blocks(3, 2).table()
    for x in product(range(2), repeat=6):
        assert table[x] == (pytest.approx(1 / 9) if sum(x[:3]) == sum(x[3:]) == 1 else 0.0)
    law = one_hot_blocks(64, 64)
    curve = law.conditional_entropy_curve()
    assert curve[0] == pytest.approx(-(log(1 / 64) + 63 * log(63 / 64)) / 64)
    assert curve[-1] == 0.0
    assert curve.sum() == pytest.approx(64 * log(64), rel=1e-12)


@settings(max_examples=60)
@given(matrices(max_n=5))
def test_affine_subspaces_are_uniform_on_their_words(drawn: tuple[list[list[int]], int]) -> None:
    rows, p = drawn
    offset = list(range(len(rows[0])))
    law = AffineSubspace(rows, p, offset)
    words = set()
    for u in product(range(p), repeat=len(rows)):
        sums = [sum(a * r[i] for a, r in zip(u, rows, strict=True)) for i in offset]
        words.add(tuple((s + o) % p for s, o in zip(sums, offset, strict=True)))
    assert len(words) == p**law.dimension
    support = {tuple(int(v) for v in x) for x in np.argwhere(law.table() > 0.0)}
    assert support == words
    assert_allclose(law.table()[law.table() > 0.0], 1 / len(words))


@settings(max_examples=60)
@given(matrices(max_n=7))
def test_sums_of_ranks(drawn: tuple[list[list[int]], int]) -> None:
    rows, p = drawn
    matrix = np.array(rows[:3]) % p
    n = matrix.shape[1]

    def rank(positions: tuple[int, ...]) -> int:
        combined = product(range(p), repeat=len(matrix))
        words = {tuple(np.array(u) @ matrix[:, positions] % p) for u in combined}
        return round(log(len(words), p))

    wanted = [sum(rank(s) for s in combinations(range(n), k)) for k in range(n + 1)]
    assert rank_sums(matrix, p) == wanted
    assert sorted(narrow_order(matrix, p)) == list(range(n))


@settings(max_examples=60)
@given(matrices())
def test_the_null_space_is_what_the_checks_leave(drawn: tuple[list[list[int]], int]) -> None:
    rows, p = drawn
    words = null_space(rows, p)
    assert not (np.array(rows) @ words.T % p).any()
    _, pivots = eliminate(np.array(rows), p, range(len(rows[0])))
    assert len(words) == len(rows[0]) - len(pivots)
    assert len(eliminate(words, p, range(len(rows[0])))[1]) == len(words)


@pytest.mark.parametrize(("n", "q", "d"), [(5, 5, 2), (7, 7, 4), (12, 13, 5)])
def test_reed_solomon_codes_are_affine(n: int, q: int, d: int) -> None:
    law = AffineSubspace(np.vander(np.arange(n), d, increasing=True).T, q)
    known = ReedSolomon(n, q, dimension=d)
    assert_allclose(law.conditional_entropy_curve(), known.conditional_entropy_curve())
    for s in ([], [0, 2], range(d - 1), range(d)):
        assert_allclose(law.conditional_entropies(s), known.conditional_entropies(s))


def test_long_codes_of_little_connection_have_a_curve() -> None:
    n = 120
    parity = AffineSubspace(null_space([[1] * n], 3), 3).conditional_entropy_curve()
    assert_array_equal(parity, Parity(n, 3).conditional_entropy_curve())
    copies = AffineSubspace([[1] * n], 5).conditional_entropy_curve()
    assert_array_equal(copies, log(5) * np.eye(1, n)[0])
    pairs = AffineSubspace(np.hstack([np.eye(n // 2, dtype=int)] * 2), 2)
    of_blocks = IndependentCopies(ExchangeableBits([0.5, 0.0, 0.5]), n // 2)
    assert_allclose(
        pairs.conditional_entropy_curve(), of_blocks.conditional_entropy_curve(), atol=1e-13
    )


def test_the_curve_of_sparse_checks_of_many_positions() -> None:
    law = xorsat(64, 32, seed=1)
    curve = law.conditional_entropy_curve()
    assert curve.sum() == pytest.approx(law.entropy(), rel=1e-12)
    assert curve[0] == pytest.approx(law.conditional_entropies([]).mean())
    ones = [np.delete(law.conditional_entropies([i]), i).mean() for i in range(64)]
    assert curve[1] == pytest.approx(np.mean(ones), rel=1e-12)
    every = range(64)
    others = [law.conditional_entropies(set(every) - {i})[i] for i in every]
    assert curve[-1] == pytest.approx(np.mean(others), abs=1e-12)


def test_xorsat_draws_sparse_checks() -> None:
    law = xorsat(20, 12, width=4, seed=3)
    dual = null_space(law.generator, 2)
    assert len(dual) == 20 - law.dimension <= 12
    again = xorsat(20, 12, width=4, seed=3)
    assert_array_equal(again.generator, law.generator)
    assert_array_equal(again.offset, law.offset)
    assert xorsat(5, 0).dimension == 5


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_a_switched_code_jumps_twice(p: float) -> None:
    n, q, k = 6, 7, 3
    law = GloballySwitched(ReedSolomon(n, q, dimension=k), p)
    coin = -sum(x * log(x) for x in (p, 1 - p) if x > 0)
    j = np.arange(1, n + 1)
    z = curves.information_curve(law.conditional_entropy_curve())
    assert_allclose(z, coin * (j > 1) + p * log(q) * (j > k), atol=1e-12)
    assert law.table()[(q,) * n] == pytest.approx(1 - p)
    assert law.table()[:q, :q, :q, :q, :q, :q].sum() == pytest.approx(p)


@settings(max_examples=40)
@given(small_laws, rates)
def test_erasures(law: Law, eps: float) -> None:
    erased = Erased(law, eps)
    for y in product(range(law.q + 1), repeat=law.n):
        seen = [i for i in range(law.n) if y[i] < law.q]
        index = tuple(y[i] if i in seen else slice(None) for i in range(law.n))
        p = law.table()[index].sum() * (1 - eps) ** len(seen) * eps ** (law.n - len(seen))
        assert erased.table()[y] == pytest.approx(p, abs=1e-14)


def test_erasures_of_a_long_chain() -> None:
    chain = MarkovChain(500, np.array([[0.9, 0.1], [0.3, 0.7]]))
    curve = Erased(chain, 0.2).conditional_entropy_curve()
    coin = -0.2 * log(0.2) - 0.8 * log(0.8)
    assert curve[0] == pytest.approx(coin + 0.8 * chain.conditional_entropy_curve()[0])
    # Two neighbours, each seen with probability 0.8: what is left with everything else known.
    known = chain.conditional_entropies
    left = sum(
        0.8 ** len(s) * 0.2 ** (4 - len(s)) * known([250 + i for i in s])[250]
        for k in range(5)
        for s in combinations((-2, -1, 1, 2), k)
    )
    assert curve[-1] == pytest.approx(coin + 0.8 * left, abs=2e-3)  # neighbours beyond, and ends
    assert Erased(chain, 0.0).entropy() == pytest.approx(chain.entropy())
    assert Erased(chain, 1.0).entropy() == 0.0
    assert_array_equal(Erased(Parity(300), 0.5).conditional_entropies(range(300)), np.zeros(300))


@settings(max_examples=40)
@given(pairs())
def test_pairs_have_the_product_of_the_probabilities(law: CoordinatewiseProduct) -> None:
    q, first, second = law.second.q, law.first.table(), law.second.table()
    for x in product(range(law.q), repeat=law.n):
        p = first[tuple(v // q for v in x)] * second[tuple(v % q for v in x)]
        assert law.table()[x] == pytest.approx(p, abs=1e-15)


def test_a_code_lifts_the_curve_where_one_likes() -> None:
    # Chen, Cong, Li, Theorem 25: Z rises by log q from k on, at a length no table reaches.
    chain = MarkovChain(200, np.array([[0.9, 0.1], [0.3, 0.7]]))
    lifted = CoordinatewiseProduct(chain, ReedSolomon(200, 211, dimension=70))
    z = [curves.information_curve(law.conditional_entropy_curve()) for law in (chain, lifted)]
    assert_allclose(z[1] - z[0], log(211) * (np.arange(200) >= 70), atol=1e-12)
    assert lifted.entropy() == pytest.approx(chain.entropy() + 70 * log(211))


@pytest.mark.parametrize(("sizes", "eps", "q"), [((2, 1), 0.3, 2), ((1, 2, 2), 0.2, 3)])
def test_hierarchical_prototypes(sizes: tuple[int, ...], eps: float, q: int) -> None:
    law = HierarchicalPrototypes(sizes, eps, q)
    table = np.zeros((q,) * sum(sizes))
    for path in product(range(q), repeat=len(sizes)):
        p = 1 / q
        for parent, child in pairwise(path):
            p *= 1 - eps if child == parent else eps / (q - 1)
        word = [symbol for symbol, size in zip(path, sizes, strict=True) for _ in range(size)]
        table[tuple(word)] += p
    assert_allclose(law.table(), table, atol=1e-15)


def test_levels_that_do_not_depend_are_separate_stages() -> None:
    sizes = (2048, 128, 8)
    law = HierarchicalPrototypes(sizes, 0.5)
    curve = law.conditional_entropy_curve()
    # A block alone: its symbol is open as long as none of its other positions is known.
    n = law.n
    alone = [
        sum(size * comb(n - size, j) for size in sizes) / comb(n - 1, j) for j in range(0, n, 97)
    ]
    assert_allclose(curve[::97], log(2) / n * np.array(alone), atol=1e-12)
    assert curve.sum() == pytest.approx(3 * log(2), rel=1e-9)
    # The unmasking growth t (1 - t) h'(t) dt has a peak of one height for each level.
    d, j = curves.increments(curve), np.arange(1, n)
    stages = [(1, 20), (20, 200), (200, n)]
    masses = [float((d * j)[a - 1 : b - 1].sum()) for a, b in stages]
    assert max(masses) < 2 * min(masses)


def test_prototypes_at_the_sizes_of_the_figure() -> None:
    law = HierarchicalPrototypes((32768, 2048, 128, 8), eps=0.1)
    curve = law.conditional_entropy_curve()
    assert curve[0] == pytest.approx(log(2))
    assert curve.sum() == pytest.approx(law.entropy(), rel=1e-8)
    assert law.conditional_entropies([0, 32768])[[1, 32769, 34900]].tolist() == [
        0.0,
        0.0,
        pytest.approx(-0.1 * log(0.1) - 0.9 * log(0.9)),
    ]


def test_counters_are_binomial_or_hypergeometric() -> None:
    *_, binomial = counter_laws(6, lambda j, count: 0.3)
    assert_allclose(binomial, [comb(5, k) * 0.3**k * 0.7 ** (5 - k) for k in range(6)])
    *_, drawn = counter_laws(5, lambda j, count: (3 - count) / (10 - j), most=3)
    wanted = [comb(3, k) * comb(7, 4 - k) / comb(10, 4) for k in range(4)]
    assert_allclose(drawn, wanted)


NAMED: dict[str, tuple[dict[str, float], Callable[[], Law]]] = {
    "random-mixture": ({"eps": 0.1, "seed": 3}, lambda: build_law("mixture", n=8, components=4)),
    "hierarchical-prototypes": (
        {"q": 3, "eps": 0.3, "levels": 3, "ratio": 2},
        lambda: HierarchicalPrototypes((5, 2, 1), 0.3, 3),
    ),
    "balanced": ({}, lambda: BalancedStrings(8)),
    "polya-urn": ({"q": 3, "mass": 0.5}, lambda: PolyaUrn(8, [0.5] * 3)),
    "one-hot-blocks": ({"block": 2}, lambda: one_hot_blocks(2, 4)),
    "bernoulli-walk": ({}, lambda: BernoulliWalk(8)),
    "linear-code": (
        {"q": 3, "dimension": 5, "seed": 2},
        lambda: linear_code(8, 3, 5, seed=2),
    ),
    "xorsat": ({"density": 0.25, "width": 4, "seed": 1}, lambda: xorsat(8, 2, width=4, seed=1)),
    "switched-code": (
        {"q": 13, "dimension": 2, "eps": 0.2},
        lambda: GloballySwitched(ReedSolomon(8, 13, dimension=2), 0.8),
    ),
    "erased-code": (
        {"q": 11, "dimension": 3, "eps": 0.2},
        lambda: Erased(ReedSolomon(8, 11, dimension=3), 0.2),
    ),
    "chain-with-parity": (
        {"eps": 0.3},
        lambda: CoordinatewiseProduct(build_law("markov", n=8, eps=0.3), Parity(8)),
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_named_laws(name: str) -> None:
    parameters, build = NAMED[name]
    found, wanted = build_law(name, n=8, **parameters), build()
    if name == "random-mixture":  # the prototypes are those of "mixture" with this many
        wanted = build_law("mixture", n=8, components=4, **parameters)
    assert (type(found), found.n, found.q) == (type(wanted), wanted.n, wanted.q)
    assert_allclose(found.conditional_entropy_curve(), wanted.conditional_entropy_curve())
    assert build_law(name, n=8).n == 8
    assert name in LAWS


def test_a_random_mixture_has_two_to_the_quarter_prototypes() -> None:
    law = build_law("random-mixture", n=12)
    assert isinstance(law, MixtureOfProducts)
    assert len(law.weights) == 8
    assert set(np.unique(law.marginals).round(2)) == {0.02, 0.98}


def test_blocks_are_as_near_to_square_as_n_allows() -> None:
    sizes = {}
    for n in (1, 7, 16, 18):
        law = build_law("one-hot-blocks", n=n)
        assert isinstance(law, IndependentCopies)
        sizes[n] = law.block.n
    assert sizes == {1: 1, 7: 7, 16: 4, 18: 6}


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ExchangeableBits([1.0]), r"shape \(n \+ 1,\) with n >= 1, got \(1,\)"),
        (lambda: ExchangeableBits([0.5, 0.4]), "count_law: .* sum of 0.9"),
        (lambda: BalancedStrings(3), "even n >= 2, got n=3"),
        (lambda: BalancedStrings(0), "got n=0"),
        (lambda: PolyaUrn(0, [1.0]), "urn: need n >= 1, got n=0"),
        (lambda: PolyaUrn(3, [1.0, 0.0]), r"positive, finite mass .* got \[1.0, 0.0\]"),
        (lambda: PolyaUrn(3, [float("nan")]), r"got \[nan\]"),
        (lambda: PolyaUrn(3, []), r"got \[\]"),
        (lambda: PolyaUrn(3, [[1.0]]), r"got \[\[1.0\]\]"),
        (lambda: BernoulliWalk(0), "walk: need n >= 1, got n=0"),
        (lambda: BernoulliWalk(8).table(), r"9\^8 entries"),
        (lambda: IndependentCopies(Parity(2), 0), "at least one copy, got copies=0"),
        (lambda: one_hot_blocks(0, 2), "size >= 1, got size=0"),
        (lambda: GloballySwitched(Parity(2), 1.5), r"p in \[0, 1\], got p=1.5"),
        (lambda: GloballySwitched(Parity(2), float("nan")), "got p=nan"),
        (lambda: Erased(Parity(2), -0.1), r"eps in \[0, 1\], got eps=-0.1"),
        (lambda: CoordinatewiseProduct(Parity(2), Parity(3)), "both laws, got 2 and 3"),
        (lambda: HierarchicalPrototypes((), 0.1), r"sizes >= 1, .* got sizes=\[\]"),
        (lambda: HierarchicalPrototypes((2, 0), 0.1), r"sizes=\[2, 0\]"),
        (lambda: HierarchicalPrototypes((2,), 1.1), "eps=1.1"),
        (lambda: HierarchicalPrototypes((2,), 0.1, 1), "symbols=1"),
        (lambda: AffineSubspace([[1, 0]], 4), "generator: need a prime p .* got p=4"),
        (lambda: AffineSubspace([[1, 0]], 2**61 - 1), "got p=2305843009213693951"),
        (lambda: AffineSubspace([[0.5, 0]], 2), "matrix of integers .* of float64"),
        (lambda: AffineSubspace([1, 0], 2), r"got shape \(2,\)"),
        (lambda: AffineSubspace(np.zeros((2, 0), int), 2), r"got shape \(2, 0\)"),
        (lambda: AffineSubspace([[1, 0]], 2, [1, 0, 0]), r"offset: need shape \(2,\), got \(3,\)"),
        (lambda: AffineSubspace([[1, 0]], 2, [0.5, 0]), "offset: need a matrix of integers"),
        (lambda: AffineSubspace(np.zeros((1025, 1024), int), 2), r"got shape \(1025, 1024\)"),
        (lambda: null_space([[1, 1]], 6), "checks: need a prime"),
        (lambda: null_space([[1] * 1025], 2), r"words .* got shape \(1025, 1025\)"),
        (lambda: linear_code(3, 2, 4), "0 <= dimension <= n, got dimension=4, n=3"),
        (lambda: linear_code(3, 6, 2), "need a prime p .* got p=6"),
        (lambda: xorsat(2, 1), "1 <= width <= n .* got width=3, n=2"),
        (lambda: xorsat(5, -1), "clauses=-1"),
        (lambda: rank_sums(np.zeros((600, 600), int), 2), r"got shape \(600, 600\): use fewer"),
    ],
)
def test_parameters_out_of_range_are_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("random-mixture", {"n": 30}, r"q\^n = 2\^30 entries"),
        ("random-mixture", {"n": 4, "eps": 2.0}, "eps=2.0"),
        ("hierarchical-prototypes", {"n": 3, "levels": 4}, "1 <= levels <= 3, got levels=4"),
        ("hierarchical-prototypes", {"n": 3, "q": 500}, "1 <= q <= 256, got q=500"),
        ("hierarchical-prototypes", {"n": 3, "ratio": 0}, "got ratio=0"),
        ("balanced", {"n": 5}, "even n >= 2, got n=5"),
        ("polya-urn", {"n": 5, "mass": 0.0}, "positive, finite mass"),
        ("polya-urn", {"n": 5, "q": 0}, "got q=0"),
        ("one-hot-blocks", {"n": 6, "block": 4}, "a block that divides n=6, got block=4"),
        ("one-hot-blocks", {"n": 6, "block": 7}, "1 <= block <= 6, got block=7"),
        ("linear-code", {"n": 6, "q": 4}, "got p=4"),
        ("linear-code", {"n": 6, "dimension": 7}, "got dimension=7"),
        ("linear-code", {"n": 16384}, r"at most 1048576 entries, got shape \(8192, 16384\)"),
        ("xorsat", {"n": 6, "density": 5.0}, "0 <= density <= 4.0, got density=5.0"),
        ("xorsat", {"n": 2}, "1 <= width <= n"),
        ("xorsat", {"n": 16384}, "entries"),
        ("switched-code", {"n": 4, "eps": 1.5}, "got p=-0.5"),
        ("erased-code", {"n": 4, "eps": 1.5}, "got eps=1.5"),
        ("chain-with-parity", {"n": 4, "eps": 1.5}, "eps=1.5"),
        ("bernoulli-walk", {"n": 0}, "got n=0"),
    ],
)
def test_names_and_numbers_out_of_range_are_refused(
    name: str, parameters: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build_law(name, **parameters)


def test_a_code_of_much_connection_has_no_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "SYMBOL_LIMIT", 2**12)
    with pytest.raises(ValueError, match=r"24 positions needs more than .* at most 20 positions"):
        linear_code(24, 31, 12).conditional_entropy_curve()


def test_independent_positions_are_a_code_an_urn_and_a_walk_of_nothing() -> None:
    fair = Product(np.full((5, 2), 0.5)).conditional_entropy_curve()
    for law in (
        AffineSubspace(np.eye(5, dtype=int), 2),
        ExchangeableBits(np.array([comb(5, k) for k in range(6)]) / 32),
        IndependentCopies(Product([[0.5, 0.5]]), 5),
        HierarchicalPrototypes((1,) * 5, 0.5),
    ):
        assert_allclose(law.conditional_entropy_curve(), fair, atol=1e-12)
