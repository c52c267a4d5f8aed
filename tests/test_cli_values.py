"""Numbers and orders on the command line are read strictly, or refused with the value."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError, Namespace
from itertools import pairwise
from pathlib import Path

import hypothesis.strategies as st
import pytest
from command_line import refused
from hypothesis import given
from strategies import permutations

from schedopt.cli.orders import order_text, parse_order
from schedopt.cli.output import emit, nats, sizes_text, table
from schedopt.cli.parser import number, unicode_text, whole, whole_or_auto, wholes
from schedopt.errors import FormatError, InputError, MissingInputError, UsageError
from schedopt.schedule import PLANNERS, Order
from schedopt.sizes import doublings

NO_WHOLES = ["", " 8", "8 ", "8.0", "1_000", "1e3", "٣", "０", "0x8", "eight", "9" * 30, "--8"]
NO_NUMBERS = ["", "nan", "inf", "-inf", "1e999", "1_0", " 1", "1,5", "٣", "one", ".", "e5", "1e"]


@pytest.mark.parametrize("text", [*NO_WHOLES, "0", "-1"])
def test_whole_numbers_are_refused_with_the_value(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="need a whole number >= 1, got") as caught:
        whole(1)(text)
    assert repr(text) in str(caught.value)
    with pytest.raises(ArgumentTypeError, match="or auto"):
        whole_or_auto(text)
    with pytest.raises(ArgumentTypeError, match="need whole numbers >= 1 with commas between"):
        wholes(f"4,{text}")


@given(st.integers(0, 10**17))
def test_whole_numbers_are_read(value: int) -> None:
    assert whole(0)(str(value)) == value
    assert wholes(f"1,{value + 1}") == (1, value + 1)


def test_auto_is_read() -> None:
    assert (whole_or_auto("auto"), whole_or_auto("32")) == ("auto", 32)


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_numbers_are_refused_with_the_value(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="need a finite number, got"):
        number(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_read(value: float) -> None:
    assert number(repr(value)) == value


def test_text_that_is_not_unicode() -> None:
    assert unicode_text("né") == "né"
    with pytest.raises(ArgumentTypeError, match="need UTF-8"):
        unicode_text(b"\xff".decode("utf-8", "surrogateescape"))


# Orders


@pytest.mark.parametrize("name", ["random", "left_to_right", "dilated", *PLANNERS])
def test_an_order_is_its_name(name: str) -> None:
    assert parse_order(name) == Order(name)


@given(st.integers(2, 10**6))
def test_a_dilated_order_has_a_base(base: int) -> None:
    assert parse_order(f"dilated:{base}") == Order("dilated", base=base)


@given(st.integers(1, 20).flatmap(permutations))
def test_an_explicit_order_is_listed(positions: tuple[int, ...]) -> None:
    listed = ",".join(map(str, positions))
    assert parse_order(f"explicit:{listed}") == Order("explicit", permutation=positions)


def test_an_explicit_order_is_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "order.json"
    path.write_text(json.dumps([2, 0, 1]))
    assert parse_order(f"explicit:{path}") == Order("explicit", permutation=(2, 0, 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "unknown order ''"),
        ("diluted", "unknown order 'diluted'"),
        ("Random", "unknown order 'Random'"),
        ("explicit", "needs its permutation"),
        ("dilated:", "need a known order, got 'dilated:'"),
        ("dilated:1", "need base >= 2, got 1"),
        ("dilated:two", "got 'dilated:two'"),
        ("dilated:-2", "got 'dilated:-2'"),
        ("random:2", "got 'random:2'"),
        ("explicit:0,0", r"need each of 0..1 once, got \[0, 0\]"),
        ("explicit:1,2", "need each of 0..1 once"),
    ],
)
def test_what_is_no_order(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse_order(text)
    assert caught.value.exit_code == 2
    assert "dilated:3" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"\$: not JSON"),
        (b"[0, 1", "not JSON"),
        (b"{}", r"\$: need an array of positions"),
        (b"[0, NaN]", r"\$\[1\]: need a finite number"),
        (b"[0, 1.0]", "need each of 0..1 once"),
        (b"[0, true]", "need each of 0..1 once"),
        (b'["0"]', "need each of 0..0 once"),
        (b"[1, 2]", "need each of 0..1 once"),
        (b"\xff", "need UTF-8"),
    ],
)
def test_a_file_that_is_no_order(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "order.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        parse_order(f"explicit:{path}")
    assert str(caught.value).startswith(str(path))
    assert caught.value.exit_code == 3
    assert isinstance(caught.value, FormatError) or "once" in message


def test_a_file_of_an_order_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="No such file"):
        parse_order(f"explicit:{tmp_path / 'absent'}")
    with pytest.raises(MissingInputError):  # a list with a hole is taken for a file
        parse_order("explicit:0,,1")


@pytest.mark.parametrize(
    ("order", "text"),
    [
        (Order("random"), "random order"),
        (Order("left_to_right"), "left-to-right order"),
        (Order("dilated", base=3), "dilated order, base 3"),
        (Order("dilated", skip=2), "dilated order, base 2, skip 2"),
        (Order("explicit", permutation=(0,)), "explicit order"),
        (Order("margin"), "order chosen by margin"),
    ],
)
def test_orders_in_words(order: Order, text: str) -> None:
    assert order_text(order) == text


# Text


def test_json_has_null_for_what_is_not_finite(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"a": float("inf"), "b": [float("nan"), 1.5, "NaN"], "c": (1, None, True)}
    emit(Namespace(json=True), document, [])
    found = json.loads(capsys.readouterr().out)
    assert found == {"a": None, "b": [None, 1.5, "NaN"], "c": [1, None, True]}


def test_columns_of_numbers_are_flush_right() -> None:
    lines = table(["k", "name", "loss"], [["1", "a", "-10.5"], ["16", "2 2 4", "0.25"]])
    assert lines == [" k  name    loss", " 1  a      -10.5", "16  2 2 4   0.25"]
    assert table(["a"], []) == ["a"]


def test_nats_have_no_negative_zero() -> None:
    assert [nats(x) for x in (0.0, -0.0, -4e-5, 1e-5, -1.0)] == [
        "0.0000",
        "0.0000",
        "0.0000",
        "0.0000",
        "-1.0000",
    ]


@given(st.lists(st.integers(1, 9), min_size=1))
def test_sizes_in_words_lose_nothing(sizes: list[int]) -> None:
    found: list[int] = []
    for word in sizes_text(sizes).split():
        count, _, size = word.rpartition("x")
        found += [int(size)] * int(count or 1)
    assert found == sizes


@given(st.integers(1, 10**6))
def test_doublings_end_at_the_length(length: int) -> None:
    found = doublings(length)
    assert (found[0], found[-1]) == (1, length)
    assert all(a < b <= 2 * a for a, b in pairwise(found))


def test_a_bad_value_reaches_the_user() -> None:
    refused(2, "--max-loss: need a finite number, got 'nan'", "solve", "c", "--max-loss", "nan")
    refused(2, "--sizes: need whole numbers >= 1", "compare", "c", "--sizes", "2,,2")
