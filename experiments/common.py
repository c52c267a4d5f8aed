"""What the experiments share: where results go and what they say of their origin."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from schedopt import __version__
from schedopt.data import Windows

RESULTS = Path(__file__).resolve().parent / "results"


def write_result(name: str, document: dict[str, Any], started: float) -> None:
    """Write ``results/NAME.json`` with its provenance."""
    RESULTS.mkdir(exist_ok=True)
    provenance = {
        "command": ["python", *sys.argv],
        "schedopt_version": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "machine": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "seconds": round(time.monotonic() - started, 1),
    }
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({**document, "provenance": provenance}, indent=1) + "\n")
    print(f"wrote {path} after {provenance['seconds']} s", flush=True)


def study_parser(
    about: str | None, *, several: bool = False, **defaults: Any
) -> argparse.ArgumentParser:
    """The arguments of an experiment on a model and text; ``defaults`` replace what they give.

    With ``several`` the model is a list, of one model trained with several seeds.
    """
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model",
        default=["tiny"] if several else "tiny",
        nargs="+" if several else None,
        help="bundled name or folder" + ("; one or more, by training seed" if several else ""),
    )
    parser.add_argument("--name", help="of the result; the model's without it")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--windows", type=int, help="use only so many windows of the text")
    parser.add_argument("--passes", type=int, default=8192, help="of each estimate")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(**defaults)
    return parser


def parse_study(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments, with a name, and float32 products that a GPU may round to TF32."""
    args = parser.parse_args()
    first = args.model if isinstance(args.model, str) else args.model[0]
    args.name = args.name or Path(first).name
    torch.set_float32_matmul_precision("high")
    return args


def setting(args: argparse.Namespace, model: Any, data: Any, **windows: Windows) -> dict[str, Any]:
    """What a result says of model, data and split; ``windows`` are the parts by name."""
    return {
        "model": {**model.provenance, "name": args.name},
        "data": data,
        "windows": {part: len(these) for part, these in windows.items()},
        "passes_per_estimate": args.passes,
        "seed": args.seed,
    }
