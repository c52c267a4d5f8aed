"""Texts, and prompts with their responses, to windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from schedopt.data.corpus import Corpus
from schedopt.data.windows import Windows
from schedopt.errors import InputError, UsageError
from schedopt.models.denoiser import NO_TOKEN
from schedopt.models.tokenizer import Tokenizer


def leading_tokens(bos_id: int | None, context: int) -> list[int]:
    """What stands before every window: the BOS token, where the model needs one and has no room
    for any other known token.

    A model that needs it predicts each token from the position before it, and so never the first.
    A context of one token is BOS as well, so that it means the same for text, samples and files.

    Args:
        bos_id: Of the model; None where no token must stand first.
        context: Known tokens before what is to be sampled.

    Example:
        >>> leading_tokens(7, 0), leading_tokens(7, 64), leading_tokens(None, 0)
        ([7], [], [])
    """
    return [] if bos_id is None or context > 1 else [bos_id]


def cut_windows(
    corpus: Corpus,
    tokenizer: Tokenizer,
    *,
    context: int,
    length: int,
    limit: int | None = None,
    bos_id: int | None = None,
) -> Windows:
    """Cut texts into consecutive windows of context + length tokens; short ends are dropped.

    A single text has no others to take standard errors over: there each window counts as a
    document.

    Args:
        corpus: The text.
        tokenizer: Of the model to be measured.
        context: Known tokens at the left of each window, >= 0.
        length: Tokens to be sampled, >= 1.
        limit: Keep at most so many windows, spread evenly over the corpus.
        bos_id: Of a model that needs a token before the first one that it predicts: it is the
            context of each window where the one asked for is 0 or 1.

    Raises:
        InputError: No document is long enough for one window.
        UsageError: A length out of range.
    """
    if length < 1 or context < 0:
        raise UsageError(f"need length >= 1 and context >= 0, got {length} and {context}")
    first = leading_tokens(bos_id, context)
    size = length if first else context + length
    rows: list[list[int]] = []
    owners: list[int] = []
    longest = 0
    for index, text in zip(corpus.documents, corpus.texts, strict=True):
        tokens = tokenizer.encode(text)
        longest = max(longest, len(tokens))
        for start in range(0, len(tokens) - size + 1, size):
            rows.append(first + tokens[start : start + size])
            owners.append(index)
    if not rows:
        raise InputError(
            f"{corpus.name}: the longest text has {longest} tokens, a window needs {size} "
            f"(context {size - length} + length {length})",
            hint="give longer text, or smaller --length or --context",
        )
    documents = np.array(owners, dtype=np.int64)
    if len(corpus.texts) == 1:
        documents = np.arange(len(rows), dtype=np.int64)
    windows = Windows(torch.tensor(rows), documents, len(first) or context)
    return windows if limit is None else windows.at_most(limit)


def cut_responses(
    corpus: Corpus,
    tokenizer: Tokenizer,
    *,
    length: int,
    max_length: int | None = None,
    eos_id: int | None = None,
    bos_id: int | None = None,
) -> Windows:
    """One window a record: its prompt is the context, its response is to be sampled.

    A response ends, and a sampler has to say where: a short one is completed with the end token.
    A long one is cut. The widest prompt is the context of all; shorter ones have no token at
    their left.

    Args:
        corpus: Prompts and responses.
        tokenizer: Of the model to be measured; its chat template, if any, frames the prompts.
        length: Tokens to be sampled, >= 1.
        max_length: Tokens that the model takes; None for any number.
        eos_id: Token that ends a response; where the model has none, short responses are left out.
        bos_id: What an empty prompt becomes for a model that needs a token before the first one
            that it predicts.

    Raises:
        InputError: A prompt leaves no room for the length, or no response is long enough.
        UsageError: The length is below 1, or there are no prompts.

    Example:
        >>> from schedopt.models import ByteTokenizer
        >>> corpus = Corpus("-", "", ("yes", "no"), (0, 1), prompts=("a?", "why?"))
        >>> cut_responses(corpus, ByteTokenizer(), length=3, eos_id=256).tokens
        tensor([[ -1,  -1,  97,  63, 121, 101, 115],
                [119, 104, 121,  63, 110, 111, 256]])
    """
    if length < 1 or corpus.prompts is None:
        raise UsageError(f"need prompts and length >= 1, got {length} for {corpus.name}")
    prompts: list[Sequence[int]] = []
    responses: list[Sequence[int]] = []
    owners: list[int] = []
    longest = 0
    for i, (text, prompt) in enumerate(zip(corpus.texts, corpus.prompts, strict=True)):
        given = tokenizer.prompt(prompt)
        given = given or leading_tokens(bos_id, 0)
        if max_length is not None and len(given) > max_length - length:
            most = max_length - len(given)
            raise InputError(
                f"{corpus.where(i)}: the prompt has {len(given)} tokens, and this model has room "
                f"for {max_length - length} before the {length} to be sampled (at most "
                f"{max_length} together)",
                hint=f"give a --length of at most {most}, or leave the record out"
                if most > 0
                else "leave the record out, or shorten its prompt",
            )
        response = tokenizer.encode(text)[:length]
        longest = max(longest, len(response))
        if len(response) < length:
            if eos_id is None:
                continue
            response = response + [eos_id] * (length - len(response))
        prompts.append(given)
        responses.append(response)
        owners.append(corpus.documents[i])
    if not responses:
        raise InputError(
            f"{corpus.name}: the longest response has {longest} tokens, {length} are to be "
            "sampled, and the model has no token that ends a text",
            hint="give longer responses, or a smaller --length",
        )
    context = max(len(given) for given in prompts)
    rows = [
        [NO_TOKEN] * (context - len(given)) + [*given, *response]
        for given, response in zip(prompts, responses, strict=True)
    ]
    return Windows(torch.tensor(rows), np.array(owners, dtype=np.int64), context)
