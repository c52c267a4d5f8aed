"""SGLang's loops for diffusion language models, on a CPU: the real ones, or a stand-in for them.

The real ones are those of the installed package (``pip install --no-deps sglang``), with names
of the rest of its runtime, which its algorithms use in annotations only, as empty classes: its
dependencies are for GPUs. The stand-in has the signatures of 0.5.23.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor

# Modules that need a GPU's packages, and the names that the loops import from them.
UNUSED = {
    "sglang.srt.arg_groups.overrides": {"resolving_view": lambda arguments: arguments},
    "sglang.srt.configs.model_config": {"ModelConfig": None},
    "sglang.srt.layers.logits_processor": {"LogitsProcessorOutput": object},
    "sglang.srt.model_executor.forward_batch_info": {"ForwardBatch": object},
    "sglang.srt.model_executor.model_runner": {"ModelRunner": object},
    "sglang.srt.server_args": {"ServerArgs": object},
    "sglang.srt.utils": {"is_npu": lambda: False},
}


@contextmanager
def real_sglang() -> Iterator[None]:
    """Within it, the installed package can be imported as far as its loops go."""
    found = find_spec("sglang")
    assert found is not None
    assert found.submodule_search_locations is not None
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_sglang(name)}
    try:
        package = ModuleType("sglang")  # in place of its public interface, which imports it all
        package.__path__ = list(found.submodule_search_locations)
        sys.modules["sglang"] = package
        for name, members in UNUSED.items():
            module = ModuleType(name)
            vars(module).update(members)
            sys.modules[name] = module
        yield
    finally:
        for name in [name for name in sys.modules if _is_sglang(name)]:
            del sys.modules[name]
        sys.modules.update(before)


def _is_sglang(name: str) -> bool:
    return name.partition(".")[0] == "sglang"


class StandIn:
    """What an algorithm derives from, with the two loops that call it."""

    def __init__(self, config: Any) -> None:
        self.block_size = config.block_size
        self.mask_id = config.mask_id
        self.fdfo = config.first_done_first_out_mode

    def max_steps(self, block_size: int) -> int:
        raise AssertionError("the algorithm says how many")

    def step(self, forward_batch: Any, full_logits: Tensor, states: list[Any]) -> list[bool]:
        raise AssertionError("the algorithm says what a step does")

    def run(self, model_runner: Any, forward_batch: Any, algo_states: Any = None) -> Any:
        rows = forward_batch.input_ids.view(-1, self.block_size)
        starts = (rows != self.mask_id).sum(1).tolist()
        states = algo_states or [None] * len(rows)
        out = model_runner.forward(forward_batch, pp_proxy_tensors=None)
        if self.fdfo:
            done = self.step(forward_batch, out.logits_output.full_logits, states)
            accepted = [self.block_size if row else 0 for row in done]
            return out.logits_output, rows.tolist(), accepted, states, False
        if min(starts) == self.block_size:
            return out.logits_output, [], None, None, False
        for _ in range(self.max_steps(self.block_size)):
            if all(self.step(forward_batch, out.logits_output.full_logits, states)):
                break
            out = model_runner.forward(forward_batch, pp_proxy_tensors=None)
        tokens = [row[start:] for row, start in zip(rows, starts, strict=True)]
        return out.logits_output, tokens, None, None, False


@dataclass
class Runner:
    """A model whose logits of a row are a function of its tokens; it would emit the mask token."""

    vocabulary: int
    mask_id: int
    block: int
    seen: list[Tensor] = field(default_factory=list)

    def forward(self, forward_batch: Any, *, pp_proxy_tensors: Any) -> Any:
        rows = forward_batch.input_ids.view(-1, self.block)
        self.seen.append(rows.clone())
        logits = torch.stack([self.logits(row) for row in rows])
        output = SimpleNamespace(full_logits=logits.flatten(0, 1))
        return SimpleNamespace(logits_output=output, can_run_graph=False)

    def logits(self, row: Tensor) -> Tensor:
        seed = torch.Generator().manual_seed(int((row * torch.arange(1, self.block + 1)).sum()))
        logits = torch.randn(self.block, self.vocabulary, generator=seed)
        logits[:, self.mask_id] += 10.0
        return logits


def batch_of(rows: Tensor) -> Any:
    """The part of a ``ForwardBatch`` that the loops and an algorithm read."""
    return SimpleNamespace(
        batch_size=len(rows), input_ids=rows.flatten().clone(), dllm_prompt_mask=None
    )


def run_sync(algorithm: Any, runner: Runner, rows: Tensor) -> Tensor:
    """The blocks as the synchronous loop leaves them."""
    batch = batch_of(rows)
    algorithm.run(runner, batch)
    return batch.input_ids.view(rows.shape)


def run_fdfo(algorithm: Any, runner: Runner, rows: Tensor) -> tuple[Tensor, list[int]]:
    """The blocks as the first-done-first-out loop leaves them, and the passes of each.

    A block that is accepted leaves the batch, as in SGLang's scheduler.
    """
    rows, passes = rows.clone(), [0] * len(rows)
    states: list[Any] = [None] * len(rows)
    open_rows = list(range(len(rows)))
    while open_rows:
        carried = [states[row] for row in open_rows]
        _, tokens, accepted, left, _ = algorithm.run(runner, batch_of(rows[open_rows]), carried)
        for i, row in enumerate(open_rows):
            rows[row], states[row] = torch.tensor(tokens[i]), left[i]
            passes[row] += 1
        assert max(passes) <= rows.shape[1] + 1, "a block that is never done"
        open_rows = [row for row, done in zip(open_rows, accepted, strict=True) if not done]
    return rows, passes
