"""At temperature 0 and without re-masking, our sampler gives what DUS's reference rule gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from sampler_cases import random_network

from schedopt.models import NetworkDenoiser, load_model
from schedopt.samplers import sample
from schedopt.sizes import dus_schedule

LEVELS = json.loads((Path(__file__).parent / "golden" / "dus_levels.json").read_text())["entries"]
GROUPS = {(e["B"], e["base"], e["skip"]): e["groups"] for e in LEVELS}


def reference(
    model: NetworkDenoiser, prompt: list[int], length: int, groups: list[list[int]], block: int
) -> list[int]:
    """The rule as plain loops: for each block and group, one pass over the whole sequence, and
    the argmax at each position of the group."""
    tokens = prompt + [model.mask_id] * length
    for first in range(len(prompt), len(tokens), block):
        for group in groups:
            logits = model.logits(torch.tensor([tokens]))[0]
            logits[:, model.mask_id] = -torch.inf
            for p in group:
                tokens[first + p] = int(logits[first + p].argmax())
    return tokens


@pytest.mark.parametrize(
    "key", [(8, 2, 1), (16, 2, 1), (16, 2, 2), (16, 3, 1), (32, 2, 1)], ids=str
)
def test_bundled_model(key: tuple[int, int, int]) -> None:
    model = load_model("tiny")
    model.eos_id = None  # the reference has no end of its own
    block, base, skip = key
    schedule = dus_schedule(block, base=base, skip=skip)
    for prompt in ("", "import ", "class Reader:\n    def read(self):\n        "):
        found = sample(model, schedule, prompt=prompt, length=32, temperature=0.0)
        wanted = reference(model, list(prompt.encode()), 32, GROUPS[key], block)
        assert list(found.tokens[0]) == wanted
        assert found.nfe == (32 // block * len(GROUPS[key]),)


@pytest.mark.parametrize("seed", range(3))
def test_random_weights(seed: int) -> None:
    model = random_network(vocab_size=11, seed=seed)
    prompts = [[1, 2, 3], [], [7] * 5]
    found = sample(model, dus_schedule(8), prompt=prompts, length=24, temperature=0.0)
    for tokens, prompt in zip(found.tokens, prompts, strict=True):
        assert list(tokens) == reference(model, prompt, 24, GROUPS[8, 2, 1], 8)
    assert len(set(found.tokens[0])) > 2
