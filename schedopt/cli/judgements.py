"""The judgements of ``schedopt evaluate``: each from the arguments to a document."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from schedopt.cli.evaluate import LAW_PARAMETERS
from schedopt.cli.job import job, schedule_digest
from schedopt.cli.options import load_denoiser, load_siblings
from schedopt.cli.output import document
from schedopt.cli.plan import Files, Plan, files_of, plan_for, setting_of
from schedopt.cli.progress import progress_bar, say_usage
from schedopt.cli.provenance import check_measured_on, environment, origin
from schedopt.data import DEFAULT_CONTEXT, DEFAULT_LENGTH, Windows
from schedopt.errors import UsageError
from schedopt.evaluation import (
    Judge,
    Score,
    TaskScore,
    TextScore,
    aup_of,
    evaluate,
    evaluate_task,
    evaluate_texts,
    law_kl,
    load_judge,
    match,
    pareto_front,
    score_row,
    sequential_policy,
)
from schedopt.evaluation.laws import SAMPLES
from schedopt.exact import named_law
from schedopt.files import ScheduleFile
from schedopt.models import Denoiser, LawDenoiser, NetworkDenoiser
from schedopt.models.denoiser import start_of_text
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
    denoiser, *siblings = _models(args, files)
    # What is missing is found out before the passes.
    judge = None if args.judge is None else load_judge(args.judge, device=args.device)
    read_by = {} if judge is None else {"judge": dict(judge.provenance)}
    with job(args, denoiser, **_inputs(files, siblings), **read_by) as runner:
        windows, about = _windows(args, denoiser, files, length, runner)
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
    rows = _rows(args, plan, by_policy, sequential)
    for policy, file in plan.ours.items():
        rows[policy] |= _predicted(file)
    _add_judged(args, plan, judged, rows)
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
        matches=[*_matches(args, plan, by_policy), *_matches(args, plan, judged)],
        **more,
        provenance=_provenance(args, denoiser, siblings, data=about, **read_by),
    )


def of_task(args: Namespace) -> dict[str, Any] | None:
    """Accuracy on a task, and the area under it for each family of planners."""
    if args.best is not None and not args.best > 0.0:  # found out before the passes
        raise UsageError(f"--best: need a number of per cent > 0, got {args.best:g}")
    task, files = make_task(args.task), files_of(args)
    plan = plan_for(args, files, task.response_length)
    denoiser, *siblings = _models(args, files)
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
    rows = _rows(args, plan, by_policy)
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
        matches=_matches(args, plan, by_policy),
        aup=_areas(args, scores),
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
    rows = _rows(args, plan, by_policy)
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
        matches=_matches(args, plan, by_policy),
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


def _models(args: Namespace, files: Files) -> list[NetworkDenoiser]:
    """The model and its siblings, which the schedules are for."""
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
    free = windows.context <= len(start_of_text(denoiser))
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


def _rows(
    args: Namespace,
    plan: Plan,
    scores: Mapping[Policy, Score],
    sequential: Mapping[Policy, Policy] | None = None,
) -> dict[Policy, dict[str, Any]]:
    """A row for each policy, by policy."""
    reference = next((scores[policy] for policy in plan.ours), None)
    standings = pareto_front(list(scores.values()), cost=args.cost)
    rows = {}
    for (policy, score), standing in zip(scores.items(), standings, strict=True):
        base = (sequential or {}).get(policy)
        row = score_row(
            score, reference=reference, sequential=None if base is None else scores[base]
        )
        rows[policy] = row | standing.as_row()
    return rows


def _add_judged(
    args: Namespace,
    plan: Plan,
    judged: Mapping[Policy, TextScore],
    rows: Mapping[Policy, dict[str, Any]],
) -> None:
    reference = next((judged[policy] for policy in plan.ours if policy in judged), None)
    standings = pareto_front(list(judged.values()), cost=args.cost)
    for (policy, score), standing in zip(judged.items(), standings, strict=True):
        rows[policy]["judged"] = score.as_row(reference=reference) | standing.as_row()


def _matches(args: Namespace, plan: Plan, scores: Mapping[Policy, Score]) -> list[dict[str, Any]]:
    """What each family of planners has to spend for the quality of each schedule."""
    if not scores:
        return []
    rows = []
    for policy in plan.ours:
        for family in _families([scores[policy] for policy in plan.planners]):
            row = match(scores[policy], family, cost=args.cost).as_row()
            rows.append(row | _variety(scores[policy], family))
    return rows


def _variety(ours: Score, family: Sequence[Score]) -> dict[str, Any]:
    """Token entropies beside a judge's NLL: no match of one is a match of both."""
    if not isinstance(ours, TextScore):
        return {}
    theirs = [s.by_entropy.mean.value for s in family if isinstance(s, TextScore)]
    return {
        "token_entropy": ours.by_entropy.mean.value,
        "baseline_token_entropy_range": [min(theirs), max(theirs)],
    }


def _families(scores: Sequence[Score]) -> list[list[Score]]:
    families: dict[str, list[Score]] = {}
    for score in scores:
        families.setdefault(score.family, []).append(score)
    return list(families.values())


def _areas(args: Namespace, scores: Sequence[TaskScore]) -> list[dict[str, Any]]:
    """AUP of each family; none where nothing is solved at all, and so no accuracy is the best."""
    best = args.best
    if best is None:
        best = 100.0 * max(score.mean.value for score in scores)
        if best == 0.0:
            return []
    areas = []
    for family in _families(scores):
        area = aup_of(family, best=best)
        areas.append(
            {
                "sampler": family[0].family,
                "points": len(family),
                "best": best,
                "aup": area.value,
                "stderr": area.stderr,
            }
        )
    return areas


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
