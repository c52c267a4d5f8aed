"""A malformed file is refused with its name, the JSON path and the value, and in no other way."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from malformed_corpus import CORPUS, CURVE, SCHEDULE, SURFACE, Malformed, swap

from schedopt import files
from schedopt.errors import FormatError, InputError, MissingInputError
from schedopt.files.strict import MAX_BYTES, MAX_FAULTS, MAX_SHOWN


def test_the_corpus_is_large() -> None:
    assert len(CORPUS) >= 60


@pytest.mark.parametrize("case", CORPUS.values(), ids=CORPUS.keys())
def test_corpus(case: Malformed, tmp_path: Path) -> None:
    path = tmp_path / "malformed.json"
    path.write_bytes(case.data)
    with pytest.raises(FormatError) as caught:
        files.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: {case.json_path}: ")
    assert case.value in message.removeprefix(f"{path}: {case.json_path}: ")
    assert message.isprintable()
    assert message.removeprefix(str(path)).isascii()
    assert len(message) < len(str(path)) + len(case.json_path) + 300
    assert (caught.value.path, caught.value.json_path) == (str(path), case.json_path)
    assert caught.value.exit_code == 3
    assert files.validate(path)[0] == message


@pytest.mark.parametrize(
    "read",
    [
        files.load,
        files.read_curve,
        files.read_surface,
        files.read_schedule,
        files.read_measure,
    ],
)
def test_what_cannot_be_opened_is_a_missing_input(read: object, tmp_path: Path) -> None:
    assert callable(read)
    for name, reason in (
        ("absent.json", "No such file"),
        ("", "Is a directory"),
        ("absent/file.json", "No such file"),
        ("x" * 300, "File name too long"),
        ("null\0byte", "null byte"),
    ):
        path = tmp_path / name
        with pytest.raises(MissingInputError) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert reason in str(caught.value)
        assert caught.value.exit_code == 3
        assert isinstance(caught.value, InputError | FileNotFoundError)
        assert files.validate(path) == [str(caught.value)]


def test_a_file_without_permission_is_a_missing_input(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text(CURVE)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read every file")
    with pytest.raises(MissingInputError, match="Permission denied"):
        files.load(path)


def test_a_huge_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as handle:
        handle.truncate(2**40)  # a hole: takes no space, but would take all memory to read
    with pytest.raises(FormatError, match=f"need at most {MAX_BYTES} bytes, got more"):
        files.load(path)


def test_a_file_of_the_largest_size_is_read() -> None:
    text = CURVE.encode()
    files.loads(text + b" " * (MAX_BYTES - len(text)), files.FORMATS)
    with pytest.raises(FormatError, match=f"at most {MAX_BYTES}"):
        files.loads(text + b" " * (MAX_BYTES - len(text) + 1), files.FORMATS)


def test_validate_lists_every_fault_of_a_stage(tmp_path: Path) -> None:
    path = tmp_path / "schedule.json"
    data = swap(SCHEDULE, "[2, 2, 4],\n", "[2, 0, true],\n").decode()
    data = swap(data, '"seed"', '"sead"').decode()
    path.write_bytes(swap(data, '"nats"', '"bits"'))
    assert files.validate(path) == [
        f"{path}: $.schedule.step_sizes[1]: need a whole number >= 1, got 0",
        f"{path}: $.schedule.step_sizes[2]: need a whole number >= 1, got true",
        f'{path}: $.prediction.unit: need nats, got "bits"',
        f"{path}: $.provenance.sead: unknown key, need one of schedopt_version, command, seed, "
        "curve_sha256, model, data, environment, estimate, got 7",
    ]


def test_validate_stops_counting_at_some_faults(tmp_path: Path) -> None:
    path = tmp_path / "curve.json"
    path.write_bytes(swap(CURVE, "0.75,", "-1," * 1000))
    assert len(files.validate(path)) == MAX_FAULTS


HOSTILE = {
    "a string of escapes without an end": (b'"' + b'\\"' * (MAX_BYTES // 2 - 1), "$"),
    "strings without an end": (b"[" + b'"a' * (MAX_BYTES // 2 - 1), "$[0]"),
    "a million brackets": (b"[" * MAX_BYTES, "$"),
    "many objects": (b'{"a":' * (MAX_BYTES // 5), "$"),
    "900 levels": (
        swap(SCHEDULE, '{"a": null}', "[" * 900 + "]" * 900),
        "$.extensions.note[1]" + "[0]" * 61,
    ),
    "one key all over": (b"{" + b'"a":1,' * (MAX_BYTES // 6 - 2) + b'"b":1}', "$.a"),
    "half a million digits": (
        swap(CURVE, "0.75", "9" * (MAX_BYTES // 2)),
        "$.curve.conditional_entropy[0]",
    ),
    "a long exponent": (
        swap(CURVE, "0.75", "1e" + "9" * 100_000),
        "$.curve.conditional_entropy[0]",
    ),
    "a long key": (
        swap(CURVE, '"extensions"', f'"{"k" * 500_000}"'),
        f'$["{"k" * (MAX_SHOWN - 4)}...]',
    ),
    "many rows": (swap(SURFACE, "[0.4]", "[]," * 100_000 + "[]"), "$.surface.rows[0]"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_cost_no_time_and_no_long_message(name: str) -> None:
    # A naive reader needs minutes, gigabytes or the recursion limit for each.
    data, json_path = HOSTILE[name]
    start = time.process_time()
    with pytest.raises(FormatError) as caught:
        files.loads(data, files.FORMATS)
    assert time.process_time() - start < 10.0
    assert caught.value.json_path == json_path
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("skip", ["", f', "skip": {2**62}'])
def test_numbers_that_would_exhaust_memory_are_harmless(skip: str) -> None:
    text = swap(SCHEDULE, '"base": 2', f'"base": {2**62}{skip}')
    schedule = files.loads(text, [files.ScheduleFile]).schedule
    assert schedule.groups() == ((0, 1), (2, 3), (4, 5, 6, 7))


def test_a_long_value_is_cut_and_stays_on_one_line() -> None:
    text = swap(CURVE, "0.75", '"' + "é\\n" * 1000 + '"')
    with pytest.raises(FormatError) as caught:
        files.loads(text, files.FORMATS)
    problem = str(caught.value).split("got ")[1]
    assert len(problem) == MAX_SHOWN
    assert problem.startswith(r'"\u00e9\n\u00e9\n')
    assert problem.endswith("...")
