"""What long verbs share: the run directory, and the processes that ``torchrun`` starts."""

from __future__ import annotations

import os
import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from schedopt import __version__
from schedopt.cli.output import say
from schedopt.cli.provenance import environment
from schedopt.errors import UsageError
from schedopt.files import ScheduleFile, dumps
from schedopt.running import Runner, open_journal

if TYPE_CHECKING:
    from schedopt.models import Denoiser

# Of the arguments, these do not decide the result; the device does by its kind, as it rounds.
_BESIDE: Final = (
    *("argv", "ranks", "run", "shared", "run_dir", "device"),
    *("json", "quiet", "debug", "output", "entropy", "measure"),
)
# These decide how far a run goes; a journal goes on where they are changed.
_GOALS: Final = ("target_stderr", "max_passes")


def add_run(parser: ArgumentParser) -> None:
    """``--run-dir``, and that all processes of ``torchrun`` share the work of the verb."""
    parser.add_argument(
        "--run-dir",
        metavar="DIR",
        help="keep a journal of the passes there; the same command goes on where it was stopped",
    )
    parser.set_defaults(shared=True)


def run_verb(args: Namespace) -> int:
    """Run a verb, of several processes on the first alone where it cannot be shared.

    Raises:
        UsageError: All of them were given the same device.
    """
    if args.ranks.world > 1 and args.shared and ":" in args.device:
        raise UsageError(
            f"--device {args.device} is one for {args.ranks.world} processes",
            hint="give --device cuda: each process takes the GPU of its rank",
        )
    args.quiet = args.quiet or not args.ranks.first
    code: int = args.run(args) if args.shared or args.ranks.first else 0
    return code


@contextmanager
def job(args: Namespace, denoiser: Denoiser, **inputs: object) -> Iterator[Runner]:
    """What runs the passes of a verb: shared among processes, and journaled with ``--run-dir``.

    Args:
        args: The arguments.
        denoiser: The model that they name.
        inputs: What files that they name hold.

    Raises:
        SchedoptError: As ``open_journal``, or as ``read_corpus``.
    """
    if args.run_dir is None or not args.ranks.first:
        yield Runner(ranks=args.ranks)
        return
    command = ["schedopt", *args.argv]
    configuration = _configuration(args, denoiser, inputs)
    with open_journal(
        args.run_dir,
        configuration,
        goals={name: getattr(args, name) for name in _GOALS if name in args},
        command=command,
        warn=lambda message: say(args, message),
    ) as journal:
        yield Runner(journal, args.ranks)


def resume_hint(args: Namespace) -> str | None:
    """The command that goes on with an interrupted run, or None where nothing is kept of it."""
    if not args.shared or args.run_dir is None:
        return None
    start = "schedopt" if args.ranks.world == 1 else _launcher(args.ranks.world)
    return f"continue with: {start} {shlex.join(args.argv)}"


def _launcher(world: int) -> str:
    """How ``torchrun`` started so many processes; it tells nobody where the nodes met."""
    here = os.environ.get("LOCAL_WORLD_SIZE", str(world))
    nodes = os.environ.get("GROUP_WORLD_SIZE", "1")
    where = "--standalone" if nodes == "1" else f"--nnodes {nodes} ..."
    return f"torchrun {where} --nproc-per-node {here} -m schedopt"


def schedule_digest(file: ScheduleFile) -> str:
    """SHA-256 of a schedule file, however it is spaced."""
    return sha256(dumps(file).encode()).hexdigest()


def _configuration(
    args: Namespace, denoiser: Denoiser, inputs: dict[str, object]
) -> dict[str, object]:
    """All that decides the result."""
    from schedopt.data import read_corpus
    from schedopt.texts import SELF

    beside = (*_BESIDE, *_GOALS)
    model = dict(denoiser.provenance)
    model["device"] = denoiser.device.type  # which of several does not matter
    return {
        **{name: value for name, value in vars(args).items() if name not in beside},
        **inputs,
        "model": model,
        "data_sha256": None if args.data == SELF else read_corpus(args.data).sha256,
        "schedopt": __version__,
        "environment": environment(),
    }
