"""The model copies of all workers, stacked."""

from bench.replicas.replicas import Replicas

__all__ = ["Replicas"]
