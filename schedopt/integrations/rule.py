"""The rule by which a program that holds no schedule follows one, and its spelling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Final

import numpy as np

from schedopt.errors import UsageError
from schedopt.schedule import PLANNERS, Order, UnmaskingSchedule

SELECTIONS: Final = (*PLANNERS, "random")
KEYS: Final = ("block_length", "groups", "sizes", "select", "max_conf_commit")


@dataclass(frozen=True)
class BlockRule:
    """Which masked positions of a block are revealed next: a function of what is masked.

    Where the order is known in advance, the first group that still has a masked position is
    revealed; known positions are skipped, and so are groups without a masked one. Elsewhere, with
    m positions of the block known and N_{t-1} <= m < N_t, the N_t - m best masked positions are
    revealed: those that the planner is surest of, or for a random order any, drawn anew each step.
    Either way nothing is remembered, so that blocks can be batched, interleaved and taken up again.

    Args:
        schedule: Of one model, with the same sizes in every block.
        max_conf_commit: Positions whose largest probability exceeds this are revealed as well,
            so that the schedule is the least that a step reveals; or None.

    Raises:
        UsageError: ``max_conf_commit`` is no probability below 1.

    Example:
        >>> BlockRule(UnmaskingSchedule(4, Order("confidence"), (1, 3))).config()
        {'block_length': 4, 'sizes': (1, 3), 'select': 'confidence'}
    """

    schedule: UnmaskingSchedule
    max_conf_commit: float | None = None

    def __post_init__(self) -> None:
        tau = self.max_conf_commit
        if tau is not None and not (isinstance(tau, int | float) and 0.0 <= tau < 1.0):
            raise UsageError(f"max_conf_commit: need a probability, 0 <= p < 1, got {tau!r}")

    @classmethod
    def of(
        cls,
        schedule: UnmaskingSchedule,
        *,
        sizes_only: bool = False,
        rng: np.random.Generator | None = None,
    ) -> BlockRule:
        """The rule of a schedule, as a configuration can spell it.

        Args:
            schedule: Of one model, with the same sizes in every block.
            sizes_only: Leave out its order, and reveal the positions of the largest confidence.
            rng: Draws a random order once; where None, positions are drawn anew each step.

        Example:
            >>> BlockRule.of(UnmaskingSchedule(4, Order("dilated"), (2, 2))).config()
            {'block_length': 4, 'groups': ((0, 2), (1, 3))}
        """
        order = schedule.order
        if sizes_only:
            order = Order("confidence")
        elif order.is_fixed or (order.name == "random" and rng is not None):
            order = Order("explicit", permutation=order.permutation_for(schedule.length, rng=rng))
        return cls(replace(schedule, order=order, models=None, blocks=None))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> BlockRule:
        """The rule that a mapping of JSON or YAML values spells; its other keys are left alone.

        Args:
            config: ``block_length``; ``groups``, the positions that each step reveals, counted
                from the start of the block, or ``sizes``, how many, and ``select``, the planner
                that says which, or ``random``; and ``max_conf_commit``.

        Raises:
            UsageError: Neither or both of groups and sizes, groups that are no partition of the
                block, sizes that do not sum to its length, an unknown selection, or a value that
                is not what its key needs.

        Example:
            >>> rule = BlockRule.from_config({"block_length": 4, "groups": [[0, 2], [1, 3]]})
            >>> rule.schedule.groups()
            ((0, 2), (1, 3))
        """
        values = {key: config[key] for key in KEYS if config.get(key) is not None}
        groups, sizes, select = (values.get(key) for key in ("groups", "sizes", "select"))
        if "block_length" not in values:
            raise UsageError(
                f"block_length: the key is missing, got only {list(config)}",
                hint="schedopt export writes such a configuration",
            )
        if (groups is None) == (sizes is None):
            raise UsageError(f"groups, sizes: need one of them, got {groups!r} and {sizes!r}")
        if groups is not None:
            if select is not None:
                raise UsageError(f"select: groups leave nothing to select, got {select!r}")
            groups = [_members("groups", group) for group in _members("groups", groups)]
            order = Order("explicit", permutation=tuple(chain(*groups)))
            sizes = map(len, groups)
        else:
            if select not in SELECTIONS:
                raise UsageError(f"select: need one of {', '.join(SELECTIONS)}, got {select!r}")
            order, sizes = Order(select), _members("sizes", sizes)
        schedule = UnmaskingSchedule(values["block_length"], order, tuple(sizes))
        return cls(schedule, values.get("max_conf_commit"))

    def config(self) -> dict[str, Any]:
        """The mapping that spells the rule."""
        schedule = self.schedule
        config: dict[str, Any] = {"block_length": schedule.length}
        if schedule.order.is_fixed:
            config["groups"] = schedule.groups()
        else:
            config |= {"sizes": schedule.step_sizes, "select": schedule.order.name}
        if self.max_conf_commit is not None:
            config["max_conf_commit"] = self.max_conf_commit
        return config


def _members(key: str, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise UsageError(f"{key}: need a list, got {value!r}")
    return tuple(value)
