"""``schedopt exact``: everything about a law that is small or has a closed form."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping
from typing import Any, Final

from schedopt.cli.options import add_output, check_output
from schedopt.cli.output import doublings, emit, nats, say, sizes_text, table
from schedopt.cli.parser import Verbs, add_verb, number, whole, wholes
from schedopt.cli.provenance import origin
from schedopt.curve import InformationCurve
from schedopt.errors import UsageError
from schedopt.files import CurveFile, write
from theory.distributions import LAWS

# Every parameter of a named law: its type and what it means.
PARAMETERS: Final[Mapping[str, tuple[Any, str]]] = {
    "n": (whole(1), "positions"),
    "q": (whole(1), "symbols"),
    "eps": (number, "rate at which a symbol is changed or erased"),
    "order": (whole(1), "symbols that the next one depends on"),
    "dimension": (whole(1), "dimension of the code"),
    "components": (whole(1), "components of the mixture"),
    "seed": (whole(0), "of random prototypes, codes and checks"),
    "levels": (whole(1), "levels of prototypes"),
    "ratio": (whole(1), "by which blocks shrink from level to level"),
    "block": (whole(1), "positions in a block"),
    "mass": (number, "of every symbol in the urn at the start"),
    "density": (number, "checks for each position"),
    "width": (whole(1), "positions in a check"),
    "coupling": (number, "of neighbouring spins"),
    "field": (number, "on each spin"),
}


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "exact",
        run,
        help="curve, total correlations and best schedules of an exact law",
        example="schedopt exact markov --n 8 --order 2 --eps 0.05",
    )
    parser.add_argument(
        "law",
        nargs="?",
        metavar="LAW",
        help=", ".join(LAWS),
    )
    parser.add_argument(
        "--table", metavar="FILE", help=".npy array of probabilities of shape (q,) * n"
    )
    parser.add_argument(
        "--steps", type=wholes, metavar="K,...", help="solve for these numbers of steps only"
    )
    add_output(parser, "the curve")
    group = parser.add_argument_group("parameters of the law")
    for name, (kind, meaning) in PARAMETERS.items():
        group.add_argument(f"--{name}", type=kind, metavar=name[0].upper(), help=meaning)


def run(args: Namespace) -> int:
    """Print the account of the law."""
    from schedopt.exact import exact_report, named_law, read_table

    given = {name: getattr(args, name) for name in PARAMETERS if getattr(args, name) is not None}
    if (args.law is None) == (args.table is None):
        raise UsageError(
            f"need either LAW or --table, got {'neither' if args.law is None else 'both'}",
            hint="schedopt exact markov --n 8",
        )
    if args.table is not None and given:
        raise UsageError(f"a table takes no parameters, got --{next(iter(given))}")
    check_output(args.output)
    name = args.law or args.table
    source = named_law(name, **given) if args.table is None else read_table(args.table)
    report = exact_report(source, steps=args.steps, name=name)
    if args.output is not None:
        curve = InformationCurve(report["conditional_entropy"])
        write(args.output, CurveFile(curve, provenance=origin(args)))
        say(args, f"wrote {args.output}")
    emit(args, report, _lines(report, args.steps or doublings(report["length"])))
    return 0


def _lines(report: Mapping[str, Any], steps: tuple[int, ...]) -> Iterator[str]:
    yield f"{report['law']}: {report['length']} positions, {report['alphabet']} symbols; nats"
    for name in ("entropy", "total_correlation", "dual_total_correlation"):
        yield f"{name.replace('_', ' '):<22} {nats(report[name]):>9}"
    dus = report["dus"]
    yield (
        f"DUS loses {nats(dus['loss'])} with the sizes of its groups, "
        f"{sizes_text([len(group) for group in dus['groups']])}"
    )
    yield ""
    yield "best step sizes in random order; loss is expected KL"
    best = ((str(k), report["optimal"][str(k)]) for k in steps)
    rows = [[k, nats(found["loss"]), sizes_text(found["step_sizes"])] for k, found in best]
    yield from table(["steps", "loss", "step sizes"], rows)
