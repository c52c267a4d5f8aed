"""What a solver returns: a schedule, its predicted loss, and why nothing is better."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from schedopt.schedule import UnmaskingSchedule


class Status(Enum):
    """How far a solution is trusted; the value is the sentence a user reads."""

    OPTIMAL = "optimal: the lower bound equals the loss"
    BOUNDED = "feasible: the lower bound leaves a gap"


@dataclass(frozen=True)
class Certificate:
    """What makes a solution optimal.

    Args:
        method: The argument in a few words, such as ``"Lagrangian dual"`` or ``"exhaustive DP"``.
        lower_bound: No schedule with these steps loses less, nats.
        detail: The numbers behind the bound, for a reader who wants to check it.
    """

    method: str
    lower_bound: float
    detail: str = ""


@dataclass(frozen=True)
class Solution:
    """A schedule with its predicted loss.

    Args:
        schedule: The schedule found.
        loss: Excess over revealing one position a step in the same order, nats a block
            (a sequence, where the schedule lists blocks).
        sequential: Cross-entropy of that sequential reference, nats for the same positions;
            ``sequential + loss`` is the predicted NLL of the sampler.
        stderr: Standard error of the loss, nats, or None when it is exact.
        certificate: Why no schedule with these steps loses less.
        status: Whether the certificate closes.
    """

    schedule: UnmaskingSchedule
    loss: float
    sequential: float
    stderr: float | None
    certificate: Certificate
    status: Status

    @property
    def lower_bound(self) -> float:
        """No schedule with these steps loses less, nats."""
        return self.certificate.lower_bound

    @property
    def gap(self) -> float:
        """Loss minus lower bound, nats."""
        return self.loss - self.lower_bound
