"""What schedules guarantee that know a scalar, and how near the square-root rule comes.

    python experiments/guarantees.py

- ``published``: steps of the greedy sizes over those of Chen, Cong and Li's for the same promise
  KL <= eps, over n log-uniform on 8..128 and TC / eps (DTC / eps) log-uniform on 1/2..n/2.
- ``step_counts``: the steps of both for n = 64 and 1024, with the bound that each proves, and the
  fewest that do it for three laws whose curve is known.
- ``random_phase``: for kappa ln n steps and TC = 1, the worst loss of the best fixed sizes, that
  of sizes with a random phase, and what no sizes, fixed or random, can go below: the least loss
  on one curve (``logarithmic_curve``), with its limit.
- ``both_known``: worst loss when TC and DTC are known, against greedy sizes for one scalar.
- ``square_root``: the rule's sizes and its asymptotic value, against the optimum, on smooth
  curves with about the square root of n steps.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from common import write_result
from numpy.typing import NDArray

from schedopt.curve import InformationCurve
from schedopt.sizes import uniform_sizes
from schedopt.solvers import loss_of, solve
from theory.continuum import (
    logarithmic_curve,
    logarithmic_limit,
    square_root_gain,
    square_root_kl,
    square_root_sizes,
)
from theory.distributions import build_law
from theory.guarantees import (
    SCALARS,
    Scalar,
    chen_cong_li_dtc_sizes,
    chen_cong_li_step_bound,
    chen_cong_li_tc_sizes,
    greedy_sizes,
    least_theta,
    minimax_sizes,
    scalar_value,
    sizes_within,
    step_bound,
    sup_kl,
)
from theory.randomized import RandomPhase

Floats = NDArray[np.float64]
Published = Callable[[int, float, float], tuple[int, ...]]

DRAWS = 1000
LENGTHS = (8, 128)
LEAST_RATIO = 0.5
PUBLISHED: dict[Scalar, Published] = {
    "tc": chen_cong_li_tc_sizes,
    "dtc": chen_cong_li_dtc_sizes,
}

QUANTILES = 51

COUNTED = (64, 1024)
KNOWN: dict[str, dict[str, Any]] = {
    "noisy repeated bit": {"name": "repeated-bit", "eps": 0.3},
    "chain": {"name": "markov", "eps": 0.05},
    "permutation": {"name": "permutation"},
}

KAPPAS = (1, 2, 4)
GROWING = (10**2, 10**3, 10**4, 10**5, 10**6)

CORRELATIONS = ((5.0, 1.0), (1.0, 1.0), (1.0, 5.0))  # TC, DTC
BLOCKS = ((32, 6), (128, 16), (1024, 32))  # n, k

SMOOTH: dict[str, Callable[[Floats], Floats]] = {
    "square root": lambda x: np.sqrt(1.0 - x),
    "exponential": lambda x: np.exp(-5.0 * x),
    "cubic": lambda x: (1.0 - x) ** 3,
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(12.0 * (x - 0.6))),
}
SQUARES = (64, 256, 1024, 4096)


def published(scalar: Scalar) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(DRAWS):
        n = round(float(np.exp(rng.uniform(*np.log(LENGTHS)))))
        ratio = float(np.exp(rng.uniform(np.log(LEAST_RATIO), np.log(n / 2))))
        theirs = PUBLISHED[scalar](n, 1.0, ratio)
        shares.append(len(sizes_within(scalar, n, 1.0, ratio)) / len(theirs))
    return {
        "scalar": scalar,
        "draws": DRAWS,
        "mean_share": float(np.mean(shares)),
        "least_share": min(shares),
        "largest_share": max(shares),
        "share_quantiles": np.quantile(shares, np.linspace(0.0, 1.0, QUANTILES)).tolist(),
    }


def step_counts(n: int) -> Iterator[dict[str, Any]]:
    """One row for each scalar and each ratio of it to eps, twice as large each time, up to n."""
    curves = {
        words: build_law(**law, n=n).conditional_entropy_curve() for words, law in KNOWN.items()
    }
    for scalar, theirs in PUBLISHED.items():
        for power in range(-1, n.bit_length()):
            ratio = 2.0**power
            yield {
                "n": n,
                "scalar": scalar,
                "ratio": ratio,
                "published": len(theirs(n, 1.0, ratio)),
                "published_bound": chen_cong_li_step_bound(n, 1.0, ratio),
                "ours": len(sizes_within(scalar, n, 1.0, ratio)),
                "our_bound": step_bound(scalar, n, 1.0 / ratio),
                "curve_known": {
                    words: fewest_steps(curve, scalar_value(scalar, curve) / ratio)
                    for words, curve in curves.items()
                },
            }


def fewest_steps(curve: Floats, eps: float) -> int:
    return len(solve(InformationCurve(curve), max_loss=eps).schedule.step_sizes)


def random_phase(kappa: float, n: int) -> dict[str, Any]:
    steps = round(kappa * math.log(n))
    fixed = float(least_theta("tc", n, steps))
    random = RandomPhase.within_steps("tc", n, steps).worst_ratio()
    least = solve(InformationCurve(logarithmic_curve(n)), steps=steps).loss
    return {
        "kappa": kappa,
        "n": n,
        "steps": steps,
        "best_fixed": fixed,
        "random_phase": random,
        "no_sizes_below": least,
        "limit_of_no_sizes_below": logarithmic_limit(steps / math.log(n)),
        "fixed_over_random": fixed / random,
    }


def both_known() -> Iterator[dict[str, Any]]:
    for n, steps in BLOCKS:
        one_scalar = {s: greedy_sizes(s, n, least_theta(s, n, steps)) for s in SCALARS}
        for tc, dtc in CORRELATIONS:
            sizes = minimax_sizes(n, steps, tc, dtc)
            least = sup_kl(sizes, tc, dtc)
            yield {
                "n": n,
                "steps": steps,
                "tc": tc,
                "dtc": dtc,
                "step_sizes": sizes,
                "worst_kl": least,
                "times_as_much": {s: sup_kl(one_scalar[s], tc, dtc) / least for s in SCALARS},
            }


def square_root(name: str, n: int) -> dict[str, Any]:
    curve, steps = SMOOTH[name](np.arange(n) / n), math.isqrt(n)
    measure = InformationCurve(curve)
    least = solve(measure, steps=steps).loss
    return {
        "curve": name,
        "n": n,
        "steps": steps,
        "least_loss": least,
        "rule_over_least": loss_of(measure, square_root_sizes(curve, steps)) / least,
        "asymptotic_over_least": square_root_kl(curve, steps) / least,
        "uniform_over_least": loss_of(measure, uniform_sizes(n, steps)) / least,
        "asymptotic_gain": square_root_gain(curve),
    }


def main() -> None:
    started = time.monotonic()
    document: dict[str, Any] = {"about": __doc__}
    document["published"] = [published(scalar) for scalar in PUBLISHED]
    for row in document["published"]:
        print(
            f"{row['scalar']}: {row['mean_share']:.3f} of Chen, Cong, Li's steps on average, "
            f"{row['least_share']:.2f} to {row['largest_share']:.2f}"
        )
    document["step_counts"] = [row for n in COUNTED for row in step_counts(n)]
    print(f"\n{'n':>5}{'ratio':>8}{'CCL':>6}{'bound':>9}{'ours':>6}{'bound':>6}  curve known")
    for row in document["step_counts"]:
        known = " ".join(f"{steps:>4}" for steps in row["curve_known"].values())
        print(
            f"{row['n']:>5}{row['ratio']:>8g}{row['published']:>6}{row['published_bound']:>9.1f}"
            f"{row['ours']:>6}{row['our_bound']:>6}  {known} {row['scalar']}"
        )
    print(f"\n{'kappa':>5}{'n':>9}{'k':>4}{'fixed':>9}{'random':>9}{'below':>9}{'gain':>7}")
    document["random_phase"] = []
    for kappa in KAPPAS:
        for n in GROWING:
            row = random_phase(kappa, n)
            document["random_phase"].append(row)
            print(
                f"{kappa:>5}{n:>9}{row['steps']:>4}{row['best_fixed']:9.4f}"
                f"{row['random_phase']:9.4f}{row['no_sizes_below']:9.4f}"
                f"{row['fixed_over_random']:7.2f}",
                flush=True,
            )
    document["both_known"] = list(both_known())
    print(
        f"\n{'n':>5}{'k':>4}{'TC':>5}{'DTC':>5}{'worst':>9}" + "".join(f"{s:>8}" for s in SCALARS)
    )
    for row in document["both_known"]:
        times = "".join(f"{row['times_as_much'][s]:7.2f}x" for s in SCALARS)
        print(
            f"{row['n']:>5}{row['steps']:>4}{row['tc']:5.1f}{row['dtc']:5.1f}"
            f"{row['worst_kl']:9.4f}{times}"
        )
    document["square_root"] = [square_root(name, n) for name in SMOOTH for n in SQUARES]
    print(f"\n{'curve':<12}{'n':>6}{'k':>4}{'rule':>9}{'asympt.':>9}{'uniform':>9}{'gain':>7}")
    for row in document["square_root"]:
        print(
            f"{row['curve']:<12}{row['n']:>6}{row['steps']:>4}{row['rule_over_least']:9.4f}"
            f"{row['asymptotic_over_least']:9.4f}{row['uniform_over_least']:9.4f}"
            f"{row['asymptotic_gain']:7.3f}"
        )
    write_result("guarantees", document, started)


if __name__ == "__main__":
    main()
