"""Entropy and distinct n-grams of samples, against counting by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedopt.errors import UsageError
from schedopt.evaluation.diversity import distinct_n, pooled_distinct_n, token_entropy

rows = st.lists(st.lists(st.integers(0, 5), max_size=12), max_size=6)


def entropy_by_loops(row: list[int]) -> float:
    total = 0.0
    for token in set(row):
        share = sum(1 for other in row if other == token) / len(row)
        total += share * math.log(1 / share)
    return total


@given(rows)
def test_entropy_is_that_of_the_counts(given_rows: list[list[int]]) -> None:
    found = token_entropy(given_rows)
    assert found.shape == (len(given_rows),)
    np.testing.assert_allclose(found, [entropy_by_loops(row) for row in given_rows], atol=1e-12)
    for value, row in zip(found, given_rows, strict=True):
        assert 0.0 <= value <= math.log(max(len(set(row)), 1)) + 1e-12


def test_entropy_of_known_rows() -> None:
    found = token_entropy([[3] * 9, [1, 2] * 4, list(range(256)), []])
    np.testing.assert_allclose(found, [0.0, math.log(2), math.log(256), 0.0])
    assert token_entropy([]).shape == (0,)
    assert token_entropy(np.array([[1, 1], [1, 2]])).round(3).tolist() == [0.0, 0.693]


def distinct_by_loops(samples: list[list[int]], n: int) -> float:
    seen: list[list[int]] = []
    total = 0
    for row in samples:
        for i in range(len(row)):
            if i + n <= len(row):
                total += 1
                if row[i : i + n] not in seen:
                    seen.append(row[i : i + n])
    return len(seen) / total if total else 1.0


@given(rows, st.integers(1, 4))
def test_distinct_n_counts_n_grams(given_rows: list[list[int]], n: int) -> None:
    expected = [distinct_by_loops([row], n) for row in given_rows]
    assert distinct_n(given_rows, n).tolist() == expected
    pooled = pooled_distinct_n(given_rows, n)
    assert pooled == distinct_by_loops(given_rows, n)
    assert 0.0 < pooled <= 1.0


def test_only_the_pooled_share_sees_that_samples_repeat_each_other() -> None:
    same = [[1, 2, 3, 4]] * 10
    assert distinct_n(same, 2).tolist() == [1.0] * 10
    assert pooled_distinct_n(same, 2) == 0.1


@pytest.mark.parametrize("n", [0, -1])
def test_n_grams_have_tokens(n: int) -> None:
    for function in (distinct_n, pooled_distinct_n):
        with pytest.raises(UsageError, match=f"need n >= 1, got {n}"):
            function([[1, 2]], n)
        with pytest.raises(UsageError, match=f"need n >= 1, got {n}"):
            function([], n)
