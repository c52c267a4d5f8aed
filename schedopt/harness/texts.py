"""The texts of lm-eval as tokens that a model takes."""

from __future__ import annotations

from schedopt.errors import UsageError
from schedopt.harness.likelihood import Pair
from schedopt.harness.settings import LOG
from schedopt.models import Denoiser
from schedopt.models.chat import ChatTemplate
from schedopt.models.denoiser import start_of_text
from schedopt.models.tokenizer import CheckpointTokenizer


class Texts:
    """Turns texts into tokens for one model.

    Args:
        denoiser: The model.

    Raises:
        UsageError: It has no tokenizer.
        MissingModelError: The package that would read its tokenizer is missing.

    Example:
        >>> from schedopt.models import load_model
        >>> Texts(load_model("tiny")).pair("x = ", "1")
        ([120, 32, 61], [32, 49])
    """

    def __init__(self, denoiser: Denoiser) -> None:
        if denoiser.tokenizer is None:
            raise UsageError(
                "the model has no tokenizer, and lm-eval speaks in texts",
                hint="put the tokenizer's files into the model's folder",
            )
        self._denoiser = denoiser
        self._tokenizer = denoiser.tokenizer
        self.decode = self._tokenizer.decode
        self.decode([])  # what is missing to write texts is found out before the work

    @property
    def chat(self) -> ChatTemplate | None:
        """The chat template of the checkpoint, if it has one."""
        return self._tokenizer.chat if isinstance(self._tokenizer, CheckpointTokenizer) else None

    def encode(self, text: str) -> list[int]:
        """Tokens of a text.

        Raises:
            UsageError: One of them is the mask token.
        """
        tokens = self._tokenizer.encode(text)
        if self._denoiser.mask_id in tokens:
            raise UsageError(
                f"a text of the task holds the mask token, as token "
                f"{tokens.index(self._denoiser.mask_id)} of {text[:40]!r}...",
                hint="no text may name what stands for an unknown position",
            )
        return tokens

    def fitted(self, context: list[int], room: int) -> list[int]:
        """The end of a context that leaves room for so many tokens; what begins a text, if empty.

        Raises:
            UsageError: There is no room for any of it.
        """
        longest = self._denoiser.max_length
        if not context:
            return start_of_text(self._denoiser)
        if longest is None or len(context) + room <= longest:
            return context
        if room >= longest:
            raise UsageError(
                f"{room} tokens leave no room for a context: the model takes {longest}",
                hint="take a model of longer texts, or generate less: length= or "
                "--gen_kwargs max_gen_toks=...",
            )
        LOG.warning("context of %d tokens: the last %d are kept", len(context), longest - room)
        return context[room - longest :]

    def pair(self, context: str, continuation: str) -> Pair:
        """A context, and the continuation with the spaces before it.

        Raises:
            UsageError: They are too long, or hold the mask token.
        """
        given = self.encode(context.rstrip())
        rest = self.encode(context + continuation)[len(given) :]
        return self.fitted(given, len(rest)), rest

    def windows(self, text: str) -> list[Pair]:
        """A text of any length in windows that fit, each with what is known before it."""
        tokens, start = self.encode(text), start_of_text(self._denoiser)
        longest = self._denoiser.max_length
        room = max(1, len(tokens) if longest is None else longest - len(start))
        windows: list[Pair] = []
        for first in range(0, len(tokens), room):
            window = tokens[first : first + room]
            before = tokens[max(0, first + len(window) - room) : first]
            windows.append(([*start, *before], window))
        return windows
