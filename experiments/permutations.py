"""Parallel sampling of a random permutation: what R rounds lose at least, exactly, and its bounds.

    python experiments/permutations.py

A uniformly random permutation of n values is sampled in R rounds of the same sizes whatever the
values. All subsets of positions are alike, so the loss is that of step sizes on C(j) = log(n - j),

    E = sum_t s_t log m_t - log n!,    m_t positions masked before step t,

which is the logarithm of a quotient of integers. The least one, E_{n,R}, is found over all n <= 240
and R by dynamic programming on these integers (``least_products``), and its second differences in R
are compared as integers: no rounding. They are not negative, as theory (section 4.5) proves for all
n and R; Wen, Liang and Lu (arXiv:2608.25505) leave it open.

``bounds``: a lower bound by Theorem 6 (``spread_bound``) and one with the recursion of Theorem 8
(``recursion_bound``), whose term of lower order we did not see: ours is proved below. ``pairs``:
pairs first, then single positions (Theorem 9). ``profiles``: sizes that grow or fall as a power.
``walk``: their Bernoulli walk, which adaptive rounds sample exactly (Table I and Theorem 3).
"""

from __future__ import annotations

import time
from functools import cache
from itertools import accumulate, product
from math import ceil, comb, factorial, log, log1p, log2, pi, prod
from typing import Any

import numpy as np
from common import write_result
from numpy.typing import NDArray

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.schedule import Order
from schedopt.sizes import sizes_of_share
from schedopt.solvers import losses, solve
from theory.distributions import BernoulliWalk, RandomPermutation
from theory.divergences import expected_kl, order_surface, partition_kl
from theory.dus import block_bisection

N = 240  # of the published figure
STEPS = (4, 8, 16)  # of the published comparison of profiles
EXPONENTS = {f"{p:g}": p for p in (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0)}  # of sizes, by name
PROFILES = {(8, 4): (3, 2, 2, 1), (16, 4): (6, 5, 3, 2), (32, 4): (12, 9, 7, 4)}  # published
DEPTHS = (1.0, 2.0, 2.0, 2.75, 2.875, 3.0, 3.0)  # published D_0 of walks, n = 1..7
LONGEST_WALK = 10  # whose depth is found
WALKS = (31, 63, 127, 255)
ROUNDING = 1e-9  # relative, of floating-point losses against integers

Rounds = dict[int, int]
Gap = tuple[int, int]  # coins, and heads among them, -1 where the end is open
SURE = (0, 0)  # a gap whose positions are all determined, and still to be revealed


def profile_sizes(length: int, steps: int, exponent: float) -> tuple[int, ...]:
    """Step sizes in proportion to t^p, rounded; for a negative exponent those of -p reversed."""
    power = 1.0 + abs(exponent)

    def masked(r: NDArray[np.float64]) -> NDArray[np.float64]:
        return (1.0 - r) ** power if exponent < 0.0 else 1.0 - r**power

    return sizes_of_share(masked, length, steps)


def least_products(n: int) -> list[Rounds]:
    """For m = 0..n, the least prod_t m_t^{s_t} of every number of rounds: e^E m!, an integer."""
    least: list[Rounds] = [{0: 1}]
    for m in range(1, n + 1):
        powers = [m**s for s in range(m + 1)]
        least.append(
            {
                r: min(
                    powers[s] * least[m - s][r - 1]
                    for s in range(1, m - r + 2)
                    if r - 1 in least[m - s]
                )
                for r in range(1, m + 1)
            }
        )
    return least


def best_sizes(least: list[Rounds], n: int, rounds: int) -> tuple[int, ...]:
    """Step sizes of a least product, the larger ones first where several are as good."""
    sizes = []
    for r in range(rounds, 0, -1):
        fits = (s for s in range(n - r + 1, 0, -1) if least[n - s].get(r - 1))
        sizes.append(next(s for s in fits if n**s * least[n - s][r - 1] == least[n][r]))
        n -= sizes[-1]
    return tuple(sizes)


def pairs_threshold(least: list[Rounds], n: int) -> int:
    """The fewest rounds from which on pairs first is best, for all numbers of rounds up to n."""
    first = n
    for r in range(n, (n - 1) // 2, -1):
        ends = accumulate(pairs_first(n, r), initial=0)
        if least[n][r] != prod((n - a) ** s for a, s in zip(ends, pairs_first(n, r), strict=False)):
            break
        first = r
    return first


def second_differences(least: list[Rounds]) -> dict[str, Any]:
    """The signs of E_{n,R-1} - 2 E_{n,R} + E_{n,R+1} for all n and R, as integers compare."""
    signs = {1: 0, 0: 0, -1: 0}
    flat = []
    for n in range(3, len(least)):
        for r in range(2, n):
            ends, middle = least[n][r - 1] * least[n][r + 1], least[n][r] ** 2
            sign = (ends > middle) - (ends < middle)
            signs[sign] += 1
            if sign == 0:
                flat.append([n, r])
    return {
        "largest_n": len(least) - 1,
        "checked": sum(signs.values()),
        "positive": signs[1],
        "zero": signs[0],
        "negative": signs[-1],
        "zero_at_n_R": flat[:8],
    }


def spread_bound(n: int, rounds: int) -> float:
    """Theorem 6 as a curve: (n / R - 1) / 2 nats.

    A step of s positions costs sum_i log(m / (m - i)) >= s (s - 1) / 2m >= s (s - 1) / 2n, and the
    sum of s_t^2 is n^2 / R or more.
    """
    return (n / rounds - 1.0) / 2.0


def recursion_bound(n: int, rounds: int) -> float:
    r"""n (1 - rho_R) - log(2 pi n) / 2 - 1 / 12 nats, rho_R = exp(rho_{R-1} - 1), rho_1 = 0.

    Without rounding to positions a step from m to m' costs the integral of log(m / u), and R of
    them n (1 - rho_R) at least. The sum is below the integral by log(m / m') / 2 at most, as
    log(m / u) is convex (trapezium rule); in the last step, to 0, by log(2 pi m) / 2 + 1 / 12m at
    most (Stirling).
    """
    rho = 0.0
    for _ in range(rounds - 1):
        rho = float(np.exp(rho - 1.0))
    return n * (1.0 - rho) - log(2.0 * pi * n) / 2.0 - 1.0 / 12.0


def frontier() -> dict[str, Any]:
    """E_{n,R} for n = 240, beside bounds and pairs first, nats."""
    least = least_products(N)
    curve = InformationCurve(RandomPermutation(N).conditional_entropy_curve())
    one_a_round = factorial(N)
    loss = [log1p((least[N][r] - one_a_round) / one_a_round) for r in range(1, N + 1)]
    solver = losses(curve, N)
    if not np.allclose(solver, loss, rtol=ROUNDING, atol=N * ROUNDING):
        raise RuntimeError("the solver and the integers disagree on E_{n,R}")
    pairs = {
        r: expected_kl(curve.conditional_entropy, pairs_first(N, r)) for r in range(N // 2, N + 1)
    }
    thresholds = [pairs_threshold(least, n) for n in range(2, N + 1)]
    rows = []
    for r in range(1, N + 1):
        bounds = {"theorem_6": spread_bound(N, r), "theorem_8": recursion_bound(N, r)}
        if max(bounds.values()) > loss[r - 1] + ROUNDING:
            raise RuntimeError(f"a lower bound is above E_{{n,R}} at R = {r}: {bounds}")
        rows.append({"rounds": r, "loss": loss[r - 1], **bounds, "pairs_first": pairs.get(r)})
    return {
        "n": N,
        "rows": rows,
        "second_differences": second_differences(least),
        "pairs_first_best_from": thresholds[-1],
        "pairs_first_best_from_round_2n_3_except_at_n": [
            n for n, first in enumerate(thresholds, start=2) if first != round(2 * n / 3)
        ],
        "published_profiles": [
            {"n": n, "rounds": r, "published": sizes, "ours": best_sizes(least, n, r)}
            for (n, r), sizes in PROFILES.items()
        ],
    }


def pairs_first(n: int, rounds: int) -> tuple[int, ...]:
    """Theorem 9: n - R pairs, then single positions; for n / 2 <= R <= n."""
    return (2,) * (n - rounds) + (1,) * (2 * rounds - n)


def profiles() -> list[dict[str, Any]]:
    """Loss of profiles that grow or fall, beside the best sizes, nats."""
    curve = InformationCurve(RandomPermutation(N).conditional_entropy_curve())
    rows = []
    for k in STEPS:
        best = solve(curve, steps=k)
        found = {kind: profile_sizes(N, k, p) for kind, p in EXPONENTS.items()}
        found["optimal"] = best.schedule.step_sizes
        rows += [
            {
                "steps": k,
                "kind": kind,
                "exponent": EXPONENTS.get(kind),
                "loss": expected_kl(curve.conditional_entropy, sizes),
                "step_sizes": sizes,
            }
            for kind, sizes in found.items()
        ]
    return rows


def scans() -> list[dict[str, Any]]:
    """Walks, by bisection and from left to right, beside Theorem 3's lower bound, bits."""
    rows = []
    for n in WALKS:
        law, groups = BernoulliWalk(n), block_bisection(n)
        surface = OrderSurface(order_surface(law, range(n)), Order("left_to_right"))
        scan = losses(surface, n) / log(2.0)
        bound = [n / 2 * log2(n / r) - 1.3 * n for r in range(1, n + 1)]
        rows.append(
            {
                "n": n,
                "bisection_rounds": len(groups),
                "published_rounds": ceil(log2(n + 1)),
                "bisection_loss": partition_kl(law, groups) / log(2.0),
                "scan_loss": float(scan[len(groups) - 1]),
                "published_bound": bound[len(groups) - 1],
                "bound_holds_for_all_R": bool(np.all(scan >= np.array(bound) - ROUNDING)),
            }
        )
    return rows


def walk_depth(n: int) -> float:
    """D_0: the fewest rounds on average in which a walk of n coins is sampled without loss.

    Known places cut the walk into gaps, independent of each other. In an open gap no two positions
    are independent, so that a round reveals one of them, whichever is best; a gap without heads, or
    with nothing else, is determined and takes one round.
    """
    return rounds_left(((n, -1),))


@cache
def rounds_left(gaps: tuple[Gap, ...]) -> float:
    """The fewest rounds on average, given the gaps in which positions are left."""
    if not gaps:
        return 0.0
    ways = [[None] if gap == SURE else range(1, gap[0] + (gap[1] < 0)) for gap in gaps]
    return 1.0 + min(
        sum(
            prod(p for p, _ in outcome)
            * rounds_left(tuple(sorted(gap for _, new in outcome for gap in new)))
            for outcome in product(*map(reveal, gaps, places))
        )
        for places in product(*ways)
    )


@cache
def reveal(gap: Gap, place: int | None) -> tuple[tuple[float, tuple[Gap, ...]], ...]:
    """What becomes of a gap: probabilities, and the gaps that have positions left."""
    coins, heads = gap
    if place is None:
        return ((1.0, ()),)
    found = []
    for x in range(place + 1):
        if heads < 0:
            chance, right = comb(place, x) / 2**place, (coins - place, -1)
        elif 0 <= heads - x <= coins - place:
            chance = comb(place, x) * comb(coins - place, heads - x) / comb(coins, heads)
            right = (coins - place, heads - x)
        else:
            continue
        found.append((chance, tuple(filter(None, map(closed, ((place, x), right))))))
    return tuple(found)


def closed(gap: Gap) -> Gap | None:
    """A gap as one of those alike: heads are as good as tails; None where nothing is left."""
    coins, heads = gap
    if heads < 0:
        return gap if coins else None
    if coins < 2:
        return None
    return (coins, min(heads, coins - heads)) if 0 < heads < coins else SURE


def main() -> None:
    started = time.monotonic()
    found = {
        "about": "Nats, but bits where a key says so; exact, no sampling.",
        **frontier(),
        "profiles": profiles(),
        "walk": {
            "unit": "bits",
            "depths": [
                {"n": n, "published": dict(enumerate(DEPTHS, 1)).get(n), "ours": walk_depth(n)}
                for n in range(1, LONGEST_WALK + 1)
            ],
            "scans": scans(),
        },
    }
    write_result("permutations", found, started)


if __name__ == "__main__":
    main()
