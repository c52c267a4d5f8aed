"""How the best sizes and their gain change with the number of positions, on exact curves.

    python experiments/scale.py

- ``gains``: for n = 32 to 1024, k = 8, 16 and n / 8 steps in the random order: the least loss, that
  of equal sizes, their ratio, and the fewest equal steps that lose as little (``equal_steps``).
- ``profiles``: how far the boundaries of the best 16 steps, as shares of n, are from those at 1024.
- ``orders``: on order-1 chains, the fewest steps that lose at most 0.1 nats a sequence, in the
  random and in the dilated order, for the best and for equal sizes.
- ``long``: 131,072 positions: what the sizes of the square-root rule lose, made from the curve
  itself (``rule``) or from that of 1,024 positions read at equal shares (``scaled_rule``); what the
  best sizes for 1,024 lose, stretched (``stretched``); equal ones; the exact optimum; the
  asymptotic value n (int sqrt z')^2 / (2 k) - (Z_n - Z_1) / 2, and with a ``floor`` of one position
  a step. ``last_step`` is the share of the rule's loss in its last step.

All numbers are exact, in nats a sequence. A ratio is null where the least loss is below 1e-9, which
is rounding.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any

import numpy as np
from common import write_result
from numpy.typing import NDArray
from scipy.stats import binom

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.schedule import Order
from schedopt.sizes import uniform_sizes
from schedopt.solvers import solve
from theory.continuum import (
    logarithmic_curve,
    square_root_gain,
    square_root_kl,
    square_root_sizes,
)
from theory.curves import increments, without_rounding
from theory.distributions import (
    BernoulliWalk,
    IndependentCopies,
    Law,
    NoisyRepeatedBit,
    PolyaUrn,
    RandomPermutation,
    build_law,
    one_hot_blocks,
    xorsat,
)
from theory.distributions.gaps import curve_of_near_gaps
from theory.distributions.registry import noisy_sum_chain, reed_solomon
from theory.divergences import order_surface, surface_kl
from theory.orders import dilated_order
from theory.randomized import mean_kl, overshoots

Floats = NDArray[np.float64]
Sizes = tuple[int, ...]

LENGTHS = (32, 64, 128, 256, 512, 1024)
FIXED = (8, 16)
SHARE = 8  # and n / 8 steps
PROFILE = 16
ROUNDING = 1e-9
LOSS = 0.1
LONG = 2**17
STEPS = tuple(2**i for i in range(3, 17))
BLOCK, ERASED = 16, 0.1
SLOW, FAST, FLIPS = 0.01, 0.2, 0.3

LAWS: dict[str, Callable[[int], Law]] = {
    "slow chain": partial(noisy_sum_chain, eps=SLOW),
    "fast chain": partial(noisy_sum_chain, eps=FAST),
    "one-hot blocks": lambda n: one_hot_blocks(BLOCK, n // BLOCK),
    "XORSAT blocks": lambda n: IndependentCopies(xorsat(BLOCK, clauses=BLOCK // 2), n // BLOCK),
    "permutation": RandomPermutation,
    "walk": BernoulliWalk,
    "balanced strings": lambda n: build_law("balanced", n=n),
    "urn": lambda n: PolyaUrn(n, np.ones(2)),
    "noisy repeated bit": lambda n: NoisyRepeatedBit(n, FLIPS),
    "prototypes": lambda n: build_law("hierarchical-prototypes", n=n, levels=3, ratio=8),
    "code with erasures": lambda n: build_law("erased-code", n=n, eps=ERASED),
}
CHAINS = ("slow chain", "fast chain", "walk")


# ---- 32 to 1024 positions


def least_loss(curve: Floats, steps: int) -> tuple[float, Sizes]:
    sizes = solve(InformationCurve(curve), steps=steps).schedule.step_sizes
    return loss(curve, sizes), sizes


def loss(curve: Floats, sizes: Sizes) -> float:
    return mean_kl(curve, overshoots(sizes))


def ratio(value: float, least: float) -> float | None:
    return value / least if least > ROUNDING else None


def fewest_equal(loss_of: Callable[[Sizes], float], n: int, allowed: float) -> int:
    """The fewest equal steps that lose no more; with more of them the loss need not fall."""
    enough = (k for k in count(1) if loss_of(uniform_sizes(n, k)) <= allowed + ROUNDING)
    return next(enough)


def gains(name: str) -> Iterator[dict[str, Any]]:
    for n in LENGTHS:
        curve = LAWS[name](n).conditional_entropy_curve()
        for words, steps in (*((str(k), k) for k in FIXED), (f"n/{SHARE}", n // SHARE)):
            least, sizes = least_loss(curve, steps)
            equal = loss(curve, uniform_sizes(n, steps))
            same = fewest_equal(partial(loss, curve), n, least)
            yield {
                "law": name,
                "n": n,
                "k": words,
                "steps": steps,
                "least_loss": least,
                "equal_loss": equal,
                "gain": ratio(equal, least),
                "equal_steps": same,
                "times_the_steps": same / steps,
                "asymptotic_gain": square_root_gain(curve),
                **({"step_sizes": sizes} if words == str(PROFILE) else {}),
            }


def profiles(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ends = {
        (row["law"], row["n"]): np.cumsum(row["step_sizes"]) / row["n"]
        for row in rows
        if "step_sizes" in row
    }
    return [
        {"law": law, "n": n, "apart": float(np.abs(shares - ends[law, LENGTHS[-1]]).max())}
        for (law, n), shares in ends.items()
        if n < LENGTHS[-1]
    ]


def orders(name: str) -> Iterator[dict[str, Any]]:
    for n in LENGTHS:
        law = LAWS[name](n)
        curve, order = law.conditional_entropy_curve(), Order("dilated")
        surface = order_surface(law, dilated_order(n))
        measures = {
            "random": (InformationCurve(curve), partial(loss, curve)),
            "dilated": (OrderSurface(surface, order), partial(surface_kl, surface)),
        }
        for words, (measure, loss_of) in measures.items():
            best = solve(measure, max_loss=LOSS).schedule.step_sizes
            yield {
                "law": name,
                "n": n,
                "order": words,
                "max_loss": LOSS,
                "best_steps": len(best),
                "equal_steps": fewest_equal(loss_of, n, LOSS),
            }


# ---- 131,072 positions, with curves in O(n)


def chain_curve(n: int, eps: float) -> Floats:
    """Of ``noisy_sum_chain``: positions 1,024 apart share less than 1e-17 nats."""
    distance = min(LENGTHS[-1], n) - 1
    near = noisy_sum_chain(distance + 1, eps=eps).conditional_entropies([0])[1:]
    shared = (n - np.arange(1.0, distance + 1.0)) * (np.log(2.0) - near)
    return curve_of_near_gaps(n, float(np.log(2.0)), shared)


def urn_curve(n: int) -> Floats:
    """Of ``PolyaUrn(n, [1, 1])``: after j draws every number of ones is as likely."""
    m = np.arange(1.0, n + 1.0)  # one more than the number of ones; of j + 2
    sums = np.cumsum(m * np.log(m)) - np.cumsum(m) * np.log(m + 1.0)
    return without_rounding(-2.0 * sums / (m * (m + 1.0)))


def erased_curve(n: int, eps: float) -> Floats:
    """Of ``Erased(reed_solomon(n), eps)``: a binomial number of the j positions is left."""
    code = reed_solomon(n)
    unsolved = binom.cdf(code.dimension - 1, np.arange(n), 1.0 - eps)
    coin = -eps * np.log(eps) - (1.0 - eps) * np.log(1.0 - eps)
    return without_rounding(coin + (1.0 - eps) * np.log(code.q) * unsolved)


CURVES: dict[str, Callable[[int], Floats]] = {
    "slow chain": partial(chain_curve, eps=SLOW),
    "fast chain": partial(chain_curve, eps=FAST),
    "one-hot blocks": lambda n: LAWS["one-hot blocks"](n).conditional_entropy_curve(),
    "XORSAT blocks": lambda n: LAWS["XORSAT blocks"](n).conditional_entropy_curve(),
    "permutation": lambda n: RandomPermutation(n).conditional_entropy_curve(),
    "urn": urn_curve,
    "worst for TC": logarithmic_curve,
    "code with erasures": partial(erased_curve, eps=ERASED),
    "code": lambda n: reed_solomon(n, dimension=n // 3).conditional_entropy_curve(),
}


def scaled(curve: Floats, n: int) -> Floats:
    """The curve read at equal shares of known positions, flat beyond its ends."""
    shares, known = ((np.arange(m) + 0.5) / m for m in (n, len(curve)))
    return np.interp(shares, known, curve)


def stretched(sizes: Sizes, n: int) -> Sizes:
    return tuple(size * (n // sum(sizes)) for size in sizes)


def long(name: str) -> Iterator[dict[str, Any]]:
    curve, short = CURVES[name](LONG), CURVES[name](LENGTHS[-1])
    if name in LAWS:
        agrees(name, short)
    height, gain = float(curve[0] - curve[-1]), square_root_gain(curve)
    guess = scaled(short, LONG)
    for steps in STEPS:
        least, _ = least_loss(curve, steps)
        sizes = {
            "rule": square_root_sizes(curve, steps),
            "scaled_rule": square_root_sizes(guess, steps),
            "equal": uniform_sizes(LONG, steps),
        }
        if steps <= len(short):
            sizes["stretched"] = stretched(least_loss(short, steps)[1], LONG)
        losses = {words: loss(curve, found) for words, found in sizes.items()}
        losses["asymptotic"] = height * (LONG / (steps * gain) - 1.0) / 2.0
        losses["floor"] = square_root_kl(curve, steps)
        yield {
            "law": name,
            "steps": steps,
            "least_loss": least,
            "last_step": last_step(curve, sizes["rule"]),
            **{words: {"loss": x, "over_least": ratio(x, least)} for words, x in losses.items()},
        }


def last_step(curve: Floats, sizes: Sizes) -> float | None:
    """Its share of the loss."""
    costs = overshoots(sizes) * increments(curve)
    return ratio(float(costs[-sizes[-1] :].sum()), float(costs.sum()))


def agrees(name: str, curve: Floats) -> None:
    exact = LAWS[name](len(curve)).conditional_entropy_curve()
    if not np.allclose(curve, exact, rtol=0.0, atol=1e-11):
        raise RuntimeError(f"{name}: curve off by {np.abs(curve - exact).max()} nats")


# ---- all


def main() -> None:
    started = time.monotonic()
    document: dict[str, Any] = {"about": __doc__, "gains": []}
    for name in LAWS:
        document["gains"] += gains(name)
        for row in document["gains"][-len(LENGTHS) * (1 + len(FIXED)) :]:
            if row["k"] != str(FIXED[0]):
                print(
                    f"{name:<20}{row['n']:>5} k = {row['k']:<4} least {row['least_loss']:11.5f} "
                    f"gain {row['gain'] or np.inf:10.4g} steps x {row['times_the_steps']:.2f}"
                )
    document["profiles"] = profiles(document["gains"])
    document["orders"] = [row for name in CHAINS for row in orders(name)]
    for row in document["orders"]:
        print(f"{row['law']:<12}{row['n']:>5} {row['order']:<8}", end="")
        print(f"{row['best_steps']:>5} best, {row['equal_steps']:>5} equal steps")
    document["long"] = []
    for name in CURVES:
        for row in long(name):
            document["long"].append(row)
            words = ("rule", "scaled_rule", "stretched", "equal", "asymptotic", "floor")
            ratios = (row.get(w, {}).get("over_least") for w in words)
            print(
                f"{name:<20}{row['steps']:>6} least {row['least_loss']:13.6f}"
                + "".join(f"{'-' if r is None else format(r, '.5g'):>10}" for r in ratios),
                flush=True,
            )
    write_result("scale", document, started)


if __name__ == "__main__":
    main()
