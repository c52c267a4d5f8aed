"""Making the model known to lm-eval."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from schedopt.errors import MissingModelError

if TYPE_CHECKING:
    from schedopt.harness.model import SchedoptLM


def register() -> type[SchedoptLM]:
    """Let ``lm_eval.simple_evaluate("schedopt", ...)`` find ``SchedoptLM``.

    Returns:
        The class itself, whose instances lm-eval takes, too.

    Raises:
        MissingModelError: The package lm-eval is missing.
    """
    if find_spec("lm_eval") is None:
        raise MissingModelError(
            "the package lm-eval, which would run the tasks, is missing",
            hint="pip install 'schedopt[lm-eval]'",
        )
    from schedopt.harness.model import SchedoptLM  # which registers itself

    return SchedoptLM
