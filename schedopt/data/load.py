"""From a file and a model to windows, with what a provenance says of the text."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from schedopt.data.corpus import part_name, read_corpus
from schedopt.data.cut import cut_responses, cut_windows
from schedopt.data.windows import Windows
from schedopt.errors import MissingModelError, UsageError
from schedopt.models.denoiser import Denoiser

DEFAULT_LENGTH: Final = 64
DEFAULT_CONTEXT: Final = 64


def context_for(denoiser: Denoiser, length: int, usual: int = DEFAULT_CONTEXT) -> int:
    """The usual context, or less where the model has no room for it before so many tokens.

    Raises:
        UsageError: The model does not take so many tokens at all.
    """
    if denoiser.max_length is None:
        return usual
    room = denoiser.max_length - length
    if room < (denoiser.bos_id is not None):
        raise UsageError(
            f"sequence of {length} tokens: this model takes at most {denoiser.max_length}"
            + ("" if denoiser.bos_id is None else ", of which the first is given"),
            hint="give a smaller --length",
        )
    return min(usual, room)


def load_windows(
    denoiser: Denoiser,
    path: str | Path | None = None,
    *,
    length: int = DEFAULT_LENGTH,
    context: int | None = None,
    part: tuple[int, int] = (1, 1),
    limit: int | None = None,
    usual_context: int = DEFAULT_CONTEXT,
) -> tuple[Windows, dict[str, str | int]]:
    """Windows of a text file for a model, and what a provenance says of the text.

    Args:
        denoiser: Its tokenizer reads the text.
        path: As ``read_corpus``: the bundled text, which is Python source, by default.
        length: As ``cut_windows``, or ``cut_responses`` for a file of prompts and responses.
        context: As ``cut_windows``; not for prompts, which are the context.
        part: (i, n) keeps every n-th document from the i-th on, so that a schedule can be
            fitted on one part of a text and measured on another.
        limit: Keep at most so many windows.
        usual_context: The context where none is asked for, or less where the model has no room.

    Raises:
        MissingModelError: The model has no tokenizer.
        InputError: The text is missing, empty, or too short for one window, or a prompt is too
            long.
        UsageError: A context for prompts, a part that does not exist, or a number out of range.
    """
    tokenizer = denoiser.tokenizer
    if tokenizer is None:
        raise MissingModelError(
            f"model {denoiser.provenance.get('name')!r} has no tokenizer to read a text with",
            hint="measure it on its own samples (--data self), or give Windows of token ids from "
            "Python",
        )
    room = context_for(denoiser, length, usual_context)
    corpus = read_corpus(path).part(part)
    if corpus.prompts is None:
        windows = cut_windows(
            corpus,
            tokenizer,
            context=room if context is None else context,
            length=length,
            bos_id=denoiser.bos_id,
        )
        documents = len(set(corpus.documents))
    elif context is None:
        windows = cut_responses(
            corpus,
            tokenizer,
            length=length,
            max_length=denoiser.max_length,
            eos_id=denoiser.eos_id,
            bos_id=denoiser.bos_id,
        )
        documents = len(np.unique(windows.documents))  # not all may be long enough
    else:
        raise UsageError(
            f"{corpus.name}: its prompts are the context, got a context of {context}",
            hint="leave out --context",
        )
    return windows if limit is None else windows.at_most(limit), {
        "name": part_name(corpus.name, part),
        "sha256": corpus.sha256,
        "documents": documents,
    }
