"""What ``schedopt evaluate`` compares: schedule files, and planners at numbers of passes."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any

from schedopt.cli.options import check_length, load_schedule
from schedopt.errors import InputError, UsageError
from schedopt.files import ScheduleFile
from schedopt.samplers import Policy, SchedulePolicy, policy_for, takes_steps

Files = Mapping[str, ScheduleFile]


@dataclass(frozen=True)
class Plan:
    """What is compared.

    Args:
        ours: Schedule files, by the policy that follows them.
        planners: Of these, those that take a number of steps once for each number of passes.
    """

    ours: Mapping[Policy, ScheduleFile]
    planners: Sequence[Policy]

    @property
    def policies(self) -> list[Policy]:
        """All of them, each once."""
        return list(dict.fromkeys([*self.ours, *self.planners]))


def files_of(args: Namespace) -> dict[str, ScheduleFile]:
    """The schedule files, by path."""
    return {path: load_schedule(path) for path in args.schedule}


def plan_for(args: Namespace, files: Files, length: int) -> Plan:
    """The schedules and the planners for so many positions."""
    for path, file in files.items():
        check_length(path, file.schedule, length, option="--length" if args.law is None else "--n")
    ours: dict[Policy, ScheduleFile] = {
        SchedulePolicy(file.schedule, path): file for path, file in files.items()
    }
    plan = Plan(ours, _planners(args, length))
    if not plan.policies:
        raise UsageError(
            "need at least one --schedule or --planner", hint="--planner dus:32 --planner random"
        )
    return plan


def _planners(args: Namespace, length: int) -> list[Policy]:
    """The planners, those that take a number of steps once for each number of passes."""
    block = args.block_length or length
    if length % block:
        raise UsageError(
            f"--block-length: need a divisor of the {length} positions, got {block}",
            hint=f"--block-length {gcd(length, block)}",
        )
    blocks = length // block
    found = []
    for name in args.planner:
        if not takes_steps(name):
            found.append(policy_for(name, block_length=block))
            continue
        for nfe in args.nfe:
            if nfe % blocks:
                raise UsageError(
                    f"--nfe: need a multiple of the {blocks} blocks, got {nfe}",
                    hint=f"--nfe {min(-(-nfe // blocks) * blocks, length)}",
                )
            if nfe > length:
                raise UsageError(
                    f"--nfe: need at most one pass a position, {length}, got {nfe}",
                    hint=f"--nfe {length}",
                )
            found.append(policy_for(name, block_length=block, steps=nfe // blocks))
    return found


def setting_of(args: Namespace, name: str, files: Files) -> int | None:
    """What is asked for, or else what the first schedule that tells was fitted for."""
    if getattr(args, name) is not None:
        return int(getattr(args, name))
    for path, file in files.items():
        settings: Any = file.provenance.get("estimate") or {}
        value = settings.get(name)
        if value is not None and (type(value) is not int or value < (name == "length")):
            raise InputError(f"{path}: $.provenance.estimate.{name}: cannot be {value!r}")
        if value is not None:
            return int(value)
    return None
