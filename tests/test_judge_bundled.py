"""The bundled judge is small, is what its card says, and is trained."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schedopt.data import cut_windows, read_corpus
from schedopt.evaluation.judge import load_judge
from schedopt.models import BUNDLED, JUDGES, ByteTokenizer, find_folder, load_autoregressive
from schedopt.models.hub import ASSETS

RESULTS = Path(__file__).resolve().parent.parent / "experiments" / "results"
TRAINED: dict[str, dict[str, Any]] = json.loads((RESULTS / "train_bundled.json").read_text())
MOST_BYTES = 2 * 10**6

every_judge = pytest.mark.parametrize("name", JUDGES)


@every_judge
def test_size_and_card(name: str) -> None:
    assert name not in BUNDLED
    assert find_folder(name) == ASSETS / name
    assert sum(path.stat().st_size for path in (ASSETS / name).iterdir()) < MOST_BYTES
    model, trained = load_autoregressive(name), TRAINED[name]
    parameters = sum(p.numel() for p in model.network.parameters())
    assert parameters == trained["parameters"]
    assert model.flops(256) == trained["flops_per_256_byte_pass"]
    assert (model.vocab_size, model.eos_id, model.bos_id, model.max_length) == (258, 256, 257, 257)
    card = " ".join((ASSETS / name / "MODEL_CARD.md").read_text().split())
    bits, stderr = trained["held_out_bits_per_byte"], trained["held_out_stderr"]
    told = re.search(r"\*\*([\d.]+) ± ([\d.]+) bits per byte\*\*", card)
    assert told is not None
    assert [float(number) for number in told.groups()] == [round(bits, 3), round(stderr, 3)]
    for fact in (
        f"{parameters:,} parameters",
        f"{trained['steps']} steps of",
        f"{trained['corpus']['held_out_windows']} windows",
        "a causal mask",
        "PSF License",
    ):
        assert fact in card


@every_judge
def test_it_is_trained(name: str) -> None:
    """On held-out windows it is near the loss of its card; ignorance costs 8 bits a byte.

    Fixed windows, from fewer files than those of the card: the bound is what 64 of them allow.
    """
    windows = cut_windows(read_corpus(), ByteTokenizer(), context=0, length=256, limit=64).tokens
    judged = load_judge(name).nll_of_tokens(windows.tolist())
    assert judged.tokens.tolist() == [256] * 64
    bits = judged.nats.sum() / judged.tokens.sum() / math.log(2)
    assert bits == pytest.approx(TRAINED[name]["held_out_bits_per_byte"], abs=0.25)


@every_judge
def test_it_tells_text_from_noise(name: str) -> None:
    """Shuffled bytes cost half as much again as the text that they are from, and more."""
    windows = cut_windows(read_corpus(), ByteTokenizer(), context=0, length=128, limit=32).tokens
    shuffled = np.random.default_rng(0).permuted(windows.numpy(), axis=1)
    judge = load_judge(name)
    text, noise = (judge.nll_of_tokens(rows.tolist()).nats for rows in (windows, shuffled))
    assert (noise > 1.5 * text).all()


@every_judge
def test_a_repeated_byte_pleases_it(name: str) -> None:
    """Why no perplexity is shown alone: what says nothing is likelier than any text."""
    windows = cut_windows(read_corpus(), ByteTokenizer(), context=0, length=128, limit=32).tokens
    judge = load_judge(name)
    text = judge.nll_of_tokens(windows.tolist()).nats
    (blank,) = judge.nll([" " * 128]).nats
    assert blank < text.min()
