"""``schedopt fit``: from a model and text to a schedule file."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schedopt.cli.estimate import measure_file
from schedopt.cli.job import add_run, job
from schedopt.cli.options import (
    add_budget,
    add_data,
    add_model,
    add_order,
    add_output,
    add_passes,
    add_robust,
    add_seed,
    add_target,
    check_apart,
    check_output,
    load_denoiser,
    robust_confidence,
)
from schedopt.cli.orders import order_text, parse_order
from schedopt.cli.output import document, emit, nats, say, sizes_text, table
from schedopt.cli.parser import Verbs, add_verb, whole_or_auto
from schedopt.cli.progress import progress_bar, say_usage
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
    parser.add_argument(
        "--per-block",
        action="store_true",
        help="measure each block by itself, for step sizes of its own; all share the budget",
    )
    add_robust(parser)
    add_passes(parser)
    add_target(parser)
    add_output(parser, "the schedule", "schedule.json")
    parser.add_argument(
        "--measure",
        metavar="FILE",
        help="write the curve or surface, too; with --per-block, FILE-0.json, FILE-1.json, ... for "
        "FILE.json",
    )
    add_seed(parser)
    add_data(parser)
    add_model(parser)
    add_run(parser)


def run(args: Namespace) -> int:
    """Fit, print and write the schedule."""
    from schedopt.fitting import fit

    check_apart(output=args.output, measure=args.measure)
    for target in (args.output, args.measure):
        check_output(target)
    order = None if args.order is None else parse_order(args.order)
    denoiser = load_denoiser(args)
    named = None if order is None else order_document(order)
    with job(args, denoiser, order=named) as runner, progress_bar(args, "passes") as progress:
        found = fit(
            denoiser,
            args.data,
            length=args.length,
            context=args.context,
            part=args.part,
            texts=args.texts,
            block_length=args.block_length,
            per_block=args.per_block,
            order=order,
            steps=args.steps,
            max_loss=args.max_loss,
            passes=args.passes,
            target_stderr=args.target_stderr,
            max_passes=args.max_passes,
            smoothing=args.smoothing,
            robust=robust_confidence(args),
            seed=args.seed,
            progress=progress,
            runner=runner,
        )
    if not args.ranks.first:
        return 0
    provenance = origin(args, environment=environment(), **found.provenance)
    if args.measure is not None:
        provenance |= _write_measures(args, found, provenance)
    write(args.output, ScheduleFile(found.schedule, _prediction(found), provenance=provenance))
    say(args, f"wrote {args.output}")
    if found.uniform_regret < found.regret:
        say(
            args,
            "warning: on the documents that it was checked with, equal sizes lose less than these; "
            f"more passes than --passes {args.passes} choose better ones",
        )
    say_usage(args, denoiser)
    emit(args, _document(found, provenance), _lines(found, robust=args.robust))
    return 0


def _write_measures(args: Namespace, found: Fit, provenance: dict[str, object]) -> dict[str, str]:
    """Write what the sizes were chosen by; the hash of it where it is one file."""
    path = Path(args.measure)
    several = len(found.measures) > 1
    for block, measure in enumerate(found.measures):
        target = path.with_stem(f"{path.stem}-{block}") if several else path
        file = measure_file(measure, provenance)
        write(target, file)
        say(args, f"wrote {target}")
    return {} if several else {"curve_sha256": sha256(dumps(file).encode()).hexdigest()}


def _prediction(found: Fit) -> Prediction:
    schedule = found.schedule
    # Blocks with the same sizes are told as one, as the schedule tells them.
    blocks = 1 if schedule.blocks is not None else found.length // schedule.length
    return Prediction(
        found.loss.value / blocks,
        found.loss.stderr / blocks,
        per="block" if schedule.blocks is None else "sequence",
        assumes="held-out text after "
        + (
            f"prompts of up to {found.context} tokens"
            if found.ragged
            else f"{found.context} known positions"
        ),
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
        passes=found.passes,
        fitted={
            "loss": solution.loss,
            "lower_bound": solution.lower_bound,
            "status": solution.status.name.lower(),
        },
        regret=found.regret,
        least_loss=found.least_loss,
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
    if schedule.blocks is None:
        yield f"step sizes   {sizes_text(schedule.step_sizes)}"
    for block, sizes in enumerate(schedule.blocks or ()):
        yield f"block {block:<6} {sizes_text(sizes)}"
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
    if found.least_loss <= found.loss.stderr:
        yield (
            f"regret       n/a: the best sizes for the held-out documents lose "
            f"{nats(found.least_loss)} nats, within the standard error"
        )
    else:
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
