"""On a law of known truth: its conditionals, its curve by draws, and the parts of a loss."""

from __future__ import annotations

import importlib
from itertools import islice, pairwise, product
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from schedopt.models import LawDenoiser
from schedopt.schedule import Order
from theory.distributions import HiddenMarkov, MarkovChain
from theory.divergences import expected_kl, order_surface

EXPERIMENTS = Path(__file__).resolve().parent.parent / "experiments"
DRAWS = 2000
MISS = 5.0  # standard errors: a false alarm in 2e6 draws of the test


@pytest.fixture
def known_truth(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    return importlib.import_module("known_truth")


@pytest.fixture
def chain() -> MarkovChain:
    rows = np.random.default_rng(1).dirichlet([0.3] * 3, size=(3, 3))
    return MarkovChain(6, rows)


def test_the_law_is_a_chain_over_pairs(known_truth: ModuleType) -> None:
    """Its conditionals are those of a hidden chain of order 1 whose states are pairs."""
    law = known_truth.chain_law()
    q = law.q
    step = np.zeros((q, q, q, q))  # from (a, b) to (b, c)
    for a, b in product(range(q), repeat=2):
        step[a, b, b] = law.transition[a, b]
    pairs = HiddenMarkov(
        law.n - 1,
        step.reshape(q * q, q * q),
        np.tile(np.eye(q), (q, 1)),  # the second of a pair is seen
        np.asarray(law.initial).ravel(),
    )
    rng = np.random.default_rng(0)
    tokens = law.draw(4, rng)
    tokens[:, 0] = q  # which no pair shows
    seen = np.where(rng.random(tokens.shape) < 0.3, tokens, q)
    assert_allclose(
        law.conditional_marginals(seen)[:, 1:], pairs.conditional_marginals(seen[:, 1:]), atol=1e-12
    )


@pytest.mark.parametrize("name", ["random", "dilated"])
def test_losses_by_draws_are_those_of_the_table(
    known_truth: ModuleType, chain: MarkovChain, name: str
) -> None:
    order: Order = known_truth.ORDERS[name]
    entropies = known_truth.nested_entropies(chain, order, DRAWS, seed=0)
    for sizes in ((6,), (2, 4), (1, 2, 3), (1,) * 6):
        found = known_truth.losses_of(entropies, sizes)
        if name == "random":
            exact = expected_kl(chain.conditional_entropy_curve(), sizes)
        else:
            surface = order_surface(chain, order.permutation_for(6))
            exact = sum(
                surface[a, j] - surface[j, j]
                for a, b in pairwise(np.cumsum([0, *sizes]))
                for j in range(a, b)
            )
        error = found.std(ddof=1) / len(found) ** 0.5
        assert abs(found.mean() - exact) <= MISS * error + 1e-12


def test_the_measure_of_draws_has_their_mean_loss(
    known_truth: ModuleType, chain: MarkovChain
) -> None:
    for name, order in known_truth.ORDERS.items():
        entropies = known_truth.nested_entropies(chain, order, 10, seed=1)
        measure = known_truth.measure_of(entropies, order)
        best = known_truth.solve(measure, steps=2)
        mean = known_truth.losses_of(entropies, best.schedule.step_sizes).mean()
        assert best.loss == pytest.approx(mean, abs=1e-12), name


def test_nothing_ties_in_the_untied_law(known_truth: ModuleType, chain: MarkovChain) -> None:
    masked = torch.full((1, 6), 3)
    everywhere = torch.ones(1, 6, dtype=torch.bool)
    truth = LawDenoiser(chain).log_probs(masked, everywhere).exp()
    found = known_truth.UntiedLaw(chain).log_probs(masked, everywhere).exp()
    assert_allclose(found.numpy(), truth.numpy(), atol=2e-6)
    assert_allclose(truth[1:].max(dim=1).values.numpy(), float(truth[0].max()), atol=1e-12)
    assert len(found.max(dim=1).values.unique()) == 6


def test_errors_over_draws_and_over_seeds(known_truth: ModuleType) -> None:
    n = known_truth.LENGTH
    row = known_truth.told([np.array([1.0, 3.0]) * n, np.array([3.0, 5.0]) * n])
    assert row == {
        "value": pytest.approx(3.0),
        "stderr": pytest.approx(1.0),
        "seeds": [2.0, 4.0],
        "seed_stderr": pytest.approx(1.0),
    }
    assert "seeds" not in known_truth.told([np.array([1.0, 3.0])])


def test_a_slope_of_what_is_measured_as_predicted(known_truth: ModuleType) -> None:
    pairs = [(1.0, np.array([2.0, 0.0])), (2.0, np.array([2.0, 2.0]))]
    found = known_truth.slope(pairs)
    assert found == {
        "value": pytest.approx(1.0),  # (1 * (2, 0) + 2 * (2, 2)) / 5 = (1.2, 0.8)
        "stderr": pytest.approx(0.2),
        "schedules": 2,
    }


class Oracle(torch.nn.Module):
    """The law's own log-probabilities as logits, a constant added: the model that learnt it all."""

    def __init__(self, chain: MarkovChain) -> None:
        super().__init__()
        self.law = LawDenoiser(chain)
        self.constant = torch.nn.Parameter(torch.tensor(3.0))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.law.logits(tokens) + self.constant


def test_the_law_has_no_excess_over_itself(
    monkeypatch: pytest.MonkeyPatch, chain: MarkovChain
) -> None:
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    train_chain = importlib.import_module("train_chain")
    excess = train_chain.excess_over_truth(Oracle(chain), chain, seed=0)
    assert excess.value == pytest.approx(0.0, abs=1e-6)


def test_batches_are_fresh_and_seeded(monkeypatch: pytest.MonkeyPatch, chain: MarkovChain) -> None:
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    train_chain = importlib.import_module("train_chain")
    monkeypatch.setattr(train_chain, "POOL", 8)

    def first(seed: int) -> list[torch.Tensor]:
        batches = train_chain.fresh_batches(chain, 4, seed, torch.device("cpu"))
        found = list(islice(batches, 6))
        batches.close()
        return found

    one, again, other = first(0), first(0), first(1)
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not torch.equal(torch.cat(one), torch.cat(other))
    assert not torch.equal(torch.cat(one[:2]), torch.cat(one[2:4]))  # another pool
    assert [len(batch) for batch in one] == [4] * 6
