"""Hidden states by CUDA graph: a batch of a shape that comes again is launched at once.

A pass of a large network is about a thousand kernels. Launched one by one they keep up with the
GPU while each has much to do, and no longer where the batch is small. A recorded pass is one call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor

from schedopt.models.backbone import Backbone
from schedopt.models.batches import out_of_memory

MOST_GRAPHS: Final = 8  # each keeps its output, the hidden states of a batch

Shape = tuple[int, int, bool]  # sequences, tokens, and whether some of these do not exist
_Stream: Any = torch.cuda.Stream  # torch says nothing of its types
Replay = Callable[[Tensor, Tensor | None], Tensor]


def record(network: Backbone, tokens: Tensor, padding: Tensor | None, pool: Any) -> Replay:
    """Record the hidden states of a batch, to be replayed on others of its shape.

    Args:
        network: On a CUDA device; a pass of this shape has been made before.
        tokens: Shape (B, L).
        padding: Shape (B,), or None.
        pool: Where the memory of all recordings comes from, which are never replayed at once.

    Returns:
        Maps other tokens and padding to hidden states, which the next replay overwrites.
    """
    tokens = tokens.clone()
    padding = None if padding is None else padding.clone()
    with torch.cuda.device(tokens.device):  # which need not be the current one
        graph, stream = torch.cuda.CUDAGraph(), _Stream()
        with torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
            states = network.hidden(tokens, padding)

    def replay(others: Tensor, other_padding: Tensor | None) -> Tensor:
        tokens.copy_(others)
        if padding is not None and other_padding is not None:
            padding.copy_(other_padding)
        graph.replay()
        return states

    return replay


class Recorder:
    """Hidden states of a network: launched at first, recorded when a shape comes again.

    Args:
        network: What is asked. Nothing is recorded where its passes depend on the tokens, nor
            outside of CUDA.
    """

    def __init__(self, network: Backbone) -> None:
        self._network = network
        self._replays: dict[Shape, Replay] = {}  # the one used last stands last
        self._launched: set[Shape] = set()
        self._too_large: set[Shape] = set()
        self._pool: Any = None

    def hidden(self, tokens: Tensor, padding: Tensor | None) -> Tensor:
        """Hidden states, shape (B, L, d); the next call may overwrite them."""
        shape = (*tokens.shape, padding is not None)
        if not self._can_record(tokens) or shape in self._too_large:
            return self._network.hidden(tokens, padding)
        replay = self._replays.pop(shape, None)
        if replay is None:
            if shape not in self._launched:  # which also warms up
                self._launched.add(shape)
                return self._network.hidden(tokens, padding)
            try:
                replay = self._record(tokens, padding)
            except (RuntimeError, MemoryError) as error:
                # The end of a recording that failed may fail, too.
                if not any(e and out_of_memory(e) for e in (error, error.__context__)):
                    raise
                self.forget()
                self._too_large.add(shape)
                return self._network.hidden(tokens, padding)
        self._replays[shape] = replay
        return replay(tokens, padding)

    def forget(self) -> None:
        """Give back the memory of all recordings."""
        self._replays.clear()
        self._pool = None
        torch.cuda.empty_cache()

    def _can_record(self, tokens: Tensor) -> bool:
        return tokens.is_cuda and self._network.is_static

    def _record(self, tokens: Tensor, padding: Tensor | None) -> Replay:
        while len(self._replays) >= MOST_GRAPHS:
            del self._replays[next(iter(self._replays))]
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        return record(self._network, tokens, padding, self._pool)
