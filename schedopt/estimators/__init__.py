"""From a model and text to an information curve or an order surface."""

from schedopt.estimators.estimate import DEFAULT_PASSES, SMOOTHINGS, Estimate, Smoothing, estimate

__all__ = ["DEFAULT_PASSES", "SMOOTHINGS", "Estimate", "Smoothing", "estimate"]
