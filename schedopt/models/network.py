"""A trained network as a denoiser."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from schedopt.models.backbone import Backbone
from schedopt.models.batches import BatchedDenoiser
from schedopt.models.clock import Clock
from schedopt.models.denoiser import log_softmax_without
from schedopt.models.head import project, reduce_rows
from schedopt.models.recorded import Recorder
from schedopt.models.tokenizer import Tokenizer
from schedopt.models.usage import Usage


class NetworkDenoiser(BatchedDenoiser):
    """A network that predicts every position at once, queried only where asked.

    Args:
        network: The network, on its device and in its dtype.
        mask_id: Token of an unknown position.
        eos_id: Token that ends a text, or None.
        tokenizer: Text to tokens and back, or None.
        provenance: Name, hash and the like, for files.
        bos_id: Token to stand first where row i of the network scores token i + 1, or None.

    Attributes:
        runs_ahead: Whether the host may launch pass after pass without waiting for the device,
            by ``states_at`` and ``log_probs_of``; they work everywhere, but a CPU gains nothing.
    """

    def __init__(
        self,
        network: Backbone,
        *,
        mask_id: int,
        eos_id: int | None,
        tokenizer: Tokenizer | None,
        provenance: Mapping[str, str | int],
        bos_id: int | None = None,
    ) -> None:
        self.network = network.eval().requires_grad_(False)
        weight, _ = network.output
        on_cpu = weight.device.type == "cpu"
        super().__init__(
            vocab_size=network.vocab_size,
            max_length=network.max_length,
            mask_id=mask_id,
            eos_id=eos_id,
            bos_id=bos_id,
            shift=network.shift,
            tokenizer=tokenizer,
            provenance=provenance,
            device=weight.device,
            dtype=weight.dtype,
            pads=True,
            threads=min(torch.get_num_threads(), os.cpu_count() or 1) if on_cpu else None,
        )
        self.runs_ahead = weight.is_cuda
        self._recorder = Recorder(self.network)
        self._clock = Clock(weight.device)

    def flops(self, length: int) -> float:
        """Floating-point operations of one forward pass of one sequence, all rows asked for."""
        return self.network.flops(length)

    def usage(self) -> Usage:
        """What the passes so far have cost; waits until they are done."""
        used = super().usage()
        return replace(used, seconds=used.seconds + self._clock.seconds())

    # Passes of a batch that stays on the device

    def admit(self, tokens: Tensor, queries: Tensor) -> None:
        """Refuse here what ``states_at`` does not look at.

        Args:
            tokens: Shape (B, L), ``NO_TOKEN`` at the left of a shorter sequence.
            queries: Shape (B, L), every position that will be asked for.

        Raises:
            SchedoptError: As ``log_probs`` does.
        """
        self._check(tokens.cpu(), queries.cpu())
        self._refuse_unscored(tokens, queries)

    def states_at(
        self, tokens: Tensor, rows: Tensor, columns: Tensor, padding: Tensor | None
    ) -> Tensor:
        """What the head reads for some positions, and nothing waits for it.

        Args:
            tokens: Shape (B, L), on the device, ``NO_TOKEN`` at the left of a shorter sequence.
            rows: Shape (R,), on the device, of the positions.
            columns: Shape (R,), likewise.
            padding: Shape (B,), on the device, how many ``NO_TOKEN`` each sequence has, or None
                where no sequence has any.

        Returns:
            Shape (R, d).

        Raises:
            DeviceMemoryError: One sequence is too much for the device.
        """
        count, length = tokens.shape
        positions = columns - self.shift
        if padding is not None:
            positions = torch.maximum(positions, padding[rows])
        with torch.inference_mode(), self._clock.running():
            states = self._hidden(tokens, padding)
            found = states.flatten(0, 1).index_select(0, rows * length + positions)
        self._passes += count
        self._tokens += count * length
        self._flops = (self._flops or 0.0) + self._cost(count, length, len(rows))
        return found

    def log_probs_of(self, states: Tensor) -> Tensor:
        """Log-probabilities of states, shape (R, d) to (R, V), nats; NaN where there are none."""
        with torch.inference_mode(), self._clock.running():
            return log_softmax_without(self._head(states), self.mask_id)

    def _hidden(self, tokens: Tensor, padding: Tensor | None) -> Tensor:
        """Hidden states, shape (B, L, d), of as many sequences at once as the device holds."""
        count, length = tokens.shape
        whole: Tensor | None = None
        first = 0
        while first < count:
            part = slice(first, first + self._rows_of(length))
            own = None if padding is None else padding[part]
            try:
                states = self._recorder.hidden(tokens[part], own)
                if len(states) < count:  # the next part may overwrite them
                    whole = states.new_empty((count, *states.shape[1:])) if whole is None else whole
                    whole[part] = states
            except (RuntimeError, MemoryError) as error:
                self._shrink(len(tokens[part]), length, error)
                continue
            self._batch = max(self._batch, len(states))
            first += len(states)
        return states if whole is None else whole

    def _shrink(self, sequences: int, length: int, error: BaseException) -> None:
        self._recorder.forget()
        super()._shrink(sequences, length, error)

    def _states(self, tokens: Tensor, padding: Tensor | None) -> Tensor:
        return self.network.hidden(tokens, padding)

    def _head(self, states: Tensor) -> Tensor:
        return project(self.network.rows(states), *self.network.output)

    def _reduce(self, states: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        rows = self.network.rows(states)
        return reduce_rows(rows, *self.network.output, targets, mask_id=self.mask_id)

    def _cost(self, sequences: int, length: int, rows: int) -> float:
        spared = sequences * length - rows  # rows that the head did not see
        weight, _ = self.network.output
        return sequences * self.network.flops(length) - 2.0 * spared * weight.numel()

    def _bytes_a_token(self) -> float:
        # Residual, norm, heads, gate and products: within 64 times the width in the networks here.
        weight, _ = self.network.output
        return 64.0 * weight.shape[1] * weight.element_size()
