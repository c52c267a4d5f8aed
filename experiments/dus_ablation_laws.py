"""Which part of DUS does the work, on chains drawn at random: its order, or its steps.

    python experiments/dus_ablation_laws.py --seeds 12

The orders and sizes of ``dus_design`` at equal passes, on laws whose losses are exact: no error of
a model or an estimate is in them. Chains of order 1 have 64 positions and 4 symbols; a symbol is
kept with a probability between 0.8 and 0.99, else drawn from a random row. Chains of order 2 have
16 bits. Losses are KL(law || sampler) in nats a position, the mean over laws and, where orders or
sizes are drawn, over three draws for each law. ``difference`` is to DUS, or in other passes than
DUS's to the dilated order in equal steps, paired by law; all errors are over laws.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from common import write_result
from dus_design import Cell, design, reference_of, stderr_of
from numpy.typing import NDArray

from schedopt.schedule import UnmaskingSchedule
from schedopt.solvers import Conditionals, LawConditionals, family_surfaces, find_order
from theory.distributions import Law, MarkovChain
from theory.partitions import subset_entropies

DRAWS = 3  # random orders and compositions of each law
SYMBOLS = 4
STAY = (0.8, 0.99)  # of chains of order 1: uniform between these
SPARSE = 0.4  # Dirichlet parameter of the transitions of chains of order 2
SAME = 1e-9  # nats; what is less is rounding


def first_order(seed: int) -> Law:
    rng = np.random.default_rng([1, seed])
    stay = rng.uniform(*STAY)
    rows = rng.dirichlet(np.ones(SYMBOLS), size=SYMBOLS)
    return MarkovChain(64, stay * np.eye(SYMBOLS) + (1.0 - stay) * rows)


def second_order(seed: int) -> Law:
    rng = np.random.default_rng([2, seed])
    return MarkovChain(16, rng.dirichlet([SPARSE] * 2, size=(2, 2)))


class SubsetConditionals:
    """The conditional entropies of a law with a table, by the entropies of all sets at once."""

    def __init__(self, law: Law) -> None:
        self.length = law.n
        self._entropies = subset_entropies(law.table())

    def conditional_entropies(
        self, known: NDArray[np.bool_], queried: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float64]:
        bits = 1 << np.arange(self.length)
        sets = (known @ bits)[:, None]
        found = np.maximum(self._entropies[sets | bits] - self._entropies[sets], 0.0)
        return np.asarray(found if queried is None else found * queried)


# Family: its members by seed, and passes: DUS's own, and more.
FAMILIES: dict[str, tuple[Callable[[int], Law], tuple[int, ...]]] = {
    "chains of order 1": (first_order, (6, 8)),
    "chains of order 2": (second_order, (4, 8)),
}


def paid(conditionals: Conditionals, schedule: UnmaskingSchedule) -> float:
    """What the sampler pays, nats: the entropy of the law and its loss (theory, section 2.1)."""
    groups = schedule.groups()
    known = np.zeros((len(groups), schedule.length), dtype=bool)
    fresh = np.zeros_like(known)
    for step, group in enumerate(groups):
        fresh[step, list(group)] = True
        known[step + 1 :, list(group)] = True
    return float(conditionals.conditional_entropies(known, fresh).sum())


def losses_of(law: Law, budgets: Sequence[int], seed: int) -> dict[int, dict[Cell, float]]:
    """Loss of each cell of each budget, nats a position, its mean over draws."""
    chain = isinstance(law, MarkovChain) and law.order == 1
    conditionals = LawConditionals(law) if chain else SubsetConditionals(law)
    surfaces = family_surfaces(conditionals)
    entropy = law.entropy()
    found = {}
    for steps in budgets:
        best = find_order(conditionals, steps=steps, surfaces=surfaces).solution.schedule.order
        rngs = [np.random.default_rng([seed, draw]) for draw in range(DRAWS)]
        found[steps] = {
            cell: (float(np.mean([paid(conditionals, s) for s in schedules])) - entropy) / law.n
            for cell, schedules in design(conditionals, best, steps, rngs).items()
        }
    return found


def rows_of(family: str, losses: Sequence[dict[int, dict[Cell, float]]]) -> list[dict[str, Any]]:
    """Means of each cell and of its difference to the reference, over laws."""
    rows = []
    for steps, cells in losses[0].items():
        reference = reference_of(cells)
        base = np.array([law[steps][reference] for law in losses])
        for order, sizes in cells:
            values = np.array([law[steps][order, sizes] for law in losses])
            less = values - base
            rows.append(
                {
                    "family": family,
                    "steps": steps,
                    "order": order,
                    "sizes": sizes,
                    "reference": " ".join(reference),
                    "loss": float(values.mean()),
                    "stderr": stderr_of(values.tolist()),
                    "difference": float(less.mean()),
                    "difference_stderr": stderr_of(less.tolist()),
                    "losses": [round(float(value), 9) + 0.0 for value in values],
                    "better_on": int((less < -SAME).sum()),
                    "worse_on": int((less > SAME).sum()),
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=12, help="laws of each family")
    args = parser.parse_args()
    started = time.monotonic()
    rows = []
    for family, (member, budgets) in FAMILIES.items():
        rows += rows_of(
            family, [losses_of(member(seed), budgets, seed) for seed in range(args.seeds)]
        )
        print(f"{family} after {time.monotonic() - started:.0f} s", flush=True)
    for row in rows:
        print(
            f"{row['family']:20}{row['steps']:3} {row['order']:14}{row['sizes']:10}"
            f"{row['loss']:9.5f} difference {row['difference']:+.5f}"
            f" +- {row['difference_stderr'] or 0.0:.5f}"
            f" better on {row['better_on']}, worse on {row['worse_on']}"
        )
    document = {"about": __doc__, "laws_of_each_family": args.seeds, "rows": rows}
    write_result("dus_ablation_laws", document, started)


if __name__ == "__main__":
    main()
