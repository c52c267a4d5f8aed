"""Guidance and temperature are those of LLaDA, and planners see the untempered model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from sampler_cases import LAWS, random_network
from scipy.stats import chisquare
from torch import Tensor

from schedopt.errors import InputError, UsageError
from schedopt.models import Denoiser, LawDenoiser, NetworkDenoiser
from schedopt.samplers import policy_for, sample, unmask
from schedopt.samplers.fills import drawn_tokens, greedy_tokens, true_tokens
from schedopt.samplers.guidance import LARGEST, guide

# Fixed seeds: these never change colour. With other seeds each fails once in a million times.
FALSE_ALARM = 1e-6


def shifted(*, ahead: bool = False) -> NetworkDenoiser:
    model = random_network(vocab_size=7)
    model.shift = 1
    model.runs_ahead = ahead
    return model


def plain(*, ahead: bool = False) -> NetworkDenoiser:
    model = random_network(vocab_size=7)
    model.runs_ahead = ahead
    return model


def llada(
    model: Denoiser, x: Tensor, prompt: Tensor, scale: float, steps: list[list[int]], text: Tensor
) -> Tensor:
    """NLL of a text under LLaDA's own rule, in its own words: logits, then one softmax. The
    prompt is what is known at the start; what is revealed later is never masked again."""
    nll = torch.zeros(x.shape, dtype=torch.float64)
    for columns in steps:
        un_x = x.clone()
        un_x[prompt] = model.mask_id
        logits, un_logits = model.logits(x).double(), model.logits(un_x).double()
        guided = un_logits + (scale + 1) * (logits - un_logits)
        guided[..., model.mask_id] = -torch.inf
        log_probs = guided.log_softmax(dim=-1)
        for row in range(len(x)):
            for column in columns:
                x[row, column] = text[row, column]
                nll[row, column] = -log_probs[row, column, text[row, column]]
    return nll


@pytest.mark.parametrize("scale", [0.5, 3.0])
@pytest.mark.parametrize("make", [plain, shifted])
@pytest.mark.parametrize("ahead", [True, False])
def test_guidance_is_that_of_llada(make: Any, ahead: bool, scale: float) -> None:
    model = make(ahead=ahead)
    text = torch.randint(0, 6, (3, 10), generator=torch.Generator().manual_seed(1))
    x = torch.full_like(text, model.mask_id)
    x[:, :2] = text[:, :2]
    x[:, 7] = text[:, 7]  # infilling: a given token is part of the prompt
    prompt = x != model.mask_id
    policy = policy_for("left_to_right", block_length=4, steps=2)
    done = unmask(model, x, policy, true_tokens(text), start=2, guidance=scale)
    wanted = llada(model, x.clone(), prompt, scale, [[2, 3], [4, 5], [6], [8, 9]], text)
    torch.testing.assert_close(done.nll, wanted, atol=1e-5, rtol=1e-5)
    assert done.nfe.tolist() == [8, 8, 8]
    assert done.revealed_at[0].tolist() == [-1, -1, 0, 0, 1, 1, 2, -1, 3, 3]


def test_guidance_of_a_law() -> None:
    """Of one length, in float64; and what the prompt makes impossible stays so."""
    law = LawDenoiser(LAWS["generic"])
    text = law.outcomes[:5]
    x = torch.full_like(text, law.mask_id)
    x[:, 0] = text[:, 0]
    policy = policy_for("left_to_right", block_length=3, steps=3)
    done = unmask(law, x, policy, true_tokens(text), start=1, guidance=1.5)
    wanted = llada(law, x.clone(), x != law.mask_id, 1.5, [[1], [2], [3]], text)
    torch.testing.assert_close(done.nll, wanted)
    parity = LawDenoiser(LAWS["parity"])
    samples = sample(parity, policy, prompt=[1], count=40, guidance=2.0)
    assert {sum(row) % 2 for row in samples.tokens} == {0}


def test_without_a_prompt_guidance_changes_nothing() -> None:
    policy = policy_for("random", block_length=6, steps=3)
    free = sample(plain(), policy, count=4)
    guided = sample(plain(), policy, count=4, guidance=2.0)
    assert guided.tokens == free.tokens
    assert (free.nfe, guided.nfe) == ((3,) * 4, (6,) * 4)
    # With one it does.
    prompted = [sample(plain(), policy, prompt=[1, 2], count=8, guidance=g) for g in (0.0, 5.0)]
    assert prompted[0].tokens != prompted[1].tokens


def test_what_guidance_favours() -> None:
    c = torch.tensor([[0.5, 0.5, 0.0, 0.0]], dtype=torch.float64).log()
    u = torch.tensor([[0.8, 0.1, 0.1, 0.0]], dtype=torch.float64).log()
    torch.testing.assert_close(guide(c, u, 0.0), c)
    for scale in (0.5, 2.0, 7.0):
        odds = (0.5 ** (scale + 1) / 0.8**scale, 0.5 ** (scale + 1) / 0.1**scale)
        wanted = [odd / sum(odds) for odd in odds] + [0.0, 0.0]
        assert guide(c, u, scale).exp()[0].tolist() == pytest.approx(wanted)
    # What only the prompt makes possible is favoured without bound.
    assert guide(u, c, 1.0).exp()[0].tolist() == pytest.approx([0.0, 0.0, 1.0, 0.0])
    assert bool(guide(torch.full((1, 3), torch.nan), u[:, :3], 1.0).isnan().all())


@pytest.mark.parametrize("scale", [-0.5, math.nan, math.inf])
def test_a_scale_that_is_none(scale: float) -> None:
    with pytest.raises(UsageError, match=f"guidance: need a finite number >= 0, got {scale}"):
        sample(plain(), policy_for("dus", block_length=4), guidance=scale)


@pytest.mark.parametrize("spelling", ["dus", "eb:0.1", "klass:0.5", "margin"])
def test_no_scale_is_so_large_that_products_overflow(spelling: str) -> None:
    policy = policy_for(spelling, block_length=4, steps=2)
    rows = torch.tensor([[0.0, -math.inf, -80.0]]), torch.tensor([[-math.inf, -80.0, 0.0]])
    assert not guide(*rows, LARGEST).isnan().any()
    assert not guide(*reversed(rows), LARGEST).isnan().any()
    sample(plain(), policy, prompt=[1], guidance=LARGEST)
    with pytest.raises(UsageError, match=r"guidance: need at most 1e\+06, got 1e\+40"):
        sample(plain(), policy, prompt=[1], guidance=1e40)


def test_a_broken_model_is_found_under_guidance() -> None:
    model = plain(ahead=True)
    model.network.output[0].fill_(torch.inf)
    with pytest.raises(InputError, match="NaN or infinite logits"):
        sample(model, policy_for("dus", block_length=4), prompt=[1], guidance=1.0)


# Planners


@pytest.mark.parametrize("guidance", [0.0, 2.0])
def test_confidence_is_that_of_the_untempered_model(guidance: float) -> None:
    """Guided, where there is guidance: LLaDA takes it from the guided logits, too."""
    model = plain()
    policy = policy_for("confidence", block_length=8, steps=8)
    first = set()
    for temperature in (0.0, 0.3, 1.0, 20.0):
        samples = sample(
            model, policy, prompt=[1, 2, 3], temperature=temperature, guidance=guidance
        )
        first.add(samples.revealed_at[0].index(0))
    x = torch.tensor([[1, 2, 3] + [model.mask_id] * 8])
    un_x = torch.full_like(x, model.mask_id)
    logits = model.logits(x)
    logits = model.logits(un_x) + (guidance + 1) * (logits - model.logits(un_x))
    logits[..., model.mask_id] = -torch.inf
    surest = int(logits.softmax(dim=-1).amax(dim=-1)[0, 3:].argmax()) + 3
    assert first == {surest}


# Temperature


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_gumbel_noise_is_a_draw_from_the_tempered_distribution(temperature: float) -> None:
    """LLaDA's exp(logit) / (-log u)^T has its largest entry where p^(1/T) would be drawn, and
    our draws, with one number a position instead of one an entry, have the same distribution."""
    rng = np.random.default_rng(5)
    count, logits = 40_000, np.array([1.3, -0.4, 0.0, 2.0, -2.5])
    noise = (-np.log(rng.random((count, 5)))) ** temperature
    gumbel = (np.exp(logits) / noise).argmax(axis=1)
    log_probs = torch.from_numpy(logits).log_softmax(dim=-1).expand(count, 5)
    uniforms = torch.from_numpy(rng.random((count, 1)))
    fill = drawn_tokens(temperature, uniforms)
    ours = fill(log_probs, torch.arange(count), torch.zeros(count, dtype=torch.int64)).numpy()
    tempered = np.exp(logits / temperature)
    wanted = count * tempered / tempered.sum()
    for drawn in (gumbel, ours):
        assert chisquare(np.bincount(drawn, minlength=5), wanted).pvalue > FALSE_ALARM
    assert chisquare(np.bincount(gumbel, minlength=5), wanted[::-1]).pvalue < FALSE_ALARM


def test_at_temperature_zero_both_take_the_likeliest() -> None:
    log_probs = torch.randn(50, 9, generator=torch.Generator().manual_seed(0)).log_softmax(dim=-1)
    index = torch.arange(50)
    fill = drawn_tokens(0.0, torch.zeros((50, 1), dtype=torch.float64))
    assert fill is greedy_tokens
    assert torch.equal(fill(log_probs, index, index), log_probs.argmax(dim=-1))
