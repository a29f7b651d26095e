"""MuLoCo: DiLoCo whose workers step with Muon (Thérien et al., arXiv:2505.23725)."""

from bench.algorithm.diloco import DiLoCo
from bench.algorithm.ops import Algorithm, Program
from bench.replicas import Replicas


class MuLoCo(Algorithm):
    """DiLoCo's program; its preset chooses the inner optimizer. The paper's compressed pseudo-gradients are a codec."""

    def __init__(self, *, sync_every: int, outer_lr: float, outer_momentum: float) -> None:
        self._diloco = DiLoCo(sync_every=sync_every, outer_lr=outer_lr, outer_momentum=outer_momentum)

    def run(self, replicas: Replicas) -> Program:
        return self._diloco.run(replicas)
