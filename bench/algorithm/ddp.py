"""Synchronous data parallelism: average the gradients of every step (Li et al., "PyTorch Distributed", VLDB 2020)."""

import torch

from bench.algorithm.ops import Algorithm, AllReduce, Backward, Forward, Program, Start, Wait
from bench.replicas import Replicas


class DDP(Algorithm):
    """One all-reduce of the gradient a step; equal to training one model with the batches of all workers together.

    The gradient goes in `buckets`, each as soon as the backward pass has it, from the last layers on. With `accumulate` > 1 so
    many batches are summed up before their mean is sent.
    """

    identical_replicas = True

    def __init__(self, *, buckets: int = 1, accumulate: int = 1) -> None:
        if buckets < 1:
            raise ValueError(f"buckets must be >= 1, got {buckets}")
        if accumulate < 1:
            raise ValueError(f"accumulate must be >= 1, got {accumulate}")
        self.buckets, self.accumulate = buckets, accumulate

    def run(self, replicas: Replicas) -> Program:
        buckets = replicas.layout.parts(self.buckets)[::-1]
        while True:
            gradients = torch.zeros_like(replicas.params[:1])  # sums of the earlier batches, (1, P), then (W, P)
            for _ in range(self.accumulate - 1):
                gradients = gradients + (yield Backward())
            yield Forward()
            handles = []
            for bucket in buckets:
                last = yield Backward(bucket)  # (W, n)
                mean = (last + bucket.of(gradients)) / self.accumulate if self.accumulate > 1 else last
                handles.append((yield Start(AllReduce(mean, bucket))))
            gradient = torch.empty_like(replicas.params[:1])  # (1, P)
            for bucket, handle in zip(buckets, handles, strict=True):
                bucket.put(gradient, (yield Wait(handle)))
            replicas.step(gradient)
