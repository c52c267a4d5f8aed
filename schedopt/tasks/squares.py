"""Latin squares of given symbols, and 4x4 Sudoku."""

from __future__ import annotations

from functools import cache
from itertools import permutations
from typing import Final

import numpy as np

from schedopt.tasks.lists import ITEMS, draw_items
from schedopt.tasks.task import MASK, Bools, Integers, Task, check_size

SUDOKU: Final = 4
BLANK: Final = SUDOKU  # the token after the digits


@cache
def latin_squares(size: int) -> Integers:
    """All Latin squares of the symbols 0..size-1, shape (count, size, size).

    Example:
        >>> len(latin_squares(4))
        576
    """
    rows = np.array(list(permutations(range(size))), dtype=np.int64)
    fits = (rows[:, None] != rows).all(axis=2)  # which rows may stand in one square
    chosen = np.arange(len(rows))[:, None]
    for _ in range(size - 1):
        above, below = np.nonzero(fits[chosen].all(axis=1))
        chosen = np.hstack([chosen[above], below[:, None]])
    return rows[chosen]


@cache
def sudoku_grids() -> Integers:
    """All 4x4 Sudoku grids of the digits 0..3, shape (count, 4, 4).

    Example:
        >>> len(sudoku_grids())
        288
    """
    squares = latin_squares(SUDOKU)
    return squares[_has_each(_boxes(squares), np.arange(SUDOKU))]


def _boxes(grids: Integers) -> Integers:
    """The four quadrants of grids (N, 4, 4), each as a row."""
    return grids.reshape(-1, 2, 2, 2, 2).swapaxes(2, 3).reshape(grids.shape)


def _has_each(lines: Integers, symbols: Integers) -> Bools:
    """Whether each line of (N, lines, size) has all of the sorted symbols (size,) or (N, size)."""
    wanted = np.broadcast_to(symbols, (len(lines), lines.shape[2]))[:, None]
    return np.asarray((np.sort(lines, axis=2) == wanted).all(axis=(1, 2)))


def latin(size: int = 4) -> Task:
    """Write any Latin square of the given symbols, row by row; answers are uniform over all.

    The prompt names the symbols in alphabetical order.

    Args:
        size: Symbols of the square, 2 to 5.

    Raises:
        UsageError: Another size.

    Example:
        >>> one = latin(2).instances(1, seed=0)
        >>> latin(2).show(one.prompts[0]), latin(2).show(one.answers[0])
        ('j p', 'j p p j')
    """
    check_size("latin", "symbols", size, 2, 5)
    cells = size * size

    def draw(rng: np.random.Generator, count: int) -> tuple[Integers, Integers]:
        symbols = np.sort(draw_items(rng, count, size), axis=1)
        squares = latin_squares(size).reshape(-1, cells)
        picks = squares[rng.integers(len(squares), size=count)]
        return symbols, np.take_along_axis(symbols, picks, axis=1)

    def check(prompts: Integers, responses: Integers) -> Bools:
        squares = responses.reshape(-1, size, size)
        return _has_each(squares, prompts) & _has_each(squares.swapaxes(1, 2), prompts)

    return Task(f"latin:{size}", (*ITEMS, MASK), size, cells, draw, check)


def sudoku(clues: int = 4) -> Task:
    """Complete a 4x4 Sudoku with so many clues; any completion that keeps them is right.

    The grid is uniform among all 288 and the places of the clues are uniform, so that answers are
    uniform over the completions of the puzzle. Nothing makes these unique: with 4 clues there
    are 4.1 on average, with 6 clues 1.7, with 8 clues 1.2.

    Args:
        clues: Cells that the prompt shows, 2 to 14.

    Raises:
        UsageError: Another number of clues.

    Example:
        >>> one = sudoku(8).instances(1, seed=0)
        >>> sudoku(8).show(one.prompts[0])
        '3 . 2 . 4 2 1 3 . 3 . . . . . 1'
        >>> sudoku(8).show(one.answers[0])
        '3 1 2 4 4 2 1 3 1 3 4 2 2 4 3 1'
    """
    check_size("sudoku", "clues", clues, 2, 14)
    cells = SUDOKU * SUDOKU

    def draw(rng: np.random.Generator, count: int) -> tuple[Integers, Integers]:
        grids = sudoku_grids().reshape(-1, cells)
        answers = grids[rng.integers(len(grids), size=count)]
        shown = rng.random((count, cells)).argsort(axis=1).argsort(axis=1) < clues
        return np.where(shown, answers, BLANK), answers

    def check(prompts: Integers, responses: Integers) -> Bools:
        kept = ((prompts == BLANK) | (prompts == responses)).all(axis=1)
        grids = responses.reshape(-1, SUDOKU, SUDOKU)
        digits = np.arange(SUDOKU)
        for lines in (grids, grids.swapaxes(1, 2), _boxes(grids)):
            kept &= _has_each(lines, digits)
        return np.asarray(kept)

    symbols = tuple(str(digit + 1) for digit in range(SUDOKU))
    return Task(f"sudoku:{clues}", (*symbols, ".", MASK), cells, cells, draw, check)
