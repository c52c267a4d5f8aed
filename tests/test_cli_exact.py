"""``schedopt exact`` prints the exact account of a law, named or given as a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import refused, run
from numpy.testing import assert_array_equal

from schedopt.cli.exact import PARAMETERS
from schedopt.exact import exact_report, named_law
from schedopt.files import load, read_curve
from theory.distributions import LAWS, law_parameters

PARITY = np.array([[[0.25, 0.0], [0.0, 0.25]], [[0.0, 0.25], [0.25, 0.0]]])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "p.npy"
    np.save(path, PARITY)
    return path


def test_every_parameter_of_every_law_is_an_option() -> None:
    assert PARAMETERS.keys() == {p for name in LAWS for p in law_parameters(name)}


@pytest.mark.parametrize("name", LAWS)
def test_every_law_by_its_name(name: str) -> None:
    done = run("exact", name, "--n", 6, "--json")
    assert (done.code, done.err) == (0, "")
    assert done.document == exact_report(named_law(name, n=6), name=name)
    assert name in "".join(run("exact", "--help").out.split())  # however wide the terminal is


def test_parameters_reach_the_law() -> None:
    done = run("exact", "markov", "--n", 6, "--q", 3, "--eps", 0.2, "--order", 2, "--json")
    assert done.document == exact_report(
        named_law("markov", n=6, q=3, eps=0.2, order=2), name="markov"
    )


def test_a_table(table: Path) -> None:
    found = run("exact", "--table", table, "--json").document
    assert found == exact_report(PARITY, name=str(table))
    assert found["format"] == "schedopt.exact"
    assert found["optimal"]["2"] == {"step_sizes": [2, 1], "loss": 0.0}
    assert found["dus"]["groups"] == [[0, 1, 2]]


def test_text(table: Path) -> None:
    lines = run("exact", "--table", table).out.splitlines()
    assert lines[0].endswith("p.npy: 3 positions, 2 symbols; nats")
    assert lines[1].split() == ["entropy", "1.3863"]
    assert [line.split() for line in lines[-3:]] == [
        ["1", "0.6931", "3"],
        ["2", "0.0000", "2", "1"],
        ["3", "0.0000", "1", "1", "1"],
    ]


def test_chosen_steps() -> None:
    done = run("exact", "parity", "--n", 1000, "--steps", "2,999")
    assert [line.split()[:2] for line in done.out.splitlines()[-2:]] == [
        ["2", "0.0000"],
        ["999", "0.0000"],
    ]
    found = run("exact", "parity", "--n", 1000, "--steps", "2,999", "--json").document
    assert found["optimal"].keys() == {"2", "999"}


def test_the_curve_is_written(tmp_path: Path) -> None:
    path = tmp_path / "curve.json"
    done = run("exact", "repeated-bit", "--n", 5, "-o", path, "--json")
    assert (done.code, done.err) == (0, f"wrote {path}\n")
    assert_array_equal(read_curve(path).conditional_entropy, done.document["conditional_entropy"])
    command = load(path).provenance["command"]
    assert command == ["exact", "repeated-bit", "--n", "5", "-o", str(path), "--json"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "need either LAW or --table, got neither"),
        (["parity", "--table", "p.npy"], "need either LAW or --table, got both"),
        (["--table", "p.npy", "--n", "3"], "a table takes no parameters, got --n"),
        (["party", "--n", "3"], "unknown law 'party'"),
        (["parity"], "needs its number of positions n"),
        (["parity", "--n", "3", "--coupling", "1"], "takes n, q"),
        (["markov", "--n", "3", "--eps", "2"], "0 <= eps <= 1"),
        (["parity", "--n", "3", "--steps", "4"], "1 <= steps <= 3, got 4"),
        (["parity", "--n", "99999"], "1 <= n <= 16384"),
    ],
)
def test_usage(arguments: list[str], message: str) -> None:
    refused(2, message, "exact", *arguments)


def test_bad_tables(tmp_path: Path) -> None:
    path = tmp_path / "p.npy"
    refused(3, "No such file", "exact", "--table", path)
    np.save(path, PARITY * 2)
    refused(3, "sums to 2.0, need 1", "exact", "--table", path)
    np.save(path, PARITY * np.nan)
    refused(3, "got nan", "exact", "--table", path)


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    refused(1, "there is no folder", "exact", "parity", "--n", 3, "-o", tmp_path / "a" / "c.json")
    assert list(tmp_path.iterdir()) == []
