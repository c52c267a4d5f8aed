"""``schedopt fit``: from a model and text to a schedule file."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from schedopt.cli.estimate import measure_file
from schedopt.cli.options import (
    add_budget,
    add_data,
    add_model,
    add_order,
    add_output,
    add_passes,
    add_robust,
    add_seed,
    check_apart,
    check_output,
    robust_confidence,
)
from schedopt.cli.orders import order_text, parse_order
from schedopt.cli.output import document, emit, nats, say, sizes_text, table
from schedopt.cli.parser import Verbs, add_verb, number, whole_or_auto
from schedopt.cli.progress import progress_bar
from schedopt.cli.provenance import environment, origin
from schedopt.files import Prediction, ScheduleFile, dumps, write
from schedopt.files.fields import order_document

if TYPE_CHECKING:
    from schedopt.fitting import Fit


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "fit",
        run,
        help="measure a model on text and write its best schedule: estimate and solve",
        example="schedopt fit --steps 8 --block-length auto -o schedule.json",
    )
    add_budget(parser, required=False)
    add_order(parser, default=None)
    parser.add_argument(
        "--block-length",
        type=whole_or_auto,
        metavar="N",
        help="of the schedule, or auto for the best; where neither it nor --order, --max-loss or "
        "--robust is given, order, block length and step sizes are chosen together",
    )
    add_robust(parser)
    add_passes(parser)
    parser.add_argument(
        "--max-stderr", type=number, metavar="NATS", help="refuse a loss known less well"
    )
    add_output(parser, "the schedule", "schedule.json")
    parser.add_argument("--measure", metavar="FILE", help="write the curve or surface, too")
    add_seed(parser)
    add_data(parser)
    add_model(parser)


def run(args: Namespace) -> int:
    """Fit, print and write the schedule."""
    from schedopt.fitting import fit

    check_apart(output=args.output, measure=args.measure)
    for target in (args.output, args.measure):
        check_output(target)
    order = None if args.order is None else parse_order(args.order)
    with progress_bar(args, "passes") as progress:
        found = fit(
            args.model,
            args.data,
            length=args.length,
            context=args.context,
            part=args.part,
            block_length=args.block_length,
            order=order,
            steps=args.steps,
            max_loss=args.max_loss,
            passes=args.passes,
            smoothing=args.smoothing,
            robust=robust_confidence(args),
            max_stderr=args.max_stderr,
            seed=args.seed,
            device=args.device,
            dtype=args.dtype,
            mask_id=args.mask_id,
            progress=progress,
        )
    provenance = origin(args, environment=environment(), **found.provenance)
    if args.measure is not None:
        measured = measure_file(found.measure, provenance)
        write(args.measure, measured)
        digest = sha256(dumps(measured).encode()).hexdigest()
        provenance = {**provenance, "curve_sha256": digest}
        say(args, f"wrote {args.measure}")
    write(args.output, ScheduleFile(found.schedule, _prediction(found), provenance=provenance))
    say(args, f"wrote {args.output}")
    if found.uniform_regret < found.regret:
        say(
            args,
            "warning: on the documents that it was checked with, equal sizes lose less than these; "
            f"more passes than --passes {args.passes} choose better ones",
        )
    emit(args, _document(found, provenance), _lines(found, robust=args.robust))
    return 0


def _prediction(found: Fit) -> Prediction:
    schedule = found.schedule
    # Blocks with the same sizes are told as one, as the schedule tells them.
    blocks = 1 if schedule.blocks is not None else found.length // schedule.length
    return Prediction(
        found.loss.value / blocks,
        found.loss.stderr / blocks,
        per="block" if schedule.blocks is None else "sequence",
        assumes=f"held-out text after {found.context} known positions",
    )


def _document(found: Fit, provenance: dict[str, object]) -> dict[str, Any]:
    solution, schedule = found.solution, found.schedule
    return document(
        "fit",
        length=found.length,
        context=found.context,
        block_length=schedule.length,
        order=order_document(schedule.order),
        steps=schedule.total_steps(found.length),
        step_sizes=list(schedule.step_sizes),
        blocks=None if schedule.blocks is None else [list(sizes) for sizes in schedule.blocks],
        unit="nats",
        loss=found.loss.value,
        stderr=found.loss.stderr,
        nll=found.nll.value,
        nll_stderr=found.nll.stderr,
        checked_documents=found.checked_documents,
        fitted={
            "loss": solution.loss,
            "lower_bound": solution.lower_bound,
            "status": solution.status.name.lower(),
        },
        regret=found.regret,
        uniform_regret=found.uniform_regret,
        candidates=[
            {
                "name": candidate.name,
                "order": order_document(candidate.solution.schedule.order),
                "block_length": candidate.solution.schedule.length,
                "steps": candidate.solution.schedule.total_steps(found.length),
                "behind": behind.value,
                "behind_stderr": behind.stderr,
            }
            for candidate in found.candidates
            for behind in [found.behind(candidate)]
        ],
        provenance=provenance,
    )


def _lines(found: Fit, *, robust: bool) -> Iterator[str]:
    solution, schedule = found.solution, found.schedule
    for sizes in schedule.blocks or (schedule.step_sizes,):
        yield f"step sizes   {sizes_text(sizes)}"
    yield (
        f"steps        {schedule.total_steps(found.length)} of {found.length} positions, "
        f"{order_text(schedule.order)}"
        + ("" if schedule.length == found.length else f", blocks of {schedule.length}")
    )
    yield (
        f"loss         {nats(found.loss.value)} ± {nats(found.loss.stderr)} nats over one "
        f"position a step, on {found.checked_documents} held-out documents"
    )
    yield (
        f"fitted loss  {nats(solution.loss)} nats in the "
        f"{'worst case of the band around the ' if robust else ''}estimate that it was chosen by; "
        f"{solution.status.value}"
    )
    yield f"nll          {nats(found.nll.value)} ± {nats(found.nll.stderr)} nats"
    yield (
        f"regret       {found.regret:.1%} over the best sizes for the held-out documents "
        f"({found.uniform_regret:.1%} with equal sizes)"
    )
    if len(found.candidates) > 1:
        best, second = found.candidates[:2]
        behind = found.behind(second)
        yield (
            f"plan         {best.name}; runner-up {second.name}, "
            f"{nats(abs(behind.value))} ± {nats(behind.stderr)} nats "
            + ("behind" if behind.value >= 0.0 else "ahead, which may be chance")
        )
        yield ""
        cells = [
            [
                candidate.name,
                "chosen" if candidate is best else f"{nats(behind.value)} ± {nats(behind.stderr)}",
                sizes_text(candidate.solution.schedule.step_sizes),
            ]
            for candidate in found.candidates
            for behind in [found.behind(candidate)]
        ]
        yield from table(["plan", "nats behind", "step sizes (first block)"], cells)
