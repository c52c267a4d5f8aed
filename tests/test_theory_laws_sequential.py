"""Chains, hidden chains and rings against their definitions, and the oracle of every law."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import exp, log

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.stats import chisquare

from theory import tables
from theory.distributions import (
    LAWS,
    AffineSubspace,
    CoordinatewiseProduct,
    Erased,
    ExchangeableBits,
    GloballySwitched,
    HiddenMarkov,
    HierarchicalPrototypes,
    IndependentCopies,
    InhomogeneousChain,
    IsingRing,
    Law,
    MarkovChain,
    MixtureOfProducts,
    NoisyRepeatedBit,
    Parity,
    PolyaUrn,
    Product,
    RandomPermutation,
    RingField,
    TableLaw,
    build_law,
    law_parameters,
)
from theory.distributions import law as law_module

Floats = strategies.Floats
Tokens = NDArray[np.int64]


# Laws


@st.composite
def products(draw: st.DrawFn) -> Product:
    n, q = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    return Product(draw(strategies.stochastic_matrices((n, q))))


@st.composite
def mixtures(draw: st.DrawFn) -> MixtureOfProducts:
    m, n, q = (draw(st.integers(1, most)) for most in (3, 4, 3))
    return MixtureOfProducts(
        draw(strategies.probabilities((m,))), draw(strategies.stochastic_matrices((m, n, q)))
    )


@st.composite
def chains(draw: st.DrawFn) -> MarkovChain:
    order = draw(st.integers(1, 3))
    q = draw(st.integers(2, 3 if order == 1 else 2))
    transition = draw(strategies.stochastic_matrices((q,) * (order + 1)))
    initial = draw(strategies.probabilities((q,) * order))
    return MarkovChain(draw(st.integers(order, 5)), transition, initial)


@st.composite
def inhomogeneous_chains(draw: st.DrawFn) -> InhomogeneousChain:
    n, q = draw(st.integers(2, 5)), draw(st.integers(2, 3))
    return InhomogeneousChain(
        draw(strategies.probabilities((q,))), draw(strategies.stochastic_matrices((n - 1, q, q)))
    )


@st.composite
def hidden_chains(draw: st.DrawFn) -> HiddenMarkov:
    n, s, q = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return HiddenMarkov(
        n,
        draw(strategies.stochastic_matrices((s, s))),
        draw(strategies.stochastic_matrices((s, q))),
        draw(strategies.probabilities((s,))),
    )


@st.composite
def rings(draw: st.DrawFn) -> RingField:
    n, q = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    exponents = st.floats(-3.0, 3.0, allow_subnormal=False)
    potential = draw(st.sampled_from([(q, q), (n, q, q)]))
    field = draw(st.sampled_from([(q,), (n, q)]))
    return RingField(
        n,
        draw(hnp.arrays(np.float64, potential, elements=exponents)),
        draw(st.none() | hnp.arrays(np.float64, field, elements=exponents)),
    )


sequential: st.SearchStrategy[Law] = st.one_of(
    products(), mixtures(), chains(), inhomogeneous_chains(), hidden_chains(), rings()
)


def every_evidence(law: Law) -> Tokens:
    """All batches of known and unknown positions, shape ((q + 1)^n, n)."""
    return np.array(list(product(range(law.q + 1), repeat=law.n)))


def by_the_definition(law: Law, tokens: Tokens) -> Floats:
    """What the single oracle of the table says of each row."""
    known = [{i: int(x) for i, x in enumerate(row) if x < law.q} for row in tokens]
    return np.stack([tables.conditional_marginals(law.table(), row) for row in known])


def log_probabilities(law: Law, tokens: Tokens, order: NDArray[np.intp]) -> Floats:
    """log p of each row, by the chain rule along an order and the oracle of the law."""
    seen = np.full_like(tokens, law.q)
    total = np.zeros(len(tokens))
    for i in order:
        total += np.log(law.conditional_marginals(seen)[np.arange(len(tokens)), i, tokens[:, i]])
        seen[:, i] = tokens[:, i]
    return total


def stochastic(rng: np.random.Generator, *shape: int) -> Floats:
    return rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])


def long_laws(n: int) -> dict[str, Law]:
    """Generic laws without a table."""
    rng = np.random.default_rng(n)
    return {
        "product": Product(stochastic(rng, n, 3)),
        "mixture": MixtureOfProducts(stochastic(rng, 4), stochastic(rng, 4, n, 3)),
        "chain": MarkovChain(n, stochastic(rng, 3, 3)),
        "order 3": MarkovChain(n, stochastic(rng, 2, 2, 2, 2)),
        "inhomogeneous": InhomogeneousChain(stochastic(rng, 3), stochastic(rng, n - 1, 3, 3)),
        "hidden": HiddenMarkov(n, stochastic(rng, 4, 4), stochastic(rng, 4, 2)),
        "Ising ring": IsingRing(n, 0.7, 0.1),
        "ring": RingField(n, rng.normal(size=(3, 3)), rng.normal(size=3)),
        "uneven ring": RingField(n, rng.normal(size=(n, 2, 2)), rng.normal(size=(n, 2))),
    }


# Every law


def assert_agrees_with_its_table(law: Law) -> None:
    table = TableLaw(law.table())
    assert law.entropy() == pytest.approx(table.entropy(), abs=1e-12)
    assert_allclose(law.conditional_entropy_curve(), table.conditional_entropy_curve(), atol=1e-12)
    for bits in product([False, True], repeat=law.n):
        given = np.flatnonzero(bits)
        assert_allclose(
            law.conditional_entropies(given), table.conditional_entropies(given), atol=1e-12
        )


@pytest.mark.parametrize("name", LAWS)
def test_closed_forms_are_those_of_the_table(name: str) -> None:
    assert_agrees_with_its_table(build_law(name, n=4))


@pytest.mark.parametrize("name", LAWS)
def test_the_oracle_is_that_of_the_table(name: str) -> None:
    """Given every possible and impossible evidence."""
    law = build_law(name, n=4)
    tokens = every_evidence(law)
    expected = by_the_definition(law, tokens)
    assert_allclose(law.conditional_marginals(tokens), expected, atol=1e-12)
    of_table = TableLaw(law.table()).conditional_marginals(tokens)
    assert_allclose(of_table, expected, atol=1e-12)


# Laws made of laws, at the ends of their parameters, and exchangeable ones with impossible counts.
EDGES: dict[str, Law] = {
    "never there": GloballySwitched(Parity(3), 0.0),
    "always there": GloballySwitched(Parity(3), 1.0),
    "a switched chain": GloballySwitched(MarkovChain(3, np.eye(2)[::-1]), 0.3),
    "never erased": Erased(Parity(3), 0.0),
    "always erased": Erased(Parity(3), 1.0),
    "erased copies": Erased(NoisyRepeatedBit(3, 0.0), 0.3),
    "pairs of permutations": IndependentCopies(RandomPermutation(2), 2),
    "bits beside a permutation": CoordinatewiseProduct(Product([[1.0, 0.0]] * 3), Parity(3, 3)),
    "some counts": ExchangeableBits([0.0, 0.7, 0.0, 0.3, 0.0]),
    "an uneven urn": PolyaUrn(3, [0.1, 2.0, 1.0]),
    "an affine subspace": AffineSubspace([[1, 2, 0], [0, 1, 0]], 3, [2, 1, 1]),
    "one word": AffineSubspace(np.zeros((1, 3), dtype=int), 2, [0, 1, 1]),
    "all words": AffineSubspace(np.eye(3, dtype=int), 2),
    "changed prototypes": HierarchicalPrototypes((2, 1), 1.0, symbols=3),
    "impossible components": MixtureOfProducts([0.0, 1.0], np.eye(2)[:, None].repeat(3, axis=1)),
}


@pytest.mark.parametrize("law", EDGES.values(), ids=EDGES.keys())
def test_oracles_and_draws_at_the_edges(law: Law) -> None:
    tokens = every_evidence(law)
    expected = by_the_definition(law, tokens)
    assert_allclose(law.conditional_marginals(tokens), expected, atol=1e-12)
    assert_drawn_from(law, law.draw(2000, np.random.default_rng(0)))


def assert_drawn_from(law: Law, draws: Tokens) -> None:
    """Fixed seeds; others would fail once in a million times."""
    outcomes = np.ravel_multi_index(tuple(draws.T), law.table().shape)
    counts, wanted = np.bincount(outcomes, minlength=law.q**law.n), law.table().ravel()
    assert not counts[wanted == 0.0].any()
    # Rare outcomes count as one, as a chi-square test asks.
    rare = wanted * len(draws) < 5.0
    counts = np.append(counts[~rare], counts[rare].sum())
    wanted = np.append(wanted[~rare], wanted[rare].sum())
    found = chisquare(counts[wanted > 0], len(draws) * wanted[wanted > 0])
    assert not found.pvalue <= 1e-6  # NaN where only one outcome is possible


@pytest.mark.parametrize("name", LAWS)
def test_draws_follow_the_law(name: str) -> None:
    law = build_law(name, n=4)
    draws = law.draw(4000, np.random.default_rng(0))
    assert (draws.shape, draws.dtype) == ((4000, 4), np.int64)
    assert_drawn_from(law, draws)
    assert_drawn_from(law, TableLaw(law.table()).draw(4000, np.random.default_rng(0)))


@settings(max_examples=60)
@given(sequential)
def test_generic_closed_forms_are_those_of_the_table(law: Law) -> None:
    assert_agrees_with_its_table(law)


@settings(max_examples=60)
@given(sequential)
def test_generic_oracles_are_those_of_the_table(law: Law) -> None:
    tokens = every_evidence(law)
    assert_allclose(
        law.conditional_marginals(tokens), by_the_definition(law, tokens), rtol=1e-9, atol=1e-9
    )


@settings(max_examples=30)
@given(sequential, st.integers(0, 2**32))
def test_nothing_impossible_is_drawn(law: Law, seed: int) -> None:
    draws = law.draw(50, np.random.default_rng(seed))
    assert (law.table()[tuple(draws.T)] > 0.0).all()
    assert len(law.draw(0, np.random.default_rng(seed))) == 0


@pytest.mark.parametrize("name", long_laws(4))
def test_draws_of_generic_laws(name: str) -> None:
    law = long_laws(4)[name]
    assert_drawn_from(law, law.draw(20_000, np.random.default_rng(1)))
    # Position by position, as where neither a table nor a shorter way is at hand.
    tokens = np.full((5000, 4), law.q)
    rng = np.random.default_rng(2)
    for i in range(4):
        tokens[:, i] = law_module.draw_symbols(law.conditional_marginals(tokens)[:, i], rng)
    assert_drawn_from(law, tokens)


def test_laws_with_an_oracle_but_no_table_are_drawn_position_by_position() -> None:
    law = Product(np.tile([0.2, 0.8], (64, 1)))
    draws = Law.draw(law, 200, np.random.default_rng(0))
    assert draws.shape == (200, 64)
    # Of 12800 bits; five standard errors, so once in two million times.
    assert draws.mean() == pytest.approx(0.8, abs=5 * 0.4 / 12800**0.5)


@pytest.mark.parametrize("name", long_laws(4))
def test_batches_are_cut_without_a_trace(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    law = long_laws(4)[name]
    tokens = every_evidence(law)
    whole = law.conditional_marginals(tokens), TableLaw(law.table()).conditional_marginals(tokens)
    monkeypatch.setattr(law_module, "HELD_NUMBERS", 200)
    monkeypatch.setattr(law_module, "HELD_OUTCOMES", 5)
    cut = law.conditional_marginals(tokens), TableLaw(law.table()).conditional_marginals(tokens)
    assert_allclose(cut, whole, atol=1e-14)
    assert law.conditional_marginals(np.zeros((0, 4), dtype=int)).shape == (0, 4, law.q)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([0, 1, 2], r"need integer tokens of shape \(B, 3\), got int64 of shape \(3,\)"),
        ([[0, 1]], r"got int64 of shape \(1, 2\)"),
        ([[[0, 1, 2]]], r"of shape \(1, 1, 3\)"),
        ([[0.0, 1.0, 2.0]], "got float64"),
        ([[True, False, True]], "got bool"),
        ([[0, 1, 3]], "need tokens 0..1, or 2 where a position is unknown, got 3"),
        ([[0, -1, 2]], "got -1"),
        (np.array([[0, 1, 200]], dtype=np.uint8), "got 200"),
    ],
)
@pytest.mark.parametrize("name", ["parity", "product", "markov", "hidden-markov", "ising-ring"])
def test_tokens_that_are_none(name: str, tokens: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_law(name, n=3).conditional_marginals(tokens)


def test_a_law_without_an_oracle_of_its_own_needs_its_table() -> None:
    rng = np.random.default_rng(0)
    law = HiddenMarkov(64, stochastic(rng, 2, 2), stochastic(rng, 2, 2))
    for ask in (law.entropy, law.conditional_entropy_curve, lambda: law.conditional_entropies([0])):
        with pytest.raises(ValueError, match=r"2\^64 entries, over the limit"):
            ask()


def test_pairs_of_too_many_positions() -> None:
    law = InhomogeneousChain([0.5, 0.5], np.full((5000, 2, 2), 0.5))
    with pytest.raises(ValueError, match="entropies between n=5001 positions are over the limit"):
        law.conditional_entropy_curve()


@pytest.mark.parametrize("name", ["drifting-chain", "hidden-markov", "potts-ring"])
def test_named_laws_take_their_parameters(name: str) -> None:
    plain, other = build_law(name, n=3), build_law(name, n=3, q=4)
    assert (plain.n, other.n, other.q) == (3, 3, 4)
    strength = law_parameters(name).keys() - {"n", "q"}
    changed = build_law(name, n=3, **dict.fromkeys(strength, 0.2))
    assert not np.allclose(changed.table(), plain.table())
    with pytest.raises(ValueError, match="got q=1000"):
        build_law(name, n=3, q=1000)


def test_a_drifting_chain_is_sure_at_its_start_only() -> None:
    surprise = np.diff([build_law("drifting-chain", n=n).entropy() for n in (2, 3, 4, 5)])
    assert build_law("drifting-chain", n=5).conditional_entropies([0])[1] == 0.0
    last = build_law("drifting-chain", n=5).conditional_entropies([3])[4]
    assert last == pytest.approx(log(2))
    assert (surprise > 0.0).all()
    with pytest.raises(ValueError, match="1 <= n - 1 <= 16384, got n - 1=0"):
        build_law("drifting-chain", n=1)


# Long laws


@pytest.mark.parametrize("name", long_laws(4))
def test_the_chain_rule_holds_along_every_order(name: str) -> None:
    """Conditional marginals that come from one law multiply to the same probability."""
    law, rng = long_laws(48)[name], np.random.default_rng(0)
    tokens = law.draw(8, rng)
    forward = log_probabilities(law, tokens, np.arange(48))
    assert_allclose(log_probabilities(law, tokens, rng.permutation(48)), forward, rtol=1e-11)


@pytest.mark.parametrize("name", sorted(LAWS.keys() - {"mixture", "random-mixture"}))
def test_every_named_law_has_an_oracle_without_its_table(name: str) -> None:
    """Mixtures are long above; by name they are kept to what has a table, and so a curve."""
    law, rng = build_law(name, n=30), np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"\^30 entries, over the limit"):
        law.table()
    tokens = law.draw(4, rng)
    forward = log_probabilities(law, tokens, np.arange(30))
    assert_allclose(log_probabilities(law, tokens, rng.permutation(30)), forward, rtol=1e-11)


@pytest.mark.parametrize("name", long_laws(4))
def test_five_hundred_positions_do_not_underflow(name: str) -> None:
    """Each row is a law, and what was drawn is possible."""
    law, rng = long_laws(512)[name], np.random.default_rng(0)
    tokens = law.draw(6, rng)
    hidden = rng.random(tokens.shape) < np.linspace(0.0, 1.0, 6)[:, None]
    found = law.conditional_marginals(np.where(hidden, law.q, tokens))
    assert_allclose(found.sum(axis=-1), 1.0, rtol=1e-12)
    chances = np.take_along_axis(found, tokens[..., None], axis=2)
    assert (chances > 0.0).all()
    assert_array_equal(chances[~hidden], 1.0)


def test_symbols_far_beyond_known_blocks_say_nothing() -> None:
    """Order 3: three known symbols in a row separate what is before from what is after."""
    chain = long_laws(512)["order 3"]
    assert isinstance(chain, MarkovChain)
    tokens = chain.draw(1, np.random.default_rng(3))
    tokens[:, 255:259] = chain.q
    short = MarkovChain(10, chain.transition, chain.initial)
    expected = by_the_definition(short, tokens[:, 252:262])
    assert_allclose(chain.conditional_marginals(tokens)[:, 252:262], expected, atol=1e-12)


# Chains


@settings(max_examples=25)
@given(inhomogeneous_chains())
def test_an_inhomogeneous_chain_multiplies_its_transitions(chain: InhomogeneousChain) -> None:
    for x in product(range(chain.q), repeat=chain.n):
        p = chain.initial[x[0]]
        for t in range(chain.n - 1):
            p *= chain.transitions[t, x[t], x[t + 1]]
        assert chain.table()[x] == pytest.approx(p, abs=1e-14)


def test_equal_transitions_are_a_homogeneous_chain() -> None:
    rng = np.random.default_rng(0)
    plain = MarkovChain(200, stochastic(rng, 3, 3), stochastic(rng, 3))
    other = InhomogeneousChain(plain.initial, np.tile(plain.transition, (199, 1, 1)))
    assert_allclose(
        other.conditional_entropy_curve(), plain.conditional_entropy_curve(), atol=1e-12
    )
    given = rng.permutation(200)[:20]
    assert_allclose(
        other.conditional_entropies(given), plain.conditional_entropies(given), atol=1e-12
    )
    assert other.entropy() == pytest.approx(plain.entropy())


def test_a_long_inhomogeneous_chain() -> None:
    chain = long_laws(300)["inhomogeneous"]
    curve = chain.conditional_entropy_curve()
    assert curve.sum() == pytest.approx(chain.entropy(), rel=1e-12)
    assert curve[0] == pytest.approx(chain.conditional_entropies([]).mean(), abs=1e-12)
    around = [{i - 1, i + 1} & set(range(300)) for i in range(300)]
    last = [chain.conditional_entropies(given)[i] for i, given in enumerate(around)]
    assert curve[-1] == pytest.approx(np.mean(last), abs=1e-12)


def test_a_chain_that_forgets_is_two_chains() -> None:
    rng = np.random.default_rng(5)
    steps = stochastic(rng, 5, 2, 2)
    steps[2] = 0.5
    chain = InhomogeneousChain([0.3, 0.7], steps)
    found = chain.conditional_entropies([1])
    assert_allclose(found[3:], chain.conditional_entropies([])[3:], atol=1e-12)


def test_the_entropy_of_a_chain_of_any_order_takes_no_table() -> None:
    """Fair noise on the sum of the last two: every symbol after the first two costs its noise."""
    chain = build_law("markov", n=1000, order=2, eps=0.1)
    noise = -0.1 * log(0.1) - 0.9 * log(0.9)
    assert chain.entropy() == pytest.approx(2 * log(2) + 998 * noise)


# Hidden chains


@settings(max_examples=25)
@given(hidden_chains())
def test_a_hidden_chain_sums_over_its_states(law: HiddenMarkov) -> None:
    states, initial = len(law.transition), np.asarray(law.initial)
    for x in product(range(law.q), repeat=law.n):
        total = 0.0
        for z in product(range(states), repeat=law.n):
            p = initial[z[0]] * law.emission[z[0], x[0]]
            for t in range(1, law.n):
                p *= law.transition[z[t - 1], z[t]] * law.emission[z[t], x[t]]
            total += p
        assert law.table()[x] == pytest.approx(total, abs=1e-14)


def test_hidden_chains_that_are_simpler_laws() -> None:
    """States that are seen, states that forget, and states that stay."""
    rng, n = np.random.default_rng(8), 5
    transition, emission, initial = stochastic(rng, 3, 3), stochastic(rng, 3, 2), stochastic(rng, 3)
    same_rows = np.tile(initial, (3, 1))
    pairs: list[tuple[Law, Law]] = [
        (HiddenMarkov(n, transition, np.eye(3)), MarkovChain(n, transition)),
        (HiddenMarkov(n, same_rows, emission), Product(np.tile(initial @ emission, (n, 1)))),
        (
            HiddenMarkov(n, np.eye(3), emission, initial),
            MixtureOfProducts(initial, np.tile(emission[:, None], (1, n, 1))),
        ),
    ]
    for hidden, simple in pairs:
        assert_allclose(hidden.table(), simple.table(), atol=1e-14)
        tokens = every_evidence(hidden)
        assert_allclose(
            hidden.conditional_marginals(tokens), simple.conditional_marginals(tokens), atol=1e-12
        )


# Rings


@settings(max_examples=25)
@given(rings())
def test_a_ring_multiplies_its_bonds(law: RingField) -> None:
    n, q = law.n, law.q
    potential = np.broadcast_to(law.potential, (n, q, q))
    field = np.broadcast_to(np.asarray(law.field), (n, q))
    weights = {
        x: exp(sum(potential[i, x[i], x[(i + 1) % n]] + field[i, x[i]] for i in range(n)))
        for x in product(range(q), repeat=n)
    }
    for x, weight in weights.items():
        assert law.table()[x] == pytest.approx(weight / sum(weights.values()), rel=1e-9)


@pytest.mark.parametrize("n", [1, 2, 3, 12])
def test_an_ising_ring_is_a_field_on_a_ring(n: int) -> None:
    spins = np.array([-1.0, 1.0])
    ising = IsingRing(n, 0.6, -0.2)
    general = RingField(n, 0.6 * np.outer(spins, spins), -0.2 * spins)
    assert_allclose(
        ising.conditional_entropy_curve(), general.conditional_entropy_curve(), atol=1e-13
    )


@pytest.mark.parametrize("name", ["Ising ring", "ring"])
def test_a_long_ring(name: str) -> None:
    law = long_laws(512)[name]
    curve = law.conditional_entropy_curve()
    assert curve.sum() == pytest.approx(law.entropy(), rel=1e-12)
    # Both neighbours known, and one position known at any distance.
    assert curve[-1] == pytest.approx(law.conditional_entropies([1, 511])[0], abs=1e-12)
    assert curve[1] == pytest.approx(law.conditional_entropies([0])[1:].mean(), abs=1e-12)


def test_an_uneven_ring_of_sixty_positions() -> None:
    law = long_laws(60)["uneven ring"]
    curve = law.conditional_entropy_curve()
    assert curve.sum() == pytest.approx(law.entropy(), rel=1e-12)
    given = [np.delete(np.arange(60), i) for i in range(60)]
    last = [law.conditional_entropies(g)[i] for i, g in enumerate(given)]
    assert curve[-1] == pytest.approx(np.mean(last), abs=1e-12)


def test_equal_bonds_at_every_position_are_a_homogeneous_ring() -> None:
    rng = np.random.default_rng(2)
    potential, field = rng.normal(size=(3, 3)), rng.normal(size=3)
    plain = RingField(20, potential, field)
    other = RingField(20, np.tile(potential, (20, 1, 1)), np.tile(field, (20, 1)))
    assert_allclose(
        other.conditional_entropy_curve(), plain.conditional_entropy_curve(), atol=1e-12
    )


def test_a_ring_without_interaction_is_a_product() -> None:
    field = np.log([0.2, 0.5, 0.3])
    curve = RingField(300, np.zeros((3, 3)), field).conditional_entropy_curve()
    assert_allclose(curve, -np.exp(field) @ field, atol=1e-12)


@pytest.mark.parametrize("n", [11, 12])
def test_colourings_of_a_ring_are_counted(n: int) -> None:
    """Uniform on the proper colourings, of which there are (q-1)^n + (-1)^n (q-1)."""
    colours = RingField(n, -1000.0 * np.eye(4))
    count = 3**n + (-1) ** n * 3
    assert colours.entropy() == pytest.approx(log(count), abs=1e-9)
    assert colours.conditional_entropy_curve().sum() == pytest.approx(log(count), abs=1e-9)
    # Two neighbours that differ leave two of four colours, two alike three.
    tokens = np.full((1, n), 4)
    tokens[0, [0, 2]] = 0, 1
    assert_allclose(colours.conditional_marginals(tokens)[0, 1], [0.0, 0.0, 0.5, 0.5], atol=1e-12)


def test_a_frustrated_ring() -> None:
    """Spins that differ from both neighbours cannot all be on an odd ring: one bond is broken.

    Its two ground states for each of the n bonds are all there is, although the weight of each is
    too small for a number.
    """
    law = IsingRing(101, -500.0)
    assert law.entropy() == pytest.approx(log(202), abs=1e-9)
    assert law.conditional_entropy_curve()[0] == pytest.approx(log(2), abs=1e-12)
    draws = law.draw(20, np.random.default_rng(0))
    assert_array_equal((draws == np.roll(draws, 1, axis=1)).sum(axis=1), 1)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: InhomogeneousChain([0.5, 0.5], np.eye(2)), "transitions: need 3 axes"),
        (lambda: InhomogeneousChain([1.0], np.eye(2)[None]), r"shape \(n - 1, 1, 1\), got \(1, 2"),
        (lambda: InhomogeneousChain([0.5, 0.4], np.eye(2)[None]), "initial: .* sum of 0.9"),
        (lambda: InhomogeneousChain([0.5, 0.5], 0.4 * np.eye(2)[None]), "transitions: .* 0.4"),
        (lambda: HiddenMarkov(0, np.full((2, 2), 0.5), np.eye(2)), "n >= 1, got n=0"),
        (lambda: HiddenMarkov(3, np.full((2, 2), 0.5), np.eye(3)), r"\(2, 2\) and \(3, 3\)"),
        (lambda: HiddenMarkov(3, np.eye(3)[:2], np.eye(2)), r"shape \(s, s\) .* got \(2, 3\)"),
        (lambda: HiddenMarkov(3, np.eye(2), np.eye(2)), "several stationary laws"),
        (lambda: HiddenMarkov(3, np.eye(2), np.eye(2), [1.0]), r"shape \(2,\), got \(1,\)"),
        (lambda: HiddenMarkov(3, np.eye(2), np.eye(2), [0.5, 0.6]), "initial: .* sum of 1.1"),
        (lambda: RingField(0, np.eye(2)), "n >= 1, .* got n=0"),
        (lambda: RingField(3, 1.0), r"got n=3, \(\) and \(0,\)"),
        (lambda: RingField(3, np.zeros((0, 0))), r"got n=3, \(0, 0\)"),
        (lambda: RingField(3, np.zeros((2, 3))), r"got n=3, \(2, 3\)"),
        (lambda: RingField(3, np.zeros((4, 2, 2))), r"\(q, q\) or \(n, q, q\) .* \(4, 2, 2\)"),
        (lambda: RingField(3, np.eye(2), np.zeros(3)), r"\(2, 2\) and \(3,\)"),
        (lambda: RingField(3, np.full((2, 2), np.nan)), "within 1e.06, got nan"),
        (lambda: RingField(3, np.eye(2), [0.0, -np.inf]), "within 1e.06, got inf"),
        (lambda: IsingRing(3, 2e6), "coupling=2000000.0"),
        (lambda: IsingRing(3, 0.1, float("nan")), "field=nan"),
    ],
)
def test_parameters_out_of_range_are_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
