"""Chen, Cong and Li's picture of a loss: the area between a curve and its left Riemann sum.

    python experiments/riemann.py

A law of 13 bits, one of 64 random words with noise, whose curve is enumerated from its table, and
sizes (4, 5, 2, 2), those of the published figure. The area is

- ``area``: the sum of Z - Z^N, as it is drawn;
- ``expected_kl``: the same from the conditional entropies;
- ``partitions``: mean, least and most of KL(law || sampler) over all ordered partitions with
  these sizes, each from the law's own conditional entropies;

and of some random partitions the sampler's law is enumerated, and its KL compared. The best sizes
of as many steps are ``best``. The script fails where one of these disagrees.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from common import write_result

from schedopt.curve import InformationCurve
from schedopt.solvers import solve
from theory.curves import dual_total_correlation, information_curve, total_correlation
from theory.distributions import Law, build_law
from theory.divergences import boundaries, expected_kl, partition_kl
from theory.outputs import kl_divergence, partition_law
from theory.tables import Floats

LAW: dict[str, Any] = {"name": "mixture", "n": 13, "q": 2, "components": 64, "eps": 0.02, "seed": 0}
SIZES = (4, 5, 2, 2)
ENUMERATED = 100  # partitions whose sampler is written out
TOLERANCE = 1e-9

Groups = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False)
class Remembered(Law):
    """A law that answers each question once: partitions share most of theirs."""

    law: Law
    answers: dict[frozenset[int], Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", self.law.n)
        object.__setattr__(self, "q", self.law.q)

    def _tabulate(self) -> Floats:
        return self.law.table()

    @cached_property
    def _entropy(self) -> float:
        return self.law.entropy()

    def entropy(self) -> float:
        return self._entropy

    def conditional_entropies(self, given: Iterable[int]) -> Floats:
        known = frozenset(given)
        if known not in self.answers:
            self.answers[known] = self.law.conditional_entropies(known)
        return self.answers[known]


def partitions(positions: Sequence[int], sizes: Sequence[int]) -> Iterator[Groups]:
    """All ordered partitions of the positions into groups of these sizes."""
    if len(sizes) == 1:
        yield (tuple(positions),)
        return
    for group in combinations(positions, sizes[0]):
        rest = [i for i in positions if i not in group]
        for others in partitions(rest, sizes[1:]):
            yield (group, *others)


def riemann_sum(z: Floats, sizes: Sequence[int]) -> Floats:
    """Z^N: the value at the start of each step, held to its end."""
    return np.repeat(z[list(boundaries(sizes, len(z))[:-1])], sizes)


def check(law: Law, sizes: Sequence[int]) -> None:
    """Compare formula and enumerated sampler on random partitions."""
    rng, table, cuts = np.random.default_rng(0), law.table(), np.cumsum(sizes)[:-1]
    for _ in range(ENUMERATED):
        groups = [group.tolist() for group in np.split(rng.permutation(law.n), cuts)]
        found = partition_kl(law, groups), kl_divergence(table, partition_law(table, groups))
        if not np.isclose(*found, rtol=0.0, atol=TOLERANCE):
            raise RuntimeError(f"formula and sampler disagree on {groups}: {found} nats")


def measure(law: Law, curve: Floats, sizes: tuple[int, ...]) -> dict[str, Any]:
    """The area of these sizes, by three routes that must agree."""
    z = information_curve(curve)
    steps = riemann_sum(z, sizes)
    every = np.array([partition_kl(law, groups) for groups in partitions(range(law.n), sizes)])
    found = {
        "step_sizes": sizes,
        "riemann_sum": steps.tolist(),
        "area": float((z - steps).sum()),
        "expected_kl": expected_kl(curve, sizes),
        "partitions": {
            "count": len(every),
            "mean": float(every.mean()),
            "least": float(every.min()),
            "most": float(every.max()),
        },
    }
    routes = found["area"], found["expected_kl"], found["partitions"]["mean"]
    if np.ptp(routes) > TOLERANCE:
        raise RuntimeError(f"area, formula and mean over partitions disagree: {routes} nats")
    check(law, sizes)
    return found


def main() -> None:
    started = time.monotonic()
    law = Remembered(build_law(**LAW))
    curve = law.conditional_entropy_curve()
    best = solve(InformationCurve(curve), steps=len(SIZES)).schedule.step_sizes
    document = {
        "about": __doc__,
        "law": LAW,
        "curve": curve.tolist(),
        "information": information_curve(curve).tolist(),
        "total_correlation": total_correlation(curve),
        "dual_total_correlation": dual_total_correlation(curve),
        "published": measure(law, curve, SIZES),
        "best": measure(law, curve, best),
        "enumerated_partitions": ENUMERATED,
    }
    for name in ("published", "best"):
        row = document[name]
        means = row["partitions"]
        print(
            f"{name:<10}{row['step_sizes']!s:<14} area {row['area']:.6f}, "
            f"mean {means['mean']:.6f} of {means['count']} partitions, "
            f"{means['least']:.4f} to {means['most']:.4f} nats"
        )
    write_result("riemann", document, started)


if __name__ == "__main__":
    main()
