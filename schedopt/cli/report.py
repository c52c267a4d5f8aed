"""``schedopt report``: one page with drawings of curves, surfaces, schedules and evaluations."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from html import escape
from typing import Any, Final

from schedopt.cli.options import add_output, check_apart, check_output
from schedopt.cli.output import document, emit, say
from schedopt.cli.parser import Verbs, add_verb
from schedopt.cli.scores import JUDGED, METRICS, lines_of
from schedopt.cli.show import summary_lines
from schedopt.errors import FormatError
from schedopt.files import CurveFile, ScheduleFile, load_or_document, write_atomic
from schedopt.files.formats import AnyFile

EVALUATION: Final = "schedopt.evaluation"
SECTION: Final = "<section>\n<h2>{name}</h2>\n{drawing}<pre>{text}</pre>\n</section>\n"
PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>schedopt report</title>
<style>
body {{ max-width: 64rem; margin: 2rem auto; padding: 0 1rem; font-family: sans-serif; }}
h2 {{ font-size: 1.1rem; border-bottom: 1px solid #ccc; overflow-wrap: anywhere; }}
svg {{ max-width: 100%; height: auto; }}
pre {{ overflow-x: auto; font-size: 0.8rem; line-height: 1.35; }}
</style>
</head>
<body>
{sections}</body>
</html>
"""


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "report",
        run,
        help="a page with drawings of curves, surfaces, schedules and evaluations",
        example="schedopt evaluate --schedule schedule.json --json > evaluation.json\n"
        "  schedopt report schedule.json evaluation.json -o report.html",
    )
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="a curve, surface or schedule, or what evaluate --json printed",
    )
    add_output(parser, "the page", "report.html")


def run(args: Namespace) -> int:
    """Write one HTML file that needs no other."""
    for file in args.files:
        check_apart(FILE=file, output=args.output)
    check_output(args.output)
    sections = [_section(name, load_or_document(name, EVALUATION)) for name in args.files]
    write_atomic(args.output, PAGE.format(sections="".join(sections)).encode())
    say(args, f"wrote {args.output}")
    emit(args, document("report", output=args.output, files=args.files), ())
    return 0


def _section(name: str, file: AnyFile | Mapping[str, Any]) -> str:
    if isinstance(file, Mapping):
        text, drawing = _evaluation(name, file)
    else:
        text, drawing = list(summary_lines(file)), _drawing(name, file)
    return SECTION.format(name=escape(name), text=escape("\n".join(text)), drawing=drawing)


def _drawing(name: str, file: AnyFile) -> str:
    from schedopt import plot

    if isinstance(file, ScheduleFile):
        with plot.drawing() as (figure, (axes,)):
            plot.draw_schedule(axes, file.schedule)
            return plot.to_svg(figure, name=name)
    measure = file.curve if isinstance(file, CurveFile) else file.surface
    with plot.drawing(2) as (figure, (left, right)):
        plot.draw_measure(left, measure)
        plot.draw_losses(right, measure)
        return plot.to_svg(figure, name=name)


def _evaluation(name: str, result: Mapping[str, Any]) -> tuple[list[str], str]:
    """The lines that ``evaluate`` prints, and its rows drawn."""
    from schedopt import plot

    try:
        rows = _rows(result)
        judged = [row["judged"] for row in rows if "judged" in row]
        metric = next(key for key in METRICS if any(key in row for row in rows))
        with plot.drawing(2 if judged else 1) as (figure, axes):
            plot.draw_scores(axes[0], rows, metric, unit=result["unit"])
            if judged:
                plot.draw_scores(axes[1], judged, JUDGED[0], unit="nats")
            drawing = plot.to_svg(figure, name=name)
        return list(lines_of(result)), drawing
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration) as error:
        problem = f"need what schedopt evaluate --json prints, got {error!r}"
        raise FormatError(name, "$", problem) from error


def _rows(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = result["rows"]
    if result["schema_version"] != 1 or not all(row["nfe"] > 0 for row in rows):
        raise ValueError("another schema_version than 1, or no passes")
    return rows
