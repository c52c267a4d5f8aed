"""Transfer between temperatures: sizes fitted at one, used at another; predicted and measured.

    python experiments/transfer_temperature.py                                # 6 minutes, one core
    python experiments/transfer_temperature.py --model build/models/base --device cuda \\
        --batch 512 --length 128 --context 128 --windows 512 --passes 16384

At temperature t the model is that of p^(1/t), and the texts are its own: after held-out context
they are drawn one position a step, in the order that the surface is measured in. So what
a schedule loses over one position a step is exactly KL(sequential_t || parallel_t), and the NLL of
one position a step is the entropy of what is sampled. (In random order it would not be: the
conditionals of a network fit no joint law, so that a text is less likely in other orders.)

Documents are split in two halves; sizes chosen on one are judged on the other, whose own smooth
estimate predicts what they lose (errors over the two halves), and on which teacher forcing measures
it for ``--measured`` steps (errors over documents).
"""

from __future__ import annotations

import time
from math import hypot
from typing import Any

import numpy as np
import torch
from common import parse_study, setting, study_parser, write_result
from numpy.typing import NDArray
from transfer import relative

from schedopt.clusters import mean_over_documents
from schedopt.data import Windows, load_windows
from schedopt.estimators import estimate
from schedopt.estimators.result import Estimate
from schedopt.evaluation import evaluate, sequential_policy
from schedopt.models import CallableDenoiser, Denoiser, load_model
from schedopt.samplers.drawing import draw
from schedopt.schedule import Order
from schedopt.solvers import losses, solve

TEMPERATURES = (1.0, 0.7, 0.5)
BUDGETS = (4, 8, 16)
ORDER = Order("dilated", base=2)

Floats = NDArray[np.float64]


def tempered(model: Denoiser, temperature: float) -> CallableDenoiser:
    """The model of p^(1/t), renormalised."""
    return CallableDenoiser(
        lambda tokens: model.logits(tokens) / temperature,
        mask_id=model.mask_id,
        vocab_size=model.vocab_size,
        max_length=model.max_length,
        eos_id=model.eos_id,
        name=f"{model.provenance['name']} at temperature {temperature}",
        device=model.device,
    )


def own_texts(
    model: Denoiser, prompts: Windows, *, batch: int, seed: int
) -> tuple[Windows, Floats]:
    """Texts after the prompts' contexts, one position a step, and the NLL of each, nats."""
    policy = sequential_policy(ORDER, prompts.length)
    tokens, nll = [], []
    for low in range(0, len(prompts), batch):
        rows = range(low, min(low + batch, len(prompts)))
        canvas = prompts.tokens[rows.start : rows.stop].clone()
        canvas[:, prompts.context :] = model.mask_id
        done = draw([model], canvas, policy, start=prompts.context, rows=rows, seed=seed)
        tokens.append(done.tokens.cpu())
        nll.append(done.nll.sum(dim=1).cpu().numpy())
    return Windows(torch.cat(tokens), prompts.documents, prompts.context), np.concatenate(nll)


def main() -> None:
    parser = study_parser(__doc__, passes=1024, windows=160)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--context", type=int, default=64)
    parser.add_argument("--measured", type=int, nargs="+", default=[8], help="steps")
    args = parse_study(parser)
    started = time.monotonic()
    model = load_model(args.model, device=args.device)
    prompts, about = load_windows(
        model, length=args.length, context=args.context, limit=args.windows
    )
    models = {t: tempered(model, t) for t in TEMPERATURES}
    halves: dict[float, list[Windows]] = {}
    alone: dict[float, list[Floats]] = {}  # NLL of one position a step, nats a token
    found: dict[float, list[Estimate]] = {}
    levels = []
    for t in TEMPERATURES:
        texts, nll = own_texts(models[t], prompts, batch=args.batch, seed=args.seed)
        parts = texts.split(0.5, seed=args.seed)
        halves[t] = list(parts)
        first = np.isin(texts.documents, parts[0].documents)
        alone[t] = [nll[first] / args.length, nll[~first] / args.length]
        found[t] = [
            estimate(
                models[t],
                part,
                order=ORDER,
                passes=args.passes,
                seed=2 * args.seed + i,
                batch=args.batch,
            )
            for i, part in enumerate(parts)
        ]
        level = mean_over_documents(nll / args.length, texts.documents)
        levels.append({"temperature": t, "entropy_a_token": level.value, "stderr": level.stderr})
        print(f"{time.monotonic() - started:5.0f} s {levels[-1]}", flush=True)
    rows: list[dict[str, Any]] = []
    for k in BUDGETS:
        # The halves change places: each is judged with what was chosen on the other.
        chosen = {
            t: [solve(e.measure, steps=k).schedule for e in found[t]][::-1] for t in TEMPERATURES
        }
        for used in TEMPERATURES:
            least = np.array([float(losses(e.measure, k)[k - 1]) for e in found[used]])
            predictions = {
                t: [e.loss(s.step_sizes) for e, s in zip(found[used], chosen[t], strict=True)]
                for t in TEMPERATURES
            }
            predicted = {t: np.array([p.value for p in predictions[t]]) for t in TEMPERATURES}
            measured = {
                t: np.concatenate(
                    [
                        evaluate(models[used], part, [s], seed=args.seed, batch_size=args.batch)[
                            0
                        ].values
                        - base
                        for part, s, base in zip(halves[used], chosen[t], alone[used], strict=True)
                    ]
                )
                for t in TEMPERATURES
                if k in args.measured
            }
            documents = np.concatenate([part.documents for part in halves[used]])
            for fitted in TEMPERATURES:
                regret = relative(predicted[fitted], least, np.arange(2))
                row: dict[str, Any] = {
                    "order": ORDER.name,
                    "steps": k,
                    "fitted_at": fitted,
                    "used_at": used,
                    "predicted_excess": float(predicted[fitted].mean()) / args.length,
                    "predicted_stderr": hypot(*(p.stderr for p in predictions[fitted]))
                    / (2 * args.length),
                    "regret": regret.value,
                    "stderr": regret.stderr,
                    "over_native": relative(predicted[fitted], predicted[used], np.arange(2)).value,
                    "sizes_of_halves": [list(s.step_sizes) for s in chosen[fitted]],
                }
                if measured:
                    mean = mean_over_documents(measured[fitted], documents)
                    more = relative(measured[fitted], measured[used], documents)
                    row |= {
                        "measured_excess": mean.value,
                        "measured_stderr": mean.stderr,
                        "measured_over_native": more.value,
                        "measured_over_native_stderr": more.stderr,
                    }
                rows.append(row)
        print(f"{time.monotonic() - started:5.0f} s {k} steps", flush=True)
    write_result(
        f"transfer_temperature_{args.name}",
        {
            "about": __doc__,
            **setting(args, model, about, texts=prompts),
            "length": args.length,
            "context": args.context,
            "levels": levels,
            "rows": rows,
        },
        started,
    )


if __name__ == "__main__":
    main()
