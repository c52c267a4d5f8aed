"""A model on its own samples: what is drawn, and what is measured on it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import refused, run
from numpy.typing import NDArray
from sampler_cases import LAWS, random_network
from scipy.stats import chisquare
from strategies import random_table
from torch import Tensor

import schedopt
from schedopt import texts
from schedopt.clusters import mean_over_documents
from schedopt.data import check_tokens
from schedopt.errors import InputError, MissingModelError, UsageError
from schedopt.estimators import estimate
from schedopt.files import load, read_curve
from schedopt.models import LawDenoiser, NetworkDenoiser, load_model
from schedopt.samplers import policy_for, sample
from schedopt.schedule import Order
from schedopt.texts import SELF_TEXTS, TOGETHER, load_text, self_samples
from theory.distributions import Law

# Fixed seeds: these never change colour. With other seeds each fails once in a million times.
FALSE_ALARM = 1e-6
SURE = 4.9  # standard errors, of two sides


class AfterStart(LawDenoiser):
    """A law after a token that must stand first; it answers to nothing else."""

    def __init__(self, law: Law) -> None:
        super().__init__(law)
        self.bos_id = self.symbols + 1
        self.vocab_size = self.symbols + 2
        self.max_length = self.length + 1

    def logits(self, tokens: Tensor) -> Tensor:
        assert bool((tokens[:, 0] == self.bos_id).all())
        found = super().logits(tokens[:, 1:])
        return torch.nn.functional.pad(found, (0, 1, 1, 0), value=-torch.inf)


def counts(tokens: Tensor, law: Law) -> NDArray[np.int64]:
    shape = (law.q,) * law.n
    return np.bincount(np.ravel_multi_index(tokens.numpy().T, shape), minlength=law.q**law.n)


# What is drawn


@pytest.mark.parametrize("name", ["generic", "markov", "parity", "permutation"])
def test_samples_of_a_law_are_draws_of_it(name: str) -> None:
    law = LAWS[name]
    windows = self_samples(LawDenoiser(law), 1200, length=law.n, seed=1)
    found, wanted = counts(windows.tokens, law), law.table().ravel()
    assert found[wanted == 0.0].sum() == 0
    possible = wanted > 0.0
    assert chisquare(found[possible], 1200 * wanted[possible]).pvalue > FALSE_ALARM
    assert windows.documents.tolist() == list(range(1200))


def test_a_text_depends_on_the_seed_and_its_index() -> None:
    model = random_network(vocab_size=5)
    count = TOGETHER + 5
    windows = self_samples(model, count, context=2, length=6, seed=3)
    assert (windows.tokens.shape, windows.context) == ((count, 8), 2)
    check_tokens(windows, model)
    fewer = self_samples(model, 4, context=2, length=6, seed=3)
    assert torch.equal(fewer.tokens, windows.tokens[:4])
    other = self_samples(model, count, context=2, length=6, seed=4)
    assert not torch.equal(other.tokens, windows.tokens)
    # A context is text of the model, like the rest.
    assert torch.equal(self_samples(model, 4, length=8, seed=3).tokens, fewer.tokens)


def test_parts_share_no_text_and_are_the_whole() -> None:
    model = random_network(vocab_size=5)
    whole = self_samples(model, 21, length=6)
    for index in (1, 2, 3):
        part = self_samples(model, 7, length=6, part=(index, 3))
        assert torch.equal(part.tokens, whole.tokens[index - 1 :: 3])
        assert len(part) == 7


def test_later_draws_of_the_seed_are_others() -> None:
    """Else a text would be measured along the very order that it was drawn in."""
    model = random_network(vocab_size=5)
    policy = policy_for("random", block_length=8, steps=8)
    sampled = sample(model, policy, count=16, seed=7).tokens
    assert self_samples(model, 16, length=8, seed=7).tokens.tolist() != [list(t) for t in sampled]


def test_none_ends_early() -> None:
    model = random_network(vocab_size=5)
    free = self_samples(model, 32, length=8)
    model.eos_id = int(free.tokens[0, 0])
    assert torch.equal(self_samples(model, 32, length=8).tokens, free.tokens)


def test_a_model_that_needs_a_first_token_gets_one() -> None:
    law = LAWS["markov"]
    model = AfterStart(law)
    for context, wanted in ((0, 1), (1, 1), (2, 2)):
        windows = self_samples(model, 500, context=context, length=law.n + 1 - wanted, seed=2)
        assert windows.context == wanted
        assert windows.tokens[:, 0].tolist() == [model.bos_id] * 500
        found, table = counts(windows.tokens[:, 1:], law), law.table().ravel()
        assert chisquare(found[table > 0], 500 * table[table > 0]).pvalue > FALSE_ALARM
    windows, _ = load_text(model, "self", texts=4)
    assert (windows.context, windows.length) == (1, law.n)


def test_sampling_starts_from_the_first_token() -> None:
    law = LAWS["parity"]
    model = AfterStart(law)
    policy = policy_for("random", block_length=law.n, steps=law.n)
    found = sample(model, policy, count=300)
    assert {row[0] for row in found.tokens} == {model.bos_id}
    assert {row[0] for row in found.revealed_at} == {-1}
    drawn = torch.tensor(found.tokens)[:, 1:]
    assert counts(drawn, law)[law.table().ravel() == 0].sum() == 0
    # A prompt of one's own stands alone.
    (tokens,) = sample(model, policy, prompt=[model.bos_id]).tokens
    assert len(tokens) == law.n + 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, "need count >= 1, length >= 1 and context >= 0, got 0, 8 and 0"),
        ({"length": 0}, "got 4, 0 and 0"),
        ({"context": -1}, "got 4, 8 and -1"),
        ({"part": (3, 2)}, "part: need 1 <= i <= n, got 3/2"),
        ({"seed": -1}, "seed: need a whole number >= 0, got -1"),
        ({"length": 300}, "this model takes at most 256"),
    ],
)
def test_usage(options: dict[str, int], message: str) -> None:
    model = load_model("tiny-light")
    with pytest.raises(UsageError, match=message):
        self_samples(model, **({"count": 4, "length": 8} | options))


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    model = random_network(vocab_size=3)
    count = 2 * TOGETHER + 1
    self_samples(model, count, length=2, progress=lambda *done: told.append(done))
    assert told == [(TOGETHER, count), (2 * TOGETHER, count), (count, count)]


# What is measured on it


@pytest.mark.parametrize("name", ["generic", "second-order-markov", "mixture"])
def test_the_loss_on_samples_of_a_law_is_its_entropy(name: str) -> None:
    law = LAWS[name]
    model = LawDenoiser(law)
    windows = self_samples(model, 600, length=law.n, seed=5)
    found = estimate(
        model, windows, order=Order("random"), passes=600 * law.n, smoothing="raw", seed=5
    )
    gap = found.calibration_gap
    assert abs(gap.value) < SURE * gap.stderr
    curve = found.measure
    assert curve.stderr is not None
    wanted = law.conditional_entropy_curve()
    assert (np.abs(curve.conditional_entropy - wanted) < SURE * curve.stderr + 1e-9).all()
    own = found.entropy_measure
    assert own.stderr is not None
    errors = np.hypot(curve.stderr, own.stderr)
    assert (
        np.abs(curve.conditional_entropy - own.conditional_entropy) < SURE * errors + 1e-9
    ).all()


class Recorded(NetworkDenoiser):
    """Keeps the entropy of every row that it is asked for."""

    rows: list[Tensor]

    def log_probs(self, tokens: Tensor, queries: Tensor) -> Tensor:
        found = super().log_probs(tokens, queries)
        self.rows.append(torch.special.entr(found.exp()).sum(dim=-1))
        return found


def test_along_its_own_order_a_network_is_calibrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it has learnt: each token is drawn from the row that is scored."""
    tiny = load_model("tiny-light")
    model = Recorded(
        tiny.network,
        mask_id=tiny.mask_id,
        eos_id=tiny.eos_id,
        tokenizer=tiny.tokenizer,
        provenance=tiny.provenance,
    )
    model.rows = []
    losses = []

    def watched(*args: object, **options: object) -> object:
        done = draw(*args, **options)
        losses.append(done.nll.sum(dim=1))
        return done

    draw = texts.draw
    monkeypatch.setattr(texts, "draw", watched)
    windows = self_samples(model, 64, length=24, seed=1)
    nll = torch.cat(losses).numpy() / 24
    steps = [torch.stack(model.rows[low : low + 24]) for low in range(0, len(model.rows), 24)]
    entropy = torch.cat([part.sum(dim=0) for part in steps]).numpy() / 24
    gap = mean_over_documents(nll - entropy, windows.documents)
    assert abs(gap.value) < SURE * gap.stderr
    assert entropy.mean() > 1.0


# As a text


def test_a_model_without_a_tokenizer_needs_no_text() -> None:
    law = LawDenoiser(random_table(2, 6, seed=0), name="generic")
    with pytest.raises(MissingModelError, match="no tokenizer") as caught:
        load_text(law)
    assert "--data self" in str(caught.value.hint)
    windows, about = load_text(law, "self", seed=3)
    assert (len(windows), windows.length, windows.context) == (SELF_TEXTS, 6, 0)
    digest = hashlib.sha256(windows.tokens.numpy().tobytes()).hexdigest()
    assert about == {"name": "self", "sha256": digest, "documents": SELF_TEXTS}
    assert torch.equal(windows.tokens, self_samples(law, length=6, seed=3).tokens)
    windows, _ = load_text(law, "self", context=2, texts=3)
    assert (len(windows), windows.length, windows.context) == (3, 4, 2)
    found = schedopt.fit(law, "self", steps=3, passes=64)
    assert sum(found.schedule.step_sizes) == 6
    assert found.provenance["data"]["name"] == "self"
    network = random_network(vocab_size=5)
    assert schedopt.fit(network, "self", length=8, context=0, steps=2, passes=64).length == 8


def test_settings_of_samples() -> None:
    model = load_model("tiny-light")
    windows, about = load_text(model, "self", length=4, context=3, limit=2, part=(2, 3))
    assert (len(windows), windows.length, windows.context) == (2, 4, 3)
    assert about["name"] == "self, part 2/3"
    again = self_samples(model, 2, context=3, length=4, part=(2, 3))
    assert torch.equal(windows.tokens, again.tokens)
    # The usual is what there is room for, and what is asked for is what is given.
    assert load_text(model, "self", texts=1, usual_length=3, usual_context=2)[0].length == 3
    model.max_length = 16
    assert load_text(model, "self", length=12, texts=1)[0].context == 4
    for wanted, limit, count in ((2, None, 2), (2, 1, 1), (1, 2, 1), (None, 3, 3)):
        found, _ = load_text(model, "self", length=2, context=0, texts=wanted, limit=limit)
        assert len(found) == count


def test_settings_of_a_file(tmp_path: Path) -> None:
    model = load_model("tiny-light")
    path = tmp_path / "self.txt"
    path.write_text("ab" * 40)
    windows, about = load_text(model, path, length=4, context=2, limit=5)
    assert (len(windows), windows.length, windows.context) == (5, 4, 2)
    assert about["name"] == str(path)
    assert load_text(model, path, usual_length=8, usual_context=1)[0].length == 8
    with pytest.raises(UsageError, match="texts: 3 are to be drawn, but the data are") as caught:
        load_text(model, path, texts=3)
    assert "--texts" in str(caught.value.hint)
    with pytest.raises(InputError, match="the longest text has 80 tokens"):
        load_text(model, path, length=100, context=0)


# From the command line


def test_estimate_on_samples(tmp_path: Path) -> None:
    path = tmp_path / "curve.json"
    own = ("--data", "self", "--texts", 6, "--length", 8, "--context", 4)
    arguments = ("estimate", *own, "--order", "random", "--passes", 32, "--seed", 2)
    assert run(*arguments, "-o", path).code == 0
    assert read_curve(path).length == 8
    provenance = load(path).provenance
    about = provenance["data"]
    assert isinstance(about, dict)
    assert (about["name"], about["documents"], provenance["seed"]) == ("self", 6, 2)
    again = run(*arguments, "--json").document
    assert again["provenance"]["data"] == about


def test_fit_and_evaluate_on_samples(tmp_path: Path) -> None:
    path = tmp_path / "schedule.json"
    own = ("--data", "self", "--length", 8, "--context", 0)
    done = run(
        "fit", *own, "--texts", 12, "--steps", 2, "--passes", 32, "--part", "1/2", "-o", path
    )
    assert done.code == 0
    options = ("--schedule", path, "--data", "self", "--windows", 5, "--part", "2/2")
    found = run("evaluate", *options, "--json").document
    assert (found["windows"], found["documents"]) == (5, 5)
    assert (found["length"], found["context"]) == (8, 0)
    assert found["provenance"]["data"]["name"] == "self, part 2/2"


def test_samples_are_kept_in_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = ("--data", "self", "--texts", 20, "--length", 4, "--context", 0)
    arguments = ("estimate", *own, "--passes", 32, "--run-dir", tmp_path / "run", "--json")
    first = run(*arguments)
    assert first.code == 0
    monkeypatch.setattr(texts, "draw", None)  # nothing is drawn again
    assert run(*arguments).document == first.document


def test_a_single_sample_has_no_error() -> None:
    refused(3, "document", "estimate", "--data", "self", "--texts", 1, "--length", 4)
