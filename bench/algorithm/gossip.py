"""D-PSGD: each worker averages its parameters with its neighbours only (Lian et al., NeurIPS 2017, arXiv:1705.09056)."""

from itertools import count

from bench.algorithm.ops import Algorithm, Exchange, Program, Start, Train, Wait
from bench.graphs import GRAPHS, mixing
from bench.replicas import Replicas


class Gossip(Algorithm):
    """Local steps, and x_i ← Σ_j W_ij x_j over the neighbours j of i and itself; optimizer states stay local.

    W_ij is that of `graph`; ring and torus have the paper's equal weights. A neighbour that is not there leaves its weight to
    the worker itself. With `overlap`, parameters travel while the next steps are taken, which are added to what comes back: the
    paper's order. Without, what is averaged has all steps in it, as in Koloskova et al. (ICML 2020, arXiv:2003.10422).
    """

    lockstep = "groups"

    def __init__(self, *, graph: str, sync_every: int, overlap: bool, graph_seed: int) -> None:
        if graph not in GRAPHS:
            raise ValueError(f"graph must be one of {', '.join(GRAPHS)}, got '{graph}'")
        if sync_every < 1:
            raise ValueError(f"sync_every must be >= 1, got {sync_every}")
        self.graph, self.sync_every, self.overlap, self.graph_seed = graph, sync_every, overlap, graph_seed

    def run(self, replicas: Replicas) -> Program:
        params = replicas.params  # (W, P)
        yield Train(self.sync_every)
        for round in count():
            weights = mixing(self.graph, replicas.workers, round, self.graph_seed)  # (W, W)
            if self.overlap:
                sent = params.clone()
                handle = yield Start(Exchange(sent, weights))
                yield Train(self.sync_every)
                params += (yield Wait(handle)) - sent
            else:
                params[:] = yield Exchange(params, weights)
                yield Train(self.sync_every)
