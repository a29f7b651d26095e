"""D-PSGD: each worker averages its parameters with its neighbours only (Lian et al., NeurIPS 2017, arXiv:1705.09056)."""

from itertools import count

from bench.algorithm.ops import Algorithm, Exchange, Program, Train
from bench.graphs import GRAPHS, mixing
from bench.replicas import Replicas


class Gossip(Algorithm):
    """Local steps, then x_i ← Σ_j W_ij x_j over the neighbours j of i and itself; optimizer states stay local.

    The paper notes that the step may come before the averaging, as here, or after it. W_ij is that of `graph`; ring and torus
    have the paper's equal weights. A neighbour that is not there leaves its weight to the worker itself.
    """

    lockstep = "groups"

    def __init__(self, *, graph: str, sync_every: int, graph_seed: int) -> None:
        if graph not in GRAPHS:
            raise ValueError(f"graph must be one of {', '.join(GRAPHS)}, got '{graph}'")
        if sync_every < 1:
            raise ValueError(f"sync_every must be >= 1, got {sync_every}")
        self.graph, self.sync_every, self.graph_seed = graph, sync_every, graph_seed

    def run(self, replicas: Replicas) -> Program:
        for round in count():
            yield Train(self.sync_every)
            weights = mixing(self.graph, len(replicas.params), round, self.graph_seed)  # (W, W)
            replicas.params[:] = yield Exchange(replicas.params, weights)
