"""``schedopt doctor`` tells what is there, and finds what is broken."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import torch
from command_line import run

from schedopt.cli import doctor, selftest
from schedopt.cli.doctor import EXTRAS, REQUIRED
from schedopt.cli.selftest import Check, checks
from schedopt.errors import SchedoptError

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def names(requirements: list[str]) -> set[str]:
    return {text.partition(">")[0].partition("=")[0] for text in requirements}


def test_a_machine_on_which_all_works() -> None:
    done = run("doctor", "--json")
    assert done.code == 0, done.out
    found = done.document
    assert found["format"] == "schedopt.doctor"
    assert found["passed"] is True
    assert found["versions"]["torch"] == torch.__version__
    assert found["devices"][0]["device"] == "cpu"
    assert found["devices"][0]["threads"] == torch.get_num_threads()
    assert len(found["devices"]) == 1 + torch.cuda.device_count()
    assert found["devices"][0]["memory"] > 2**28
    assert [check["name"] for check in found["checks"]][:6] == [
        *("packages", "solver", "bundled weights", "bundled model", "files", "journal")
    ]
    assert all(check["passed"] for check in found["checks"])


def test_in_words() -> None:
    done = run("doctor")
    assert done.code == 0
    assert done.err == ""
    assert "check     solver: ok, the best of all 128 schedules" in done.out
    assert f"torch {torch.__version__}" in done.out


def test_what_it_looks_for_is_what_the_project_declares() -> None:
    project = tomllib.loads(PROJECT.read_text())["project"]
    assert set(REQUIRED) == names(project["dependencies"])
    for extra, packages in EXTRAS.items():
        assert set(packages) == names(project["optional-dependencies"][extra])
    # The others are for who works on schedopt.
    assert project["optional-dependencies"].keys() - EXTRAS.keys() == {"test", "bench", "dev"}


def failing(monkeypatch: pytest.MonkeyPatch, name: str, value: object) -> Check:
    """The one check that fails when something is not as it should be."""
    monkeypatch.setattr(selftest, name, value)
    (failed,) = (check for check in checks() if not check.passed)
    return failed


def test_weights_that_were_tampered_with(monkeypatch: pytest.MonkeyPatch) -> None:
    check = failing(monkeypatch, "WEIGHTS", {"tiny": "0" * 64})
    assert check.name == "bundled weights"
    assert "tiny: need weights 000000000000..., got 517b7e6fd581..." in check.detail


def test_a_model_that_computes_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "_gpus", lambda: 0)
    check = failing(monkeypatch, "TEXT_NLL", 0.5)
    assert check.name == "bundled model"
    assert "need 0.500000 nats a byte of a text, got 0.369264" in check.detail


def test_a_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    failed = [check.name for check in checks() if not check.passed]
    assert failed == ["files", "journal"]


def test_a_solver_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schedopt.solvers.loss_of", lambda curve, sizes: -1.0)
    failed = [check for check in checks() if not check.passed]
    assert [check.name for check in failed] == ["solver"]
    assert "-1.0 are possible" in failed[0].detail


def test_a_gpu_is_held_against_the_cpu() -> None:
    """Here the CPU itself plays the GPU, and then a device that computes nothing."""
    assert "nats a byte of a text" in selftest._gpu("cpu")
    assert not selftest._tried("meta", lambda: selftest._gpu("meta")).passed


def test_the_exit_code_and_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[Check]:
        raised = SchedoptError("no\nmore")

        def check() -> str:
            raise raised

        return [selftest._tried("it", check)]

    monkeypatch.setattr(doctor, "checks", fail)
    monkeypatch.setattr(doctor, "EXTRAS", {"hub": ("tokenizers", "no-such-package")})
    monkeypatch.setattr(doctor, "REQUIRED", ("numpy", "no-such-package"))
    done = run("doctor")
    assert done.code == 1
    assert "check     packages: FAILED, pip install no-such-package" in done.out
    assert "check     it: FAILED, SchedoptError: no (" in done.out
    assert "no-such-package missing; for models and tokenizers" in done.out
    assert "pip install tokenizers no-such-package" in done.out
    found = run("doctor", "--json").document
    assert found["passed"] is False
    assert found["extras"]["hub"]["present"] is False
    assert found["versions"]["no-such-package"] is None
