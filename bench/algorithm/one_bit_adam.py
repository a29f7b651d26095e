"""1-bit Adam (Tang et al., ICML 2021, arXiv:2102.02888)."""

import torch

from bench.algorithm.ops import Algorithm, AllReduce, Backward, Program
from bench.replicas import Replicas


class OneBitAdam(Algorithm):
    """Adam for `warmup` steps, on whole gradients; from then on its variance is frozen, and momenta are sent, encoded.

    Each worker sends m_i = β1 m + (1 - β1) g_i, where m is what all received before. One bit for each parameter is a codec,
    `sign`, and what it leaves out is error feedback's, on both ways: the mean is encoded anew for its way back. As Adam has it
    (Kingma & Ba, ICLR 2015), and other than the paper, whose warm-up is so long that it makes no difference, moments are
    divided by 1 - β^t. No other optimizer has a part in it; the learning rate follows the schedule.
    """

    identical_replicas = True

    def __init__(self, *, warmup: int, lr: float, beta1: float, beta2: float, eps: float) -> None:
        if warmup < 1:
            raise ValueError(f"warmup must be >= 1, got {warmup}")
        for name, value in (("lr", lr), ("eps", eps)):
            if not 0 < value < float("inf"):
                raise ValueError(f"{name} must be above 0 and finite, got {value:g}")
        for name, value in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} must be in [0, 1), got {value:g}")
        self.warmup, self.lr, self.beta1, self.beta2, self.eps = warmup, lr, beta1, beta2, eps

    def run(self, replicas: Replicas) -> Program:
        m, v = torch.zeros_like(replicas.params[:1]), torch.zeros_like(replicas.params[:1])  # each (1, P)
        t = 0
        while True:
            gradients = yield Backward()  # (W, P)
            t += 1
            if t <= self.warmup:
                gradient = yield AllReduce(gradients, encoded=False)
                m = self.beta1 * m + (1 - self.beta1) * gradient
                v = self.beta2 * v + (1 - self.beta2) * gradient**2
                deviation = (v / (1 - self.beta2**t)).sqrt()
            else:
                m = yield AllReduce(self.beta1 * m + (1 - self.beta1) * gradients)
            step = m / (1 - self.beta1**t) / (deviation + self.eps)
            replicas.params -= self.lr * replicas.lr_scale * step
