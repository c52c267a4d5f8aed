"""From a model and text to an information curve or an order surface."""

from schedopt.estimators.estimate import DEFAULT_PASSES, estimate
from schedopt.estimators.gaps import GapModel, estimate_gaps
from schedopt.estimators.result import SMOOTHINGS, Estimate, Smoothing

__all__ = [
    "DEFAULT_PASSES",
    "SMOOTHINGS",
    "Estimate",
    "GapModel",
    "Smoothing",
    "estimate",
    "estimate_gaps",
]
