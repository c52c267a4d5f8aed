"""Sampling texts from a model with a schedule or a planner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import TypeGuard, cast

import torch

from schedopt.errors import UsageError
from schedopt.models import Denoiser, load_model
from schedopt.models.denoiser import NO_TOKEN, start_of_text
from schedopt.running import Progress
from schedopt.samplers.drawing import draw
from schedopt.samplers.policies import Policy, as_policy
from schedopt.samplers.siblings import check_enough
from schedopt.samplers.unmask import block_count, check_width
from schedopt.schedule import UnmaskingSchedule, is_whole

Prompt = str | Sequence[int]


@dataclass(frozen=True)
class Samples:
    """Sampled sequences, one entry a row; the prompt is part of each.

    Args:
        tokens: Token ids of each row, prompt first.
        texts: Their texts, or None where the model has no tokenizer.
        revealed_at: For each token, how many steps the row had taken before the one that
            revealed it; ``GIVEN`` (-1) for given tokens, ``PAST_END`` (-2) after the end. A step
            is one pass of the row, or two with guidance.
        passes: Forward passes of each row, by each model.
    """

    tokens: tuple[tuple[int, ...], ...]
    texts: tuple[str, ...] | None
    revealed_at: tuple[tuple[int, ...], ...]
    passes: tuple[tuple[int, ...], ...]

    @property
    def nfe(self) -> tuple[int, ...]:
        """Forward passes of each row."""
        return tuple(sum(by_model) for by_model in self.passes)


def sample(
    model: Denoiser | str | Path,
    schedule: UnmaskingSchedule | Policy,
    *,
    prompt: Prompt | Sequence[Prompt] = "",
    length: int | None = None,
    count: int = 1,
    temperature: float = 1.0,
    seed: int = 0,
    tokens: Sequence[int] | None = None,
    batch_size: int = 64,
    guidance: float = 0.0,
    siblings: Sequence[Denoiser | str | Path] = (),
    progress: Progress | None = None,
) -> Samples:
    """Sample sequences: a prompt, then ``length`` positions cut into blocks from the left.

    Each row has its own random numbers, so that a row depends on the seed and its index, not on
    the batch. A row ends at the model's end token, where it has one and everything before it is
    revealed; the rest of the row is filled with end tokens. A schedule that knows its positions
    in advance looks for the end once a block, others once a step.

    Args:
        model: A denoiser, a bundled model's name, or a folder.
        schedule: A schedule, or any policy.
        prompt: A text or token ids, or a list of either; prompts may differ in length. A text is
            put into the chat template of a checkpoint that has one. Where the model has a
            ``bos_id``, an empty prompt is that token.
        length: Positions to sample after the prompt, a multiple of the block length; one block
            where left out.
        count: Rows for each prompt.
        temperature: T of p^(1/T), >= 0; 0 takes the likeliest token. Planners always see the
            untempered model.
        seed: Of orders and tokens, >= 0.
        tokens: Infilling: what follows the prompt, with the model's ``mask_id`` at positions to
            be sampled and given tokens anywhere else. Its length takes the place of ``length``.
        batch_size: Rows that go through the model at once.
        guidance: Scale of classifier-free guidance, >= 0, at two passes a step; see ``guide``.
        siblings: Models 1, 2, ... of a schedule that names a model for each step, such as a
            light one; as ``model``, which is model 0.
        progress: Called with the number of rows that are done and their total.

    Returns:
        Rows of the first prompt, then of the second, and so on. No token is ``mask_id``.

    Raises:
        UsageError: A length, a token or another argument out of its domain, a text where the
            model has no tokenizer, or no prompt where it needs a first token and names none.
        MissingModelError: No such model, or fewer than the schedule names.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> samples = sample("tiny", dus_schedule(16), prompt="import ", length=16)
        >>> samples.texts[0][:7], samples.nfe, samples.revealed_at[0][7:9]
        ('import ', (4,), (0, 3))
    """
    denoiser = load_model(model) if isinstance(model, str | Path) else model
    policy = as_policy(schedule)
    check_enough(policy, 1 + len(siblings))
    models = (denoiser, *(_load_beside(denoiser, sibling) for sibling in siblings))
    _check_whole("count", count)
    _check_whole("batch_size", batch_size)
    prompts = [_encode(denoiser, one) or start_of_text(denoiser) for one in _prompts(prompt)]
    given = None if tokens is None else _tokens(denoiser, tokens, length)
    usual = policy.block_length if given is None else len(given)
    width = usual if length is None else length
    block_count(width, policy)
    decode = None if denoiser.tokenizer is None else denoiser.tokenizer.decode
    if decode is not None:
        decode([])  # what is missing to write texts is found out before the passes
    for ids in prompts:
        for one in models:
            check_width(one, len(ids) + width)  # before so many positions are allocated
    template = [denoiser.mask_id] * width if given is None else given
    starts = [len(ids) for ids in prompts for _ in range(count)]
    by_row: dict[int, tuple[list[int], list[int], list[int]]] = {}
    # Rows of like length go together: less of a batch is left empty.
    order = sorted(range(len(starts)), key=starts.__getitem__)
    for first in range(0, len(order), batch_size):
        rows = order[first : first + batch_size]
        start = max(starts[row] for row in rows)
        canvas = [
            [NO_TOKEN] * (start - starts[row]) + prompts[row // count] + template for row in rows
        ]
        done = draw(
            models,
            torch.tensor(canvas),
            policy,
            start=start,
            rows=rows,
            seed=seed,
            temperature=temperature,
            eos_id=denoiser.eos_id,
            guidance=guidance,
        )
        parts = (done.tokens.tolist(), done.revealed_at.tolist(), done.passes.tolist())
        for row, ids, steps, passes in zip(rows, *parts, strict=True):
            absent = start - starts[row]
            by_row[row] = (ids[absent:], steps[absent:], passes)
        if progress is not None:
            progress(len(by_row), len(starts))
    results = [by_row[row] for row in range(len(starts))]
    return Samples(
        tokens=tuple(tuple(ids) for ids, _, _ in results),
        texts=None if decode is None else tuple(decode(ids) for ids, _, _ in results),
        revealed_at=tuple(tuple(steps) for _, steps, _ in results),
        passes=tuple(tuple(passes) for _, _, passes in results),
    )


def _load_beside(denoiser: Denoiser, sibling: Denoiser | str | Path) -> Denoiser:
    """A sibling, on the device and in the dtype of the first model where it is to be loaded."""
    if not isinstance(sibling, str | Path):
        return sibling
    kept = denoiser.provenance.get("dtype", "float32")
    return load_model(sibling, device=str(denoiser.device), dtype=str(kept))


def _is_list_of_prompts(prompt: Prompt | Sequence[Prompt]) -> TypeGuard[Sequence[Prompt]]:
    return not isinstance(prompt, str) and any(isinstance(p, str | Sequence) for p in prompt)


def _prompts(prompt: Prompt | Sequence[Prompt]) -> Sequence[Prompt]:
    return prompt if _is_list_of_prompts(prompt) else [cast(Prompt, prompt)]


def _encode(denoiser: Denoiser, prompt: Prompt) -> list[int]:
    if not isinstance(prompt, str):
        ids = _ids("prompt", prompt)
    elif not prompt:
        return []
    elif denoiser.tokenizer is None:
        raise UsageError("the model has no tokenizer: give the prompt as token ids")
    else:
        ids = denoiser.tokenizer.prompt(prompt)
    _check_tokens(denoiser, ids)
    if denoiser.mask_id in ids:
        raise UsageError(
            f"prompt: token {ids.index(denoiser.mask_id)} is the mask token {denoiser.mask_id}",
            hint="positions to be sampled go into `tokens`, after the prompt",
        )
    return ids


def _check_tokens(denoiser: Denoiser, ids: Sequence[int]) -> None:
    for i, token in enumerate(ids):
        if not 0 <= token < denoiser.vocab_size:
            raise UsageError(f"token {i}: need 0..{denoiser.vocab_size - 1}, got {token}")


def _ids(name: str, tokens: Sequence[int]) -> list[int]:
    """Token ids as plain numbers; of a fraction, int() would make another token."""
    ids = []
    for i, token in enumerate(tokens):
        try:
            ids.append(index(token))
        except TypeError:
            raise UsageError(
                f"{name}[{i}]: need a token id, a whole number, got {token!r}",
                hint="give a text or a list of token ids",
            ) from None
    return ids


def _tokens(denoiser: Denoiser, tokens: Sequence[int], length: int | None) -> list[int]:
    ids = _ids("tokens", tokens)
    if length is not None and length != len(ids):
        raise UsageError(
            f"tokens: there are {len(ids)}, but length is {length}", hint="leave out the length"
        )
    _check_tokens(denoiser, ids)
    return ids


def _check_whole(name: str, value: object) -> None:
    if not is_whole(value) or value < 1:
        raise UsageError(f"{name}: need a whole number >= 1, got {value!r}", hint=f"{name}=1")
