"""Moshpit SGD: all-reduces within small groups, other ones each round (Ryabinin et al., NeurIPS 2021, arXiv:2103.03239)."""

from itertools import count

from bench.algorithm.ops import Algorithm, AllReduce, Program, Train
from bench.graphs import grid_groups
from bench.replicas import Replicas


class Moshpit(Algorithm):
    """Local steps, then Moshpit All-Reduce: workers on a grid average with those who share all coordinates but one.

    Each round takes the next of the `dimensions`, and goes on where the last averaging stopped. If every place of the grid is
    taken and nobody drops out, as many rounds as there are dimensions give the exact mean; else the mean of all stays what it
    is, and they come nearer to it. Here all places are known; the paper's workers find each other by a hash table.
    """

    lockstep = "groups"

    def __init__(self, *, sync_every: int, dimensions: int, rounds: int) -> None:
        for name, value in (("sync_every", sync_every), ("dimensions", dimensions), ("rounds", rounds)):
            if value < 1:
                raise ValueError(f"{name} must be >= 1, got {value}")
        self.sync_every, self.dimensions, self.rounds = sync_every, dimensions, rounds

    def run(self, replicas: Replicas) -> Program:
        for first in count(step=self.rounds):
            yield Train(self.sync_every)
            for round in range(first, first + self.rounds):
                groups = grid_groups(replicas.workers, self.dimensions, along=round % self.dimensions)  # (W,)
                replicas.params[:] = yield AllReduce(replicas.params, groups=groups)
