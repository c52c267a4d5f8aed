"""A law as a denoiser says what the oracle of the theory says."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from numpy.typing import NDArray
from scipy.stats import chisquare
from strategies import random_table, tables

from schedopt.curve import InformationCurve
from schedopt.data import Windows
from schedopt.errors import InputError, UsageError
from schedopt.estimators import estimate
from schedopt.evaluation import evaluate
from schedopt.fitting import fit
from schedopt.models import Denoiser, LawDenoiser
from schedopt.samplers import policy_for, sample
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.sizes import uniform_sizes
from theory.distributions import HiddenMarkov, Law, MarkovChain, MixtureOfProducts, build_law
from theory.tables import conditional_marginals

Floats = NDArray[np.float64]


@given(tables(max_n=5), st.data())
def test_conditionals_are_those_of_the_oracle(table: Floats, data: st.DataObject) -> None:
    """On the support and off it, where every unknown position is uniform."""
    law = LawDenoiser(table)
    n, q = table.ndim, len(table)
    symbols = st.none() | st.integers(0, q - 1)
    batch = data.draw(st.lists(st.lists(symbols, min_size=n, max_size=n), min_size=1, max_size=4))
    tokens = torch.tensor([[law.mask_id if x is None else x for x in row] for row in batch])
    log_probs = law.log_probs(tokens, torch.ones_like(tokens, dtype=torch.bool))
    found = log_probs.exp().numpy().reshape(len(batch), n, q + 1)
    for row, probabilities in zip(batch, found, strict=True):
        known = {i: x for i, x in enumerate(row) if x is not None}
        unknown = [i for i in range(n) if i not in known]
        expected = conditional_marginals(table, known)
        np.testing.assert_allclose(probabilities[unknown, :q], expected[unknown], atol=1e-12)
        assert (probabilities[:, law.mask_id] == 0.0).all()
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-12)


def test_off_the_support_everything_is_uniform() -> None:
    copies = LawDenoiser(np.eye(3)[:, :, None] * np.eye(3)[:, None, :] / 3)  # of one symbol
    tokens = torch.tensor([[0, 1, copies.mask_id]])
    queries = torch.tensor([[False, False, True]])
    nll, entropy = copies.score(tokens, queries, torch.tensor([[0, 1, 2]]))
    assert [*nll.tolist(), *entropy.tolist()] == pytest.approx([math.log(3)] * 2)


@given(tables(max_n=5), st.integers(0, 2**32))
def test_queries_get_their_rows(table: Floats, seed: int) -> None:
    law = LawDenoiser(table)
    rng = np.random.default_rng(seed)
    truth = law.draw(7, rng)
    queries = torch.from_numpy(rng.random(truth.shape) < 0.5)
    tokens = torch.where(queries, law.mask_id, truth)
    rows = law.logits(tokens)[queries]
    assert torch.equal(law.log_probs(tokens, queries), rows)
    nll, entropy = law.score(tokens, queries, truth)
    assert torch.equal(nll, -rows[torch.arange(len(rows)), truth[queries]])
    assert torch.isfinite(nll).all()  # what was drawn is possible
    probabilities = rows.exp()
    own = torch.where(probabilities > 0.0, -probabilities * rows, 0.0).sum(dim=-1)
    torch.testing.assert_close(entropy, own)


def test_a_large_batch_is_cut() -> None:
    law = LawDenoiser(random_table(2, 3, seed=0))
    tokens = torch.full((2500, 3), law.mask_id)
    found = law.logits(tokens)
    assert torch.equal(found, found[:1].expand(2500, 3, 3))


def test_draws_follow_the_law() -> None:
    """Fixed seed; another one would fail once in a million times."""
    table = random_table(3, 3, seed=1)
    law = LawDenoiser(table)
    draws = law.draw(5000, np.random.default_rng(2)).numpy()
    counts = np.bincount(np.ravel_multi_index(tuple(draws.T), table.shape), minlength=27)
    assert chisquare(counts, 5000 * table.ravel()).pvalue > 1e-6
    assert law.probabilities.sum() == pytest.approx(1.0)
    assert len(law.outcomes) == np.count_nonzero(table)


def test_protocol() -> None:
    law = LawDenoiser(random_table(4, 3, seed=0), name="generic")
    assert isinstance(law, Denoiser)
    assert (law.vocab_size, law.mask_id, law.eos_id, law.tokenizer) == (5, 4, None, None)
    assert (law.max_length, law.fixed_length) == (3, True)
    assert law.provenance == {"name": "generic", "mask_id": 4}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (1.0, r"table: need shape \(q,\) \* n with equal axes, got \(\)"),
        ([[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]], r"got \(2, 3\)"),
        ([[0.5, 0.5], [0.0]], "table: .* inhomogeneous shape"),
        ([0.7, 0.7], "sums to 1.4, need 1"),
        ([1.5, -0.5], r"entry \[1\]: need a probability, got -0.5"),
        ([math.nan, 1.0], "need a probability, got nan"),
        ([math.inf, 0.0], "need a probability, got inf"),
    ],
)
def test_tables_that_are_no_law(table: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        LawDenoiser(table)


@pytest.mark.parametrize("shape", [(1, 3), (1, 5), (4,), (1, 1, 4)])
def test_sequences_of_another_shape(shape: tuple[int, ...]) -> None:
    law = LawDenoiser(random_table(2, 4, seed=0))
    with pytest.raises(UsageError, match=r"need integer tokens of shape \(B, 4\), got"):
        law.logits(torch.zeros(shape, dtype=torch.int64))


@pytest.mark.parametrize("token", [-1, 3])
def test_tokens_of_another_vocabulary(token: int) -> None:
    law = LawDenoiser(random_table(2, 4, seed=0))
    with pytest.raises(UsageError, match=f"need tokens 0..1, or 2 .* got {token}"):
        law.logits(torch.full((1, 4), token))


# Laws without a table

N = 64
NOISE = np.array([[0.9, 0.1], [0.2, 0.8]])
SECOND_ORDER = MarkovChain(N, np.stack([NOISE, NOISE[::-1]]))
HIDDEN = HiddenMarkov(N, NOISE, np.array([[0.85, 0.15], [0.05, 0.95]]))
LONG: dict[str, Law] = {
    "order 2": SECOND_ORDER,
    "hidden": HIDDEN,
    "ring": build_law("potts-ring", n=N, coupling=1.0),
    "mixture": MixtureOfProducts([0.5, 0.5], np.stack([[[0.7, 0.3]] * N, [[0.4, 0.6]] * N])),
}


def drawn(law: Law, count: int, seed: int = 0) -> tuple[LawDenoiser, Windows]:
    denoiser = LawDenoiser(law)
    return denoiser, Windows.independent(denoiser.draw(count, np.random.default_rng(seed)))


@pytest.mark.parametrize("law", LONG.values(), ids=LONG.keys())
def test_long_laws_have_no_table(law: Law) -> None:
    denoiser = LawDenoiser(law)
    for ask in ("table", "outcomes", "probabilities"):
        with pytest.raises(ValueError, match=r"\^64 entries, over the limit"):
            getattr(denoiser, ask)
    # What is missing is no attribute that the protocol asks for.
    assert isinstance(denoiser, Denoiser)
    assert denoiser.max_length == N


def test_a_law_is_its_table() -> None:
    law = build_law("hidden-markov", n=4)
    by_law, by_table = LawDenoiser(law), LawDenoiser(law.table())
    tokens = torch.tensor([[2, 0, 2, 1], [2, 2, 2, 2]])
    torch.testing.assert_close(by_law.logits(tokens), by_table.logits(tokens))
    assert torch.equal(by_law.outcomes, by_table.outcomes)
    torch.testing.assert_close(by_law.probabilities, by_table.probabilities)


def sequential_nll(denoiser: LawDenoiser, windows: Windows) -> Floats:
    """-log p of each window over its positions, in one order of several."""
    backwards = Order("explicit", permutation=tuple(reversed(range(N))))
    schedule = UnmaskingSchedule(N, backwards, (1,) * N)
    return evaluate(denoiser, windows, [schedule])[0].values


def test_one_position_at_a_time_has_the_loss_of_the_chain_itself() -> None:
    """From left to right by its transitions, whatever order the sampler takes."""
    denoiser, windows = drawn(SECOND_ORDER, 20)
    x = windows.tokens.numpy()
    chances = SECOND_ORDER.transition[x[:, :-2], x[:, 1:-1], x[:, 2:]]
    first = np.asarray(SECOND_ORDER.initial)[x[:, 0], x[:, 1]]
    expected = -(np.log(first) + np.log(chances).sum(axis=1)) / N
    np.testing.assert_allclose(sequential_nll(denoiser, windows), expected, rtol=1e-12)


def test_bisection_by_pairs_loses_nothing_on_a_chain_of_order_2() -> None:
    """In twelve passes (theory, section 11.4); as many in the dilated order lose some."""
    denoiser, windows = drawn(SECOND_ORDER, 20)
    levels = [[0], *([*range(32 >> level, 32, 64 >> level)] for level in range(1, 6))]
    groups = [[2 * pair + side for pair in pairs] for pairs in levels for side in (0, 1)]
    assert len(groups) == 12
    bisection = UnmaskingSchedule(
        N,
        Order("explicit", permutation=tuple(p for group in groups for p in group)),
        tuple(len(group) for group in groups),
    )
    equal = UnmaskingSchedule(N, Order("dilated"), uniform_sizes(N, 12))
    exact, other = evaluate(denoiser, windows, [bisection, equal])
    np.testing.assert_allclose(exact.values, sequential_nll(denoiser, windows), rtol=1e-12)
    assert (np.abs(other.values - exact.values) > 1e-6).all()


def test_estimates_on_a_chain_find_its_curve() -> None:
    """Of 64 positions, where the curve is known; within five standard errors everywhere."""
    law = MarkovChain(N, NOISE)
    denoiser, windows = drawn(law, 1280)
    measure = estimate(
        denoiser, windows, order=Order("random"), passes=1280, smoothing="raw"
    ).measure
    assert isinstance(measure, InformationCurve)
    assert measure.stderr is not None
    miss = np.abs(measure.conditional_entropy - law.conditional_entropy_curve())
    assert (miss <= 5 * measure.stderr + 1e-9).all()


@pytest.mark.parametrize("law", [SECOND_ORDER, HIDDEN], ids=["order 2", "hidden"])
def test_the_sampler_loses_what_a_fit_says(law: Law) -> None:
    """Within five standard errors of both."""
    denoiser, windows = drawn(law, 100)
    found = fit(denoiser, windows, order=Order("dilated"), steps=4, passes=100)
    assert (found.schedule.length, len(found.schedule.step_sizes)) == (N, 4)
    _, fresh = drawn(law, 50, seed=1)
    by_steps = evaluate(denoiser, fresh, [found.schedule])[0].values
    excess = N * (by_steps - sequential_nll(denoiser, fresh))
    spread = np.hypot(found.loss.stderr, excess.std() / 50**0.5)
    assert excess.mean() == pytest.approx(found.loss.value, abs=5 * spread + 1e-9)


def test_how_to_give_the_length_that_a_law_has() -> None:
    law, policy = (
        LawDenoiser([[0.5, 0.0], [0.0, 0.5]]),
        policy_for("random", block_length=1, steps=1),
    )
    for length, cure in ((3, "a prompt and a --length that together"), (1, "a --length of 2")):
        with pytest.raises(
            UsageError, match=f"{length} tokens: this model takes exactly 2"
        ) as told:
            sample(law, policy, length=length)
        assert cure in str(told.value.hint)
