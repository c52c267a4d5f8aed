"""What a fit is asked for, and how many passes it takes to answer."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final, Literal

from schedopt.errors import UsageError
from schedopt.schedule import Order
from schedopt.solvers.blocks import blocks_of, check_steps
from schedopt.solvers.orders import LEAST_BLOCK

BlockLength = int | Literal["auto"] | None

LEAST_WINDOWS: Final = 8  # that plans are compared on, and that the chosen one is checked with
PROMISING: Final = 4  # of a family of orders, by the gap model; each is measured
# Chosen together: the gap model and the dilated order in one block and in the best others are
# estimated; then these two are measured, the promising ones, and one that a search finds.
ESTIMATED: Final = 3
MEASURED: Final = 2 + PROMISING + 1


@dataclass(frozen=True)
class Request:
    """A schedule that is asked for.

    Args:
        length: Positions to be sampled.
        order: As ``fit``.
        block_length: As ``fit``.
        per_block: As ``fit``.
        steps: As ``fit``.
        max_loss: As ``fit``.
        robust: As ``fit``.

    Raises:
        UsageError: What is asked cannot be met, or does not go together.
    """

    length: int
    order: Order | None = None
    block_length: BlockLength = None
    per_block: bool = False
    steps: int | None = None
    max_loss: float | None = None
    robust: float | None = None

    def __post_init__(self) -> None:
        steps, max_loss, block = self.steps, self.max_loss, self.block_length
        if (steps is None) == (max_loss is None):
            raise UsageError(f"need one of steps and max_loss, got {steps=} and {max_loss=}")
        if self.robust is not None and steps is None:
            raise UsageError("a robust fit needs a budget of steps", hint="--steps, not --max-loss")
        if block == "auto" and steps is None:
            raise UsageError("block length auto needs a budget of steps", hint="give --steps")
        if self.per_block and not isinstance(block, int):
            raise UsageError(
                "--per-block needs --block-length"
                + ("" if block is None else f" as a number, got {block}"),
                hint="give it, such as --block-length 32",
            )
        if self.per_block and self.robust is not None:
            raise UsageError(
                "a robust fit takes one measure for all blocks, not one of each",
                hint="leave out --per-block or --robust",
            )
        blocks = blocks_of(self.length, self.longest_block)
        if steps is not None:
            check_steps(steps, self.longest_block, blocks)

    @property
    def together(self) -> bool:
        """Whether order, blocks and boundaries are chosen together, by a gap model.

        Not where the fit is to be robust, as a gap model has no standard errors.
        """
        free = self.order is None and self.block_length is None
        return free and self.steps is not None and self.robust is None

    @property
    def longest_block(self) -> int:
        """The block length that is given, or the whole length."""
        return self.block_length if isinstance(self.block_length, int) else self.length

    @property
    def block_lengths(self) -> list[int]:
        """The block lengths to try, where no gap model picks them."""
        return block_lengths(self.length, self.block_length, self.steps or self.length)

    def measures_of(self, block_length: int) -> int:
        """How many measures blocks of this length have: one, or one each."""
        return self.length // block_length if self.per_block else 1

    def costs(self, passes: int) -> tuple[int, int, int]:
        """Passes at most to propose plans, to compare them, and to check the one that is chosen.

        Args:
            passes: Of each part: of each estimate, of each comparison, of the verification.
        """
        tried = ESTIMATED if self.together else len(self.block_lengths)
        measured = MEASURED if self.together else tried
        steps = self.length if self.steps is None else self.steps
        estimates = passes * self.measures_of(self.longest_block)
        comparison = max(passes, LEAST_WINDOWS * steps)
        verification = max(passes, LEAST_WINDOWS * (self.length + steps))
        return (
            tried * estimates,
            measured * comparison if measured > 1 else 0,
            estimates + verification,
        )

    def affordable(self, passes: int, max_passes: int | None) -> int:
        """Passes of each part, so many or fewer, with which the fit keeps within a bound."""
        if max_passes is None:
            return passes
        fits = bisect_right(range(passes + 1), max_passes, key=lambda p: sum(self.costs(p)))
        return max(0, fits - 1)


def block_lengths(length: int, block_length: BlockLength, steps: int) -> list[int]:
    """Block lengths to try: the one given, or the divisors of the length that the steps allow."""
    if block_length is None:
        return [length]
    if block_length != "auto":
        return [block_length]
    return [
        b
        for b in range(length, 0, -1)
        if length % b == 0 and (b >= LEAST_BLOCK or b == length) and length // b <= steps
    ]
