"""fit = estimate + solve: from a model and text to the schedule for a budget.

- ``request``: what is asked for, and what it costs.
- ``plans``: which orders and blocks are measured, and which of them is kept.
- ``check``: what the chosen schedule loses on documents that it was not chosen by.
- ``work``: the passes of all of that, counted; ``result``: what it comes to.
- ``flow``: the function ``fit``, which puts them together.
"""

from schedopt.fitting.flow import fit
from schedopt.fitting.request import Request, block_lengths
from schedopt.fitting.result import Candidate, Fit

__all__ = ["Candidate", "Fit", "Request", "block_lengths", "fit"]
