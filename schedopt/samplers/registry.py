"""Policies by name, as a command line spells them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from schedopt.errors import UsageError
from schedopt.samplers.planners import ConfidenceThreshold, EntropyBound
from schedopt.samplers.policies import Policy, SchedulePolicy
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.sizes import cosine_sizes, dus_schedule, uniform_sizes

# These take a number of steps: the order of each, and how its steps are sized.
SIZED: Final[Mapping[str, tuple[str, Callable[[int, int], tuple[int, ...]]]]] = {
    "random": ("random", uniform_sizes),
    "cosine": ("random", cosine_sizes),
    "left_to_right": ("left_to_right", uniform_sizes),
    "dilated": ("dilated", uniform_sizes),
    "confidence": ("confidence", uniform_sizes),
    "entropy": ("entropy", uniform_sizes),
    "margin": ("margin", uniform_sizes),
}
# These set it themselves, by a number after a colon, and what that is.
PARAMETRISED: Final = {"eb": "GAMMA", "threshold": "TAU", "dus": "BLOCK_LENGTH"}
POLICY_NAMES: Final = (*SIZED, *PARAMETRISED)

DEFAULT_GAMMA: Final = 0.1  # Ben-Hamu et al., Table 1
DEFAULT_TAU: Final = 0.9  # Wu et al., the value of their tables

Number = TypeVar("Number", int, float)


def takes_steps(spelling: str) -> bool:
    """Whether a policy's number of steps is for the caller to choose.

    Example:
        >>> takes_steps("random"), takes_steps("eb:0.5")
        (True, False)
    """
    return spelling in SIZED


def policy_for(spelling: str, *, block_length: int, steps: int | None = None) -> Policy:
    """The policy of a name.

    ``random``, ``left_to_right``, ``dilated``, ``confidence``, ``entropy`` and ``margin`` reveal
    equally many positions a step; ``cosine`` is the random order with MaskGIT's sizes. ``eb``,
    ``threshold`` and ``dus`` set their number of steps themselves: ``eb:0.5``,
    ``threshold:0.8`` and ``dus:32`` name gamma (else 0.1 nats), tau (else 0.9) and the block
    length (else the one given).

    Args:
        spelling: As above; the policy's label.
        block_length: Positions of one block.
        steps: Passes of one block, where ``takes_steps(spelling)``; ignored elsewhere.

    Raises:
        UsageError: An unknown name, a parameter that is out of range or not taken, or a number
            of steps that is missing or out of range.

    Example:
        >>> policy_for("dus:32", block_length=128).block_length
        32
        >>> policy_for("cosine", block_length=8, steps=4).schedule.step_sizes
        (1, 1, 3, 3)
    """
    name, colon, argument = spelling.partition(":")
    if name in SIZED:
        if colon:
            raise UsageError(f"planner {spelling!r}: {name!r} takes no parameter")
        if steps is None:
            raise UsageError(f"planner {spelling!r}: need its number of steps")
        order, sizes = SIZED[name]
        schedule = UnmaskingSchedule(block_length, Order(order), sizes(block_length, steps))
        return SchedulePolicy(schedule, name)
    if name == "eb":
        gamma = _number(float, spelling, argument) if colon else DEFAULT_GAMMA
        return EntropyBound(block_length, gamma, label=spelling)
    if name == "threshold":
        tau = _number(float, spelling, argument) if colon else DEFAULT_TAU
        return ConfidenceThreshold(block_length, tau, label=spelling)
    if name == "dus":
        length = _number(int, spelling, argument) if colon else block_length
        return SchedulePolicy(dus_schedule(length), spelling)
    known = [*SIZED, *(f"{kind}[:{number}]" for kind, number in PARAMETRISED.items())]
    raise UsageError(f"unknown planner {spelling!r}; one of {', '.join(known)}")


def _number(kind: Callable[[str], Number], spelling: str, argument: str) -> Number:
    try:
        return kind(argument)
    except ValueError as error:
        raise UsageError(
            f"planner {spelling!r}: need a number after the colon, got {argument!r}"
        ) from error
