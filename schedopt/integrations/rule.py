"""The rule by which a program that holds no schedule follows one, and its spelling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from schedopt.errors import UsageError
from schedopt.schedule import PLANNERS, Order, UnmaskingSchedule

SELECTIONS: Final = (*PLANNERS, "random")
KEYS: Final = ("block_length", "groups", "sizes", "select", "max_conf_commit")


@dataclass(frozen=True)
class BlockRule:
    """Which masked positions of a block are revealed next: a function of what is masked.

    With groups, the first one that still has a masked position is revealed; known positions are
    skipped, and so are groups without a masked one. With sizes and m positions of the block known,
    N_{t-1} <= m < N_t, the N_t - m best masked positions are revealed. Either way nothing is
    remembered, so that blocks can be batched, interleaved and taken up again.

    Args:
        block_length: Positions of one block.
        groups: Positions that each step reveals, counted from the start of the block; or None.
        sizes: How many positions each step reveals, where there are no groups.
        select: What is best, with sizes: ``confidence``, ``entropy`` and ``margin`` of the
            untempered model, or ``random`` for masked positions drawn anew each step, which is
            a random order.
        max_conf_commit: Positions whose largest probability exceeds this are revealed as well,
            so that the schedule is the least that a step reveals; or None.

    Raises:
        UsageError: Neither or both of groups and sizes, groups that are no partition of the
            block, sizes that do not sum to its length, an unknown selection.

    Example:
        >>> BlockRule(8, groups=((0, 4), (2, 6), (1, 5, 3, 7))).step_sizes
        (2, 2, 4)
    """

    block_length: int
    groups: tuple[tuple[int, ...], ...] | None = None
    sizes: tuple[int, ...] | None = None
    select: str | None = None
    max_conf_commit: float | None = None

    def __post_init__(self) -> None:
        if (self.groups is None) == (self.sizes is None):
            raise UsageError(
                f"groups, sizes: need one of them, got {self.groups!r} and {self.sizes!r}"
            )
        if self.groups is not None and self.select is not None:
            raise UsageError(f"select: groups leave nothing to select, got {self.select!r}")
        if self.sizes is not None and self.select not in SELECTIONS:
            raise UsageError(f"select: need one of {', '.join(SELECTIONS)}, got {self.select!r}")
        tau = self.max_conf_commit
        if tau is not None and not (isinstance(tau, int | float) and 0.0 <= tau < 1.0):
            raise UsageError(f"max_conf_commit: need a probability, 0 <= p < 1, got {tau!r}")
        order = Order("left_to_right")
        if self.groups is not None:
            order = Order("explicit", permutation=tuple(p for group in self.groups for p in group))
        # A schedule holds what makes groups and sizes right, and says what is wrong with them.
        UnmaskingSchedule(self.block_length, order, self.step_sizes)

    @classmethod
    def of(
        cls,
        schedule: UnmaskingSchedule,
        *,
        sizes_only: bool = False,
        rng: np.random.Generator | None = None,
    ) -> BlockRule:
        """The rule that reveals the blocks of a schedule.

        Args:
            schedule: Whose blocks all have the same sizes.
            sizes_only: Leave out its order, and reveal the positions of the largest confidence.
            rng: Draws a random order once; where None, it is drawn anew in each block.

        Example:
            >>> BlockRule.of(UnmaskingSchedule(4, Order("dilated"), (2, 2))).groups
            ((0, 2), (1, 3))
        """
        order = schedule.order
        if sizes_only:
            return cls(schedule.length, sizes=schedule.step_sizes, select="confidence")
        if order.is_planner or (order.name == "random" and rng is None):
            return cls(schedule.length, sizes=schedule.step_sizes, select=order.name)
        return cls(schedule.length, groups=schedule.groups(rng=rng))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> BlockRule:
        """The rule that a mapping of JSON or YAML values spells; its other keys are left alone.

        Raises:
            UsageError: As for the rule itself, or a value is not what its key needs.

        Example:
            >>> BlockRule.from_config({"block_length": 4, "groups": [[0, 2], [1, 3]]}).steps
            2
        """
        values = {key: config[key] for key in KEYS if config.get(key) is not None}
        if "block_length" not in values:
            raise UsageError(
                f"block_length: the key is missing, got only {list(config)}",
                hint="schedopt export writes such a configuration",
            )
        for key in values.keys() & {"groups", "sizes"}:
            values[key] = _members(key, values[key])
        if "groups" in values:
            values["groups"] = tuple(_members("groups", group) for group in values["groups"])
        return cls(**values)

    def config(self) -> dict[str, Any]:
        """The mapping that spells the rule.

        Example:
            >>> BlockRule(4, sizes=(1, 3), select="confidence").config()
            {'block_length': 4, 'sizes': (1, 3), 'select': 'confidence'}
        """
        values = {key: getattr(self, key) for key in KEYS}
        return {key: value for key, value in values.items() if value is not None}

    @property
    def step_sizes(self) -> tuple[int, ...]:
        """How many positions each step reveals of a block that is masked as a whole."""
        if self.groups is not None:
            return tuple(len(group) for group in self.groups)
        return self.sizes or ()

    @property
    def steps(self) -> int:
        """Forward passes that reveal a block, at most."""
        return len(self.step_sizes)


def _members(key: str, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise UsageError(f"{key}: need a list, got {value!r}")
    return tuple(value)
