"""signSGD with majority vote, Signum (Bernstein et al., arXiv:1802.04291 and arXiv:1810.05291)."""

import torch

from bench.algorithm.ops import Algorithm, AllReduce, Backward, Program
from bench.replicas import Replicas


class SignSGD(Algorithm):
    """Each worker votes with the sign of its own momentum, v ← β v + (1 - β) g; all step along the sign of the sum of votes.

    Without `momentum` that is signSGD, with it Signum. A tie moves nothing, where votes travel as they are. The one bit of
    a vote is a codec, `sign`, which has no zero: there a tie moves as if plus had won. Where workers take batches of different
    sizes, votes weigh as much as these, where the papers have one for each worker.
    """

    identical_replicas = True
    linear = False

    def __init__(self, *, momentum: float) -> None:
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {momentum:g}")
        self.momentum = momentum

    def run(self, replicas: Replicas) -> Program:
        velocity = torch.zeros_like(replicas.params[:1])  # (1, P), then (W, P)
        while True:
            gradients = yield Backward()  # (W, P)
            velocity = self.momentum * velocity + (1 - self.momentum) * gradients
            votes = yield AllReduce(velocity.sign())
            replicas.step(votes.sign())
