"""Multi-digit addition, most significant digit first."""

from __future__ import annotations

import numpy as np

from schedopt.tasks.task import Integers, Task, check_size, function_task


def addition(digits: int = 15) -> Task:
    """Add two numbers of so many digits, padded with zeros; the sum has one digit more.

    Digits are uniform but for this: with probability 1/2 the second digit of a column is what
    the first lacks to nine, so that carries run far. A digit of the sum needs all digits to its
    right, and any-order decoding has to find out where a carry begins.

    Args:
        digits: Of each number, 2 to 64.

    Raises:
        UsageError: Another number of digits.

    Example:
        >>> one = addition(3).instances(1, seed=0)
        >>> addition(3).show(one.prompts[0]), addition(3).show(one.answers[0])
        ('3 0 6 2 9 3', '0 5 9 9')
    """
    check_size("addition", "digits", digits, 2, 64)

    def prompts(rng: np.random.Generator, count: int) -> Integers:
        first, second = rng.integers(10, size=(2, count, digits))
        nine = rng.random((count, digits)) < 0.5
        return np.hstack([first, np.where(nine, 9 - first, second)])

    def answer(prompts: Integers) -> Integers:
        columns = prompts[:, :digits] + prompts[:, digits:]
        total = np.zeros((len(prompts), digits + 1), dtype=np.int64)
        for column in reversed(range(digits)):
            carried = columns[:, column] + total[:, column + 1]
            total[:, column], total[:, column + 1] = carried // 10, carried % 10
        return total

    symbols = tuple("0123456789")
    lengths = 2 * digits, digits + 1
    return function_task(f"addition:{digits}", symbols, lengths, prompts, answer)
