"""``schedopt show``: what a file of any of the three formats holds."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping
from typing import Any, Final

from schedopt.cli.orders import order_text
from schedopt.cli.output import document, emit, nats, sizes_text, table
from schedopt.cli.parser import Verbs, add_verb
from schedopt.cli.picture import LATER, STEPS, reveal_map, size_bars
from schedopt.curve import Floats, InformationCurve, OrderSurface
from schedopt.files import CurveFile, Prediction, ScheduleFile, SurfaceFile, load
from schedopt.files.fields import order_document
from schedopt.files.formats import AnyFile
from schedopt.schedule import Order
from schedopt.sizes import doublings

DRAWN: Final = 4  # blocks, where they differ


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "show",
        run,
        help="what a curve, surface or schedule file holds",
        example="schedopt show schedule.json",
    )
    parser.add_argument("file", metavar="FILE", help="the file")


def run(args: Namespace) -> int:
    """Print the summary of a file."""
    file = load(args.file)
    if isinstance(file, ScheduleFile):
        facts = _schedule_facts(file)
    else:
        facts = _measure_facts(_measure_of(file))
    summary = document("summary", file=args.file, of=file.format, unit="nats", **facts)
    emit(args, summary, summary_lines(file))
    return 0


def summary_lines(file: AnyFile) -> Iterator[str]:
    """What a file holds and where it comes from, as a reader wants it."""
    if isinstance(file, ScheduleFile):
        yield from _schedule_lines(file)
    else:
        yield from measure_lines(_measure_of(file))
    yield from _origin_lines(file.provenance)


def _measure_of(file: CurveFile | SurfaceFile) -> InformationCurve | OrderSurface:
    return file.curve if isinstance(file, CurveFile) else file.surface


def _measure_facts(measure: InformationCurve | OrderSurface) -> dict[str, Any]:
    if isinstance(measure, InformationCurve):
        order, entropy = Order("random"), measure.entropy
        correlations = {
            "total_correlation": measure.total_correlation,
            "dual_total_correlation": measure.dual_total_correlation,
        }
    else:
        order, entropy = measure.order, measure.sequential
        alone = float(measure.conditional_entropy[0].sum())
        correlations = {"total_correlation": alone - entropy}
    return {
        "length": measure.length,
        "order": order_document(order),
        "entropy": entropy,
        **correlations,
        "monotone": measure.is_monotone,
    }


def measure_lines(measure: InformationCurve | OrderSurface) -> Iterator[str]:
    """A curve or a surface as a reader wants it."""
    if isinstance(measure, InformationCurve):
        head, order = "information curve", Order("random")
        entries = "of a fresh position, given so many others"
        first, stderr = "known", measure.stderr
        columns = {"entropy": measure.conditional_entropy, "information": measure.information}
    else:
        head, order = "order surface", measure.order
        entries = "of the position at this place of the order"
        first, stderr = "place", None if measure.stderr is None else measure.stderr.diagonal()
        values = measure.conditional_entropy
        columns = {"entropy alone": values[0], "entropy given all before": values.diagonal()}
    yield f"{head} of {measure.length} positions, {order_text(order)}; nats"
    facts = _measure_facts(measure)
    for name, meaning in (
        ("entropy", "one position a step"),
        ("total_correlation", "what one step for all would lose"),
        ("dual_total_correlation", ""),
    ):
        if name in facts:
            yield f"{name.replace('_', ' '):<22} {nats(facts[name]):>10}  {meaning}".rstrip()
    if not facts["monotone"]:
        yield "It rises somewhere, as no exact one does."
    yield ""
    yield entries
    yield from _columns(first, columns, stderr)


def _columns(first: str, columns: Mapping[str, Floats], stderr: Floats | None) -> list[str]:
    length = len(next(iter(columns.values())))
    every = {**columns, "stderr": stderr} if stderr is not None else columns
    rows = sorted({0, *doublings(length)[:-1], length - 1})
    return table(
        [first, *every], [[str(j), *(nats(float(v[j])) for v in every.values())] for j in rows]
    )


def _schedule_facts(file: ScheduleFile) -> dict[str, Any]:
    schedule = file.schedule
    blocks, length = len(schedule.blocks or [0]), schedule.length
    groups = (
        [
            [block * length + position for position in group]
            for block in range(blocks)
            for group in schedule.groups(block=block)
        ]
        if schedule.order.is_fixed
        else None
    )
    return {**file.payload(), "steps": schedule.total_steps(blocks * length), "groups": groups}


def _schedule_lines(file: ScheduleFile) -> Iterator[str]:
    schedule = file.schedule
    blocks = len(schedule.blocks or [0])
    positions = blocks * schedule.length
    yield (
        f"schedule of {positions} positions in {schedule.total_steps(positions)} steps, "
        f"{order_text(schedule.order)}"
        + ("" if schedule.blocks is None else f", {blocks} blocks of {schedule.length}")
    )
    for index, sizes in enumerate(schedule.blocks or ()):
        yield f"block {index:<4}  {sizes_text(sizes)}"
    beyond = "step sizes" if schedule.blocks is None else "any later "
    yield f"{beyond}  {sizes_text(schedule.step_sizes)}"
    if schedule.models is not None:
        yield f"models      {' '.join(str(model) for model in schedule.models)}"
    if file.prediction is not None:
        yield from _prediction_lines(file.prediction)
    for block in range(min(blocks, DRAWN)):
        yield ""
        name = "" if schedule.blocks is None else f"block {block}: "
        if name:
            yield f"{name}positions that each step reveals"
        yield from size_bars(schedule, block)
        if schedule.order.is_fixed:
            many = len(schedule.sizes_of_block(block)) > len(STEPS)
            later = f"; {LATER} is any later one" if many else ""
            yield ""
            yield f"{name}which step reveals each position (1-9, then a-z, A-Z{later})"
            yield from reveal_map(schedule, block)
    if blocks > DRAWN:
        yield ""
        yield f"and {blocks - DRAWN} more blocks"


def _prediction_lines(prediction: Prediction) -> Iterator[str]:
    spread = "" if prediction.stderr is None else f" ± {nats(prediction.stderr)}"
    assumes = f" ({prediction.assumes})" if prediction.assumes else ""
    yield f"predicted   {nats(prediction.loss)}{spread} nats a {prediction.per}{assumes}"


def _origin_lines(provenance: Mapping[str, Any]) -> Iterator[str]:
    if provenance:
        yield ""
    # Any key of a provenance may be absent, or null.
    if provenance.get("command"):
        version = provenance.get("schedopt_version") or "of unknown version"
        yield f"made by schedopt {version}: schedopt {' '.join(provenance['command'])}"
    for part in ("model", "data"):
        if name := (provenance.get(part) or {}).get("name"):
            yield f"{part} {name}"
