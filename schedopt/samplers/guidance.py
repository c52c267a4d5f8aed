"""Classifier-free guidance: away from what the model says without the prompt."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

from schedopt.errors import UsageError

IMPOSSIBLE: Final = -1e4  # nats that stand for -inf, which cannot be subtracted
LARGEST: Final = 1e6  # scale at which float32 still holds all products, and nobody needs more


def check_guidance(scale: float) -> None:
    """Refuse a scale that is no scale.

    Raises:
        UsageError: It is negative, or so large that what it scales would overflow.
    """
    if not 0.0 <= scale < math.inf:
        raise UsageError(f"guidance: need a finite number >= 0, got {scale!r}", hint="0 is none")
    if scale > LARGEST:
        raise UsageError(
            f"guidance: need at most {LARGEST:g}, got {scale!r}", hint="1 or 2 are usual"
        )


def guide(conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
    r"""Guided log-probabilities, as LLaDA guides its logits.

    .. math:: \log p \propto u + (\gamma + 1) (c - u)

    with c and u the log-probabilities with and without the prompt. What the prompt makes
    impossible stays so.

    Args:
        conditional: Shape (R, V), nats.
        unconditional: The same, of the sequence whose prompt is masked.
        scale: :math:`\gamma`, ``cfg_scale`` in LLaDA; 0 gives the conditional.

    Returns:
        Shape (R, V), nats, of the wider dtype.

    References:
        Nie et al., LLaDA (arXiv:2502.09992), appendix A.2, unsupervised classifier-free guidance.

    Example:
        >>> c, u = torch.tensor([[0.5, 0.5, 0.0]]).log(), torch.tensor([[0.8, 0.2, 0.0]]).log()
        >>> guide(c, u, 1.0).exp()  # 0.25 / 0.8 to 0.25 / 0.2
        tensor([[0.2000, 0.8000, 0.0000]])
    """
    guided = (scale + 1.0) * conditional - scale * unconditional.clamp(min=IMPOSSIBLE)
    return torch.log_softmax(guided, dim=-1)
