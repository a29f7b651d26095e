"""Training algorithms as generators of operations; one file and one YAML each."""

from bench.algorithm.ops import Algorithm, AllReduce, Backward, Operation, Program, Train

__all__ = ["Algorithm", "AllReduce", "Backward", "Operation", "Program", "Train"]
