"""How long jobs run: in units that are journaled, resumed, and shared among processes."""

from schedopt.running.journal import Arrays, Journal, open_journal
from schedopt.running.ranks import ALONE, RankError, Ranks, join
from schedopt.running.runner import LOCAL, Progress, Runner, even_batch, fingerprint

__all__ = [
    "ALONE",
    "LOCAL",
    "Arrays",
    "Journal",
    "Progress",
    "RankError",
    "Ranks",
    "Runner",
    "even_batch",
    "fingerprint",
    "join",
    "open_journal",
]
