"""``schedopt exact``: everything about a law that is small or has a closed form."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from schedopt.cli.options import add_output, check_output
from schedopt.cli.output import emit, nats, say, sizes_text, table
from schedopt.cli.parser import Verbs, add_verb, number, whole, wholes
from schedopt.cli.provenance import origin
from schedopt.curve import InformationCurve
from schedopt.errors import UsageError
from schedopt.files import CurveFile, write
from schedopt.sizes import doublings
from theory.distributions import LAWS, law_parameters

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

SCALARS: Final[Mapping[str, str]] = {
    "entropy": "entropy",
    "total_correlation": "total correlation TC",
    "dual_total_correlation": "dual total correlation DTC",
    "unmasking_growth_complexity": "growth complexity H^card",
    "tse_complexity": "TSE complexity",
}
SHARP: Final[Mapping[str, str]] = {  # bounds that no other sizes improve
    "tc": "TC",
    "dtc": "DTC",
    "odds": "H^card",
    "height": "TC+DTC",
    "tc_and_dtc": "TC, DTC",
}
PUBLISHED: Final[Mapping[str, str]] = {
    "chen_cong_li_tc": "CCL TC",
    "chen_cong_li_dtc": "CCL DTC",
    "li_cai": "Li, Cai",
    "austin": "Austin",
}

PARTITIONS: Final[Mapping[str, str]] = {
    "dus": "loss of DUS",
    "best_partition": "loss of the best groups",
}

WORDS: Final = 10  # of step sizes on a line

LIMITS: Final = """\
limits:
  The joint table of a law without closed form has at most 2^24 entries. The best
  groups are found for symmetric laws, order-1 chains up to n = 64, rings up to 32,
  and any law up to n = 12 with (q+1)^n <= 2^24. Bounds are for up to 128 steps, that
  by TC and DTC together up to n = 128. Without --steps, 1, 2, 4, ..., n steps are
  printed; --json has the best sizes for every number of steps up to n = 256."""


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "exact",
        run,
        help="curve, correlations, best schedules and bounds of an exact law",
        example="schedopt exact markov --n 8 --order 2 --eps 0.05",
    )
    parser.add_argument("law", nargs="?", metavar="LAW", help="one of the laws below")
    parser.add_argument(
        "--table", metavar="FILE", help=".npy array of probabilities of shape (q,) * n"
    )
    parser.add_argument(
        "--steps", type=wholes, metavar="K,...", help="solve for these numbers of steps only"
    )
    parser.add_argument(
        "--device",
        help="cpu or cuda: enumerate the joint table by torch there; default closed forms, "
        "else all cores",
    )
    add_output(parser, "the curve")
    group = parser.add_argument_group("parameters of the law")
    for name, (kind, meaning) in PARAMETERS.items():
        group.add_argument(f"--{name}", type=kind, metavar=name[0].upper(), help=meaning)
    laws = "\n".join(["laws:", *map(_law_line, LAWS)])
    parser.epilog = f"{laws}\n\n{LIMITS}\n\n{parser.epilog}"


def _law_line(name: str) -> str:
    """A law with its parameters and their defaults, where they do not depend on n."""
    given = (
        f"--{key} {key[0].upper() if default is None else default}"
        for key, default in law_parameters(name).items()
    )
    return f"  {name:<23} {' '.join(given)}"


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
    report = exact_report(source, steps=args.steps, device=args.device, name=name)
    if args.output is not None:
        curve = InformationCurve(report["conditional_entropy"])
        write(args.output, CurveFile(curve, provenance=origin(args)))
        say(args, f"wrote {args.output}")
    emit(args, report, _lines(report, args.steps or doublings(report["length"])))
    return 0


def _lines(report: Mapping[str, Any], steps: tuple[int, ...]) -> Iterator[str]:
    yield f"{report['law']}: {report['length']} positions, {report['alphabet']} symbols; nats"
    for key, words in SCALARS.items():
        yield f"{words:<26} {nats(report[key]):>11}"
    for key, words in PARTITIONS.items():
        if (found := report[key]) is not None:
            sizes = [len(group) for group in found["groups"]]
            groups = "one group" if len(sizes) == 1 else f"{len(sizes)} groups"
            yield f"{words:<26} {nats(found['loss']):>11}  in {groups} of {sizes_text(sizes)}"
    bounds = {int(k): by_name for k, by_name in report["bounds"].items()}
    there = {name for by_name in bounds.values() for name in by_name}
    sharp, published = (
        {name: words for name, words in names.items() if name in there}
        for names in (SHARP, PUBLISHED)
    )
    yield ""
    yield "expected KL in random order: of the best sizes, and of those chosen by scalars alone"
    rows = []
    for k in steps:
        best = report["optimal"][str(k)]
        losses = _cells(bounds.get(k, {}), sharp, "loss")
        rows.append([str(k), nats(best["loss"]), *losses, _shortened(best["step_sizes"])])
    yield from table(["steps", "best", *sharp.values(), "best sizes"], rows)
    if bounds:
        names = {**sharp, **published}
        yield ""
        yield "what these guarantee; beside it, what Chen, Cong, Li (CCL), Li, Cai and Austin do"
        rows = [[str(k), *_cells(by_name, names, "guarantee")] for k, by_name in bounds.items()]
        yield from table(["steps", *names.values()], rows)


def _cells(bounds: Mapping[str, Any], names: Mapping[str, str], key: str) -> list[str]:
    """A number of each of the bounds; empty where there is none."""
    return [nats(bounds[name][key]) if name in bounds else "" for name in names]


def _shortened(sizes: Sequence[int]) -> str:
    """Step sizes, of which so many are left out in the middle that they stay on the line."""
    words = sizes_text(sizes).split()
    return " ".join(words if len(words) <= WORDS else [*words[: WORDS // 2], "...", words[-1]])
