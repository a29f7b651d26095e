"""SWARM parallelism: pipelines of whoever is there (Ryabinin et al., ICML 2023, arXiv:2301.11913)."""

from bench.algorithm.ops import Algorithm, AllReduce, Pipeline, Program
from bench.replicas import Replicas
from bench.units import Seconds


class Swarm(Algorithm):
    """Each microbatch finds a way of its own through peers of all stages, and peers move to the stage that needs them most.

    What one that drops out had done is done again by others, so the whole batch counts. `rebalance_every` None: nobody moves.
    """

    lockstep = "stages"
    identical_replicas = True

    def __init__(self, *, stages: int, microbatches: int, activation_bits: int, rebalance_every: Seconds | None) -> None:
        self.step = Pipeline(
            stages=stages,
            microbatches=microbatches,
            activation_bits=activation_bits,
            schedule="routed",
            rebalance_every=float("inf") if rebalance_every is None else rebalance_every,
        )

    def state_share(self, workers: int) -> float:
        return 1 / self.step.stages

    def run(self, replicas: Replicas) -> Program:
        while True:
            gradients = yield self.step
            gradient = yield AllReduce(gradients)
            replicas.step(gradient)
