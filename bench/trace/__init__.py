"""A run second by second: a trace for Perfetto, and for few workers a picture. Imports neither torch nor matplotlib."""

from bench.trace.write import trace_path, write_trace

__all__ = ["trace_path", "write_trace"]
