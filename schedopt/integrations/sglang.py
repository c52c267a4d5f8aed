"""SGLang's plug-in: an algorithm for diffusion language models that follows a schedule.

Where this package is installed beside SGLang, its processes find it through the entry-point group
``sglang.srt.plugins``. ``schedopt export schedule.json --to sglang -o dllm.yaml`` writes its
configuration; then::

    sglang serve --model-path inclusionAI/LLaDA2.0-mini \\
      --dllm-algorithm SchedoptGroups \\
      --dllm-algorithm-config dllm.yaml

A block takes a forward pass for each group, and one more in which SGLang stores what it keeps
of a finished block. Tokens are the likeliest ones, as with SGLang's own algorithms; the predicted
loss of a schedule is that of tokens that are drawn.
"""

# mypy: allow-subclassing-any
from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import torch

from schedopt.errors import UsageError
from schedopt.integrations.reveal import reveal
from schedopt.integrations.rule import BlockRule

ALGORITHM: Final = "SchedoptGroups"


def register() -> None:
    """Add the algorithm to those that ``--dllm-algorithm`` may name.

    Raises:
        ImportError: SGLang is not there, or has no algorithms for diffusion language models.
    """
    algorithms = import_module("sglang.srt.dllm.algorithm")
    base = import_module("sglang.srt.dllm.algorithm.base").DllmAlgorithm
    algorithms.algo_name_to_cls[ALGORITHM] = algorithm(base)


def algorithm(base: Any) -> Any:
    """The algorithm, as a class derived from SGLang's ``DllmAlgorithm``.

    Args:
        base: That class, which keeps ``block_size`` and ``mask_id`` of its configuration.

    Returns:
        A class whose instances raise UsageError for a configuration that is no rule, or that
        does not fit the model.

    Example:
        >>> algorithm(object).__name__
        'SchedoptGroups'
    """

    class SchedoptGroups(base):
        """Reveals the groups or sizes of its configuration, with the likeliest tokens."""

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.rule = BlockRule.from_config(config.algorithm_config)
            _check(self.rule, config)

        def max_steps(self, block_size: int) -> int:
            return self.rule.schedule.steps + 1

        def step(self, forward_batch: Any, output: Any, states: list[Any]) -> list[bool]:
            # 0.5.23 passes the logits themselves, other revisions the object that holds them.
            logits = getattr(output, "full_logits", output)
            tokens = forward_batch.input_ids.view(-1, self.block_size)
            logits = logits.view(*tokens.shape, -1)
            # In place, as SGLang's own algorithms do: a copy is gigabytes at a full batch.
            logits[..., self.mask_id] = -torch.inf
            masked = tokens == self.mask_id
            # Absent in older revisions; there, as a rule, a mask token is never part of a prompt.
            prompt = getattr(forward_batch, "dllm_prompt_mask", None)
            if prompt is not None:
                masked = masked & ~prompt
            chosen = reveal(self.rule, masked, logits)
            # The tensor itself must stay, as a CUDA graph reads it.
            tokens.copy_(torch.where(chosen, logits.argmax(dim=-1), tokens))
            # A block is done in the pass after its last token was set, which stores its keys
            # and values: what is masked before this pass, not after it.
            done: list[bool] = (~masked.any(dim=-1)).tolist()
            return done

    return SchedoptGroups


def _check(rule: BlockRule, config: Any) -> None:
    if config.mask_id < 0:
        raise UsageError(
            f"{ALGORITHM}: a schedule reveals masked positions, and this model has no mask token"
        )
    if rule.schedule.length != config.block_size:
        raise UsageError(
            f"{ALGORITHM}: the schedule is for blocks of {rule.schedule.length} positions, the "
            f"model's have {config.block_size}",
            hint=f"export a schedule of length {config.block_size}; for a checkpoint trained with "
            f"other blocks than SGLang takes for its architecture, add block_size to the file",
        )
    if rule.schedule.order.name == "random":
        raise UsageError(
            f"{ALGORITHM}: the processes that share a model would draw different positions",
            hint="schedopt export --to sglang --seed 0 draws the order once",
        )
