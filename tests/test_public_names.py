"""``import schedopt`` gives every public name, and loads packages only where they are needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

import schedopt
from schedopt import errors, estimators, evaluation, fitting, models, samplers, solvers


def test_every_public_name_is_there_and_listed() -> None:
    assert sorted(schedopt.__all__) == schedopt.__all__
    for name in schedopt.__all__:
        assert getattr(schedopt, name) is not None
        assert name in dir(schedopt)


def test_the_verbs_are_those_of_their_packages() -> None:
    assert schedopt.estimate is estimators.estimate
    assert schedopt.evaluate is evaluation.evaluate
    assert schedopt.fit is fitting.fit
    assert schedopt.load_model is models.load_model
    assert schedopt.sample is samplers.sample
    assert schedopt.solve is solvers.solve


def test_every_error_is_public() -> None:
    defined = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.SchedoptError)
    }
    assert defined <= set(schedopt.__all__)


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="module 'schedopt' has no attribute 'sovle'"):
        getattr(schedopt, "sovle")  # noqa: B009 (a type checker refuses the name)


@pytest.mark.parametrize(
    ("statement", "loads_torch"),
    [
        ("schedopt.solve(schedopt.InformationCurve([1.0, 0.5]), steps=1)", False),
        ("schedopt.__dir__()", False),
        ("schedopt.load_model", True),
    ],
)
def test_a_verb_loads_what_it_needs(statement: str, loads_torch: bool) -> None:
    program = f"import sys, schedopt; {statement}; print('torch' in sys.modules)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{loads_torch}\n"


def test_packages_are_attributes_without_an_import_of_their_own() -> None:
    code = "import schedopt; print(schedopt.files.read_curve.__name__, schedopt.sizes.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["read_curve", "schedopt.sizes"]
