"""Predicted against measured excess loss: the slope, and how often intervals hold.

    python experiments/slope.py --length 64 --windows 130 --passes 1536       # tiny, on a CPU
    python experiments/slope.py --model build/models/base --passes 16384 --batch 512 --device cuda

The documents are split in three. On the first part sizes are solved; the second predicts what each
schedule loses over one position a step; on the third the sampler is measured. Sizes are optimal,
equal, and odd (1 : 3 in turn, so that nobody would take them). There are two predictions:

- ``plain``: sums over a schedule's edges of plain means over all prefixes of each order, which is
  the theorem and nothing else;
- ``smooth``: from the curve or surface that ``estimate`` fits by default, to a part of these passes
  (to passes of its own for the random order). Its errors know nothing of the bias of its terms.

Rows share documents, so the error of the slope is the jackknife's over the documents of both
parts: everything is fitted again without each document. Prediction and measurement both have
errors; the slope b is that of a line through the origin which minimises
sum (m - b p)^2 / (var m + b^2 var p).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from common import parse_study, setting, study_parser, write_result
from fronts import DILATED, RANDOM, Floats, bytes_per_token, measure, streams

from schedopt.clusters import document_sums
from schedopt.data import Windows, load_windows
from schedopt.data.windows import generator
from schedopt.estimators import estimate, influence
from schedopt.estimators.fixed_order import passes_per_window
from schedopt.estimators.probe import Probes, probe
from schedopt.evaluation import sequential_policy
from schedopt.models import load_model
from schedopt.samplers import SchedulePolicy
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.sizes import uniform_sizes
from schedopt.solvers import solve_blocks

BUDGETS = (4, 8, 16, 32, 64)
EQUAL, ODD = (4, 16), (8,)
CHOOSING = 0.25  # of the windows, and of the passes of each estimate that they get


@dataclass(frozen=True, eq=False)
class Known:
    """Numbers with the independent parts of their errors.

    Args:
        values: Shape (S,).
        parts: Shape (R, S): the squares of any linear function of them sum to its variance. The
            first rows are of documents, in the same order wherever these are the same.
    """

    values: Floats
    parts: Floats

    @property
    def stderr(self) -> Floats:
        return np.asarray(np.sqrt((self.parts**2).sum(axis=0)))


def orders_of(length: int) -> dict[str, tuple[Order, int]]:
    """Order and block length by name."""
    found = {"random": (RANDOM, length)}
    block = length
    while block >= length // 8:
        found[f"dilated, B={block}"] = (DILATED, block)
        block //= 2
    return found | {f"streams of {length // 2}": (streams(length // 2, length=length), length)}


def odd_sizes(n: int, k: int) -> tuple[int, ...]:
    """Sizes that rise from 1 to 3 and fall back to 1, again and again.

    >>> odd_sizes(16, 4)
    (2, 6, 2, 6)
    """
    weights = np.where(np.arange(k) % 2, 3.0, 1.0)
    ends = np.round(np.cumsum(weights) / weights.sum() * n).astype(int)
    return tuple(int(s) for s in np.diff(ends, prepend=0))


def schedules_of(measure_of: Any, order: Order, block: int, length: int) -> dict[str, Any]:
    """Schedules of one order by kind and total passes."""
    blocks = length // block
    found = {}
    for k in (k for k in BUDGETS if blocks <= k < length):
        found[f"optimal:{k}"] = solve_blocks(measure_of, blocks, steps=k).schedule
    for kind, budgets, sizes in (("equal", EQUAL, uniform_sizes), ("odd", ODD, odd_sizes)):
        for k in (k for k in budgets if 2 * blocks <= k <= length // 2):
            found[f"{kind}:{k}"] = UnmaskingSchedule(block, order, tuple(sizes(block, k // blocks)))
    return found


def excess_of(surfaces: Floats, schedule: UnmaskingSchedule) -> Floats:
    """Loss of a schedule over one position a step, nats.

    Args:
        surfaces: Shape (..., blocks, n, n): what index j of the order costs when the first a are
            known, at [a, j].
        schedule: Its sizes may differ between blocks.
    """
    total = np.zeros(surfaces.shape[:-3])
    for block in range(surfaces.shape[-3]):
        sizes = schedule.sizes_of_block(block)
        starts, entries = np.repeat(np.cumsum([0, *sizes[:-1]]), sizes), np.arange(sum(sizes))
        of_block = surfaces[..., block, :, :]
        total += (of_block[..., starts, entries] - of_block[..., entries, entries]).sum(axis=-1)
    return total


def jackknife_parts(without: Floats) -> Floats:
    """What each document adds to an error, from the number without it, shape (D, S).

    >>> jackknife_parts(np.array([[1.5], [1.0], [0.5]])).round(3)  # of the mean of 0, 1 and 2
    array([[-0.408],
           [ 0.   ],
           [ 0.408]])
    """
    count = len(without)
    return np.sqrt((count - 1) / count) * (without.mean(axis=0) - without)


def mean_of(values: Floats, documents: Any) -> Known:
    """Means over windows of values, shape (N, S), with what each document adds to the errors."""
    sums = [document_sums(column, documents) for column in values.T]
    totals, counts = np.stack([found for found, _ in sums], axis=1), sums[0][1]
    without = (totals.sum(axis=0) - totals) / (counts.sum() - counts)[:, None]
    return Known(totals.sum(axis=0) / counts.sum(), jackknife_parts(without))


def sweep(
    model: Any, windows: Windows, order: Order, block: int, args: argparse.Namespace
) -> Floats:
    """NLL of every index of the order after every prefix: shape (N, blocks, n, n), NaN if known.

    The random order is drawn anew for every window.
    """
    count, blocks = len(windows), windows.length // block
    window, which, known = np.indices((count, blocks, block)).reshape(3, -1)
    rng = generator(args.seed, block)
    if order.is_fixed:
        orders = np.tile(np.array(order.permutation_for(block)), (len(known), 1))
    else:
        drawn = rng.permuted(np.tile(np.arange(block), (count, 1)), axis=1)
        orders = drawn[window]
    probes = Probes(window, which, orders, known)
    found = probe(model, windows, probes, batch=args.batch).nll
    return found.reshape(count, blocks, block, block)


def of_curve(
    model: Any, windows: Windows, schedules: Sequence[UnmaskingSchedule], args: argparse.Namespace
) -> Known:
    """Predictions from the smooth information curve, with the parts of error that it tells."""
    found = estimate(
        model, windows, order=RANDOM, passes=args.passes, seed=args.seed, batch=args.batch
    )
    n = windows.length

    def predicted(curve: Floats) -> Floats:
        surfaces = np.broadcast_to(curve[..., None, :, None], (*curve.shape[:-1], 1, n, n))
        return np.stack([excess_of(surfaces, s) for s in schedules], axis=-1) / n

    assert found.deviations is not None  # it is smooth
    return Known(predicted(found.measure.conditional_entropy), predicted(found.deviations))


def of_surface(
    swept: Floats,
    windows: Windows,
    order: Order,
    schedules: Sequence[UnmaskingSchedule],
    args: argparse.Namespace,
) -> Known:
    """Predictions from the smooth surface of some prefixes of each block, jackknifed."""
    count, blocks, n, _ = swept.shape
    nested = passes_per_window(args.passes, n, "smooth")
    rng = generator(args.seed, n, args.passes)
    starts = (np.arange(nested) + rng.random((count * blocks, nested))) * n / nested
    known = np.minimum(starts.astype(np.int64), n - 1).ravel()
    unit = np.repeat(np.arange(count * blocks), nested)
    nll = swept.reshape(count * blocks, n, n)[unit, known]
    names, owner = np.unique(windows.documents, return_inverse=True)
    document = owner[unit // blocks]
    positions = order.permutation_for(n)
    features, laws = influence.cumulative_features(positions), influence.power_laws(positions)
    statistics = influence.fit_differences(features, nll, known, unit, document, laws)

    def predicted(weights: Floats) -> Floats:
        coefficients = statistics.solve(weights, laws)
        surface = influence.assemble(features, coefficients, nll, known, weights[document])
        surfaces = np.broadcast_to(surface, (blocks, n, n))
        return np.array([excess_of(surfaces, s) for s in schedules]) / windows.length

    everyone = np.ones(len(names))
    without = np.stack([predicted(everyone - one) for one in np.eye(len(names))])
    return Known(predicted(everyone), jackknife_parts(without))


def joined(known: Sequence[Known]) -> Known:
    """Numbers of several orders; rows of the same documents are the same, others independent."""
    shared = min(len(each.parts) for each in known)
    alike = np.concatenate([each.parts[:shared] for each in known], axis=1)
    rest, start, width = [], 0, alike.shape[1]
    for each in known:
        own = np.zeros((len(each.parts) - shared, width))
        own[:, start : start + len(each.values)] = each.parts[shared:]
        rest.append(own)
        start += len(each.values)
    return Known(np.concatenate([each.values for each in known]), np.vstack([alike, *rest]))


def slope_of(predicted: Floats, measured: Floats, var_p: Floats, var_m: Floats) -> float:
    """Slope through the origin, both sides with errors.

    >>> slope_of(np.array([1.0, 2.0]), np.array([2.0, 4.0]), np.ones(2), np.ones(2))
    2.0
    """
    slope = 1.0
    for _ in range(50):  # the weights depend on the slope, weakly
        weights = 1.0 / (var_m + slope**2 * var_p)
        # Predictions as the line has them, between what was predicted and what was measured.
        true = weights * (var_m * predicted + slope * var_p * measured)
        before = slope
        slope = float((weights * true * measured).sum() / (weights * true * predicted).sum())
        if abs(slope - before) < 1e-9:
            break
    return slope


def fit_slope(predicted: Known, measured: Known, rows: Any = slice(None)) -> dict[str, float]:
    """The slope over some rows, with its error from the documents of either part."""
    p, m = predicted.values[rows], measured.values[rows]
    variances = predicted.stderr[rows] ** 2, measured.stderr[rows] ** 2
    slope = slope_of(p, m, *variances)
    of_p = [slope_of(p + part, m, *variances) - slope for part in predicted.parts[:, rows]]
    of_m = [slope_of(p, m + part, *variances) - slope for part in measured.parts[:, rows]]
    apart = float(np.sum(np.square(of_p))), float(np.sum(np.square(of_m)))
    return {
        "slope": slope,
        "stderr": sum(apart) ** 0.5,
        "stderr_of_predictions": apart[0] ** 0.5,
        "stderr_of_measurements": apart[1] ** 0.5,
        "rows": len(p),
    }


def main() -> None:
    parser = study_parser(__doc__)
    parser.add_argument("--length", type=int, default=128, help="positions, after as many known")
    args = parse_study(parser)
    started = time.monotonic()
    model = load_model(args.model, device=args.device)
    windows, about = load_windows(
        model, length=args.length, context=args.length, limit=args.windows
    )
    about["bytes_per_token"] = bytes_per_token(model, windows)
    predicted_on, measured_on = windows.split(0.5, seed=args.seed)
    chosen_on, predicted_on = predicted_on.split(CHOOSING, seed=args.seed)
    parts = {"chosen": chosen_on, "predicted": predicted_on, "measured": measured_on}
    print({name: len(part) for name, part in parts.items()}, flush=True)

    names, measurements = [], []
    predictions: dict[str, list[Known]] = {"plain": [], "smooth": []}
    for name, (order, block) in orders_of(args.length).items():
        first = estimate(
            model,
            chosen_on,
            order=order,
            block_length=block,
            passes=max(256, int(CHOOSING * args.passes)),
            seed=args.seed,
            batch=args.batch,
        ).measure
        by_kind = schedules_of(first, order, block, args.length)
        schedules = list(by_kind.values())
        swept = sweep(model, predicted_on, order, block, args)
        plain = np.stack([excess_of(swept, s) for s in schedules], axis=1) / args.length
        predictions["plain"].append(mean_of(plain, predicted_on.documents))
        predictions["smooth"].append(
            of_curve(model, predicted_on, schedules, args)
            if order == RANDOM
            else of_surface(swept, predicted_on, order, schedules, args)
        )
        print(f"{name} predicted after {time.monotonic() - started:.0f} s", flush=True)
        policies = [SchedulePolicy(s, f"{name}:{kind}") for kind, s in by_kind.items()]
        *scores, last = measure(
            model, measured_on, [*policies, sequential_policy(order, block)], args
        )
        excess = np.stack([score.values - last.values for score in scores], axis=1)
        measurements.append(mean_of(excess, measured_on.documents))
        names += [(name, *kind.split(":")) for kind in by_kind]
    measured = joined(measurements)
    by_prediction = {which: joined(found) for which, found in predictions.items()}

    rows = [
        {
            "order": name,
            "sizes": kind,
            "passes": int(passes),
            "measured": float(measured.values[i]),
            "measured_stderr": float(measured.stderr[i]),
            **{
                which: {
                    "predicted": float(found.values[i]),
                    "predicted_stderr": float(found.stderr[i]),
                    "within_95": bool(
                        abs(measured.values[i] - found.values[i])
                        <= 1.96 * np.hypot(found.stderr[i], measured.stderr[i])
                    ),
                }
                for which, found in by_prediction.items()
            },
        }
        for i, (name, kind, passes) in enumerate(names)
    ]
    kinds = {"all": list(range(len(rows)))} | {
        key: [i for i, row in enumerate(rows) if key in (row["order"], row["sizes"])]
        for key in dict.fromkeys([*(r["order"] for r in rows), *(r["sizes"] for r in rows)])
    }
    slopes = {
        which: {key: fit_slope(found, measured, some) for key, some in kinds.items()}
        for which, found in by_prediction.items()
    }
    print({which: found["all"] for which, found in slopes.items()}, flush=True)
    write_result(
        f"slope_{args.name}",
        {
            "about": f"{args.length} tokens after {args.length}; excess in nats per token",
            **setting(args, model, about, **parts),
            "length": args.length,
            "documents": {key: len(np.unique(part.documents)) for key, part in parts.items()},
            "slopes": slopes,
            "within_95": {
                which: [sum(row[which]["within_95"] for row in rows), len(rows)]
                for which in by_prediction
            },
            "rows": rows,
        },
        started,
    )


if __name__ == "__main__":
    main()
