"""The rule of a schedule on tensors, without a value that is read back from the device."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from schedopt.integrations.rule import BlockRule
from schedopt.samplers.active import SCORES
from schedopt.samplers.policies import quotas, steps_of_positions
from schedopt.schedule import UnmaskingSchedule


def reveal(
    rule: BlockRule, masked: Tensor, logits: Tensor, *, generator: torch.Generator | None = None
) -> Tensor:
    """The positions to reveal now: at least one of each row that has a masked position.

    Args:
        rule: What to follow.
        masked: Shape (R, B), which positions of each row's block are masked.
        logits: Shape (R, B, V), untempered, -inf at the mask token.
        generator: Draws the positions of a random order; the global one where None.

    Returns:
        Shape (R, B), bools.

    Example:
        >>> rule = BlockRule.from_config({"block_length": 4, "groups": [[0, 2], [1, 3]]})
        >>> masked = torch.tensor([[True, True, True, True], [False, True, False, True]])
        >>> reveal(rule, masked, torch.zeros(2, 4, 5)).int().tolist()
        [[1, 0, 1, 0], [0, 1, 0, 1]]
    """
    schedule = rule.schedule
    if schedule.order.is_fixed:
        steps = torch.where(masked, _steps(schedule, masked.device), schedule.steps)
        chosen = masked & (steps == steps.amin(dim=-1, keepdim=True))
    else:
        counts = _quotas(schedule, masked.device)[(~masked).sum(dim=-1)]
        scores = _scores(schedule.order.name, logits, generator).masked_fill(~masked, -torch.inf)
        ranks = scores.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
        chosen = masked & (ranks < counts.unsqueeze(-1))
    if rule.max_conf_commit is not None:
        sure = _scores("confidence", logits) > rule.max_conf_commit
        chosen = chosen | (masked & sure)
    return chosen


def _scores(name: str, logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
    if name == "random":
        # A generator draws on its own device, which need not be that of the model.
        device = logits.device if generator is None else generator.device
        return torch.rand(logits.shape[:-1], generator=generator, device=device).to(logits.device)
    log_probs = torch.log_softmax(logits.flatten(0, -2).float(), dim=-1)
    return SCORES[name](log_probs).view(logits.shape[:-1])


# Small and the same for every step: they are moved to a device once.
@cache
def _steps(schedule: UnmaskingSchedule, device: torch.device) -> Tensor:
    """The step of each position, shape (B,)."""
    return torch.from_numpy(steps_of_positions(schedule, [0], 1, seed=0)[0, 0]).to(device)


@cache
def _quotas(schedule: UnmaskingSchedule, device: torch.device) -> Tensor:
    """How many positions to reveal when 0, 1, ..., B of them are known, shape (B + 1,)."""
    return torch.from_numpy(np.append(quotas(schedule, 1)[0], 0)).to(device)
