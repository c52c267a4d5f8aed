"""Tasks by name, as a command line spells them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from schedopt.errors import UsageError
from schedopt.tasks.addition import addition
from schedopt.tasks.lists import copy, insert, reverse, shuffle, sort
from schedopt.tasks.squares import latin, sudoku
from schedopt.tasks.task import Task
from schedopt.tasks.walks import walk

# Each takes its size, or has one.
TASKS: Final[Mapping[str, Callable[..., Task]]] = {
    "copy": copy,
    "reverse": reverse,
    "sort": sort,
    "insert": insert,
    "shuffle": shuffle,
    "addition": addition,
    "latin": latin,
    "sudoku": sudoku,
    "walk": walk,
}


def make_task(spelling: str) -> Task:
    """The task of a name, ``NAME`` or ``NAME:SIZE``.

    Args:
        spelling: ``sort`` or ``sort:10``; the size is of items (lists), digits, symbols (Latin
            squares), clues (Sudoku) or nodes between the ends (walks).

    Raises:
        UsageError: An unknown name, or a size that is no number or that the task does not come in.

    Example:
        >>> make_task("addition:4").response_length
        5
    """
    name, colon, size = spelling.partition(":")
    if name not in TASKS:
        raise UsageError(f"unknown task {spelling!r}; one of {', '.join(TASKS)}, each with :SIZE")
    if not colon:
        return TASKS[name]()
    if not (size.isascii() and size.isdigit()):
        raise UsageError(
            f"task {spelling!r}: need a whole number after the colon, got {size!r}; "
            f"tasks are {', '.join(TASKS)}"
        )
    return TASKS[name](int(size))
