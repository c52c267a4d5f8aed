"""``--light``: models beside the first, for schedules that name a model for each step."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING

from schedopt.errors import UsageError
from schedopt.files import ScheduleFile

if TYPE_CHECKING:
    from schedopt.models import NetworkDenoiser
    from schedopt.samplers import Policy


def add_light(parser: ArgumentParser) -> None:
    """``--light MODEL``, for schedules that switch models."""
    parser.add_argument(
        "--light",
        action="append",
        default=[],
        metavar="MODEL",
        help="model 1 (again: 2, 3, ...) of schedules that switch models; --model is model 0",
    )


def load_siblings(args: Namespace) -> list[NetworkDenoiser]:
    """The models that ``--light`` names, in order.

    Raises:
        SchedoptError: As ``load_model`` does.
    """
    from schedopt.models import load_model

    return [
        load_model(name, device=args.device, dtype=args.dtype, mask_id=args.mask_id)
        for name in args.light
    ]


def check_light(args: Namespace, policies: Mapping[Policy, ScheduleFile | None]) -> None:
    """Refuse models that are missing, or that nothing calls, before any is loaded.

    Args:
        args: Of the command.
        policies: What is to be followed, and the file that it is of.

    Raises:
        MissingModelError: A policy calls a model that ``--light`` does not name.
        UsageError: ``--light`` names one that no policy calls.
    """
    from schedopt.samplers.siblings import check_enough

    count = 1 + len(args.light)
    for policy, file in policies.items():
        check_enough(policy, count, _names_of_models(file))
    called = max(policy.models for policy in policies)
    if count > called:
        raise UsageError(
            f"--light: there are {count} models, but no policy calls more than {called}",
            hint=f"leave out --light {args.light[called - 1]}",
        )


def _names_of_models(file: ScheduleFile | None) -> list[str]:
    """What ``solve`` wrote of the models: the file that each was measured in."""
    told = None if file is None else file.extensions.get("models")
    rows = told if isinstance(told, list) else []
    return [f"measured in {row['file']}" for row in rows if isinstance(row, dict) and "file" in row]
