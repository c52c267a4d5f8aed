"""From a model and text to an information curve or an order surface."""

from schedopt.estimators.estimate import SMOOTHINGS, Estimate, Smoothing, estimate

__all__ = ["SMOOTHINGS", "Estimate", "Smoothing", "estimate"]
