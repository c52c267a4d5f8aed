"""Judging samplers: by text, by exact laws, by tasks and by a judge of what they write.

- ``nll``: the exact, teacher-forced NLL of any policy. ``laws``: the exact KL on known laws.
- ``tasks``: accuracy with an exact checker. ``generation``: a judge's NLL beside the variety.
- ``score``: what each of these says of a sampler; differences of pairs.
- ``compare``: the passes that one sampler needs to match another.
- ``pareto``, ``aup``: the front of quality and cost, and the area under accuracy.
- ``units``: what all of them share: work in units, the policies and models, what passes cost.
"""

from schedopt.evaluation.aup import aup, aup_of
from schedopt.evaluation.compare import Match, match, nfe_to_match
from schedopt.evaluation.generation import TextScore, evaluate_texts
from schedopt.evaluation.judge import Judge, load_judge
from schedopt.evaluation.laws import LawScore, law_kl
from schedopt.evaluation.nll import SamplerScore, evaluate, sequential_policy
from schedopt.evaluation.pareto import Standing, pareto_front
from schedopt.evaluation.score import Metric, Score, score_row
from schedopt.evaluation.tasks import TaskScore, evaluate_task

__all__ = [
    "Judge",
    "LawScore",
    "Match",
    "Metric",
    "SamplerScore",
    "Score",
    "Standing",
    "TaskScore",
    "TextScore",
    "aup",
    "aup_of",
    "evaluate",
    "evaluate_task",
    "evaluate_texts",
    "law_kl",
    "load_judge",
    "match",
    "nfe_to_match",
    "pareto_front",
    "score_row",
    "sequential_policy",
]
