"""Fully sharded data parallelism: ZeRO (Rajbhandari et al., arXiv:1910.02054) as PyTorch's FSDP has it (arXiv:2304.11277)."""

import torch

from bench.algorithm.ops import Algorithm, AllGather, Backward, Forward, Handle, Program, ReduceScatter, Start, Wait
from bench.replicas import Part, Replicas


class FSDP(Algorithm):
    """Each worker holds an equal share of everything, and gathers the parameters of one of `units` parts at a time.

    It learns what DDP does. A unit is gathered while the one before it computes, forward and, in reverse, backward; its
    gradient is scattered while the one after it computes. Each worker then steps its own share. That is ZeRO's stage 3: three
    halves of DDP's traffic. Without `reshard_after_forward` the parameters stay until the backward pass is over, which gathers
    none: stage 2, with DDP's traffic.
    """

    identical_replicas = True
    needs_everybody = True

    def __init__(self, *, units: int, reshard_after_forward: bool = True) -> None:
        if units < 1:
            raise ValueError(f"units must be >= 1, got {units}")
        self.units, self.reshard_after_forward = units, reshard_after_forward

    def state_share(self, workers: int) -> float:
        """An equal share; parameters that stay are counted as a quarter of all, as AdamW has it.

        The one or two units that are gathered at a time are not counted.
        """
        whole = 0.0 if self.reshard_after_forward else 1 / 4
        return whole + (1 - whole) / workers

    def run(self, replicas: Replicas) -> Program:
        units = replicas.layout.parts(self.units)
        while True:
            gathered: Handle = yield _gather(replicas, units[0])
            for number, unit in enumerate(units):
                yield Wait(gathered)
                if number + 1 < len(units):
                    gathered = yield _gather(replicas, units[number + 1])
                yield Forward(unit)
            if self.reshard_after_forward:
                gathered = yield _gather(replicas, units[-1])
            scattered = []
            for number, unit in reversed([*enumerate(units)]):
                if self.reshard_after_forward:
                    yield Wait(gathered)
                    if number:
                        gathered = yield _gather(replicas, units[number - 1])
                gradients = yield Backward(unit)  # (W, n)
                scattered.append((unit, (yield Start(ReduceScatter(gradients, unit)))))
            gradient = torch.empty_like(replicas.params[:1])  # (1, P)
            for unit, handle in scattered:
                unit.put(gradient, (yield Wait(handle)))
            replicas.step(gradient)


def _gather(replicas: Replicas, unit: Part) -> Start:
    """Begin to gather a unit's parameters. What comes is what the replicas hold in any case, so nobody copies the answer."""
    return Start(AllGather(unit.of(replicas.params[:1])))
