"""Synchronous data parallelism: average the gradients of every step (Li et al., "PyTorch Distributed", VLDB 2020)."""

from bench.algorithm.ops import Algorithm, AllReduce, Backward, Program
from bench.replicas import Replicas


class DDP(Algorithm):
    """One all-reduce of the gradient a step; equal to training one model with the batches of all workers together."""

    identical_replicas = True

    def run(self, replicas: Replicas) -> Program:
        while True:
            gradients = yield Backward()
            gradient = yield AllReduce(gradients)
            replicas.step(gradient)
