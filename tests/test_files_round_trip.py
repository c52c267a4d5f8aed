"""What is written is what is read, byte for byte and digit for digit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from malformed_corpus import CURVE, EXPLICIT, GOOD, SCHEDULE, SURFACE, swap
from numpy.testing import assert_array_equal

from schedopt import files
from schedopt.curve import InformationCurve, OrderSurface
from schedopt.errors import FormatError
from schedopt.schedule import Order, UnmaskingSchedule

PARITY = InformationCurve([np.log(2), np.log(2), 0.0])
DUS = UnmaskingSchedule(8, Order("dilated", base=2), (2, 2, 4))

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)
extensions = st.dictionaries(st.text(), json_values, max_size=3)
provenances = st.fixed_dictionaries(
    {},
    optional={
        "schedopt_version": st.text(),
        "command": st.lists(st.text(), max_size=2),
        "seed": st.integers(0, 2**63 - 1),
        "model": st.fixed_dictionaries({}, optional={"name": st.text(), "mask_id": st.just(None)}),
        "environment": st.dictionaries(st.text(), st.text(), max_size=2),
        "estimate": st.dictionaries(st.text(), scalars, max_size=2),
    },
)
predictions = st.none() | st.builds(
    files.Prediction,
    st.floats(-30.0, 30.0),
    st.none() | st.floats(0.0, 1.0),
    st.sampled_from(["block", "sequence"]),
    st.none() | st.text(),
)


def again(file: files.SchedoptFile) -> files.SchedoptFile:
    text = files.dumps(file)
    read = files.loads(text.encode(), files.FORMATS)
    assert files.dumps(read) == text
    assert read == file
    return read


@given(strategies.unmasking_schedules(), predictions, provenances, extensions)
def test_schedules(
    schedule: UnmaskingSchedule,
    prediction: files.Prediction | None,
    provenance: Mapping[str, object],
    extensions: Mapping[str, object],
) -> None:
    file = files.ScheduleFile(schedule, prediction, provenance=provenance, extensions=extensions)
    read = again(file)
    assert isinstance(read, files.ScheduleFile)
    assert (read.schedule, read.prediction) == (schedule, prediction)
    assert (read.provenance, read.extensions) == (provenance, extensions)


@given(strategies.information_curves(), extensions)
def test_curves_to_the_last_digit(
    curve: InformationCurve, extensions: Mapping[str, object]
) -> None:
    read = again(files.CurveFile(curve, extensions=extensions))
    assert isinstance(read, files.CurveFile)
    assert_array_equal(read.curve.conditional_entropy, curve.conditional_entropy)
    assert (read.curve.stderr is None) == (curve.stderr is None)
    if curve.stderr is not None and read.curve.stderr is not None:
        assert_array_equal(read.curve.stderr, curve.stderr)


@given(strategies.order_surfaces())
def test_surfaces_to_ten_digits(surface: OrderSurface) -> None:
    read = again(files.SurfaceFile(surface))
    assert isinstance(read, files.SurfaceFile)
    assert read.surface.order == surface.order
    np.testing.assert_allclose(
        read.surface.conditional_entropy, surface.conditional_entropy, rtol=5e-10, atol=0.0
    )
    assert (read.surface.stderr is None) == (surface.stderr is None)
    if surface.stderr is not None and read.surface.stderr is not None:
        np.testing.assert_allclose(read.surface.stderr, surface.stderr, rtol=5e-4, atol=0.0)


@pytest.mark.parametrize("name", GOOD)
def test_good_files_are_valid_and_read_by_format(name: str, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text(GOOD[name], encoding="utf-8")
    assert files.validate(path) == []
    file = files.load(path)
    assert json.loads(GOOD[name])["format"] == file.format
    copy = tmp_path / "copy.json"
    files.write(copy, file)
    assert files.load(copy) == file
    files.write(path, files.load(copy))
    assert path.read_bytes() == copy.read_bytes()


def test_readers_give_the_thing_itself(tmp_path: Path) -> None:
    for name, text in GOOD.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    schedule = files.read_schedule(tmp_path / "schedule")
    assert schedule == UnmaskingSchedule(
        8, Order("dilated", base=2), (2, 2, 4), blocks=((2, 2, 4), (4, 4))
    )
    explicit = files.read_schedule(str(tmp_path / "explicit"))
    assert explicit.groups() == ((2,), (0, 3, 1))
    assert explicit.models == (0, 1)
    curve = files.read_curve(tmp_path / "curve")
    assert_array_equal(curve.conditional_entropy, [0.75, 0.5, 0.25])
    surface = files.read_surface(tmp_path / "surface")
    assert_array_equal(
        surface.conditional_entropy, [[0.9, 0.8, 0.7], [0.0, 0.6, 0.5], [0.0, 0.0, 0.4]]
    )
    assert isinstance(files.read_measure(tmp_path / "curve"), InformationCurve)
    assert isinstance(files.read_measure(tmp_path / "surface"), OrderSurface)


def test_a_reader_refuses_the_other_formats(tmp_path: Path) -> None:
    for name, text in GOOD.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    for read, wrong in (
        (files.read_curve, "surface"),
        (files.read_surface, "schedule"),
        (files.read_measure, "schedule"),
        (files.read_schedule, "curve"),
    ):
        with pytest.raises(FormatError, match=rf"\$\.format: need .*schedopt\.{wrong}") as caught:
            read(tmp_path / wrong)
        assert caught.value.json_path == "$.format"


def test_what_may_be_absent_or_null() -> None:
    bare = b"""{"format": "schedopt.schedule", "schema_version": 1,
        "schedule": {"length": 8, "order": {"name": "dilated", "base": 2}, "step_sizes": [2, 2, 4]}}
    """
    null = b"""{"format": "schedopt.schedule", "schema_version": 1, "prediction": null,
        "schedule": {"length": 8, "order": {"name": "dilated", "base": 2, "skip": null},
        "step_sizes": [2, 2, 4], "models": null, "blocks": null},
        "provenance": null, "extensions": null}
    """
    for text in (bare, null):
        assert files.loads(text, [files.ScheduleFile]) == files.ScheduleFile(DUS)
    curve = b"""{"format": "schedopt.curve", "schema_version": 1,
        "curve": {"conditional_entropy": [1, 0.5]}}"""
    assert files.loads(curve, [files.CurveFile]) == files.CurveFile(InformationCurve([1.0, 0.5]))


def test_skip_is_written_only_where_it_says_something() -> None:
    one = files.dumps(files.ScheduleFile(DUS))
    assert '"order": {"name": "dilated", "base": 2}, ' in one
    order = Order("dilated", base=3, skip=2)
    two = files.dumps(files.ScheduleFile(replace(DUS, order=order)))
    assert '"order": {"name": "dilated", "base": 3, "skip": 2}, ' in two


def test_rounding_errors_below_zero_are_kept() -> None:
    curve = InformationCurve([0.5, -1e-16])
    assert again(files.CurveFile(curve)).document()["curve"] == {
        "conditional_entropy": [0.5, -1e-16],
        "stderr": None,
    }


def test_equality_is_that_of_the_values_written() -> None:
    texts = [files.loads(text.encode(), files.FORMATS) for text in GOOD.values()]
    for i, file in enumerate(texts):
        assert [file == other for other in texts] == [i == j for j in range(len(texts))]
        assert hash(file) == hash(again(file))
    assert texts[0] != "a text"
    spaced = swap(CURVE, "0.75,", "0.75  ,\n")
    assert files.loads(spaced, files.FORMATS) == files.loads(CURVE.encode(), files.FORMATS)
    other = swap(CURVE, "0.75,", "0.76,")
    assert files.loads(other, files.FORMATS) != files.loads(CURVE.encode(), files.FORMATS)


@pytest.mark.parametrize(
    ("file", "json_path"),
    [
        (files.CurveFile(PARITY, provenance={"sead": 0}), "$.provenance.sead"),
        (files.CurveFile(PARITY, provenance={"seed": 2**63}), "$.provenance.seed"),
        (files.CurveFile(PARITY, extensions={"x": [float("nan")]}), "$.extensions.x[0]"),
        (files.CurveFile(InformationCurve([1e200])), "$.curve.conditional_entropy[0]"),
        (files.ScheduleFile(DUS, files.Prediction(float("inf"))), "$.prediction.loss"),
        (files.ScheduleFile(DUS, files.Prediction(0.1, -0.1)), "$.prediction.stderr"),
        (files.ScheduleFile(DUS, files.Prediction(0.1, per="token")), "$.prediction.per"),
        (
            files.ScheduleFile(UnmaskingSchedule(2**21, Order("random"), (2**21,))),
            "$.schedule.length",
        ),
    ],
)
def test_what_could_not_be_read_is_not_written(
    file: files.SchedoptFile, json_path: str, tmp_path: Path
) -> None:
    path = tmp_path / "file.json"
    with pytest.raises(FormatError) as caught:
        files.write(path, file)
    assert (caught.value.path, caught.value.json_path) == (str(path), json_path)
    assert not list(tmp_path.iterdir())


def test_a_lone_surrogate_is_not_written() -> None:
    with pytest.raises(FormatError, match="need UTF-8"):
        files.dumps(files.CurveFile(PARITY, extensions={"x": "\ud800"}))


def test_surfaces_fit_to_256_positions_and_are_refused_when_they_pass_1_mib() -> None:
    def surface(n: int) -> files.SurfaceFile:
        values = 3.0 + np.sin(np.arange(n * n)).reshape(n, n)
        return files.SurfaceFile(OrderSurface(values, Order("left_to_right"), values / 100.0))

    assert again(surface(256)) == surface(256)
    with pytest.raises(FormatError, match="need at most 1048576 bytes, got "):
        files.dumps(surface(400))


def test_texts_of_the_corpus_are_of_each_format() -> None:
    assert {json.loads(text)["format"] for text in (SCHEDULE, EXPLICIT, CURVE, SURFACE)} == {
        kind.format for kind in files.FORMATS
    }
