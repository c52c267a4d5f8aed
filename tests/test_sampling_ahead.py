"""Steps launched ahead of the device give what steps one by one give; on a GPU, recorded ones."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sampler_cases import random_network
from torch import Tensor

from schedopt.errors import DeviceMemoryError, InputError
from schedopt.models import NetworkDenoiser, load_model, recorded
from schedopt.models.backbone import Backbone
from schedopt.models.experts import ExpertsConfig
from schedopt.models.recorded import MOST_GRAPHS, Recorder, Replay
from schedopt.models.transformer import Transformer
from schedopt.samplers import Policy, Samples, SchedulePolicy, policy_for, sample, unmask
from schedopt.samplers.fills import drawn_tokens, true_tokens
from schedopt.schedule import Order, UnmaskingSchedule

VOCABULARY = 7
MASK = VOCABULARY - 1
on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def network(*, ahead: bool, seed: int = 0, eos_id: int | None = None) -> NetworkDenoiser:
    model = random_network(vocab_size=VOCABULARY, seed=seed)
    model.runs_ahead = ahead
    model.eos_id = eos_id
    return model


def known_in_advance(length: int) -> list[Policy]:
    schedule = UnmaskingSchedule(length, Order("dilated"), (1, length - 1), models=(1, 0))
    named = [policy_for(name, block_length=length, steps=2) for name in ("random", "dilated")]
    return [*named, policy_for("dus", block_length=length), SchedulePolicy(schedule)]


def both(policy: Policy, *, eos_id: int | None = None, **options: Any) -> tuple[Samples, Samples]:
    """The samples of steps ahead, and of steps one by one."""
    ahead, waiting = (
        sample(
            network(ahead=ahead, eos_id=eos_id),
            policy,
            siblings=[network(ahead=ahead, seed=1, eos_id=eos_id)],
            **options,
        )
        for ahead in (True, False)
    )
    return ahead, waiting


@settings(max_examples=40)
@given(
    st.sampled_from(known_in_advance(4)),
    st.lists(st.lists(st.integers(0, MASK - 1), max_size=5), min_size=1, max_size=4),
    st.lists(st.integers(0, MASK), min_size=8, max_size=8),
    st.sampled_from([0.0, 0.7, 1.0]),
    st.sampled_from([0.0, 1.5]),
    st.none() | st.integers(0, MASK - 1),
    st.integers(1, 5),
)
def test_ahead_or_not(
    policy: Policy,
    prompts: list[list[int]],
    template: list[int],
    temperature: float,
    guidance: float,
    eos_id: int | None,
    batch_size: int,
) -> None:
    """Whatever the schedule, prompts, given tokens, batch, temperature, guidance and end."""
    ahead, waiting = both(
        policy,
        prompt=prompts,
        tokens=template,
        temperature=temperature,
        guidance=guidance,
        eos_id=eos_id,
        batch_size=batch_size,
        seed=3,
    )
    assert ahead == waiting


def test_true_tokens_are_scored_alike() -> None:
    truth = torch.arange(24).reshape(3, 8) % MASK
    for policy in known_in_advance(4):
        ahead, waiting = (
            unmask(
                [network(ahead=ahead), network(ahead=ahead, seed=1)],
                torch.full_like(truth, MASK),
                policy,
                true_tokens(truth),
            )
            for ahead in (True, False)
        )
        torch.testing.assert_close(ahead.nll, waiting.nll)
        assert torch.equal(ahead.tokens, truth)
        assert np.array_equal(ahead.revealed_at, waiting.revealed_at)
        assert np.array_equal(ahead.passes, waiting.passes)
        assert (ahead.nll > 0).all()


def test_only_the_rows_of_a_step_meet_the_head(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network(ahead=True)
    met: list[int] = []
    head = NetworkDenoiser._head

    def watched(self: NetworkDenoiser, states: Tensor) -> Tensor:
        met.append(len(states))
        return head(self, states)

    monkeypatch.setattr(NetworkDenoiser, "_head", watched)
    found = sample(model, policy_for("dus:8", block_length=8), count=3, length=16)
    assert met == [3 * size for size in (2, 2, 4)] * 2
    assert found.nfe == (6, 6, 6)
    used = model.usage()
    assert (used.passes, used.tokens, used.batch) == (18, 18 * 16, 3)
    assert used.flops == 18 * model.flops(16) - 2 * (18 * 16 - 48) * 16 * VOCABULARY
    assert used.seconds > 0


def test_logits_are_there_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = policy_for("random", block_length=8, steps=2)
    whole, _ = both(policy, count=3, guidance=1.0)
    monkeypatch.setattr("schedopt.samplers.ahead.PIECE", 5 * VOCABULARY)
    pieces, _ = both(policy, count=3, guidance=1.0)
    assert pieces == whole


# Faults


def broken(model: NetworkDenoiser) -> NetworkDenoiser:
    with torch.no_grad():
        model.network.output[0].fill_(torch.nan)
    return model


@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_pass_that_gives_no_distribution(ahead: bool, temperature: float) -> None:
    model = broken(network(ahead=ahead))
    with pytest.raises(InputError, match="NaN or infinite logits"):
        sample(model, policy_for("dus", block_length=4), temperature=temperature)


def test_what_log_probs_would_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network(ahead=True)
    model.shift = 1
    policy = policy_for("dus", block_length=4)
    fill = drawn_tokens(1.0, torch.zeros((1, 4), dtype=torch.float64))
    with pytest.raises(InputError, match="no row of this model scores it"):
        unmask(model, torch.full((1, 4), MASK), policy, fill)
    with pytest.raises(InputError, match=r"tokens: need 0\.\.6, got 7"):
        unmask(model, torch.tensor([[7, MASK, MASK, MASK]]), policy, fill)


@contextmanager
def room_for(most: int, model: NetworkDenoiser, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    hidden = model.network.hidden

    def limited(tokens: Tensor, padding: Tensor | None = None) -> Tensor:
        if len(tokens) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return hidden(tokens, padding)

    with monkeypatch.context() as patched:
        patched.setattr(model.network, "hidden", limited)
        yield


def test_a_batch_that_does_not_fit_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = policy_for("random", block_length=6, steps=3)
    prompts = [[1, 2], [3], [], [4, 5, 1], [0]]
    whole = sample(network(ahead=True), policy, prompt=prompts)
    model = network(ahead=True)
    with room_for(2, model, monkeypatch):
        assert sample(model, policy, prompt=prompts) == whole
    assert model.usage().batch == 2
    with room_for(0, model, monkeypatch), pytest.raises(DeviceMemoryError, match="one sequence"):
        sample(model, policy)


@pytest.mark.parametrize("spelling", ["dus", "eb:0.1"])
@pytest.mark.parametrize("ahead", [True, False])
def test_tokens_of_a_step_that_do_not_fit(ahead: bool, spelling: str) -> None:
    """The model cuts its passes by itself; nobody but the caller can ask for fewer rows."""
    policy = policy_for(spelling, block_length=4)

    def full(*_: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    def wrong(*_: Tensor) -> Tensor:
        raise RuntimeError("shapes differ")

    canvas = torch.full((3, 4), MASK)
    with pytest.raises(DeviceMemoryError, match="for the tokens of 3 sequences") as caught:
        unmask(network(ahead=ahead), canvas, policy, full)
    assert "--batch" in str(caught.value.hint)
    with pytest.raises(RuntimeError, match="shapes differ"):
        unmask(network(ahead=ahead), canvas, policy, wrong)


# Recordings


class Recordings:
    """Stands for CUDA graphs: like them, it hands out the same memory each time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[tuple[int, ...]] = []
        self.fails = False
        monkeypatch.setattr(recorded, "record", self.record)
        monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 0))
        monkeypatch.setattr(Recorder, "_can_record", lambda self, tokens: True)

    def record(
        self, network: Backbone, tokens: Tensor, padding: Tensor | None, pool: object
    ) -> Replay:
        if self.fails:
            failed = RuntimeError("operation failed due to a previous error during capture")
            failed.__context__ = torch.OutOfMemoryError("CUDA out of memory")
            raise failed
        self.made.append((*tokens.shape, int(padding is not None)))
        states = network.hidden(tokens, padding).clone()

        def replay(others: Tensor, padding: Tensor | None) -> Tensor:
            return states.copy_(network.hidden(others, padding))

        return replay


def test_a_shape_that_comes_again_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = policy_for("dilated", block_length=4, steps=2)
    options: dict[str, Any] = {"prompt": [[1], [2, 3], [4, 5]], "count": 2, "length": 8}
    plain = [sample(network(ahead=True), policy, batch_size=size, **options) for size in (2, 6)]
    recordings = Recordings(monkeypatch)
    model = network(ahead=True)
    found = [sample(model, policy, batch_size=size, **options) for size in (2, 6)]
    assert found == plain
    assert recordings.made == [(2, 9, 0), (2, 10, 0), (6, 10, 1)]
    assert sample(model, policy, batch_size=6, **options) == plain[1]
    assert len(recordings.made) == 3
    # With parts of a batch that go one after another through one recording.
    model._room = 2 * 10
    assert sample(model, policy, batch_size=6, guidance=0.5, **options) == sample(
        network(ahead=False), policy, batch_size=6, guidance=0.5, **options
    )


def test_a_recording_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = policy_for("dilated", block_length=4, steps=4)
    recordings = Recordings(monkeypatch)
    recordings.fails = True
    model = network(ahead=True)
    assert sample(model, policy) == sample(network(ahead=False), policy)
    recordings.fails = False
    sample(model, policy)
    assert recordings.made == []  # it is not tried again
    sample(model, policy, count=2)
    assert recordings.made == [(2, 4, 0)]


def test_only_so_many_recordings_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    recordings = Recordings(monkeypatch)
    model = network(ahead=True)
    policy = policy_for("left_to_right", block_length=2, steps=2)
    for count in [*range(1, MOST_GRAPHS + 2), 2, 1]:
        sample(model, policy, count=count)
    made = [rows for rows, _, _ in recordings.made]
    assert made == [*range(1, MOST_GRAPHS + 2), 1]


def test_only_what_is_static_is_recorded() -> None:
    """The experts of a network with experts are chosen by the tokens."""
    tokens = torch.zeros((1, 4), dtype=torch.int64)
    plain = network(ahead=True).network
    assert not Recorder(plain)._can_record(tokens)  # on no GPU
    assert isinstance(plain, Transformer)
    experts = ExpertsConfig(num_experts=2, num_experts_per_tok=1, intermediate_size=4)
    with torch.device("meta"):
        mixed = replace(plain.config, experts=experts, moe_layer_freq=(False, True)).build()
    assert (plain.is_static, mixed.is_static) == (True, False)
    assert load_model(Path(__file__).parent / "golden" / "models" / "mdlm").network.is_static


# On a GPU


def on_device() -> NetworkDenoiser:
    return load_model("tiny", device="cuda", dtype="float64")  # else noise changes a draw


@on_gpu
@pytest.mark.parametrize("guidance", [0.0, 1.0])
@pytest.mark.parametrize("prompt", ["import ", ["import ", "", "def f(x):"]])
def test_recorded_steps_on_a_gpu(prompt: Any, guidance: float) -> None:
    ahead, waiting = on_device(), on_device()
    waiting.runs_ahead = False
    for policy in (
        policy_for("dus:16", block_length=16),
        policy_for("random", block_length=16, steps=4),
    ):
        options: dict[str, Any] = {"prompt": prompt, "length": 64, "count": 3, "temperature": 0.8}
        found = sample(ahead, policy, guidance=guidance, **options)
        assert found == sample(waiting, policy, guidance=guidance, **options)
        assert found == sample(ahead, policy, guidance=guidance, batch_size=4, **options)
    assert len(ahead._recorder._replays) >= 1


@on_gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
def test_nothing_waits_inside_a_block_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first pass of a block to its last, whatever waits for the device is an error."""
    module = sys.modules["schedopt.samplers.unmask"]
    take_steps, states_at = module.take_steps_ahead, NetworkDenoiser.states_at
    blocks = []

    def strict(*args: Any) -> Tensor:
        torch.cuda.set_sync_debug_mode("error")
        return states_at(*args)

    def watched(*args: Any) -> None:
        try:
            take_steps(*args)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        blocks.append(torch.cuda.get_sync_debug_mode())

    model = on_device()
    policy = policy_for("dus:16", block_length=16)
    options: dict[str, Any] = {"prompt": ["import ", ""], "length": 64, "count": 2, "guidance": 1.0}
    first = sample(model, policy, **options)  # records
    monkeypatch.setattr(NetworkDenoiser, "states_at", strict)
    monkeypatch.setattr(module, "take_steps_ahead", watched)
    assert sample(model, policy, **options) == first
    assert len(blocks) == 4
    torch.cuda.set_sync_debug_mode("error")  # which does see what waits
    try:
        with pytest.raises(RuntimeError, match="called a synchronizing CUDA operation"):
            torch.ones(1, device="cuda").item()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@on_gpu
def test_no_room_for_a_recording_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Launched in parts, or not recorded: the same samples."""
    policy = policy_for("dus:16", block_length=16)
    options: dict[str, Any] = {"prompt": "import ", "length": 32, "count": 6}
    wanted = sample(on_device(), policy, **options)
    model = on_device()

    def full(*args: Any, **named: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(torch.cuda, "graph", full)
        assert sample(model, policy, **options) == wanted
    assert not model._recorder._replays
    model = on_device()
    model._room = 2 * 39
    assert sample(model, policy, **options) == wanted
    assert [shape[0] for shape in model._recorder._replays] == [2]
