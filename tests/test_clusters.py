"""Standard errors over documents, group by group."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from schedopt.clusters import document_sums, mean_by_group, mean_over_documents
from schedopt.errors import InputError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@st.composite
def measurements(draw: st.DrawFn) -> tuple[Floats, Integers, Integers]:
    """Values, and the group and the document of each; document names have gaps."""
    size = draw(st.integers(1, 20))
    lists = [st.floats(-9, 9), st.integers(0, 3), st.sampled_from([-3, 0, 7, 8])]
    values, groups, documents = (draw(st.lists(one, min_size=size, max_size=size)) for one in lists)
    return np.array(values, dtype=np.float64), np.array(groups), np.array(documents)


def ratio_by_loops(values: list[float], documents: list[int]) -> tuple[float, float]:
    """Mean and its linearised error: residuals are summed in each document, then squared."""
    if not values:
        return math.nan, math.nan
    mean = sum(values) / len(values)
    sums: dict[int, float] = {}
    for value, document in zip(values, documents, strict=True):
        sums[document] = sums.get(document, 0.0) + value - mean
    if len(sums) == 1:
        return mean, math.inf
    variance = sum(s**2 for s in sums.values()) * len(sums) / (len(sums) - 1)
    return mean, math.sqrt(variance) / len(values)


@given(measurements())
def test_groups_are_those_of_the_definition(case: tuple[Floats, Integers, Integers]) -> None:
    values, groups, documents = case
    means, errors = mean_by_group(values, groups, 5, documents)  # group 4 is always empty
    for group in range(5):
        inside = groups == group
        expected = ratio_by_loops(values[inside].tolist(), documents[inside].tolist())
        assert (means[group], errors[group]) == pytest.approx(expected, abs=1e-9, nan_ok=True)


@given(measurements())
def test_all_values_are_one_group(case: tuple[Floats, Integers, Integers]) -> None:
    values, _, documents = case
    if len(np.unique(documents)) < 2:
        with pytest.raises(InputError, match="1 document: a standard error needs at least 2"):
            mean_over_documents(values, documents)
        return
    found = mean_over_documents(values, documents)
    expected = ratio_by_loops(values.tolist(), documents.tolist())
    assert (found.value, found.stderr) == pytest.approx(expected, abs=1e-9)
    sums, counts = document_sums(values, documents)
    assert sums.sum() == pytest.approx(values.sum(), abs=1e-9)
    assert counts.sum() == len(values)
    names = np.unique(documents)
    assert sums == pytest.approx([values[documents == name].sum() for name in names], abs=1e-9)
    assert counts.tolist() == [np.count_nonzero(documents == name) for name in names]


def test_a_group_of_one_document_is_known_by_no_error() -> None:
    found = mean_by_group(np.array([1.0, 3.0]), np.zeros(2, dtype=np.int64), 1, np.array([5, 5]))
    assert (found[0].tolist(), found[1].tolist()) == ([2.0], [math.inf])
