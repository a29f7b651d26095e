"""AdamW: Adam with decoupled weight decay (Loshchilov & Hutter, ICLR 2019, arXiv:1711.05101)."""

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from bench.optimizer.base import Shapes, State, check_positive, check_share


class AdamW:
    """PyTorch's fused AdamW, one call for n flat replicas; each row counts its own steps for the bias correction."""

    def __init__(self, *, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float) -> None:
        check_positive(lr=lr, eps=eps)
        check_share(beta1=beta1, beta2=beta2)
        if not 0 <= weight_decay < float("inf"):
            raise ValueError(f"weight_decay must be >= 0 and finite, got {weight_decay:g}")
        self.lr, self.beta1, self.beta2, self.eps, self.weight_decay = lr, beta1, beta2, eps, weight_decay

    def state(self, params: Tensor, shapes: Shapes) -> State:
        count = torch.zeros(len(params), dtype=torch.float32, device=params.device)
        return {"mean": torch.zeros_like(params), "square": torch.zeros_like(params), "count": count}

    def step(self, params: Tensor, gradient: Tensor, state: State, lr_scale: float, shapes: Shapes) -> None:
        adamw(
            list(params),
            list(gradient),
            list(state["mean"]),
            list(state["square"]),
            [],
            list(state["count"]),
            fused=True,
            amsgrad=False,
            beta1=self.beta1,
            beta2=self.beta2,
            lr=self.lr * lr_scale,
            weight_decay=self.weight_decay,
            eps=self.eps,
            maximize=False,
        )
