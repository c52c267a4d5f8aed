"""Schedule loss, estimation and learning, told apart on a law whose truth is known.

    python experiments/train_chain.py --out build/models --seeds 0,1 --minutes 8
    python experiments/known_truth.py --models build/models --seeds 0,1
    python experiments/known_truth.py --models build/models --seeds 0,1,2 --device cuda \
        --samples 1024 --truth 4096 --passes 16384 --batch 512

The law is the chain of ``train_chain``: 64 positions, 8 symbols, order 2, so that conditionals and
log-probabilities are exact, and a model of each seed was trained on its draws. What a sampler that
asks a model loses, KL(law || sampler) with the order given, is the sum of

- ``schedule``: what the best sizes lose with the true conditionals, the best by the true curve of
  the random order or the true surface of the dilated one;
- ``estimation``: what sizes lose more that are the best by ``--passes`` passes of the model, with
  the true conditionals again;
- ``learning``: what these sizes lose more when the model gives the conditionals.

All are teacher-forced on the same draws of the law, in pairs, with random orders in common. The
true curve and surface are means of exact entropies over other draws, all prefixes of one order on
each: half of these draws choose the sizes, and the others predict losses. Of a model, a second
estimate predicts. ``regret`` is what sizes by fewer passes, of the models and of the law itself,
lose over the best ones, by the draws that predict. To the true conditionals of a stationary law
many positions look alike; among these a planner chooses at random, and ``ties_to_the_left`` tells
what choosing the first costs. ``sequential`` is one position a step, where all loss is learning.
In nats a symbol; standard errors are over draws, ``seed_stderr`` over models, those of ``regret``
over estimates.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import write_result
from law_draws import UntiedLaw, losses_of, measure_of, nested_entropies
from numpy.typing import NDArray
from train_chain import LENGTH, chain_law

from schedopt.clusters import mean_over_documents
from schedopt.curve import InformationCurve, OrderSurface
from schedopt.data import Windows
from schedopt.estimators import Estimate, estimate
from schedopt.evaluation import law_kl
from schedopt.models import Denoiser, LawDenoiser, load_model
from schedopt.samplers import Policy, SchedulePolicy, policy_for
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.sizes import uniform_sizes
from schedopt.solvers import solve
from theory.distributions import Law

Floats = NDArray[np.float64]
Sizes = Sequence[int]

ORDERS = {"random": Order("random"), "dilated": Order("dilated", base=2)}
BUDGETS = (4, 8, 16, 32)
SIZED = ("confidence", "entropy")
SEQUENTIAL = (*ORDERS, "left_to_right", "confidence")
RULES = {"eb": (8, 4, 2, 1), "threshold": (0.3, 0.5, 0.7)}
DUS_BLOCKS = (64, 32, 16, 8)
SWEEP = (64, 256, 1024)
REPEATS = 4  # estimates with so many passes each


# What is compared


@dataclass(frozen=True)
class Study:
    """The law, its models, and what was found of them so far.

    KL and excess are kept by the name of the sampler, shape (samples,), nats.
    """

    law: Law
    models: Mapping[int, Denoiser]  # by seed
    args: argparse.Namespace
    sizes: dict[str, Sizes] = field(default_factory=dict)
    chosen: dict[str, Floats] = field(default_factory=dict)  # entropies by order
    judges: dict[str, Floats] = field(default_factory=dict)
    forecasts: dict[tuple[int, str], Estimate] = field(default_factory=dict)
    truth: dict[str, Floats] = field(default_factory=dict)
    learnt: dict[int, dict[str, Floats]] = field(default_factory=dict)
    tied: dict[str, Floats] = field(default_factory=dict)
    nfe: dict[str, list[float]] = field(default_factory=dict)  # the law's, then each model's

    def estimate(self, model: Denoiser, order: str, passes: int, seed: int) -> Estimate:
        """An estimate on draws of its own, as many as it makes passes."""
        draws = LawDenoiser(self.law).draw(passes, np.random.default_rng([seed, passes]))
        windows = Windows.independent(draws)
        return estimate(model, windows, order=ORDERS[order], passes=passes, seed=seed)

    def solve(self) -> None:
        """Sizes by the truth, by each model and equal ones, and what predicts their losses."""
        half = self.args.truth // 2
        for name, order in ORDERS.items():
            entropies = nested_entropies(self.law, order, self.args.truth, self.args.seed)
            self.chosen[name], self.judges[name] = entropies[:half], entropies[half:]
            exact = measure_of(entropies[:half], order)
            measures = {"optimal": exact}
            for seed, model in self.models.items():
                fit, self.forecasts[seed, name] = (
                    self.estimate(model, name, self.args.passes, 2 * seed + part) for part in (0, 1)
                )
                measures[f"fitted {seed}"] = fit.measure
            for k in BUDGETS:
                self.sizes[f"{name} equal:{k}"] = uniform_sizes(LENGTH, k)
                for kind, measure in measures.items():
                    self.sizes[f"{name} {kind}:{k}"] = best_sizes(measure, k)

    def measure(self) -> None:
        """Teacher-force every sampler, with the law and with the models that it is for."""
        fixed: dict[str, Policy] = {}
        for label, sizes in self.sizes.items():
            order = ORDERS[label.split()[0]]
            fixed[label] = SchedulePolicy(UnmaskingSchedule(LENGTH, order, tuple(sizes)))
        adaptive = planners()
        everything = adaptive | fixed
        self.truth.update(self._kl(adaptive, UntiedLaw(self.law)) | self._kl(fixed, None))
        left = {f"{name}, ties to the left": policy for name, policy in adaptive.items()}
        self.tied.update(self._kl(left, None))
        ends = {
            f"{name} end": policy_for(name, block_length=LENGTH, steps=LENGTH)
            for name in SEQUENTIAL
        }
        for seed, model in self.models.items():
            own = {
                name: policy
                for name, policy in everything.items()
                if "optimal" not in name and ("fitted" not in name or f"fitted {seed}:" in name)
            }
            self.learnt[seed] = self._kl(own | ends, model)

    def _kl(self, policies: Mapping[str, Policy], model: Denoiser | None) -> dict[str, Floats]:
        found = law_kl(
            self.law,
            list(policies.values()),
            model=model,
            samples=self.args.samples,
            seed=self.args.seed,
            batch_size=self.args.batch,
        )
        for name, score in zip(policies, found, strict=True):
            self.nfe.setdefault(name, []).append(score.nfe)
        return {name: score.values for name, score in zip(policies, found, strict=True)}


def best_sizes(measure: InformationCurve | OrderSurface, steps: int) -> Sizes:
    return solve(measure, steps=steps).schedule.step_sizes


def planners() -> dict[str, Policy]:
    found = {}
    for name, k in product(SIZED, BUDGETS):
        found[f"{name}:{k}"] = policy_for(name, block_length=LENGTH, steps=k)
    for name, numbers in (*RULES.items(), ("dus", DUS_BLOCKS)):
        for number in numbers:
            found[f"{name}:{number}"] = policy_for(f"{name}:{number}", block_length=LENGTH)
    return found


# What is told


def told(values: Sequence[Floats]) -> dict[str, Any]:
    """Mean over seeds and draws of values for each seed, nats a symbol, and its errors."""
    by_seed = [float(v.mean()) / LENGTH for v in values]
    mean = mean_over_documents(np.mean(values, axis=0) / LENGTH, np.arange(len(values[0])))
    row: dict[str, Any] = {"value": mean.value, "stderr": mean.stderr}
    if len(values) > 1:
        row["seeds"] = by_seed
        row["seed_stderr"] = float(np.std(by_seed, ddof=1) / len(by_seed) ** 0.5)
    return row


def parts(study: Study) -> Iterator[dict[str, Any]]:
    """Schedule loss, estimation and learning of the schedules that the models choose."""
    truth, learnt = study.truth, study.learnt
    for order, k in product(ORDERS, BUDGETS):
        best = truth[f"{order} optimal:{k}"]
        fits = {seed: f"{order} fitted {seed}:{k}" for seed in learnt}
        yield {
            "order": order,
            "steps": k,
            "schedule": told([best]),
            "estimation": told([truth[fit] - best for fit in fits.values()]),
            "learning": told([learnt[seed][fit] - truth[fit] for seed, fit in fits.items()]),
            "total": told([learnt[seed][fit] for seed, fit in fits.items()]),
        }


def samplers(study: Study) -> Iterator[dict[str, Any]]:
    """KL and passes of every sampler, with the true conditionals and with the models."""
    for name, exact in study.truth.items():
        passes = study.nfe[name]
        row = {"sampler": name, "truth": {"nfe": passes[0], **told([exact])}}
        own = [values[name] for values in study.learnt.values() if name in values]
        if own:
            row["model"] = {"nfe": float(np.mean(passes[1:])), **told(own)}
            row["learning"] = told([values - exact for values in own])
        yield row


def predictions(study: Study) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Predicted and measured excess over one position a step, and the slopes between them."""
    rows, slopes = [], []

    def add(label: str, value: float, stderr: float, measured: Floats, **who: Any) -> None:
        value, stderr, found = value / LENGTH, stderr / LENGTH, told([measured])
        rows.append(
            {
                **who,
                "sampler": label,
                "predicted": value,
                "predicted_stderr": stderr,
                "measured": found["value"],
                "measured_stderr": found["stderr"],
                "within_95": bool(
                    abs(found["value"] - value) <= 1.96 * np.hypot(stderr, found["stderr"])
                ),
            }
        )
        pairs.append((value, measured / LENGTH))

    for name in ORDERS:
        pairs: list[tuple[float, Floats]] = []
        for kind, k in product(("optimal", "equal"), BUDGETS):
            label = f"{name} {kind}:{k}"
            losses = losses_of(study.judges[name], study.sizes[label])
            known = mean_over_documents(losses, np.arange(len(losses)))
            add(label, known.value, known.stderr, study.truth[label], conditionals="truth")
        slopes.append({"conditionals": "truth", "order": name, **slope(pairs)})
        pairs = []
        for (seed, scores), k in product(study.learnt.items(), BUDGETS):
            for kind in (f"fitted {seed}", "equal"):
                label = f"{name} {kind}:{k}"
                known = study.forecasts[seed, name].loss(study.sizes[label])
                excess = scores[label] - scores[f"{name} end"]
                add(label, known.value, known.stderr, excess, conditionals="model", seed=seed)
        slopes.append({"conditionals": "model", "order": name, **slope(pairs)})
    return rows, slopes


def slope(pairs: Sequence[tuple[float, Floats]]) -> dict[str, Any]:
    """Least squares through the origin, of measured on predicted losses; error over draws."""
    predicted = np.array([value for value, _ in pairs])
    by_draw = predicted / np.square(predicted).sum() @ np.stack([losses for _, losses in pairs])
    found = mean_over_documents(by_draw, np.arange(len(by_draw)))
    return {"value": found.value, "stderr": found.stderr, "schedules": len(pairs)}


def regrets(study: Study) -> Iterator[dict[str, Any]]:
    """What sizes by few passes lose over the best ones, with the true conditionals."""
    asked = {"truth": {0: LawDenoiser(study.law)}, "model": study.models}
    for (who, models), order, passes in product(asked.items(), ORDERS, SWEEP):
        measures = [
            study.estimate(model, order, passes, 1000 * (1 + seed) + repeat).measure
            for (seed, model), repeat in product(models.items(), range(REPEATS))
        ]
        for k in BUDGETS:
            judge = study.judges[order]
            least = float(losses_of(judge, study.sizes[f"{order} optimal:{k}"]).mean())
            found = [losses_of(judge, best_sizes(m, k)).mean() - least for m in measures]
            yield {
                "conditionals": who,
                "order": order,
                "steps": k,
                "passes": passes,
                "estimates": len(found),
                "regret": float(np.mean(found)) / LENGTH,
                "stderr": float(np.std(found, ddof=1) / len(found) ** 0.5) / LENGTH,
                "least_loss": least / LENGTH,
            }


def about_model(folder: Path, model: Denoiser) -> dict[str, Any]:
    record = json.loads((folder / "training.json").read_text())
    return {**model.provenance, "training": {k: v for k, v in record.items() if "every" not in k}}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, default=Path("build/models"))
    parser.add_argument("--seeds", default="0,1", help="of the models, with commas")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--samples", type=int, default=64, help="draws to measure on")
    parser.add_argument("--truth", type=int, default=1024, help="draws for the true curves")
    parser.add_argument("--passes", type=int, default=2048, help="of each estimate")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_float32_matmul_precision("high")
    started = time.monotonic()
    law = chain_law()
    folders = {seed: args.models / f"chain-{seed}" for seed in map(int, args.seeds.split(","))}
    models = {seed: load_model(str(f), device=args.device) for seed, f in folders.items()}
    study = Study(law, models, args)
    for work in (study.solve, study.measure):
        work()
        print(f"{work.__name__}: {time.monotonic() - started:.0f} s", flush=True)
    rows, slopes = predictions(study)
    write_result(
        "known_truth",
        {
            "about": __doc__,
            "law": {
                "positions": law.n,
                "symbols": law.q,
                "order": law.order,
                "entropy_per_symbol": law.entropy() / law.n,
                "curve": study.chosen["random"].mean(axis=0).round(5).tolist(),
            },
            "models": {
                str(seed): {
                    **about_model(folders[seed], model),
                    "curve": study.forecasts[seed, "random"]
                    .measure.conditional_entropy.round(5)
                    .tolist(),
                }
                for seed, model in models.items()
            },
            "samples": args.samples,
            "truth_draws": args.truth,
            "passes_per_estimate": args.passes,
            "seed": args.seed,
            "parts": list(parts(study)),
            "samplers": list(samplers(study)),
            "ties_to_the_left": [
                {"sampler": name.partition(",")[0], "nfe": study.nfe[name][0], **told([values])}
                for name, values in study.tied.items()
            ],
            "sequential": [
                {"order": name, **told([scores[f"{name} end"] for scores in study.learnt.values()])}
                for name in SEQUENTIAL
            ],
            "predictions": rows,
            "slopes": slopes,
            "regret": list(regrets(study)),
            "step_sizes": {n: list(s) for n, s in study.sizes.items() if "equal" not in n},
        },
        started,
    )


if __name__ == "__main__":
    main()
