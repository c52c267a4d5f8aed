"""Steps that are known in advance, on a device that the host does not wait for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch

from schedopt.models import NetworkDenoiser
from schedopt.models.denoiser import Denoiser
from schedopt.samplers.canvas import Canvas, Fill
from schedopt.samplers.guidance import guide
from schedopt.samplers.plan import Step

# Logits that are there at once, 256 MiB of float32: a fill needs a few times as much.
PIECE: Final = 1 << 26


def networks_ahead(models: Sequence[Denoiser]) -> list[NetworkDenoiser]:
    """The models, if all are networks on one device that the host need not wait for; else none."""
    networks = [
        model
        for model in models
        if isinstance(model, NetworkDenoiser)
        and model.runs_ahead
        and model.device == models[0].device
    ]
    return networks if len(networks) == len(models) else []


def take_steps_ahead(
    canvas: Canvas, models: Sequence[NetworkDenoiser], steps: Sequence[Step], fill: Fill
) -> None:
    """Launch all steps of a block; what they reveal is there once somebody looks at it.

    The rows of the block stay together in every pass, so that all passes have one shape.

    Args:
        canvas: The batch.
        models: Its models.
        steps: Of the block.
        fill: Gives the tokens.

    Raises:
        DeviceMemoryError: One sequence is too much for the device.
    """
    live = np.unique(np.concatenate([step.rows for step in steps]))
    # All that the host has to say goes first: a transfer waits for the passes before it.
    said = [np.stack([s.rows, np.searchsorted(live, s.rows), s.columns]) for s in steps]
    where = torch.from_numpy(np.concatenate(said, axis=1)).to(canvas.device)
    picks = torch.from_numpy(live).to(canvas.device)
    absent = canvas.padding[live]
    padding = torch.from_numpy(absent).to(canvas.device) if absent.any() else None
    first = 0
    for step in steps:
        rows, own, columns = where[:, first : first + len(step.rows)]
        first += len(step.rows)
        model = models[step.model]
        seen = [canvas.tokens[picks]]
        if canvas.guidance:
            seen.append(canvas.without_prompt()[picks])
        states = [model.states_at(tokens, own, columns, padding) for tokens in seen]
        size = max(1, PIECE // model.vocab_size)
        for low in range(0, len(step.rows), size):
            piece = slice(low, low + size)
            log_probs = model.log_probs_of(states[0][piece])
            if canvas.guidance:
                log_probs = guide(log_probs, model.log_probs_of(states[1][piece]), canvas.guidance)
            canvas.write(log_probs, rows[piece], columns[piece], fill)
        canvas.count(step.model, np.unique(step.rows))
        canvas.reveal(step.rows, step.columns)
