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
from schedopt.sizes import cosine_sizes, dus_schedule, uniform_sizes

LEVELS = json.loads((Path(__file__).parent / "golden" / "dus_levels.json").read_text())["entries"]
Rule = Callable[[int, int], tuple[int, ...]]
RULES: dict[str, Rule] = {"uniform": uniform_sizes, "cosine": cosine_sizes}


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
    for rule in RULES.values():
        sizes = rule(length, steps)
        assert (len(sizes), sum(sizes)) == (steps, length)
        assert min(sizes) >= 1
    assert max(uniform_sizes(length, steps)) - min(uniform_sizes(length, steps)) <= 1


@given(st.integers(1, 16), st.integers(1, 40))
def test_what_remains_follows_the_cosine(steps: int, factor: int) -> None:
    # From n of about 2 k^2 the first step, the smallest, has its one position without help.
    length = factor * 2 * steps**2
    left = length - np.cumsum(cosine_sizes(length, steps))
    for t, count in enumerate(left, start=1):
        assert abs(count - length * math.cos(math.pi / 2 * t / steps)) <= 0.5 + 1e-6


def test_a_tie_does_not_hang_on_rounding() -> None:
    for length in range(5, 400, 2):  # n cos(pi / 3) is a half
        assert sum(cosine_sizes(length, 3)[:2]) == (length + 1) // 2


@pytest.mark.parametrize("entry", LEVELS, ids=lambda e: f"{e['B']}-{e['base']}-{e['skip']}")
def test_dus_groups(entry: dict[str, Any]) -> None:
    schedule = dus_schedule(entry["B"], base=entry["base"], skip=entry["skip"])
    found = [sorted(group) for group in schedule.groups()]
    assert found == [sorted(group) for group in entry["groups"]]
    assert list(schedule.step_sizes) == entry["sizes"]


@pytest.mark.parametrize("rule", RULES.values())
@pytest.mark.parametrize("steps", [0, -1, 9])
def test_number_of_steps_out_of_range(rule: Rule, steps: int) -> None:
    with pytest.raises(UsageError, match=f"need 1 <= k <= n, got k={steps}, n=8"):
        rule(8, steps)


@pytest.mark.parametrize("length", [0, -4])
def test_dus_without_positions(length: int) -> None:
    with pytest.raises(UsageError, match="length"):
        dus_schedule(length)


def test_dus_of_an_unknown_base() -> None:
    with pytest.raises(UsageError, match="base >= 2, got 1"):
        dus_schedule(8, base=1)
