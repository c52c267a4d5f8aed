"""How well `estimate` knows the curve of a law, against simpler ways to spend the same passes.

    OMP_NUM_THREADS=1 python experiments/curve_precision.py        # about 10 minutes on one core

Texts are fresh draws of Markov chains and hidden Markov models of 64 positions, and the model is
the law itself. Three estimates of the whole curve, each from P passes on P texts:

- ``one position``: a pass has a number of known positions, all numbers equally often, and a random
  set of that size; it scores the NLL of one random masked position. The curve is the mean score
  at each number.
- ``all positions``: the same passes score the NLL of all masked positions, averaged (this is
  ``estimate(smoothing="raw")``).
- ``smooth``: ``estimate`` as it is. Its entropies (``entropy_measure``) are told besides.

The mean squared error is over entries and replicates. Intervals are estimate +- 1.96 standard
errors: of the entries, and of the loss of the schedules that are chosen by that very estimate.

The truth of the chains is exact. No closed form is known for hidden Markov models, but with two
states what is known on one side of a position comes down to one number, the probability of a
state, whose law moves from position to position: ``two_state_curve`` follows it on a grid. Its
error is told by half the grid, and by the table of 8 positions.
"""

from __future__ import annotations

import argparse
import math
import time
from typing import Any

import numpy as np
from common import write_result
from numpy.typing import NDArray

from schedopt.curve import InformationCurve
from schedopt.data import Windows
from schedopt.estimators import Estimate, estimate
from schedopt.estimators.probe import Probes, probe
from schedopt.models import LawDenoiser
from schedopt.schedule import Order
from schedopt.solvers import loss_of, solve
from theory.distributions import HiddenMarkov, Law, MarkovChain

Floats = NDArray[np.float64]

N = 64
RANDOM = Order("random")
STEPS = (4, 8, 16)
Z = 1.959963984540054
GRID = 1000  # cells of the probability of a state


def laws() -> dict[str, Law]:
    return {
        "Markov chain, 2 symbols": MarkovChain(N, np.array([[0.9, 0.1], [0.3, 0.7]])),
        "Markov chain, 8 symbols": MarkovChain(N, _rows(0.2, 8, seed=0)),
        "HMM, 2 states, 2 symbols": _hidden(N),
        "HMM, 2 states, 8 symbols": HiddenMarkov(
            N, np.array([[0.9, 0.1], [0.2, 0.8]]), _rows(0.5, 2, seed=1)
        ),
    }


def _hidden(n: int) -> HiddenMarkov:
    return HiddenMarkov(
        n, np.array([[0.95, 0.05], [0.05, 0.95]]), np.array([[0.85, 0.15], [0.15, 0.85]])
    )


def _rows(concentration: float, rows: int, *, seed: int) -> Floats:
    """Random laws of 8 symbols."""
    return np.random.default_rng(seed).dirichlet(np.full(8, concentration), size=rows)


def two_state_curve(law: HiddenMarkov, cells: int) -> Floats:
    """The curve of a stationary hidden Markov model of two states, nats, up to the grid.

    Row j of ``sides[i]`` is the law of the probability of state 1 at a position with i others on
    its left, over all ways to know j of these, each counting once. A stationary chain of two
    states is reversible, so that it is also that of i others on the right.
    """
    n, transition, emission = law.n, np.asarray(law.transition), np.asarray(law.emission)
    stationary = np.asarray(law.initial)
    ones = np.linspace(0.0, 1.0, cells + 1)
    states = np.stack([1.0 - ones, ones], axis=1)  # (cells + 1, 2)

    def moved(mass: Floats, to: Floats) -> Floats:
        """Mass of each cell moved to a probability, split between the two cells next to it."""
        low = np.minimum((to * cells).astype(np.int64), cells - 1)
        share = to * cells - low
        return np.stack(
            [
                np.bincount(low, row * (1.0 - share), cells + 1)
                + np.bincount(low + 1, row * share, cells + 1)
                for row in mass
            ]
        )

    start = np.zeros((1, cells + 1))
    start[0, 0] = 1.0
    sides = [moved(start, np.full(cells + 1, stationary[1]))]
    for i in range(n - 1):
        after = np.zeros((i + 2, cells + 1))
        after[:-1] += moved(sides[i], (states @ transition)[:, 1])
        for symbol in range(law.q):
            joint = states * emission[:, symbol]
            seen = joint.sum(axis=1)
            posterior = joint / np.maximum(seen, 1e-300)[:, None]
            after[1:] += moved(sides[i] * seen, (posterior @ transition)[:, 1])
        sides.append(after)
    both = states[:, None] * states / stationary  # left, right, state
    meet = both.sum(axis=2)  # how much more probable these are together than apart
    symbols = both / np.maximum(meet, 1e-300)[:, :, None] @ emission
    entropies = -(symbols * np.log(np.maximum(symbols, 1e-300))).sum(axis=2) * meet
    curve = np.zeros(n)
    for i in range(n):
        pairs = sides[i] @ entropies @ sides[n - 1 - i].T
        for j, row in enumerate(pairs):
            curve[j : j + n - i] += row
    return curve / n / [math.comb(n - 1, j) for j in range(n)]


def truth_of(law: Law) -> tuple[Floats, float]:
    """The curve, and how far it may be off."""
    if not isinstance(law, HiddenMarkov):
        return law.conditional_entropy_curve(), 0.0
    curve = two_state_curve(law, GRID)
    return curve, float(np.abs(curve - two_state_curve(law, GRID // 2)).max())


def even_probes(passes: int, rng: np.random.Generator) -> Probes:
    """Random sets, all sizes equally often up to one, each of a text of its own."""
    return Probes(
        window=np.arange(passes),
        block=np.zeros(passes, dtype=np.int64),
        order=rng.permuted(np.tile(np.arange(N), (passes, 1)), axis=1),
        known=rng.permutation(np.arange(passes) % N),
    )


def means_by_known(values: Floats, known: NDArray[np.int64]) -> Floats:
    return np.asarray(np.bincount(known, values, minlength=N) / np.bincount(known, minlength=N))


def baselines(denoiser: LawDenoiser, passes: int, rng: np.random.Generator) -> tuple[Floats, ...]:
    """The curve by one position and by all positions of a pass."""
    windows, probes = Windows.independent(denoiser.draw(passes, rng)), even_probes(passes, rng)
    nll = probe(denoiser, windows, probes).nll
    one = nll[np.arange(passes), probes.known]  # the next in random order
    return means_by_known(one, probes.known), means_by_known(np.nanmean(nll, axis=1), probes.known)


def held(error: Floats, stderr: Floats) -> Floats:
    """Whether each interval holds the truth; an error that is 0 but for rounding does."""
    return np.asarray(np.abs(error) <= Z * stderr + 1e-9, dtype=np.float64)


def row_of(law: Law, truth: Floats, passes: int, replicates: int) -> dict[str, Any]:
    denoiser, exact = LawDenoiser(law), InformationCurve(truth)
    errors: dict[str, list[Floats]] = {"one position": [], "all positions": []}
    intervals: dict[str, list[Floats]] = {"curve": [], "entropies": []}
    told: dict[str, list[Floats]] = {"curve": [], "entropies": []}
    losses: dict[int, list[tuple[float, float, float]]] = {k: [] for k in STEPS}
    for replicate in range(replicates):
        rng = np.random.default_rng([passes, replicate])
        for name, curve in zip(errors, baselines(denoiser, passes, rng), strict=False):
            errors[name].append((curve - truth) ** 2)
        windows = Windows.independent(denoiser.draw(passes, rng))
        found = estimate(denoiser, windows, order=RANDOM, passes=passes, seed=replicate)
        for name, measure in (("curve", found.measure), ("entropies", found.entropy_measure)):
            assert measure.stderr is not None
            error = measure.conditional_entropy - truth
            errors.setdefault(name, []).append(error**2)
            intervals[name].append(held(error, measure.stderr))
            told[name].append(measure.stderr**2)
        for k in STEPS:
            losses[k].append(chosen_loss(found, exact, k))
    mse = {name: np.mean(values, axis=1) for name, values in errors.items()}  # of each replicate
    row: dict[str, Any] = {
        "passes": passes,
        "replicates": replicates,
        "mse": {name: float(values.mean()) for name, values in mse.items()},
        "mse_stderr": {
            name: float(values.std(ddof=1) / replicates**0.5) for name, values in mse.items()
        },
    }
    for name in ("curve", "entropies"):
        hits = np.stack(intervals[name])
        row[name] = {
            "times_below_one_position": row["mse"]["one position"] / row["mse"][name],
            "times_below_all_positions": row["mse"]["all positions"] / row["mse"][name],
            "coverage": float(hits.mean()),
            "coverage_stderr": float(hits.mean(axis=1).std(ddof=1) / replicates**0.5),
            "least_coverage_of_an_entry": float(hits.mean(axis=0).min()),
            "told_variance_over_mse": float(np.mean(told[name]) / row["mse"][name]),
        }
    row["chosen_schedules"] = []
    for k, values in losses.items():
        error, stderr, regret = np.array(values).T
        row["chosen_schedules"].append(
            {
                "steps": k,
                "loss": float(solve(exact, steps=k).loss),
                "coverage": float(held(error, stderr).mean()),
                "stderr_told": float(stderr.mean()),
                "bias": float(error.mean()),
                "spread": float(error.std(ddof=1)),
                "regret": float(regret.mean()),
            }
        )
    return row


def chosen_loss(found: Estimate, exact: InformationCurve, k: int) -> tuple[float, float, float]:
    """Error and standard error of the loss told of the chosen schedule, and its regret."""
    sizes = solve(found.measure, steps=k).schedule.step_sizes
    told, true = found.loss(sizes), loss_of(exact, sizes)
    return told.value - true, told.stderr, true / solve(exact, steps=k).loss - 1.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--passes", type=int, nargs="+", default=[256, 1024])
    parser.add_argument("--replicates", type=int, default=400)
    parser.add_argument("--name", default="curve_precision")
    args = parser.parse_args()
    started = time.monotonic()
    small = _hidden(8)
    off = np.abs(two_state_curve(small, GRID) - small.conditional_entropy_curve()).max()
    rows = []
    for name, law in laws().items():
        truth, error = truth_of(law)
        print(f"{name}: truth to {error:.2g} after {time.monotonic() - started:.0f} s")
        for passes in args.passes:
            row = row_of(law, truth, passes, args.replicates)
            rows.append({"law": name, "truth": truth.tolist(), "truth_error": error, **row})
            shown = {key: row[key] for key in ("mse", "curve", "entropies")}
            print(passes, shown, flush=True)
            for schedule in row["chosen_schedules"]:
                print("  ", schedule, flush=True)
    write_result(
        args.name,
        {
            "about": __doc__,
            "length": N,
            "grid": GRID,
            "error_of_the_grid_at_8_positions": float(off),
            "rows": rows,
        },
        started,
    )


if __name__ == "__main__":
    main()
