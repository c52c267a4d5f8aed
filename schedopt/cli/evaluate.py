"""``schedopt evaluate``: what schedules and planners make of text, laws, tasks and samples."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Final

from schedopt.cli.exact import PARAMETERS
from schedopt.cli.job import add_run
from schedopt.cli.light import add_light
from schedopt.cli.options import PLANNERS, add_data, add_model, add_seed
from schedopt.cli.output import emit
from schedopt.cli.parser import Verbs, add_verb, number, whole, wholes
from schedopt.errors import UsageError

# Of a law: the seed is that of the verb.
LAW_PARAMETERS: Final = tuple(name for name in PARAMETERS if name != "seed")

# The options that belong to some judgements only, by what is judged.
_TEXT: Final = ("windows", "excess", "data", "texts", "length", "context", "part")
_SAMPLED: Final = ("temperature", "guidance")
_MODEL: Final = ("model", "revision", "device", "dtype", "mask-id", "light", "cost")
OWN_OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "text": (*_TEXT, *_MODEL),
    "judge": (*_TEXT, *_MODEL, *_SAMPLED, "samples"),
    "task": (*_MODEL, *_SAMPLED, "count", "best"),
    "law": ("samples", *LAW_PARAMETERS),
}


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "evaluate",
        run,
        help="schedules and planners on text, exact laws, tasks or by a judge of their samples",
        example="schedopt evaluate --schedule schedule.json --planner dus:32 --planner confidence",
    )
    parser.add_argument(
        "--schedule", action="append", default=[], metavar="FILE", help="a schedule file"
    )
    parser.add_argument("--planner", action="append", default=[], metavar="NAME", help=PLANNERS)
    parser.add_argument(
        "--nfe",
        type=wholes,
        default=(8,),
        metavar="N,...",
        help="passes of planners that take a number of steps; default 8",
    )
    parser.add_argument(
        "--block-length",
        type=whole(1),
        metavar="N",
        help="of planners; default the length",
    )
    parser.add_argument(
        "--windows", type=whole(2), default=64, metavar="N", help="of the text; default 64"
    )
    parser.add_argument(
        "--excess",
        action="store_true",
        help="score one position a step, too, to check the predicted loss of the schedules",
    )
    parser.add_argument(
        "--cost",
        choices=("nfe", "flops"),
        default="nfe",
        help="by what samplers are compared: passes, or operations where models differ; "
        "default nfe",
    )
    add_seed(parser)
    _add_judgements(parser)
    add_data(parser)
    add_model(parser)
    add_light(parser)
    add_run(parser)


def _add_judgements(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("other judgements than the NLL of a text")
    one_of = group.add_mutually_exclusive_group()
    one_of.add_argument(
        "--law", metavar="NAME", help="KL to an exact law with --n positions; see schedopt exact"
    )
    one_of.add_argument(
        "--task", metavar="NAME", help="accuracy on copy, sort:10, addition, sudoku, ..."
    )
    one_of.add_argument(
        "--judge",
        metavar="MODEL",
        help="beside the NLL: an autoregressive model that reads samples, such as tiny-judge",
    )
    group.add_argument(
        "--count", type=whole(2), default=256, metavar="N", help="instances of --task; default 256"
    )
    group.add_argument(
        "--samples",
        type=whole(2),
        metavar="N",
        help="texts for --judge, default one a window; or orders and outcomes that --law draws "
        "where it has no exact answer, default 256",
    )
    group.add_argument(
        "--temperature",
        type=number,
        metavar="T",
        help="of sampled tokens; default 1 for --judge, 0 for --task",
    )
    group.add_argument(
        "--guidance",
        type=number,
        default=0.0,
        metavar="W",
        help="classifier-free, of sampled tokens; takes a second pass each; default 0, none",
    )
    group.add_argument(
        "--best",
        type=number,
        metavar="PER_CENT",
        help="best accuracy of any method on --task, for AUP; default the best one here",
    )
    law = parser.add_argument_group("parameters of the law")
    for name in LAW_PARAMETERS:
        kind, meaning = PARAMETERS[name]
        law.add_argument(f"--{name}", type=kind, metavar=name[0].upper(), help=meaning)


def run(args: Namespace) -> int:
    """Print a row a sampler, and the passes with which planners match the schedules."""
    from schedopt.cli.judgements import JUDGEMENTS
    from schedopt.cli.scores import lines_of

    kind = next((n for n in ("law", "task", "judge") if getattr(args, n) is not None), "text")
    _check_options(args, kind)
    found = JUDGEMENTS[kind](args)
    if found is not None:
        emit(args, found, lines_of(found))
    return 0


def _check_options(args: Namespace, kind: str) -> None:
    """Refuse what the judgement does not take.

    Raises:
        UsageError: An option of another judgement is given.
    """
    elsewhere = {name for names in OWN_OPTIONS.values() for name in names}
    for word in args.argv:
        name = word.partition("=")[0].removeprefix("--")
        if not word.startswith("--") or name not in elsewhere - set(OWN_OPTIONS[kind]):
            continue
        takers = [other for other, names in OWN_OPTIONS.items() if name in names]
        own = "the NLL of a text" if kind == "text" else f"--{kind} {getattr(args, kind)}"
        needed = [f"--{other}" for other in takers if other != "text"]
        raise UsageError(
            f"--{name} is no option of {own}",
            hint=f"leave it out, or judge by {' or '.join(needed)}"
            if "text" not in takers
            else f"leave out --{name}, or --{kind}",
        )
