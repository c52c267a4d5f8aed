"""``schedopt exact`` prints the exact account of a law, named or given as a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import refused, run
from numpy.testing import assert_array_equal

from schedopt.cli.exact import PARAMETERS
from schedopt.exact import bounds, exact_report, named_law, partition, report
from schedopt.files import load, read_curve
from theory import tables
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
    lines = [line.split() for line in run("exact", "--table", table).out.splitlines()]
    assert lines[0][0].endswith("p.npy:")
    assert lines[0][1:] == ["3", "positions,", "2", "symbols;", "nats"]
    assert lines[1:8] == [
        ["entropy", "1.3863"],
        ["total", "correlation", "TC", "0.6931"],
        ["dual", "total", "correlation", "DTC", "1.3863"],
        ["growth", "complexity", "H^card", "0.4621"],
        ["TSE", "complexity", "0.6931"],
        ["loss", "of", "DUS", "0.6931", "in", "one", "group", "of", "3"],
        ["loss", "of", "the", "best", "groups", "0.6931", "in", "one", "group", "of", "3"],
    ]
    assert [line[:2] + line[7:] for line in lines[11:14]] == [
        ["1", "0.6931", "3"],
        ["2", "0.0000", "2", "1"],
        ["3", "0.0000", "1", "1", "1"],
    ]
    assert [line[:6] for line in lines[17:]] == [
        ["1", "0.6931", "2.7726", "1.3863", "1.3863", "0.6931"],
        ["2", "0.3466", "0.6931", "0.6931", "0.6931", "0.0000"],
        ["3", "0.0000", "0.0000", "0.0000", "0.0000", "0.0000"],
    ]


def losses(text: str) -> list[list[str]]:
    """Numbers of steps and what the best sizes lose, as they are printed."""
    part = text.split("\n\n")[1].splitlines()
    return [line.split()[:2] for line in part[2:]]


def test_chosen_steps() -> None:
    text = run("exact", "parity", "--n", 1000, "--steps", "2,999").out
    assert losses(text) == [["2", "0.0000"], ["999", "0.0000"]]
    found = run("exact", "parity", "--n", 1000, "--steps", "2,999", "--json").document
    assert (found["optimal"].keys(), found["bounds"].keys()) == ({"2", "999"}, {"2"})
    text = run("exact", "parity", "--n", 1000, "--steps", "998,999").out
    assert losses(text) == [["998", "0.0000"], ["999", "0.0000"]]
    assert "guarantee" not in text


@pytest.mark.parametrize(
    "arguments",
    [
        ("parity", "--n", 4),
        ("markov", "--n", 8),
        ("markov", "--n", 64),
        ("permutation", "--n", 4096),
    ],
)
def test_text_fits_a_screen(arguments: tuple[str | int, ...]) -> None:
    lines = run("exact", *arguments).out.splitlines()
    assert len(lines) <= 36
    assert max(map(len, lines)) <= 120


def test_help_says_what_is_searched() -> None:
    limits = " ".join(run("exact", "--help").out.split("limits:")[1].split())
    for limit in (
        f"order-1 chains up to n = {partition.LONGEST_CHAIN}",
        f"rings up to {partition.LONGEST_RING}",
        f"any law up to n = {partition.LONGEST_TABLE} with (q+1)^n <= 2^24",
        f"up to {bounds.MOST_STEPS} steps",
        f"up to n = {bounds.LONGEST_MINIMAX}",
        f"every number of steps up to n = {report.EVERY_STEP_LIMIT}",
    ):
        assert limit in limits
    assert (partition.MOST_TERMS, tables.ENTRY_LIMIT) == (2**24, 2**24)


@pytest.mark.parametrize("name", LAWS)
def test_help_lists_every_law_with_its_parameters(name: str) -> None:
    (line,) = (
        line.split()
        for line in run("exact", "--help").out.splitlines()
        if line.startswith(f"  {name} ")
    )
    assert [word[2:] for word in line if word.startswith("--")] == list(law_parameters(name))


def test_a_device() -> None:
    by_device = run("exact", "hidden-markov", "--n", 6, "--device", "cpu", "--json").document
    law = named_law("hidden-markov", n=6)
    assert by_device == exact_report(law, device="cpu", name="hidden-markov")
    done = refused(
        2, "device 'cuda:99' is not there", "exact", "parity", "--n", 3, "--device=cuda:99"
    )
    assert "hint: leave out --device" in done.err


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
        (
            ["hidden-markov", "--n", "40"],
            "q^n = 2^40 entries, over the limit of 16777216: use fewer",
        ),
        (["markov", "--n", "64", "--device", "cpu"], "q^n = 2^64 entries, over the limit"),
    ],
)
def test_usage(arguments: list[str], message: str) -> None:
    refused(2, message, "exact", *arguments)


def test_a_law_without_a_length_has_its_cure() -> None:
    for command in (("exact", "parity"), ("evaluate", "--law", "parity", "--planner", "eb")):
        done = refused(2, "law 'parity' needs its number of positions n", *command)
        assert "hint: such as --n 8 (n= in Python)" in done.err
    assert "hint" not in refused(2, "unknown law 'party'", "exact", "party").err


def test_bad_tables(tmp_path: Path) -> None:
    path = tmp_path / "p.npy"
    refused(3, "No such file", "exact", "--table", path)
    np.save(path, PARITY * 2)
    refused(3, "sums to 2.0, need 1", "exact", "--table", path)
    np.save(path, PARITY * np.nan)
    refused(3, "need a probability, got nan", "exact", "--table", path)
    np.save(path, PARITY - 0.125)
    done = refused(3, "need a probability, got -0.125", "exact", "--table", path)
    assert "hint: numpy.save an array of probabilities of shape (q,) * n" in done.err
    np.save(path, np.broadcast_to(np.float32(2.0**-25), (2,) * 25))
    message = "q^n = 2^25 entries, over the limit of 16777216: use fewer positions or symbols"
    refused(3, message, "exact", "--table", path)


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    refused(1, "there is no folder", "exact", "parity", "--n", 3, "-o", tmp_path / "a" / "c.json")
    assert list(tmp_path.iterdir()) == []
