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

from schedopt.errors import InputError, UsageError
from schedopt.models import Denoiser, LawDenoiser
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
        (1.0, r"need shape \(q,\) \* n, got \(\)"),
        ([[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]], r"got \(2, 3\)"),
        ([0.7, 0.7], "sum to one, got 1.4"),
        ([1.5, -0.5], "sum to one"),
        ([math.nan, 1.0], "sum to one, got nan"),
        ([math.inf, 0.0], "sum to one, got inf"),
    ],
)
def test_tables_that_are_no_law(table: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        LawDenoiser(table)


@pytest.mark.parametrize("shape", [(1, 3), (1, 5), (4,), (1, 1, 4)])
def test_sequences_of_another_shape(shape: tuple[int, ...]) -> None:
    law = LawDenoiser(random_table(2, 4, seed=0))
    with pytest.raises(UsageError, match=r"need tokens of shape \(B, 4\), got"):
        law.logits(torch.zeros(shape, dtype=torch.int64))
