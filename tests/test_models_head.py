"""The head says what the definition says, whatever the pieces, and never holds all logits."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from importlib.util import find_spec
from unittest import mock

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from strategies import settings
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from schedopt.errors import InputError
from schedopt.models import head
from schedopt.models.head import project, reduce_logits, reduce_rows

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]

on_every_device = pytest.mark.parametrize("device", DEVICES)


def by_definition(logits: list[float], target: int, mask_id: int) -> tuple[float, float]:
    """NLL and entropy of one row."""
    kept = [x for i, x in enumerate(logits) if i != mask_id]
    shift = max(kept)
    odds = [0.0 if i == mask_id else math.exp(x - shift) for i, x in enumerate(logits)]
    p = [x / math.fsum(odds) for x in odds]
    nll = math.inf if p[target] == 0.0 else -math.log(p[target])
    return nll, -math.fsum(x * math.log(x) for x in p if x > 0.0)


def random_head(
    count: int, V: int, d: int, *, seed: int = 0, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rows, weight, bias and targets."""
    generator = torch.Generator().manual_seed(seed)
    rows, weight, bias = (
        torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
        for shape in ((count, d), (V, d), (V,))
    )
    return rows, weight, bias, torch.randint(0, V, (count,), generator=generator)


def cut(piece: int, rows: int) -> AbstractContextManager[object]:
    """Pieces of about so many numbers, of so many rows at most."""
    return mock.patch.multiple(head, PIECE=piece, PIECE_ROWS=rows, ALIGNED=1)


@settings(max_examples=60)
@given(
    count=st.integers(1, 7),
    V=st.integers(2, 40),
    d=st.integers(1, 3),
    piece=st.integers(1, 300),
    piece_rows=st.integers(1, 8),
    biased=st.booleans(),
    data=st.data(),
)
def test_scores_are_those_of_the_definition(
    count: int, V: int, d: int, piece: int, piece_rows: int, biased: bool, data: st.DataObject
) -> None:
    """Pieces need not divide anything; the mask and impossible tokens may be in any of them."""
    rows, weight, bias, targets = random_head(count, V, d, seed=V)
    mask_id = data.draw(st.integers(0, V - 1))
    impossible = data.draw(st.sets(st.integers(0, V - 1), max_size=V - 1))
    if not set(range(V)) - impossible - {mask_id}:
        impossible = set()
    bias[list(impossible)] = -torch.inf
    with cut(piece, piece_rows):
        found = reduce_rows(rows, weight, bias if biased else None, targets, mask_id=mask_id)
    logits = rows @ weight.T + (bias if biased else 0.0)
    with cut(piece, piece_rows):
        same = reduce_logits(logits, targets, mask_id=mask_id)
    for i, (row, target) in enumerate(zip(logits.tolist(), targets.tolist(), strict=True)):
        for scores in (found, same):
            numbers = [float(part[i]) for part in scores]
            assert numbers == pytest.approx(by_definition(row, target, mask_id), abs=1e-12)


@given(st.integers(0, 5000), st.integers(1, 300_000))
def test_pieces_cover_everything_once_and_stay_small(count: int, V: int) -> None:
    cells, next_column = 0, 0
    for rows, columns in head.pieces(count, V):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        assert (columns.start, height <= head.PIECE_ROWS) == (next_column, True)
        assert 0 < height * width <= head.PIECE
        next_column = 0 if columns.stop == V else columns.stop
        cells += height * width
    assert (cells, next_column) == (count * V, 0)


@pytest.mark.parametrize("offset", [-1e8, -1e4, 0.0, 1e4, 1e8])
@on_every_device
def test_a_constant_changes_nothing(offset: float, device: str) -> None:
    logits = torch.tensor([[0.0, 1.0, 3.0, -2.0]], dtype=torch.float64, device=device)
    target = torch.tensor([1], device=device)
    with cut(2, 1):
        found = reduce_logits(logits + offset, target, mask_id=3)
    expected = by_definition([0.0, 1.0, 3.0], 1, 3)
    assert [float(part) for part in found] == pytest.approx(expected, abs=1e-7)


@on_every_device
def test_far_apart_logits_overflow_nowhere(device: str) -> None:
    """In either order; the peak of one piece is nothing beside that of the next."""
    low, high = -3e38, 3e38
    logits = torch.tensor([[low, high, 0], [high, low, 0], [low, low, 0], [high, high, 0]])
    with cut(1, 1):
        nll, entropy = reduce_logits(
            logits.to(device), torch.zeros(4, dtype=torch.int64, device=device), mask_id=2
        )
    assert nll.tolist() == pytest.approx([math.inf, 0.0, math.log(2), math.log(2)])
    assert entropy.tolist() == pytest.approx([0.0, 0.0, math.log(2), math.log(2)])


@pytest.mark.parametrize(
    ("dtype", "wide", "tolerance"),
    [
        (torch.bfloat16, torch.float32, 2e-5),
        (torch.float16, torch.float32, 2e-5),
        (torch.float32, torch.float32, 2e-5),
        (torch.float64, torch.float64, 1e-12),
    ],
)
@on_every_device
def test_sums_are_at_least_float32(
    dtype: torch.dtype, wide: torch.dtype, tolerance: float, device: str
) -> None:
    """Logits of narrow rows are not rounded to their dtype."""
    parts = random_head(33, 900, 16, dtype=dtype)
    rows, weight, bias, targets = (part.to(device) for part in parts)
    with cut(33 * 256, 1024):
        found = reduce_rows(rows, weight, bias, targets, mask_id=5)
    exact = reduce_rows(rows.double(), weight.double(), bias.double(), targets, mask_id=5)
    for one, other in zip(found, exact, strict=True):
        assert one.dtype == wide
        torch.testing.assert_close(one.double(), other, rtol=tolerance, atol=tolerance)
    assert project(rows, weight, None).dtype == wide


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("token", [0, 4, 8])
@on_every_device
def test_rows_that_are_no_distribution_are_refused(value: float, token: int, device: str) -> None:
    logits = torch.zeros((3, 10), device=device)
    logits[1, token] = value
    targets = torch.full((3,), 1, device=device)
    with (
        cut(6, 3),
        pytest.raises(InputError, match=r"NaN or infinite logits \(row 1 of 3\)") as caught,
    ):
        reduce_logits(logits, targets, mask_id=9)
    assert caught.value.exit_code == 3
    assert "float32" in str(caught.value.hint)
    nll, _ = reduce_logits(logits, targets, mask_id=token)  # what the mask's logit is, is not asked
    assert nll.tolist() == pytest.approx([math.log(9)] * 3)


@on_every_device
def test_nothing_but_the_mask_is_no_distribution(device: str) -> None:
    logits = torch.full((1, 10), -torch.inf, device=device)
    logits[0, 9] = 0.0
    target = torch.zeros(1, dtype=torch.int64, device=device)
    with cut(3, 1), pytest.raises(InputError, match="row 0 of 1"):
        reduce_logits(logits, target, mask_id=9)
    logits[0, 4] = 7.0
    with cut(3, 1):
        nll, entropy = reduce_logits(logits, target, mask_id=9)
    assert (nll.item(), entropy.item()) == (math.inf, 0.0)


def test_no_row_is_no_score() -> None:
    rows, weight, bias, targets = random_head(0, 9, 2)
    assert [part.shape for part in reduce_rows(rows, weight, bias, targets, mask_id=0)] == [
        (0,)
    ] * 2


class Largest(TorchDispatchMode):
    """Watches for the largest tensor that any operation makes room for."""

    numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None) -> object:
        made = function(*args, **(kwargs or {}))
        given = {a.untyped_storage().data_ptr() for a in args if isinstance(a, Tensor)}
        for tensor in made if isinstance(made, tuple | list) else [made]:
            if isinstance(tensor, Tensor) and tensor.untyped_storage().data_ptr() not in given:
                self.numbers = max(self.numbers, tensor.numel())
        return made


def test_no_more_than_a_piece_of_the_logits_is_ever_there() -> None:
    count, V = 256, 40_000
    rows, weight, _, targets = random_head(count, V, 2, dtype=torch.float32)
    with mock.patch.object(head, "PIECE", 2**17), Largest() as largest:
        reduce_rows(rows, weight, None, targets, mask_id=V - 1)
    assert 0.9 * 2**17 < largest.numbers <= 2**17 < count * V / 50
    with Largest() as largest:
        (rows @ weight.T).log_softmax(dim=-1)
    assert largest.numbers == count * V


def test_logits_that_are_there_are_left_alone() -> None:
    logits = torch.randn((4, 30))
    before = logits.clone()
    reduce_logits(logits, torch.zeros(4, dtype=torch.int64), mask_id=3)
    assert torch.equal(logits, before)


@pytest.mark.skipif(find_spec("triton") is not None, reason="Triton is installed")
def test_without_triton_torch_does_it() -> None:
    head.kernels.cache_clear()
    assert head.kernels() is None


def test_an_error_inside_triton_is_not_taken_for_its_absence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str, *_: object) -> None:
        raise ModuleNotFoundError(name="something_else")

    head.kernels.cache_clear()
    monkeypatch.setattr("builtins.__import__", missing)
    with pytest.raises(ModuleNotFoundError) as caught:
        head.kernels()
    assert caught.value.name == "something_else"


# The kernel, where there is a GPU for it


def has_kernel() -> bool:
    return torch.cuda.is_available() and torch.cuda.get_device_capability() >= (9, 0)


needs_kernel = pytest.mark.skipif(not has_kernel(), reason="there is no GPU of Hopper or later")


@needs_kernel
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize(
    ("count", "V", "d", "mask_id"),
    [(1, 5, 8, 0), (300, 50_001, 72, 50_000), (128, 256, 64, 255), (2049, 1000, 128, 300)],
)
def test_the_kernel_says_what_torch_says(
    count: int, V: int, d: int, mask_id: int, biased: bool, dtype: torch.dtype
) -> None:
    rows, weight, bias, targets = (p.cuda() for p in random_head(count, V, d, dtype=dtype))
    bias[3::7] = -torch.inf
    added = bias if biased else None
    kernel = head.kernels()
    assert kernel is not None
    assert kernel.fits(rows, weight)
    found = reduce_rows(rows, weight, added, targets, mask_id=mask_id)
    with mock.patch.object(kernel, "fits", return_value=False):
        by_pieces = reduce_rows(rows, weight, added, targets, mask_id=mask_id)
    with mock.patch.object(head, "kernels", return_value=None):
        expected = reduce_rows(rows, weight, added, targets, mask_id=mask_id)
    for scores in (found, by_pieces):
        for one, other in zip(scores, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=2e-5, atol=5e-5)


@needs_kernel
@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("token", [0, 300, 599])
def test_the_kernel_refuses_what_is_no_distribution(value: float, token: int) -> None:
    rows, weight, bias, targets = (
        part.cuda() for part in random_head(200, 600, 16, dtype=torch.bfloat16)
    )
    bias[token] = value
    with pytest.raises(InputError, match="NaN or infinite logits"):
        reduce_rows(rows, weight, bias, targets, mask_id=5)
    reduce_rows(rows, weight, bias, targets, mask_id=token)
    bias.fill_(-math.inf)
    with pytest.raises(InputError, match="NaN or infinite logits"):
        reduce_rows(rows, weight, bias, targets, mask_id=token)


@needs_kernel
def test_the_kernel_is_not_given_what_it_cannot_do() -> None:
    kernel = head.kernels()
    assert kernel is not None
    rows, weight = torch.zeros((4, 16), device="cuda"), torch.zeros((9, 16), device="cuda")
    assert not kernel.fits(rows, weight)  # float32 stays float32
    rows, weight = rows.bfloat16(), weight.bfloat16()
    assert kernel.fits(rows, weight)
    assert not kernel.fits(rows[:, :12], weight[:, :12])  # strided
    assert not kernel.fits(rows[:, :4].clone(), weight[:, :4].clone())  # too narrow for its loads
