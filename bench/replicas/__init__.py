"""The model copies of all workers, stacked."""

from bench.replicas.layout import Layout, Part
from bench.replicas.replicas import Replicas

__all__ = ["Layout", "Part", "Replicas"]
