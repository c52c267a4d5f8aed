"""Log-likelihoods of continuations: over all orders, and along a policy."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations, product

import numpy as np
import pytest
import torch
from sampler_cases import LAWS, all_outcomes, policies_for, random_network

from schedopt.errors import UsageError
from schedopt.harness.likelihood import along_policy, order_masks, over_orders
from schedopt.models import Denoiser, LawDenoiser
from schedopt.samplers import Policy, policy_for, sample
from schedopt.samplers.guidance import guide

Conditional = Callable[[list[int], int], float]  # tokens with masks, and a position, to log p


def conditional(denoiser: Denoiser, truth: list[int]) -> Conditional:
    """Log-probability of the true token of one position, asked for by itself."""

    def log_p(tokens: list[int], position: int) -> float:
        query = torch.zeros(1, len(tokens), dtype=torch.bool)
        query[0, position] = True
        return float(denoiser.log_probs(torch.tensor([tokens]), query)[0, truth[position]])

    return log_p


def mean_over_orders(denoiser: Denoiser, context: list[int], rest: list[int]) -> float:
    """The bound by its definition: every order, one position a step."""
    truth = context + rest
    log_p = conditional(denoiser, truth)
    totals = []
    for order in permutations(range(len(context), len(truth))):
        tokens = context + [denoiser.mask_id] * len(rest)
        total = 0.0
        for position in order:
            total += log_p(tokens, position)
            tokens[position] = truth[position]
        totals.append(total)
    return float(np.mean(totals))


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_all_masks_are_the_mean_over_orders_of_any_losses(length: int) -> None:
    """Whatever a position costs, given which others are hidden."""
    rng = np.random.default_rng(length)
    cost = {
        (i, hidden): rng.random()
        for hidden in product((False, True), repeat=length)
        for i in range(length)
    }
    totals = []
    for order in permutations(range(length)):
        hidden = [True] * length
        total = 0.0
        for i in order:
            total += cost[i, tuple(hidden)]
            hidden[i] = False
        totals.append(total)
    masks, weights = order_masks(length, 2**length - 1, rng)
    assert len(masks) == 2**length - 1
    found = sum(
        weight * sum(cost[i, tuple(mask)] for i in range(length) if mask[i])
        for mask, weight in zip(masks.tolist(), weights, strict=True)
    )
    assert found == pytest.approx(np.mean(totals), rel=1e-12)


@pytest.mark.parametrize(("length", "draws"), [(5, 7), (8, 128), (40, 16), (300, 128), (3, 1)])
def test_sizes_of_masks_are_stratified(length: int, draws: int) -> None:
    """Each size is drawn its share of times, rounded down or up."""
    for seed in range(20):
        masks, weights = order_masks(length, draws, np.random.default_rng(seed))
        sizes = masks.sum(axis=1)
        assert 1 <= sizes.min() <= sizes.max() <= length
        assert len(np.unique(masks, axis=0)) == len(masks)
        counts = weights * sizes * draws / length
        np.testing.assert_allclose(counts, counts.round(), atol=1e-9)
        assert counts.sum() == pytest.approx(draws)
        for size in range(1, length + 1):
            drawn = round(counts[sizes == size].sum())
            assert math.floor(draws / length) <= drawn <= math.ceil(draws / length)


def test_masks_are_unbiased() -> None:
    """Weight of each position at each size: its mean is 1/L. 25 means of 2000, each within
    5 standard errors: a false alarm in less than 2 of 100,000 seeds."""
    length, draws, count = 5, 7, 2000
    found = np.zeros((count, length, length))  # [run, size - 1, position]
    for run in range(count):
        masks, weights = order_masks(length, draws, np.random.default_rng(run))
        for mask, weight in zip(masks, weights, strict=True):
            found[run, mask.sum() - 1] += weight * mask
    error = found.std(axis=0, ddof=1) / math.sqrt(count)
    # Sum over S of size l of w_S = 1 / l; each position is in l / L of them.
    assert (np.abs(found.mean(axis=0) - 1.0 / length) < 5.0 * error + 1e-12).all()


@pytest.mark.parametrize("name", LAWS)
def test_bound_of_an_exact_law_is_its_log_probability(name: str) -> None:
    """All orders agree where the conditionals are those of one law."""
    law = LawDenoiser(LAWS[name])
    outcomes = all_outcomes(law.symbols, law.length)
    with np.errstate(divide="ignore"):
        truth = np.log([law.table[tuple(x)] for x in outcomes.tolist()])
    found = over_orders(law, [([], x) for x in outcomes.tolist()])
    possible = np.isfinite(truth)
    np.testing.assert_allclose(found[possible], truth[possible], rtol=1e-9, atol=1e-9)
    assert (found[~possible] == -np.inf).all()
    context = law.outcomes[0, :2].tolist()
    conditional = found[(outcomes[:, :2] == torch.tensor(context)).all(dim=1).numpy()]
    rest = all_outcomes(law.symbols, law.length - 2).tolist()
    joint = over_orders(law, [(context, x) for x in rest])
    assert np.exp(joint).sum() == pytest.approx(1.0)
    finite = np.isfinite(conditional)
    shift = conditional[finite] - joint[finite]  # log p(context), for each continuation
    np.testing.assert_allclose(shift, shift[0], atol=1e-9)


def test_draws_estimate_the_log_probability_of_an_exact_law() -> None:
    """Mean of 400 seeds within 5 standard errors, of each of 4 texts: a false alarm in less than
    1 of 400,000 choices of seeds."""
    law = LawDenoiser(LAWS["generic"])
    texts = law.outcomes[::4].tolist()
    found = np.array([over_orders(law, [([], x) for x in texts], draws=5, seed=s)
                      for s in range(400)])  # fmt: skip
    truth = np.log([law.table[tuple(x)] for x in texts])
    error = found.std(axis=0, ddof=1) / math.sqrt(len(found))
    assert (error > 0.0).all()
    assert (np.abs(found.mean(axis=0) - truth) < 5.0 * error).all()


def test_bound_of_a_network_is_the_mean_over_orders() -> None:
    network = random_network(vocab_size=6)
    pairs = [([1, 2], [3, 0, 4]), ([], [2]), ([4, 0, 1], [1, 1, 2]), ([3], [0, 0])]
    found = over_orders(network, pairs)
    expected = [mean_over_orders(network, *pair) for pair in pairs]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_guided_bound() -> None:
    network = random_network(vocab_size=6)
    context, rest, scale = [1, 2, 0], [3, 4], 1.5

    class Guided:
        mask_id = network.mask_id

        def log_probs(self, tokens: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
            alone = tokens.clone()
            alone[:, : len(context)] = network.mask_id
            scores = network.log_probs(tokens, queries), network.log_probs(alone, queries)
            return guide(*scores, scale)

    found = over_orders(network, [([1], [2, 2, 0]), (context, rest)], guidance=scale)
    assert found[1] == pytest.approx(mean_over_orders(Guided(), context, rest))
    with pytest.raises(UsageError, match="guidance: need a finite number >= 0, got -1"):
        over_orders(network, [(context, rest)], guidance=-1.0)


def test_bound_depends_on_the_request_alone() -> None:
    """Neither the batch, nor the other requests, nor their order matter."""
    network = random_network(vocab_size=6)
    rng = np.random.default_rng(0)
    lengths = [(0, 9), (3, 12), (5, 9), (0, 0), (2, 2), (1, 20)]
    pairs = [tuple(rng.integers(0, 5, size).tolist() for size in both) for both in lengths]
    told: list[int] = []
    whole = over_orders(network, pairs, draws=16, batch_size=5, told=told.append)
    assert sum(told) == len(pairs)
    assert whole[3] == 0.0
    for batch_size in (1, 64):
        again = over_orders(network, pairs[::-1], draws=16, batch_size=batch_size)[::-1]
        np.testing.assert_allclose(again, whole, rtol=1e-9)
    alone = [over_orders(network, [pair], draws=16)[0] for pair in pairs]
    np.testing.assert_allclose(alone, whole, rtol=1e-9)
    other = over_orders(network, pairs, draws=16, seed=1)
    assert (other != whole)[[0, 1, 2, 5]].all()
    assert over_orders(network, []).shape == (0,)


@pytest.mark.parametrize("policy", policies_for(2), ids=lambda policy: policy.label)
@pytest.mark.parametrize("length", [2, 3])
def test_probabilities_along_a_policy_sum_to_one(policy: Policy, length: int) -> None:
    """And no other continuation is the greedy one than the one that has no rival at each step.
    A continuation of 3 positions begins in the middle of a block of 2."""
    network = random_network(vocab_size=4)
    rests = all_outcomes(3, length).tolist()
    found, greedy = along_policy([network], [([1, 0, 2], x) for x in rests], policy)
    assert np.exp(found).sum() == pytest.approx(1.0, rel=1e-9)
    assert greedy.sum() == 1


# Those whose order does not depend on the row: here that is the context's, there its place.
UNDRAWN = [policy for policy in policies_for(4) if policy.label not in ("random", "cosine")]


@pytest.mark.parametrize("policy", UNDRAWN, ids=lambda policy: policy.label)
def test_greedy_is_what_sampling_at_temperature_zero_gives(policy: Policy) -> None:
    network = random_network(vocab_size=5, seed=3)
    context = [0, 2, 1]
    done = sample(network, policy, prompt=context, length=8, temperature=0.0)
    rest = list(done.tokens[0][3:])
    wrong = [*rest[:5], (rest[5] + 1) % 4, *rest[6:]]
    _, greedy = along_policy([network], [(context, rest), (context, wrong)], policy)
    assert greedy.tolist() == [True, False]


def test_a_policy_is_followed_alone_as_in_any_batch() -> None:
    """Random orders, too, belong to the request; contexts and continuations of any length."""
    network = random_network(vocab_size=6)
    rng = np.random.default_rng(1)
    lengths = [(0, 9), (3, 12), (5, 9), (0, 0), (2, 2), (0, 3), (30, 4)]
    pairs = [tuple(rng.integers(0, 5, size).tolist() for size in both) for both in lengths]
    policy = policy_for("random", block_length=4, steps=2)
    told: list[int] = []
    whole, _ = along_policy([network], pairs, policy, batch_size=2, told=told.append)
    assert sum(told) == len(pairs)
    assert whole[3] == 0.0
    alone = [along_policy([network], [pair], policy)[0][0] for pair in pairs]
    np.testing.assert_allclose(alone, whole, rtol=1e-9)
    other, _ = along_policy([network], pairs, policy, seed=1)
    assert (other != whole)[[0, 1, 2]].all()


def test_one_position_a_step_along_an_order_is_the_chain_rule() -> None:
    law = LawDenoiser(LAWS["generic"])
    policy = policy_for("left_to_right", block_length=4, steps=4)
    texts = law.outcomes.tolist()
    found, _ = along_policy([law], [([], x) for x in texts], policy)
    np.testing.assert_allclose(found, np.log(law.table.ravel()), rtol=1e-9)


def test_pairs_that_are_too_long() -> None:
    law = LawDenoiser(LAWS["generic"])
    pair = ([0], [0, 1, 0, 1])
    with pytest.raises(UsageError, match="sequence of 5 tokens: this model takes exactly 4"):
        over_orders(law, [pair])
    with pytest.raises(UsageError, match="this model takes exactly 4"):
        along_policy([law], [pair], policy_for("dus:4", block_length=4))
