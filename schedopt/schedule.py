"""What is decided: an order, how many positions each step reveals, and with which model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeGuard

import numpy as np

from schedopt.errors import UsageError
from theory.orders import dilated_order

FIXED_ORDERS: Final = ("left_to_right", "dilated", "explicit")
PLANNERS: Final = ("confidence", "entropy", "margin")
ORDER_NAMES: Final = ("random", *FIXED_ORDERS, *PLANNERS)

# Positions: more than a curve of 1 MiB can describe, and still few enough to list in memory.
LONGEST: Final = 2**20


def check_longest(what: str, length: int, *, cure: str) -> None:
    """Refuse more positions than anything here is made for, before they are allocated.

    Args:
        what: What is so long, as the message names it.
        length: In positions.
        cure: The hint.

    Raises:
        UsageError: The length is over ``LONGEST``.

    Example:
        >>> check_longest("block length", 32, cure="take a shorter one")
    """
    if length > LONGEST:
        raise UsageError(f"{what}: need at most {LONGEST} positions, got {length}", hint=cure)


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number, numpy's among them, but no truth value.

    Example:
        >>> is_whole(np.int64(3)), is_whole(3.0), is_whole(True)
        (True, False, False)
    """
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


@dataclass(frozen=True)
class Order:
    """In which order positions are revealed.

    Args:
        name: ``random``, ``left_to_right``, ``dilated``, ``explicit`` or a planner
            (``confidence``, ``entropy``, ``margin``), whose order depends on the values.
        base: Base of the dilated order, >= 2; only there.
        skip: The dilated order starts at spacing length / base^skip; >= 1; only there.
        permutation: Positions in order of revelation; only for ``explicit``.

    Raises:
        UsageError: Unknown name, or a field that the name does not take.

    Example:
        >>> Order("dilated", base=2).permutation_for(8)
        (0, 4, 2, 6, 1, 5, 3, 7)
    """

    name: str
    base: int | None = None
    skip: int | None = None
    permutation: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.name not in ORDER_NAMES:
            raise UsageError(f"unknown order {self.name!r}; one of {', '.join(ORDER_NAMES)}")
        if self.name == "dilated":
            for label, least in (("base", 2), ("skip", 1)):
                value = getattr(self, label)
                if value is None:
                    value = 2 if label == "base" else 1
                if not is_whole(value) or value < least:
                    raise UsageError(f"dilated order: need {label} >= {least}, got {value!r}")
                object.__setattr__(self, label, int(value))
        elif self.base is not None or self.skip is not None:
            raise UsageError(f"order {self.name!r} takes no base or skip")
        if self.name == "explicit":
            if self.permutation is None:
                raise UsageError("an explicit order needs its permutation")
            positions = tuple(self.permutation)
            if not all(is_whole(p) for p in positions) or sorted(positions) != list(
                range(len(positions))
            ):
                raise UsageError(
                    f"permutation: need each of 0..{len(positions) - 1} once, "
                    f"got {list(positions)!r}"
                )
            object.__setattr__(self, "permutation", tuple(int(p) for p in positions))
        elif self.permutation is not None:
            raise UsageError(f"order {self.name!r} takes no permutation")

    @property
    def is_fixed(self) -> bool:
        """Whether the positions are known before sampling starts."""
        return self.name in FIXED_ORDERS

    @property
    def is_planner(self) -> bool:
        """Whether the order depends on the values, so that no curve predicts its loss."""
        return self.name in PLANNERS

    def permutation_for(
        self, length: int, *, rng: np.random.Generator | None = None
    ) -> tuple[int, ...]:
        """Positions 0..length-1 in the order in which they are revealed.

        Args:
            length: Number of positions.
            rng: Draws the random order; needed for it alone.

        Raises:
            UsageError: A planner, a random order without rng, or an explicit order of
                another length.
        """
        if self.name == "left_to_right":
            return tuple(range(length))
        if self.name == "dilated":
            return dilated_order(length, base=self.base or 2, skip=self.skip or 1)
        if self.permutation is not None:
            if len(self.permutation) != length:
                raise UsageError(
                    f"the explicit order has {len(self.permutation)} positions, need {length}"
                )
            return self.permutation
        if self.name == "random":
            if rng is None:
                raise UsageError("a random order is drawn anew each time: give rng")
            return tuple(int(p) for p in rng.permutation(length))
        raise UsageError(
            f"the order of planner {self.name!r} depends on values: it has no positions"
        )


def _check_sizes(label: str, sizes: Sequence[int], length: int) -> tuple[int, ...]:
    for i, size in enumerate(sizes):
        if not is_whole(size) or size < 1:
            raise UsageError(f"{label}[{i}]: need a whole number >= 1, got {size!r}")
    if sum(sizes) != length:
        raise UsageError(f"{label}: sizes sum to {sum(sizes)}, need the length {length}")
    return tuple(int(size) for size in sizes)


@dataclass(frozen=True)
class UnmaskingSchedule:
    """How one block of masked positions is revealed.

    A sequence longer than ``length`` is cut into blocks from the left; each block uses
    ``step_sizes``, or its own entry of ``blocks`` while these last.

    Args:
        length: Positions of one block.
        order: In which order they are revealed.
        step_sizes: s_1..s_k, how many positions each step reveals; sums to length.
        models: Index of the model of each step, or None for one model.
        blocks: Step sizes of each block of a longer sequence, where they differ, or None.

    Raises:
        UsageError: A size is below 1, the sizes do not sum to the length, the models do not
            match the steps, or the order has another length.

    References:
        Chen, Cong, Li, COLT 2026: unmasking schedule s_1..s_k; DUS (arXiv:2506.19037) is the
        dilated order with sizes 2, 2, 4, ..., length / 2.

    Example:
        >>> dus = UnmaskingSchedule(8, Order("dilated", base=2), (2, 2, 4))
        >>> dus.groups()
        ((0, 4), (2, 6), (1, 5, 3, 7))
    """

    length: int
    order: Order
    step_sizes: tuple[int, ...]
    models: tuple[int, ...] | None = field(default=None, kw_only=True)
    blocks: tuple[tuple[int, ...], ...] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not is_whole(self.length) or self.length < 1:
            raise UsageError(f"length: need a whole number >= 1, got {self.length!r}")
        object.__setattr__(self, "length", int(self.length))
        sizes = _check_sizes("step_sizes", self.step_sizes, self.length)
        object.__setattr__(self, "step_sizes", sizes)
        if self.order.permutation is not None:  # the only order that can have another length
            self.order.permutation_for(self.length)
        if self.models is not None:
            if self.blocks is not None:
                raise UsageError("models and blocks: models belong to step_sizes; give one of them")
            if len(self.models) != self.steps or not all(
                is_whole(m) and m >= 0 for m in self.models
            ):
                raise UsageError(
                    f"models: need {self.steps} indices >= 0, one a step, got {list(self.models)!r}"
                )
            object.__setattr__(self, "models", tuple(int(m) for m in self.models))
        if self.blocks is not None:
            if not self.blocks:
                raise UsageError("blocks: need at least one block, or leave it out")
            blocks = tuple(
                _check_sizes(f"blocks[{i}]", sizes, self.length)
                for i, sizes in enumerate(self.blocks)
            )
            object.__setattr__(self, "blocks", blocks)

    @property
    def steps(self) -> int:
        """Forward passes of one block that uses ``step_sizes``."""
        return len(self.step_sizes)

    @property
    def models_called(self) -> int:
        """How many models it calls: one more than the largest index it names."""
        return 1 + max(self.models or (0,))

    @property
    def boundaries(self) -> tuple[int, ...]:
        """0 = N_0 < N_1 < ... < N_k = length: positions known before each step, and at the end."""
        return tuple(int(b) for b in np.concatenate([[0], np.cumsum(self.step_sizes)]))

    def sizes_of_block(self, index: int) -> tuple[int, ...]:
        """Step sizes of the block with this index from the left."""
        if self.blocks is not None and index < len(self.blocks):
            return self.blocks[index]
        return self.step_sizes

    def total_steps(self, sequence_length: int) -> int:
        """Forward passes over a sequence that is a whole number of blocks.

        Raises:
            UsageError: The sequence length is not a positive multiple of the block length.
        """
        if sequence_length < 1 or sequence_length % self.length:
            raise UsageError(
                f"sequence of {sequence_length} positions: need a positive multiple of the "
                f"schedule's length {self.length}"
            )
        return sum(len(self.sizes_of_block(i)) for i in range(sequence_length // self.length))

    def groups(
        self, *, rng: np.random.Generator | None = None, block: int = 0
    ) -> tuple[tuple[int, ...], ...]:
        """Positions that each step reveals, in block coordinates.

        Args:
            rng: Draws the random order; needed for it alone.
            block: Which block of a longer sequence, where ``blocks`` lists their sizes.

        Raises:
            UsageError: The order is a planner, or random and no rng is given.
        """
        positions = self.order.permutation_for(self.length, rng=rng)
        cuts = np.cumsum(self.sizes_of_block(block))[:-1]
        return tuple(tuple(int(p) for p in part) for part in np.split(np.asarray(positions), cuts))
