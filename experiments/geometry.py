"""The data geometry of masking diffusion: where laws must be revealed slowly, and what it buys.

    python experiments/geometry.py

The six figures of Wainwright (arXiv:2608.13520) again, with what he published beside it. ``laws``:
the density q of the unmasking growth over log odds on [-log(d-1), log(d-1)],

- ``coarse`` C = 2 log(d-1) int q, ``limit`` P = (int sqrt q)^2, ``ratio`` C / P, and the least
  complexity of three blocks (``three_blocks``) with their ends and heights;
- ``repeated_bit`` (figure 1), ``hierarchy`` (3: levels that are independent repeated bits) and
  ``mirror`` (5) are exact;
- ``mixture`` (2, and 4 for d = 64) is averaged over all random centers, by Monte Carlo over counts
  (``theory.ensembles``), with jackknifed standard errors; ``members`` are single mixtures, each
  from draws of its own (``theory.increment_draws``);
- ``xorsat`` (6: dense random codes of dimension alpha d) is averaged over all codes in closed form;
  ``members`` are single codes.

The spread of members holds the Monte Carlo error of each of them, ``stderr_of_one``.
``correlation_bound`` is the largest C that the TC and DTC of any such mixture allow (theory,
section 1.5): DTC <= log M, and TC <= d log 2 - H with H = log M + d H(eta), as all bits leave less
than 1e-3 nats open of which prototype it is.

``steps``: exact loss of the Bernoulli sampler between 1/d and 1 - 1/d in N steps, with the best
times (of 1536 that share int sqrt q equally) and with geometric odds; P / (2 N) and C / (2 N) are
their limits, and 2 C / N is what Corollary 1 promises. Nats.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from common import write_result
from numpy.typing import NDArray

from theory.bernoulli import geometric_odds, least_losses, step_losses
from theory.curves import dual_total_correlation, total_correlation
from theory.distributions import NoisyRepeatedBit, Parity, linear_code
from theory.distributions.products import MixtureOfProducts
from theory.ensembles import random_code_curve, random_mixture_increments
from theory.growth import growth_complexity, odds_density
from theory.increment_draws import code_increments, mixture_increments
from theory.odds_blocks import best_blocks, block_complexity
from theory.tables import entropy

Floats = NDArray[np.float64]
Growths = tuple[Floats, Floats]

# Figure of arXiv:2608.13520 and what its caption says; it gives no numbers for figures 3, 5, 6.
REPEATED = {0.01: 4.51, 0.30: 2.16, 0.45: 1.65}
MIXTURES: dict[int, dict[str, float]] = {
    32: {"ratio": 2.19},
    48: {"ratio": 3.13},
    64: {"ratio": 3.85, "coarse": 65.0, "three_blocks": 23.5, "limit": 16.9},
}
HIERARCHIES = ((32768, 8), (32768, 2048, 128, 8))
RATES = (0.2, 0.5, 0.8)
FLIPS = 0.02

MEMBERS = 20
MIXTURE_DRAWS = {32: 400, 48: 20}  # of each member; a draw of d = 64 takes seconds
CODE_DRAWS = 100
GROUPS = 20  # of the jackknife
CELLS = 240  # of the log odds, for blocks and figures
FINE = 2400  # for int sqrt q, a multiple of these
CHOICES = 1536  # times that the best of N steps may use
STEPS = (2, 4, 8, 16, 32, 64, 128, 256)
KINDS = ("ratio", "coarse", "limit", "three_blocks")
STEPPED = ("repeated bit, 0.01", "repeated bit, 0.45", "mixture, d=64", "xorsat, 0.5")


def falling(increments: Floats) -> Floats:
    """The curve that falls by these, to 0: what is left at the end costs no schedule anything."""
    return np.append(np.cumsum(increments[::-1])[::-1], 0.0)


def log_odds(d: int, cells: int) -> Floats:
    return np.linspace(-np.log(d - 1.0), np.log(d - 1.0), cells + 1)


def as_times(odds: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-odds)))


def growths(blocks: Sequence[Floats]) -> Growths:
    """q on the fine grid and H of each cell, of independent blocks with these curves: they add."""
    d = sum(map(len, blocks))
    fine, times = log_odds(d, FINE), as_times(log_odds(d, CELLS))
    q = np.sum([odds_density(curve, fine) for curve in blocks], axis=0)
    return q, np.sum([growth_complexity(curve, times) for curve in blocks], axis=0)


@cache
def units(d: int) -> Growths:
    """The same for a fall of 1 at each place, shapes (d - 1, FINE + 1) and (d - 1, CELLS)."""
    every = [growths([falling(unit)]) for unit in np.eye(d - 1)]
    return np.array([q for q, _ in every]), np.array([h for _, h in every])


def of_increments(increments: Floats) -> Growths:
    q, h = units(len(increments) + 1)
    return increments @ q, increments @ h


def complexities(d: int, found: Growths) -> dict[str, Any]:
    """C, P, their ratio, and the best three blocks."""
    q, h = found
    cells, fine = log_odds(d, CELLS), log_odds(d, FINE)
    times = as_times(cells)
    limit = float(np.trapezoid(np.sqrt(q), fine)) ** 2
    coarse = block_complexity(times[[0, -1]], [h.sum()])
    chosen = list(best_blocks(times, h, 3))
    each = np.add.reduceat(h, chosen[:-1])
    return {
        "ratio": coarse / limit,
        "coarse": coarse,
        "limit": limit,
        "three_blocks": block_complexity(times[chosen], each),
        "ends": cells[chosen].tolist(),
        "heights": np.sqrt(each / np.diff(cells[chosen])).tolist(),
        "one_height": float(np.sqrt(h.sum() / (cells[-1] - cells[0]))),
    }


def row(figure: int, law: str, d: int, found: Growths, **more: Any) -> dict[str, Any]:
    return {
        "figure": figure,
        "law": law,
        "d": d,
        **more,
        **complexities(d, found),
        "log_odds": rounded(log_odds(d, CELLS)),
        "density": rounded(found[0][:: FINE // CELLS]),
    }


def rounded(values: Floats) -> list[float]:
    return [float(f"{value:.5g}") for value in values]


def jackknife(draws: Floats) -> dict[str, float]:
    """Standard errors of ``KINDS`` at the mean of independent draws, leaving out groups of them."""
    groups = np.array([group.mean(axis=0) for group in np.array_split(draws, GROUPS)])
    means = [np.delete(groups, left, axis=0).mean(axis=0) for left in range(GROUPS)]
    without = [complexities(len(mean) + 1, of_increments(mean)) for mean in means]
    return {
        kind: float(np.sqrt((GROUPS - 1) * np.var([one[kind] for one in without])))
        for kind in KINDS
    }


def members(draws: Iterator[Floats]) -> dict[str, Any]:
    """Spread of single laws, given draws of the increments of each."""
    found, densities, errors = [], [], []
    for each in draws:
        one = of_increments(each.mean(axis=0))
        found.append(complexities(each.shape[1] + 1, one))
        densities.append(one[0][:: FINE // CELLS])
        errors.append(jackknife(each))
    return {
        "laws": len(found),
        "draws_each": len(each),
        **{
            kind: {
                "mean": float(np.mean([one[kind] for one in found])),
                "deviation": float(np.std([one[kind] for one in found], ddof=1)),
                "stderr_of_one": float(np.sqrt(np.mean([error[kind] ** 2 for error in errors]))),
            }
            for kind in KINDS
        },
        "density_deviation": rounded(np.std(densities, axis=0, ddof=1)),
    }


def prototypes(d: int, seed: int) -> MixtureOfProducts:
    """One mixture of 2^{d/4} uniform centers."""
    components = 2 ** (d // 4)
    centers = np.random.default_rng([seed, d]).integers(2, size=(components, d))
    noise = np.array([[1.0 - FLIPS, FLIPS], [FLIPS, 1.0 - FLIPS]])
    return MixtureOfProducts(np.full(components, 1.0 / components), noise[centers])


def mixture(d: int, count: int, seed: int) -> tuple[Floats, dict[str, Any]]:
    rng = np.random.default_rng([seed, d])
    components = 2 ** (d // 4)
    draws = random_mixture_increments(d, components, FLIPS, count, rng)
    mean = draws.mean(axis=0)
    most_dtc = np.log(components)
    most_tc = d * (np.log(2.0) - entropy(np.array([FLIPS, 1.0 - FLIPS]))) - most_dtc
    most = most_tc * most_dtc / (most_tc + most_dtc) * d / (d + 1.0)
    found = row(
        2,
        "mixture",
        d,
        of_increments(mean),
        components=components,
        draws=count,
        published=MIXTURES[d],
        stderr=jackknife(draws),
        tc=total_correlation(falling(mean)),
        dtc=dual_total_correlation(falling(mean)),
        correlation_bound=2.0 * np.log(d - 1.0) * most,
    )
    q, _ = units(d)
    variance = draws.var(axis=0, ddof=1) / count @ q[:, :: FINE // CELLS] ** 2
    found["density_stderr"] = rounded(np.sqrt(variance))
    if d in MIXTURE_DRAWS:
        laws = (prototypes(d, seed * MEMBERS + member) for member in range(MEMBERS))
        found["members"] = members(mixture_increments(law, MIXTURE_DRAWS[d], rng) for law in laws)
    return falling(mean), found


def xorsat(d: int, rate: float, seed: int) -> tuple[Floats, dict[str, Any]]:
    dimension = round(rate * d)
    curve = random_code_curve(d, dimension)
    found = row(6, "xorsat", d, growths([curve]), rate=rate, dimension=dimension, published={})
    rng = np.random.default_rng([seed, dimension])
    codes = (linear_code(d, 2, dimension, seed=seed * MEMBERS + at) for at in range(MEMBERS))
    found["members"] = members(code_increments(code, CODE_DRAWS, rng) for code in codes)
    return curve, found


def steps(law: str, curve: Floats) -> dict[str, Any]:
    d, fine = len(curve), log_odds(len(curve), FINE)
    q, h = growths([curve])
    roots = np.sqrt(q)
    mass = np.append(0.0, np.cumsum(roots[1:] + roots[:-1]))
    choices = np.interp(np.linspace(0.0, mass[-1], CHOICES + 1), mass, fine)
    best = least_losses(curve, as_times(choices), max(STEPS))
    first, last = as_times(fine[[0, -1]])
    geometric = [step_losses(curve, geometric_odds(first, last, n)).sum() for n in STEPS]
    found = complexities(d, (q, h))
    return {
        "law": law,
        "steps": STEPS,
        "best": [float(best[n - 1]) for n in STEPS],
        "geometric": [float(loss) for loss in geometric],
        "times_2n_over_limit": [float(2 * n * best[n - 1] / found["limit"]) for n in STEPS],
        "geometric_over_best": [
            float(g / best[n - 1]) for g, n in zip(geometric, STEPS, strict=True)
        ],
        "corollary_1": [2.0 * found["coarse"] / n for n in STEPS],
        "ratio": found["ratio"],
    }


def main() -> None:
    started = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--draws", type=int, default=4000, help="of a mean mixture")
    args = parser.parse_args()
    rows, curves = [], dict[str, Floats]()
    for flips, ratio in REPEATED.items():
        curve = NoisyRepeatedBit(128, flips).conditional_entropy_curve()
        rows.append(
            row(1, "repeated_bit", 128, growths([curve]), flips=flips, published={"ratio": ratio})
        )
        curves[f"repeated bit, {flips}"] = curve
    for d in MIXTURES:
        curves[f"mixture, d={d}"], found = mixture(d, args.draws, args.seed)
        rows.append(found)
        print(f"mixture of {d} after {time.monotonic() - started:.0f} s", flush=True)
    for sizes in HIERARCHIES:
        blocks = [NoisyRepeatedBit(size, 0.0).conditional_entropy_curve() for size in sizes]
        rows.append(row(3, "hierarchy", sum(sizes), growths(blocks), sizes=sizes, published={}))
    for name, law in (("repeated bit", NoisyRepeatedBit(64, 0.0)), ("global parity", Parity(64))):
        curve = law.conditional_entropy_curve()
        rows.append(row(5, name, 64, growths([curve]), published={}))
    for rate in RATES:
        curves[f"xorsat, {rate}"], found = xorsat(64, rate, args.seed)
        rows.append(found)
    print(f"codes after {time.monotonic() - started:.0f} s", flush=True)
    for found in rows:
        ours = {kind: round(found[kind], 3) for kind in KINDS}
        print(found["figure"], found["law"], found["d"], ours, "published", found["published"])
    document = {
        "about": __doc__,
        "seed": args.seed,
        "laws": rows,
        "steps": [steps(name, curves[name]) for name in STEPPED],
    }
    write_result("geometry", document, started)


if __name__ == "__main__":
    main()
