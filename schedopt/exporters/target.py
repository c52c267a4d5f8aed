"""What an exporter is: what it asks of a schedule, what it makes of it, and how that is used."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from schedopt.exporters.assumptions import Assumptions
from schedopt.exporters.options import Options
from schedopt.exporters.origin import origin
from schedopt.files import ScheduleFile

FORMAT: Final = "schedopt.export"


@dataclass(frozen=True)
class Artefact:
    """What an exporter makes of a schedule file.

    Args:
        files: The text of each file by its name; one, where the target makes no folder.
        settings: What the usage of the target names: steps, lengths.

    Example:
        >>> Artefact({"dllm.yaml": "block_length: 32"}).settings
        {}
    """

    files: Mapping[str, str]
    settings: Mapping[str, object] = field(default_factory=dict)


Render: TypeAlias = Callable[[ScheduleFile, Options], Artefact]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A consumer of schedules.

    Args:
        name: As ``--to`` has it.
        about: Who reads the artefact, and what it is.
        needs: What must hold of a schedule.
        render: Makes the artefact of a file that has been checked.
        usage: Three lines that use it, with ``{schedule}`` and ``{output}`` for the paths,
            ``{options}`` for the options given beside the length, as keyword arguments, and the
            artefact's settings by their names.
        options: The options that it takes, by their names in ``Options``.
        folder: Whether the artefact is a folder of files.

    Example:
        >>> from schedopt.exporters import TARGETS
        >>> [target.name for target in TARGETS.values() if target.folder]
        ['diffusers']
    """

    name: str
    about: str
    needs: Assumptions
    render: Render
    usage: str
    options: tuple[str, ...] = ("gen_length",)
    folder: bool = False

    def usage_of(
        self, artefact: Artefact, options: Options, *, schedule: str, output: str | None = None
    ) -> str:
        """The usage of one artefact.

        Args:
            artefact: What the target made.
            options: With which it made it.
            schedule: Path of the schedule file.
            output: Path of the artefact; the name of its file where None.
        """
        beside = (name for name in options.given() if name != "gen_length")
        return self.usage.format(
            schedule=schedule,
            output=next(iter(artefact.files)) if output is None else output,
            options="".join(f", {name}={getattr(options, name)!r}" for name in beside),
            **artefact.settings,
        )


def json_artefact(target: str, file: ScheduleFile, **values: object) -> Artefact:
    """An artefact that is one JSON document, a line for each key; its settings are the values.

    Args:
        target: Its name, which the file has, too.
        file: What the artefact is made of.
        **values: What the document says beside its format and its origin.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> artefact = json_artefact("llada", ScheduleFile(dus_schedule(8)), steps=3)
        >>> json.loads(artefact.files["llada.json"])["steps"], artefact.settings
        (3, {'steps': 3})
    """
    head = {"format": FORMAT, "schema_version": 1, "target": target}
    document = {**head, **values, **origin(file)}
    lines = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in document.items())
    return Artefact({f"{target}.json": "{" + ",\n ".join(lines) + "}\n"}, values)
