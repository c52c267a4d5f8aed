"""The judgements of ``schedopt evaluate``: each from the arguments to a document."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from schedopt.cli.evaluate import LAW_PARAMETERS
from schedopt.cli.job import job, schedule_digest
from schedopt.cli.light import check_light, load_siblings
from schedopt.cli.options import load_denoiser
from schedopt.cli.output import document
from schedopt.cli.plan import Files, Plan, files_of, plan_for, setting_of
from schedopt.cli.progress import progress_bar, say_usage
from schedopt.cli.provenance import (
    check_measured_on,
    environment,
    origin,
    warn_of_own_text,
)
from schedopt.cli.standings import areas_of, judged_rows, matches_of, predicted, rows_of
from schedopt.data import DEFAULT_CONTEXT, DEFAULT_LENGTH, Windows
from schedopt.errors import UsageError
from schedopt.evaluation import (
    Judge,
    TaskScore,
    TextScore,
    evaluate,
    evaluate_task,
    evaluate_texts,
    law_kl,
    load_judge,
    sequential_policy,
)
from schedopt.evaluation.laws import SAMPLES
from schedopt.exact import named_law
from schedopt.models import Denoiser, LawDenoiser, NetworkDenoiser
from schedopt.running import Runner
from schedopt.samplers import Policy
from schedopt.tasks import make_task
from schedopt.texts import load_text
from theory.distributions import LAWS, law_parameters


def of_text(args: Namespace) -> dict[str, Any] | None:
    """The NLL of held-out text; with ``--judge``, what a judge says of samples, too."""
    files = files_of(args)
    length = setting_of(args, "length", files) or DEFAULT_LENGTH
    plan = plan_for(args, files, length)
    sequential: dict[Policy, Policy] = {
        policy: sequential_policy(file.schedule.order, policy.block_length)
        for policy, file in plan.ours.items()
        if args.excess
    }
    policies = list(dict.fromkeys([*plan.policies, *sequential.values()]))
    denoiser, *siblings = _models(args, files, plan)
    # What is missing is found out before the passes.
    judge = None if args.judge is None else load_judge(args.judge, device=args.device)
    read_by = {} if judge is None else {"judge": dict(judge.provenance)}
    with job(args, denoiser, **_inputs(files, siblings), **read_by) as runner:
        windows, about = _windows(args, denoiser, files, length, runner)
        for path, file in files.items():
            warn_of_own_text(args, path, file, about)
        with progress_bar(args, "windows") as progress:
            scores = evaluate(
                denoiser,
                windows,
                policies,
                siblings=siblings,
                seed=args.seed,
                progress=progress,
                runner=runner,
            )
        judged: dict[Policy, TextScore] = {}
        if judge is not None:
            judged = _judged(args, judge, denoiser, siblings, windows, plan.policies, runner)
    if not args.ranks.first:
        return None
    by_policy = dict(zip(policies, scores, strict=True))
    rows = rows_of(plan, by_policy, args.cost, sequential)
    for policy, file in plan.ours.items():
        rows[policy] |= predicted(file)
    for policy, row in judged_rows(plan, judged, args.cost).items():
        rows[policy]["judged"] = row
    more: dict[str, Any] = {}
    if judge is not None:
        more = {
            "judge": judge.name,
            "samples": len(next(iter(judged.values())).values),
            "temperature": _temperature(args),
            "guidance": args.guidance,
        }
    say_usage(args, denoiser)
    return document(
        "evaluation",
        judgement="text" if judge is None else "judge",
        unit="nats per token",
        length=windows.length,
        context=windows.context,
        ragged=windows.ragged,
        windows=len(windows),
        documents=len(set(windows.documents.tolist())),
        rows=list(rows.values()),
        matches=[
            *matches_of(plan, by_policy, args.cost),
            *matches_of(plan, judged, args.cost),
        ],
        **more,
        provenance=_provenance(args, denoiser, siblings, data=about, **read_by),
    )


def of_task(args: Namespace) -> dict[str, Any] | None:
    """Accuracy on a task, and the area under it for each family of planners."""
    if args.best is not None and not 0.0 < args.best <= 100.0:  # found out before the passes
        raise UsageError(f"--best: need per cent, 0 < best <= 100, got {args.best:g}")
    task, files = make_task(args.task), files_of(args)
    plan = plan_for(args, files, task.response_length)
    denoiser, *siblings = _models(args, files, plan)
    with (
        job(args, denoiser, **_inputs(files, siblings)) as runner,
        progress_bar(args, "instances", "accuracy") as progress,
    ):
        scores = evaluate_task(
            denoiser,
            task,
            plan.policies,
            count=args.count,
            seed=args.seed,
            temperature=_temperature(args),
            guidance=args.guidance,
            siblings=siblings,
            progress=progress,
            runner=runner,
        )
    if not args.ranks.first:
        return None
    by_policy = dict(zip(plan.policies, scores, strict=True))
    rows = rows_of(plan, by_policy, args.cost)
    for policy, score in by_policy.items():
        tokens = score.by_token.mean
        rows[policy] |= {"token_accuracy": tokens.value, "token_accuracy_stderr": tokens.stderr}
    say_usage(args, denoiser)
    return document(
        "evaluation",
        judgement="task",
        unit=TaskScore.metric.unit,
        task=task.name,
        length=task.response_length,
        context=task.prompt_length,
        count=args.count,
        temperature=_temperature(args),
        guidance=args.guidance,
        rows=list(rows.values()),
        matches=matches_of(plan, by_policy, args.cost),
        aup=areas_of(scores, args.best),
        provenance=_provenance(args, denoiser, siblings),
    )


def of_law(args: Namespace) -> dict[str, Any] | None:
    """KL to an exact law, whose conditionals the samplers ask."""
    given = {
        name: getattr(args, name) for name in LAW_PARAMETERS if getattr(args, name) is not None
    }
    if args.law in LAWS and "seed" in law_parameters(args.law):
        given["seed"] = args.seed
    law, files = named_law(args.law, **given), files_of(args)
    plan = plan_for(args, files, law.n)
    for policy in plan.policies:
        if policy.models > 1:
            raise UsageError(
                f"policy {policy.label!r} calls {policy.models} models, but a law is one",
                hint="judge it on text or a task, with --light MODEL",
            )
    oracle = LawDenoiser(law, name=args.law)
    with (
        job(args, oracle, **_inputs(files, ())) as runner,
        progress_bar(args, "outcomes") as progress,
    ):
        scores = law_kl(
            law,
            plan.policies,
            samples=args.samples or SAMPLES,
            seed=args.seed,
            progress=progress,
            runner=runner,
        )
    if not args.ranks.first:
        return None
    by_policy = dict(zip(plan.policies, scores, strict=True))
    rows = rows_of(plan, by_policy, args.cost)
    for policy, score in by_policy.items():
        rows[policy] |= {"exact": score.documents is None, "output_law_kl": score.output_law_kl}
    return document(
        "evaluation",
        judgement="law",
        unit="nats per sequence",
        law=args.law,
        parameters=given,
        length=law.n,
        rows=list(rows.values()),
        matches=matches_of(plan, by_policy, args.cost),
        provenance=_provenance(args, oracle, ()),
    )


JUDGEMENTS: Final[Mapping[str, Callable[[Namespace], dict[str, Any] | None]]] = {
    "text": of_text,
    "judge": of_text,
    "task": of_task,
    "law": of_law,
}


def _temperature(args: Namespace) -> float:
    """Of sampled tokens: samples are to be varied, answers are to be right."""
    usual = 0.0 if args.judge is None else 1.0
    return usual if args.temperature is None else float(args.temperature)


def _models(args: Namespace, files: Files, plan: Plan) -> list[NetworkDenoiser]:
    """The model and its siblings, which the schedules are for."""
    check_light(args, {policy: plan.ours.get(policy) for policy in plan.policies})
    models = [load_denoiser(args), *load_siblings(args)]
    for path, file in files.items():
        check_measured_on(args, path, file, [model.provenance for model in models])
    return models


def _windows(
    args: Namespace, denoiser: Denoiser, files: Files, length: int, runner: Runner
) -> tuple[Windows, dict[str, str | int]]:
    # One that a schedule was fitted for gives way where prompts are the context.
    context = setting_of(args, "context", files)
    with progress_bar(args, "texts") as progress:
        return load_text(
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


def _judged(
    args: Namespace,
    judge: Judge,
    denoiser: Denoiser,
    siblings: Sequence[Denoiser],
    windows: Windows,
    policies: Sequence[Policy],
    runner: Runner,
) -> dict[Policy, TextScore]:
    """What the judge says of continuations of the contexts; of free texts where there is none."""
    free = windows.context <= (denoiser.bos_id is not None)  # nothing but what must stand first
    with progress_bar(args, "samples") as progress:
        scores = evaluate_texts(
            denoiser,
            judge,
            policies,
            length=windows.length,
            prompts=None if free else windows.tokens[:, : windows.context],
            documents=None if free else windows.documents,
            count=args.samples or (len(windows) if free else None),
            temperature=_temperature(args),
            guidance=args.guidance,
            seed=args.seed,
            siblings=siblings,
            progress=progress,
            runner=runner,
        )
    return dict(zip(policies, scores, strict=True))


def _inputs(files: Files, siblings: Sequence[Denoiser]) -> dict[str, object]:
    """What files that the arguments name hold, for a journal."""
    inputs: dict[str, object] = {
        "schedule": {path: schedule_digest(file) for path, file in files.items()}
    }
    if siblings:
        inputs["siblings"] = [dict(model.provenance) for model in siblings]
    return inputs


def _provenance(
    args: Namespace, denoiser: Denoiser, siblings: Sequence[Denoiser], **more: object
) -> dict[str, object]:
    if siblings:
        more["siblings"] = [dict(model.provenance) for model in siblings]
    return origin(
        args,
        seed=args.seed,
        model=dict(denoiser.provenance),
        environment=environment(),
        **more,
    )
