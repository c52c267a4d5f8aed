"""Several models for one sampler: the schedule names the one of each step."""

from __future__ import annotations

from collections.abc import Sequence

from schedopt.errors import MissingModelError, UsageError
from schedopt.models.denoiser import Denoiser
from schedopt.samplers.policies import Policy


def as_models(models: Denoiser | Sequence[Denoiser]) -> tuple[Denoiser, ...]:
    """One model as a sequence of one."""
    return tuple(models) if isinstance(models, Sequence) else (models,)


def check_siblings(models: Sequence[Denoiser]) -> None:
    """Refuse models that do not speak of the same tokens.

    Raises:
        UsageError: There is none, or they differ in ``vocab_size``, ``mask_id`` or ``eos_id``.
    """
    if not models:
        raise UsageError("need a model, got none")
    for index, model in enumerate(models):
        for name in ("vocab_size", "mask_id", "eos_id"):
            first, other = getattr(models[0], name), getattr(model, name)
            if first != other:
                raise UsageError(
                    f"models 0 and {index} have {name} {first} and {other}: the models of one "
                    "schedule must agree",
                    hint="name siblings that share a tokenizer",
                )


def check_enough(policy: Policy, count: int, names: Sequence[str] = ()) -> None:
    """Refuse a policy that names a model which is not there.

    Args:
        policy: What is to be followed.
        count: How many models there are.
        names: What its file calls its models, where it does.

    Raises:
        MissingModelError: There are fewer models than the policy calls.
    """
    if policy.models <= count:
        return
    named = f" ({names[count]})" if count < len(names) else ""
    raise MissingModelError(
        f"policy {policy.label!r} calls models 0 to {policy.models - 1}, but there is no model "
        f"{count}{named}",
        hint="name models 1, 2, ... in this order, each with --light MODEL (siblings= in Python)",
    )
