"""The design of DUS's ablation holds what it says: jittered levels, compositions, equal passes."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from schedopt.schedule import Order
from schedopt.solvers import LawConditionals
from theory.distributions import MarkovChain
from theory.divergences import dus_kl, partition_kl
from theory.orders import dilated_groups, dilated_order

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

from dus_ablation_laws import SubsetConditionals, paid
from dus_design import design, jittered_order, random_composition, reference_of

CHAIN = MarkovChain(8, np.array([[0.9, 0.1], [0.3, 0.7]]))


@pytest.mark.parametrize("n", [8, 12, 32])
def test_a_jittered_level_has_one_position_in_each_cell(n: int) -> None:
    sizes = [len(group) for group in dilated_groups(n)]
    for seed in range(20):
        order = jittered_order(n, np.random.default_rng(seed))
        assert sorted(order) == list(range(n))
        stride, known = n // 2, 0
        for size in sizes:
            known += size
            cells = Counter(position // stride for position in order[:known])
            if n == 2 ** len(sizes):
                assert set(cells.values()) == {1}
            assert len(cells) == -(-n // stride)  # none is left out
            stride //= 2 if stride > 1 else 1


def test_jitter_of_nothing_is_the_dilated_order() -> None:
    class First:
        def choice(self, cell: range) -> int:
            return cell[0]

    assert jittered_order(32, First()) == dilated_order(32)


def test_every_composition_is_as_likely() -> None:
    rng = np.random.default_rng(0)
    found = Counter(random_composition(5, 3, rng) for _ in range(3000))
    assert len(found) == 6
    assert all(sum(sizes) == 5 for sizes in found)
    # Each count has mean 500 and standard deviation 20.4: six of them within 100 but for 6e-6.
    assert all(abs(count - 500) < 100 for count in found.values())


@pytest.mark.parametrize("steps", [3, 4])
def test_all_cells_take_the_same_steps_and_the_best_sizes_are_best(steps: int) -> None:
    rngs = [np.random.default_rng(seed) for seed in range(2)]
    cells = design(LawConditionals(CHAIN), Order("left_to_right"), steps, rngs)
    assert all(s.steps == steps for schedules in cells.values() for s in schedules)
    assert (("dilated", "doubling") in cells) == (steps == 3)
    assert reference_of(cells) == ("dilated", "doubling" if steps == 3 else "equal")
    for (order, _), schedules in cells.items():
        for schedule in schedules:
            same = [s for s in cells[order, "optimal"] if s.order == schedule.order]
            best = partition_kl(CHAIN, same[0].groups())
            assert best <= partition_kl(CHAIN, schedule.groups()) + 1e-12
    if steps == 3:
        (dus,) = cells["dilated", "doubling"]
        assert partition_kl(CHAIN, dus.groups()) == pytest.approx(dus_kl(CHAIN), abs=1e-12)


def test_what_a_sampler_pays_is_entropy_and_loss_either_way() -> None:
    cells = design(SubsetConditionals(CHAIN), Order("dilated"), 3, [np.random.default_rng(0)])
    for schedules in cells.values():
        for schedule in schedules:
            expected = CHAIN.entropy() + partition_kl(CHAIN, schedule.groups())
            for conditionals in (SubsetConditionals(CHAIN), LawConditionals(CHAIN)):
                assert paid(conditionals, schedule) == pytest.approx(expected, abs=1e-12)
