"""How the payloads of several workers become one."""

from bench.aggregator.mean import Aggregator, Mean

__all__ = ["Aggregator", "Mean"]
