"""What an estimate is: a measure, and how well it and what is chosen by it are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from schedopt.clusters import Measured
from schedopt.curve import InformationCurve, OrderSurface
from schedopt.errors import UsageError
from schedopt.solvers import loss_of

Floats = NDArray[np.float64]
Measure = InformationCurve | OrderSurface
Smoothing = Literal["smooth", "isotonic", "raw"]
SMOOTHINGS: Final = ("smooth", "isotonic", "raw")


@dataclass(frozen=True, eq=False)
class Found:
    """What passes say of one order.

    Args:
        measure: Cross-entropies (NLL of the text), with standard errors over documents.
        entropy_measure: Predictive entropies of the same passes; for a calibrated model the
            two agree, and they give nearly the same schedule.
        calibration_gap: Mean NLL minus predictive entropy, nats a token.
        deviations: Independent parts of the error of the measure, shape (R, n) or (R, n, n),
            nats: the squares of any linear function of them sum to the variance of that of the
            measure. None where the measure is not smoothed.
    """

    measure: Measure
    entropy_measure: Measure
    calibration_gap: Measured
    deviations: Floats | None


@dataclass(frozen=True, eq=False)
class Estimate(Found):
    """A measured curve or surface.

    Args:
        measure: As ``Found``.
        entropy_measure: As ``Found``.
        calibration_gap: As ``Found``; of a smooth curve the mean over its entries, otherwise the
            mean over the passes.
        deviations: As ``Found``.
        smoothing: How the passes became a curve.
        passes: Forward passes of one sequence each.
        documents: How many documents they fell on.
        seconds: Wall time of the passes and of the fit.
    """

    smoothing: Smoothing
    passes: int
    documents: int
    seconds: float

    def loss(self, step_sizes: Sequence[int]) -> Measured:
        """Predicted loss of a schedule in this order, with its standard error, nats.

        A schedule that was chosen by this very measure loses a little more: ``fit`` checks it on
        other documents.

        Args:
            step_sizes: s_1..s_k, whole numbers >= 1 that sum to n.

        Raises:
            UsageError: The sizes are no composition of n, or the measure is not smoothed.
        """
        value = loss_of(self.measure, step_sizes)
        if self.deviations is None:
            raise UsageError(
                f"a {self.smoothing} estimate does not know the standard error of a loss",
                hint="use smoothing='smooth'",
            )
        starts = np.repeat(np.cumsum([0, *step_sizes[:-1]]), step_sizes)
        entries = np.arange(len(starts))
        parts = self.deviations
        if isinstance(self.measure, InformationCurve):
            excess = parts[:, starts] - parts
        else:
            excess = parts[:, starts, entries] - parts[:, entries, entries]
        return Measured(value, float(np.sqrt((excess.sum(axis=1) ** 2).sum())))
