"""Lists of distinct items: copy, reverse, sort, insert, shuffle.

After the waiting lines of ParallelBench (arXiv:2510.04767): all but the shuffle are functions of
the prompt, so that a perfect model may reveal them at once; the shuffle is nothing but dependence.
A list has 2 to 26 items; another size is a UsageError.
"""

from __future__ import annotations

from collections.abc import Callable
from string import ascii_lowercase
from typing import Final

import numpy as np

from schedopt.tasks.task import MASK, Bools, Integers, Task, check_size, function_task

ITEMS: Final = tuple(ascii_lowercase)
DEFAULT_SIZE: Final = 16


def draw_items(rng: np.random.Generator, count: int, size: int) -> Integers:
    """Lists of distinct items, uniform, shape (count, size).

    Example:
        >>> draw_items(np.random.default_rng(0), 1, 4)
        array([[11,  3, 20, 13]])
    """
    ranks = rng.random((count, len(ITEMS))).argsort(axis=1)
    return ranks[:, :size].astype(np.int64)


def _permuting(name: str, size: int, answer: Callable[[Integers], Integers]) -> Task:
    """A task whose answer has the items of the prompt in an order that they decide."""
    check_size(name, "items", size, 2, len(ITEMS))

    def prompts(rng: np.random.Generator, count: int) -> Integers:
        return draw_items(rng, count, size)

    return function_task(f"{name}:{size}", ITEMS, (size, size), prompts, answer)


def copy(size: int = DEFAULT_SIZE) -> Task:
    """Repeat a list.

    Example:
        >>> copy(3).correct(np.array([[3, 1, 2]]), np.array([[3, 1, 2]]))
        array([ True])
    """
    return _permuting("copy", size, np.copy)


def reverse(size: int = DEFAULT_SIZE) -> Task:
    """Turn a list round.

    Example:
        >>> reverse(3).correct(np.array([[3, 1, 2]]), np.array([[2, 1, 3]]))
        array([ True])
    """
    return _permuting("reverse", size, np.fliplr)


def sort(size: int = DEFAULT_SIZE) -> Task:
    """Put a list into alphabetical order.

    Example:
        >>> sort(3).correct(np.array([[3, 1, 2]]), np.array([[1, 2, 3]]))
        array([ True])
    """
    return _permuting("sort", size, lambda items: np.sort(items, axis=1))


def insert(size: int = DEFAULT_SIZE) -> Task:
    """Put a new item where it is told to be; the answer has ``size`` items.

    The prompt is the list of the others, the new item, and the index that it is to have.

    Example:
        >>> insert(3).correct(np.array([[3, 1, 2, 27]]), np.array([[3, 2, 1]]))
        array([ True])
    """
    check_size("insert", "items", size, 2, len(ITEMS))
    places = tuple(f"@{i}" for i in range(size))

    def prompts(rng: np.random.Generator, count: int) -> Integers:
        index = rng.integers(size, size=(count, 1))
        return np.concatenate([draw_items(rng, count, size), len(ITEMS) + index], axis=1)

    def answer(prompts: Integers) -> Integers:
        items, item, index = np.split(prompts, [size - 1, size], axis=1)
        column, index = np.arange(size), index - len(ITEMS)
        before, after = np.hstack([items, item]), np.hstack([item, items])
        return np.where(column < index, before, np.where(column == index, item, after))

    return function_task(f"insert:{size}", (*ITEMS, *places), (size + 1, size), prompts, answer)


def shuffle(size: int = DEFAULT_SIZE) -> Task:
    """Put a list into any order but its own; answers are uniform over all of these.

    Example:
        >>> shuffle(3).correct(np.array([[3, 1, 2]]), np.array([[1, 3, 2]]))
        array([ True])
    """
    check_size("shuffle", "items", size, 2, len(ITEMS))

    def draw(rng: np.random.Generator, count: int) -> tuple[Integers, Integers]:
        prompts = draw_items(rng, count, size)
        answers = prompts.copy()
        while (same := np.flatnonzero((answers == prompts).all(axis=1))).size:
            answers[same] = rng.permuted(prompts[same], axis=1)
        return prompts, answers

    def check(prompts: Integers, responses: Integers) -> Bools:
        rearranged = (np.sort(responses, axis=1) == np.sort(prompts, axis=1)).all(axis=1)
        return np.asarray(rearranged & (responses != prompts).any(axis=1))

    return Task(f"shuffle:{size}", (*ITEMS, MASK), size, size, draw, check)
