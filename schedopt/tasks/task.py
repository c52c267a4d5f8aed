"""What a task is: prompts with answers, drawn from a seed, and an exact checker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schedopt.errors import UsageError

Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Prompts (N, P) and an answer each, (N, R); about as many as asked for, or fewer.
Draw = Callable[[np.random.Generator, int], tuple[Integers, Integers]]
# Prompts (N, P) and responses (N, R) to whether each is right, (N,).
Check = Callable[[Integers, Integers], Bools]

MASK: Final = "[MASK]"
HELD_OUT_ONE_IN: Final = 8  # so many prompts is one for tests


def is_held_out(prompts: Integers) -> Bools:
    """Which prompts are for tests: one in eight, by a hash of the prompt alone.

    So no seed can put a prompt of the training set into the test set, and the answers of a prompt
    have the same law in both.

    Args:
        prompts: Shape (N, P).

    Returns:
        Shape (N,).

    Example:
        >>> is_held_out(np.arange(12).reshape(6, 2)).tolist()
        [False, True, True, True, False, False]
    """
    multiplier = np.uint64(0x9E3779B97F4A7C15)
    digest = np.zeros(len(prompts), dtype=np.uint64)
    for column in prompts.T:
        digest = (digest ^ column.astype(np.uint64)) * multiplier
        digest ^= digest >> np.uint64(32)  # the low bits see all others
    return np.asarray(digest % np.uint64(HELD_OUT_ONE_IN) == 0)


@dataclass(frozen=True, eq=False)
class Instances:
    """Prompts, each with one right answer; there may be others.

    Args:
        prompts: Shape (N, P), token ids.
        answers: Shape (N, R), token ids.

    Example:
        >>> len(Instances(np.zeros((3, 2), dtype=np.int64), np.zeros((3, 1), dtype=np.int64)))
        3
    """

    prompts: Integers
    answers: Integers

    def __len__(self) -> int:
        return len(self.prompts)


@dataclass(frozen=True)
class Task:
    """A task with prompts of one length, responses of one length, and a vocabulary of its own.

    Args:
        name: As ``make_task`` spells it, size included.
        vocabulary: Name of each token; the last one is the mask.
        prompt_length: Tokens P of a prompt.
        response_length: Tokens R of a response.
        draw: Draws prompts and answers.
        check: Says which responses are right.

    Example:
        >>> from schedopt.tasks import make_task
        >>> task = make_task("sort:4")
        >>> one = task.instances(1, seed=0)
        >>> task.show(one.prompts[0]), task.show(one.answers[0])
        ('a z j f', 'a f j z')
        >>> task.correct(one.prompts, one.answers).tolist()
        [True]
    """

    name: str
    vocabulary: tuple[str, ...]
    prompt_length: int
    response_length: int
    draw: Draw = field(repr=False)
    check: Check = field(repr=False)

    @property
    def mask_id(self) -> int:
        """Token of an unknown position: the last one."""
        return len(self.vocabulary) - 1

    def instances(self, count: int, seed: int, *, held_out: bool = True) -> Instances:
        """Draw instances, always the same for the same count and seed.

        Args:
            count: How many, >= 0.
            seed: Of the draws, >= 0.
            held_out: Whether to draw test prompts or training prompts; no prompt is both.

        Raises:
            UsageError: A negative count or seed.
        """
        if count < 0 or seed < 0:
            raise UsageError(f"task {self.name}: need count and seed >= 0, got {count} and {seed}")
        rng = np.random.default_rng([seed, int(held_out)])
        share = 1 / HELD_OUT_ONE_IN if held_out else 1 - 1 / HELD_OUT_ONE_IN
        prompts = np.empty((0, self.prompt_length), dtype=np.int64)
        answers = np.empty((0, self.response_length), dtype=np.int64)
        while len(prompts) < count:
            more, solved = self.draw(rng, 64 + int((count - len(prompts)) / share))
            kept = is_held_out(more) == held_out
            prompts = np.concatenate([prompts, more[kept]])
            answers = np.concatenate([answers, solved[kept]])
        return Instances(prompts[:count], answers[:count])

    def correct(self, prompts: Integers, responses: Integers) -> Bools:
        """Which responses are right, whatever else they may be than the answer that was drawn.

        Args:
            prompts: Shape (N, P).
            responses: Shape (N, R).

        Returns:
            Shape (N,).

        Raises:
            UsageError: The shapes are not those of this task.
        """
        prompts, responses = np.asarray(prompts), np.asarray(responses)
        shapes = (len(prompts), self.prompt_length), (len(prompts), self.response_length)
        if (prompts.shape, responses.shape) != shapes:
            raise UsageError(
                f"task {self.name}: need prompts {shapes[0]} and responses {shapes[1]}, got "
                f"{prompts.shape} and {responses.shape}"
            )
        return self.check(prompts, responses)

    def show(self, tokens: Integers) -> str:
        """Names of the tokens, with spaces.

        Raises:
            UsageError: A token is none of this task.
        """
        for token in tokens:
            if not 0 <= token < len(self.vocabulary):
                raise UsageError(
                    f"task {self.name}: need tokens 0..{self.mask_id}, got {int(token)}"
                )
        return " ".join(self.vocabulary[token] for token in tokens)


def function_task(
    name: str,
    symbols: tuple[str, ...],
    lengths: tuple[int, int],
    draw_prompts: Callable[[np.random.Generator, int], Integers],
    answer: Callable[[Integers], Integers],
) -> Task:
    """A task whose only right answer is a function of the prompt.

    Args:
        name: With its size.
        symbols: Names of all tokens but the mask.
        lengths: Tokens of a prompt and of a response.
        draw_prompts: Draws prompts (N, P).
        answer: Prompts (N, P) to answers (N, R).

    Example:
        >>> task = function_task("flip", ("0", "1"), (1, 1), lambda rng, n: rng.integers(
        ...     2, size=(n, 1)), lambda prompts: 1 - prompts)
        >>> task.correct(np.array([[0], [1]]), np.array([[1], [1]])).tolist()
        [True, False]
    """

    def draw(rng: np.random.Generator, count: int) -> tuple[Integers, Integers]:
        prompts = draw_prompts(rng, count)
        return prompts, answer(prompts)

    def check(prompts: Integers, responses: Integers) -> Bools:
        return np.asarray((answer(prompts) == responses).all(axis=1))

    return Task(name, (*symbols, MASK), *lengths, draw, check)


def check_size(name: str, what: str, size: int, least: int, most: int) -> None:
    """Refuse a size that the task does not come in.

    Raises:
        UsageError: It is out of range.

    Example:
        >>> check_size("sort", "items", 1, 2, 26)
        Traceback (most recent call last):
        schedopt.errors.UsageError: task sort: need 2 to 26 items, got 1
    """
    if not least <= size <= most:
        raise UsageError(f"task {name}: need {least} to {most} {what}, got {size}")
