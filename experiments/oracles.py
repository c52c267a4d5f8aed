"""On exact laws, what is predicted is what happens, and intervals cover the truth.

    python experiments/oracles.py

Three claims, each on its own laws:

- ``predictions``: the loss that the solver predicts is the KL of the sampler, which is run on
  every outcome of the law: averaged over every order for the random one, and in the dilated one.
- ``coverage``: 95 % intervals of raw estimates hold the exact curve (random order) and the exact
  surface (dilated order), counted over entries and replicates with fresh draws of the law.
- ``fits``: ``fit`` on draws of a law: the loss it tells, against the exact one of its schedule.

The replicates of ``coverage`` are independent, and so are a curve's entries, each of which has
passes of its own. For a coverage of 95 %, the share of a law would leave 93-97 % by chance less
than once in 10^4 times.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from common import write_result
from numpy.typing import NDArray

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.data import Windows
from schedopt.estimators import estimate
from schedopt.evaluation import evaluate
from schedopt.fitting import fit
from schedopt.models import LawDenoiser
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.sizes import dus_schedule, uniform_sizes
from schedopt.solvers import loss_of, losses, solve
from theory.distributions import Law, MarkovChain, Product, TableLaw, build_law
from theory.divergences import order_surface

Floats = NDArray[np.float64]
Groups = tuple[tuple[int, ...], ...]

RANDOM, DILATED = Order("random"), Order("dilated", base=2)

N = 5  # the random order is averaged over all 120
TOLERANCE = 1e-9
REPLICATES = 400
PASSES_PER_ENTRY = 400  # fewer make a normal interval of skewed losses too short
FITS = 10
FIT_PASSES = 1024
FIT_STEPS = (2, 3, 4)


def generic(q: int, n: int, *, seed: int) -> TableLaw:
    weights = np.random.default_rng(seed).gamma(0.5, size=(q,) * n)
    return TableLaw(weights / weights.sum())


CHAIN = np.array([[0.8, 0.2], [0.4, 0.6]])
# Laws whose losses differ from text to text.
NOISY: dict[str, Law] = {
    "biased product": Product(np.linspace([0.5, 0.5], [0.2, 0.8], N)),
    "Markov chain": MarkovChain(N, CHAIN),
    "second-order Markov chain": MarkovChain(N, np.stack([CHAIN, CHAIN[:, ::-1]])),
    "mixture of products": build_law("mixture", n=N, seed=3, eps=0.2, components=3),
    "noisy repeated bit": build_law("repeated-bit", n=N, eps=0.25),
    "Ising ring": build_law("ising-ring", n=N, coupling=0.5, field=0.3),
    "generic bits": generic(2, N, seed=7),
    "generic, three symbols": generic(3, 4, seed=8),
}
# Each set of known positions leaves them no chance: an estimate is exact after a pass an entry.
CERTAIN: dict[str, Law] = {
    "parity": build_law("parity", n=N),
    "Reed-Solomon code": build_law("reed-solomon", n=4),
    "random permutation": build_law("permutation", n=4),
}


def exact_measure(law: Law, order: Order) -> InformationCurve | OrderSurface:
    if order.name == "random":
        return InformationCurve(law.conditional_entropy_curve())
    return OrderSurface(order_surface(law, order.permutation_for(law.n)), order)


# Predictions


def ordered_partitions(left: frozenset[int], sizes: Sequence[int]) -> Iterator[Groups]:
    """All ways to reveal positions in steps of these sizes, equally likely in a random order."""
    if not sizes:
        yield ()
        return
    for group in combinations(sorted(left), sizes[0]):
        for rest in ordered_partitions(left - set(group), sizes[1:]):
            yield (group, *rest)


def sampler_kl(denoiser: LawDenoiser, schedule: UnmaskingSchedule) -> float:
    """KL(law || sampler): the sampler is teacher-forced on every outcome of the law."""
    outcomes, mu = denoiser.outcomes, denoiser.probabilities.numpy()
    windows = Windows(outcomes, np.arange(len(outcomes)), 0)
    (score,) = evaluate(denoiser, windows, [schedule], batch_size=len(outcomes))
    return float(mu @ (np.log(mu) + score.values * denoiser.length))


def expected_sampler_kl(denoiser: LawDenoiser, sizes: tuple[int, ...]) -> float:
    """Mean of ``sampler_kl`` over every order."""
    found = []
    for groups in ordered_partitions(frozenset(range(denoiser.length)), sizes):
        order = Order("explicit", permutation=tuple(p for group in groups for p in group))
        found.append(sampler_kl(denoiser, UnmaskingSchedule(denoiser.length, order, sizes)))
    return float(np.mean(found))


def predictions(law: Law) -> Iterator[dict[str, Any]]:
    """Predicted and enumerated loss of best and of equal sizes for every number of steps."""
    denoiser = LawDenoiser(law.table())
    for order in (RANDOM, DILATED):
        measure = exact_measure(law, order)
        every_size = {uniform_sizes(law.n, k) for k in range(1, law.n + 1)}
        every_size |= {solve(measure, steps=k).schedule.step_sizes for k in range(1, law.n + 1)}
        if order == DILATED:
            every_size.add(dus_schedule(law.n).step_sizes)
        for sizes in sorted(every_size, key=lambda sizes: (len(sizes), sizes)):
            schedule = UnmaskingSchedule(law.n, order, sizes)
            by_enumeration = (
                expected_sampler_kl(denoiser, sizes)
                if order == RANDOM
                else sampler_kl(denoiser, schedule)
            )
            yield {
                "order": order.name,
                "step_sizes": sizes,
                "predicted": loss_of(measure, sizes),
                "enumerated": by_enumeration,
            }


# Coverage


def used(measure: InformationCurve | OrderSurface, values: Floats) -> Floats:
    """The entries that mean something: of a surface, those on and over the diagonal."""
    if isinstance(measure, InformationCurve):
        return values
    return values[np.triu_indices(measure.length)]


def coverage(law: Law, order: Order) -> dict[str, Any]:
    """Share of the 95 % intervals that hold the exact entry, over entries and replicates."""
    denoiser = LawDenoiser(law.table())
    exact = exact_measure(law, order)
    truth = used(exact, exact.conditional_entropy)
    passes = PASSES_PER_ENTRY * law.n
    errors, shares, widths = [], [], []
    for seed in range(REPLICATES):
        tokens = denoiser.draw(passes, np.random.default_rng([seed, law.n]))
        windows = Windows(tokens, np.arange(passes), 0)
        measure = estimate(
            denoiser, windows, order=order, passes=passes, smoothing="raw", seed=seed
        ).measure
        if measure.stderr is None:
            raise RuntimeError("an entry was measured on one document: use more passes")
        stderr = used(measure, measure.stderr)
        error = used(measure, measure.conditional_entropy) - truth
        random = stderr > TOLERANCE  # the rest is certain, as C(0) of a symmetric law is
        if np.abs(error[~random]).max(initial=0.0) > TOLERANCE:
            raise RuntimeError("an entry that should be certain is wrong")
        errors.append(error)
        shares.append(np.mean(np.abs(error[random]) <= 1.96 * stderr[random]))
        widths.append(1.96 * stderr[random].mean())
    return {
        "order": order.name,
        "passes": passes,
        "replicates": REPLICATES,
        "entries": len(truth),
        "covered": float(np.mean(shares)),
        # Entries of a surface share passes, so that replicates are what is independent.
        "covered_stderr": float(np.std(shares, ddof=1) / REPLICATES**0.5),
        "mean_half_width": float(np.mean(widths)),
        "largest_mean_error": float(np.abs(np.mean(errors, axis=0)).max()),
    }


# Fits


def fits(law: Law, order: Order, steps: int) -> dict[str, Any]:
    """What ``fit`` promises and measures on draws of a law, against the truth."""
    denoiser, exact = LawDenoiser(law.table()), exact_measure(law, order)
    least = float(losses(exact)[steps - 1])
    rows = []
    for seed in range(FITS):
        tokens = denoiser.draw(FIT_PASSES, np.random.default_rng([seed, steps]))
        windows = Windows(tokens, np.arange(FIT_PASSES), 0)
        found = fit(denoiser, windows, order=order, steps=steps, passes=FIT_PASSES, seed=seed)
        rows.append(
            {
                "fitted": found.solution.loss,
                "measured": found.loss.value,
                "stderr": found.loss.stderr,
                "exact": loss_of(exact, found.schedule.step_sizes),
                "nll": found.nll.value,
                "nll_stderr": found.nll.stderr,
            }
        )
    columns = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    miss = np.abs(columns["measured"] - columns["exact"])
    nll_miss = np.abs(columns["nll"] - columns["exact"] - law.entropy())
    return {
        "order": order.name,
        "steps": steps,
        "least_loss": least,
        "mean_exact_loss": float(columns["exact"].mean()),
        "mean_fitted_loss": float(columns["fitted"].mean()),
        "mean_measured_loss": float(columns["measured"].mean()),
        "mean_stderr": float(columns["stderr"].mean()),
        "within_95": int((miss <= 1.96 * columns["stderr"] + TOLERANCE).sum()),
        "nll_within_95": int((nll_miss <= 1.96 * columns["nll_stderr"] + TOLERANCE).sum()),
        "fits": FITS,
    }


def main() -> None:
    started = time.monotonic()
    document: dict[str, Any] = {"about": __doc__}
    document["predictions"] = [
        {"law": name, **row}
        for name, law in {**NOISY, **CERTAIN}.items()
        for row in predictions(law)
    ]
    gaps = [abs(row["predicted"] - row["enumerated"]) for row in document["predictions"]]
    document["largest_difference"] = max(gaps)
    print(
        f"predictions: {len(gaps)} schedules of {len(NOISY) + len(CERTAIN)} laws, largest "
        f"difference {max(gaps):.1e} nats, after {time.monotonic() - started:.0f} s",
        flush=True,
    )
    document["coverage"] = []
    for name, law in NOISY.items():
        for order in (RANDOM, DILATED):
            row = {"law": name, **coverage(law, order)}
            document["coverage"].append(row)
            print(f"{name}, {order.name}: {row['covered']:.1%} covered", flush=True)
    document["fits"] = []
    for name, law in NOISY.items():
        for order in (RANDOM, DILATED):
            found = [{"law": name, **fits(law, order, steps)} for steps in FIT_STEPS[: law.n - 1]]
            document["fits"] += found
            within = sum(row["within_95"] for row in found)
            print(f"{name}, {order.name}: {within}/{FITS * len(found)} fits within", flush=True)
    write_result("oracles", document, started)


if __name__ == "__main__":
    main()
