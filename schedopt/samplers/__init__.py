"""Sampling: one loop for schedules and planners, for drawn tokens and for true ones.

- ``unmask``: the loop.
- ``policies``, ``planners``: which positions are next; ``registry`` finds them by name.
- ``fills``: which tokens they get.
- ``sampling``: prompts in, texts out.
"""

from schedopt.samplers.planners import ConfidenceThreshold, EntropyBound
from schedopt.samplers.policies import Policy, SchedulePolicy, as_policy
from schedopt.samplers.registry import POLICY_NAMES, policy_for, takes_steps
from schedopt.samplers.sampling import Samples, sample
from schedopt.samplers.unmask import GIVEN, PAST_END, Unmasked, unmask

__all__ = [
    "GIVEN",
    "PAST_END",
    "POLICY_NAMES",
    "ConfidenceThreshold",
    "EntropyBound",
    "Policy",
    "Samples",
    "SchedulePolicy",
    "Unmasked",
    "as_policy",
    "policy_for",
    "sample",
    "takes_steps",
    "unmask",
]
