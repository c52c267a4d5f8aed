"""``schedopt compare``: predicted loss of named and given schedules on one curve or surface."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass

from schedopt.cli.orders import order_text
from schedopt.cli.output import document, emit, nats, sizes_text, table
from schedopt.cli.parser import Verbs, add_verb, wholes
from schedopt.curve import InformationCurve, OrderSurface
from schedopt.errors import InputError
from schedopt.files import read_measure, read_schedule
from schedopt.files.fields import order_document
from schedopt.schedule import Order
from schedopt.sizes import doublings, dus_schedule, shared_sizes, uniform_sizes


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "compare",
        run,
        help="predicted loss of schedules on a curve or a surface",
        example="schedopt compare surface.json --steps 4,8,16 --sizes 8,8,16 "
        "--schedule schedule.json",
    )
    parser.add_argument("measure", metavar="FILE", help="a curve or surface file")
    parser.add_argument(
        "--steps",
        type=wholes,
        metavar="K,...",
        help="numbers of steps of the named schedules; default 1,2,4,...",
    )
    parser.add_argument(
        "--sizes", type=wholes, action="append", default=[], metavar="S,...", help="own step sizes"
    )
    parser.add_argument(
        "--schedule", action="append", default=[], metavar="FILE", help="a schedule file"
    )


def run(args: Namespace) -> int:
    """Print a row a schedule, by steps and loss."""
    from schedopt.solvers import loss_of, solve

    measure = read_measure(args.measure)
    order = Order("random") if isinstance(measure, InformationCurve) else measure.order
    named = list(_named(order, measure.length, args.steps or doublings(measure.length)))
    named += [("given", sizes) for sizes in args.sizes]
    named += [(path, _sizes_in(path, args.measure, measure, order)) for path in args.schedule]
    best = {k: solve(measure, steps=k) for k in {len(sizes) for _, sizes in named}}
    named += [("optimal", best[k].schedule.step_sizes) for k in best]
    rows = [
        _Row(name, sizes, loss, loss - best[len(sizes)].loss)
        for name, sizes in named
        for loss in [loss_of(measure, sizes)]
    ]
    rows.sort(key=lambda row: (len(row.sizes), row.loss))
    result = document(
        "comparison",
        length=measure.length,
        order=order_document(order),
        unit="nats",
        rows=[row.document() for row in rows],
    )
    head = f"{measure.length} positions, {order_text(order)}; loss over one position a step, nats"
    columns = ["steps", "schedule", "loss", "over best", "step sizes"]
    emit(args, result, [head, *table(columns, [row.cells() for row in rows])])
    return 0


@dataclass(frozen=True)
class _Row:
    name: str
    sizes: tuple[int, ...]
    loss: float
    over_optimal: float  # of as many steps

    def document(self) -> dict[str, object]:
        return {
            "schedule": self.name,
            "steps": len(self.sizes),
            "step_sizes": list(self.sizes),
            "loss": self.loss,
            "over_optimal": self.over_optimal,
        }

    def cells(self) -> list[str]:
        losses = [nats(self.loss), nats(self.over_optimal)]
        return [str(len(self.sizes)), self.name, *losses, sizes_text(self.sizes)]


def _named(
    order: Order, length: int, steps: tuple[int, ...]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    for k in steps:
        yield "uniform", uniform_sizes(length, k)
        yield "cosine", shared_sizes("cosine", length, k)
    if order.name == "dilated":
        dus = dus_schedule(length, base=order.base or 2, skip=order.skip or 1)
        yield "DUS", dus.step_sizes


def _sizes_in(
    path: str, measure_path: str, measure: InformationCurve | OrderSurface, order: Order
) -> tuple[int, ...]:
    schedule = read_schedule(path)
    hint = f"schedopt solve {measure_path} --steps {schedule.steps} -o {path}"
    if schedule.length != measure.length:
        raise InputError(
            f"{path}: $.schedule.length: need {measure.length}, the length in {measure_path}, "
            f"got {schedule.length}",
            hint=hint,
        )
    if not _same(schedule.order, order, measure.length):
        raise InputError(
            f"{path}: $.schedule.order: need the {order_text(order)} of {measure_path}, "
            f"got the {order_text(schedule.order)}",
            hint=hint,
        )
    if schedule.blocks is not None or len(set(schedule.models or ())) > 1:
        raise InputError(
            f"{path}: $.schedule: need one block and one model, as {measure_path} has", hint=hint
        )
    return schedule.step_sizes


def _same(order: Order, other: Order, length: int) -> bool:
    if order.is_fixed and other.is_fixed:
        return order.permutation_for(length) == other.permutation_for(length)
    return order == other
