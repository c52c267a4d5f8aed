"""The hook that follows a schedule inside Dream's loop; it needs torch, its exporter does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from schedopt.errors import UsageError
from schedopt.models.denoiser import normalise
from schedopt.samplers.active import ActiveBlocks, Bools, Integers
from schedopt.samplers.fills import drawn_tokens
from schedopt.samplers.policies import SchedulePolicy
from schedopt.samplers.randomness import row_uniforms
from schedopt.schedule import UnmaskingSchedule


class DreamHook:
    """Follows a schedule inside Dream's loop, one generation at a time.

    Tokens are those of the model without its mask token: the likeliest ones at temperature 0, else
    drawn. The n-th text that goes through a hook has random numbers of its own, whatever batch it
    is in.

    Args:
        schedule: Of one model.
        prompt_length: Positions before those to generate, with padding.
        gen_length: Positions to generate, a whole number of blocks.
        temperature: At which tokens are drawn.
        seed: Of tokens and of a random order.

    Raises:
        UsageError: A length, the temperature or the seed is out of range.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> hook = DreamHook(dus_schedule(4), 1, 4, 0.0, 0)
        >>> x = hook(None, torch.tensor([[0, 9, 9, 9, 9]]), None)
        >>> hook(0, x, torch.zeros(1, 5, 10))
        tensor([[0, 0, 9, 0, 9]])
    """

    def __init__(
        self,
        schedule: UnmaskingSchedule,
        prompt_length: int,
        gen_length: int,
        temperature: float,
        seed: int,
    ) -> None:
        if prompt_length < 1:
            raise UsageError(
                f"prompt_length: need at least 1, got {prompt_length}: no row of Dream's logits "
                "scores the first position",
                hint="begin with the token that begins a text",
            )
        drawn_tokens(temperature, torch.empty(0))  # refuses what is no temperature
        row_uniforms(seed, [0], 0)  # refuses what is no seed
        self.schedule = schedule
        self.prompt_length = prompt_length
        self.gen_length = gen_length
        self.temperature = temperature
        self.seed = seed
        self.steps = schedule.total_steps(gen_length)
        blocks = range(gen_length // schedule.length)
        self._block_of_step = [block for block in blocks for _ in schedule.sizes_of_block(block)]
        self._texts = 0

    @property
    def arguments(self) -> dict[str, Any]:
        """What ``diffusion_generate`` has to be called with."""
        return {
            "max_new_tokens": self.gen_length,
            "steps": self.steps,
            "alg": "origin",
            "generation_tokens_hook_func": self,
        }

    def __call__(self, step: int | None, x: Tensor, logits: Tensor | None) -> Tensor:
        """What Dream calls with None before its first step, and after each with its index.

        Args:
            step: Index of the step that was made.
            x: Tokens, shape (B, L).
            logits: Shape (B, L, V), row i scores position i.

        Returns:
            The tokens that stand after this step, shape (B, L).

        Raises:
            UsageError: Dream generates another length, or with more steps, than the schedule has;
                or a prompt holds the mask token.
            InputError: The logits are NaN or infinite.
        """
        if step is None or logits is None:
            self._start(x)
        else:
            self._reveal(step, logits)
        # Dream writes into what it gets back, so it gets a copy.
        return torch.cat([x[:, : self.prompt_length], self._tokens], dim=1)

    def _start(self, x: Tensor) -> None:
        generated = x.shape[1] - self.prompt_length
        if generated != self.gen_length:
            raise UsageError(
                f"max_new_tokens: the hook is for {self.prompt_length} known positions and "
                f"{self.gen_length} more, got {x.shape[1]} in all",
                hint="call diffusion_generate with **hook.arguments",
            )
        self.mask_id = int(x[0, -1])
        unknown = torch.arange(x.shape[1], device=x.device) >= self.prompt_length
        wrong = ((x == self.mask_id) != unknown).nonzero().tolist()
        if wrong:
            row, column = wrong[0]
            raise UsageError(
                f"prompt: need masks at each position from {self.prompt_length} on and nowhere "
                f"else, got token {int(x[row, column])} at position {column} of row {row}",
                hint="prompt_length is the length of the prompts, padded on the left",
            )
        texts = range(self._texts, self._texts + len(x))
        self._texts += len(x)
        uniforms = torch.from_numpy(row_uniforms(self.seed, texts, generated)).to(x.device)
        self._fill = drawn_tokens(self.temperature, uniforms)
        blocks = generated // self.schedule.length
        self._choose = SchedulePolicy(self.schedule).chooser(texts, blocks, self.seed)
        self._tokens = x[:, self.prompt_length :].clone()
        self._masked = np.ones(self._tokens.shape, dtype=np.bool_)
        self._done = 0

    def _reveal(self, step: int, logits: Tensor) -> None:
        if step != self._done or step >= self.steps:
            raise UsageError(
                f"steps: Dream made step {step}, where the schedule has {self.steps} steps of "
                f"which {self._done} are done",
                hint="call diffusion_generate with **hook.arguments",
            )
        length = self.schedule.length
        start = self._block_of_step[step] * length
        masked = self._masked[:, start : start + length]
        window = logits[:, self.prompt_length + start :][:, :length]  # (B, block, V)

        def query(wanted: Bools, models: Integers) -> Tensor:
            return normalise(window[torch.from_numpy(wanted).to(window.device)], self.mask_id)

        rows = np.arange(len(masked))
        active = ActiveBlocks(rows, np.full_like(rows, start // length), masked, query)
        chosen = self._choose(active)
        row, column = torch.from_numpy(np.argwhere(chosen)).to(window.device).unbind(1)
        tokens = self._fill(active.log_probs(chosen), row, start + column)
        self._tokens[row, start + column] = tokens
        masked[chosen] = False  # a view of self._masked
        self._done += 1
