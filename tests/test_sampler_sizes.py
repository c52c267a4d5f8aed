"""Step sizes that need no measuring are those of the papers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from golden_laws import CASES
from hypothesis import given

from schedopt.errors import UsageError
from schedopt.sizes import (
    MASKED_SHARES,
    SIZE_RULES,
    dus_schedule,
    llada_sizes,
    shared_sizes,
    uniform_sizes,
)
from theory.orders import merge_last_group

LEVELS = json.loads((Path(__file__).parent / "golden" / "dus_levels.json").read_text())["entries"]
Rule = Callable[[int, int], tuple[int, ...]]
RULES: dict[str, Rule] = {name: SIZE_RULES[name] for name in ("uniform", "cosine")}
SHARES: dict[str, Callable[[float], float]] = {
    "cosine": lambda r: math.cos(math.pi / 2 * r),
    "linear": lambda r: 1 - r,
    "square": lambda r: 1 - r**2,
    "cubic": lambda r: 1 - r**3,
    "root": lambda r: 1 - r**0.5,
    "arccos": lambda r: math.acos(r) / (math.pi / 2),
}


@pytest.mark.parametrize("case", CASES)
def test_golden_sizes(case: str) -> None:
    found = {}
    wanted = {}
    for label, entry in CASES[case]["expected_KL_random_order"].items():
        name, _, steps = label.partition("_k")
        if name in RULES:
            found[label] = RULES[name](CASES[case]["n"], int(steps))
            wanted[label] = tuple(entry["sizes"])
    assert len(wanted) >= 4
    assert found == wanted


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))))
def test_sizes_are_compositions(length_and_steps: tuple[int, int]) -> None:
    length, steps = length_and_steps
    for rule in SIZE_RULES.values():
        sizes = rule(length, steps)
        assert (len(sizes), sum(sizes)) == (steps, length)
        assert min(sizes) >= 1
    assert max(uniform_sizes(length, steps)) - min(uniform_sizes(length, steps)) <= 1
    table = [length // steps + (t < length % steps) for t in range(steps)]  # LLaDA's
    assert llada_sizes(length, steps) == tuple(table)


@given(st.sampled_from(list(SHARES)), st.integers(1, 9), st.integers(1, 40))
def test_what_remains_follows_the_share(name: str, steps: int, factor: int) -> None:
    # From n of about 2 k^3 the smallest step has its one position without help.
    length = factor * 2 * steps**3
    left = length - np.cumsum(shared_sizes(name, length, steps))
    for t, count in enumerate(left, start=1):
        assert abs(count - length * SHARES[name](t / steps)) <= 0.5 + 1e-6


def test_every_share_starts_with_all_and_ends_with_none() -> None:
    assert SHARES.keys() == MASKED_SHARES.keys()
    for share in MASKED_SHARES.values():
        assert share(np.array([0.0, 1.0])) == pytest.approx([1.0, 0.0], abs=1e-12)


def test_a_convex_share_reveals_early_and_concave_ones_late() -> None:
    for name in SHARES:
        sizes = shared_sizes(name, 900, 9)
        assert sizes == tuple(sorted(sizes, reverse=name == "root"))


def test_a_tie_does_not_hang_on_rounding() -> None:
    for length in range(5, 400, 2):  # n cos(pi / 3) is a half
        assert sum(shared_sizes("cosine", length, 3)[:2]) == (length + 1) // 2


@pytest.mark.parametrize("entry", LEVELS, ids=lambda e: f"{e['B']}-{e['base']}-{e['skip']}")
def test_dus_groups(entry: dict[str, Any]) -> None:
    schedule = dus_schedule(entry["B"], base=entry["base"], skip=entry["skip"])
    found = [sorted(group) for group in schedule.groups()]
    assert found == [sorted(group) for group in entry["groups"]]
    assert list(schedule.step_sizes) == entry["sizes"]


@pytest.mark.parametrize("entry", LEVELS, ids=lambda e: f"{e['B']}-{e['base']}-{e['skip']}")
def test_the_merge_of_the_reference_changes_none_of_its_own(entry: dict[str, Any]) -> None:
    assert not entry["merged_last"]
    length, base, skip = entry["B"], entry["base"], entry["skip"]
    merged = dus_schedule(length, base=base, skip=skip, merge=True)
    assert merged == dus_schedule(length, base=base, skip=skip)


@given(st.integers(1, 100), st.integers(2, 4), st.integers(1, 2))
def test_the_merge_is_that_of_the_reference(length: int, base: int, skip: int) -> None:
    groups = dus_schedule(length, base=base, skip=skip).groups()
    merged = dus_schedule(length, base=base, skip=skip, merge=True)
    assert merged.groups() == merge_last_group(groups)


@pytest.mark.parametrize("rule", SIZE_RULES.values(), ids=SIZE_RULES)
@pytest.mark.parametrize("steps", [0, -1, 9])
def test_number_of_steps_out_of_range(rule: Rule, steps: int) -> None:
    with pytest.raises(UsageError, match=f"need 1 <= k <= n, got k={steps}, n=8"):
        rule(8, steps)


def test_unknown_shares() -> None:
    with pytest.raises(UsageError, match="unknown sizes 'exponential'; one of cosine, linear"):
        shared_sizes("exponential", 8, 2)


@pytest.mark.parametrize("length", [0, -4])
def test_dus_without_positions(length: int) -> None:
    with pytest.raises(UsageError, match="length"):
        dus_schedule(length)


def test_dus_of_an_unknown_base() -> None:
    with pytest.raises(UsageError, match="base >= 2, got 1"):
        dus_schedule(8, base=1)
