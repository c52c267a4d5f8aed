"""What a model is measured on: windows of a text, or of its own samples."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from schedopt.data import (
    DEFAULT_CONTEXT,
    DEFAULT_LENGTH,
    Windows,
    check_part,
    context_for,
    generator,
    load_windows,
    part_name,
)
from schedopt.errors import UsageError
from schedopt.models.denoiser import Denoiser, start_of_text
from schedopt.running import LOCAL, Arrays, Progress, Runner
from schedopt.samplers.drawing import draw
from schedopt.samplers.registry import policy_for

SELF: Final = "self"  # no file is called so: files end in .txt or .jsonl
SELF_TEXTS: Final = 128  # each costs a pass a token; standard errors are over texts
# Drawn together, in a unit of work that is shared among ranks and kept in a journal.
TOGETHER: Final = 16


def self_samples(
    denoiser: Denoiser,
    count: int = SELF_TEXTS,
    *,
    context: int = 0,
    length: int = DEFAULT_LENGTH,
    seed: int = 0,
    part: tuple[int, int] = (1, 1),
    progress: Progress | None = None,
    runner: Runner = LOCAL,
) -> Windows:
    """Draw texts from the model itself, one position a step in random order at temperature 1.

    They need no tokenizer and no text. Along the order in which a text was drawn, the expected
    loss is the model's own entropy. Along all others, too, where the conditionals are those of
    one joint law; those of a network are not, so that its loss there is larger.

    Each text depends on the seed and its index alone. None ends early: end tokens are tokens.

    Args:
        denoiser: The model.
        count: How many texts; each is a document.
        context: How many of the leading tokens become the context. A model with a ``bos_id`` is
            given that token and has a context of at least 1.
        length: Tokens after the context.
        seed: Of orders and tokens, >= 0; what is drawn later from the same seed is independent.
        part: (i, n) draws the texts of indices i - 1, i - 1 + n, and so on, so that parts share
            none.
        progress: Called with the number of texts done and their total.
        runner: Shares the work among ranks and keeps it in a journal.

    Raises:
        UsageError: A number out of range, a length that the model does not take, or a model that
            needs a first token and names none.

    Example:
        >>> from schedopt.models import LawDenoiser
        >>> parity = LawDenoiser([[0.5, 0.0], [0.0, 0.5]])
        >>> windows = self_samples(parity, 100, length=2)
        >>> bool((windows.tokens[:, 0] == windows.tokens[:, 1]).all()), windows.context
        (True, 0)
    """
    if count < 1 or length < 1 or context < 0:
        raise UsageError(
            f"need count >= 1, length >= 1 and context >= 0, got {count}, {length} and {context}"
        )
    index, parts = check_part(part)
    given = start_of_text(denoiser)
    context = max(context, len(given))
    drawn = context + length - len(given)
    # Orders and tokens of a later evaluation come from the seed itself: it must not meet each
    # text in the very order that this one was drawn in.
    own_seed = int(generator(seed, int.from_bytes(SELF.encode())).integers(1 << 63))
    policy = policy_for("random", block_length=drawn, steps=drawn)
    rows = range(index - 1, index - 1 + count * parts, parts)

    def draw_unit(unit: int) -> tuple[NDArray[np.int64]]:
        batch = rows[unit * TOGETHER : (unit + 1) * TOGETHER]
        done = draw(
            [denoiser],
            torch.tensor([given + [denoiser.mask_id] * drawn] * len(batch)),
            policy,
            start=len(given),
            rows=batch,
            seed=own_seed,
        )
        return (done.tokens.cpu().numpy(),)

    def told(unit: int, _: Arrays) -> None:
        if progress is not None:
            progress(min((unit + 1) * TOGETHER, count), count)

    units = runner.map("texts of the model's own", -(-count // TOGETHER), draw_unit, told)
    tokens = np.concatenate([tokens for (tokens,) in units])
    return Windows(torch.from_numpy(tokens), np.arange(count), context)


def load_text(
    denoiser: Denoiser,
    data: str | Path | None = None,
    *,
    length: int | None = None,
    context: int | None = None,
    part: tuple[int, int] = (1, 1),
    limit: int | None = None,
    texts: int | None = None,
    seed: int = 0,
    usual_length: int = DEFAULT_LENGTH,
    usual_context: int = DEFAULT_CONTEXT,
    progress: Progress | None = None,
    runner: Runner = LOCAL,
) -> tuple[Windows, dict[str, str | int]]:
    """Windows that ``data`` names, and what a provenance says of them.

    Args:
        denoiser: The model.
        data: A file, as ``load_windows``; ``self`` for the model's own samples; the bundled text
            by default, which is Python source.
        length: Tokens to be sampled; by default the usual length, or what a model of one length
            has after the context.
        context: Known tokens before them; by default the usual context, or less where the model
            has no room. Not for a file of prompts, which are the context.
        part: (i, n) for the i-th of n parts, which share no document.
        limit: Use at most so many windows.
        texts: Of ``self``: how many to draw; the limit by default, or else 128.
        seed: Of ``self``.
        usual_length: As above.
        usual_context: As above.
        progress: Of ``self``: called with the number of texts done and their total.
        runner: Of ``self``: shares the work among ranks and keeps it in a journal.

    Returns:
        The windows; and name, SHA-256 (of the file, or of the tokens of ``self`` as int64) and
        number of documents.

    Raises:
        UsageError: A number out of range, or ``texts`` for a file.
        MissingModelError: The model has no tokenizer to read a file with.
        InputError: As ``load_windows``.
    """
    if length is None:
        fixed = denoiser.max_length if denoiser.fixed_length else None
        known = max(context or 0, int(denoiser.bos_id is not None))
        length = usual_length if fixed is None else fixed - known
    if data != SELF:
        if texts is not None:
            raise UsageError(
                f"texts: {texts} are to be drawn, but the data are a file",
                hint="give --data self, or leave out --texts",
            )
        return load_windows(
            denoiser,
            data,
            length=length,
            context=context,
            part=part,
            limit=limit,
            usual_context=usual_context,
        )
    if context is None:
        context = context_for(denoiser, length, usual_context)
    wanted = [number for number in (texts, limit) if number is not None]
    windows = self_samples(
        denoiser,
        min(wanted, default=SELF_TEXTS),
        context=context,
        length=length,
        seed=seed,
        part=part,
        progress=progress,
        runner=runner,
    )
    digest = hashlib.sha256(windows.tokens.numpy().tobytes()).hexdigest()
    return windows, {
        "name": part_name(SELF, part),
        "sha256": digest,
        "documents": len(windows),
    }
