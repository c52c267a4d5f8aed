"""Unmasking with drawn tokens, so that a row does not depend on the batch that it is in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from schedopt.models.denoiser import Denoiser
from schedopt.samplers.fills import drawn_tokens
from schedopt.samplers.policies import Policy
from schedopt.samplers.randomness import row_uniforms
from schedopt.samplers.unmask import Unmasked, unmask


def draw(
    models: Sequence[Denoiser],
    tokens: Tensor,
    policy: Policy,
    *,
    start: int,
    rows: Sequence[int],
    seed: int,
    temperature: float = 1.0,
    eos_id: int | None = None,
    guidance: float = 0.0,
) -> Unmasked:
    """Reveal every masked position by tokens drawn from the models.

    Args:
        models: As of ``unmask``.
        tokens: As of ``unmask``, shape (B, L).
        policy: Chooses positions.
        start: First position of the first block.
        rows: Index of each row in the whole run, shape (B,): orders and tokens of a row depend on
            it and on the seed alone.
        seed: Of orders and tokens, >= 0.
        temperature: T of p^(1/T), >= 0; 0 takes the likeliest token.
        eos_id: As of ``unmask``.
        guidance: As of ``unmask``.

    Raises:
        UsageError: The seed or the temperature is out of range; and as ``unmask``.
        MissingModelError: As ``unmask``.
        InputError: As ``unmask``.

    Example:
        >>> from schedopt.models import LawDenoiser
        >>> from schedopt.samplers.registry import policy_for
        >>> coin = LawDenoiser([[0.5, 0.0], [0.0, 0.5]])
        >>> one_by_one = policy_for("random", block_length=2, steps=2)
        >>> canvas = torch.full((3, 2), coin.mask_id)
        >>> done = draw([coin], canvas, one_by_one, start=0, rows=range(3), seed=0)
        >>> bool((done.tokens[:, 0] == done.tokens[:, 1]).all())
        True
    """
    uniforms = row_uniforms(seed, rows, tokens.shape[1] - start)
    whole = torch.from_numpy(np.pad(uniforms, ((0, 0), (start, 0))))  # one a column of the tokens
    return unmask(
        models,
        tokens,
        policy,
        drawn_tokens(temperature, whole.to(models[0].device)),
        start=start,
        rows=rows,
        seed=seed,
        eos_id=eos_id,
        guidance=guidance,
    )
