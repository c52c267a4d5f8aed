"""A scheduler of diffusers' ``LLaDA2Pipeline`` that reveals what a schedule says.

``schedopt export schedule.json --to diffusers -o DIR`` writes its folder; then::

    from schedopt.integrations.diffusers import SchedoptBlockScheduler
    pipe = LLaDA2Pipeline(model, SchedoptBlockScheduler.from_pretrained("DIR"), tokenizer)
    texts = pipe(prompt, gen_length=64, num_inference_steps=5).texts

The number of steps is that of the schedule, ``pipe.scheduler.num_inference_steps``. The pipeline
takes the likeliest tokens unless told ``temperature=1.0``, for which losses are predicted.

A pipeline that was saved with it loads with ``LLaDA2Pipeline.from_pretrained`` once this module
is imported: diffusers imports no module because a folder names it.
"""

# mypy: allow-subclassing-any
from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Final

import torch
from torch import Tensor

from schedopt.errors import MissingModelError, UsageError
from schedopt.integrations.reveal import reveal
from schedopt.integrations.rule import BlockRule

try:
    _refinement: Final = import_module("diffusers.schedulers.scheduling_block_refinement")
except ImportError as error:
    raise MissingModelError(
        f"the scheduler needs diffusers with LLaDA2Pipeline, but {error}",
        hint="pip install 'diffusers>=0.42'",
    ) from error

# diffusers loads a scheduler of a pipeline's folder by what it finds under this name beside it.
SchedulerMixin: Any = _refinement.SchedulerMixin

_Base: Any = _refinement.BlockRefinementScheduler
_Output: Any = _refinement.BlockRefinementSchedulerOutput
_in_config: Callable[[Any], Any] = _refinement.register_to_config


class SchedoptBlockScheduler(_Base):
    """Reveals the blocks of ``LLaDA2Pipeline`` as an unmasking schedule says.

    Nothing else moves tokens: the pipeline's ``threshold``, ``minimal_topk`` and
    ``editing_threshold`` have no effect, whatever they are. A block that begins with the end of a
    prompt reveals what of each group is masked. After the end-of-text token of a row the pipeline
    itself leaves blocks masked that it has no need of; with ``eos_early_stop=False`` it does not.

    Args:
        block_length: Positions of one block.
        groups: Positions that each step reveals, counted from the start of the block; or None.
        sizes: How many positions each step reveals, where there are no groups.
        select: Which positions, with sizes: ``confidence``, ``entropy`` or ``margin`` of the
            untempered model, or ``random``, drawn with the generator of the pipeline.
        max_conf_commit: Positions of larger confidence are revealed as well; or None.
        schedule_sha256: Of the schedule's file, for the record.
        schedopt_version: That wrote it, for the record.

    Raises:
        UsageError: Groups or sizes that are none of a block; and from ``set_timesteps`` and
            ``step``, a block length or a number of steps that is not the schedule's.

    Example:
        >>> scheduler = SchedoptBlockScheduler(4, groups=[[0, 2], [1, 3]])
        >>> scheduler.num_inference_steps, scheduler.config.groups
        (2, [[0, 2], [1, 3]])
    """

    @_in_config
    def __init__(
        self,
        block_length: int = 32,
        groups: Sequence[Sequence[int]] | None = None,
        sizes: Sequence[int] | None = None,
        select: str | None = None,
        max_conf_commit: float | None = None,
        schedule_sha256: str | None = None,
        schedopt_version: str | None = None,
    ) -> None:
        self.rule = BlockRule.from_config(self.config)
        # The base class's own initialiser would add its settings, which mean nothing here, to
        # the configuration; all that it sets besides is set with the steps.
        self.set_timesteps(self.rule.schedule.steps)
        self._masks_left = True

    def set_timesteps(
        self,
        num_inference_steps: int,
        device: str | torch.device | None = None,
        block_length: int | None = None,
    ) -> None:
        """Take up a text; the steps and the block length can only be the schedule's."""
        schedule = self.rule.schedule
        if block_length not in (None, schedule.length):
            raise UsageError(
                f"block_length: the schedule is for {schedule.length} positions, "
                f"got {block_length}",
                hint="leave block_length out, or export a schedule of that length",
            )
        if num_inference_steps != schedule.steps:
            raise UsageError(
                f"num_inference_steps: the schedule has {schedule.steps} a block, "
                f"got {num_inference_steps} (the pipeline takes no more than gen_length)",
                hint="call the pipeline with "
                "num_inference_steps=pipe.scheduler.num_inference_steps",
            )
        super().set_timesteps(num_inference_steps, device, block_length)

    def get_num_transfer_tokens(self, block_length: int, num_inference_steps: int) -> Tensor:
        """How many positions each step reveals of a block that is masked as a whole."""
        return torch.tensor(self.rule.schedule.step_sizes)

    def step(
        self,
        model_output: Tensor,
        timestep: int | Tensor,
        sample: Tensor,
        *,
        mask_token_id: int | None = None,
        temperature: float = 0.0,
        top_p: float | None = None,
        top_k: int | None = None,
        sampling_method: str = "auto",
        prompt_mask: Tensor | None = None,
        generator: torch.Generator | None = None,
        return_dict: bool = True,
        **unused: Any,
    ) -> Any:
        """Draw the tokens of the positions that are next.

        Args:
            model_output: Logits of the block, shape (R, B, V).
            timestep: Not used: what is masked tells the step.
            sample: Tokens of the block, shape (R, B).
            mask_token_id: Must be given: the schedule is for models with a mask token.
            temperature: Of the tokens; 0 takes the likeliest.
            top_p: Of the tokens.
            top_k: Of the tokens.
            sampling_method: ``auto``, ``greedy`` or ``multinomial``.
            prompt_mask: Shape (B,), positions of the prompt, which stay as they are.
            generator: Draws the tokens, and the positions of a random order.
            return_dict: Whether the result is an object or a tuple of its fields.
            **unused: Settings of the base class that have no effect here.

        Returns:
            As the base class does.

        Raises:
            UsageError: There is no mask token, or the block has another length.
        """
        if mask_token_id is None:
            raise UsageError(
                "mask_token_id: a schedule reveals masked positions, and this pipeline works "
                "without a mask token",
                hint="use a pipeline of a masked model, such as LLaDA2Pipeline",
            )
        if sample.shape[-1] != self.rule.schedule.length:
            raise UsageError(
                f"the schedule is for blocks of {self.rule.schedule.length} positions, got tokens "
                f"of shape {tuple(sample.shape)}"
            )
        masked = sample == mask_token_id
        if prompt_mask is not None:
            masked = masked & ~prompt_mask
        forbidden = torch.arange(model_output.shape[-1], device=sample.device) == mask_token_id
        logits = model_output.masked_fill(forbidden, -torch.inf)
        transfer = reveal(self.rule, masked, logits, generator=generator)
        self._masks_left = bool((masked & ~transfer).any())
        tokens, probabilities = self._sample_from_logits(
            logits,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            generator=generator,
            use_multinomial=sampling_method == "multinomial"
            or (sampling_method == "auto" and temperature != 0.0),
        )
        result = _Output(
            prev_sample=torch.where(transfer, tokens, sample),
            transfer_index=transfer,
            editing_transfer_index=torch.zeros_like(transfer),
            sampled_tokens=tokens,
            sampled_probs=probabilities,
            pred_logits=model_output,
        )
        return result if return_dict else result.to_tuple()

    def check_block_should_continue(self, *args: Any, **options: Any) -> bool:
        """Whether the block takes another pass: not one more after its last token, as there."""
        return self._masks_left and bool(super().check_block_should_continue(*args, **options))
