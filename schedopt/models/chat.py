"""How a model was trained to be asked: the chat template of its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from schedopt.errors import InputError, MissingModelError
from schedopt.models.hub import INSTALL_HINT

if TYPE_CHECKING:
    from jinja2 import Template

FILE: Final = "chat_template.jinja"

# What an expression of a template can raise besides jinja2's own errors.
_FAULTS: Final = (ArithmeticError, LookupError, TypeError, ValueError, RecursionError)


@dataclass(frozen=True)
class ChatTemplate:
    """A Jinja template that frames messages with a model's special tokens.

    It is rendered as transformers documents it, in a sandbox, but knows no ``strftime_now``: a
    prompt must be the same tomorrow.

    Args:
        source: The template.
        where: The file it stands in, named in errors.
        special_tokens: What it may call ``bos_token``, ``eos_token`` and the like.

    Example:
        >>> source = "{{ bos_token }}[{{ messages[0].role }}] {{ messages[0].content }}"
        >>> ChatTemplate(source, "example", {"bos_token": "<s>"}).render_prompt("Hello")
        '<s>[user] Hello'
    """

    source: str
    where: str
    special_tokens: Mapping[str, str]

    def render_prompt(self, prompt: str) -> str:
        """The text that asks the model, as its user, up to where its answer begins.

        Raises:
            InputError: The template is broken, or refuses the message.
            MissingModelError: The package jinja2 is missing.
        """
        return self.render([{"role": "user", "content": prompt}])

    def render(self, messages: Sequence[Mapping[str, str]], *, unfinished: bool = False) -> str:
        """Messages as one text, up to where the answer to them begins.

        Args:
            messages: Each with ``role`` and ``content``.
            unfinished: Whether the last message is the beginning of the answer; then the text
                ends with it.

        Raises:
            InputError: The template is broken, refuses a message, or leaves the last one out.
            MissingModelError: The package jinja2 is missing.

        Example:
            >>> source = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}"
            >>> asked = [{"role": "user", "content": "2+2"}, {"role": "assistant", "content": "="}]
            >>> ChatTemplate(source, "example", {}).render(asked, unfinished=True)
            '<user>2+2</><assistant>='
        """
        try:
            from jinja2 import TemplateError
        except ImportError as error:
            raise MissingModelError(
                f"{self.where}: the package jinja2, which would render the template, is missing",
                hint=INSTALL_HINT,
            ) from error
        try:
            text = self._template.render(
                messages=messages,
                add_generation_prompt=not unfinished,
                tools=None,
                documents=None,
                enable_thinking=False,  # the answer comes at once, as models after Qwen3 learnt it
                **self.special_tokens,
            )
        except (TemplateError, *_FAULTS) as error:
            reason = str(error).partition("\n")[0]
            raise InputError(
                f"{self.where}: the chat template fails: {type(error).__name__}: {reason}",
                hint="mend the template, or give whole texts rather than prompts",
            ) from error
        if not unfinished:
            return text
        last = messages[-1]["content"].strip()  # as many templates do
        place = text.rfind(last)
        if place < 0:
            raise InputError(f"{self.where}: the chat template leaves out {last[:40]!r}")
        return text[: place + len(last)]

    @cached_property
    def _template(self) -> Template:
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        def refuse(message: str) -> NoReturn:
            raise TemplateError(message)

        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = refuse
        return environment.from_string(self.source)


def read_template(
    folder: Path, about: Mapping[str, object], special_tokens: Mapping[str, str]
) -> ChatTemplate | None:
    """The chat template of a checkpoint, or None where it has none.

    Args:
        folder: May hold ``chat_template.jinja``, which comes first.
        about: ``tokenizer_config.json``; its ``chat_template`` is a template or a list of named
            ones, of which ``default`` is taken.
        special_tokens: As ``ChatTemplate``.

    Raises:
        InputError: It is no text, or none of several is the default.
    """
    path = folder / FILE
    if path.is_file():
        try:
            return ChatTemplate(path.read_text(encoding="utf-8"), str(path), special_tokens)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read: {error}") from error
    found = about.get("chat_template")
    if found is None:
        return None
    where = f"{folder / 'tokenizer_config.json'}: $.chat_template"
    if isinstance(found, list):
        objects = [entry for entry in found if isinstance(entry, dict)]
        found = {str(e.get("name")): e.get("template") for e in objects}.get("default")
    if not isinstance(found, str):
        raise InputError(
            f"{where}: need a text, or a list of templates of which one has the name 'default', "
            f"got {str(about['chat_template'])[:60]!r}"
        )
    return ChatTemplate(found, where, special_tokens)
