"""Exact laws, by name or from a file, and all that is known of one: the document of ``exact``."""

from schedopt.exact.report import exact_report
from schedopt.exact.sources import named_law, read_table

__all__ = ["exact_report", "named_law", "read_table"]
