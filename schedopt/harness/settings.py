"""What ``--model_args`` may say, and the policy that it names."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from schedopt.errors import InputError, UsageError
from schedopt.files import ScheduleFile, loads, read_bytes
from schedopt.models import Denoiser, load_model
from schedopt.samplers import Policy, as_policy, policy_for, takes_steps
from schedopt.samplers.guidance import check_guidance
from schedopt.samplers.measured import measured_on
from schedopt.samplers.registry import DUS_KEYS, KLASS_KEYS, SIZED_KEYS

LOG: Final = logging.getLogger("lm_eval.schedopt")  # what lm-eval has set up to be seen

BLOCK_LENGTH: Final = 32
BATCH_SIZE: Final = 32
LIKELIHOODS: Final = ("mc", "schedule")

# lm-eval hands over what looks like a number or a truth value as such, be it a file's name.
_LEAST: Final = {
    "steps": 1,
    "block_length": 1,
    "mask_id": 0,
    "batch_size": 1,
    "max_batch_size": 1,
    "max_gen_toks": 1,
    "length": 1,
    "seed": 0,
    "mc_samples": 1,
}
_TEXTS: Final = ("pretrained", "schedule", "planner", "light", "device", "dtype", "revision")
_NUMBERS: Final = ("temperature", "guidance")
# lm-eval cuts a planner's spelling, such as eb:0.5,rank=dilated, at the comma.
_PLANNER_KEYS: Final = {*SIZED_KEYS, *KLASS_KEYS, *DUS_KEYS}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What ``--model_args`` says.

    Args:
        pretrained: A bundled model, an alias such as ``llada``, a folder, a hub id, or a denoiser.
        schedule: A schedule file, which ``generate_until`` follows.
        planner: A planner's name instead, such as ``eb:0.5``; ``confidence`` where neither is
            given. What follows a comma, such as ``rank=dilated``, belongs to it.
        steps: Of a planner, a block; one position a step where left out.
        block_length: Of a planner; 32 where left out.
        light: The model that a schedule calls 1, named as ``pretrained`` is.
        device: As ``load_model``.
        dtype: As ``load_model``.
        revision: As ``load_model``.
        mask_id: As ``load_model``.
        batch_size: Sequences that go through the model at once; ``auto`` for 32.
        max_batch_size: At most so many where the batch size is ``auto``.
        max_gen_toks: Tokens to generate where a task does not say how many.
        length: Tokens to generate whatever a task says.
        temperature: Where a task says neither ``do_sample`` nor ``temperature``.
        guidance: Scale of classifier-free guidance, LLaDA's ``cfg``.
        seed: Of all that is drawn.
        likelihood: ``mc`` for the mean over all orders, by Monte Carlo; ``schedule`` for the
            sampler of the schedule or planner, exactly.
        mc_samples: Masks for each continuation, of ``mc``.
        check_greedy: Whether ``mc`` finds out if a continuation is what greedy decoding gives,
            which takes the passes of the schedule besides; else the answer is no.

    Raises:
        UsageError: A value out of its domain.

    Example:
        >>> Settings(planner="eb:0.5", block_length=16).likelihood
        'mc'
    """

    pretrained: str | Path | Denoiser = "tiny"
    schedule: str | None = None
    planner: str | None = None
    steps: int | None = None
    block_length: int | None = None
    light: str | Path | Denoiser | None = None
    device: str = "auto"
    dtype: str = "auto"
    revision: str | None = None
    mask_id: int | None = None
    batch_size: int = BATCH_SIZE
    max_batch_size: int = BATCH_SIZE
    max_gen_toks: int = 256
    length: int | None = None
    temperature: float = 0.0
    guidance: float = 0.0
    seed: int = 0
    likelihood: str = "mc"
    mc_samples: int = 128
    check_greedy: bool = True

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if value is not None and not (whole and value >= least):
                raise UsageError(f"{name}: need a whole number >= {least}, got {value!r}")
        for name in _NUMBERS:
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise UsageError(f"{name}: need a number, got {value!r}")
        check_guidance(self.guidance)
        if self.likelihood not in LIKELIHOODS:
            known = " or ".join(LIKELIHOODS)
            raise UsageError(f"likelihood: need {known}, got {self.likelihood!r}")
        if not isinstance(self.check_greedy, bool):
            raise UsageError(f"check_greedy: need true or false, got {self.check_greedy!r}")
        if self.schedule is not None:
            for name in ("planner", "steps", "block_length"):
                if getattr(self, name) is not None:
                    raise UsageError(
                        f"{name}: the schedule {self.schedule!r} brings its own",
                        hint=f"give schedule= or {name}=, not both",
                    )

    def models(self) -> tuple[Denoiser, ...]:
        """The model, and its light sibling where there is one.

        Raises:
            SchedoptError: As ``load_model``.
        """
        named = [self.pretrained] if self.light is None else [self.pretrained, self.light]
        return tuple(self._load(model) for model in named)

    def _load(self, model: str | Path | Denoiser) -> Denoiser:
        if not isinstance(model, str | Path):
            return model
        # A revision is one of the main model's repository.
        revision = self.revision if model == self.pretrained else None
        return load_model(
            model, device=self.device, dtype=self.dtype, mask_id=self.mask_id, revision=revision
        )

    def policy(self, denoiser: Denoiser) -> Policy:
        """The schedule or planner, for this model.

        Raises:
            InputError: The schedule's file is not there, is none, or is for longer texts or
                other tokens than the model's.
            UsageError: The planner is none.
        """
        if self.schedule is not None:
            file = loads(read_bytes(self.schedule), [ScheduleFile], name=self.schedule)
            _compare(self.schedule, file, denoiser)
            return as_policy(file.schedule)
        block_length = self.block_length or BLOCK_LENGTH
        planner = self.planner or "confidence"
        if takes_steps(planner):
            return policy_for(planner, block_length=block_length, steps=self.steps or block_length)
        if self.steps is not None:
            raise UsageError(f"steps: planner {planner!r} sets its number of steps itself")
        return policy_for(planner, block_length=block_length)


def _compare(path: str, file: ScheduleFile, denoiser: Denoiser) -> None:
    """Hold a schedule against the model that is to follow it."""
    longest, length = denoiser.max_length, file.schedule.length
    if longest is not None and length > longest:
        raise InputError(
            f"{path}: $.schedule.length: the model takes {longest} tokens at most, got {length}",
            hint="solve for a smaller --length, or name the model it was solved for",
        )
    warning = measured_on(path, file, [denoiser.provenance])
    if warning:
        LOG.warning("%s", warning)


def read_settings(arguments: Mapping[str, object]) -> Settings:
    """Settings of the arguments that lm-eval hands over.

    Args:
        arguments: Names and values, as lm-eval has parsed them.

    Raises:
        UsageError: An unknown name, or a value out of its domain.

    Example:
        >>> read_settings({"planner": "eb:0.5", "rank": "dilated", "steps": 8}).planner
        'eb:0.5,rank=dilated'
        >>> read_settings({"schedul": "schedule.json"})
        Traceback (most recent call last):
        schedopt.errors.UsageError: unknown model argument 'schedul'
    """
    given: dict[str, Any] = {
        name: str(value) if name in _TEXTS and isinstance(value, int | float) else value
        for name, value in arguments.items()
        if value is not None
    }
    size = given.get("batch_size")
    if isinstance(size, str):  # as --batch_size comes: 32, auto, or auto:4
        auto = size.partition(":")[0] == "auto"
        most = given.get("max_batch_size", BATCH_SIZE)
        given["batch_size"] = most if auto else int(size) if size.isdecimal() else size
    if "planner" in given:
        own = [f"{name}={given.pop(name)}" for name in list(given) if name in _PLANNER_KEYS]
        given["planner"] = ",".join([str(given["planner"]), *own])
    known = [field.name for field in fields(Settings)]
    for name in given.keys() - known:
        near = get_close_matches(name, known, 1)
        raise UsageError(
            f"unknown model argument {name!r}",
            hint=f"is it {near[0]}?" if near else f"the arguments are {', '.join(known)}",
        )
    return Settings(**given)
