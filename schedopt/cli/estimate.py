"""``schedopt estimate``: from a model and text to a curve or a surface."""

from __future__ import annotations

from argparse import Namespace

from schedopt.cli.job import add_run, job
from schedopt.cli.options import (
    add_data,
    add_model,
    add_order,
    add_output,
    add_passes,
    add_seed,
    check_apart,
    check_output,
    load_denoiser,
)
from schedopt.cli.orders import parse_order
from schedopt.cli.output import emit, nats, say
from schedopt.cli.parser import Verbs, add_verb, whole
from schedopt.cli.progress import progress_bar, say_usage
from schedopt.cli.provenance import environment, origin
from schedopt.cli.show import measure_lines
from schedopt.curve import InformationCurve, OrderSurface
from schedopt.files import CurveFile, SurfaceFile, write
from schedopt.files.fields import order_document


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "estimate",
        run,
        help="measure the curve of a model on text, or the surface of an order",
        example="schedopt estimate --order dilated --length 64 -o surface.json",
    )
    add_order(parser)
    parser.add_argument(
        "--block-length", type=whole(1), metavar="N", help="of the curve; default the length"
    )
    parser.add_argument(
        "--block",
        type=whole(0),
        metavar="I",
        help="measure this block alone, 0 the leftmost; default the mean over all",
    )
    add_passes(parser)
    add_output(parser, "the curve or surface")
    parser.add_argument(
        "--entropy", metavar="FILE", help="write that of the model's own entropies, too"
    )
    add_seed(parser)
    add_data(parser)
    add_model(parser)
    add_run(parser)


def run(args: Namespace) -> int:
    """Measure, print and write the curve or surface."""
    from schedopt.estimators import estimate
    from schedopt.texts import load_text

    check_apart(output=args.output, entropy=args.entropy)
    for target in (args.output, args.entropy):
        check_output(target)
    order = parse_order(args.order)
    denoiser = load_denoiser(args)
    with job(args, denoiser, order=order_document(order)) as runner:
        with progress_bar(args, "texts") as progress:
            windows, about = load_text(
                denoiser,
                args.data,
                length=args.length or args.block_length,
                context=args.context,
                part=args.part,
                texts=args.texts,
                seed=args.seed,
                progress=progress,
                runner=runner,
            )
        with progress_bar(args, "passes") as progress:
            found = estimate(
                denoiser,
                windows,
                order=order,
                block_length=args.block_length,
                block=args.block,
                passes=args.passes,
                seed=args.seed,
                smoothing=args.smoothing,
                progress=progress,
                runner=runner,
            )
    if not args.ranks.first:
        return 0
    provenance = origin(
        args,
        seed=args.seed,
        model=dict(denoiser.provenance),
        data=about,
        environment=environment(),
        estimate={
            "documents": found.documents,
            "passes": found.passes,
            "length": windows.length,
            "context": windows.context,
            "block_length": found.measure.length,
            "block": args.block,
            "fit": found.smoothing,
        },
    )
    file = measure_file(found.measure, provenance)
    for target, measure in ((args.output, found.measure), (args.entropy, found.entropy_measure)):
        if target is not None:
            write(target, measure_file(measure, provenance))
            say(args, f"wrote {target}")
    say(
        args,
        f"{found.passes} passes over {found.documents} documents in {found.seconds:.1f} s; the "
        f"model's own entropy is {nats(found.calibration_gap.value)} ± "
        f"{nats(found.calibration_gap.stderr)} nats a token below its loss",
    )
    say_usage(args, denoiser)
    emit(args, file.document(), measure_lines(found.measure))
    return 0


def measure_file(
    measure: InformationCurve | OrderSurface, provenance: dict[str, object]
) -> CurveFile | SurfaceFile:
    """The file of a curve or of a surface."""
    if isinstance(measure, InformationCurve):
        return CurveFile(measure, provenance=provenance)
    return SurfaceFile(measure, provenance=provenance)
