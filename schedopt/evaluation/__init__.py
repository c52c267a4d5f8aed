"""Measuring samplers on held-out text.

- ``nll``: the exact, teacher-forced NLL of any policy.
- ``compare``: differences, and the passes that one sampler needs to match another.
"""

from schedopt.evaluation.compare import Match, match, nfe_to_match, score_row
from schedopt.evaluation.nll import SamplerScore, evaluate, sequential_policy

__all__ = [
    "Match",
    "SamplerScore",
    "evaluate",
    "match",
    "nfe_to_match",
    "score_row",
    "sequential_policy",
]
