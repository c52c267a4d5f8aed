"""The rule of a schedule on tensors, without a value that is read back from the device."""

from __future__ import annotations

from functools import cache
from itertools import chain

import torch
from torch import Tensor

from schedopt.integrations.rule import BlockRule
from schedopt.samplers.active import SCORES


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
        >>> rule = BlockRule(4, groups=((0, 2), (1, 3)))
        >>> masked = torch.tensor([[True, True, True, True], [False, True, False, True]])
        >>> reveal(rule, masked, torch.zeros(2, 4, 5)).int().tolist()
        [[1, 0, 1, 0], [0, 1, 0, 1]]
    """
    if rule.groups is not None:
        step_of_position = _step_of_position(rule.groups, masked.device)
        steps = torch.where(masked, step_of_position, rule.steps)
        chosen = masked & (steps == steps.amin(dim=-1, keepdim=True))
    else:
        counts = _quotas(rule.step_sizes, masked.device)[(~masked).sum(dim=-1)]
        scores = _scores(rule, logits, generator).masked_fill(~masked, -torch.inf)
        ranks = scores.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
        chosen = masked & (ranks < counts.unsqueeze(-1))
    if rule.max_conf_commit is not None:
        chosen = chosen | (masked & (_score("confidence", logits) > rule.max_conf_commit))
    return chosen


def _scores(rule: BlockRule, logits: Tensor, generator: torch.Generator | None) -> Tensor:
    if rule.select is not None and rule.select in SCORES:
        return _score(rule.select, logits)
    # A generator draws on its own device, which need not be that of the model.
    device = logits.device if generator is None else generator.device
    return torch.rand(logits.shape[:-1], generator=generator, device=device).to(logits.device)


def _score(name: str, logits: Tensor) -> Tensor:
    log_probs = torch.log_softmax(logits.flatten(0, -2).float(), dim=-1)
    return SCORES[name](log_probs).view(logits.shape[:-1])


# Small and the same for every step: they are moved to a device once.
@cache
def _step_of_position(groups: tuple[tuple[int, ...], ...], device: torch.device) -> Tensor:
    steps = {position: step for step, group in enumerate(groups) for position in group}
    return torch.tensor([steps[position] for position in range(len(steps))], device=device)


@cache
def _quotas(sizes: tuple[int, ...], device: torch.device) -> Tensor:
    """How many positions to reveal when 0, 1, ..., B of them are known, shape (B + 1,)."""
    return torch.tensor([*chain(*(range(size, 0, -1) for size in sizes)), 0], device=device)
