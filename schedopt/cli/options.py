"""Groups of options that several verbs share."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace, _ArgumentGroup
from pathlib import Path
from typing import TYPE_CHECKING, Final

from schedopt.cli.parser import number, part, whole
from schedopt.errors import InputError, OutputError, UsageError
from schedopt.files import ScheduleFile, loads, read_bytes
from schedopt.schedule import UnmaskingSchedule

if TYPE_CHECKING:
    from schedopt.models import NetworkDenoiser

PASSES: Final = 2048

# What --planner takes; POLICY_NAMES of schedopt.samplers, which loads torch.
PLANNERS: Final = (
    "random, cosine, left_to_right, dilated, confidence, entropy, margin, ancestral, "
    "eb[:GAMMA], threshold[:TAU], factor[:F], klass[:TAU], entropy_sum[:BUDGET] or "
    "dus[:BLOCK_LENGTH], each with keys after commas: sizes=cosine, rank=dilated, cap=8, floor=16, "
    "spacing=4, gate=0.5, ..."
)


def add_output(parser: ArgumentParser, what: str, default: str | None = None) -> None:
    """``-o FILE``."""
    here = "" if default is None else f"; default {default}"
    parser.add_argument(
        "-o", "--output", metavar="FILE", default=default, help=f"write {what} to this file{here}"
    )


def add_budget(parser: ArgumentParser, *, required: bool) -> None:
    """``--steps K`` or ``--max-loss NATS``."""
    one_of = parser.add_mutually_exclusive_group(required=required)
    one_of.add_argument("--steps", type=whole(1), metavar="K", help="exactly so many steps")
    one_of.add_argument(
        "--max-loss", type=number, metavar="NATS", help="the fewest steps that lose at most so much"
    )


def add_seed(parser: ArgumentParser) -> None:
    """``--seed``."""
    parser.add_argument(
        "--seed", type=whole(0), default=0, metavar="N", help="of all that is drawn; default 0"
    )


def add_model(parser: ArgumentParser) -> None:
    """``--model`` and how to load it."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        default="tiny",
        help="a bundled model (tiny, tiny-light), a folder with a checkpoint, an alias (llada, "
        "llada-base, llada-1.5, dream, dream-coder, diffucoder, mdlm, llada-moe, llada2, ...), or "
        "a hub id owner/name; default tiny",
    )
    group.add_argument(
        "--revision", metavar="NAME", help="branch, tag or commit of a model of the hub"
    )
    group.add_argument(
        "--device",
        default="auto",
        help="torch device; default auto, a GPU where there is one: that of the rank, of several",
    )
    group.add_argument(
        "--dtype",
        default="auto",
        help="type of the weights; default auto, on a GPU what the checkpoint has, on a CPU "
        "float32",
    )
    group.add_argument(
        "--mask-id", type=whole(0), metavar="N", help="mask token, where no file of it has one"
    )


def load_denoiser(args: Namespace) -> NetworkDenoiser:
    """The model that ``--model`` names.

    Raises:
        SchedoptError: As ``load_model`` does.
    """
    from schedopt.models import load_model

    return load_model(
        args.model,
        device=args.device,
        dtype=args.dtype,
        mask_id=args.mask_id,
        revision=args.revision,
    )


def add_data(parser: ArgumentParser) -> None:
    """``--data`` and how it is cut."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--data",
        metavar="FILE",
        help=".txt; .jsonl, whose lines have a text, or a prompt and a response; or self for the "
        "model's own samples; default: the bundled text, Python source",
    )
    group.add_argument(
        "--texts",
        type=whole(1),
        metavar="N",
        help="samples to draw with --data self; default 128, or as many as there are windows",
    )
    group.add_argument(
        "--length",
        type=whole(1),
        metavar="N",
        help="positions to be sampled; default those of the block or schedule, else 64",
    )
    group.add_argument(
        "--context",
        type=whole(0),
        metavar="N",
        help="known positions before them; default 64, less where the model has no room; prompts "
        "are their own",
    )
    group.add_argument(
        "--part",
        type=part,
        default=(1, 1),
        metavar="I/N",
        help="use every N-th document from the I-th on, to fit and to measure on different ones",
    )


def add_passes(parser: ArgumentParser) -> None:
    """``--passes`` and how they become a curve."""
    parser.add_argument(
        "--passes",
        type=whole(1),
        default=PASSES,
        metavar="N",
        help=f"of each estimate; default {PASSES}",
    )
    parser.add_argument(
        "--smoothing",
        default="smooth",
        choices=("smooth", "isotonic", "raw"),
        help="of the estimate; default smooth",
    )


def add_target(parser: ArgumentParser) -> None:
    """``--target-stderr`` and ``--max-passes``."""
    parser.add_argument(
        "--target-stderr",
        type=number,
        metavar="NATS",
        help="check the schedule on more text, until its loss is known so well",
    )
    parser.add_argument(
        "--max-passes",
        type=whole(1),
        metavar="N",
        help="of all estimates, comparisons and checks together; default: what --passes and "
        "--target-stderr take",
    )


def add_order(parser: ArgumentParser, *, default: str | None = "dilated") -> None:
    """``--order``."""
    parser.add_argument(
        "--order",
        default=default,
        help="random, left_to_right, dilated[:BASE], explicit:0,4,2,... or explicit:FILE.json"
        + ("" if default is None else f"; default {default}"),
    )


def add_robust(group: ArgumentParser | _ArgumentGroup) -> None:
    """``--robust`` and ``--confidence``."""
    group.add_argument(
        "--robust",
        action="store_true",
        help="the least loss in the worst case over the band of the standard errors",
    )
    group.add_argument(
        "--confidence",
        type=number,
        metavar="P",
        help="that the whole measure lies in the band; default 0.95",
    )


def robust_confidence(args: Namespace) -> float | None:
    """The confidence of the band, or None without ``--robust``.

    Raises:
        UsageError: A confidence is given without ``--robust``.
    """
    if args.confidence is not None and not args.robust:
        raise UsageError("--confidence is that of --robust, which is not given")
    from schedopt.solvers.robust import CONFIDENCE

    return (CONFIDENCE if args.confidence is None else args.confidence) if args.robust else None


def load_schedule(path: str) -> ScheduleFile:
    """A schedule file.

    Raises:
        MissingInputError: The file is not there or cannot be opened.
        FormatError: It is no schedule file, or breaks its format.
    """
    return loads(read_bytes(path), [ScheduleFile], name=path)


def check_length(
    path: str, schedule: UnmaskingSchedule, length: int, *, option: str = "--length"
) -> None:
    """Refuse a schedule file that is for another length, which the option may set right.

    Raises:
        InputError: The length is no multiple of the schedule's block length.
    """
    block = schedule.length
    if length % block:
        raise InputError(
            f"{path}: $.schedule.length: need a divisor of the {length} positions, got {block}",
            hint=f"{option} {max(1, round(length / block)) * block}",
        )


def check_apart(**files: str | None) -> None:
    """Refuse options that name the same file, of which one would overwrite the other.

    Raises:
        UsageError: Two of the files are the same.
    """
    seen: dict[str, str] = {}
    for option, file in files.items():
        if file is not None:
            other = seen.setdefault(os.path.realpath(file), option)
            if other != option:
                raise UsageError(
                    f"{other} and {option} are the same file {file!r}", hint="name another one"
                )


def check_output(target: str | None) -> None:
    """Find out that a file cannot be written before the work rather than after it.

    Raises:
        OutputError: There is no such folder, or it may not be written to.
    """
    if target is None:
        return
    path = Path(target)
    folder = path.parent
    if path.is_dir():
        problem = "it is a folder"
    elif not folder.is_dir():
        problem = f"there is no folder {folder}"
    elif not path.exists() and not os.access(folder, os.W_OK):
        problem = f"the folder {folder} is read-only"
    else:
        return
    raise OutputError(
        f"cannot write {path}: {problem}", hint="name a file in a folder that may be written"
    )
