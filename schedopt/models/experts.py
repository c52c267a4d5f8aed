"""Feed-forward networks: one SwiGLU, or experts of which each token takes a few."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class GroupedSigmoid:
    """How LLaDA2 routes: sigmoid scores, and only the best groups of experts may be chosen.

    Attributes:
        n_group: Groups that the experts are in, of equal size.
        topk_group: Groups a token may choose from: those with the largest sum of their two best
            scores.
        routed_scaling_factor: What the weights of the chosen, which sum to one, are multiplied by.
    """

    n_group: int
    topk_group: int
    routed_scaling_factor: float


@dataclass(frozen=True)
class ExpertsConfig:
    """The experts of a layer.

    Attributes:
        num_experts: Experts to choose from.
        num_experts_per_tok: Experts that each token takes.
        intermediate_size: Width of each expert.
        shared_intermediate_size: Width of the expert that every token takes besides, 0 for none.
        routing: The routing of LLaDA2, or None for LLaDA-MoE's: softmax over all experts.
    """

    num_experts: int
    num_experts_per_tok: int
    intermediate_size: int
    shared_intermediate_size: int = 0
    routing: GroupedSigmoid | None = None

    def flops(self, hidden_size: int) -> int:
        """Floating-point operations of one token."""
        width = self.num_experts_per_tok * self.intermediate_size + self.shared_intermediate_size
        return 2 * hidden_size * (self.num_experts + 3 * width)


class SwiGLU(nn.Module):
    """down(silu(gate(x)) * up(x)), without biases."""

    def __init__(self, hidden_size: int, intermediate_size: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(hidden_size, intermediate_size, bias=False)
        self.up_proj = nn.Linear(hidden_size, intermediate_size, bias=False)
        self.down_proj = nn.Linear(intermediate_size, hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (..., hidden_size) to the same."""
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class SoftmaxRouter(nn.Module):
    """The k largest of a softmax over all experts, not renormalised: weights sum to less than 1.

    The reference code of LLaDA-MoE never renormalises, whatever ``norm_topk_prob`` says.
    """

    def __init__(self, hidden_size: int, config: ExpertsConfig) -> None:
        super().__init__()
        self.chosen = config.num_experts_per_tok
        self.weight = nn.Parameter(torch.empty(config.num_experts, hidden_size))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Weights and experts of each token, shape (T, hidden_size) to two of (T, k)."""
        scores = F.linear(x, self.weight)
        wide = torch.promote_types(scores.dtype, torch.float32)
        weights, experts = torch.softmax(scores, dim=-1, dtype=wide).topk(self.chosen, dim=-1)
        return weights.to(x.dtype), experts


class GroupedSigmoidRouter(nn.Module):
    """Sigmoid scores, in float32; a bias takes part in the choice but not in the weights."""

    expert_bias: Tensor

    def __init__(self, hidden_size: int, config: ExpertsConfig, routing: GroupedSigmoid) -> None:
        super().__init__()
        self.chosen = config.num_experts_per_tok
        self.routing = routing
        self.weight = nn.Parameter(torch.empty(config.num_experts, hidden_size))
        self.register_buffer("expert_bias", torch.zeros(config.num_experts))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Weights and experts of each token, shape (T, hidden_size) to two of (T, k)."""
        wide = torch.promote_types(x.dtype, torch.float32)
        scores = F.linear(x.to(wide), self.weight.to(wide)).sigmoid()  # (T, E)
        biased = scores + self.expert_bias
        groups = biased.view(len(x), self.routing.n_group, -1)  # (T, G, E / G)
        strength = groups.topk(2, dim=-1).values.sum(dim=-1)  # (T, G)
        allowed = strength.topk(self.routing.topk_group, dim=-1).indices
        closed = torch.ones_like(strength, dtype=torch.bool).scatter(-1, allowed, False)
        open_scores = groups.masked_fill(closed[..., None], -torch.inf).flatten(-2)
        experts = open_scores.topk(self.chosen, dim=-1).indices
        weights = scores.gather(-1, experts)
        if self.chosen > 1:
            weights = weights / (weights.sum(dim=-1, keepdim=True) + 1e-20)
        return weights * self.routing.routed_scaling_factor, experts


class Experts(nn.Module):
    """A weighted sum of the SwiGLUs that each token's router chose, and of a shared one."""

    def __init__(self, hidden_size: int, config: ExpertsConfig) -> None:
        super().__init__()
        self.gate: nn.Module = (
            SoftmaxRouter(hidden_size, config)
            if config.routing is None
            else GroupedSigmoidRouter(hidden_size, config, config.routing)
        )
        self.experts = nn.ModuleList(
            SwiGLU(hidden_size, config.intermediate_size) for _ in range(config.num_experts)
        )
        shared = config.shared_intermediate_size
        self.shared_experts = SwiGLU(hidden_size, shared) if shared else None

    def forward(self, x: Tensor) -> Tensor:
        """Shape (..., hidden_size) to the same."""
        flat = x.flatten(0, -2)  # (T, hidden_size)
        weights, chosen = self.gate(flat)  # (T, k) each
        total = torch.zeros(flat.shape, dtype=weights.dtype, device=x.device)
        # Each expert runs once, on the tokens that chose it.
        by_expert = chosen.flatten().argsort(stable=True)
        counts = chosen.flatten().bincount(minlength=len(self.experts)).tolist()
        for expert, choices in zip(self.experts, by_expert.split(counts), strict=True):
            if len(choices):
                tokens = choices // chosen.shape[1]
                said = expert(flat[tokens]) * weights.flatten()[choices, None]
                total.index_add_(0, tokens, said)
        out = total.to(x.dtype).view(x.shape)
        return out if self.shared_experts is None else out + self.shared_experts(x)
