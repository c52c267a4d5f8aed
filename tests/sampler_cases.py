"""Laws, policies and outcomes that the tests of samplers share."""

from __future__ import annotations

from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from strategies import random_table
from torch import Tensor

from schedopt.models import LawDenoiser, NetworkDenoiser
from schedopt.models.transformer import TransformerConfig
from schedopt.samplers import Policy, SchedulePolicy, Unmasked, policy_for, unmask
from schedopt.samplers.fills import true_tokens
from schedopt.schedule import Order, UnmaskingSchedule
from theory.distributions import Law, TableLaw, build_law

LAWS: dict[str, Law] = {
    "product": build_law("product", n=4, q=3, eps=0.4),
    "markov": build_law("markov", n=4),
    "second-order-markov": build_law("markov", n=6, order=2),
    "parity": build_law("parity", n=4),
    "reed-solomon": build_law("reed-solomon", n=4),
    "mixture": build_law("mixture", n=6, seed=3),
    "repeated-bit": build_law("repeated-bit", n=4),
    "permutation": build_law("permutation", n=4),
    "generic": TableLaw(random_table(2, 4, seed=1)),
}


def policies_for(length: int) -> list[Policy]:
    """One of every kind, in blocks of this length."""
    names = ["random", "cosine", "left_to_right", "dilated", "confidence", "entropy", "margin"]
    sized = [policy_for(name, block_length=length, steps=2) for name in names]
    own = ["eb:0.3", "eb:0", "threshold:0.7", "threshold:1", "dus", "dus,gate=0.7", "factor:0.7"]
    own += ["klass:0.5,eps=0.2,history=1", "entropy_sum:0.7", "threshold:0.6,spacing=2"]
    own += ["eb:0.5,rank=dilated,floor=2", "eb:0.5,cap=2", "confidence,sizes=square,gate=0.6"]
    return [*sized, *(policy_for(name, block_length=length, steps=2) for name in own)]


def explicit(groups: tuple[tuple[int, ...], ...]) -> SchedulePolicy:
    """A policy that reveals these groups."""
    permutation = tuple(p for group in groups for p in group)
    sizes = tuple(len(group) for group in groups)
    order = Order("explicit", permutation=permutation)
    return SchedulePolicy(UnmaskingSchedule(len(permutation), order, sizes))


def all_outcomes(symbols: int, length: int) -> Tensor:
    """Every sequence, possible or not, shape (q^n, n)."""
    return torch.tensor(list(product(range(symbols), repeat=length)))


def teacher_forced(
    denoiser: LawDenoiser | NetworkDenoiser, truth: Tensor, policy: Policy, seed: int = 0
) -> Unmasked:
    canvas = torch.full_like(truth, denoiser.mask_id)
    return unmask(denoiser, canvas, policy, true_tokens(truth), seed=seed)


def certain(tokens: list[int], *, symbols: int, eos_id: int | None = None) -> LawDenoiser:
    """A law that always says these tokens."""
    table = np.zeros((symbols,) * len(tokens))
    table[tuple(tokens)] = 1.0
    law = LawDenoiser(table)
    law.eos_id = eos_id
    return law


def groups_of(revealed_at: NDArray[np.int64]) -> list[list[int]]:
    """Positions that each pass of one row revealed, ascending."""
    return [np.flatnonzero(revealed_at == t).tolist() for t in range(int(revealed_at.max()) + 1)]


def random_network(*, vocab_size: int, seed: int = 0) -> NetworkDenoiser:
    """A small network with random weights, its last token the mask; float64, so that sums are
    exact enough to compare."""
    torch.manual_seed(seed)
    config = TransformerConfig(
        vocab_size=vocab_size,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
        intermediate_size=32,
        max_position_embeddings=4096,
        rope_theta=500000.0,
        rms_norm_eps=1e-5,
    )
    network = config.build().to(torch.float64)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return NetworkDenoiser(
        network, mask_id=vocab_size - 1, eos_id=None, tokenizer=None, provenance={"name": "random"}
    )
