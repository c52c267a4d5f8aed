"""``schedopt solve``: from a curve or a surface to the best schedule."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from schedopt.cli.options import add_budget, add_output, check_apart, check_output
from schedopt.cli.orders import order_text
from schedopt.cli.output import document, emit, nats, say, sizes_text
from schedopt.cli.parser import Verbs, add_verb
from schedopt.cli.provenance import inherited, read_hashed
from schedopt.files import CurveFile, Prediction, ScheduleFile, write
from schedopt.files.fields import order_document
from schedopt.solution import Solution


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "solve",
        run,
        help="the best schedule for a curve or a surface",
        example="schedopt solve curve.json --steps 8 -o schedule.json",
    )
    parser.add_argument("measure", metavar="FILE", help="a curve or surface file")
    add_budget(parser, required=True)
    add_output(parser, "the schedule")


def run(args: Namespace) -> int:
    """Solve and print the solution."""
    from schedopt.solvers import solve

    check_apart(FILE=args.measure, output=args.output)
    check_output(args.output)
    file, sha256 = read_hashed(args.measure)
    measure = file.curve if isinstance(file, CurveFile) else file.surface
    solution = solve(measure, steps=args.steps, max_loss=args.max_loss)
    if args.output is not None:
        prediction = Prediction(
            solution.loss, solution.stderr, assumes=f"the {file.format.split('.')[1]} is exact"
        )
        provenance = inherited(args, file.provenance, sha256)
        write(args.output, ScheduleFile(solution.schedule, prediction, provenance=provenance))
        say(args, f"wrote {args.output}")
    emit(args, solution_document(solution), solution_lines(solution))
    return 0


def solution_document(solution: Solution) -> dict[str, object]:
    """A solution as a JSON document."""
    schedule, certificate = solution.schedule, solution.certificate
    return document(
        "solution",
        length=schedule.length,
        order=order_document(schedule.order),
        steps=schedule.steps,
        step_sizes=list(schedule.step_sizes),
        loss=solution.loss,
        stderr=solution.stderr,
        sequential=solution.sequential,
        unit="nats",
        status=solution.status.name.lower(),
        lower_bound=solution.lower_bound,
        certificate={"method": certificate.method, "detail": certificate.detail},
    )


def solution_lines(solution: Solution) -> Iterator[str]:
    """A solution as a reader wants it."""
    schedule, certificate = solution.schedule, solution.certificate
    spread = "" if solution.stderr is None else f" ± {nats(solution.stderr)}"
    yield f"step sizes   {sizes_text(schedule.step_sizes)}"
    yield f"steps        {schedule.steps} of {schedule.length} positions, " + order_text(
        schedule.order
    )
    yield f"loss         {nats(solution.loss)}{spread} nats over one position a step"
    yield f"lower bound  {nats(solution.lower_bound)} nats ({certificate.method})"
    yield f"status       {solution.status.value}"
