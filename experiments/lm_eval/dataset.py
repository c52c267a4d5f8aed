"""The documents of the local lm-eval tasks: beginnings of Python source, cut inside a word.

Each has four choices of equal length, of which ``gold`` is the index of the one that ends it.
"""

from __future__ import annotations

import json
from pathlib import Path

from datasets import Dataset

FILE = Path(__file__).parent / "python.jsonl"


def load(**_: object) -> dict[str, Dataset]:
    """The split ``test``; lm-eval hands over the arguments of the model, too."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return {"test": Dataset.from_list([json.loads(line) for line in lines])}
