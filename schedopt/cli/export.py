"""``schedopt export``: a schedule in the form that another sampler or engine reads."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from schedopt.cli.options import check_apart, check_output, load_schedule
from schedopt.cli.output import document, emit, say
from schedopt.cli.parser import Verbs, add_verb, whole
from schedopt.errors import OutputError, UsageError
from schedopt.exporters import TARGETS, Artefact, Options, Target, export
from schedopt.files import write_atomic


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "export",
        run,
        help="a schedule in the form that another sampler or engine reads",
        example="schedopt export schedule.json --to llada --gen-length 64 -o llada.json",
    )
    parser.epilog = (
        "targets:\n"
        + "\n".join(f"  {target.name:<10} {target.about}" for target in TARGETS.values())
        + f"\n\n{parser.epilog}"
    )
    parser.add_argument("file", metavar="FILE", help="a schedule file")
    parser.add_argument("--to", required=True, choices=tuple(TARGETS), help="who is to read it")
    parser.add_argument(
        "-o",
        "--output",
        metavar="PATH",
        help="write to this file, or folder for diffusers; default standard output",
    )
    parser.add_argument(
        "--gen-length",
        type=whole(1),
        metavar="N",
        help="positions to generate; default one block, or all that the schedule lists",
    )
    parser.add_argument(
        "--sizes-only",
        action="store_true",
        help="keep the step sizes and reveal the surest positions, whatever the schedule's order",
    )
    parser.add_argument(
        "--seed",
        type=whole(0),
        metavar="N",
        help="draw a random order once, for a target that needs positions in advance",
    )


def run(args: Namespace) -> int:
    """Check a schedule against a target, and write what the target reads."""
    target = TARGETS[args.to]
    check_apart(FILE=args.file, output=args.output)
    _check_output(args, target)
    file = load_schedule(args.file)
    options = Options(gen_length=args.gen_length, sizes_only=args.sizes_only, seed=args.seed)
    artefact, sentences = export(file, target, options)
    for sentence in sentences:
        say(args, f"warning: {sentence}")
    if args.output is not None:
        _write(artefact, target, args.output)
        say(args, f"wrote {args.output}")
    usage = target.usage_of(artefact, options, schedule=args.file, output=args.output)
    say(args, "use it so:")
    for line in usage.splitlines():
        say(args, f"  {line}")
    result = document(
        "exported",
        target=target.name,
        output=args.output,
        warnings=list(sentences),
        usage=usage.splitlines(),
        files=dict(artefact.files),
    )
    printed = artefact.files.values() if args.output is None else ()
    emit(args, result, (line for text in printed for line in text.splitlines()))
    return 0


def _check_output(args: Namespace, target: Target) -> None:
    if not target.folder:
        check_output(args.output)
    elif args.output is None:
        raise UsageError(f"--to {target.name} makes a folder", hint="name it with -o FOLDER")
    elif not Path(args.output).is_dir():
        check_output(args.output)
        if Path(args.output).exists():
            raise OutputError(
                f"cannot write {args.output}: it is a file", hint="name a folder, or a new one"
            )


def _write(artefact: Artefact, target: Target, output: str) -> None:
    if not target.folder:
        (text,) = artefact.files.values()
        write_atomic(output, text.encode())
        return
    try:
        Path(output).mkdir(exist_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(
            f"cannot make the folder {output}: {reason}",
            hint="name one in a folder that may be written",
        ) from error
    for name, text in artefact.files.items():
        write_atomic(Path(output) / name, text.encode())
