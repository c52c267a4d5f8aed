"""Batches of any size through a model: cut to what the device holds, and counted."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import Final

import torch
from torch import Tensor

from schedopt.errors import DeviceMemoryError, InputError, UsageError
from schedopt.models.denoiser import NO_TOKEN, no_distribution, normalise
from schedopt.models.tokenizer import Tokenizer
from schedopt.models.usage import Usage, device_name, peak_flops, peak_memory

# Sequences a forward pass takes at once: on a CPU larger batches fall out of cache.
CPU_CHUNK: Final = 16
# Tokens at once on a GPU: enough to fill it, and no more, since memory grows with them.
GPU_TOKENS: Final = 1 << 15
FREE_SHARE: Final = 0.9  # of the free memory, the rest is for fragments

Columns = tuple[Tensor, ...]  # tokens, queries and, where there are any, targets
Rows = tuple[Tensor, ...]


def _enter_worker() -> None:
    torch.set_num_threads(1)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory could not be had.

    Example:
        >>> out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"))
        True
        >>> out_of_memory(RuntimeError("shapes differ"))
        False
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(told in str(error) for told in ("can't allocate memory", "STATUS_ALLOC_FAILED"))


def room_of(device: torch.device, bytes_a_token: float) -> int:
    """How many tokens at once to begin with: on a GPU as its free memory should hold."""
    if device.type != "cuda":
        return sys.maxsize
    free, _ = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return min(GPU_TOKENS, int(FREE_SHARE * (free + unused) / bytes_a_token))


class BatchedDenoiser(ABC):
    """A model behind the protocol ``Denoiser``, whatever computes its rows.

    Only the rows asked for go through the vocabulary head, the softmax is at least float32, and
    what leaves the device is reduced. A batch is cut into chunks. On a GPU their size starts at
    what its free memory should hold, is halved when that was too much, and is remembered. Tokens
    ``NO_TOKEN`` at the left of a sequence do not exist; a chunk is as wide as its longest
    sequence.

    Args:
        vocab_size: Width V of the distributions.
        max_length: Longest sequence, or None where any will do.
        mask_id: Token of an unknown position.
        eos_id: Token that ends a text, or None.
        bos_id: Token that must stand first, because no row scores the first position; or None.
        shift: 1 where row i scores token i + 1, else 0.
        tokenizer: Text to tokens and back, or None.
        provenance: Name, hash and the like, for files.
        device: Where the rows are computed.
        dtype: Of the weights, or None where unknown.
        pads: Whether sequences of different lengths can share a chunk.
        threads: Chunks computed at once, each by one thread; None leaves threads to torch.
    """

    fixed_length = False

    def __init__(
        self,
        *,
        vocab_size: int,
        max_length: int | None,
        mask_id: int,
        eos_id: int | None,
        bos_id: int | None,
        shift: int,
        tokenizer: Tokenizer | None,
        provenance: Mapping[str, str | int],
        device: torch.device,
        dtype: torch.dtype | None,
        pads: bool,
        threads: int | None,
    ) -> None:
        self.vocab_size = vocab_size
        self.max_length = max_length
        self.mask_id = mask_id
        self.eos_id = eos_id
        self.bos_id = bos_id
        self.shift = shift
        self.tokenizer = tokenizer
        self.provenance = provenance
        self.device = device
        self.dtype = dtype
        self._pads = pads
        # One thread a chunk: torch's own threads inside small operations collapse when another
        # process wants a core (two threads of one pass wait for each other).
        self._workers = (
            None
            if threads is None
            else ThreadPoolExecutor(threads, "denoiser", initializer=_enter_worker)
        )
        self._passes = self._tokens = self._batch = 0
        self._flops: float | None = 0.0
        self._seconds = 0.0

    # What a model says

    @abstractmethod
    def _states(self, tokens: Tensor, padding: Tensor | None) -> Tensor:
        """What the head reads at every position, shape (B, L, w), on the device."""

    @abstractmethod
    def _head(self, states: Tensor) -> Tensor:
        """Logits of states, shape (R, w) to (R, V), float32 at least."""

    @abstractmethod
    def _reduce(self, states: Tensor, targets: Tensor) -> Rows:
        """NLL of the targets and entropy of states, shape (R, w) to two of shape (R,)."""

    @abstractmethod
    def _cost(self, sequences: int, length: int, rows: int) -> float | None:
        """Floating-point operations of a chunk of which so many rows are asked for."""

    @abstractmethod
    def _bytes_a_token(self) -> float:
        """Memory that a token of a chunk needs, about."""

    # The protocol

    def logits(self, tokens: Tensor) -> Tensor:
        """Logits of every position, shape (B, L, V), float32; NaN where there is no token.

        Row i scores position i. Where no row scores the first position, it gets that of the next.

        Raises:
            InputError: A logit is NaN or +inf.
        """
        real = tokens.cpu() != NO_TOKEN
        (rows,) = self._map(self._logits_of_chunk, tokens, real)
        logits = rows.new_full((*tokens.shape, self.vocab_size), torch.nan)
        logits[real.to(self.device)] = rows
        return logits

    def log_probs(self, tokens: Tensor, queries: Tensor) -> Tensor:
        """Log-probabilities of the R queried positions, shape (R, V), nats."""
        self._refuse_unscored(tokens, queries)
        return self._map(self._log_probs_of_chunk, tokens, queries)[0]

    def score(self, tokens: Tensor, queries: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """NLL of the targets and predictive entropy at the queries, each shape (R,), nats."""
        self._refuse_unscored(tokens, queries)
        nll, entropy = self._map(self._score_of_chunk, tokens, queries, targets)
        return nll, entropy

    def usage(self) -> Usage:
        """What the passes so far have cost."""
        name = device_name(self.device)
        return Usage(
            passes=self._passes,
            tokens=self._tokens,
            flops=self._flops,
            seconds=self._seconds,
            batch=self._batch,
            device=name,
            dtype=None if self.dtype is None else str(self.dtype).removeprefix("torch."),
            peak_flops=None if self.dtype is None else peak_flops(name, self.dtype),
            peak_memory=peak_memory(self.device),
        )

    # Chunks

    def _logits_of_chunk(self, tokens: Tensor, queries: Tensor) -> Rows:
        logits = self._head(self._queried(tokens, queries)).float()
        bad = (torch.isnan(logits) | (logits == torch.inf)).any(dim=-1)
        if bool(bad.any()):
            raise no_distribution(int(bad.nonzero()[0, 0]), len(bad))
        return (logits,)

    def _log_probs_of_chunk(self, tokens: Tensor, queries: Tensor) -> Rows:
        return (normalise(self._head(self._queried(tokens, queries)), self.mask_id),)

    def _score_of_chunk(self, tokens: Tensor, queries: Tensor, targets: Tensor) -> Rows:
        return self._reduce(self._queried(tokens, queries), targets[queries].to(self.device))

    def _queried(self, tokens: Tensor, queries: Tensor) -> Tensor:
        """The states that score the queried positions, shape (R, w).

        Which these are is known before the device has begun, so that nothing waits for it.
        """
        padding = (tokens == NO_TOKEN).sum(dim=1)
        sequences, positions = queries.nonzero(as_tuple=True)
        positions = torch.maximum(positions - self.shift, padding[sequences])
        states = self._states(
            tokens.clamp(min=0).to(self.device),
            padding.to(self.device) if bool(padding.any()) else None,
        )
        index = sequences * tokens.shape[1] + positions
        return states.flatten(0, 1).index_select(0, index.to(self.device))

    def _map(self, function: Callable[..., Rows], *batch: Tensor) -> Rows:
        """Apply a function to chunks of a batch; rows in row-major order of its queries."""
        started = time.perf_counter()
        tokens, queries, *targets = (column.cpu() for column in batch)
        self._check(tokens, queries, *targets)
        padding = (tokens == NO_TOKEN).sum(dim=1)
        order = torch.argsort(padding, stable=True)  # sequences of like length go together
        chunks = self._chunks(tuple(c[order] for c in (tokens, queries, *targets)), padding[order])
        run = partial(self._run, function)
        results = map(run, chunks) if self._workers is None else self._workers.map(run, chunks)
        found = [rows for parts in results for rows in parts]
        whole = tuple(torch.cat(column) for column in zip(*found, strict=True))
        if bool((padding != padding[0]).any()):
            number = torch.zeros(queries.shape, dtype=torch.int64)
            number[queries] = torch.arange(int(queries.sum()))
            back = torch.argsort(number[order][queries[order]]).to(self.device)
            whole = tuple(column[back] for column in whole)
        self._seconds += time.perf_counter() - started
        return whole

    def _chunks(self, batch: Columns, padding: Tensor) -> Iterator[Columns]:
        """Cut a batch, whose longest sequences stand first, into chunks no wider than needed."""
        count, width = batch[0].shape
        start = 0
        while start < count:
            absent = min(int(padding[start]), width - 1)
            length = width - absent
            stop = min(start + self._rows_of(length), count)
            if not self._pads:
                same = torch.searchsorted(padding, padding[start], right=True)
                stop = min(stop, int(same))
            chunk = tuple(column[start:stop, absent:] for column in batch)
            self._passes += stop - start
            self._tokens += int((chunk[0] != NO_TOKEN).sum())
            cost = self._cost(stop - start, length, int(chunk[1].sum()))
            self._flops = None if cost is None or self._flops is None else self._flops + cost
            yield chunk
            start = stop

    @cached_property
    def _room(self) -> int:
        """Tokens that a chunk may have; less once that was too much."""
        return room_of(self.device, self._bytes_a_token())

    def _rows_of(self, length: int) -> int:
        """How many sequences of this length to try at once."""
        fit = max(1, self._room // length)
        return min(fit, CPU_CHUNK) if self.device.type == "cpu" else fit

    def _run(self, function: Callable[..., Rows], chunk: Columns) -> list[Rows]:
        """Apply a function to a chunk, in halves where the whole does not fit the device."""
        sequences, length = chunk[0].shape
        if sequences == 1 or sequences * length <= self._room:
            try:
                with torch.inference_mode():  # holds for the thread that enters it
                    rows = function(*chunk)
            except (RuntimeError, MemoryError) as error:
                self._shrink(sequences, length, error)
            else:
                self._batch = max(self._batch, sequences)
                return [rows]
        halves = zip(*(torch.split(c, (sequences + 1) // 2) for c in chunk), strict=True)
        return [rows for half in halves for rows in self._run(function, half)]

    def _shrink(self, sequences: int, length: int, error: BaseException) -> None:
        """Take half of so many sequences at once from now on, where they were too many."""
        if not out_of_memory(error):
            raise error
        if sequences == 1:
            raise DeviceMemoryError(
                f"out of memory on {self.device} for one sequence of {length} tokens",
                hint="use a smaller --length, a narrower --dtype, or a larger device",
            ) from error
        self._room = min(self._room, (sequences + 1) // 2 * length)
        torch.cuda.empty_cache()

    # Refusals

    def _check(self, tokens: Tensor, queries: Tensor, *targets: Tensor) -> None:
        shape = tuple(tokens.shape)
        if len(shape) != 2 or 0 in shape:
            raise UsageError(f"tokens: need shape (B, L), none of them 0, got {shape}")
        if queries.dtype != torch.bool or any(c.shape != shape for c in (queries, *targets)):
            found = [tuple(column.shape) for column in (queries, *targets)]
            raise UsageError(f"need bool queries and targets of shape {shape}, got {found}")
        absent = tokens == NO_TOKEN
        length = shape[1] - int(absent.sum(dim=1).min())
        if self.max_length is not None and length > self.max_length:
            raise UsageError(
                f"sequence of {length} tokens: this model takes at most {self.max_length}",
                hint="give a shorter prompt, or a smaller --length or --context",
            )
        low, high = int(tokens.min()), int(tokens.max())
        if low < NO_TOKEN or high >= self.vocab_size:
            raise InputError(
                f"tokens: need 0..{self.vocab_size - 1}, got {low if low < NO_TOKEN else high}",
                hint="the text must come from the tokenizer of this model",
            )
        if bool((absent[:, 1:] & ~absent[:, :-1]).any()):
            raise InputError(f"tokens: {NO_TOKEN} (no token) may only stand at the left")
        if bool((absent & queries).any()):
            raise UsageError("queries: a position without a token is asked for")
        for column in targets:
            asked = column[queries]
            if len(asked) and not 0 <= int(asked.min()) <= int(asked.max()) < self.vocab_size:
                raise InputError(
                    f"targets: need 0..{self.vocab_size - 1}, "
                    f"got {int(asked.min())}..{int(asked.max())}"
                )

    def _refuse_unscored(self, tokens: Tensor, queries: Tensor) -> None:
        """A shifted model says nothing of the first token of a sequence."""
        if not self.shift:
            return
        absent = tokens.cpu() == NO_TOKEN
        first = torch.zeros_like(absent)
        first[:, 0] = True
        first[:, 1:] = absent[:, :-1]
        bad = first & ~absent & queries.cpu()
        if bool(bad.any()):
            sequence, position = bad.nonzero()[0].tolist()
            start = "a known token" if self.bos_id is None else f"the BOS token {self.bos_id}"
            raise InputError(
                f"position {position} of sequence {sequence} is its first token, "
                "and no row of this model scores it",
                hint=f"give a context of at least 1: {start}",
            )
