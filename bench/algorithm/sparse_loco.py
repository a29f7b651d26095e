"""SparseLoCo: sparse, quantized pseudo-gradients with error feedback (Sarfi et al., arXiv:2508.15706)."""

from bench.algorithm.ops import Algorithm, AllReduce, Program, Train
from bench.replicas import Replicas


class SparseLoCo(Algorithm):
    """Local steps, then an outer SGD step, without momentum, on the average of what the workers sent of pseudo-gradients.

    Its preset chooses what makes it sparse, the codec `top_k_2bit`, and the error feedback whose decaying memory stands for the
    outer momentum. The paper averages each number over all workers, sent or not, and so do we. Without codec and feedback it is
    DiLoCo without momentum.
    """

    def __init__(self, *, sync_every: int, outer_lr: float) -> None:
        if sync_every < 1:
            raise ValueError(f"sync_every must be >= 1, got {sync_every}")
        if not 0 < outer_lr < float("inf"):
            raise ValueError(f"outer_lr must be above 0 and finite, got {outer_lr:g}")
        self.sync_every, self.outer_lr = sync_every, outer_lr

    def run(self, replicas: Replicas) -> Program:
        anchor = replicas.params[:1].clone()  # (1, P)
        while True:
            yield Train(self.sync_every)
            pseudo_gradient = yield AllReduce(anchor - replicas.params)
            anchor = anchor - self.outer_lr * pseudo_gradient
            replicas.params[:] = anchor
