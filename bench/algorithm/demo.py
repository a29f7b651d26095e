"""DeMo: Decoupled Momentum Optimization (Peng et al., arXiv:2411.19870)."""

from bench.algorithm.ops import Algorithm, AllReduce, Backward, Program
from bench.replicas import Replicas


class DeMo(Algorithm):
    """A step along the sign of the mean of what each worker sends of its momentum: m ← β m + g; send q of it; m ← m - q.

    What the codec leaves out of a gradient and error feedback adds to the next one is that momentum, so β is the feedback's
    decay, and q, the largest coefficients of blocks' cosine transforms, is the codec `dct_top_k`; the preset chooses both, and
    SGD. The paper averages each coefficient over those that sent it, ours over all workers. Without codec and feedback this is
    a step along the sign of the mean gradient.
    """

    identical_replicas = True

    def run(self, replicas: Replicas) -> Program:
        while True:
            gradients = yield Backward()
            mean = yield AllReduce(gradients)
            replicas.step(mean.sign())
