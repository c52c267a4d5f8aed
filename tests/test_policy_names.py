"""Policies by name: what a spelling makes, and what it refuses."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sampler_cases import teacher_forced

from schedopt.curve import InformationCurve
from schedopt.errors import FormatError, UsageError
from schedopt.files import CurveFile, ScheduleFile, write
from schedopt.models import LawDenoiser
from schedopt.samplers import (
    POLICY_NAMES,
    AllMasked,
    Ancestral,
    ConfidenceFactor,
    ConfidenceThreshold,
    EntropyBound,
    EntropySum,
    GatedSchedule,
    Klass,
    Planner,
    SchedulePolicy,
    policy_for,
    takes_steps,
)
from schedopt.samplers.active import SCORES
from schedopt.schedule import LONGEST, PLANNERS, Order, UnmaskingSchedule
from schedopt.sizes import SIZE_RULES, dus_schedule, shared_sizes, uniform_sizes
from theory.continuum import square_root_sizes

EXPLICIT = UnmaskingSchedule(
    8, Order("explicit", permutation=(7, 0, 1, 2, 6, 5, 4, 3)), (1, 2, 2, 3)
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a schedule and a curve of 8 positions, and a schedule of two models, as files."""
    monkeypatch.chdir(tmp_path)
    write("plan.json", ScheduleFile(EXPLICIT))
    switching = UnmaskingSchedule(8, Order("random"), (4, 4), models=(0, 1))
    write("switching.json", ScheduleFile(switching))
    write("curve.json", CurveFile(InformationCurve(np.linspace(2.0, 0.5, 8) ** 2)))
    return tmp_path


@pytest.mark.parametrize("name", POLICY_NAMES)
def test_every_name(name: str) -> None:
    policy = policy_for(name, block_length=16, steps=4)
    assert (policy.label, policy.block_length, policy.models) == (name, 16, 1)
    law = LawDenoiser(np.full((2,) * 4, 1 / 16))
    done = teacher_forced(law, law.outcomes, policy_for(name, block_length=4, steps=2))
    if takes_steps(name) and name != "ancestral":
        assert set(done.nfe.tolist()) == {2}
    assert done.nfe.max() <= 4


def test_scores_are_those_that_orders_name() -> None:
    assert tuple(SCORES) == PLANNERS


def test_rules_of_planners() -> None:
    for spelling, rule in {
        "eb": EntropyBound(0.1),
        "eb:0.5": EntropyBound(0.5),
        "threshold": ConfidenceThreshold(0.9),
        "threshold:0.8": ConfidenceThreshold(0.8),
        "factor": ConfidenceFactor(1.0),
        "factor:2": ConfidenceFactor(2.0),
        "klass": Klass(0.9, 0.01, 2),
        "klass:0.6,eps=0.015,history=3": Klass(0.6, 0.015, 3),
        "entropy_sum": EntropySum(1.0),
        "entropy_sum:2": EntropySum(2.0),
    }.items():
        assert policy_for(spelling, block_length=8) == Planner(8, rule, label=spelling)


def test_bounds_and_filters_of_planners(folder: Path) -> None:
    equal = UnmaskingSchedule(8, Order("random"), (2, 2, 2, 2))
    for spelling, wanted in {
        "eb:1,rank=dilated": Planner(8, EntropyBound(1.0), Order("dilated")),
        "eb:1,rank=margin": Planner(8, EntropyBound(1.0), Order("margin")),
        "eb:1,rank=plan.json": Planner(8, EntropyBound(1.0), EXPLICIT.order),
        "eb:1,cap=4": Planner(8, EntropyBound(1.0), cap=equal),
        "eb:1,floor=plan.json": Planner(8, EntropyBound(1.0), floor=EXPLICIT),
        "threshold:0.5,spacing=8": Planner(8, ConfidenceThreshold(0.5), spacing=8),
        "factor,gate=0.4": Planner(8, ConfidenceFactor(1.0), gate=0.4),
    }.items():
        found = policy_for(spelling, block_length=8)
        assert isinstance(found, Planner)
        assert found.label == spelling
        assert (found.rule, found.order, found.cap, found.floor, found.spacing, found.gate) == (
            wanted.rule,
            wanted.order,
            wanted.cap,
            wanted.floor,
            wanted.spacing,
            wanted.gate,
        )


@pytest.mark.parametrize("name", SIZE_RULES)
def test_named_sizes(name: str) -> None:
    policy = policy_for(f"confidence,sizes={name}", block_length=16, steps=5)
    sizes = SIZE_RULES[name](16, 5)
    assert policy == SchedulePolicy(
        UnmaskingSchedule(16, Order("confidence"), sizes), f"confidence,sizes={name}"
    )
    assert takes_steps(policy.label)


def test_sizes_of_files(folder: Path) -> None:
    policy = policy_for("margin,sizes=plan.json", block_length=8)
    assert isinstance(policy, SchedulePolicy)
    assert policy.schedule == UnmaskingSchedule(8, Order("margin"), EXPLICIT.step_sizes)
    assert not takes_steps("margin,sizes=plan.json")
    policy = policy_for("random,curve=curve.json", block_length=8, steps=3)
    assert isinstance(policy, SchedulePolicy)
    values = np.linspace(2.0, 0.5, 8) ** 2
    assert policy.schedule.step_sizes == square_root_sizes(values, 3)
    assert takes_steps("random,curve=curve.json")


def test_filters_of_sized_policies() -> None:
    schedule = UnmaskingSchedule(8, Order("dilated"), uniform_sizes(8, 4))
    found = policy_for("dilated,gate=0.5", block_length=8, steps=4)
    assert found == GatedSchedule(schedule, 0.5, label="dilated,gate=0.5")
    found = policy_for("cosine,gate=0.5", block_length=8, steps=4)
    assert isinstance(found, GatedSchedule)
    assert found.schedule.step_sizes == shared_sizes("cosine", 8, 4)
    for name, spacing, gate in [
        ("confidence,spacing=4", 4, None),
        ("entropy,gate=0.5", None, 0.5),
        ("random,gate=0.5,spacing=4", 4, 0.5),
    ]:
        planner = policy_for(name, block_length=8, steps=4)
        assert isinstance(planner, Planner)
        assert planner.rule == AllMasked()
        assert planner.order == Order(name.partition(",")[0])
        assert planner.cap is not None
        assert planner.cap.step_sizes == (2, 2, 2, 2)
        assert (planner.spacing, planner.gate) == (spacing, gate)


def test_dus() -> None:
    assert policy_for("dus:4", block_length=8) == SchedulePolicy(dus_schedule(4), "dus:4")
    assert policy_for("dus", block_length=5) == SchedulePolicy(dus_schedule(5), "dus")
    merged = policy_for("dus:5,merge=yes", block_length=8)
    assert merged == SchedulePolicy(dus_schedule(5, merge=True), "dus:5,merge=yes")
    spelling = "dus:27,base=3,skip=2,gate=0.3,extra=4,merge=no"
    third = GatedSchedule(dus_schedule(27, base=3, skip=2), 0.3, extra=4, label=spelling)
    assert policy_for(spelling, block_length=8) == third


def test_ancestral() -> None:
    assert policy_for("ancestral", block_length=8, steps=3) == Ancestral(8, 3)


def test_which_take_steps() -> None:
    named = ("cosine", "margin", "ancestral", "eb", "dus:4", "klass:0.5,eps=1", "unheard-of")
    assert [takes_steps(name) for name in named] == [True] * 3 + [False] * 4


@pytest.mark.parametrize(
    ("spelling", "steps", "message"),
    [
        ("dusk", 2, "unknown planner 'dusk'; one of random, cosine, left_to_right, dilated"),
        ("", 2, "unknown planner ''"),
        ("random", None, "planner 'random': need its number of steps"),
        ("ancestral", None, "planner 'ancestral': need its number of steps"),
        ("random:3", 2, "planner 'random:3': 'random' takes no parameter"),
        ("ancestral:3", 2, "planner 'ancestral:3': 'ancestral' takes no parameter"),
        ("random", 9, "planner 'random': need 1 <= steps <= the block length 8, got 9"),
        ("entropy", 0, "planner 'entropy': need 1 <= steps <= the block length 8, got 0"),
        ("ancestral", 9, "'ancestral': need 1 <= steps <= the block length 8, got 9"),
        ("eb:", None, "planner 'eb:': need a number after the colon, got ''"),
        ("eb:x", None, "planner 'eb:x': need a number after the colon, got 'x'"),
        ("dus:4.5", None, "planner 'dus:4.5': need a whole number after the colon, got '4.5'"),
        ("dus:0", None, "planner 'dus:0': need a block length >= 1, got 0"),
        ("dus,base=1", None, "dilated order: need base >= 2, got 1"),
        ("dus,skip=0", None, "dilated order: need skip >= 1, got 0"),
        ("dus,skip=x", None, "planner 'dus,skip=x': need a whole number as skip, got 'x'"),
        ("dus,merge=1", None, "planner 'dus,merge=1': merge: need yes or no, got '1'"),
        ("dus,gate=2", None, "gate: need a probability, 0 < gate <= 1, got 2.0"),
        ("dus,rank=dilated", None, "unknown key 'rank'; one of base, skip, merge, gate"),
        ("dus,extra=2", None, "planner 'dus,extra=2': extra: there is no gate to wait for"),
        ("dus,gate=0.3,extra=-1", None, "extra: need a whole number of passes >= 0, got -1"),
        ("random,extra=2", 2, "extra: there is no gate to wait for"),
        ("margin,gate=0.3,extra=2", 2, "extra belongs to the gate of an order that is known"),
        ("random,gate=0.3,spacing=4,extra=2", 2, "extra belongs to the gate of an order that"),
        ("eb:-1", None, "gamma: need a finite number of nats >= 0, got -1.0"),
        ("eb:nan", None, "planner 'eb:nan': need a number after the colon, got 'nan'"),
        ("eb:1e999", None, "gamma: need a finite number of nats >= 0, got inf"),
        ("entropy_sum:-1", None, "budget: need a finite number of nats >= 0, got -1.0"),
        ("factor:0", None, "factor: need a finite number > 0, got 0.0"),
        ("factor:1_0", None, "planner 'factor:1_0': need a number after the colon, got '1_0'"),
        ("threshold:0", None, "tau: need a probability, 0 < tau <= 1, got 0.0"),
        ("threshold:1.1", None, "tau: need a probability, 0 < tau <= 1, got 1.1"),
        ("threshold: 1", None, "planner 'threshold: 1': need a number after the colon, got"),
        ("dus:1_6", None, "planner 'dus:1_6': need a whole number after the colon, got '1_6'"),
        ("eb,cap=\u0663", None, "cap: need a number of steps, or a schedule file, got"),
        ("klass:0", None, "tau: need a probability, 0 < tau <= 1, got 0.0"),
        ("klass,eps=0", None, "epsilon: need a finite number of nats > 0, got 0.0"),
        ("klass,eps=x", None, "planner 'klass,eps=x': need a number as eps, got 'x'"),
        ("klass,history=0", None, "history: need a whole number of passes >= 1, got 0"),
        ("eb,eps=1", None, "unknown key 'eps'; one of rank, cap, floor, spacing, gate"),
        ("ancestral,sizes=root", 2, "unknown key 'sizes'; it takes none"),
        ("eb,rank", None, "planner 'eb,rank': need key=value after a comma, got 'rank'"),
        ("eb,=1", None, "planner 'eb,=1': need key=value after a comma, got '=1'"),
        ("eb,cap=", None, "planner 'eb,cap=': need key=value after a comma, got 'cap='"),
        ("eb,", None, "planner 'eb,': need key=value after a comma, got ''"),
        ("eb,cap=2,cap=4", None, "planner 'eb,cap=2,cap=4': cap is given twice"),
        ("eb,rank=explicit", None, "rank: need one of random, left_to_right, dilated, confidence"),
        ("eb,cap=0", None, "planner 'eb,cap=0': need 1 <= cap <= the block length 8, got 0"),
        ("eb,floor=9", None, "'eb,floor=9': need 1 <= floor <= the block length 8, got 9"),
        ("eb,cap=-1", None, "cap: need a number of steps, or a schedule file, got '-1'"),
        ("eb,cap=8,floor=4", None, "no sampler takes 8 steps or more and 4 or fewer"),
        ("eb,floor=no.json", None, "floor: need a number of steps, or a schedule file, got 'no"),
        ("eb,cap=switching.json", None, "cap: the schedule names models [0, 1]"),
        ("eb,spacing=0", None, "spacing: need a whole number >= 1, got 0"),
        ("eb,spacing=x", None, "planner 'eb,spacing=x': need a whole number as spacing, got 'x'"),
        ("eb,gate=0", None, "gate: need a probability, 0 < gate <= 1, got 0.0"),
        ("random,sizes=cubes", 2, "sizes: need one of uniform, llada, cosine, linear"),
        ("random,sizes=root,curve=curve.json", 2, "sizes and curve: give one of them"),
        ("random,curve=curve.json", None, "need its number of steps"),
    ],
)
def test_refused(folder: Path, spelling: str, steps: int | None, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        policy_for(spelling, block_length=8, steps=steps)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("spelling", "steps", "hint"),
    [
        ("random", None, "--steps K (steps= in Python), or a planner that sets its own"),
        ("dilated", 9, "--steps 8 or fewer, or a larger --block-length"),
        ("eb,cap=0", None, "such as cap=2"),
        ("eb,floor=9", None, "such as floor=2"),
        ("eb,cap=" + "9" * 5000, None, "such as cap=8"),
        ("eb:x", None, "such as eb:0.1"),
        ("dus:1.5", None, "such as dus:8"),
        ("dus:0", None, "dus:32"),
        ("eb,spacing=x", None, "such as spacing=1"),
        ("eb,spacing=0", None, "such as 4"),
        ("eb:-1", None, "such as 0.1"),
        ("threshold:2", None, "such as 0.9"),
        ("factor:0", None, "such as 1"),
        ("klass,eps=0", None, "such as 0.01"),
        ("klass,history=0", None, "such as 2"),
        ("dus,gate=0.3,extra=-1", None, "0 is none"),
    ],
)
def test_a_refusal_names_its_cure(spelling: str, steps: int | None, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        policy_for(spelling, block_length=8, steps=steps)
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize("spelling", ["eb", "dilated", "random,sizes=cosine", "ancestral", "dus"])
def test_a_block_is_measured_before_it_is_laid_out(spelling: str) -> None:
    with pytest.raises(UsageError) as caught:
        policy_for(spelling, block_length=10**15, steps=10**15)
    assert str(caught.value) == f"block length: need at most {LONGEST} positions, got {10**15}"
    assert "a smaller --block-length" in str(caught.value.hint)


@pytest.mark.parametrize("block_length", [0, -1, 8.0, True])
def test_what_is_no_block_length(block_length: Any) -> None:
    with pytest.raises(UsageError) as caught:
        policy_for("eb", block_length=block_length)
    assert str(caught.value) == f"block length: need a whole number >= 1, got {block_length!r}"


def test_what_is_no_number_of_steps() -> None:
    steps: Any = 2.5
    with pytest.raises(UsageError, match=r"need 1 <= steps <= the block length 8, got 2\.5"):
        policy_for("random", block_length=8, steps=steps)


def test_the_block_of_dus_is_measured_before_it_is_laid_out() -> None:
    with pytest.raises(UsageError, match=f"need at most {LONGEST} positions, got 1000000000000"):
        policy_for("dus:1000000000000", block_length=8)
    assert policy_for(f"dus:{2**12}", block_length=8).block_length == 2**12


def test_ancestral_has_no_more_steps_than_positions() -> None:
    with pytest.raises(UsageError) as caught:
        Ancestral(8, 9)
    assert str(caught.value) == "ancestral: need 1 <= steps <= the block length 8, got 9"
    assert caught.value.hint == "take a step for each position at most"


@pytest.mark.parametrize(
    ("spelling", "message"),
    [
        ("random,sizes=plan.json", "sizes: the file is for blocks of 8, need 16"),
        ("random,curve=curve.json", "curve: the file is for blocks of 8, need 16"),
        ("eb,floor=plan.json", "floor: the schedule is for blocks of 8, need 16"),
        ("eb,cap=plan.json", "cap: the schedule is for blocks of 8, need 16"),
    ],
)
def test_files_of_another_length(folder: Path, spelling: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        policy_for(spelling, block_length=16, steps=4)
    assert message in str(caught.value)
    assert caught.value.hint == "give a block length of 8"


def test_an_order_of_another_length(folder: Path) -> None:
    with pytest.raises(UsageError, match="the explicit order has 8 positions, need 16"):
        policy_for("eb,rank=plan.json", block_length=16)


def test_files_of_another_kind(folder: Path) -> None:
    for spelling in ("eb,cap=curve.json", "random,sizes=curve.json", "random,curve=plan.json"):
        with pytest.raises(FormatError, match="schedopt"):
            policy_for(spelling, block_length=8, steps=4)


def test_the_unknown_name_is_told_what_there_is() -> None:
    with pytest.raises(UsageError) as caught:
        policy_for("magic", block_length=8)
    assert all(name in str(caught.value) for name in POLICY_NAMES)


def test_refused_without_a_name() -> None:
    with pytest.raises(UsageError, match="block length: need a whole number >= 1, got 0"):
        Planner(0, EntropyBound(0.1))
    with pytest.raises(UsageError, match="block length: need a whole number >= 1, got -2"):
        Planner(-2, ConfidenceThreshold(0.9))
    for rule in (EntropyBound, EntropySum, ConfidenceThreshold, ConfidenceFactor, Klass):
        with pytest.raises(UsageError, match="got nan"):
            rule(math.nan)
    with pytest.raises(UsageError, match="gate: the order 'margin' depends on values"):
        GatedSchedule(UnmaskingSchedule(2, Order("margin"), (1, 1)), 0.5)
