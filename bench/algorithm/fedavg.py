"""Federated averaging (McMahan et al., AISTATS 2017, arXiv:1602.05629), with the server's learning rate of FedOpt."""

from bench.algorithm.ops import Algorithm, AllReduce, Program, Train
from bench.replicas import Replicas


class FedAvg(Algorithm):
    """Each round clients begin with the server's parameters and a fresh optimizer, and take `local_steps`.

    The server then moves along the mean of their updates, weighted by the examples behind each, by `server_lr` (Reddi et al.,
    ICLR 2021, arXiv:2003.00295); 1 is the paper's average of parameters. All workers are clients in every round: that the paper
    draws a share of them at random is not modelled, though churn and participation rules leave some out. Where it counts
    epochs of a client's own data, we count steps, on data that are alike for all.
    """

    def __init__(self, *, local_steps: int, server_lr: float) -> None:
        if local_steps < 1:
            raise ValueError(f"local_steps must be >= 1, got {local_steps}")
        if not 0 < server_lr < float("inf"):
            raise ValueError(f"server_lr must be above 0 and finite, got {server_lr:g}")
        self.local_steps, self.server_lr = local_steps, server_lr

    def run(self, replicas: Replicas) -> Program:
        server = replicas.params[:1].clone()  # (1, P)
        while True:
            yield Train(self.local_steps)
            update = yield AllReduce(replicas.params - server)
            server = server + self.server_lr * update
            replicas.params[:] = server
            replicas.forget_state()
