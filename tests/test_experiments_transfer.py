"""What the experiments on estimation and transfer compute by themselves."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from schedopt.data import Windows
from schedopt.estimators import estimate
from schedopt.evaluation import evaluate, sequential_policy
from schedopt.models import LawDenoiser, load_model
from schedopt.schedule import Order, UnmaskingSchedule

EXPERIMENTS = Path(__file__).resolve().parent.parent / "experiments"


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(EXPERIMENTS), *sys.path])
    return importlib.import_module(name)


def test_passes_to_a_target_are_read_off_a_power_law(monkeypatch: pytest.MonkeyPatch) -> None:
    passes_to = script("estimation_cost", monkeypatch).passes_to
    rng = np.random.default_rng(0)
    law = {p: [1.0 / p] * 3 for p in (64, 128, 256)}  # regret 1 % at 100 passes
    assert passes_to(0.01, law, rng) == {"passes": 100.0, "low": 100.0, "high": 100.0}
    assert passes_to(0.1, law, rng)["passes"] == 0.0  # all are within
    assert passes_to(0.001, law, rng) == {"passes": None, "low": None, "high": None}
    bumpy = {64: [0.005, 0.005], 128: [0.02, 0.02], 256: [0.005, 0.005]}
    assert passes_to(0.01, bumpy, rng)["passes"] == 181.0  # from there on it stays


def test_one_memory_makes_a_call_once(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = script("estimation_cost", monkeypatch).Memory()
    calls: list[int] = []

    def compute(index: int) -> tuple[np.ndarray]:
        calls.append(index)
        return (np.array(index),)

    assert memory.map("a", 2, compute) == memory.map("a", 2, compute)
    memory.map("b", 1, compute)
    assert calls == [0, 1, 0]


def test_the_plain_estimates_share_their_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = script("estimation_cost", monkeypatch).Memory()
    law = LawDenoiser(np.full((2,) * 4, 1 / 16))
    windows = Windows.independent(law.draw(20, np.random.default_rng(0)))
    for smoothing in ("raw", "isotonic"):
        estimate(law, windows, order=Order("random"), passes=32, smoothing=smoothing, runner=memory)
    assert len(memory._found) == 1


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(0, 60), st.integers(2, 5))
def test_stretched_sizes_keep_their_number_and_share(
    sizes: list[int], more: int, times: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stretched = script("transfer", patch).stretched
    length = len(sizes) + more
    found = stretched(sizes, length)
    assert sum(found) == length
    assert len(found) == len(sizes)
    assert min(found) >= 1
    whole = sum(sizes) * times
    assert stretched(sizes, whole) == tuple(times * size for size in sizes)


def test_a_ratio_of_means_and_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    relative = script("transfer", monkeypatch).relative
    base = np.array([1.0, 2.0, 3.0])
    found = relative(1.5 * base, base, np.arange(3))
    assert found.value == pytest.approx(0.5)
    assert found.stderr == pytest.approx(0.0, abs=1e-12)


def test_prose_is_paragraphs_of_words(monkeypatch: pytest.MonkeyPatch) -> None:
    prose_of = script("transfer", monkeypatch).prose_of
    prose = "Words that follow each other and say something in plain English, \n".rstrip() * 3
    text = f'def f():\n    """{prose}\n\n    x = {{1: 2}}; y[0] == "{"#" * 200}"\n    """\n'
    assert prose_of(text + text.replace("f()", "g()")) == prose


def test_tempered_conditionals_are_powers(monkeypatch: pytest.MonkeyPatch) -> None:
    tempered = script("transfer_temperature", monkeypatch).tempered
    model = load_model("tiny-light")
    tokens = torch.tensor([[100, 101, model.mask_id, 32]])
    queries = tokens == model.mask_id
    half = tempered(model, 0.5).log_probs(tokens, queries)
    squares = model.log_probs(tokens, queries).double().exp() ** 2
    assert torch.allclose(half.double().exp(), squares / squares.sum(), atol=1e-6)


def test_the_excess_on_own_texts_is_the_divergence(monkeypatch: pytest.MonkeyPatch) -> None:
    """By enumeration: the mean over all texts of one position a step, weighted by their law."""
    module = script("transfer_temperature", monkeypatch)
    law = LawDenoiser(np.array([[[4.0, 1.0], [1.0, 2.0]], [[1.0, 1.0], [1.0, 5.0]]]) / 16.0)
    model = module.tempered(law, 0.7)
    everything = torch.cartesian_prod(*[torch.arange(2)] * 3)
    windows = Windows.independent(everything)
    order = Order("left_to_right")
    alone, together = evaluate(
        model, windows, [sequential_policy(order, 3), UnmaskingSchedule(3, order, (1, 2))]
    )
    sequential, parallel = np.exp(-3 * alone.values), np.exp(-3 * together.values)
    assert sequential.sum() == pytest.approx(1.0)
    assert parallel.sum() == pytest.approx(1.0)
    divergence = float(sequential @ np.log(sequential / parallel))
    assert 3 * float(sequential @ (together.values - alone.values)) == pytest.approx(divergence)
    assert divergence > 0.0


def test_own_texts_carry_their_sequential_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("transfer_temperature", monkeypatch)
    model = module.tempered(load_model("tiny-light"), 0.7)
    prompts = Windows(torch.full((4, 16), 32), np.arange(4), 8)
    texts, nll = module.own_texts(model, prompts, batch=3, seed=0)
    assert bool((texts.tokens[:, :8] == 32).all())
    (score,) = evaluate(model, texts, [sequential_policy(module.ORDER, 8)])
    assert np.allclose(score.values * 8, nll, atol=1e-4)
