"""The bundled models are small, are what their cards say, and are trained."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from schedopt.data import cut_windows, read_corpus
from schedopt.models import BUNDLED, Denoiser, load_model
from schedopt.models.hub import ASSETS

RESULTS = Path(__file__).resolve().parent.parent / "experiments" / "results"
TRAINED: dict[str, dict[str, Any]] = json.loads((RESULTS / "train_bundled.json").read_text())
MOST_BYTES = 2 * 10**6

every_model = pytest.mark.parametrize("name", BUNDLED)


@every_model
def test_size_and_card(name: str) -> None:
    assert sum(path.stat().st_size for path in (ASSETS / name).iterdir()) < MOST_BYTES
    model, trained = load_model(name), TRAINED[name]
    parameters = sum(p.numel() for p in model.network.parameters())
    assert parameters == trained["parameters"]
    assert model.flops(256) == trained["flops_per_256_byte_pass"]
    card = " ".join((ASSETS / name / "MODEL_CARD.md").read_text().split())
    bits, stderr = trained["held_out_bits_per_byte"], trained["held_out_stderr"]
    told = re.search(r"\*\*([\d.]+) ± ([\d.]+) bits per byte\*\*", card)
    assert told is not None
    assert [float(number) for number in told.groups()] == [round(bits, 3), round(stderr, 3)]
    for fact in (
        f"{parameters:,} parameters",
        f"{model.flops(256):.2e} FLOPs",
        f"{trained['steps']} steps of",
        f"seed {trained['seed']},",
        f"{trained['corpus']['held_out_windows']} windows",
        f"the {trained['corpus']['train_files']} Python files",
        "PSF License",
    ):
        assert fact in card


def test_the_light_model_costs_a_third() -> None:
    tiny, light = (load_model(name) for name in BUNDLED)
    assert sum(p.numel() for p in tiny.network.parameters()) == 870_016
    assert 0.25 < light.flops(256) / tiny.flops(256) < 0.4


@every_model
def test_protocol(name: str) -> None:
    model = load_model(name)
    assert isinstance(model, Denoiser)
    assert model.tokenizer is not None
    assert (model.vocab_size, model.mask_id, model.eos_id, model.max_length) == (258, 257, 256, 256)
    assert model.provenance["name"] == name
    assert model.logits(torch.full((2, 5), model.mask_id)).shape == (2, 5, 258)


@every_model
def test_it_is_trained(name: str) -> None:
    """On held-out windows with a uniform number of masks it is near the loss of its card.

    Ignorance costs 8 bits a byte. Fixed windows: the bounds are what 64 of them allow.
    """
    model = load_model(name)
    assert model.tokenizer is not None
    truth = cut_windows(read_corpus(), model.tokenizer, context=0, length=128, limit=64).tokens
    rng = np.random.default_rng(0)
    ranks = rng.permuted(np.tile(np.arange(128), (64, 1)), axis=1)
    masked = torch.from_numpy(ranks >= (np.arange(64) * 2)[:, None])  # 128, 126, ..., 2 masks
    tokens = torch.where(masked, model.mask_id, truth)
    nll, entropy = model.score(tokens, masked, truth)
    shares = (masked / masked.sum(dim=1, keepdim=True))[masked] / len(truth)
    bits, own_bits = (float((x * shares).sum()) / math.log(2) for x in (nll, entropy))
    # Windows of 128 bytes show less than those of 256 that the card is about.
    assert bits == pytest.approx(TRAINED[name]["held_out_bits_per_byte"], abs=0.5)
    assert own_bits == pytest.approx(bits, abs=0.3)  # it knows what it does not know
