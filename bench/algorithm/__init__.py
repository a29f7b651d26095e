"""Training algorithms as generators of operations; one file and one YAML each."""

from bench.algorithm.ops import Algorithm, AllReduce, Backward, Handle, Operation, Program, Start, Train, Wait

__all__ = ["Algorithm", "AllReduce", "Backward", "Handle", "Operation", "Program", "Start", "Train", "Wait"]
