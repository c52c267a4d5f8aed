"""``schedopt solve``: from a curve or a surface, or one of each model, to the best schedule."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from schedopt.cli.options import (
    add_budget,
    add_output,
    add_robust,
    check_apart,
    check_output,
    robust_confidence,
)
from schedopt.cli.orders import order_text
from schedopt.cli.output import document, emit, nats, say, sizes_text
from schedopt.cli.parser import Verbs, add_verb, number
from schedopt.cli.provenance import inherited, read_hashed
from schedopt.curve import InformationCurve, OrderSurface
from schedopt.errors import UsageError
from schedopt.files import CurveFile, Prediction, ScheduleFile, write
from schedopt.files.fields import order_document
from schedopt.solution import Solution

Measure: TypeAlias = InformationCurve | OrderSurface


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "solve",
        run,
        help="the best schedule for a curve or a surface, or for those of several models",
        example="schedopt solve heavy.json light.json --flops 1,0.31 --budget 8 -o schedule.json",
    )
    parser.add_argument(
        "measure", metavar="FILE", nargs="+", help="a curve or surface file; one for each model"
    )
    add_budget(parser, required=False)
    models = parser.add_argument_group("several models")
    models.add_argument(
        "--flops", type=_numbers, metavar="F,...", help="of a pass of each model, in any unit"
    )
    models.add_argument(
        "--budget", type=number, metavar="FLOPS", help="of all steps together, in the same unit"
    )
    uncertain = parser.add_argument_group("uncertain measures")
    add_robust(uncertain)
    add_output(parser, "the schedule")


def _numbers(text: str) -> tuple[float, ...]:
    """The type of finite numbers that commas separate, such as ``1,0.31``."""
    try:
        return tuple(number(piece) for piece in text.split(","))
    except ArgumentTypeError:
        problem = f"need finite numbers with commas between, got {text!r}"
        raise ArgumentTypeError(problem) from None


@dataclass(frozen=True)
class _Found:
    """A solution, and what there is to say of it."""

    solution: Solution
    assumes: str  # of the prediction
    over: str = "one position a step"
    reference: int = 0  # the measure whose provenance the schedule's begins with
    fields: Mapping[str, object] = field(default_factory=dict)  # of the document
    lines: Sequence[str] = ()
    extensions: Mapping[str, object] = field(default_factory=dict)  # of the schedule file


def run(args: Namespace) -> int:
    """Solve and print the solution."""
    for path in args.measure:
        check_apart(FILE=path, output=args.output)
    check_output(args.output)
    _check_options(args)
    confidence = robust_confidence(args)
    hashed = [read_hashed(path) for path in args.measure]
    files, digests = [file for file, _ in hashed], [digest for _, digest in hashed]
    measures = [file.curve if isinstance(file, CurveFile) else file.surface for file in files]
    if args.flops is not None:
        found = _with_models(args, measures, digests)
    elif confidence is not None:
        found = _at_worst(args, measures[0], confidence)
    else:
        found = _taken_as_exact(args, measures[0])
    solution = found.solution
    if args.output is not None:
        prediction = Prediction(solution.loss, solution.stderr, assumes=found.assumes)
        provenance = inherited(args, files[found.reference].provenance, digests[found.reference])
        file = ScheduleFile(
            solution.schedule, prediction, provenance=provenance, extensions=found.extensions
        )
        write(args.output, file)
        say(args, f"wrote {args.output}")
    emit(args, _document(found), _lines(found))
    return 0


def _check_options(args: Namespace) -> None:
    several = args.flops is not None or args.budget is not None
    if args.steps is None and args.max_loss is None and not several:
        problem = "one of the arguments --steps --max-loss is required"
        if len(args.measure) > 1:
            problem = f"{len(args.measure)} measures, one a model, need --flops and --budget"
    elif several and (args.steps is not None or args.max_loss is not None):
        problem = "--flops and --budget are not allowed with --steps and --max-loss"
    elif several and (args.flops is None or args.budget is None):
        problem = "--flops and --budget belong together, got one of them"
    elif several and len(args.measure) == 1:
        problem = "--flops needs a file for each of the models, got 1"
    elif not several and len(args.measure) > 1:
        problem = f"{len(args.measure)} measures, one a model, need --flops and --budget"
    elif several and args.robust:
        problem = "--robust takes one measure, not those of several models"
    elif args.robust and args.steps is None:
        problem = "--robust needs --steps: it bounds the loss of a number of steps"
    else:
        return
    raise UsageError(problem, hint="schedopt solve --help")


def _taken_as_exact(args: Namespace, measure: Measure) -> _Found:
    from schedopt.solvers import solve

    solution = solve(measure, steps=args.steps, max_loss=args.max_loss)
    kind = "curve" if isinstance(measure, InformationCurve) else "surface"
    return _Found(solution, assumes=f"if the {kind} is exact")


def _at_worst(args: Namespace, measure: Measure, confidence: float) -> _Found:
    from schedopt.solvers import loss_of
    from schedopt.solvers.robust import solve_uncertain

    solution = solve_uncertain(measure, steps=args.steps, confidence=confidence)
    estimated = loss_of(measure, solution.schedule.step_sizes)
    band = f"{100 * confidence:.6g} % band of its standard errors"
    return _Found(
        solution,
        assumes=f"the worst case in the {band}; {estimated:.6g} nats if the estimate is exact",
        fields={"confidence": confidence, "estimated_loss": estimated},
        lines=[
            f"worst case   the loss is that in the {band}; {nats(estimated)} nats in the estimate"
        ],
    )


def _with_models(args: Namespace, measures: list[Measure], digests: list[str]) -> _Found:
    from schedopt.solvers.models import flops_of, solve_models

    solution = solve_models(measures, args.flops, budget=args.budget)
    chosen = solution.schedule.models or ()
    spent = flops_of(solution.schedule, args.flops)
    heaviest = args.flops.index(max(args.flops))
    models = [
        {"file": path, "sha256": digest, "flops": flops, "steps": chosen.count(model)}
        for model, (path, digest, flops) in enumerate(
            zip(args.measure, digests, args.flops, strict=True)
        )
    ]
    return _Found(
        solution,
        assumes="if the measures are exact",
        over=f"one position a step of {args.measure[heaviest]}",
        reference=heaviest,
        fields={
            "models": list(chosen),
            "flops": spent,
            "budget": args.budget,
            "files": args.measure,
        },
        lines=[
            f"models       {sizes_text(chosen)}",
            *(
                f"model {model}      {one['steps']} steps of {one['flops']:g} FLOPs, {one['file']}"
                for model, one in enumerate(models)
            ),
            f"FLOPs        {spent:.6g} of {args.budget:g}",
        ],
        extensions={"models": models},
    )


def _document(found: _Found) -> dict[str, object]:
    """A solution as a JSON document."""
    solution = found.solution
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
        **found.fields,
    )


def _lines(found: _Found) -> Iterator[str]:
    """A solution as a reader wants it."""
    solution = found.solution
    schedule, certificate = solution.schedule, solution.certificate
    spread = "" if solution.stderr is None else f" ± {nats(solution.stderr)}"
    yield f"step sizes   {sizes_text(schedule.step_sizes)}"
    yield f"steps        {schedule.steps} of {schedule.length} positions, " + order_text(
        schedule.order
    )
    yield f"loss         {nats(solution.loss)}{spread} nats over {found.over}"
    yield f"lower bound  {nats(solution.lower_bound)} nats ({certificate.method})"
    yield f"status       {solution.status.value}"
    yield from found.lines
