"""A small GPT, stacked: many replicas in one forward and backward pass."""

from bench.model.boundaries import Boundaries
from bench.model.gpt import GPT
from bench.model.shape import Shape

__all__ = ["GPT", "Boundaries", "Shape"]
