"""What the revealed positions get: tokens drawn from the model, or the true ones of a text."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from schedopt.errors import UsageError
from schedopt.samplers.canvas import Fill


def true_tokens(targets: Tensor) -> Fill:
    """Teacher forcing: every position gets its token of a text.

    Args:
        targets: Shape (B, L), on the device of the model.
    """

    def fill(log_probs: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        return targets[rows, columns]

    return fill


def greedy_tokens(log_probs: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The likeliest token of each position; ties go to the lowest id."""
    return log_probs.argmax(dim=-1)


def drawn_tokens(temperature: float, uniforms: Tensor) -> Fill:
    r"""Tokens drawn from :math:`p^{1/T}`, renormalised, by inverting its distribution function.

    One number is set aside for each position of each row, so that what is drawn depends neither
    on the batch nor on how many positions a step reveals.

    Args:
        temperature: T >= 0; 0 takes the likeliest token.
        uniforms: Shape (B, L), float64 in [0, 1), on the device of the model.

    Raises:
        UsageError: The temperature is negative or not finite.

    Example:
        >>> fill = drawn_tokens(1.0, torch.tensor([[0.1, 0.3]], dtype=torch.float64))
        >>> log_probs = torch.tensor([[0.2, 0.8, 0.0], [0.2, 0.8, 0.0]]).log()
        >>> fill(log_probs, torch.tensor([0, 0]), torch.tensor([0, 1]))
        tensor([0, 1])
    """
    if not 0.0 <= temperature < math.inf:
        raise UsageError(
            f"temperature: need a finite number >= 0, got {temperature!r}",
            hint="0 takes the likeliest token, 1 draws from the model as it is",
        )
    if temperature == 0.0:
        return greedy_tokens

    def fill(log_probs: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        log_probs = log_probs.double()
        scaled = (log_probs - log_probs.amax(dim=-1, keepdim=True)) / temperature
        cumulative = scaled.exp().cumsum(dim=-1)  # (R, V)
        total = cumulative[:, -1]
        level = uniforms[rows, columns] * total
        # The first entry above the level has positive probability; below the total there is one.
        level = torch.minimum(level, torch.nextafter(total, torch.zeros_like(total)))
        found = torch.searchsorted(cumulative, level[:, None], right=True).squeeze(-1)
        # Where there is no distribution, which is seen only later, still some token.
        return found.clamp(max=log_probs.shape[-1] - 1)

    return fill
