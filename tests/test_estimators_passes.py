"""What an estimate asks of a model, and what its result does and does not depend on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from strategies import random_table
from torch import Tensor

from schedopt.curve import InformationCurve, OrderSurface
from schedopt.data import Windows, load_windows
from schedopt.errors import InputError, UsageError
from schedopt.estimators import SMOOTHINGS, Estimate, Smoothing, estimate
from schedopt.estimators.design import even_counts, sizes_in_odds
from schedopt.estimators.fixed_order import passes_per_window
from schedopt.models import LawDenoiser, load_model
from schedopt.schedule import Order

Floats = NDArray[np.float64]

DILATED, RANDOM = Order("dilated"), Order("random")


class Spy(LawDenoiser):
    """Any tokens, each as likely as any other; remembers what it was asked."""

    def __init__(self, width: int, symbols: int) -> None:
        super().__init__(np.full((1,) * width, 1.0))
        self.symbols, self.mask_id, self.vocab_size = symbols, symbols, symbols + 1
        self.tokens: list[Tensor] = []
        self.queries: list[Tensor] = []
        self.targets: list[Tensor] = []

    def score(self, tokens: Tensor, queries: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        self.tokens.append(tokens)
        self.queries.append(queries)
        self.targets.append(targets)
        rows = torch.full((int(queries.sum()),), np.log(self.symbols), dtype=torch.float64)
        return rows, rows


def numbered(count: int, width: int, context: int = 0) -> Windows:
    """Windows whose tokens tell the window and the position."""
    tokens = torch.arange(count * width).reshape(count, width)
    return Windows(tokens, np.arange(count), context)


def small_law(n: int = 4) -> tuple[LawDenoiser, Windows]:
    law = LawDenoiser(random_table(2, n, seed=5))
    return law, Windows(law.draw(300, np.random.default_rng(0)), np.arange(300), 0)


# What is asked


@pytest.mark.parametrize("smoothing", ["smooth", "raw"])
@pytest.mark.parametrize("order", [RANDOM, DILATED, Order("left_to_right")], ids=lambda o: o.name)
def test_what_a_pass_shows(order: Order, smoothing: Smoothing) -> None:
    """Context, earlier blocks and a prefix of the order; the rest of the block is asked for."""
    context, n, blocks, count = 2, 8, 3, 12
    windows = numbered(count, context + n * blocks, context)
    spy = Spy(context + n * blocks, 10**4)
    found = estimate(
        spy, windows, order=order, block_length=n, passes=480, smoothing=smoothing, batch=100
    )
    tokens, queries, targets = (torch.cat(x) for x in (spy.tokens, spy.queries, spy.targets))
    assert found.passes == len(tokens) == 480
    assert max(map(len, spy.tokens)) == 100
    seen: dict[tuple[int, int], int] = {}
    lengths = []
    for row, query, target in zip(tokens, queries, targets, strict=True):
        window = int(target[0]) // windows.tokens.shape[1]
        assert torch.equal(target, windows.tokens[window])
        hidden = (row == spy.mask_id).numpy()
        assert torch.equal(row[~hidden], target[~hidden])
        asked = np.flatnonzero(query)
        block = (int(asked[0]) - context) // n
        start = context + block * n
        assert asked.max() < start + n
        # Hidden: what is asked for, and every later block.
        assert np.flatnonzero(hidden).tolist() == [*asked, *range(start + n, len(row))]
        known = n - len(asked)
        if order.is_fixed:
            prefix = order.permutation_for(n)[:known]
            assert set(asked - start) == set(range(n)) - set(prefix)
        seen[window, block] = seen.get((window, block), 0) + 1
        lengths.append(known)
    # Windows and blocks take turns, and so do numbers of known positions.
    for axis, size in ((0, count), (1, blocks)):
        by_index = [sum(c for key, c in seen.items() if key[axis] == i) for i in range(size)]
        assert max(by_index) - min(by_index) <= (n if order.is_fixed else 1)
    by_known = np.bincount(lengths, minlength=n)
    assert by_known.sum() == 480
    if smoothing == "raw":
        assert (by_known == 480 // n).all()
    assert by_known.min() > 0


@pytest.mark.parametrize("smoothing", ["smooth", "raw"])
@pytest.mark.parametrize("order", [RANDOM, DILATED], ids=lambda o: o.name)
@pytest.mark.parametrize("block", [0, 1, 2])
def test_one_block_is_measured_alone(order: Order, smoothing: Smoothing, block: int) -> None:
    """What is before it is known, what is behind it is masked."""
    context, n = 2, 4
    spy = Spy(context + 3 * n, 10**4)
    found = estimate(
        spy,
        numbered(30, context + 3 * n, context),
        order=order,
        block_length=n,
        block=block,
        passes=64,
        smoothing=smoothing,
    )
    start = context + block * n
    hidden, queries = torch.cat(spy.tokens) == spy.mask_id, torch.cat(spy.queries)
    assert found.passes == len(queries) == 64
    assert queries[:, start : start + n].any(dim=1).all()
    assert not queries[:, :start].any()
    assert not queries[:, start + n :].any()
    assert not hidden[:, :start].any()
    assert hidden[:, start + n :].all()


def test_a_pilot_says_how_passes_are_shared() -> None:
    """The first quarter takes all sizes equally often, and all passes take these sizes."""

    class Uneven(Spy):
        """Entropies that differ between texts, the more the more is known."""

        def score(self, tokens: Tensor, queries: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
            nll, entropy = super().score(tokens, queries, targets)
            known = (~queries).sum(dim=1, keepdim=True).expand_as(queries)[queries]
            odd = (targets[:, :1] // 64 % 2).expand_as(queries)[queries]
            return nll, entropy + known * odd / 64

    n, passes = 64, 384
    spy = Uneven(n, 64 * passes)
    estimate(spy, numbered(passes, n), order=RANDOM, passes=passes)
    known = n - torch.cat(spy.queries).sum(dim=1).numpy()
    sizes = sizes_in_odds(n, passes)
    assert set(known) == set(sizes)
    pilot = np.bincount(np.searchsorted(sizes, known[: passes // 4]))
    assert (np.sort(pilot) == np.sort(even_counts(len(sizes), passes // 4))).all()
    counts = np.bincount(np.searchsorted(sizes, known))
    assert counts[0] == pilot[0]  # no spread there: the pilot was enough
    assert counts[-4:].mean() > 2 * counts[:4].mean()


def test_random_orders_show_every_set() -> None:
    spy = Spy(4, 2000)
    estimate(spy, numbered(100, 4), order=RANDOM, passes=2000, smoothing="raw")
    sets = {tuple(row) for row in torch.cat(spy.queries).tolist()}
    assert len(sets) == 2**4 - 1  # all but the empty one


def test_nested_passes_share_their_window() -> None:
    """As many prefixes of one window as the square root of half the passes, at most all."""
    found = [passes_per_window(p, 64, "smooth") for p in (16, 128, 512, 2048, 10**6)]
    assert found == [4, 8, 16, 32, 32]
    assert passes_per_window(2048, 8, "smooth") == 8
    assert passes_per_window(2048, 64, "raw") == 64
    spy = Spy(16, 10**4)
    estimate(spy, numbered(50, 16), order=DILATED, passes=200)
    targets, queries = torch.cat(spy.targets), torch.cat(spy.queries)
    for unit in range(0, 200, 10):
        assert len(set(targets[unit : unit + 10, 0].tolist())) == 1
        asked = queries[unit : unit + 10].sum(dim=1)
        assert (asked[1:] <= asked[:-1]).all()  # one prefix in each tenth of the order
        assert (asked[::2].diff() < 0).all()


# What it depends on


def entries(found: Estimate) -> Floats:
    both = (found.measure, found.entropy_measure)
    return np.concatenate(
        [np.ravel(x) for m in both for x in (m.conditional_entropy, m.stderr) if x is not None]
    )


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("order", [RANDOM, DILATED], ids=lambda order: order.name)
def test_seeds_and_batches(order: Order, smoothing: Smoothing) -> None:
    law, windows = small_law()
    first, again, cut, other = (
        estimate(law, windows, order=order, passes=100, smoothing=smoothing, seed=seed, batch=batch)
        for seed, batch in ((1, 512), (1, 512), (1, 7), (2, 512))
    )
    assert (entries(first) == entries(again)).all()
    np.testing.assert_allclose(entries(first), entries(cut), rtol=0.0, atol=1e-12)
    assert not np.allclose(entries(first), entries(other), atol=1e-6)
    assert first.smoothing == smoothing
    assert first.seconds >= 0.0


@pytest.mark.parametrize("order", [RANDOM, DILATED], ids=lambda order: order.name)
def test_batches_of_a_network(order: Order) -> None:
    model = load_model("tiny-light")
    windows, _ = load_windows(model, length=16, context=8, limit=20)
    whole, cut = (
        estimate(model, windows, order=order, passes=40, block_length=8, batch=batch)
        for batch in (512, 11)
    )
    np.testing.assert_allclose(entries(whole), entries(cut), rtol=0.0, atol=1e-5)
    assert 0.5 < whole.measure.conditional_entropy.max() < 4.0  # a byte could have log 256 = 5.5


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("order", [RANDOM, DILATED], ids=lambda order: order.name)
def test_kinds_of_estimates(order: Order, smoothing: Smoothing) -> None:
    law, windows = small_law()
    found = estimate(law, windows, order=order, passes=64, smoothing=smoothing)
    for measure in (found.measure, found.entropy_measure):
        assert isinstance(measure, OrderSurface if order.is_fixed else InformationCurve)
        assert measure.length == 4
        assert measure.stderr is not None
        assert measure.stderr.shape == measure.conditional_entropy.shape
        if isinstance(measure, OrderSurface):
            assert measure.order == order
        if smoothing != "raw":
            assert_falls(measure)


def assert_falls(measure: InformationCurve | OrderSurface) -> None:
    """Up to rounding."""
    values = measure.conditional_entropy
    rises = np.diff(values, axis=0)
    if isinstance(measure, OrderSurface):
        rises = np.triu(rises, k=1)  # below the diagonal there is nothing
    assert rises.max(initial=0.0) <= 1e-12
    assert values.min() >= 0.0


def test_an_entry_of_one_document_has_no_error() -> None:
    """And so the curve has none: an error that is not known is not told as 0."""
    told = []
    for seed in range(10):
        spy = Spy(4, 100)
        found = estimate(
            spy, numbered(2, 4), order=RANDOM, passes=16, smoothing="raw", seed=seed
        ).measure
        masks, windows = torch.cat(spy.queries).sum(dim=1), torch.cat(spy.targets)[:, 0]
        documents = [len(set(windows[masks == m].tolist())) for m in range(1, 5)]
        assert (found.stderr is None) == (min(documents) == 1)
        told.append(found.stderr is not None)
    assert set(told) == {True, False}


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("order", [RANDOM, DILATED], ids=lambda order: order.name)
def test_a_single_position(order: Order, smoothing: Smoothing) -> None:
    law = LawDenoiser([0.25, 0.75])
    windows = Windows(torch.tensor([[0], [1], [1], [1]]), np.arange(4), 0)
    found = estimate(law, windows, order=order, passes=16, smoothing=smoothing)
    exact = -0.25 * np.log(0.25) - 0.75 * np.log(0.75)
    assert found.measure.conditional_entropy.ravel() == pytest.approx([exact])


def test_progress_reaches_its_total() -> None:
    law, windows = small_law()
    seen: list[tuple[int, int]] = []
    errors: list[float] = []

    def told(done: int, total: int, stderr: float | None = None) -> None:
        seen.append((done, total))
        assert stderr is not None
        errors.append(stderr)

    estimate(
        law,
        windows,
        order=RANDOM,
        passes=50,
        batch=20,
        progress=told,
    )
    assert seen == [(12, 50), (32, 50), (50, 50)]  # a pilot of a quarter, then the rest
    assert min(errors) > 0.0


# Refusals


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"order": Order("confidence")}, UsageError, "planner 'confidence' depends on values"),
        ({"order": Order("margin")}, UsageError, "planner 'margin' depends on values"),
        ({"smoothing": "rough"}, UsageError, "unknown smoothing 'rough'; one of smooth, isotonic"),
        ({"passes": 15}, UsageError, "smooth estimates of 4 positions need at least 16, got 15"),
        ({"passes": 7, "smoothing": "raw"}, UsageError, "need at least 8, got 7"),
        (
            {"passes": 7, "smoothing": "isotonic", "order": DILATED},
            UsageError,
            "isotonic estimates of 4 positions need at least 8, got 7",
        ),
        ({"block_length": 3}, UsageError, "block length 3: need a divisor of the 4 positions"),
        ({"block_length": 8}, UsageError, "block length 8: need a divisor of the 4 positions"),
        ({"block_length": 0}, UsageError, "block length 0"),
        ({"block": 1}, UsageError, r"block: need one of 0..0, got 1"),
        ({"block": -1, "block_length": 2}, UsageError, r"block: need one of 0..1, got -1"),
        ({"block_length": -2}, UsageError, "block length -2"),
        ({"order": Order("explicit", permutation=(1, 0))}, UsageError, "2 positions, need 4"),
        ({"seed": -1}, UsageError, "seed: need a whole number >= 0, got -1"),
        ({"batch": 0}, UsageError, "need batch >= 1, got 0"),
    ],
    ids=str,
)
def test_usage(options: dict[str, Any], error: type[Exception], message: str) -> None:
    law, windows = small_law()
    arguments: dict[str, Any] = {"order": RANDOM, "passes": 64, **options}
    with pytest.raises(error, match=message):
        estimate(law, windows, **arguments)


def test_planners_are_sent_to_evaluate() -> None:
    law, windows = small_law()
    with pytest.raises(UsageError) as caught:
        estimate(law, windows, order=Order("entropy"), passes=64)
    assert "evaluate --planner" in str(caught.value.hint)


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("order", [RANDOM, DILATED], ids=lambda order: order.name)
def test_refused_before_any_pass(order: Order, smoothing: Smoothing) -> None:
    """Text that is none of the model's, and too little of it for standard errors."""
    spy = Spy(4, 100)
    windows = numbered(20, 4)

    def refused(changed: Windows, message: str) -> None:
        with pytest.raises(InputError, match=message):
            estimate(spy, changed, order=order, passes=64, smoothing=smoothing)
        assert not spy.tokens

    refused(replace(windows, tokens=windows.tokens + 21), "the text holds the mask token 100")
    refused(replace(windows, tokens=windows.tokens + 22), "need tokens 0..100, got 101")
    refused(replace(windows, documents=np.full(20, 3)), "passes fall on one document")


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("order", [RANDOM, DILATED], ids=lambda order: order.name)
def test_text_that_the_model_holds_impossible(order: Order, smoothing: Smoothing) -> None:
    """Its loss is infinite, so that no mean exists."""
    ones = np.zeros((2, 2, 2))
    ones[1, 1, 1] = ones[0, 0, 0] = 0.5
    law = LawDenoiser(ones)
    tokens = torch.tensor([[1, 1, 1]] * 19 + [[1, 1, 0]])
    windows = Windows(tokens, np.arange(20), 0)
    with pytest.raises(InputError, match=r"window 19 at block position [012] probability 0"):
        estimate(law, windows, order=order, passes=200, smoothing=smoothing, seed=1)
