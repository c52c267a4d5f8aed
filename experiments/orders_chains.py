"""How near the search for an order comes to the best of all ordered partitions, on exact laws.

    python experiments/orders_chains.py

Chains of order 1 with 32 and 64 positions, whose optimum takes polynomial time
(``theory.chain_partitions``), and chains of order 2 with 12 positions, where all partitions are
compared. For every number of steps, KL(law || sampler), exact, of

- ``dus``: DUS's own groups (base 2), where they take these steps;
- ``dilated``: the dilated order of base 2 with the best boundaries;
- ``family``: the best order of the family with the best boundaries;
- ``improved``: local search from the three best of these;
- ``gaps``: the plan by gaps, which for order 1 is the optimum;
- ``searched``: local search from the three best, the plan by gaps among them;
- ``optimum``: the best of all ordered partitions.

These see the law's own conditional entropies. ``fitted`` searches as ``searched`` does, on a gap
model from so many passes over draws of the law, and ``fitted_family`` stays with the family and its
boundaries. ``promised`` is what the gap model says of the order found: the search finds the errors
of the model too, so that a winner must be measured. ``verified`` is the best of the order found
and the best dilated one, as such a measurement would tell them apart. In nats a block.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from common import write_result
from numpy.typing import NDArray

from schedopt.data import Windows
from schedopt.estimators import estimate_gaps
from schedopt.models import LawDenoiser
from schedopt.solvers import (
    Conditionals,
    LawConditionals,
    Plan,
    family_surfaces,
    find_order,
    gap_plan,
    improve_order,
    rank_surfaces,
)
from theory.chain_partitions import best_chain_partitions
from theory.distributions import Law, MarkovChain
from theory.distributions.registry import noisy_sum_chain
from theory.divergences import dus_kl, partition_kl
from theory.orders import dilated_groups
from theory.partitions import OrderedPartition, best_partitions

LENGTHS = (32, 64)
SHORT = 12
BUDGETS = range(2, 9)
PASSES = (2048, 8192)
STARTS = 3
DILATED = "dilated, base 2"
DIGITS = 9
SAME = 1e-9  # losses that differ by less are the same


def transitions() -> Iterator[tuple[str, NDArray[np.float64]]]:
    yield "two states", np.array([[0.9, 0.1], [0.3, 0.7]])
    for stay, q in ((0.9, 2), (0.9, 8), (0.99, 2), (0.99, 8)):
        yield f"sticky {stay}, q={q}", stay * np.eye(q) + (1.0 - stay) / q
    yield "late cycle, q=8", 0.9 * np.roll(np.eye(8), 1, axis=1) + 0.1 * np.eye(8)


def laws() -> Iterator[tuple[str, Law, Sequence[OrderedPartition]]]:
    """Laws with their optimum for every number of steps."""
    for n in LENGTHS:
        for name, transition in transitions():
            chain = MarkovChain(n, transition)
            yield name, chain, best_chain_partitions(chain, max(BUDGETS))
    for eps in (0.1, 0.02):
        law = noisy_sum_chain(SHORT, eps=eps, order=2)
        yield f"noisy sums of two, {eps}", law, best_partitions(law, max(BUDGETS))


def kl_of(law: Law, plan: Plan) -> float:
    return rounded(partition_kl(law, plan.solution.schedule.groups()))


def rounded(nats: float) -> float:
    """Without what is only rounding, and without the sign of a negative zero."""
    return round(float(nats), DIGITS) + 0.0


def exact_rows(law: Law, optimum: Sequence[OrderedPartition]) -> list[dict[str, Any]]:
    """The searches that see the law itself."""
    conditionals = LawConditionals(law)
    surfaces = family_surfaces(conditionals)
    rows = []
    for steps in BUDGETS:
        ranked = rank_surfaces(surfaces, steps=steps)
        gaps = gap_plan(conditionals, steps=steps)
        near = sorted([*ranked[:STARTS], gaps], key=lambda plan: plan.nll)
        better = {plan.name: improve_order(conditionals, plan) for plan in near}
        improved = least(better[plan.name] for plan in ranked[:STARTS])
        searched = least(better[plan.name] for plan in near[:STARTS])
        own = steps == len(dilated_groups(law.n))
        row: dict[str, Any] = {
            "steps": steps,
            "dus": rounded(dus_kl(law)) if own else None,
            "dilated": kl_of(law, next(plan for plan in ranked if plan.name == DILATED)),
            "family": kl_of(law, ranked[0]),
            "improved": kl_of(law, improved),
            "gaps": kl_of(law, gaps),
            "searched": kl_of(law, searched),
            "optimum": rounded(optimum[steps - 1].kl),
            "family_order": ranked[0].name,
            "searched_order": searched.name,
        }
        if min(v for v in row.values() if isinstance(v, float)) < row["optimum"] - SAME:
            raise RuntimeError(f"something is better than the optimum: {row}")
        rows.append(row)
    return rows


def least(plans: Iterable[Plan]) -> Plan:
    return min(plans, key=lambda plan: plan.nll)


def fitted_rows(law: Law, conditionals: Conditionals) -> list[dict[str, Any]]:
    """The searches that see a gap model."""
    surfaces = family_surfaces(conditionals)
    rows = []
    for steps in BUDGETS:
        family = rank_surfaces(surfaces, steps=steps)[0]
        found = find_order(conditionals, steps=steps, starts=STARTS, surfaces=surfaces)
        rows.append(
            {
                "fitted_family": kl_of(law, family),
                "fitted": kl_of(law, found),
                "promised": rounded(found.nll - law.entropy()),
                "fitted_order": found.name,
            }
        )
    return rows


def compare(name: str, law: Law, optimum: Sequence[OrderedPartition]) -> list[dict[str, Any]]:
    """One row for each number of steps."""
    rows = [{"law": name, "length": law.n, **row} for row in exact_rows(law, optimum)]
    denoiser = LawDenoiser(law)
    for passes in PASSES:
        windows = Windows.independent(denoiser.draw(passes, np.random.default_rng(passes)))
        model = estimate_gaps(denoiser, windows, passes=passes)
        for row, fitted in zip(rows, fitted_rows(law, model), strict=True):
            fitted["verified"] = min(fitted["fitted"], row["dilated"])
            row[str(passes)] = fitted
    return rows


def summarise(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean and largest excess over the optimum of each kind of law, in nats."""
    found = []
    for short in (False, True):
        chosen = [row for row in rows if (row["length"] == SHORT) == short]
        columns = {
            kind: [row[kind] - row["optimum"] for row in chosen]
            for kind in ("dilated", "family", "improved", "gaps", "searched")
        }
        for passes in PASSES:
            columns |= {
                f"{kind}, {passes} passes": [
                    row[str(passes)][kind] - row["optimum"] for row in chosen
                ]
                for kind in ("fitted_family", "fitted", "verified")
            }
        found.append(
            {
                "order": 2 if short else 1,
                "rows": len(chosen),
                "excess": {
                    kind: {"mean": rounded(np.mean(values)), "most": rounded(max(values))}
                    for kind, values in columns.items()
                },
                "dilated_is_optimal": sum(v <= SAME for v in columns["dilated"]),
            }
        )
    return found


def main() -> None:
    started = time.monotonic()
    rows: list[dict[str, Any]] = []
    for name, law, optimum in laws():
        rows += compare(name, law, optimum)
        print(f"{law.n} positions, {name}, after {time.monotonic() - started:.0f} s", flush=True)
        for row in rows[-len(BUDGETS) :]:
            exact = " ".join(
                f"{kind} {row[kind]:.4f}"
                for kind in ("optimum", "dilated", "family", "improved", "gaps", "searched")
            )
            fitted = " ".join(f"{p}: {row[str(p)]['fitted']:.4f}" for p in PASSES)
            print(f"  {row['steps']} {exact} fitted {fitted}", flush=True)
    summary = summarise(rows)
    for group in summary:
        print(f"order {group['order']}, {group['rows']} rows, excess over the optimum (mean, most)")
        for kind, values in group["excess"].items():
            print(f"  {kind:28} {values['mean']:.4f} {values['most']:.4f}")
    write_result("orders_chains", {"about": __doc__, "summary": summary, "rows": rows}, started)


if __name__ == "__main__":
    main()
