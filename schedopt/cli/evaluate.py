"""``schedopt evaluate``: what schedules and planners make of held-out text."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from schedopt.cli.job import add_run, job, schedule_digest
from schedopt.cli.options import (
    add_data,
    add_model,
    add_seed,
    check_length,
    load_denoiser,
    load_schedule,
)
from schedopt.cli.output import document, emit, nats, table
from schedopt.cli.parser import Verbs, add_verb, whole, wholes
from schedopt.cli.progress import progress_bar, say_usage
from schedopt.cli.provenance import environment, origin
from schedopt.errors import InputError, UsageError
from schedopt.files import ScheduleFile

if TYPE_CHECKING:
    from schedopt.evaluation import Match, SamplerScore
    from schedopt.samplers import Policy


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "evaluate",
        run,
        help="loss of schedules and planners on text, at equal numbers of passes",
        example="schedopt evaluate --schedule schedule.json --planner dus:32 --planner confidence",
    )
    parser.add_argument(
        "--schedule", action="append", default=[], metavar="FILE", help="a schedule file"
    )
    parser.add_argument(
        "--planner",
        action="append",
        default=[],
        metavar="NAME",
        help="random, cosine, left_to_right, dilated, confidence, entropy, margin, eb[:GAMMA], "
        "threshold[:TAU] or dus[:BLOCK_LENGTH]",
    )
    parser.add_argument(
        "--nfe",
        type=wholes,
        default=(8,),
        metavar="N,...",
        help="passes of planners that take a number of steps; default 8",
    )
    parser.add_argument(
        "--block-length",
        type=whole(1),
        metavar="N",
        help="of planners; default the length",
    )
    parser.add_argument(
        "--windows", type=whole(2), default=64, metavar="N", help="of the text; default 64"
    )
    parser.add_argument(
        "--excess",
        action="store_true",
        help="score one position a step, too, to check the predicted loss of the schedules",
    )
    add_seed(parser)
    add_data(parser)
    add_model(parser)
    add_run(parser)


def run(args: Namespace) -> int:
    """Print a row a sampler, and the passes with which planners match the schedules."""
    from schedopt.data import DEFAULT_CONTEXT, DEFAULT_LENGTH
    from schedopt.evaluation import evaluate, match, score_row, sequential_policy
    from schedopt.texts import load_text

    files = {path: load_schedule(path) for path in args.schedule}
    length = _setting(args, "length", files) or DEFAULT_LENGTH
    # One that a schedule was fitted for gives way where prompts are the context.
    context = _setting(args, "context", files)
    ours, planners = _schedules(files, length), _planners(args, length)
    if not ours and not planners:
        raise UsageError(
            "need at least one --schedule or --planner", hint="--planner dus:32 --planner random"
        )
    sequential = {
        policy: sequential_policy(file.schedule.order, policy.block_length)
        for policy, file in ours.items()
        if args.excess
    }
    denoiser = load_denoiser(args)
    policies = list(dict.fromkeys([*ours, *planners, *sequential.values()]))
    digests = {path: schedule_digest(file) for path, file in files.items()}
    with job(args, denoiser, schedule=digests) as runner:
        with progress_bar(args, "texts") as progress:
            windows, about = load_text(
                denoiser,
                args.data,
                length=length,
                context=args.context,
                usual_context=DEFAULT_CONTEXT if context is None else context,
                part=args.part,
                limit=args.windows,
                texts=args.texts,
                seed=args.seed,
                progress=progress,
                runner=runner,
            )
        with progress_bar(args, "windows") as progress:
            scores = evaluate(
                denoiser, windows, policies, seed=args.seed, progress=progress, runner=runner
            )
    if not args.ranks.first:
        return 0
    score = dict(zip(policies, scores, strict=True))
    reference = next((score[policy] for policy in ours), None)
    rows = []
    for policy in policies:
        base = score[sequential[policy]] if policy in sequential else None
        row = score_row(score[policy], reference=reference, sequential=base)
        rows.append(row | (_predicted(ours[policy]) if policy in ours else {}))
    families = _families([score[policy] for policy in planners])
    matches = [match(score[policy], family) for policy in ours for family in families]
    result = document(
        "evaluation",
        unit="nats per token",
        length=windows.length,
        context=windows.context,
        ragged=windows.ragged,
        windows=len(windows),
        documents=len(set(windows.documents.tolist())),
        rows=rows,
        matches=[found.as_row() for found in matches],
        provenance=origin(
            args,
            seed=args.seed,
            model=dict(denoiser.provenance),
            data=about,
            environment=environment(),
        ),
    )
    say_usage(args, denoiser)
    emit(args, result, [*_score_lines(result), *_match_lines(matches)])
    return 0


def _setting(args: Namespace, name: str, files: Mapping[str, ScheduleFile]) -> int | None:
    """What is asked for, or else what the first schedule that tells was fitted for."""
    if getattr(args, name) is not None:
        return int(getattr(args, name))
    for path, file in files.items():
        settings: Any = file.provenance.get("estimate") or {}
        value = settings.get(name)
        if value is not None and (type(value) is not int or value < (name == "length")):
            raise InputError(f"{path}: $.provenance.estimate.{name}: cannot be {value!r}")
        if value is not None:
            return int(value)
    return None


def _schedules(files: Mapping[str, ScheduleFile], length: int) -> dict[Policy, ScheduleFile]:
    from schedopt.samplers import SchedulePolicy

    for path, file in files.items():
        check_length(path, file.schedule, length)
    return {SchedulePolicy(file.schedule, path): file for path, file in files.items()}


def _planners(args: Namespace, length: int) -> list[Policy]:
    """The planners, those that take a number of steps once for each number of passes."""
    from schedopt.samplers import policy_for, takes_steps

    block = args.block_length or length
    if length % block:
        raise UsageError(f"need a length that --block-length divides, got {length} and {block}")
    blocks = length // block
    found = []
    for name in args.planner:
        if not takes_steps(name):
            found.append(policy_for(name, block_length=block))
            continue
        for nfe in args.nfe:
            if nfe % blocks:
                raise UsageError(f"--nfe: need a multiple of the {blocks} blocks, got {nfe}")
            found.append(policy_for(name, block_length=block, steps=nfe // blocks))
    return found


def _predicted(file: ScheduleFile) -> dict[str, float]:
    """The predicted excess, nats per token."""
    if file.prediction is None:
        return {}
    blocks = len(file.schedule.blocks or [0]) if file.prediction.per == "sequence" else 1
    tokens = blocks * file.schedule.length
    row = {"predicted_excess": file.prediction.loss / tokens}
    if file.prediction.stderr is not None:
        row["predicted_excess_stderr"] = file.prediction.stderr / tokens
    return row


def _families(scores: Sequence[SamplerScore]) -> list[list[SamplerScore]]:
    families: dict[str, list[SamplerScore]] = {}
    for score in scores:
        families.setdefault(score.family, []).append(score)
    return list(families.values())


def _score_lines(result: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"{result['windows']} windows of {result['documents']} documents: {result['length']} "
        f"positions after {'up to ' if result['ragged'] else ''}{result['context']} known ones; "
        "nats per token"
    )
    keys = ["nll", "difference", "excess", "predicted_excess"]
    keys = [key for key in keys if any(key in row for row in result["rows"])]
    header = ["sampler", "block", "passes", *(key.replace("_", " ") for key in keys)]
    rows = sorted(result["rows"], key=lambda row: (row["nfe"], row["nll"]))
    cells = [
        [
            row["sampler"],
            str(row["block_length"]),
            f"{row['nfe']:.4g}",
            *(_measured(row, key) for key in keys),
        ]
        for row in rows
    ]
    yield from table(header, cells)


def _measured(row: Mapping[str, Any], key: str) -> str:
    if key not in row:
        return ""
    stderr = row.get("stderr" if key == "nll" else f"{key}_stderr")
    return nats(row[key]) if stderr is None else f"{nats(row[key])} ± {nats(stderr)}"


def _match_lines(matches: Sequence[Match]) -> Iterator[str]:
    if not matches:
        return
    yield ""
    yield "passes that a planner needs for the NLL of a schedule"
    rows = []
    for found in matches:
        low, high = found.baseline_nfe_range
        if found.baseline_nfe is None:
            needs, ratio = f"> {high:.4g}", ""
        else:
            mark = "<= " if found.baseline_nfe <= low else ""
            needs, ratio = f"{mark}{found.baseline_nfe:.4g}", f"{mark}{found.ratio:.2f}"
        rows.append([found.sampler, f"{found.nfe:.4g}", found.baseline, needs, ratio])
    yield from table(["schedule", "passes", "planner", "needs", "ratio"], rows)
