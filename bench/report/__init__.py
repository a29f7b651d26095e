"""Tables and figures as pure functions of rows."""

from bench.report.summary import six_lines

__all__ = ["six_lines"]
