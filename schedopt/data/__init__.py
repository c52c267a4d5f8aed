"""Text to windows of tokens: what models are measured on.

- ``corpus``: files of text, or of prompts and responses.
- ``cut``: their windows.
- ``windows``: what a window is.
- ``load``: all of it for one model.
"""

from schedopt.data.corpus import BUNDLED_TEXT, Corpus, check_part, part_name, read_corpus
from schedopt.data.cut import cut_responses, cut_windows, leading_tokens
from schedopt.data.load import DEFAULT_CONTEXT, DEFAULT_LENGTH, context_for, load_windows
from schedopt.data.windows import Windows, check_tokens, generator

__all__ = [
    "BUNDLED_TEXT",
    "DEFAULT_CONTEXT",
    "DEFAULT_LENGTH",
    "Corpus",
    "Windows",
    "check_part",
    "check_tokens",
    "context_for",
    "cut_responses",
    "cut_windows",
    "generator",
    "leading_tokens",
    "load_windows",
    "part_name",
    "read_corpus",
]
