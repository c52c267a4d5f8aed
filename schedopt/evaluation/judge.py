"""An autoregressive model that says how likely texts are: the judge of generated text.

Its number alone measures no quality, since dull text is likely: to ``tiny-judge``, 128 blanks cost
0.12 nats a byte, less than any code. It is shown beside ``diversity``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from schedopt.errors import InputError, UsageError
from schedopt.models.batches import BatchedDenoiser
from schedopt.models.denoiser import NO_MASK
from schedopt.models.load import load_autoregressive
from schedopt.models.tokenizer import Tokenizer

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

TOGETHER: Final = 256  # windows that are handed over at once, of like length
LOOK: Final = 8  # tokens of the sequence that shows whether a model sees what comes after
SAME: Final = 1e-3  # what rounding may move an NLL by


@dataclass(frozen=True, eq=False)
class JudgedTexts:
    r"""What a judge makes of N texts.

    Perplexity is not among its fields: :math:`\exp(\sum nats / \sum tokens)` is printed where the
    entropy of the same samples is, and not elsewhere.

    Args:
        nats: Shape (N,), the NLL of each text in all, nats; 0 of an empty one.
        tokens: Shape (N,), how many tokens that is over, in the judge's tokenization.
    """

    nats: Floats
    tokens: Integers


class Judge:
    r"""Scores texts by an autoregressive model, in its own tokenization.

    For a text of tokens x and a prompt of tokens c,

    .. math:: NLL(x | c) = -\sum_i \log p(x_i | s, c, x_{<i}) ,

    with s the token that the model begins every text with (``bos_token_id`` of its config). A
    model without one cannot score a text's first token where there is no prompt: the sum begins at
    the second, as in the evaluation of MDLM under GPT-2, and ``tokens`` counts one less. No end of
    text is scored.

    A text that is longer than the model takes is scored in overlapping windows: each token is
    conditioned on as many tokens before it as fit, and on half of what the model takes at least.

    Prompt and text are turned into tokens apart from each other, so that exactly the characters of
    the text are scored, whatever the tokenizer. Where it would have joined characters across the
    border, this is the NLL of a tokenization that is not its usual one, which is no less than that
    of the characters; a byte-level judge has no such border.

    Args:
        model: A model with ``shift`` 1 and mask ``NO_MASK`` that has a tokenizer: that of
            ``load_autoregressive``, or a ``CallableDenoiser`` around a function of yours.

    Attributes:
        name: What files call the model.
        provenance: Name, hash and the like, for files.

    Raises:
        UsageError: A model with a mask token, without a tokenizer, that takes less than two
            tokens, or that sees tokens that come after.
        InputError: The token that begins a text stands for text in the tokenizer.

    References:
        Sahoo et al. 2024, Simple and Effective Masked Diffusion Language Models
        (arXiv:2406.07524), generative perplexity.

    Example:
        >>> from schedopt.models import ByteTokenizer, CallableDenoiser
        >>> def unsure(tokens):
        ...     return torch.zeros(*tokens.shape, 257)
        >>> judge = Judge(
        ...     CallableDenoiser(
        ...         unsure, mask_id=NO_MASK, shift=1, vocab_size=257, bos_id=256,
        ...         tokenizer=ByteTokenizer(),
        ...     )
        ... )
        >>> judged = judge.nll(["ab", ""], prompts=["", "c"])
        >>> judged.tokens, judged.nats.round(3)
        (array([2, 0]), array([11.098,  0.   ]))
    """

    def __init__(self, model: BatchedDenoiser) -> None:
        name = model.provenance["name"]
        if model.mask_id != NO_MASK or model.shift != 1:
            raise UsageError(
                f"model {name!r} has shift {model.shift} and mask token {model.mask_id}: a judge "
                "is autoregressive",
                hint="load it with load_judge, or bring it along as CallableDenoiser(function, "
                "mask_id=NO_MASK, shift=1, ...)",
            )
        if model.tokenizer is None:
            raise UsageError(
                f"model {name!r} has no tokenizer, and a judge reads texts",
                hint="put tokenizer.json into its folder, or name one with tokenizer= in Python",
            )
        if model.max_length is not None and model.max_length < 2:
            raise UsageError(f"model {name!r} takes {model.max_length} token: a judge needs 2")
        if model.bos_id is not None and (text := model.tokenizer.decode([model.bos_id])):
            raise InputError(
                f"model {name!r}: the token {model.bos_id} begins a text of the model; in its "
                f"tokenizer it is the text {text!r}",
                hint="take the tokenizer files that belong to the checkpoint",
            )
        self._model = model
        self._tokenizer: Tokenizer = model.tokenizer
        self._start = [] if model.bos_id is None else [model.bos_id]
        self.name = str(name)
        self.provenance: Mapping[str, str | int] = model.provenance
        self._refuse_foresight()

    def nll(self, texts: Sequence[str], prompts: Sequence[str] | None = None) -> JudgedTexts:
        """NLL of each text, after its prompt where there is one.

        Args:
            texts: N texts.
            prompts: What stands before each of them and is not scored; none by default.

        Raises:
            UsageError: A single string, or another number of prompts than of texts.
            InputError: The model gives no distribution.
        """
        for told, given in (("texts", texts), ("prompts", prompts)):
            if isinstance(given, str):
                raise UsageError(f"{told}: need a list of texts, got the text {given[:20]!r}")
        encode = self._tokenizer.encode
        return self.nll_of_tokens(
            [encode(text) for text in texts],
            None if prompts is None else [encode(prompt) for prompt in prompts],
        )

    def nll_of_tokens(
        self, rows: Sequence[Sequence[int]], prompts: Sequence[Sequence[int]] | None = None
    ) -> JudgedTexts:
        """``nll`` of texts that are tokens of the judge already.

        What a byte-level model has drawn need not be UTF-8. As text its broken bytes become
        U+FFFD, three bytes each; a judge of the same bytes scores them here as they are.

        Args:
            rows: N sequences of token ids.
            prompts: Token ids before each of them; none by default.

        Raises:
            UsageError: Another number of prompts than of rows.
            InputError: A token that the model does not have, or it gives no distribution.
        """
        before = [[]] * len(rows) if prompts is None else prompts
        if len(before) != len(rows):
            raise UsageError(f"need a prompt for each of {len(rows)} texts, got {len(before)}")
        windows = [
            _Window(text, tokens[start:stop], first - start)
            for text, (prompt, row) in enumerate(zip(before, rows, strict=True))
            for tokens in ([*self._start, *prompt, *row],)
            for start, first, stop in spans(
                len(tokens), len(tokens) - len(row), self._model.max_length
            )
        ]
        nats, tokens = np.zeros(len(rows)), np.zeros(len(rows), dtype=np.int64)
        windows.sort(key=lambda window: len(window.tokens))
        for i in range(0, len(windows), TOGETHER):
            part = windows[i : i + TOGETHER]
            scored = np.array([len(window.tokens) - window.first for window in part])
            text = np.array([window.text for window in part])
            np.add.at(nats, np.repeat(text, scored), self._score(part))
            np.add.at(tokens, text, scored)
        return JudgedTexts(nats, tokens)

    def _score(self, windows: Sequence[_Window]) -> Floats:
        """NLL of the scored tokens of some windows, one after another.

        They are filled up at the right, where no earlier row sees it: no mask is needed, and none
        of a function that was brought along.
        """
        width = max(len(window.tokens) for window in windows)
        tokens = torch.zeros(len(windows), width, dtype=torch.int64)
        scored = torch.zeros(len(windows), width, dtype=torch.bool)
        for row, window in enumerate(windows):
            tokens[row, : len(window.tokens)] = torch.tensor(window.tokens)
            scored[row, window.first : len(window.tokens)] = True
        nll, _ = self._model.score(tokens, scored, tokens)
        return nll.double().cpu().numpy()

    def _refuse_foresight(self) -> None:
        """A row that changes with what comes after it has seen what it is to predict."""
        length = min(LOOK, self._model.max_length or LOOK)
        tokens = torch.zeros(2, length, dtype=torch.int64)
        tokens[1, 1:] = 1
        second = torch.zeros_like(tokens, dtype=torch.bool)
        second[:, 1] = True
        found = self._model.score(tokens, second, torch.zeros_like(tokens))
        if any(abs(float(one - other)) > SAME for one, other in found):
            raise UsageError(
                f"model {self.name!r} sees tokens that come after: it is not autoregressive, and "
                "would judge what it has seen",
                hint="give an autoregressive model as the judge, with its causal mask on",
            )


@dataclass(frozen=True)
class _Window:
    """Tokens of a text that are read together, and the first of them that is scored."""

    text: int
    tokens: Sequence[int]
    first: int


def spans(length: int, given: int, most: int | None) -> Iterator[tuple[int, int, int]]:
    """Overlapping windows that score each token of a sequence once, after what stands before it.

    Args:
        length: Tokens of the sequence.
        given: How many of the leading tokens are not scored; the first never is.
        most: Tokens of the longest window, at least 2; None where any will do.

    Yields:
        Where a window begins, the first token that it scores, and where it ends. That token has
        ``most - most // 2`` tokens before it in the window, or more, or all there are.

    Example:
        >>> list(spans(10, 1, 4))
        [(0, 1, 4), (2, 4, 6), (4, 6, 8), (6, 8, 10)]
        >>> list(spans(10, 8, 4)), list(spans(10, 8, None)), list(spans(8, 8, None))
        ([(6, 8, 10)], [(0, 8, 10)], [])
    """
    window = length if most is None else most
    first = max(given, 1)
    while first < length:
        start = max(0, min(first - (window - window // 2), length - window))
        stop = min(start + window, length)
        yield start, first, stop
        first = stop


def load_judge(
    path_or_alias: str | Path = "tiny-judge",
    *,
    device: str = "cpu",
    dtype: str = "float32",
    revision: str | None = None,
) -> Judge:
    """Load an autoregressive language model as a judge.

    Args:
        path_or_alias: The bundled ``tiny-judge``, or a folder or hub id of a Qwen2, Qwen3, Llama
            or GPT-2 checkpoint, such as ``openai-community/gpt2-large``.
        device: A torch device, such as ``cpu`` or ``cuda``; ``auto`` for a GPU where there is one.
        dtype: As of ``load_model``.
        revision: Branch, tag or commit of a model of the hub.

    Raises:
        MissingModelError: No such folder, a file of it is missing, or the architecture is unknown.
        InputError: The config, a tensor or the tokenizer is not what the architecture needs.
        UsageError: A masked model, or one without a tokenizer.
        DeviceMemoryError: The weights do not fit the device.

    Example:
        >>> judge = load_judge("tiny-judge")
        >>> code, noise = judge.nll(["import os\\n", "qzj xk vw\\n"]).nats
        >>> bool(code < noise)
        True
    """
    return Judge(load_autoregressive(path_or_alias, device=device, dtype=dtype, revision=revision))
