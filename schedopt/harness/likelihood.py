"""How likely a model finds a continuation: over all orders, or along a policy."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from math import comb

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from schedopt.models import Denoiser
from schedopt.models.denoiser import NO_TOKEN, reduce_scores
from schedopt.samplers.active import Bools, Floats
from schedopt.samplers.fills import greedy_tokens
from schedopt.samplers.guidance import check_guidance, guide
from schedopt.samplers.policies import Policy
from schedopt.samplers.unmask import check_width, unmask

Pair = tuple[Sequence[int], Sequence[int]]  # token ids of a context and of its continuation
Told = Callable[[int], None]  # called with the number of pairs that have been done since


def order_masks(
    length: int, draws: int, rng: np.random.Generator
) -> tuple[Bools, NDArray[np.float64]]:
    r"""Masks whose weighted losses estimate the mean loss over all orders.

    A text revealed one position a step, in an order drawn uniformly, costs

    .. math:: -\sum_{l=1}^L \frac1l E_{|S|=l} \sum_{i \in S} \log p(x_i | x_{\bar S}),

    the mean over sets S of l masked positions. Where all :math:`2^L - 1` sets are no more than
    the draws, each is taken once, and nothing is left to chance. Otherwise l is drawn
    systematically (one random shift, then even steps through 1..L), as LLaDA does within a batch,
    so that each l has its share of the draws, rounded down or up; S is uniform given l, and
    independent. Each draw has the weight L / (l draws).

    Args:
        length: L >= 1, positions of the continuation.
        draws: How many masks at most, >= 1.
        rng: What is drawn comes from it.

    Returns:
        Which positions each mask hides, shape (M, L), all different; and the weight of the sum
        of losses at these positions, shape (M,).

    References:
        Nie et al., Large Language Diffusion Models (LLaDA), 2025, equation 6; Uria, Murray,
        Larochelle, A deep and tractable density estimator, ICML 2014.

    Example:
        >>> masks, weights = order_masks(2, 128, np.random.default_rng(0))
        >>> masks.astype(int).tolist(), weights.tolist()
        ([[0, 1], [1, 0], [1, 1]], [0.5, 0.5, 0.5])
    """
    if 2**length - 1 <= draws:
        sets = np.arange(1, 2**length)[:, None] >> np.arange(length)[::-1] & 1
        sizes = sets.sum(axis=1)
        return sets.astype(np.bool_), np.array([1 / (size * comb(length, size)) for size in sizes])
    levels = np.floor(length * (np.arange(draws) + rng.random()) / draws).astype(np.int64) + 1
    levels = np.minimum(levels, length)  # rounding may reach the end of the last stratum
    ranks = rng.random((draws, length)).argsort(axis=1).argsort(axis=1)
    masks, counts = np.unique(ranks < levels[:, None], axis=0, return_counts=True)
    return masks, counts * length / (masks.sum(axis=1) * draws)


def over_orders(
    denoiser: Denoiser,
    pairs: Sequence[Pair],
    *,
    draws: int = 128,
    seed: int = 0,
    batch_size: int = 32,
    guidance: float = 0.0,
    told: Told = lambda _: None,
) -> Floats:
    r"""Lower bound on the log-likelihood of continuations, by Monte Carlo.

    Its expectation is the mean over all orders of the log-probability that the model, asked one
    position a step, gives the continuation: at most the logarithm of its mean, and equal to it
    where all orders agree, as those of an exact law do. What is drawn depends on the seed, the
    context and the length of the continuation alone: continuations of one context that are of
    equal length are compared under the same masks, and no result depends on the batch.

    Args:
        denoiser: The model.
        pairs: Contexts and continuations; an empty continuation has log-likelihood 0.
        draws: Masks for each continuation at most, as ``order_masks``.
        seed: Of the masks, >= 0.
        batch_size: Sequences that go through the model at once.
        guidance: As ``unmask``; two passes for each mask where it is not 0.
        told: Called as pairs are done.

    Returns:
        Shape (N,), nats.

    Raises:
        UsageError: A pair is longer than the model takes, or the guidance is negative.

    Example:
        >>> from schedopt.models import LawDenoiser
        >>> parity = LawDenoiser([[0.5, 0.0], [0.0, 0.5]])
        >>> over_orders(parity, [([], [1, 1]), ([1], [1]), ([1], [0])])
        array([-0.69314718, 0. , -inf])
    """
    check_guidance(guidance)
    totals = np.zeros(len(pairs))
    rows = _masked_rows(denoiser, pairs, draws, seed, told)
    while batch := list(islice(rows, batch_size)):
        nll = _losses(denoiser, batch, guidance)
        counts = [sum(row.hidden) for row in batch]
        owners = np.repeat([row.pair for row in batch], counts)
        weights = np.repeat([row.weight for row in batch], counts)
        totals -= np.bincount(owners, weights * nll, len(pairs))
    return totals


@dataclass(frozen=True)
class _MaskedRow:
    """A sequence of which some positions are hidden, 1 in ``hidden``."""

    pair: int
    tokens: Sequence[int]
    context: int  # how many of the tokens
    hidden: Sequence[int]
    weight: float


def _masked_rows(
    denoiser: Denoiser, pairs: Sequence[Pair], draws: int, seed: int, told: Told
) -> Iterator[_MaskedRow]:
    """The sequences to score, longest first, so that neighbours are of like length."""
    order = [pair for pair, (_, continuation) in enumerate(pairs) if continuation]
    told(len(pairs) - len(order))
    for pair in sorted(order, key=lambda pair: -sum(map(len, pairs[pair]))):
        context, continuation = pairs[pair]
        check_width(denoiser, len(context) + len(continuation))
        key = np.random.SeedSequence(seed, spawn_key=(content_number(context), len(continuation)))
        masks, weights = order_masks(len(continuation), draws, np.random.default_rng(key))
        tokens, given = [*context, *continuation], [0] * len(context)
        for mask, weight in zip(masks.tolist(), weights.tolist(), strict=True):
            hidden = [*given, *map(int, mask)]
            yield _MaskedRow(pair, tokens, len(context), hidden, weight)
        told(1)


def _losses(denoiser: Denoiser, batch: Sequence[_MaskedRow], guidance: float) -> Floats:
    """NLL of each hidden position, row by row, nats."""
    tokens = _stack([row.tokens for row in batch])
    hidden = _stack([row.hidden for row in batch]) > 0
    canvas = tokens.masked_fill(hidden, denoiser.mask_id)
    if guidance == 0.0:
        nll, _ = denoiser.score(canvas, hidden, tokens)
    else:
        prompt = _stack([[i < row.context for i in range(len(row.tokens))] for row in batch]) > 0
        without = canvas.masked_fill(prompt, denoiser.mask_id)
        scores = denoiser.log_probs(canvas, hidden), denoiser.log_probs(without, hidden)
        nll, _ = reduce_scores(guide(*scores, guidance), tokens[hidden].to(denoiser.device))
    return nll.double().cpu().numpy()


def along_policy(
    models: Sequence[Denoiser],
    pairs: Sequence[Pair],
    policy: Policy,
    *,
    seed: int = 0,
    batch_size: int = 32,
    guidance: float = 0.0,
    told: Told = lambda _: None,
) -> tuple[Floats, Bools]:
    """Log-probability that a sampler gives continuations, and whether it does so greedily.

    The policy is followed while every revealed position gets its token of the continuation. Its
    log-probabilities sum to that of the sampler at temperature 1, exactly (for a random order:
    given the order drawn from the seed and the context). At temperature 0, the sampler gives the
    continuation if and only if each token was the likeliest when its turn came.

    Blocks end where the continuation ends, so that the first of them may begin inside the
    context; what is known there is skipped, as in infilling.

    Args:
        models: The model, and those of indices 1, 2, ... where the policy names them.
        pairs: Contexts and continuations; an empty continuation has log-likelihood 0.
        policy: A schedule or planner.
        seed: Of random orders, >= 0.
        batch_size: Sequences that go through the model at once.
        guidance: As ``unmask``.
        told: Called as pairs are done.

    Returns:
        Two arrays of shape (N,), the first in nats.

    Raises:
        UsageError: A pair is longer than the model takes, or the policy names more models.

    Example:
        >>> from schedopt.models import LawDenoiser
        >>> from schedopt.sizes import dus_schedule
        >>> from schedopt.samplers import as_policy
        >>> parity = LawDenoiser([[0.5, 0.0], [0.0, 0.5]])
        >>> at_once = as_policy(dus_schedule(2))
        >>> along_policy([parity], [([], [1, 1]), ([], [0, 0])], at_once)
        (array([-1.38629436, -1.38629436]), array([False, True]))
    """
    totals, greedy = np.zeros(len(pairs)), np.ones(len(pairs), dtype=np.bool_)

    def blocks(pair: int) -> int:
        return -(-len(pairs[pair][1]) // policy.block_length)

    order = sorted(range(len(pairs)), key=lambda pair: (blocks(pair), sum(map(len, pairs[pair]))))
    # Orders are drawn for each block by its number: a batch must agree on how many there are.
    for count, same in groupby(order, key=blocks):
        while batch := list(islice(same, batch_size)):
            if count:
                own = [pairs[pair] for pair in batch]
                totals[batch], greedy[batch] = _follow(
                    models, own, policy, count * policy.block_length, seed, guidance
                )
            told(len(batch))
    return totals, greedy


def _follow(
    models: Sequence[Denoiser],
    pairs: Sequence[Pair],
    policy: Policy,
    length: int,
    seed: int,
    guidance: float,
) -> tuple[Floats, Bools]:
    """As ``along_policy``, in blocks that are so long together."""
    tokens = _stack([[*context, *continuation] for context, continuation in pairs], length)
    hidden = _stack([[0] * len(given) + [1] * len(rest) for given, rest in pairs], length) > 0
    truth = tokens.to(models[0].device)
    misses = torch.zeros(len(pairs), dtype=torch.int64, device=truth.device)

    def reveal(log_probs: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        targets = truth[rows, columns]
        misses.index_add_(0, rows, (greedy_tokens(log_probs, rows, columns) != targets).long())
        return targets

    done = unmask(
        models,
        tokens.masked_fill(hidden, models[0].mask_id),
        policy,
        reveal,
        start=tokens.shape[1] - length,
        rows=[content_number(context) for context, _ in pairs],
        seed=seed,
        guidance=guidance,
    )
    return -done.nll.sum(dim=-1).cpu().numpy(), misses.cpu().numpy() == 0


def _stack(rows: Sequence[Sequence[int]], width: int = 0) -> Tensor:
    """Rows of different lengths, filled up at the left with ``NO_TOKEN``."""
    width = max(width, *map(len, rows)) if rows else width
    return torch.tensor([[NO_TOKEN] * (width - len(row)) + list(row) for row in rows])


def content_number(tokens: Sequence[int]) -> int:
    """A number of 32 bits that stands for a sequence of tokens.

    Example:
        >>> content_number([1, 2]) == content_number((1, 2)) != content_number([2, 1])
        True
    """
    digest = hashlib.sha256(np.asarray(tokens, dtype=np.int64).tobytes()).digest()
    return int.from_bytes(digest[:4])
