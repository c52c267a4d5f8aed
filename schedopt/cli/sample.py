"""``schedopt sample``: texts from a model, by a schedule or a planner."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

from schedopt.cli.light import add_light, check_light, load_siblings
from schedopt.cli.options import (
    PLANNERS,
    add_model,
    add_seed,
    check_length,
    load_denoiser,
    load_schedule,
)
from schedopt.cli.output import document, emit, say
from schedopt.cli.parser import Verbs, add_verb, number, unicode_text, whole
from schedopt.cli.provenance import check_measured_on
from schedopt.errors import UsageError
from schedopt.files import ScheduleFile

if TYPE_CHECKING:
    from schedopt.samplers import Policy, Samples


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "sample",
        run,
        help="sample texts with a schedule or a planner",
        example="schedopt sample --schedule schedule.json --prompt 'import os'",
    )
    one_of = parser.add_mutually_exclusive_group(required=True)
    one_of.add_argument("--schedule", metavar="FILE", help="a schedule file")
    one_of.add_argument("--planner", metavar="NAME", help=PLANNERS)
    parser.add_argument("--steps", type=whole(1), metavar="K", help="of a planner, a block")
    parser.add_argument(
        "--prompt",
        type=unicode_text,
        action="append",
        default=[],
        metavar="TEXT",
        help="what the text begins with; repeat it for more texts",
    )
    parser.add_argument(
        "--length", type=whole(1), metavar="N", help="positions to sample; default one block"
    )
    parser.add_argument(
        "--block-length", type=whole(1), metavar="N", help="of a planner; default 32"
    )
    parser.add_argument(
        "--count", type=whole(1), default=1, metavar="N", help="texts of each prompt"
    )
    parser.add_argument(
        "--temperature",
        type=number,
        default=1.0,
        metavar="T",
        help="0 takes the likeliest; default 1",
    )
    parser.add_argument(
        "--guidance",
        type=number,
        default=0.0,
        metavar="S",
        help="classifier-free, at two passes a step; default 0, none",
    )
    parser.add_argument(
        "--batch", type=whole(1), default=64, metavar="N", help="texts at once; default 64"
    )
    add_seed(parser)
    add_model(parser)
    add_light(parser)


def run(args: Namespace) -> int:
    """Print the texts."""
    from schedopt.samplers import sample

    policy, file = _policy(args)
    check_light(args, {policy: file})
    models = [load_denoiser(args), *load_siblings(args)]
    if file is not None:
        check_measured_on(args, args.schedule, file, [model.provenance for model in models])
    samples = sample(
        models[0],
        policy,
        prompt=args.prompt or "",
        length=args.length,
        count=args.count,
        temperature=args.temperature,
        seed=args.seed,
        batch_size=args.batch,
        guidance=args.guidance,
        siblings=models[1:],
    )
    rows = [
        {"text": text, "tokens": tokens, "revealed_at": steps, "nfe": nfe, "passes": passes}
        for text, tokens, steps, nfe, passes in zip(
            samples.texts or [None] * len(samples.tokens),
            samples.tokens,
            samples.revealed_at,
            samples.nfe,
            samples.passes,
            strict=True,
        )
    ]
    # The first sample is there by itself too: most calls want one.
    result = document("samples", sampler=policy.label, **rows[0], samples=rows)
    emit(args, result, _lines(samples))
    fewest, most = min(samples.nfe), max(samples.nfe)
    passes = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    by_model = [max(of_one) for of_one in zip(*samples.passes, strict=True)]
    several = f", by model {' + '.join(map(str, by_model))}" if len(models) > 1 else ""
    say(args, f"{passes} forward passes a text{several}")
    return 0


def _policy(args: Namespace) -> tuple[Policy, ScheduleFile | None]:
    """What to follow, and the file that it is of."""
    from schedopt.samplers import as_policy, policy_for, takes_steps

    if args.schedule is not None:
        file = load_schedule(args.schedule)
        for option, given, own in (
            ("--steps", args.steps, file.schedule.steps),
            ("--block-length", args.block_length, file.schedule.length),
        ):
            if given is not None:
                raise UsageError(
                    f"{option}: {args.schedule} brings its own, {own}, got {given}",
                    hint=f"leave out {option}, or take a --planner",
                )
        if args.length is not None:
            check_length(args.schedule, file.schedule, args.length)
        return as_policy(file.schedule), file
    policy = policy_for(args.planner, block_length=args.block_length or 32, steps=args.steps)
    if args.steps is not None and not takes_steps(args.planner):
        raise UsageError(
            f"--steps: planner {args.planner!r} sets its number of steps itself, got {args.steps}",
            hint="leave out --steps, or take a planner that is told, such as confidence",
        )
    return policy, None


def _lines(samples: Samples) -> Iterator[str]:
    texts = samples.texts or [" ".join(str(token) for token in row) for row in samples.tokens]
    for i, text in enumerate(texts, start=1):
        if len(texts) > 1:
            yield f"--- {i}"
        yield _printable(text)


def _printable(text: str) -> str:
    """The text without what a terminal would take for a command."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text
    )
