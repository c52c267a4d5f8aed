"""A trained network as a denoiser."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import torch
from torch import Tensor

from schedopt.errors import DeviceMemoryError, UsageError
from schedopt.models.denoiser import normalise, reduce_scores
from schedopt.models.tokenizer import Tokenizer
from schedopt.models.transformer import LLaDA

# Sequences a forward pass takes at once: on a CPU larger batches fall out of cache.
CPU_CHUNK: Final = 16
GPU_CHUNK_TOKENS: Final = 1 << 18

T = TypeVar("T")


def _enter_worker() -> None:
    torch.set_num_threads(1)


class NetworkDenoiser:
    """A network that predicts every position at once, queried only where asked.

    Only the rows asked for go through the vocabulary head, the softmax is float32, and what
    leaves the device is reduced.

    Args:
        network: The network, on its device and in its dtype.
        mask_id: Token of an unknown position.
        eos_id: Token that ends a text, or None.
        tokenizer: Text to tokens and back, or None.
        provenance: Name, hash and the like, for files.
    """

    fixed_length = False

    def __init__(
        self,
        network: LLaDA,
        *,
        mask_id: int,
        eos_id: int | None,
        tokenizer: Tokenizer | None,
        provenance: Mapping[str, str | int],
    ) -> None:
        self.network = network.eval().requires_grad_(False)
        self.vocab_size = network.config.vocab_size
        self.max_length: int | None = network.config.max_sequence_length
        self.mask_id = mask_id
        self.eos_id = eos_id
        self.tokenizer = tokenizer
        self.provenance = provenance
        self.device = next(network.parameters()).device
        # One thread a chunk: torch's own threads inside small operations collapse when another
        # process wants a core (two threads of one pass wait for each other).
        self._workers = (
            ThreadPoolExecutor(
                min(torch.get_num_threads(), os.cpu_count() or 1),
                "denoiser",
                initializer=_enter_worker,
            )
            if self.device.type == "cpu"
            else None
        )

    def flops(self, length: int) -> float:
        """Floating-point operations of one forward pass of one sequence."""
        return self.network.config.flops(length)

    def _map(self, function: Callable[..., T], *batches: Tensor) -> list[T]:
        """Apply a function to chunks of equally long batches, in order."""
        length = batches[0].shape[1]
        if self.max_length is not None and length > self.max_length:
            raise UsageError(
                f"sequence of {length} tokens: this model takes at most {self.max_length}"
            )
        rows = max(1, GPU_CHUNK_TOKENS // length) if self._workers is None else CPU_CHUNK
        chunks = zip(*(torch.split(b.to(self.device), rows) for b in batches), strict=True)

        def run(chunk: tuple[Tensor, ...]) -> list[T]:
            with torch.inference_mode():  # holds for the thread that enters it
                return self._halving(function, chunk)

        results = map(run, chunks) if self._workers is None else self._workers.map(run, chunks)
        return [result for parts in results for result in parts]

    def _halving(self, function: Callable[..., T], chunk: tuple[Tensor, ...]) -> list[T]:
        """Apply a function to a chunk, in halves where the whole does not fit the device."""
        try:
            return [function(*chunk)]
        except torch.OutOfMemoryError as error:
            rows, length = chunk[0].shape
            if rows == 1:
                raise DeviceMemoryError(
                    f"out of memory on {self.device} for one sequence of {length} tokens",
                    hint="use a smaller --length, a narrower --dtype, or a larger device",
                ) from error
        torch.cuda.empty_cache()
        halves = zip(*(torch.split(part, (rows + 1) // 2) for part in chunk), strict=True)
        return [result for half in halves for result in self._halving(function, half)]

    def _queried(self, tokens: Tensor, queries: Tensor) -> Tensor:
        return normalise(self.network.head(self.network.hidden(tokens)[queries]), self.mask_id)

    def logits(self, tokens: Tensor) -> Tensor:
        """Logits of every position, shape (B, L, V), float32."""
        return torch.cat(
            self._map(lambda t: self.network.head(self.network.hidden(t)).float(), tokens)
        )

    def log_probs(self, tokens: Tensor, queries: Tensor) -> Tensor:
        """Log-probabilities of the R queried positions, shape (R, V), nats."""
        return torch.cat(self._map(self._queried, tokens, queries))

    def score(self, tokens: Tensor, queries: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """NLL of the targets and predictive entropy at the queries, each shape (R,), nats."""

        def reduced(t: Tensor, q: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            return reduce_scores(self._queried(t, q), y[q])

        scores = self._map(reduced, tokens, queries, targets)
        return torch.cat([nll for nll, _ in scores]), torch.cat([entropy for _, entropy in scores])
