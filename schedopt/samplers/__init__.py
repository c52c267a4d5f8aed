"""Sampling: one loop for schedules and planners, for drawn tokens and for true ones.

- ``unmask``: the loop, on a ``canvas``. What a policy foresees is a ``plan``, whose steps a GPU
  takes ``ahead`` of the host; ``siblings`` are the models of a schedule that switches, ``guidance``
  is classifier-free, and ``ends`` are those of texts.
- ``policies``: which positions are next, by a schedule; ``gated`` puts unsure ones off, and
  ``ancestral`` draws each one's step.
- ``planners``: which and how many are next, by ``rankings`` and ``rules`` (``klass`` has its own)
  with schedules as cap and floor, and ``spacing`` as a filter.
- ``registry`` finds all of them by name, ``spelling`` takes the name apart.
- ``fills``: which tokens they get; ``drawing`` draws those of a row from its own numbers.
- ``sampling``: prompts in, texts out.
"""

from schedopt.samplers.ancestral import Ancestral
from schedopt.samplers.gated import GatedSchedule
from schedopt.samplers.klass import Klass
from schedopt.samplers.planners import Planner
from schedopt.samplers.policies import Policy, SchedulePolicy, as_policy
from schedopt.samplers.registry import POLICY_NAMES, policy_for, takes_steps
from schedopt.samplers.rules import (
    AllMasked,
    ConfidenceFactor,
    ConfidenceThreshold,
    EntropyBound,
    EntropySum,
    Rule,
)
from schedopt.samplers.sampling import Samples, sample
from schedopt.samplers.unmask import GIVEN, PAST_END, Unmasked, unmask

__all__ = [
    "GIVEN",
    "PAST_END",
    "POLICY_NAMES",
    "AllMasked",
    "Ancestral",
    "ConfidenceFactor",
    "ConfidenceThreshold",
    "EntropyBound",
    "EntropySum",
    "GatedSchedule",
    "Klass",
    "Planner",
    "Policy",
    "Rule",
    "Samples",
    "SchedulePolicy",
    "Unmasked",
    "as_policy",
    "policy_for",
    "sample",
    "takes_steps",
    "unmask",
]
