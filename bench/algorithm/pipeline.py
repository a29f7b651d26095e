"""Synchronous pipelines: GPipe (Huang et al., arXiv:1811.06965) and one forward one backward (Narayanan et al., 2104.04473)."""

from bench.algorithm.ops import Algorithm, AllReduce, Pipeline, Program
from bench.replicas import Replicas


class FixedPipelines(Algorithm):
    """Each worker is one stage of one pipeline for good; equal to DDP, but for what activations lose on their way."""

    lockstep = "stages"
    identical_replicas = True
    needs_everybody = True

    def __init__(self, *, stages: int, microbatches: int, activation_bits: int, schedule: str) -> None:
        if schedule not in ("gpipe", "1f1b"):
            raise ValueError(f"schedule must be gpipe or 1f1b, got '{schedule}'")
        self.step = Pipeline(stages=stages, microbatches=microbatches, activation_bits=activation_bits, schedule=schedule)

    def state_share(self, workers: int) -> float:
        return 1 / self.step.stages

    def run(self, replicas: Replicas) -> Program:
        while True:
            gradients = yield self.step
            gradient = yield AllReduce(gradients)
            replicas.step(gradient)
