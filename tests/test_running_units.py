"""What goes to the model in a unit of work, and how the work is cut into units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from schedopt.data import Windows
from schedopt.estimators.probe import Probes, probe
from schedopt.evaluation import evaluate
from schedopt.models import LawDenoiser
from schedopt.running import Arrays, Runner
from schedopt.samplers import policy_for

LENGTH, CONTEXT, MASK = 4, 3, 5


class Recorder(LawDenoiser):
    """A law of five letters over any length, each equally likely, that keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(np.full(MASK, 1.0 / MASK))
        self.max_length = None
        self.fixed_length = False
        self.sent: list[tuple[Tensor, Tensor]] = []

    def log_probs(self, tokens: Tensor, queries: Tensor) -> Tensor:
        """Uniform over what is no mask."""
        self.sent.append((tokens.clone(), queries.clone()))
        rows = torch.full((int(queries.sum()), MASK + 1), -np.log(MASK))
        rows[:, MASK] = -torch.inf
        return rows

    def score(self, tokens: Tensor, queries: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """NLL and entropy that tell where they were asked: row and position, in two digits."""
        self.sent.append((tokens.clone(), queries.clone()))
        row, position = torch.nonzero(queries, as_tuple=True)
        nll = (100 * targets[queries] + position).double()
        return nll, row.double()


def windows(count: int = 6) -> Windows:
    """Contexts of 3, 2 and 1 tokens in turn; what they lack is at their left."""
    rng = np.random.default_rng(0)
    tokens = torch.from_numpy(rng.integers(MASK, size=(count, CONTEXT + LENGTH)))
    for row in range(count):
        tokens[row, : row % CONTEXT] = -1
    return Windows(tokens, np.arange(count), CONTEXT)


def probes(text: Windows, n: int, count: int) -> Probes:
    rng = np.random.default_rng(1)
    return Probes(
        window=rng.integers(len(text), size=count),
        block=rng.integers(LENGTH // n, size=count),
        order=np.array([rng.permutation(n) for _ in range(count)]),
        known=rng.integers(n, size=count),
    )


@pytest.mark.parametrize("n", [2, 4])
@pytest.mark.parametrize("batch", [None, 7])
def test_a_pass_by_loops(n: int, batch: int | None) -> None:
    text, denoiser = windows(), Recorder()
    asked = probes(text, n, 20)
    scores = probe(denoiser, text, asked, batch=batch)
    assert [len(tokens) for tokens, _ in denoiser.sent] == ([20] if batch is None else [7, 7, 6])
    sent = torch.cat([tokens for tokens, _ in denoiser.sent])
    queries = torch.cat([queries for _, queries in denoiser.sent])
    for p in range(20):
        start = CONTEXT + int(asked.block[p]) * n
        places = [start + int(i) for i in asked.order[p]]
        known, hidden = places[: asked.known[p]], places[asked.known[p] :]
        for position in range(CONTEXT + LENGTH):
            later = position >= start + n
            masked = later or position in hidden
            truth = int(text.tokens[asked.window[p], position])
            assert int(sent[p, position]) == (denoiser.mask_id if masked else truth)
            assert bool(queries[p, position]) == (position in hidden)
        for j, position in enumerate(places):
            truth = int(text.tokens[asked.window[p], position])
            if position in known:
                assert np.isnan([scores.nll[p, j], scores.entropy[p, j]]).all()
            else:
                assert scores.nll[p, j] == 100 * truth + position
                assert scores.entropy[p, j] == p % (batch or 20)


def test_tokens_that_are_not_there_stay_so_in_an_evaluation() -> None:
    text, denoiser = windows(), Recorder()
    evaluate(denoiser, text, [policy_for("confidence", block_length=LENGTH, steps=2)])
    sent = torch.cat([tokens for tokens, _ in denoiser.sent])
    queries = torch.cat([queries for _, queries in denoiser.sent])
    assert len(sent) == 2 * len(text)
    context = text.tokens[:, :CONTEXT].repeat(2, 1)
    assert bool((sent[:, :CONTEXT] == context).all())
    assert not bool(queries[:, :CONTEXT].any())
    assert bool((sent[:, CONTEXT:] >= 0).all())


class Units(Runner):
    """Keeps the number of units of each call."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[int] = []

    def map(
        self,
        label: str,
        count: int,
        compute: Callable[[int], Arrays],
        on_done: Callable[[int, Arrays], None] | None = None,
    ) -> list[Arrays]:
        self.counts.append(count)
        return super().map(label, count, compute, on_done)


@pytest.mark.parametrize(("tokens", "units"), [(7, 20), (14, 10), (70, 2), (139, 2), (140, 1)])
def test_units_of_probes_are_even(tokens: int, units: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schedopt.estimators.probe.UNIT_TOKENS", tokens)
    text, denoiser, runner = windows(), Recorder(), Units()
    whole = probe(denoiser, text, probes(text, 4, 20), batch=20)
    parts = probe(Recorder(), text, probes(text, 4, 20), runner=runner)
    assert runner.counts == [units]
    np.testing.assert_array_equal(whole.nll, parts.nll)


def test_the_policies_of_an_evaluation_are_shared_as_one_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("schedopt.evaluation.units.UNIT_TOKENS", 7 * 4)
    text, runner = windows(), Units()
    policies = [policy_for("random", block_length=LENGTH, steps=steps) for steps in (1, 2, 4)]
    scores = evaluate(Recorder(), text, policies, runner=runner)
    assert runner.counts == [6]  # 3 of 6 windows, twice for each policy
    assert [score.nfe for score in scores] == [1, 2, 4]
    assert evaluate(Recorder(), text, [], runner=runner) == ()


def test_the_standard_error_so_far_is_that_of_the_passes_done() -> None:
    told: list[Any] = []
    text = windows()
    one = Probes(
        window=np.array([0, 0, 1, 2]),
        block=np.zeros(4, dtype=np.int64),
        order=np.tile(np.arange(LENGTH), (4, 1)),
        known=np.full(4, LENGTH - 1),
    )
    scores = probe(Recorder(), text, one, batch=2, progress=lambda *now: told.append(now))
    means = scores.nll[:, -1]
    assert told[0] == (2, 4, None)  # of one document
    total = means.mean()
    rests = np.array([means[:2].sum() - 2 * total, means[2] - total, means[3] - total])
    assert told[1][:2] == (4, 4)
    assert told[1][2] == pytest.approx(np.sqrt(3 / 2 * (rests**2).sum()) / 4)
