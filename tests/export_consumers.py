"""Consumers of schedules with the signatures of the published ones, written from what they do.

Each loop is that of its original at batch sizes of any number, without guidance or caches, and
the modules hold what the originals look up by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor

VOCABULARY = 23
MASK = 22


class Network:
    """Random logits that depend on all tokens and positions; it keeps what it was asked."""

    device = torch.device("cpu")

    def __init__(self, shift: int = 0, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.embedding = torch.randn(VOCABULARY, 16, generator=generator)
        self.places = torch.randn(512, 16, generator=generator)
        self.head = torch.randn(16, VOCABULARY, generator=generator)
        self.shift = shift
        self.asked: list[Tensor] = []

    def __call__(self, tokens: Tensor, *_: Any, **__: Any) -> SimpleNamespace:
        self.asked.append(tokens.clone())
        logits = self.aligned(tokens)
        # Of a shifted model, row i scores position i + 1, and its last row a position beyond.
        return SimpleNamespace(logits=logits.roll(-self.shift, dims=1))

    def aligned(self, tokens: Tensor) -> Tensor:
        """Logits whose row i scores position i."""
        seen = self.embedding[tokens]
        mixed = seen.cumsum(1) / 3 + seen.flip(1).cumsum(1).flip(1) + self.places[: tokens.shape[1]]
        return torch.tanh(mixed) @ self.head

    def reveals(self, final: Tensor) -> list[list[list[int]]]:
        """Of each row, the positions that each pass revealed."""
        masks = [tokens == MASK for tokens in (*self.asked, final)]
        return [
            [
                (before[row] & ~after[row]).nonzero().flatten().tolist()
                for before, after in pairwise(masks)
            ]
            for row in range(len(final))
        ]


def _without_mask(logits: Tensor) -> Tensor:
    return logits.index_fill(-1, torch.tensor([MASK]), -math.inf)


def _canvas(prompt: Tensor, length: int) -> Tensor:
    return torch.cat([prompt, prompt.new_full((len(prompt), length), MASK)], dim=1)


def _reveal_best(tokens: Tensor, logits: Tensor, end: int, numbers: Tensor, how: str) -> None:
    """Reveal so many masked positions before the end of the block in each row."""
    guesses = logits.argmax(-1)
    if how == "low_confidence":
        scores = logits.double().softmax(-1).amax(-1)
    else:
        assert how == "random"
        scores = torch.rand(tokens.shape, dtype=torch.float64)
    scores[tokens != MASK] = -math.inf
    scores[:, end:] = -math.inf
    for row, number in enumerate(numbers.tolist()):
        best = scores[row].topk(number).indices
        tokens[row, best] = guesses[row, best]


def llada(*, stops: bool = False) -> ModuleType:
    """``generate.py`` of LLaDA; that of Fast-dLLM where it stops as soon as a block is done."""
    module: Any = ModuleType("generate")

    def get_num_transfer_tokens(mask_index: Tensor, steps: int) -> Tensor:
        rows = [[(n + steps - 1 - i) // steps for i in range(steps)] for n in mask_index.sum(1)]
        return torch.tensor(rows)

    def generate(
        model: Any,
        prompt: Tensor,
        steps: int = 128,
        gen_length: int = 128,
        block_length: int = 128,
        temperature: float = 0.0,
        cfg_scale: float = 0.0,
        remasking: str = "low_confidence",
        mask_id: int = MASK,
    ) -> Tensor:
        tokens = _canvas(prompt, gen_length)
        assert gen_length % block_length == 0
        blocks = gen_length // block_length
        assert steps % blocks == 0
        for block in range(blocks):
            start = prompt.shape[1] + block * block_length
            end = start + block_length
            masked = tokens[:, start:end] == mask_id
            numbers = module.get_num_transfer_tokens(masked, steps // blocks)
            for step in range(steps // blocks):
                logits = _without_mask(model(tokens).logits)
                _reveal_best(tokens, logits, end, numbers[:, step], remasking)
                if stops and not (tokens[:, start:end] == mask_id).any():
                    break
        return tokens

    module.get_num_transfer_tokens = get_num_transfer_tokens
    module.generate = generate
    return module


class Dream(Network):
    """A model with Dream's ``diffusion_generate``, algorithm ``origin``."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(shift=1, seed=seed)

    def diffusion_generate(
        self,
        inputs: Tensor,
        *,
        attention_mask: Tensor | None = None,
        max_new_tokens: int,
        steps: int = 512,
        eps: float = 1e-3,
        alg: str = "origin",
        generation_tokens_hook_func: Callable[..., Tensor] = lambda step, x, logits: x,
    ) -> Tensor:
        assert alg == "origin"
        x = generation_tokens_hook_func(None, _canvas(inputs, max_new_tokens), None)
        times = torch.linspace(1, eps, steps + 1)
        for step in range(steps):
            logits = self(x, attention_mask).logits
            logits = torch.cat([logits[:, :1], logits[:, :-1]], dim=1)
            share = 1 - times[step + 1] / times[step] if step < steps - 1 else 1.0
            drawn = (x == MASK) & (torch.rand(x.shape) < share)
            x[drawn] = _without_mask(logits).argmax(-1)[drawn]
            x = generation_tokens_hook_func(step, x, logits)
        return x


def dllm_numbers(mask_index: Tensor, steps: int, scheduler: Any) -> Tensor:
    """``get_num_transfer_tokens`` of dLLM: rounded shares, zeros taken out."""
    rows = []
    for masked in mask_index.sum(1).tolist():
        row, left = [], masked
        for step in range(steps):
            if left == 0:
                break
            s, t = (steps - 1 - step) / steps, (steps - step) / steps
            share = 1 - scheduler.reverse_mask_prob(s=s, t=t)
            number = torch.round(torch.tensor(left, dtype=torch.float64) * share)
            row.append(min(int(number), left))
            left -= row[-1]
        rows.append([number for number in row if number])
    width = max(map(len, rows))
    return torch.tensor([row + [0] * (width - len(row)) for row in rows])


class MDLMSampler:
    """dLLM's sampler of prompts of one length."""

    def __init__(self, *, model: Any, tokenizer: Any, scheduler: Any) -> None:
        self.model, self.scheduler = model, scheduler

    def sample(
        self,
        inputs: Tensor,
        config: Any = None,
        *,
        steps: int,
        max_new_tokens: int,
        block_size: int,
        remasking: str = "low_confidence",
        right_shift_logits: bool = False,
    ) -> Tensor:
        tokens = _canvas(inputs, max_new_tokens)
        blocks = math.ceil(max_new_tokens / block_size)
        for block in range(blocks):
            start = inputs.shape[1] + block * block_size
            masked = tokens[:, start : start + block_size] == MASK
            numbers = dllm_numbers(masked, math.ceil(steps / blocks), self.scheduler)
            for step in range(numbers.shape[1]):
                logits = self.model(tokens).logits
                if right_shift_logits:
                    logits = torch.cat([logits[:, :1], logits[:, :-1]], dim=1)
                logits = _without_mask(logits)
                _reveal_best(tokens, logits, start + block_size, numbers[:, step], remasking)
        return tokens


def dllm() -> SimpleNamespace:
    """The package dLLM, as far as its sampler goes."""
    return SimpleNamespace(core=SimpleNamespace(samplers=SimpleNamespace(MDLMSampler=MDLMSampler)))


def dus() -> ModuleType:
    """``generate.py`` of DUS."""
    module: Any = ModuleType("generate")

    def dilated_unmask_levels(
        start: int, end: int, base: int = 2, skip_exp: int = 1
    ) -> list[list[int]]:
        stride, levels = (end - start + 1) // base**skip_exp, list[list[int]]()
        left = set(range(start, end + 1))
        while left:
            fresh = sorted(p for p in left if (p - start) % max(stride, 1) == 0)
            levels += [fresh] if fresh else []
            left -= set(fresh)
            stride //= base
        return levels

    def merge_last_level(levels: list[list[int]]) -> list[list[int]]:
        if len(levels) > 1 and len(levels[-1]) < len(levels[-2]):
            return [*levels[:-2], levels[-2] + levels[-1]]
        return levels

    def generate_scheduled(
        model: Any,
        prompt: Tensor,
        steps: int = 128,
        gen_length: int = 128,
        block_length: int = 128,
        remasking: str = "low_confidence",
        confidence_threshold: float = 0.3,
        scheduler: str = "binary",
        base: int = 2,
        base_skip: int = 1,
    ) -> tuple[Tensor, Tensor]:
        assert len(prompt) == 1
        assert scheduler == "dilated"
        assert gen_length % block_length == 0
        tokens = _canvas(prompt, gen_length)
        stages, stage = torch.zeros_like(tokens), 0
        for start in range(prompt.shape[1], tokens.shape[1], block_length):
            levels = module.dilated_unmask_levels(
                start, start + block_length - 1, base=base, skip_exp=base_skip
            )
            levels = module.merge_last_level(levels)
            for index, level in enumerate(levels):
                logits = _without_mask(model(tokens).logits)
                guesses, sure = logits.argmax(-1), logits.softmax(-1).amax(-1)
                for position in level:
                    tokens[0, position] = guesses[0, position]
                    stages[0, position] = stage
                    again = remasking == "low_confidence" and index < len(levels) - 1
                    if again and sure[0, position] < confidence_threshold:
                        tokens[0, position] = MASK
                stage += 1
        return tokens, stages

    module.dilated_unmask_levels = dilated_unmask_levels
    module.merge_last_level = merge_last_level
    module.generate_scheduled = generate_scheduled
    return module


def blocks_of(reveals: Sequence[Sequence[int]], start: int) -> list[list[int]]:
    """Positions of each pass, counted from the end of the prompt, ascending."""
    return [sorted(position - start for position in group) for group in reveals]
