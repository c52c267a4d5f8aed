"""Policies by name, as a command line spells them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from schedopt.errors import UsageError
from schedopt.files import read_curve, read_schedule
from schedopt.samplers.ancestral import Ancestral
from schedopt.samplers.gated import GatedSchedule
from schedopt.samplers.klass import Klass
from schedopt.samplers.planners import Planner
from schedopt.samplers.policies import Policy, SchedulePolicy
from schedopt.samplers.rules import (
    AllMasked,
    ConfidenceFactor,
    ConfidenceThreshold,
    EntropyBound,
    EntropySum,
    Rule,
)
from schedopt.samplers.spelling import Spelling, parse
from schedopt.schedule import ORDER_NAMES, Order, UnmaskingSchedule, check_longest, is_whole
from schedopt.sizes import SIZE_RULES, dus_schedule, uniform_sizes
from theory.continuum import square_root_sizes

# These take a number of steps: the order of each, and how its steps are sized.
SIZED: Final[Mapping[str, tuple[str, str]]] = {
    "random": ("random", "uniform"),
    "cosine": ("random", "cosine"),
    "left_to_right": ("left_to_right", "uniform"),
    "dilated": ("dilated", "uniform"),
    "confidence": ("confidence", "uniform"),
    "entropy": ("entropy", "uniform"),
    "margin": ("margin", "uniform"),
}

DEFAULT_GAMMA: Final = 0.1  # Ben-Hamu et al., Table 1
DEFAULT_TAU: Final = 0.9  # Wu et al., the value of their tables; Kim et al., on HumanEval
DEFAULT_FACTOR: Final = 1.0  # Fast-dLLM's scripts
DEFAULT_BUDGET: Final = 1.0  # ours: no value is published

# These set their number of steps themselves, by a rule.
RULES: Final[Mapping[str, Callable[[Spelling], Rule]]] = {
    "eb": lambda s: EntropyBound(s.number_or(DEFAULT_GAMMA)),
    "threshold": lambda s: ConfidenceThreshold(s.number_or(DEFAULT_TAU)),
    "factor": lambda s: ConfidenceFactor(s.number_or(DEFAULT_FACTOR)),
    "klass": lambda s: Klass(
        s.number_or(DEFAULT_TAU),
        epsilon=s.real("eps", Klass.epsilon),
        history=s.whole("history", Klass.history),
    ),
    "entropy_sum": lambda s: EntropySum(s.number_or(DEFAULT_BUDGET)),
}
# What the number after the colon is, where a policy takes one.
PARAMETRISED: Final = {
    "eb": "GAMMA",
    "threshold": "TAU",
    "factor": "F",
    "klass": "TAU",
    "entropy_sum": "BUDGET",
    "dus": "BLOCK_LENGTH",
}
POLICY_NAMES: Final = (*SIZED, "ancestral", *PARAMETRISED)

NAMED_ORDERS: Final = tuple(name for name in ORDER_NAMES if name != "explicit")
SIZED_KEYS: Final = ("sizes", "curve", "spacing", "gate", "extra")
PLANNER_KEYS: Final = ("rank", "cap", "floor", "spacing", "gate")
KLASS_KEYS: Final = (*PLANNER_KEYS, "eps", "history")
DUS_KEYS: Final = ("base", "skip", "merge", "gate", "extra")


def takes_steps(spelling: str) -> bool:
    """Whether a policy's number of steps is for the caller to choose.

    Example:
        >>> takes_steps("random"), takes_steps("eb:0.5"), takes_steps("random,sizes=cosine")
        (True, False, True)
    """
    found = parse(spelling)
    if found.name in SIZED:
        return found.options.get("sizes", "uniform") in SIZE_RULES
    return found.name == "ancestral"


def policy_for(spelling: str, *, block_length: int, steps: int | None = None) -> Policy:
    """The policy of a name, ``NAME[:NUMBER][,key=value...]``.

    - ``random``, ``left_to_right``, ``dilated``, ``confidence``, ``entropy`` and ``margin`` take
      a number of steps and reveal equally many positions a step; ``cosine`` is the random order
      with MaskGIT's sizes. Keys: ``sizes`` (a name of ``SIZE_RULES``, or a schedule file, which
      sets the number of steps), ``curve`` (a curve file: sizes by the square-root rule),
      ``spacing``, ``gate`` and its ``extra`` passes. ``ancestral`` is MDLM's sampler.
    - ``eb:GAMMA``, ``threshold:TAU``, ``factor:F``, ``klass:TAU`` and ``entropy_sum:BUDGET`` set
      their number of steps themselves. Keys: ``rank`` (an order, or a schedule file for its
      order), ``cap`` and ``floor`` (a number of equal steps, or a schedule file), ``spacing``
      (g_0) and ``gate`` (a confidence); KLASS has ``eps`` and ``history``, too.
    - ``dus:BLOCK_LENGTH`` has DUS's own groups. Keys: ``base``, ``skip``, ``merge=yes`` (as the
      reference), ``gate`` and ``extra``.

    Args:
        spelling: As above; the policy's label.
        block_length: Positions of one block.
        steps: Passes of one block, where ``takes_steps(spelling)``; ignored elsewhere.

    Raises:
        UsageError: An unknown name, a parameter that is out of range or not taken, or a number
            of steps that is missing or out of range.
        MissingInputError: No such file.
        FormatError: A file that is not a schedule or a curve where it must be.

    Example:
        >>> policy_for("dus:32", block_length=128).block_length
        32
        >>> policy_for("cosine", block_length=8, steps=4).schedule.step_sizes
        (1, 1, 3, 3)
        >>> policy_for("eb:0.5,rank=dilated,floor=8", block_length=32).floor.step_sizes
        (4, 4, 4, 4, 4, 4, 4, 4)
    """
    if not is_whole(block_length) or block_length < 1:
        raise UsageError(
            f"block length: need a whole number >= 1, got {block_length!r}", hint="such as 32"
        )
    shorter = "a smaller --block-length or --length (block_length= in Python)"
    check_longest("block length", block_length, cure=shorter)
    found = parse(spelling)
    if found.name in SIZED:
        return _sized(found, block_length, steps)
    if found.name == "ancestral":
        found.check(number=False, keys=())
        return Ancestral(block_length, _need_steps(found, block_length, steps))
    if found.name == "dus":
        return _dus(found, block_length)
    if found.name in RULES:
        return _planner(found, block_length)
    known = [
        name + (f"[:{PARAMETRISED[name]}]" if name in PARAMETRISED else "") for name in POLICY_NAMES
    ]
    raise UsageError(f"unknown planner {spelling!r}; one of {', '.join(known)}")


def _need_steps(spelling: Spelling, length: int, steps: int | None) -> int:
    if steps is None:
        raise UsageError(
            f"planner {spelling.text!r}: need its number of steps",
            hint="--steps K (steps= in Python), or a planner that sets its own, such as dus or eb",
        )
    if not is_whole(steps) or not 1 <= steps <= length:
        raise UsageError(
            f"planner {spelling.text!r}: need 1 <= steps <= the block length {length}, "
            f"got {steps!r}",
            hint=f"--steps {length} or fewer, or a larger --block-length "
            "(steps=, block_length= in Python)",
        )
    return steps


def _sized(spelling: Spelling, length: int, steps: int | None) -> Policy:
    spelling.check(number=False, keys=SIZED_KEYS)
    order, usual = SIZED[spelling.name]
    schedule = replace(_sizes(spelling, length, steps, usual), order=Order(order))
    if "spacing" in spelling.options or (schedule.order.is_planner and "gate" in spelling.options):
        if "extra" in spelling.options:
            raise UsageError(
                f"planner {spelling.text!r}: extra belongs to the gate of an order that is known "
                "in advance, without spacing"
            )
        return _held(spelling, length, AllMasked(), schedule.order, cap=schedule)
    return _followed(spelling, schedule)


def _followed(spelling: Spelling, schedule: UnmaskingSchedule) -> Policy:
    """A schedule as it is, or with a gate."""
    if "gate" in spelling.options:
        gate, extra = spelling.real("gate", 1.0), spelling.whole("extra", 0)
        return GatedSchedule(schedule, gate, extra, spelling.text)
    if "extra" in spelling.options:
        raise UsageError(f"planner {spelling.text!r}: extra: there is no gate to wait for")
    return SchedulePolicy(schedule, spelling.text)


def _sizes(spelling: Spelling, length: int, steps: int | None, usual: str) -> UnmaskingSchedule:
    """The sizes that a spelling asks for, in whatever order."""
    if {"sizes", "curve"} <= spelling.options.keys():
        raise UsageError(f"planner {spelling.text!r}: sizes and curve: give one of them")
    name = spelling.options.get("sizes", usual)
    if name not in SIZE_RULES:
        schedule = _read(spelling, "sizes", f"one of {', '.join(SIZE_RULES)}")
        _check_length("sizes", schedule.length, length)
        return schedule
    steps = _need_steps(spelling, length, steps)
    sizes = SIZE_RULES[name](length, steps)
    if "curve" in spelling.options:
        curve = read_curve(spelling.options["curve"])
        _check_length("curve", curve.length, length)
        sizes = square_root_sizes(curve.isotonic().conditional_entropy, steps)
    return UnmaskingSchedule(length, Order("random"), sizes)


def _read(spelling: Spelling, key: str, names: str) -> UnmaskingSchedule:
    """The schedule file that a key names, where its value is none of the names."""
    path = spelling.options[key]
    if not Path(path).exists():
        raise UsageError(
            f"planner {spelling.text!r}: {key}: need {names}, or a schedule file, got {path!r}"
        )
    return read_schedule(path)


def _dus(spelling: Spelling, length: int) -> Policy:
    spelling.check(number=True, keys=DUS_KEYS)
    merge = spelling.options.get("merge", "no")
    if merge not in ("yes", "no"):
        raise UsageError(f"planner {spelling.text!r}: merge: need yes or no, got {merge!r}")
    length = spelling.number_or(length)
    if length < 1:
        raise UsageError(
            f"planner {spelling.text!r}: need a block length >= 1, got {length}", hint="dus:32"
        )
    check_longest(f"planner {spelling.text!r}: block length", length, cure="such as dus:32")
    schedule = dus_schedule(
        length,
        base=spelling.whole("base", 2),
        skip=spelling.whole("skip", 1),
        merge=merge == "yes",
    )
    return _followed(spelling, schedule)


def _planner(spelling: Spelling, length: int) -> Policy:
    spelling.check(number=True, keys=KLASS_KEYS if spelling.name == "klass" else PLANNER_KEYS)
    rule = RULES[spelling.name](spelling)
    order, rank = None, spelling.options.get("rank")
    if rank in NAMED_ORDERS:
        order = Order(rank)
    elif rank is not None:
        order = _read(spelling, "rank", f"one of {', '.join(NAMED_ORDERS)}").order
    return _held(spelling, length, rule, order, cap=_bound(spelling, "cap", length))


def _held(
    spelling: Spelling, length: int, rule: Rule, order: Order | None, cap: UnmaskingSchedule | None
) -> Planner:
    """A planner with the bounds and filters of a spelling."""
    options = spelling.options
    floor = _bound(spelling, "floor", length)
    if cap is not None and floor is not None and floor.steps < cap.steps:
        raise UsageError(
            f"planner {spelling.text!r}: no sampler takes {cap.steps} steps or more and "
            f"{floor.steps} or fewer",
            hint="give a floor of as many steps as the cap, or more",
        )
    return Planner(
        length,
        rule,
        order,
        cap=cap,
        floor=floor,
        spacing=spelling.whole("spacing", 1) if "spacing" in options else None,
        gate=spelling.real("gate", 1.0) if "gate" in options else None,
        label=spelling.text,
    )


def _bound(spelling: Spelling, key: str, length: int) -> UnmaskingSchedule | None:
    """The schedule of a cap or floor: so many equal steps, or a file."""
    value = spelling.options.get(key)
    if value is None:
        return None
    if value.isascii() and value.isdecimal():
        steps = spelling.whole(key, length)
        if not 1 <= steps <= length:
            raise UsageError(
                f"planner {spelling.text!r}: need 1 <= {key} <= the block length {length}, "
                f"got {steps}",
                hint=f"such as {key}={max(1, length // 4)}",
            )
        return UnmaskingSchedule(length, Order("random"), uniform_sizes(length, steps))
    return _read(spelling, key, "a number of steps")


def _check_length(key: str, found: int, length: int) -> None:
    if found != length:
        raise UsageError(
            f"{key}: the file is for blocks of {found}, need {length}",
            hint=f"give a block length of {found}",
        )
