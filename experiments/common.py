"""What the experiments share: where results go and what they say of their origin."""

from __future__ import annotations

import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from schedopt import __version__

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
